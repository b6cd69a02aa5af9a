"""Cross accounts: which of them breach on a step, found by bounds over blocks of steps and judged exactly.

A cross account is in breach when the equity of all its positions together is below (or at) their maintenance. Over a
block of steps its least surplus is bounded by the worst worth of each symbol in the block: accounts above zero there
are not looked at again in the block. Blocks are cut finer until single steps are judged in exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.mechanics.exact import MILLIONTH, RATE_ONE, Bools, Floats, Ints, half_even_array
from backtest.mechanics.margin import maintenance, tier_of

if TYPE_CHECKING:
    from backtest.engine.state import State, World

SIZES = (1024, 128, 16, 2)  # steps of a block, coarse to fine
PARTS = 1024  # of a segment: places at which a crossing may lie
SLACK = 1e-11  # relative error allowed to the bounds


@dataclass(frozen=True, slots=True)
class Crossings:
    """Cross accounts in breach: their numbers, the place on the segment in ``length`` parts, the marks there."""

    numbers: Ints
    passed: Ints
    length: int
    marks: Ints  # (accounts, symbols)


@dataclass(frozen=True, slots=True)
class Sums:
    """Equity, maintenance and profit of whole accounts, in quanta."""

    equity: Ints
    need: Ints
    pnl: Ints


def members(world: World) -> Ints | None:
    """Return the number of each row's cross account, -1 of an isolated position; None where there is no account.

    An account with a single cross position is an isolated position. Numbers ascend with the account id.
    """
    if world.cross is None or not world.cross.any():
        return None
    rows = np.flatnonzero(world.cross)
    _, places, counts = np.unique(world.account[rows], return_inverse=True, return_counts=True)
    several = counts > 1
    if not several.any():
        return None
    number = np.where(several, np.cumsum(several) - 1, -1)
    out = np.full(len(world.lots), -1, dtype=np.int64)
    out[rows] = number[places]
    return out


class Accounts:
    """The cross accounts of a run.

    ``of`` is the account number of each row (-1: isolated); the rows of account n, by symbol with the long first,
    are ``rows[starts[n]:starts[n + 1]]``.
    """

    def __init__(self, state: State, of: Ints) -> None:
        self.state, self.of = state, of
        mine = np.flatnonzero(of >= 0)
        self.rows: Ints = mine[np.argsort(of[mine], kind="stable")]
        self.count = int(of.max()) + 1
        self.starts: Ints = np.searchsorted(of[self.rows], np.arange(self.count + 1)).astype(np.int64)
        self.ids: Ints = state.world.account[self.rows[self.starts[:-1]]]
        self.open: Bools = np.add.reduceat(state.lots[self.rows], self.starts[:-1]) > 0  # has a position left
        self._quanta: Ints = np.array([unit.quanta_per_mark for unit in state.units], dtype=np.int64)
        self.urgent: Ints = np.empty(0, dtype=np.int64)  # in breach at the end of the last step run
        self._blocks: list[tuple[int, Ints, Ints, Ints]] = []  # per level: block, its candidates, worst and most worth
        self._boxed = 0  # the boxes of prices that the blocks were made with
        self._dense: tuple[int, Floats] | None = None  # segment, equity of every account at the marks of its end
        self._stale: list[Ints] = []

    def rows_of(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Return the rows of accounts, one account after the other, and the place of each row's account."""
        first, size = self.starts[numbers], self.starts[numbers + 1] - self.starts[numbers]
        place = np.repeat(np.arange(len(numbers)), size)
        within = np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)
        return self.rows[first[place] + within], place

    # -- exact ---------------------------------------------------------------------------------------------------

    def worths(self, marks: Ints) -> Ints:
        """Return what a lot is worth at marks; the last axis is the symbol."""
        if not any(self.state.world.inverse):
            return marks * self._quanta
        return np.stack([unit.values_per_lot(marks[..., k]) for k, unit in enumerate(self.state.units)], axis=-1)

    def row_figures(self, rows: Ints, each: Ints) -> tuple[Ints, Ints, Ints]:
        """Return cash with unsettled funding, value and maintenance of rows whose lots are worth ``each``."""
        state = self.state
        value = state.lots[rows] * each
        need = np.zeros(len(rows), dtype=np.int64)
        symbols = state.world.symbol[rows]
        for k, tiers in enumerate(state.world.tiers):
            mine = np.flatnonzero(symbols == k)
            if mine.size:
                need[mine] = maintenance(value[mine], tiers)
        cash = state.cash[rows]
        return cash - state.owed_funding(rows) if state.funded else cash, value, need

    def judge(self, numbers: Ints, marks: Ints) -> tuple[Bools, Sums]:
        """Return which accounts are in breach at marks, of shape (symbols,) or (accounts, symbols), and their sums."""
        state, world = self.state, self.state.world
        rows, place = self.rows_of(numbers)
        worths = self.worths(marks)
        symbols = world.symbol[rows]
        each = worths[symbols] if worths.ndim == 1 else worths[place, symbols]
        cash, value, need = self.row_figures(rows, each)
        sign = state.worth_side[rows]
        starts = self.starts[numbers + 1] - self.starts[numbers]
        at = np.cumsum(starts) - starts
        empty = np.empty(0, dtype=np.int64)

        def sums(column: Ints) -> Ints:
            return np.add.reduceat(column, at) if len(at) else empty

        pnl = sign * (value - state.cost[rows])
        out = Sums(sums(cash + sign * value), sums(need), sums(pnl))
        open_ = sums((state.lots[rows] > 0).astype(np.int64)) > 0
        low = out.equity <= out.need if world.rules.inclusive else out.equity < out.need
        return low & open_, out

    # -- bounds --------------------------------------------------------------------------------------------------

    def _surplus(self, numbers: Ints | None, low: Ints, high: Ints) -> Floats:
        """Return a lower bound of equity less maintenance while lots are worth between ``low`` and ``high``.

        ``numbers`` None: of all accounts, read block by block.
        """
        state, world = self.state, self.state.world
        if numbers is not None:
            rows, place = self.rows_of(numbers)
            out = np.zeros(len(numbers))
            symbols = world.symbol[rows]
            part = np.zeros(len(rows))
            for k in range(len(world.symbols)):
                mine = np.flatnonzero(symbols == k)
                if mine.size:
                    part[mine] = self._row_surplus(rows[mine], k, float(low[k]), float(high[k]))
            out += np.bincount(place, weights=part, minlength=len(numbers))
            return out
        out = np.zeros(self.count)
        for (symbol, _), block in state.blocks.items():
            owner = self.of[block]
            rows = np.flatnonzero(owner >= 0) + block.start
            if rows.size:  # an account has one row in a block: no place comes twice
                out[self.of[rows]] += self._row_surplus(rows, symbol, float(low[symbol]), float(high[symbol]))
        return out

    def _row_surplus(self, rows: Ints, symbol: int, low: float, high: float) -> Floats:
        state, tiers = self.state, self.state.world.tiers[symbol]
        lots = state.lots[rows].astype(np.float64)
        sign = state.worth_side[rows]
        most = lots * high
        if len(tiers) > 1:
            tier = tier_of((most * (1.0 + SLACK)).astype(np.int64) + 1, tiers)  # maintenance may jump at a floor
            need = most * (tiers.rates_e9[tier] / RATE_ONE) - tiers.deductions[tier]
        else:
            need = most * (float(tiers.rates_e9[0]) / RATE_ONE)
        cash = state.cash[rows] - state.owed_funding(rows) if state.funded else state.cash[rows]
        worst = np.where(sign > 0, lots * low, -most)
        surplus: Floats = cash + worst - need
        return surplus - (4.0 + SLACK * (most + np.abs(cash)))

    def _box(self, level: int, block: int) -> tuple[Ints, Ints]:
        """Return the least and the most that a lot of each symbol is worth in a block of steps."""
        size = SIZES[level]
        ends = self.worths(self.state.prices.box(block * size, (block + 1) * size))
        return ends.min(axis=0), ends.max(axis=0)

    def _candidates(self, level: int, step: int) -> Ints:
        """Return the accounts that may be in breach at the end of some step of the block that holds a step."""
        block = (step - 1) // SIZES[level]
        if self._boxed != self.state.prices.boxes:  # prices have left the boxes
            self._boxed = self.state.prices.boxes
            self._blocks.clear()
        if len(self._blocks) > level and self._blocks[level][0] == block:
            return self._blocks[level][1]
        del self._blocks[level:]
        low, high = self._box(level, block)
        if level == 0:
            found = np.flatnonzero((self._surplus(None, low, high) <= 0) & self.open)
        else:
            found = self._candidates(level - 1, step)
            if found.size:
                found = found[self._surplus(found, low, high) <= 0]
        self._blocks.append((block, found, low, high))
        return found

    def first(self, number: int, stop: int) -> int:
        """Return the first step in [number, stop) that may see a breach, ``stop`` if none."""
        if self.urgent.size:
            return number
        step = number
        while step < stop:
            for level, size in enumerate(SIZES):
                if not self._candidates(level, step).size:
                    step = ((step - 1) // size + 1) * size + 1
                    break
            else:
                if self.judge(self._candidates(len(SIZES) - 1, step), self.state.prices.marks_at(step))[0].any():
                    return step
                step += 1
        return min(step, stop)

    def _union(self, some: Ints, others: Ints) -> Ints:
        """Return the accounts of either, ascending."""
        marked = np.zeros(self.count, dtype=bool)
        marked[some] = marked[others] = True
        return np.flatnonzero(marked)

    def funded(self) -> None:
        """Take a change of a funding index into account: what was found before is void."""
        self._blocks.clear()

    def touched(self, rows: Ints) -> None:
        """Take changed rows into account; accounts in breach now are judged at the start of the next segment."""
        state, numbers = self.state, self.of[rows]
        numbers = self._union(numbers[numbers >= 0], self.urgent[:0])
        if not numbers.size:
            return
        self._stale.append(numbers)
        rows, place = self.rows_of(numbers)
        self.open[numbers] = np.bincount(place, weights=state.lots[rows] > 0) > 0
        numbers = numbers[self.open[numbers]]
        for level, (block, found, low, high) in enumerate(self._blocks):
            found = found[self.open[found]]
            near = numbers[self._surplus(numbers, low, high) <= 0]
            self._blocks[level] = (block, self._union(found, near), low, high)
        both = self._union(self.urgent, numbers)
        self.urgent = both[self.judge(both, np.array(state.marks))[0]]

    def crossings(self, starts: list[int], gap: bool) -> Crossings:
        """Return the accounts in breach on the step's segment; at a gap, at the new marks."""
        state = self.state
        begin, end = np.array(starts), np.array(state.marks)
        found = self._union(self._candidates(len(SIZES) - 1, state.step), self.urgent)
        hit = self.judge(found, end)[0] if found.size else np.empty(0, dtype=bool)
        passed = np.full(len(found), 0 if gap else PARTS, dtype=np.int64)
        if not gap and self.urgent.size:
            waiting = np.flatnonzero(np.isin(found, self.urgent))
            at_start = waiting[self.judge(found[waiting], begin)[0]]
            hit[at_start] = True
            passed[at_start] = 0
        self.urgent = self.urgent[:0]
        numbers, passed = found[hit], passed[hit]
        if gap:
            return Crossings(numbers, passed, 1, np.broadcast_to(end, (len(numbers), len(end))))
        late = np.flatnonzero(passed)
        passed[late] = self._places(numbers[late], begin, end)
        return Crossings(numbers, passed, PARTS, between(begin, end, passed))

    def _places(self, numbers: Ints, begin: Ints, end: Ints) -> Ints:
        """Return the first place of a segment at which accounts are in breach, by bisection."""
        low, high = np.zeros(len(numbers), dtype=np.int64), np.full(len(numbers), PARTS, dtype=np.int64)
        for _ in range(PARTS.bit_length() - 1):
            middle = (low + high) // 2
            bad = self.judge(numbers, between(begin, end, middle))[0]
            high, low = np.where(bad, middle, high), np.where(bad, low, middle)
        return high

    # -- for deleveraging ----------------------------------------------------------------------------------------

    def equities(self) -> Floats:
        """Return the equity of every account at the marks at the end of the step, in floats."""
        state = self.state
        if self._dense is None or self._dense[0] != state.segment:
            out = np.zeros(self.count)
            for (symbol, side), block in state.blocks.items():
                rows = np.flatnonzero(self.of[block] >= 0) + block.start
                if rows.size:
                    worth = side * (state.kind[symbol] * state.value_per_lot(symbol) - state.index[symbol] / MILLIONTH)
                    out[self.of[rows]] += state.mirror.cash[rows] + state.mirror.lots[rows] * worth
            self._dense = (state.segment, out)
        elif self._stale:
            numbers = np.unique(np.concatenate(self._stale))
            self._dense[1][numbers] = self.sums(numbers).equity
        self._stale.clear()
        return self._dense[1]

    def gathered(self, *columns: Ints) -> tuple[Ints, ...]:
        """Return the first row of every cross account and all isolated rows, ascending, and their sums of columns."""
        alone, first = np.flatnonzero(self.of < 0), self.rows[self.starts[:-1]]
        rows = np.concatenate([alone, first])
        order = np.argsort(rows)
        sums = [np.concatenate([c[alone], np.add.reduceat(c[self.rows], self.starts[:-1])])[order] for c in columns]
        return rows[order], *sums

    def stale(self, rows: Ints) -> None:
        """Note rows that changed within a step."""
        numbers = self.of[rows]
        self._stale.append(numbers[numbers >= 0])

    def sums(self, numbers: Ints) -> Sums:
        """Return the sums of accounts at the marks at the end of the step."""
        return self.judge(numbers, np.array(self.state.marks))[1]


def between(begin: Ints, end: Ints, passed: Ints) -> Ints:
    """Return the marks of all symbols at places of a segment, half to even: shape (places, symbols).

    Examples
    --------
    >>> between(np.array([100, 7]), np.array([200, 7]), np.array([0, 512, 1024])).tolist()
    [[100, 7], [150, 7], [200, 7]]
    """
    whole = begin[None, :] * (PARTS - passed[:, None]) + end[None, :] * passed[:, None]
    return half_even_array(whole, np.full(whole.shape, PARTS, dtype=np.int64))
