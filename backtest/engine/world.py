"""The world of a run: everything its result is a function of, in integers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from backtest.engine.columns import present
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.feedback import Feedback
from backtest.mechanics.impact import Bands, OrderBook
from backtest.mechanics.margin import Tiers, TierTable
from backtest.mechanics.path import Walk
from backtest.mechanics.rules import Rules

LONG, SHORT = 1, -1


@dataclass(frozen=True, kw_only=True)
class Positions:
    """The book at the start, one row a position: sorted by symbol, side (long first) and account; money in quanta.

    ``lots`` are unsigned. ``cross`` marks the positions whose account bears them together (None: no position),
    ``exempt`` those of accounts that are never in breach, deleveraged as others are (None: no position).
    """

    account: Ints
    symbol: Ints
    side: Ints
    lots: Ints
    entry_value: Ints
    collateral: Ints
    cross: Bools | None = None
    exempt: Bools | None = None

    def __len__(self) -> int:
        return len(self.lots)

    def held(self, symbol: int) -> slice:
        """Return the rows of a symbol."""
        first, last = np.searchsorted(self.symbol, [symbol, symbol + 1]).tolist()
        return slice(first, last)

    def block(self, symbol: int, side: int) -> slice:
        """Return the rows of one side of a symbol."""
        held = self.held(symbol)
        longs = int(np.count_nonzero(self.side[held] > 0))
        middle = held.start + longs
        return slice(held.start, middle) if side > 0 else slice(middle, held.stop)

    @cached_property
    def cross_account(self) -> Ints | None:
        """Return the number of each row's cross account, -1 of an isolated position; None where there is no account.

        An account with a single cross position is an isolated position. Numbers ascend with the account id.
        """
        if self.cross is None or not self.cross.any():
            return None
        rows = np.flatnonzero(self.cross)
        _, places, counts = np.unique(self.account[rows], return_inverse=True, return_counts=True)
        several = counts > 1
        if not several.any():
            return None
        number = np.where(several, np.cumsum(several) - 1, -1)
        out = np.full(len(self), -1, dtype=np.int64)
        out[rows] = number[places]
        return out

    @cached_property
    def opposite(self) -> Ints | None:
        """Return for each row the row of its account on the other side of the symbol, or -1; None if all are alone."""
        found = []
        for symbol in present(self.symbol):
            long, short = self.block(symbol, LONG), self.block(symbol, SHORT)
            ours, theirs = self.account[long], self.account[short]
            if not ours.size or not theirs.size or ours[-1] < theirs[0] or theirs[-1] < ours[0]:
                continue
            place = np.minimum(np.searchsorted(theirs, ours), len(theirs) - 1)
            same = np.flatnonzero(theirs[place] == ours)
            found.append((same + long.start, place[same] + short.start))
        if not any(len(longs) for longs, _ in found):
            return None
        out = np.full(len(self), -1, dtype=np.int64)
        for longs, shorts in found:
            out[longs], out[shorts] = shorts, longs
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingEvent:
    """Funding due in a bar: the rate in 1e-9, on the oracle price in mark quanta (0: on the mark)."""

    bar: int
    symbol: int
    rate_e9: int
    oracle: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """Voluntary exits: a long and a short of one symbol, by row, that close lots with each other; steps ascend."""

    step: Ints
    long: Ints
    short: Ints
    lots: Ints


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything a run is a function of.

    Arrays over bars have shape (symbols, bars). ``contracts`` give the value of a lot of each symbol at a mark.
    ``watched`` are position rows. ``order_books`` are what impact by depth reads; ``feedback`` None: the prices are
    those of the tape. ``exits`` None: nobody leaves of his own will.
    """

    symbols: tuple[str, ...]
    contracts: tuple[Contract, ...]
    mark_per_tick: tuple[int, ...]
    tiers: tuple[Tiers, ...]
    walk: Walk
    bar_s: int
    trade_low: Ints
    trade_high: Ints
    volume: Ints
    funding: tuple[FundingEvent, ...]
    book: Positions
    watched: tuple[int, ...]
    rules: Rules
    order_books: tuple[OrderBook, ...] = ()
    feedback: Feedback | None = None
    exits: Exits | None = None

    @property
    def steps(self) -> int:
        """Return the number of prices walked."""
        return int(self.walk.mark.shape[1])

    def value_at_trade(self, symbol: int, ticks: Ints) -> Ints:
        """Return the value of a lot at trade prices in ticks, in quanta."""
        return self.contracts[symbol].values_per_lot(ticks * self.mark_per_tick[symbol])

    def values_per_lot(self, symbol: Ints, marks: Ints) -> Ints:
        """Return the value of a lot of each row's symbol at the row's mark, in quanta."""
        if len(self.contracts) == 1:
            return self.contracts[0].values_per_lot(marks)
        out = np.zeros(len(marks), dtype=np.int64)
        for k, contract in enumerate(self.contracts):
            mine = symbol == k
            out[mine] = contract.values_per_lot(marks[mine])
        return out

    def bands(self, symbol: int, bar: int, flow: int, scale: Fraction) -> Bands:
        """Return the order book that takes a flow of signed lots in a bar."""
        return self.order_books[symbol].side(bar, flow, scale) if self.order_books else ()

    @cached_property
    def blocks(self) -> dict[tuple[int, int], slice]:
        """Return the rows of each symbol and side, longs first."""
        pairs = [(symbol, side) for symbol in range(len(self.symbols)) for side in (LONG, SHORT)]
        return {pair: self.book.block(*pair) for pair in pairs}

    @cached_property
    def tier_table(self) -> TierTable:
        """Return the margin schedules of all symbols as one table."""
        return TierTable.of(self.tiers)

    @cached_property
    def value_signs(self) -> Ints:
        """Return +1 for each linear symbol, -1 for each inverse one: the sign of a long position's value."""
        return np.array([contract.value_sign for contract in self.contracts], dtype=np.int64)

    @cached_property
    def position_signs(self) -> Ints:
        """Return the sign of each position's value."""
        return self.book.side * self.value_signs[self.book.symbol] if (self.value_signs < 0).any() else self.book.side

    @property
    def per_second(self) -> int:
        """Return how many moments a second has: as many as a bar has segments, so that every step ends at one."""
        return self.walk.segments

    @cached_property
    def moments(self) -> Ints:
        """Return the moment at which each step ends, since the first bar opened; the run's start is step 0."""
        part = self.walk.part if self.walk.parts > 1 else self.walk.segments
        return np.append(0, (self.walk.segments * self.walk.bar + part) * self.bar_s)

    def blocks_passed(self, step: int) -> int:
        """Return how many blocks or rounds of the venue pass from the price before to a step, at least one."""
        rule, walk = self.rules.block, self.walk
        if rule is None or step == 1:
            return 1
        bars = int(walk.bar[step - 1]) - int(walk.bar[step - 2])
        parts = int(walk.part[step - 1]) - int(walk.part[step - 2]) if walk.parts > 1 else 0
        segments = walk.segments
        return max((segments * bars + parts) * self.bar_s * 1000 // (segments * rule.time_ms), 1)
