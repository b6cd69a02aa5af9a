"""Drawn worlds under the rules of real profiles, and worlds spoilt on purpose, in the format of the exact worlds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from hypothesis import strategies as st

from backtest.mechanics.margin import deductions
from backtest.scenario.fields import MOST
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue, venue_names
from tests.reference.worlds_strategy import account_worlds, divided, worlds

World = dict[str, Any]
VENUES = tuple(venue_names())
DAY = dt.date(2025, 10, 10)
BILLION = 10**9
profile_of = cache(get_venue)


def under(name: str, world: World) -> World:
    """Return a world with every rule of a profile; prices, book, and the sizes of fund and vault stay as drawn."""
    venue, old = profile_of(name), world["profile"]
    rules, start = venue.rules, old["fund"]["start"]
    literal = rules["ranking"] == "hyperliquid_literal"
    limit = venue.inventory_limit_frac
    profile = {
        "threshold": "<=" if venue.inclusive else "<",
        "fund": {
            "start": start, "floor": old["fund"]["floor"], "shortfall": rules["fund_shortfall"],
            "takeover": rules["fund_takeover"], "inventory_limit": None if limit is None else int(limit * start),
            **_several(rules, list(world["symbols"]), start), **_drop(rules, list(world["symbols"])),
        },
        "ranking": "hyperliquid" if literal else rules["ranking"],
        "hl_literal": literal,
        "fee_e9": round(rules["fee_rate"] * BILLION),
        "inventory_stop": old["inventory_stop"],
        "vault_quiet_steps": old["vault_quiet_steps"],
        "max_candidates": rules["max_candidates"],
        **{key: rules[key] for key in ("liquidation_rule", "losers", "close_price", "residual_owner", "fee_owner",
                                       "inventory_adl", "on_exhausted", "cross_allocation", "cross_order")},
    }  # fmt: skip
    if rules["vault_capital_usd"]:
        num, den = venue.takeover
        profile["vault"] = {**(old.get("vault") or {"capital": start}), "num": num, "den": den}
    if rules["liquidation_rule"] == "part_first":
        share = Fraction(str(rules["first_share_frac"]))
        profile |= {
            "first_share": [share.numerator, share.denominator], "pause_s": rules["first_pause_s"],
            "first_above": _typical(world),
        }  # fmt: skip
    if rules["liquidation_rule"] in {"fillable_price", "incremental"}:
        profile["block"] = _block(rules, _typical(world))
    symbols = {key: {**each, "tiers": _tiers(venue, key, _typical(world))} for key, each in world["symbols"].items()}
    return {**world, "venue": name, "profile": profile, "symbols": symbols}


def _several(rules: Mapping[str, Any], symbols: list[str], start: int) -> World:
    """Return a fund for each symbol where a profile has isolated ones; none has a limit as well."""
    if rules["fund_pools"] != "isolated":
        return {}
    parts = divided(start, (1,) * len(symbols))
    pools = zip(symbols, parts, strict=True)
    return {"pools": [{"symbols": [name], "start": part, "inventory_limit": None} for name, part in pools]}


def _drop(rules: Mapping[str, Any], symbols: list[str]) -> World:
    if rules["drawdown_trigger"] == "none":
        return {}
    shares = {}
    for key in ("trigger", "stop"):
        share = Fraction(str(rules[f"drawdown_{key}_frac"]))
        shares[key] = {name: [share.numerator, share.denominator] for name in symbols}
    return {"drop": {"kind": rules["drawdown_trigger"], **shares, "above": 0, "window_s": rules["drawdown_window_s"]}}


def _block(rules: Mapping[str, Any], typical: int) -> dict[str, int]:
    """Return the limits per block: a tenth of a typical position at least and all of it at most."""
    least, most = rules["block_least_usd"], rules["block_most_usd"]
    return {
        "time_ms": round(rules["block_s"] * 1000),
        "share_e9": round(rules["block_share_frac"] * BILLION),
        "least": typical // 10 if least else 0,
        "most": typical if most < MOST else 2**62,
        "orders": rules["block_orders"],
        "deleverages": rules["block_deleverages"],
        "adjustment_e9": round(rules["fillable_adjustment"] * BILLION),
        "spread_e9": round(rules["fillable_spread"] * BILLION),
    }


def _typical(world: World) -> int:
    costs = sorted(row["cost"] for row in world["accounts"])
    return int(costs[len(costs) // 2])


def _tiers(venue: VenueProfile, coin: str, typical: int) -> list[list[int]]:
    """Return a venue's table with floors so low that its second tier begins at a typical position."""
    table = venue.table(coin, DAY)[0]
    floors, rates = [floor for floor, _, _ in table.tiers], [rate for _, rate, _ in table.tiers]
    unit = Fraction(max(typical, 1), floors[1] if len(floors) > 1 else 1)
    scaled = [0]
    for floor in floors[1:]:
        scaled.append(max(int(floor * unit), scaled[-1] + 1))
    if table.kind == "risk_limits":
        return [[floor + (floor > 0), rate, 0] for floor, rate in zip(scaled, rates, strict=True)]
    return [list(row) for row in zip(scaled, rates, deductions(scaled, rates), strict=True)]


def drawn(name: str, accounts: bool | None = None) -> st.SearchStrategy[World]:
    """Draw worlds under a profile: isolated linear positions, books of accounts (inverse ones too), or both kinds."""
    kinds = {False: worlds(), True: account_worlds(), None: st.one_of(worlds(), account_worlds())}
    return kinds[accounts].map(lambda world: under(name, world))


# worlds spoilt on purpose


def _bars(world: World, change: Callable[[int, dict[str, Any], int], dict[str, Any]]) -> World:
    """Return a world with bars changed; ``change`` gets the number of a bar, the bar and mark quanta per tick."""
    finer = {name: rules.get("mark_per_tick", 1) for name, rules in world["symbols"].items()}
    return {
        **world,
        "bars": [{name: change(number, each, finer[name]) for name, each in bar.items()}
                 for number, bar in enumerate(world["bars"])],
    }  # fmt: skip


def to_zero_and_back(world: World) -> World:
    """Let every price touch the least there is in the second half of the bars: zero, of inverse contracts one."""
    least = int(any(rules.get("inverse") for rules in world["symbols"].values()))

    def touch(number: int, bar: dict[str, Any], finer: int) -> dict[str, Any]:
        if number < len(world["bars"]) // 2:
            return bar
        trade, mark = bar["trade"], bar["mark"]
        return {**bar, "trade": [*trade[:2], least, trade[3]], "mark": [*mark[:2], least * finer, mark[3]]}

    return _bars(world, touch)


def leap(times: int) -> Callable[[World], World]:
    """Return a change that multiplies the high of the last bar; its mark goes with it."""

    def change(world: World) -> World:
        def high(number: int, bar: dict[str, Any], finer: int) -> dict[str, Any]:
            if number < len(world["bars"]) - 1:
                return bar
            (o, h, low, c), mark = bar["trade"], bar["mark"]
            return {**bar, "trade": [o, h * times, low, c], "mark": [mark[0], mark[1] * times, *mark[2:]]}

        return _bars(world, high)

    return change


def gap_up_and_down(world: World) -> World:
    """Close bars at twice, at a third and at the whole of their prices in turn."""

    def moved(number: int, bar: dict[str, Any], finer: int) -> dict[str, Any]:
        up, down = ((2, 1), (1, 3), (1, 1))[number % 3]
        return {**bar, **{key: [max(1, px * up // down) for px in bar[key]] for key in ("trade", "mark")}}

    return _bars({**world, "intrabar": "close"}, moved)


def without_volume(world: World) -> World:
    return _bars(world, lambda number, bar, finer: {**bar, "volume_lots": 0})


def heavy_funding(world: World) -> World:
    rates = (40_000_000, 40_000_000, -40_000_000)
    every = [(bar, name) for bar in range(len(world["bars"])) for name in world["symbols"]]
    return {**world, "funding": [{"bar": bar, "symbol": name, "rate_e9": rates[bar % 3]} for bar, name in every]}


def poor(world: World) -> World:
    """Take the fund's money, let it go into debt, and empty the vault."""
    profile = world["profile"]
    fund = {**profile["fund"], "start": 0, "floor": -_typical(world), "inventory_limit": None}
    if "pools" in fund:
        fund["pools"] = [{**pool, "start": 0} for pool in fund["pools"]]
    vault = {**profile["vault"], "capital": 0} if profile.get("vault") else None
    if vault and "sets" in vault:
        vault["sets"] = [{**each, "capital": 0} for each in vault["sets"]]
    return {**world, "profile": {**profile, "fund": fund, "vault": vault, "inventory_stop": 0}}


def all_bankrupt(world: World) -> World:
    rows = [{**row, "wallet": -row["cost"] // 2} for row in world["accounts"]]
    return {**poor(world), "accounts": rows}


def penniless(world: World) -> World:
    return {**world, "accounts": [{**row, "wallet": 0} for row in world["accounts"]]}


def one_account(world: World) -> World:
    return {**world, "accounts": world["accounts"][:1]}


def one_lot(world: World) -> World:
    rows = [{**row, "lots": 1, "cost": max(1, row["cost"] // row["lots"])} for row in world["accounts"][:2]]
    return {**world, "accounts": rows}


def few_winners(world: World) -> World:
    """Keep the larger side, and of the other the smallest position of each symbol."""
    rows = sorted(world["accounts"], key=lambda row: (row["symbol"], row["lots"], row["id"]))
    kept = [row for row in rows if row["side"] > 0]
    for name in world["symbols"]:
        kept += [row for row in rows if row["side"] < 0 and row["symbol"] == name][:1]
    return {**poor(world), "accounts": kept or rows}


def hedged(world: World) -> World:
    """Give every account the same lots on the other side of its symbol."""
    first = {(row["id"], row["symbol"]): row for row in world["accounts"]}.values()
    return {**world, "accounts": [{**row, "side": side} for row in first for side in (1, -1)]}


SPOILS: dict[str, Callable[[World], World]] = {
    "to-zero-and-back": to_zero_and_back, "leap": leap(12), "gaps": gap_up_and_down, "no-volume": without_volume,
    "heavy-funding": heavy_funding, "poor": poor, "all-bankrupt": all_bankrupt, "penniless": penniless,
    "one-account": one_account, "one-lot": one_lot, "few-winners": few_winners, "hedged": hedged,
}  # fmt: skip
