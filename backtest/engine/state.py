"""What the engine holds between steps: positions, pools, other owners, and the incremental totals they must match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.engine.acts.fund_drop import Watch
from backtest.engine.detect.accounts import Accounts, members
from backtest.engine.prices import Prices
from backtest.errors import ConservationError, RangeError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, MILLIONTH, RATE_ONE, Bools, Floats, Ints, exact_sum
from backtest.mechanics.feedback import HIGHEST, LOWEST, Feedback
from backtest.mechanics.fund import Pool, PoolRule
from backtest.mechanics.impact import Bands, OrderBook
from backtest.mechanics.margin import Tiers
from backtest.mechanics.path import Walk, freed
from backtest.mechanics.rules import Rules

FLOAT_EXACT = 2**53
LONG, SHORT = 1, -1
NEVER = -1


@dataclass(frozen=True, slots=True)
class World:
    """Everything a run is a function of.

    Positions are sorted by symbol, side (long first) and account. Arrays over bars have shape (symbols, bars).
    ``funding`` rows are (bar, symbol, rate in 1e-9, oracle price in mark quanta or 0). ``watched`` are position rows.
    ``inverse`` holds the numerator of each inverse contract and 0 for a linear one; ``cross`` marks the positions whose
    account bears them together. ``books`` are the order books that impact by depth reads; ``feedback`` None: the prices
    are those of the tape.
    """

    symbols: tuple[str, ...]
    q_tick: tuple[int, ...]
    mark_per_tick: tuple[int, ...]
    tiers: tuple[Tiers, ...]
    walk: Walk
    bar_s: int
    trade_low: Ints
    trade_high: Ints
    volume: Ints
    funding: tuple[tuple[int, int, int, int], ...]
    account: Ints
    symbol: Ints
    side: Ints
    lots: Ints
    cost: Ints
    wallet: Ints
    watched: tuple[int, ...]
    rules: Rules
    inverse: tuple[int, ...] = ()
    cross: Bools | None = None
    books: tuple[OrderBook, ...] = ()
    feedback: Feedback | None = None

    @property
    def steps(self) -> int:
        """Return the number of prices walked."""
        return int(self.walk.mark.shape[1])

    def q_mark(self, symbol: int) -> int:
        """Return quanta per mark quantum and lot."""
        return self.q_tick[symbol] // self.mark_per_tick[symbol]

    def contract(self, symbol: int) -> Contract:
        """Return the contract of a symbol: the value of its lots at a mark."""
        return Contract(self.q_mark(symbol), self.inverse[symbol] if self.inverse else 0)

    def traded(self, symbol: int, price: Ints) -> Ints:
        """Return the value of a lot at trade prices in ticks."""
        return self.contract(symbol).values_per_lot(price * self.mark_per_tick[symbol])

    def bands(self, symbol: int, bar: int, flow: int, scale: Fraction) -> Bands:
        """Return the order book that takes a flow of signed lots in a bar."""
        return self.books[symbol].side(bar, flow, scale) if self.books else ()

    def value_signs(self) -> Ints:
        """Return +1 for each linear symbol, -1 for each inverse one."""
        return np.array([self.contract(symbol).value_sign for symbol in range(len(self.symbols))], dtype=np.int64)


@dataclass(slots=True)
class Owner:
    """Cash and signed lots of an owner that is not an account; ``index`` is its last funding settlement."""

    name: str
    cash: int
    lots: list[int]
    index: list[int]


class Mirror:
    """Positions in floats for the filter of ADL queues, funding settled at index zero.

    ``exact``: lots, costs and values stay below 2**53, where a float holds every integer.
    """

    def __init__(self, state: State) -> None:
        self.exact = _fits_floats(state.world)
        self.lots: Floats = state.lots.astype(np.float64)
        self.cost: Floats = state.cost.astype(np.float64)
        self.cash: Floats = state.cash.astype(np.float64)

    def update(self, state: State, rows: Ints) -> None:
        """Copy rows that changed."""
        self.lots[rows], self.cost[rows] = state.lots[rows], state.cost[rows]
        settled = state.world.side[rows] * state.lots[rows] * (state.settled[rows] / MILLIONTH)
        self.cash[rows] = state.cash[rows] + settled


class State:
    """The mutable state of a run.

    ``cash`` and ``lots`` are the accounts' (lots unsigned); ``settled`` is the funding index each position last
    settled at. ``accounts_cash`` and ``accounts_lots`` are kept incrementally and checked against the arrays.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        count = len(world.symbols)
        check_range(world)
        self.lots: Ints = world.lots.copy()
        self.cost: Ints = world.cost.copy()
        self.units = tuple(world.contract(symbol) for symbol in range(count))
        self.kind = world.value_signs().tolist()
        self.worth_side: Ints = world.side * world.value_signs()[world.symbol] if any(world.inverse) else world.side
        self.cash: Ints = world.wallet - self.worth_side * world.cost
        self.settled: Ints = np.zeros(len(world.lots), dtype=np.int64)
        self.mirror = Mirror(self)
        if world.rules.part is not None:  # the segment each position was last in breach on, and when it first ordered
            self.seen: Ints = np.full(len(world.lots), -1, dtype=np.int64)
            self.sent_at: Ints = np.full(len(world.lots), NEVER, dtype=np.int64)
        self.breached: Ints = np.empty(0, dtype=np.int64)  # rows in breach in this step, ascending
        self.found: Ints = self.breached  # of these, those of the segment in progress
        self.in_round: Ints = np.empty(0, dtype=np.int64)  # cross accounts in the present round of the step
        self.index = [0] * count
        self.funded = False  # whether any funding has moved an index, which may stand at zero again
        self.blocks = {(symbol, side): _block(world, symbol, side) for symbol in range(count) for side in (LONG, SHORT)}
        self.opposite = _opposites(world, self.blocks)
        owners = members(world)
        self.crossed = None if owners is None else Accounts(self, owners)
        self.accounts_cash = exact_sum(self.cash)
        signed = world.side * world.lots
        self.accounts_lots = [int(signed[world.symbol == symbol].sum()) for symbol in range(count)]
        rules = world.rules
        self.fund_of = list(rules.fund_of) or [0] * count  # symbol -> its fund
        self.fund_rows: Ints = np.array(self.fund_of, dtype=np.int64)
        pools = rules.pools or (PoolRule(rules.fund_start, rules.inventory_limit),)
        self.funds = [_pool("fund", rule.start, count, number, rule.limit) for number, rule in enumerate(pools)]
        self.vault = _pool("vault", rules.vault.capital if rules.vault else 0, count)
        part = world.walk.part if world.walk.parts > 1 else 3
        self.clocks: Ints = np.append(0, (3 * world.walk.bar + part) * world.bar_s)
        self.watch = Watch.begin(rules.drawdown, self.funds, self.fund_of)
        held = [-lots for lots in self.accounts_lots]
        first = [
            k * world.contract(symbol).value_per_lot(int(world.walk.mark[symbol, 0]))
            for symbol, k in enumerate(self.kind)
        ]
        self.market = Owner("market", -sum(a * b for a, b in zip(held, first, strict=True)), held, [0] * count)
        self.venue_cash = self.rounding_cash = self.uncovered_cash = 0
        self.opening_cash = -(self.accounts_cash + self.funds_cash() + self.vault.cash + self.market.cash)
        self.prices = Prices(world)
        self.marks = self.prices.ends
        if rules.on_exhausted == "socialised_winners":
            self.opening_equity: Ints = (
                self.cash
                + self.worth_side
                * self.lots
                * np.array([self.value_per_lot(symbol) for symbol in range(count)], dtype=np.int64)[world.symbol]
            )
        self.step = 0
        self.segment = 0  # counts steps, and what is walked again within one
        self.to_share = [0] * count  # quanta that exhausted queues have left uncovered in this round
        self.flow = [0] * count  # signed lots that went through the book in this step
        self.bar = -1
        self.used = [0] * count  # liquidity used in the present bar
        self.quiet = 0
        self.waves = 0

    def isolated(self, rows: slice) -> Bools | None:
        """Return which rows are isolated positions; None if all are."""
        return None if self.crossed is None else self.crossed.of[rows] < 0

    def episode(self, rows: Ints, passed: Ints) -> tuple[Bools, Bools]:
        """Return which positions in breach have sent no order in this episode, and which pause after their first.

        An episode ends with a price at which the position is not in breach: that of a step, or the start of the
        segment where the breach is ``passed`` behind it.
        """
        if self.world.rules.part is None:
            yes = np.ones(len(rows), dtype=bool)
            return yes, ~yes
        fresh = rows[(self.seen[rows] < self.segment - 1) | (passed > 0)]
        self.sent_at[fresh] = NEVER
        self.seen[rows] = self.segment
        sent = self.sent_at[rows]
        return sent == NEVER, (sent != NEVER) & (self.clock() < sent + 3 * self.world.rules.part.pause_s)

    def sent(self, rows: Ints) -> None:
        """Note the first order of an episode."""
        if self.world.rules.part is not None:
            self.sent_at[rows] = self.clock()

    def clock(self) -> int:
        """Return the end of the step in thirds of a second since the first bar opened."""
        return self.clock_at(self.step)

    def clock_at(self, step: int) -> int:
        """Return the same of another step; the run's start is at 0."""
        return int(self.clocks[step])

    def blocks_passed(self) -> int:
        """Return how many blocks or rounds of the venue pass from the price before to the step, at least one."""
        rule, walk = self.world.rules.block, self.world.walk
        if rule is None or self.step == 1:
            return 1
        bars = int(walk.bar[self.step - 1]) - int(walk.bar[self.step - 2])
        parts = int(walk.part[self.step - 1]) - int(walk.part[self.step - 2]) if walk.parts > 1 else 0
        return max((3 * bars + parts) * self.world.bar_s * 1000 // (3 * rule.time_ms), 1)

    def fund_for(self, symbol: int) -> Pool:
        """Return the fund that serves a symbol."""
        return self.funds[self.fund_of[symbol]]

    def funds_cash(self) -> int:
        """Return the cash of all funds."""
        return sum([fund.cash for fund in self.funds])

    def value_per_lot(self, symbol: int) -> int:
        """Return quanta per lot at the mark at the end of the step."""
        return self.units[symbol].value_per_lot(self.marks[symbol])

    def pool_equity(self, pool: Pool) -> int:
        """Return cash plus inventory at mark, unsettled funding included."""
        equity = pool.cash
        for symbol, lots in enumerate(pool.lots):
            if lots:
                due = lots * (self.index[symbol] - pool.index[symbol]) // MILLIONTH
                equity += self.kind[symbol] * lots * self.value_per_lot(symbol) - due
        return equity

    def gross_inventory(self, pool: Pool) -> int:
        """Return the sum of |lots| at mark over all symbols."""
        return sum(abs(lots) * self.value_per_lot(symbol) for symbol, lots in enumerate(pool.lots))

    def owed_funding(self, rows: Ints) -> Ints:
        """Return the unsettled funding of positions in quanta: floor(signed lots x index change / 1e6)."""
        signed = self.world.side[rows] * self.lots[rows]
        if len(self.index) == 1:
            change = self.index[0] - self.settled[rows]
        else:
            change = np.asarray(self.index, dtype=np.int64)[self.world.symbol[rows]] - self.settled[rows]
        if len(rows) > 64 and (change == change[0]).all():  # division by one number is several times faster
            part, remainder = divmod(int(change[0]), MILLIONTH)
            return signed * part + signed * remainder // MILLIONTH
        whole = change // MILLIONTH  # twice floor division by one number is faster than divmod
        owed: Ints = signed * whole + signed * (change - whole * MILLIONTH) // MILLIONTH
        return owed

    def bucket(self, symbol: int) -> int:
        """Return the liquidity left in the bar at this step, in lots."""
        walk = self.world.walk
        part = int(walk.part[self.step - 1])
        return freed(self.capacity(symbol), part, walk.parts) - self.used[symbol]

    def capacity(self, symbol: int) -> int:
        """Return the lots the present bar can take: floor(volume x scale x participation)."""
        rules = self.world.rules
        share = rules.scale[symbol] * rules.participation
        return int(self.world.volume[symbol, self.bar]) * share.numerator // share.denominator

    def total_cash(self) -> int:
        """Return the sum of all owners' cash; 0."""
        others = self.venue_cash + self.rounding_cash + self.uncovered_cash + self.opening_cash
        return self.accounts_cash + self.funds_cash() + self.vault.cash + self.market.cash + others

    def total_lots(self, symbol: int) -> int:
        """Return the sum of all owners' signed lots in a symbol; 0."""
        pools = sum([fund.lots[symbol] for fund in self.funds]) + self.vault.lots[symbol]
        return self.accounts_lots[symbol] + pools + self.market.lots[symbol]

    def check(self, full: bool = False) -> None:
        """Raise ``ConservationError`` if cash or lots do not sum to zero, or totals do not match the arrays."""
        residual = self.total_cash()
        if residual:
            raise ConservationError(f"step {self.step}: cash of all owners sums to {residual} quanta instead of 0")
        for symbol, name in enumerate(self.world.symbols):
            if self.total_lots(symbol):
                raise ConservationError(f"step {self.step}: lots of {name} sum to {self.total_lots(symbol)}, not 0")
        if full:
            self._recompute()

    def _recompute(self) -> None:
        gap = exact_sum(self.cash) - self.accounts_cash
        if gap:
            raise ConservationError(f"step {self.step}: owner accounts holds {gap} quanta more than its total")
        for (symbol, side), rows in self.blocks.items():
            self_total = side * int(self.lots[rows].sum())
            other = -side * int(self.lots[self.blocks[symbol, -side]].sum())
            if self_total + other != self.accounts_lots[symbol]:
                name = self.world.symbols[symbol]
                raise ConservationError(f"step {self.step}: lots of {name} in accounts do not match their total")


def _pool(owner: str, cash: int, symbols: int, number: int = -1, limit: int | None = None) -> Pool:
    lots, basis, index, earned = ([0] * symbols for _ in range(4))
    return Pool(owner, cash, lots, basis, index, number, earned, limit)


def _opposites(world: World, blocks: Mapping[tuple[int, int], slice]) -> Ints | None:
    """Return for each row the row of the same account on the other side of its symbol, or -1; None if all are alone."""
    found = []
    for symbol in range(len(world.symbols)):
        long, short = blocks[symbol, LONG], blocks[symbol, SHORT]
        ours, theirs = world.account[long], world.account[short]
        if not ours.size or not theirs.size or ours[-1] < theirs[0] or theirs[-1] < ours[0]:
            continue
        place = np.minimum(np.searchsorted(theirs, ours), len(theirs) - 1)
        same = np.flatnonzero(theirs[place] == ours)
        found.append((same + long.start, place[same] + short.start))
    if not any(len(longs) for longs, _ in found):
        return None
    out = np.full(len(world.lots), -1, dtype=np.int64)
    for longs, shorts in found:
        out[longs], out[shorts] = shorts, longs
    return out


def _block(world: World, symbol: int, side: int) -> slice:
    mine = np.flatnonzero((world.symbol == symbol) & (world.side == side))
    if not mine.size:
        return slice(0, 0)
    return slice(int(mine[0]), int(mine[-1]) + 1)


def check_range(world: World) -> None:
    """Refuse a world in which a product or a sum of money could leave 62 bits, naming symbol and factor."""
    rules = world.rules
    money = abs(rules.fund_start) + (abs(rules.vault.capital) if rules.vault else 0)
    for symbol, name in enumerate(world.symbols):
        bounds = _bounds(world, symbol)
        for factor, (largest, fix) in bounds.items():
            _refuse(name, factor, largest, fix)
        money += bounds["lots x price"][0]
    _refuse("all symbols and pools", "money", money, "a coarser lot or a smaller open interest")


def _bounds(world: World, symbol: int) -> dict[str, tuple[int, str]]:
    """Return what each product of a symbol can reach, in Python integers, and what makes it smaller.

    Money counts lots at the highest price on both sides, wallets and all funding that could fall due.
    """
    held = _held(world, symbol)
    most = 1 if world.feedback is None else HIGHEST
    lots, mark = exact_sum(world.lots[held]), most * int(world.walk.mark[symbol].max())
    contract, top = world.contract(symbol), _highest_value_per_lot(world, symbol)
    events = [
        (abs(rate), contract.value_per_lot(oracle) if oracle else 0)
        for _, k, rate, oracle in world.funding
        if k == symbol
    ]
    index = sum(rate * max(top, charged) for rate, charged in events) * MILLIONTH // RATE_ONE
    money = 2 * max(lots * top, exact_sum(world.cost[held])) + exact_sum(np.abs(world.wallet[held]))
    return {
        "lots x price": (money + lots * index // MILLIONTH, "a coarser lot or a smaller open interest"),
        "lots x 1e6": (lots * MILLIONTH if index else 0, "a coarser lot or a smaller open interest"),
        "the funding index": (index, "a finer lot, lower rates or a shorter window"),
        "mark x 1024": (1024 * mark, "a coarser mark quantum"),  # places on a segment
    }


def _highest_value_per_lot(world: World, symbol: int) -> int:
    """Return the highest value of a lot at any price: at the highest, of an inverse contract at the lowest."""
    contract, ticks = world.contract(symbol), world.mark_per_tick[symbol]
    lowest = min(int(world.walk.mark[symbol].min()), int(world.trade_low[symbol].min()) * ticks)
    highest = max(int(world.walk.mark[symbol].max()), int(world.trade_high[symbol].max()) * ticks)
    if world.feedback is not None:  # how far displaced prices may lie from the tape
        lowest, highest = -(-lowest // LOWEST), highest * HIGHEST
    return max(contract.value_per_lot(lowest), contract.value_per_lot(highest))


def _refuse(name: str, factor: str, largest: int, fix: str) -> None:
    if largest >= LIMIT:
        raise RangeError(f"{name}: {factor} reaches {largest / LIMIT:.3g} times the exact range of 2**62; use {fix}")


def _held(world: World, symbol: int) -> slice:
    first, last = np.searchsorted(world.symbol, [symbol, symbol + 1]).tolist()
    return slice(first, last)


def _fits_floats(world: World) -> bool:
    """Return whether every position's cost, and its value at any mark, is exact as a float."""
    for symbol in range(len(world.symbols)):
        held = _held(world, symbol)
        top = _highest_value_per_lot(world, symbol)
        largest = max(int(world.lots[held].max(initial=0)) * top, int(world.cost[held].max(initial=0)))
        if largest >= FLOAT_EXACT:
            return False
    return True
