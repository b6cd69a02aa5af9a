"""The ladder: positions sorted once by the mark at which they breach, so that a step touches only those it reaches.

For tier (r, c), quanta q per mark quantum and lot, funding index F in 1e-6 quanta per lot and a position that
settled at f, the breach test divides by lots into a part of the position and a part of the market:

    w * V(m) * (1 - w * r) - s * F / 1e6   <   -(cash + c) / lots - s * f / 1e6

with V(m) the value of a lot at a mark and w the sign of the position's value: s, for an inverse contract -s.

The right side is the key of the breach level and does not change while the position is untouched: funding and price
move only the left side, one number per (symbol, side, tier). Keys are floats with a safe margin; every candidate is
decided by the exact integer rule. Maintenance on the entry value is a part of the position too: it lessens its cash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from backtest.engine.columns import among
from backtest.engine.ledger import Ledger
from backtest.mechanics.exact import MILLIONTH, PIECE, RATE_ONE, Bools, Floats, Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, breach_mark, breach_test, in_breach, no_maintenance

MAX_EXTRAS = 4096
MAX_SORTINGS = 8  # of the short list into levels of its own, before all positions are sorted again
FIRST_LOOK = 16  # levels looked at together, then four times as many
MAX_DRIFT = 1e-3  # of the mark; beyond it the levels are sorted anew
BEYOND = 0.01  # of the marks that can be walked: how far beyond them levels are asked for
Key = TypeVar("Key", float, Floats)
NOBODY: Ints = np.empty(0, dtype=np.int64)
ROUNDING = 5.0  # quanta per lot: maintenance rounds up, deductions and funding (now, when sorted) down, value to half


@dataclass(slots=True)
class Levels:
    """Breach levels of one tier, most endangered first: ``keys`` ascend, minus the key; ``at`` is the first one left.

    Only rows that still belong to this ``sorting`` count; ``index`` is that of funding when they were sorted.
    """

    keys: Floats
    rows: Ints
    at: int
    sorting: int
    index: int
    rate: float
    slack: float  # quanta per lot of margin per unit of funding drift, while notional stays within a factor of two
    wide: float  # the same for any notional


def open_isolated(ledger: Ledger, block: slice) -> Ints:
    """Return the rows of a block that are open isolated positions and can be in breach."""
    book = ledger.world.book
    accounts, is_open = book.cross_account, ledger.lots[block] > 0
    if book.exempt is not None:
        is_open &= ~book.exempt[block]
    rows: Ints = block.start + np.flatnonzero(is_open if accounts is None else is_open & (accounts[block] < 0))
    return rows


class Ladder:
    """The breach levels of one symbol and side.

    ``reach`` holds the least and the highest mark that can be walked at all (None: any); positions that breach only
    beyond it, and beyond what funding may move it by before all are sorted anew, have no level.
    """

    def __init__(self, ledger: Ledger, symbol: int, side: int, reach: tuple[int, int] | None = None) -> None:
        world = ledger.world
        self.ledger, self.symbol, self.side = ledger, symbol, side
        self.block = world.blocks[symbol, side]
        self.contract = world.contracts[symbol]
        self.sign = side * self.contract.value_sign
        self.schedule = world.tiers[symbol]
        self.tiers = no_maintenance() if self.schedule.on_entry else self.schedule  # that follow the mark
        self.inclusive = world.rules.inclusive
        self.worst = self._worst(reach)
        self.sorting: Ints = np.zeros(self.block.stop - self.block.start, dtype=np.int8)  # 0: decided one by one
        self.sortings = 0
        self.extras: Ints = np.empty(0, dtype=np.int64)
        self.extra_marks: Ints = np.empty(0, dtype=np.int64)
        self.extra_index = 0
        self.groups: list[Levels] = []
        self.built_at = 0
        self.nearest: int | None = None  # the bound as it was last found; what closed since then only moves it away
        self.growth: Floats = 1.0 / (1.0 - self.sign * self.tiers.rates_e9 / RATE_ONE)  # of a level with funding
        self.steepest = float(self.growth.max())
        self.build()

    def build(self) -> None:
        """Sort all open positions of the side into levels, per tier."""
        self.built_at = self.ledger.index[self.symbol]
        self.groups, self.sortings = [], 0
        self.sorting[:] = 0
        rows = open_isolated(self.ledger, self.block)
        if self.worst is not None:
            lots = self.ledger.lots[rows]
            rows = rows[self._cash(rows, lots) <= self.worst * lots]
        self._sort(rows)

    def _worst(self, reach: tuple[int, int] | None) -> float | None:
        """Return the cash per lot above which no position breaches within reach, in quanta; None where any may."""
        if reach is None or (self.tiers.deductions < 0).any():
            return None
        marks = reach[0] * (1 - BEYOND), reach[1] * (1 + BEYOND)
        low, high = (self.contract.value_per_lot_float(mark) for mark in marks)
        worst, top = (low if self.side > 0 else high), max(low, high)
        steepest = 1.0 - self.sign * int(self.tiers.rates_e9.max()) / RATE_ONE
        return -self.sign * worst * steepest + top * (MAX_DRIFT + 1e-9) + ROUNDING

    def _sort(self, rows: Ints) -> None:
        """Sort open positions into levels of their own, per tier; where they stood before they no longer count."""
        ledger, index = self.ledger, self.ledger.index[self.symbol]
        self.sortings += 1
        self.sorting[rows - self.block.start] = self.sortings
        self._set_extras(self.extras[:0])
        lots = ledger.lots[rows]
        cash = self._cash(rows, lots)
        tier = self._tiers_of(cash)
        for k in range(len(self.tiers)):
            mine = np.flatnonzero(tier == k) if len(self.tiers) > 1 else np.arange(len(rows))
            if not mine.size:
                continue
            keys = (cash[mine] + float(self.tiers.deductions[k])) / lots[mine] + self.side * (index / MILLIONTH)
            order = np.argsort(keys)
            rate = float(self.tiers.rates_e9[k]) / RATE_ONE
            sorted_rows = rows[mine[order]]
            self.groups.append(Levels(keys[order], sorted_rows, 0, self.sortings, index, rate, *self._slack(k)))

    def _tiers_of(self, cash: Ints) -> Ints:
        """Return the tier that each position breaches in: the one whose line asks for most cash per lot."""
        tier: Ints = np.zeros(len(cash), dtype=np.int8)
        for first in range(0, len(cash) if len(self.tiers) > 1 else 0, PIECE):  # pieces that stay in cache
            piece = slice(first, first + PIECE)
            least = (cash[piece] + float(self.tiers.deductions[0])) * self.growth[0]
            for k in range(1, len(self.tiers)):
                line = (cash[piece] + float(self.tiers.deductions[k])) * self.growth[k]
                np.putmask(tier[piece], line < least, k)
                np.minimum(least, line, out=least)
        return tier

    def _slack(self, k: int) -> tuple[float, float]:
        """Return how much faster than the line of tier k a level may move: by tiers in reach, and by any tier."""
        floors = self.tiers.floors.astype(np.float64)
        tops = np.append(floors[1:], np.inf)
        near = self.growth[(floors <= 2 * tops[k]) & (tops >= floors[k] / 2)]
        return float(np.ptp(near) / self.growth[k]), float(np.ptp(self.growth) / self.growth[k])

    def _drift(self, group: Levels, value: float) -> float:
        """Return the margin for funding since the levels were sorted, near a value per lot, in quanta per lot."""
        drift = abs(self.ledger.index[self.symbol] - group.index) / MILLIONTH
        return drift * (group.wide if 8 * drift * self.steepest > value else group.slack)

    def _level(self, group: Levels, mark: int) -> float:
        """Return the largest negated key that can be in breach at a mark, margin included."""
        return sum(self._line(group, mark))

    def _line(self, group: Levels, mark: int) -> tuple[float, float]:
        """Return the negated key that is in breach at a mark by the line of its tier, and the margin of that."""
        now = self.ledger.index[self.symbol]
        value = self.contract.value_per_lot_float(mark)
        position = self.sign * value * (1.0 - self.sign * group.rate) - self.side * now / MILLIONTH
        return -position, ROUNDING + abs(position) * 1e-12 + self._drift(group, value)

    def _values(self, group: Levels, keys: Key) -> Key:
        """Return the value of a lot where levels with these keys breach by the line of their tier."""
        index = self.side * self.ledger.index[self.symbol] / MILLIONTH
        return self.sign * (index - keys) / (1.0 - self.sign * group.rate)

    def _mark(self, group: Levels) -> float:
        """Return the first mark at which the next level can be in breach, margin included."""
        key = float(group.keys[group.at])
        drift = self._drift(group, abs(self._values(group, key)))
        return self.contract.mark_at_value(self._values(group, key - (ROUNDING + drift + abs(key) * 1e-11)))

    def bounds(self) -> tuple[int, int]:
        """Return the marks strictly between which no position of the side may breach."""
        bound = self.bound()
        return (bound, NEVER_SHORT) if self.side > 0 else (NEVER_LONG, bound)

    def bound(self) -> int:
        """Return the mark from which on the next position may breach: at or below it for longs, above for shorts."""
        self.nearest = self._bound()
        return self.nearest

    def _bound(self) -> int:
        marks = []
        for group in self.groups:
            self._skip(group)
            if group.at < len(group.rows):
                marks.append(self._mark(group))
        if self.side > 0:
            top = max(marks, default=float(NEVER_LONG))
            extra = int(self.extra_marks.max()) if self.extras.size else NEVER_LONG
            return max(int(np.ceil(min(top, 2.0**60))) + 1, extra)
        low = min(marks, default=float(NEVER_SHORT))
        extra = int(self.extra_marks.min()) if self.extras.size else NEVER_SHORT
        return min(int(np.floor(max(min(low, 2.0**60), -(2.0**60)))) - 1, extra)

    def _skip(self, group: Levels) -> None:
        """Pass over the levels in front that no longer count: of closed positions, and of those sorted anew."""
        count, chunk = len(group.rows), FIRST_LOOK
        if group.at < count:
            row = int(group.rows[group.at])
            if self.ledger.lots[row] and self.sorting[row - self.block.start] == group.sorting:
                return
        while group.at < count:
            rows = group.rows[group.at : group.at + chunk]
            counts = (self.ledger.lots[rows] > 0) & (self.sorting[rows - self.block.start] == group.sorting)
            first = int(counts.argmax())
            if counts[first]:
                group.at += first
                return
            group.at, chunk = group.at + len(rows), 4 * chunk

    def index_moved(self) -> None:
        """Take a change of the funding index into account."""
        self.nearest = None
        now, mark = self.ledger.index[self.symbol], self.ledger.marks[self.symbol]
        if abs(now - self.built_at) / MILLIONTH > MAX_DRIFT * self.contract.value_per_lot_float(mark):
            self.build()
        elif self.extras.size:
            self._set_extras(self.extras[self.ledger.lots[self.extras] > 0])

    def reinsert(self, rows: Ints) -> None:
        """Put open positions whose cash or lots changed, ascending, on the short list that is decided one by one."""
        if not rows.size:
            return
        self.sorting[rows - self.block.start] = 0
        extras, marks = self.extras, self.extra_marks
        if extras.size:
            kept = (self.ledger.lots[extras] > 0) & ~among(extras, rows)  # their marks are known
            extras, marks = extras[kept], marks[kept]
        extras = np.concatenate([extras, rows])
        if len(extras) <= MAX_EXTRAS:
            self.nearest = None
            self.extras, self.extra_marks = extras, np.concatenate([marks, self._exact(rows)])
        elif self.sortings < MAX_SORTINGS:
            self._sort(np.sort(extras))
        else:
            self.build()

    def _set_extras(self, rows: Ints) -> None:
        self.nearest = None
        self.extras = rows
        self.extra_marks = self._exact(rows) if rows.size else rows

    def _exact(self, rows: Ints, estimate: Floats | None = None) -> Ints:
        lots = self.ledger.lots[rows]
        cash, signed = self._cash(rows, lots), self.sign * lots
        return breach_mark(cash, signed, self.contract, self.tiers, self.inclusive, estimate)

    def _cash(self, rows: Ints, lots: Ints) -> Ints:
        """Return the cash of positions with so many lots for the breach test."""
        cash = self.ledger.settled_cash(rows, self.side * lots)
        return breach_test(cash, self.ledger.entry_value[rows], self.schedule).cash if self.schedule.on_entry else cash

    def ahead(self, mark: int) -> int:
        """Return the lots of positions that are in breach at a mark or before; nothing is taken off."""
        lots, total, doubtful = self.ledger.lots, 0, []
        for group in self.groups:
            line, margin = self._line(group, mark)
            keys = group.keys[group.at :]
            sure, found = (int(keys.searchsorted(at, side="right")) for at in (line - margin, line + margin))
            if not found:
                continue
            rows = group.rows[group.at : group.at + found]
            held = lots[rows]
            held *= self.sorting[rows - self.block.start] == group.sorting
            total += int(held[:sure].sum())
            doubtful.append(rows[sure:][held[sure:] > 0])
        doubt = np.concatenate([NOBODY, *doubtful])
        if doubt.size:
            total += int(lots[doubt[self._in_breach(doubt, mark)]].sum())
        return total + int(lots[self.extras[self._reached(self.extra_marks, mark)]].sum())

    def _in_breach(self, rows: Ints, mark: int) -> Bools:
        """Return which open positions are in breach at a mark: as those are whose own mark of the breach it reaches."""
        lots, marks = self.ledger.lots[rows], np.full(len(rows), mark)
        return in_breach(self._cash(rows, lots), self.sign * lots, marks, self.contract, self.tiers, self.inclusive)

    def _reached(self, marks: Ints, mark: int) -> Bools:
        reached: Bools = marks >= mark if self.side > 0 else marks <= mark
        return reached

    def _take(self, group: Levels, mark: int) -> tuple[Ints, Floats]:
        """Take off the levels that can be in breach at a mark; return rows and keys of those that count."""
        first, level = group.at, self._level(group, mark)
        if first == len(group.keys) or group.keys[first] > level:
            return group.rows[:0], group.keys[:0]
        group.at += int(group.keys[first:].searchsorted(level, side="right"))
        rows, keys = group.rows[first : group.at], group.keys[first : group.at]
        counts = (self.ledger.lots[rows] > 0) & (self.sorting[rows - self.block.start] == group.sorting)
        return (rows, keys) if counts.all() else (rows[counts], keys[counts])

    def _put_back(self, taken: list[tuple[Levels, Ints, Floats]], stay: Bools) -> None:
        """Put levels back in front of their groups that were taken off and did not breach."""
        first = 0
        for group, rows, keys in taken:
            mine = stay[first : first + len(rows)]
            first += len(rows)
            left = group.at - int(np.count_nonzero(mine))
            group.rows[left : group.at], group.keys[left : group.at] = rows[mine], keys[mine]
            group.at = left

    def crossed(self, start: int, end: int, jump: bool) -> tuple[Ints, Ints]:
        """Take off the positions that breach between two marks; return their rows and the marks of the breach.

        On a continuous segment the mark is the first one at which the exact rule holds, the start inclusive;
        at a jump it is the new mark.
        """
        worst = end if jump else (min(start, end) if self.side > 0 else max(start, end))
        nearest = self.bound() if self.nearest is None else self.nearest
        if worst > nearest if self.side > 0 else worst < nearest:
            return NOBODY, NOBODY
        self.nearest = None
        rows, marks = [], []
        taken = [(group, *self._take(group, worst)) for group in self.groups]
        reach = np.concatenate([NOBODY, *(part for _, part, _ in taken)])
        if reach.size:
            values = np.concatenate([self._values(group, keys) for group, _, keys in taken])
            exact = self._exact(reach, self.contract.marks_at_values(values))
            hit = self._reached(exact, worst)
            rows.append(reach[hit])
            marks.append(exact[hit])
            self._put_back(taken, ~hit)
        if self.extras.size:
            open_ = self.ledger.lots[self.extras] > 0
            hit = open_ & self._reached(self.extra_marks, worst)
            if hit.any():
                rows.append(self.extras[hit])
                marks.append(self.extra_marks[hit])
            self.extras, self.extra_marks = self.extras[open_ & ~hit], self.extra_marks[open_ & ~hit]
        if not rows:
            return NOBODY, NOBODY
        all_rows, all_marks = np.concatenate(rows), np.concatenate(marks)
        if jump:
            all_marks = np.full(len(all_rows), end, dtype=np.int64)
        else:  # already in breach at the start
            all_marks = np.minimum(all_marks, start) if self.side > 0 else np.maximum(all_marks, start)
        return all_rows, all_marks
