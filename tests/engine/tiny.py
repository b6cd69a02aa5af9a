"""Every tiny world: up to three accounts, a start and two steps, prices and money chosen so that ties happen.

A part is a product of axes; nothing is drawn. All prices are near 100 ticks of 10 quanta per lot. Prices fall or rise
through a pivot (90 or 110) and beyond it (81 or 121). Collateral is set so that at the pivot an account stands exactly
at its maintenance or at zero, or a quantum beside. Tiers begin at the value of one and of two lots at the pivot.

Sides are balanced in each symbol: the market has no position at the start. Accounts are listed in every order in which
they differ; equal accounts have one order. No other symmetry is removed: prices that fall and that rise are both here,
since rounding and the order of waves are not the same for both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from backtest.mechanics.adl.close_price import CLOSE_PRICES, EXHAUSTION
from backtest.mechanics.adl.rankings import RANKINGS
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES
from tests.reference.slow_shares import BY_SHARE
from tests.reference.slow_state import maintenance_margin

World = dict[str, Any]
Row = dict[str, Any]
START_PX, UNIT = 100, 10
PIVOT = {1: 90, -1: 110}  # by the side that prices go against
BEYOND = {1: 81, -1: 121}
SAFE, HALF, MAINTENANCE, ZERO, LOSER = "safe", "half", "maintenance", "zero", "loser"
BLOCK = {
    "time_ms": 30_000, "share_e9": 500_000_000, "least": 0, "most": 10**12, "orders": 1, "deleverages": 1,
    "adjustment_e9": 10**9, "spread_e9": 1_500_000_000,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A product of axes, and the world of each place in it."""

    axes: dict[str, tuple[Any, ...]]
    build: Callable[..., World]

    def __len__(self) -> int:
        return math.prod(len(axis) for axis in self.axes.values())

    def worlds(self, start: int = 0, step: int = 1) -> Iterator[tuple[int, World]]:
        """Yield every so many worlds with their numbers."""
        places = itertools.product(*self.axes.values())
        for number, values in itertools.islice(enumerate(places), start, None, step):
            yield number, self.build(**dict(zip(self.axes, values, strict=True)))

    def world(self, number: int) -> World:
        """Return the world of a number; the last axis counts fastest."""
        if not 0 <= number < len(self):
            raise IndexError(f"world {number} of {len(self)}")
        values = {}
        for name, axis in reversed(self.axes.items()):
            number, place = divmod(number, len(axis))
            values[name] = axis[place]
        return self.build(**values)


SCHEDULES = ("deducted", "stepped", "on_entry")


def tiers(against: int, schedule: str = "deducted") -> list[list[int]]:
    """Return 5, 10 and 20 % from the value of one and two lots at the pivot on; on entry, from that at the start.

    Without deductions (``stepped``) maintenance jumps at each floor.

    >>> tiers(1)
    [[0, 50000000, 0], [900, 100000000, 45], [1800, 200000000, 225]]
    """
    first = UNIT * (START_PX if schedule == "on_entry" else PIVOT[against])
    deductions = (0, 0) if schedule == "stepped" else (first * 5 // 100, first * 25 // 100)
    return [[0, 50_000_000, 0], [first, 100_000_000, deductions[0]], [2 * first, 200_000_000, deductions[1]]]


def row(
    number: int, side: int, lots: int, level: str, against: int, *, more: int = 0, symbol: str = "BTC",
    cross: bool = False, schedule: str = "deducted",
) -> Row:  # fmt: skip
    """Return a position of one account.

    Parameters
    ----------
    number, side, lots : int
        Account, 1 long or -1 short, size.
    level : str
        ``safe`` holds its whole value as collateral and ``half`` half of it, entered at the start; ``flat`` is safe
        and entered at the pivot; a ``loser`` entered as far on the other side of the pivot, with just the money to
        close there; ``maintenance`` and ``zero`` are the equity at the pivot.
    against : int
        The side that prices go against.
    more : int
        Quanta of collateral beside that.
    """
    pivot = PIVOT[against]
    entry_px = {"flat": pivot, LOSER: 2 * pivot - START_PX}.get(level, START_PX)
    entry_value = lots * UNIT * entry_px
    at_pivot = lots * UNIT * pivot
    counted = entry_value if schedule == "on_entry" else at_pivot
    profit = side * (at_pivot - entry_value)
    wallet = {
        SAFE: entry_value, "flat": entry_value, HALF: entry_value // 2, LOSER: -profit, ZERO: -profit,
        MAINTENANCE: maintenance_margin(tiers(against, schedule), counted) - profit,
    }[level]  # fmt: skip
    found = {"id": number, "symbol": symbol, "side": side, "lots": lots, "cost": entry_value, "wallet": wallet + more}
    return found | ({"cross": True} if cross else {})


def tape(walked: str, prices: dict[str, tuple[int, ...]], depth: int, slip: int = 0) -> World:
    """Return three prices as bars.

    ``jump`` has a bar for each. ``walk`` walks from each to the next in a bar; ``both`` walks once, then jumps.
    ``depth`` is what the book holds when a price is reached, ``slip`` the ticks from mark to trade price.
    """
    if walked == "jump":
        bars: list[dict[str, list[int]]] = [{name: [px] * 4 for name, px in zip(prices, row, strict=True)}
                                             for row in zip(*prices.values(), strict=True)]  # fmt: skip
        volume = depth
    else:
        ends = {name: [(a, b), (b, c) if walked == "walk" else (c, c)] for name, (a, b, c) in prices.items()}
        bars = [{name: [pair[n][0], max(pair[n]), min(pair[n]), pair[n][1]] for name, pair in ends.items()}
                for n in (0, 1)]  # fmt: skip
        volume = -(-4 * depth // 3)  # three of four parts are free at the extreme
    return {
        "intrabar": "close" if walked == "jump" else "ohlc",
        "bars": [
            {name: {"mark": mark, "trade": [px + slip for px in mark], "volume_lots": volume}
             for name, mark in bar.items()}
            for bar in bars
        ],
    }  # fmt: skip


def world(accounts: list[Row], bars: World, ladder: list[list[int]], **changes: Any) -> World:
    """Return a world; ``changes`` go into its profile, ``fund_*`` into its fund."""
    fund = {"start": 0, "floor": 0, "shortfall": "divisible", "takeover": "none", "inventory_limit": None}
    fund |= {key[5:]: changes.pop(key) for key in list(changes) if key.startswith("fund_")}
    profile = {
        "threshold": "<", "fund": fund, "ranking": "bitmex", "losers": "last", "close_price": "bankruptcy",
        "residual_owner": "account", "fee_e9": 0, "fee_owner": "venue", "inventory_adl": "none", "inventory_stop": 0,
        "on_exhausted": "uncovered", "vault_quiet_steps": 100,
    }  # fmt: skip
    return {
        "symbols": {name: {"quanta_per_tick_lot": UNIT, "tiers": ladder} for name in bars["bars"][0]},
        "profile": {**profile, **changes},
        "liquidity": {
            "scale_e9": 10**9, "participation_e9": 10**9, "impact": "none", "impact_y_e9": 10**9, "sigma_e9": 10**7,
        },
        "bar_seconds": 60, "funding": [], "seed": 0, **bars, "accounts": accounts,
    }  # fmt: skip


# --- rankings and allocations: who of two is closed first ----------------------------------------------------------

CANDIDATES = ((SAFE, 0), (HALF, 0), ("flat", 0), (LOSER, 0), (LOSER, -1))
QUEUES = tuple(
    [(((ZERO, 0, 2 if sizes == (1, 1) else 3),), tuple((*kind, lots) for kind, lots in zip(kinds, sizes, strict=True)))
     for sizes in ((1, 1), (2, 1)) for kinds in itertools.product(CANDIDATES, repeat=2)]
    + [(((ZERO, 0, 1),) * 2, ((*kind, 2),)) for kind in CANDIDATES]
    + [(((ZERO, 0, 1),), ((*kind, 1),)) for kind in CANDIDATES]
)  # fmt: skip


def opposed(against: int, book: tuple[Any, Any], schedule: str = "deducted") -> list[Row]:
    """Return a book of one symbol: those against whom prices go, then the others; level, quanta beside it, lots."""
    sides = [(against, each) for each in book[0]] + [(-against, each) for each in book[1]]
    return [
        row(number, side, lots, level, against, more=more, schedule=schedule)
        for number, (side, (level, more, lots)) in enumerate(sides, 1)
    ]


def ranked(against: int, walked: tuple[str, str], book: Any, ranking: str, losers: str, close_price: str) -> World:
    """Return a world in which a queue is formed; the book takes one lot of those with equity left."""
    prices = {"p": PIVOT[against], "b": BEYOND[against], "s": START_PX}
    bars = tape(walked[0], {"BTC": tuple(prices[key] for key in walked[1])}, depth=1)
    rules: dict[str, Any] = {"adl_allocation": ranking} if ranking in BY_SHARE else {"ranking": ranking}
    if ranking == "hyperliquid_literal":
        rules = {"ranking": "hyperliquid", "hl_literal": True}
    return world(
        opposed(against, book), bars, tiers(against), losers=losers, close_price=close_price, **rules
    )  # fmt: skip


# --- liquidation rules: at maintenance, at zero, at a tier's floor, with the book of exactly the size ---------------

LEVELS = ((MAINTENANCE, 0), (MAINTENANCE, 1), (MAINTENANCE, -1), (ZERO, 0), (ZERO, -1))
LIQUIDATED = tuple(
    [(((*level, 2),), ((SAFE, 0, 2),)) for level in LEVELS]
    + [(((*a, 1), (*b, 1)), ((SAFE, 0, 2),)) for a, b in itertools.product((LEVELS[0], LEVELS[3]), repeat=2)]
)


def liquidated(
    against: int, walked: tuple[str, str], book: Any, rule: str, threshold: str, schedule: str, depth: int, slip: int
) -> World:
    """Return a world in which a rule decides what is ordered."""
    prices = {"p": PIVOT[against], "b": BEYOND[against], "s": START_PX}
    bars = tape(walked[0], {"BTC": tuple(prices[key] for key in walked[1])}, depth, -against * slip)
    rules: dict[str, Any] = {"liquidation_rule": rule, "threshold": threshold}
    if rule == "part_first":
        rules |= {"first_share": [1, 2], "first_above": PIVOT[against] * UNIT, "pause_s": 30}
    if rule in {"fillable_price", "incremental"}:
        rules["block"] = BLOCK
    found = world(opposed(against, book, schedule), bars, tiers(against, schedule), **rules)
    if schedule == "on_entry":
        found["symbols"]["BTC"]["on_entry"] = True
    return found


# --- funds: exactly enough, a quantum short, without money ---------------------------------------------------------

COVERED = (
    (((ZERO, 0, 2),), ((SAFE, 0, 2),)),
    (((ZERO, 0, 2),), ((SAFE, 0, 1), ("flat", 0, 1))),
    (((ZERO, 0, 2),), ((SAFE, 0, 1), (LOSER, 0, 1))),
    (((ZERO, 0, 1), (ZERO, 0, 1)), ((SAFE, 0, 2),)),
    (((ZERO, 0, 1), (MAINTENANCE, 0, 1)), ((LOSER, 0, 2),)),
)
DROP = {"kind": "pnl_ratio", "trigger": {"BTC": [1, 2]}, "stop": {"BTC": [1, 4]}, "above": 0, "window_s": 60}


def covered(
    against: int, walked: tuple[str, str], book: Any, money: tuple[int, int], shortfall: str, pools: tuple[bool, bool],
    exhausted: str, residual: bool, inventory: str,
) -> World:  # fmt: skip
    """Return a world in which a fund is asked; ``money`` is what so many lots lose beyond the pivot, and quanta."""
    prices = {"p": PIVOT[against], "b": BEYOND[against], "s": START_PX}
    bars = tape(walked[0], {"BTC": tuple(prices[key] for key in walked[1])}, depth=0)
    lots, quanta = money
    takes_over, with_vault = pools
    rules: dict[str, Any] = {
        "fund_start": lots * UNIT * abs(BEYOND[against] - PIVOT[against]) + quanta, "fund_shortfall": shortfall,
        "fund_takeover": "bankruptcy" if takes_over else "none", "on_exhausted": exhausted, "inventory_adl": inventory,
        "losers": "excluded", "residual_owner": ("vault" if with_vault else "fund") if residual else "account",
    }  # fmt: skip
    if with_vault:
        rules["vault"] = {"capital": 0, "num": 2, "den": 3}
    if inventory == "to_trigger":
        rules["fund_drop"] = DROP
    return world(opposed(against, book), bars, tiers(against), **rules)


# --- two symbols, accounts of several positions ---------------------------------------------------------------------

SHAPES = {  # rows of account, symbol, side against which prices go or not, lots, cross
    "cross against two": ((1, "BTC", 1, 1, True), (1, "ETH", 1, 1, True), (2, "BTC", -1, 1, False),
                          (3, "ETH", -1, 1, False)),
    "cross against cross": ((1, "BTC", 1, 1, True), (1, "ETH", 1, 1, True), (2, "BTC", -1, 1, True),
                            (2, "ETH", -1, 1, True)),
    "hedge": ((1, "BTC", 1, 2, True), (1, "BTC", -1, 1, True), (2, "BTC", -1, 1, False), (1, "ETH", 1, 1, True),
              (3, "ETH", -1, 1, False)),
    "isolated": ((1, "BTC", 1, 1, False), (1, "ETH", 1, 1, False), (2, "BTC", -1, 1, False), (3, "ETH", -1, 1, False)),
}  # fmt: skip


def crossed(
    against: int, walked: str, both: bool, shape: str, level: tuple[str, int], turned: bool, allocation: str,
    threshold: str, depth: int, rule: str, close_price: str,
) -> World:  # fmt: skip
    """Return a world of two symbols; the first account stands at a level at the pivot, the others are safe."""
    path = (START_PX, PIVOT[against], BEYOND[against])
    bars = tape(walked, {"BTC": path, "ETH": path if both else (START_PX,) * 3}, depth)
    rows = []
    for account, symbol, side, lots, cross in SHAPES[shape]:
        kind, more = level if account == 1 and side == 1 else (SAFE, 0)
        number = 4 - account if turned else account
        options = {"symbol": symbol, "cross": cross, "more": more if symbol == "BTC" else 0}
        found = row(number, side * against, lots, kind, against, **options)
        if account == 1 and side == -1:  # the hedge stands on the money of the other leg
            found["wallet"] = 0
        rows.append(found)
    by, _, order = allocation.partition(" ")
    rules = {"cross_allocation": by} | ({"cross_order": order} if order else {})
    return world(
        rows, bars, tiers(against), threshold=threshold, liquidation_rule=rule, close_price=close_price, **rules
    )


PARTS = {
    "ranks": Part({
        "against": (1, -1), "walked": (("jump", "spb"), ("jump", "bps"), ("walk", "spb")), "book": QUEUES,
        "ranking": (*RANKINGS, *BY_SHARE), "losers": ("last", "ranked", "excluded"),
        "close_price": tuple(CLOSE_PRICES),
    }, ranked),
    "rules": Part({
        "against": (1, -1), "walked": (("jump", "spb"), ("walk", "sps"), ("both", "spb")), "book": LIQUIDATED,
        "rule": tuple(LIQUIDATION_RULES), "threshold": ("<", "<="), "schedule": SCHEDULES, "depth": (0, 1, 2),
        "slip": (0, 1),
    }, liquidated),
    "funds": Part({
        "against": (1, -1), "walked": (("jump", "sbp"), ("jump", "spb"), ("walk", "sbs")), "book": COVERED,
        "money": ((0, 0), (1, 0), (2, -1), (2, 0)), "shortfall": ("divisible", "all_or_nothing"),
        "pools": ((True, False), (False, False), (False, True), (True, True)), "exhausted": tuple(EXHAUSTION),
        "residual": (False, True), "inventory": ("none", "below_floor", "to_trigger"),
    }, covered),
    "accounts": Part({
        "against": (1, -1), "walked": ("jump", "walk"), "both": (True, False), "shape": tuple(SHAPES),
        "level": ((MAINTENANCE, 0), (MAINTENANCE, -1), (ZERO, 0), (ZERO, -1)), "turned": (False, True),
        "allocation": ("by_maintenance", "one_first maintenance", "one_first loss", "one_first notional"),
        "threshold": ("<", "<="), "depth": (0, 1), "rule": ("full_position", "reduce_once"),
        "close_price": ("bankruptcy", "mark"),
    }, crossed),
}  # fmt: skip
