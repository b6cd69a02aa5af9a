"""Which cross accounts breach on a step: found by bounds over blocks of steps, then decided in exact integers.

A cross account is in breach when the equity of all its positions together is below (or at) their maintenance. Over a
block of steps its least surplus is bounded by the worst value of each symbol in the block: accounts above zero there
are not looked at again in the block. Blocks are cut finer until single steps are decided exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.detect.accounts import BreachProbe, CrossAccounts
from backtest.engine.ledger import Ledger
from backtest.engine.prices import Prices
from backtest.mechanics.exact import RATE_ONE, Bools, Floats, Ints
from backtest.mechanics.margin import TierTable

SIZES = (1024, 128, 16, 2)  # steps of a block, coarse to fine
FINEST = len(SIZES) - 1
SHIFT = 10
PARTS = 1 << SHIFT  # of a segment: places at which a crossing may lie
SLACK = 1e-11  # relative error allowed to the bounds


@dataclass(frozen=True, slots=True)
class AccountBreaches:
    """Cross accounts in breach: their numbers, the place on the segment in ``length`` parts, the marks there."""

    numbers: Ints
    passed: Ints
    length: int
    marks: Ints  # (accounts, symbols)

    def chosen(self, which: Bools) -> AccountBreaches:
        """Return some of them."""
        return AccountBreaches(self.numbers[which], self.passed[which], self.length, self.marks[which])


@dataclass(frozen=True, slots=True)
class Block:
    """A block of steps: the accounts that may breach in it, and the least and the highest values of lots in it."""

    number: int
    candidates: Ints
    low: Ints
    high: Ints


class AccountBounds:
    """What is known of the next breaches of cross accounts.

    ``urgent`` are in breach at the end of the last step run; ``open`` have a position left.
    """

    def __init__(self, accounts: CrossAccounts, prices: Prices) -> None:
        self.accounts, self.ledger, self.prices = accounts, accounts.ledger, prices
        self.open: Bools = np.add.reduceat(self.ledger.lots[accounts.rows], accounts.starts[:-1]) > 0
        self.urgent: Ints = np.empty(0, dtype=np.int64)
        self._blocks: list[Block] = []  # one a level
        self._boxed = 0  # the boxes of prices that the blocks were made with

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
                if self._in_breach(self._candidates(FINEST, step), self.prices.marks_at(step)).any():
                    return step
                step += 1
        return min(step, stop)

    def index_moved(self) -> None:
        """Take a change of a funding index into account: what was found before no longer counts."""
        self._blocks.clear()

    def reinsert(self, rows: Ints) -> None:
        """Take changed rows into account; accounts in breach now are decided at the start of the next segment."""
        numbers = self.accounts.numbers(rows)
        if not numbers.size:
            return
        found = self.accounts.rows_of(numbers)
        self.open[numbers] = np.bincount(found.place, weights=self.ledger.lots[found.rows] > 0) > 0
        numbers = numbers[self.open[numbers]]
        held = self._held(numbers)
        for level, block in enumerate(self._blocks):
            old = block.candidates[self.open[block.candidates]]
            near = numbers[held.surplus(block.low, block.high) <= 0]
            self._blocks[level] = Block(block.number, self._union(old, near), block.low, block.high)
        both = self._union(self.urgent, numbers)
        self.urgent = both[self._in_breach(both, np.array(self.ledger.marks))]

    def breaches(self) -> AccountBreaches:
        """Return the accounts in breach on the segment in progress; at a jump, at the new marks."""
        jump, begin, end = self.prices.jump, np.array(self.prices.starts), np.array(self.ledger.marks)
        found = self._union(self._candidates(FINEST, self.prices.step), self.urgent)
        if not found.size:
            return AccountBreaches(found, found, 1 if jump else PARTS, np.empty((0, len(end)), dtype=np.int64))
        hit = self._in_breach(found, end)
        passed = np.full(len(found), 0 if jump else PARTS, dtype=np.int64)
        if not jump and self.urgent.size:
            waiting = (np.isin(found, self.urgent)).nonzero()[0]
            at_start = waiting[self._in_breach(found[waiting], begin)]
            hit[at_start] = True
            passed[at_start] = 0
        self.urgent = self.urgent[:0]
        numbers, passed = found[hit], passed[hit]
        if jump:
            return AccountBreaches(numbers, passed, 1, np.broadcast_to(end, (len(numbers), len(end))))
        late = passed.nonzero()[0]
        if late.size:
            passed[late] = self._places(numbers[late], begin, end)
        return AccountBreaches(numbers, passed, PARTS, between(begin, end, passed))

    def _in_breach(self, numbers: Ints, marks: Ints) -> Bools:
        return BreachProbe.of(self.accounts, numbers).in_breach(marks)

    def _places(self, numbers: Ints, begin: Ints, end: Ints) -> Ints:
        """Return the first place of a segment at which accounts are in breach, by bisection."""
        low, high = np.zeros(len(numbers), dtype=np.int64), np.full(len(numbers), PARTS, dtype=np.int64)
        if not numbers.size:
            return high
        probe = BreachProbe.of(self.accounts, numbers)
        for _ in range(PARTS.bit_length() - 1):
            middle = (low + high) // 2
            bad = probe.in_breach(between(begin, end, middle))
            high, low = np.where(bad, middle, high), np.where(bad, low, middle)
        return high

    def _union(self, some: Ints, others: Ints) -> Ints:
        """Return the accounts of either, ascending."""
        marked = np.zeros(self.accounts.count, dtype=bool)
        marked[some] = marked[others] = True
        return marked.nonzero()[0]

    def _candidates(self, level: int, step: int) -> Ints:
        """Return the accounts that may be in breach at the end of some step of the block that holds a step."""
        number = (step - 1) // SIZES[level]
        if self._boxed != self.prices.boxes:  # prices have left the boxes
            self._boxed = self.prices.boxes
            self._blocks.clear()
        if len(self._blocks) > level and self._blocks[level].number == number:
            return self._blocks[level].candidates
        del self._blocks[level:]
        size = SIZES[level]
        ends = self.accounts.values_per_lot(self.prices.box(number * size, (number + 1) * size))
        low, high = ends.min(axis=0), ends.max(axis=0)
        if level == 0:
            found = np.flatnonzero((self._surplus_of_all(low, high) <= 0) & self.open)
        else:
            found = self._candidates(level - 1, step)
            if found.size:
                found = found[self._surplus(found, low, high) <= 0]
        self._blocks.append(Block(number, found, low, high))
        return found

    def _surplus(self, numbers: Ints, low: Ints, high: Ints) -> Floats:
        """Return a lower bound of equity less maintenance while the value of lots is between ``low`` and ``high``."""
        return self._held(numbers).surplus(low, high)

    def _held(self, numbers: Ints) -> AccountsHeld:
        found = self.accounts.rows_of(numbers)
        return AccountsHeld(found.place, len(numbers), Held.of(self.ledger, found.rows))

    def _surplus_of_all(self, low: Ints, high: Ints) -> Floats:
        """Return the same bound of all accounts, read block by block."""
        out, of = np.zeros(self.accounts.count), self.accounts.of
        for block in self.ledger.world.blocks.values():
            rows = (of[block] >= 0).nonzero()[0] + block.start
            if rows.size:  # an account has one row in a block: no place comes twice
                out[of[rows]] += Held.of(self.ledger, rows).surplus(low, high)
        return out


@dataclass(frozen=True, slots=True)
class Held:
    """What the bound of rows is made of; ``on_entry`` is maintenance that does not follow the mark, or None."""

    table: TierTable
    symbol: Ints
    lots: Floats
    cash: Ints
    gains: Bools  # their value rises with that of a lot
    on_entry: Floats | None

    @staticmethod
    def of(ledger: Ledger, rows: Ints) -> Held:
        """Gather rows."""
        world = ledger.world
        table, symbol, lots = world.tier_table, world.book.symbol[rows], ledger.lots[rows].astype(np.float64)
        on_entry: Floats | None = None
        if table.on_entry.any():
            entry_value = ledger.entry_value[rows]
            on_entry = table.maintenance(symbol, entry_value, entry_value).astype(np.float64) * (1.0 + SLACK)
        return Held(table, symbol, lots, ledger.settled_cash(rows), world.position_signs[rows] > 0, on_entry)

    def surplus(self, low: Ints, high: Ints) -> Floats:
        """Return a lower bound of equity less maintenance while the value of lots, by symbol, is between two values."""
        table, symbol = self.table, self.symbol
        most = self.lots * high.astype(np.float64)[symbol]
        # maintenance may jump at a floor
        tier = table.tier_of(symbol, (most * (1.0 + SLACK)).astype(np.int64) + 1)
        required = most * (table.rates_e9[symbol, tier] / RATE_ONE) - table.deductions[symbol, tier]
        if self.on_entry is not None:
            required = np.where(table.on_entry[symbol], self.on_entry, required)
        worst = np.where(self.gains, self.lots * low.astype(np.float64)[symbol], -most)
        surplus: Floats = self.cash + worst - required
        return surplus - (4.0 + SLACK * (most + np.abs(self.cash)))


@dataclass(frozen=True, slots=True)
class AccountsHeld:
    """The positions of accounts, and of each its account's place."""

    place: Ints
    count: int
    held: Held

    def surplus(self, low: Ints, high: Ints) -> Floats:
        """Return the bound of each account while the value of lots, by symbol, is between ``low`` and ``high``."""
        return np.bincount(self.place, weights=self.held.surplus(low, high), minlength=self.count).astype(np.float64)


def between(begin: Ints, end: Ints, passed: Ints) -> Ints:
    """Return the marks of all symbols at places of a segment, half to even: shape (places, symbols).

    Examples
    --------
    >>> between(np.array([100, 7]), np.array([200, 7]), np.array([0, 512, 1024])).tolist()
    [[100, 7], [150, 7], [200, 7]]
    """
    whole = begin[None, :] * (PARTS - passed[:, None]) + end[None, :] * passed[:, None]
    odd = (whole >> SHIFT) & 1  # half to even: just below a half is added, and a half to an odd floor
    rounded: Ints = (whole + (PARTS // 2 - 1) + odd) >> SHIFT
    return rounded
