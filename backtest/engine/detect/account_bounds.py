"""Which cross accounts breach on a step: found by bounds over blocks of steps, then decided in exact integers.

A cross account is in breach when the equity of all its positions together is below (or at) their maintenance. Over a
block of steps its least surplus is bounded by the worst value of each symbol in the block: accounts above zero there
are not looked at again in the block. Blocks are cut finer until single steps are decided exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backtest.engine.detect.accounts import CrossAccounts, HeldRows, Holdings
from backtest.engine.ledger import Ledger
from backtest.engine.prices import Prices
from backtest.mechanics.exact import RATE_ONE, Bools, Floats, Ints

SIZES = (1024, 128, 16, 2)  # steps of a block, coarse to fine
FINEST = len(SIZES) - 1
SHIFT = 10
PARTS = 1 << SHIFT  # of a segment: places at which a crossing may lie
HALVINGS = 5  # that a search prepares at once, at most
PROBES = 1 << 11  # positions times places that it looks at in one go
MANY = 4  # from this part of the accounts on, bounds are found anew for all
SLACK = 1e-11  # relative error allowed to the bounds


@dataclass(frozen=True, slots=True)
class AccountBreaches:
    """Cross accounts in breach: what they hold, the place on the segment in ``length`` parts, the marks there."""

    holdings: Holdings
    passed: Ints
    length: int
    marks: Ints  # (accounts, symbols)

    @property
    def numbers(self) -> Ints:
        """Return the numbers of the accounts."""
        return self.holdings.numbers

    def anew(self, which: Bools) -> AccountBreaches:
        """Return some of them, with what they hold now."""
        holdings = self.holdings.accounts.holdings(self.numbers[which])
        return AccountBreaches(holdings, self.passed[which], self.length, self.marks[which])


@dataclass(frozen=True, slots=True)
class Block:
    """A block of steps: the accounts that may breach in it, and the least and the highest values of lots in it."""

    number: int
    candidates: Ints
    low: Ints
    high: Ints


class AccountBounds:
    """What is known of the next breaches of cross accounts.

    ``urgent`` are in breach at the end of the last step run; ``open`` have a position left and can be in breach.
    """

    def __init__(self, accounts: CrossAccounts, prices: Prices) -> None:
        self.accounts, self.ledger, self.prices = accounts, accounts.ledger, prices
        self.open: Bools = accounts.holdings(np.arange(accounts.count)).can_breach()
        self.urgent: Ints = np.empty(0, dtype=np.int64)
        none, symbols = accounts.holdings(np.empty(0, dtype=np.int64)), len(self.ledger.marks)
        self._nobody = AccountBreaches(none, none.numbers, 1, np.empty((0, symbols), dtype=np.int64))
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
                holdings = self.accounts.holdings(self._candidates(FINEST, step))
                if holdings.in_breach(self.prices.marks_at(step)).any():
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
        holdings = self.accounts.holdings(numbers)
        self.open[numbers] = is_open = holdings.can_breach()
        if MANY * numbers.size > self.accounts.count:
            self._blocks.clear()
        if self._blocks:
            low, high = (np.array([getattr(block, end) for block in self._blocks]) for end in ("low", "high"))
            reach = (holdings.total(least_surplus(holdings, self.ledger, low, high)) <= 0) & is_open
            for level, (block, near) in enumerate(zip(self._blocks, reach, strict=True)):
                old = block.candidates[self.open[block.candidates]]
                self._blocks[level] = replace(block, candidates=self.accounts.distinct(old, numbers[near]))
        waiting = self.accounts.distinct(self.urgent, numbers)
        if waiting.size > numbers.size:
            holdings = self.accounts.holdings(waiting)
        self.urgent = waiting[holdings.in_breach(np.array(self.ledger.marks))]

    def breaches(self) -> AccountBreaches:
        """Return the accounts in breach on the segment in progress; at a jump, at the new marks."""
        jump, begin, end = self.prices.jump, np.array(self.prices.starts), np.array(self.ledger.marks)
        length = 1 if jump else PARTS
        found = self._candidates(FINEST, self.prices.step)
        if self.urgent.size:
            found = self.accounts.distinct(found, self.urgent)
        if not found.size:
            return self._nobody
        holdings = self.accounts.holdings(found)
        hit = holdings.in_breach(end)
        passed = np.full(len(found), 0 if jump else PARTS, dtype=np.int64)
        if not jump and self.urgent.size:
            at_start = self._are_urgent(found) & holdings.in_breach(begin)
            hit |= at_start
            passed[at_start] = 0
        self.urgent = self.urgent[:0]
        if not hit.any():
            return self._nobody
        if not hit.all():
            holdings, passed = self.accounts.holdings(found[hit]), passed[hit]
        if jump:
            return AccountBreaches(holdings, passed, length, np.broadcast_to(end, (len(passed), len(end))))
        late = passed.nonzero()[0]
        if late.size:
            whole = holdings if late.size == passed.size else self.accounts.holdings(holdings.numbers[late])
            passed[late] = _places(whole, begin, end)
        return AccountBreaches(holdings, passed, length, between(begin, end, passed))

    def _are_urgent(self, numbers: Ints) -> Bools:
        marked = np.zeros(self.accounts.count, dtype=bool)
        marked[self.urgent] = True
        return marked[numbers]

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
                holdings = self.accounts.holdings(found)
                found = found[holdings.total(least_surplus(holdings, self.ledger, low, high)) <= 0]
        self._blocks.append(Block(number, found, low, high))
        return found

    def _surplus_of_all(self, low: Ints, high: Ints) -> Floats:
        """Return the bound of all accounts, read side by side."""
        out, ledger, world = np.zeros(self.accounts.count), self.ledger, self.ledger.world
        for rows in self.accounts.sides.values():
            if rows.size:  # an account has one row on a side: no place comes twice
                held = HeldRows(
                    rows=rows,
                    symbol=world.book.symbol[rows],
                    lots=ledger.lots[rows],
                    signs=world.position_signs[rows],
                    cash=ledger.settled_cash(rows),
                )
                out[self.accounts.of[rows]] += least_surplus(held, ledger, low, high)
        return out


def least_surplus(held: HeldRows, ledger: Ledger, low: Ints, high: Ints) -> Floats:
    """Return a lower bound of equity less maintenance of each position while a lot's value is between two values.

    ``low`` and ``high`` have the shape (symbols,) or (blocks, symbols), the answer then (blocks, positions).
    """
    table, symbol = ledger.world.tier_table, held.symbol
    most = held.lots * high.astype(np.float64)[..., symbol]
    cell = table.cells(symbol, (most * (1.0 + SLACK)).astype(np.int64) + 1)  # maintenance may jump at a floor
    required = most * (table.rates[cell] / RATE_ONE) - table.deductions[cell]
    if table.any_on_entry:  # that does not follow the mark
        entry_value = ledger.entry_value[held.rows]
        on_entry = table.maintenance(symbol, entry_value, entry_value) * (1.0 + SLACK)
        required = np.where(table.on_entry[symbol], on_entry, required)
    worst = np.where(held.signs > 0, held.lots * low.astype(np.float64)[..., symbol], -most)
    surplus: Floats = held.cash + worst - required
    return surplus - (4.0 + SLACK * (most + np.abs(held.cash)))


def _places(holdings: Holdings, begin: Ints, end: Ints) -> Ints:
    """Return the first place of a segment at which accounts are in breach, by bisection.

    The places that the next halvings may ask for are probed together.
    """
    count = len(holdings.numbers)
    halvings = min(max((PROBES // len(holdings.rows)).bit_length() - 1, 1), HALVINGS)
    last, width, mine = np.full(count, PARTS, dtype=np.int64), PARTS, np.arange(count)
    while width > 1:  # in breach at the last place of the width
        cuts = min(1 << halvings, width)
        first, width = last - width, width // cuts
        bad = holdings.in_breach(between(begin, end, first + width * np.arange(1, cuts)[:, None]))
        at, half = np.full(count, cuts), cuts
        while half > 1:
            half //= 2
            at = np.where(bad[at - half - 1, mine], at - half, at)
        last = first + width * at
    return last


def between(begin: Ints, end: Ints, passed: Ints) -> Ints:
    """Return the marks of all symbols at places of a segment, half to even: the last axis is the symbol.

    Examples
    --------
    >>> between(np.array([100, 7]), np.array([200, 7]), np.array([0, 512, 1024])).tolist()
    [[100, 7], [150, 7], [200, 7]]
    """
    whole = begin * (PARTS - passed[..., None]) + end * passed[..., None]
    odd = (whole >> SHIFT) & 1  # half to even: just below a half is added, and a half to an odd floor
    rounded: Ints = (whole + (PARTS // 2 - 1) + odd) >> SHIFT
    return rounded
