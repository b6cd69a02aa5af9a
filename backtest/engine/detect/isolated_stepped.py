"""The ladder of a margin schedule that steps: every position with the marks between which it is safe.

Where maintenance jumps, a falling value may leave a breach and a rising one may enter it, so that no single mark says
when a position breaches. Instead each has the nearest marks in breach below and above the present mark; while the mark
stays strictly between, nothing happens to it. Both are exact. Funding moves them all: they are then found anew at the
next price, in time linear in positions.
"""

from __future__ import annotations

import numpy as np

from backtest.engine.columns import among, distinct
from backtest.engine.detect.isolated import open_isolated
from backtest.engine.ledger import Ledger
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, in_breach
from backtest.mechanics.margin_stepped import breaches_around

MAX_EXTRAS = 4096


class SteppedLadder:
    """The safe ranges of one symbol and side; the same calls as of ``Ladder``."""

    nearest: int | None = None  # no bound is remembered: its positions may breach on both sides of the mark

    def __init__(self, ledger: Ledger, symbol: int, side: int, reach: tuple[int, int]) -> None:
        self.ledger, self.symbol, self.side = ledger, symbol, side
        self.block = ledger.world.blocks[symbol, side]
        self.contract = ledger.world.contracts[symbol]
        self.sign = side * self.contract.value_sign
        self.reach = reach  # the least and the highest mark that can be walked at all
        self.stale = False
        self.build(ledger.marks[symbol])

    def build(self, mark: int) -> None:
        """Sort all open positions of the side by the nearest mark in breach below, and again by that above."""
        rows = open_isolated(self.ledger, self.block)
        below, above = self._around(rows, mark)
        down, up = np.argsort(-below, kind="stable"), np.argsort(above, kind="stable")
        self.down, self.down_marks, self.down_at = rows[down], below[down], 0
        self.down_keys = -self.down_marks  # ascending
        self.up, self.up_marks, self.up_at = rows[up], above[up], 0
        self.loose = np.zeros(self.block.stop - self.block.start, dtype=bool)  # off the lists
        self.extras: Ints = rows[:0]
        self.extra_below: Ints = rows[:0]
        self.extra_above: Ints = rows[:0]
        self.stale = False

    def _around(self, rows: Ints, mark: int) -> tuple[Ints, Ints]:
        world = self.ledger.world
        cash = self.ledger.settled_cash(rows)
        signed = self.sign * self.ledger.lots[rows]
        marks = np.full(len(rows), mark, dtype=np.int64)
        tiers = world.tiers[self.symbol]
        return breaches_around(cash, signed, self.contract, tiers, world.rules.inclusive, marks, self.reach)

    def bounds(self) -> tuple[int, int]:
        """Return the marks strictly between which no position of the side breaches."""
        if self.stale:
            self.build(self.ledger.marks[self.symbol])
        while self.down_at < len(self.down) and self._gone(self.down[self.down_at]):
            self.down_at += 1
        while self.up_at < len(self.up) and self._gone(self.up[self.up_at]):
            self.up_at += 1
        low = int(self.down_marks[self.down_at]) if self.down_at < len(self.down) else NEVER_LONG
        high = int(self.up_marks[self.up_at]) if self.up_at < len(self.up) else NEVER_SHORT
        open_ = self.ledger.lots[self.extras] > 0
        return int(self.extra_below[open_].max(initial=low)), int(self.extra_above[open_].min(initial=high))

    def _gone(self, row: int) -> bool:
        return not self.ledger.lots[row] or bool(self.loose[row - self.block.start])

    def index_moved(self) -> None:
        """Take a change of the funding index into account: at the next price all ranges are found anew."""
        self.stale = True

    def reinsert(self, rows: Ints) -> None:
        """Find the safe ranges of open positions whose cash or lots changed, ascending, at the present mark."""
        if rows.size:
            self._loosen(rows, self.ledger.marks[self.symbol])

    def _loosen(self, rows: Ints, mark: int) -> None:
        """Take positions off the lists and keep them on a short one of their own."""
        self.loose[rows - self.block.start] = True
        stay = (self.ledger.lots[self.extras] > 0) & ~among(self.extras, rows)
        if int(stay.sum()) + len(rows) > MAX_EXTRAS:
            self.build(mark)
            return
        below, above = self._around(rows, mark)
        self.extras = np.concatenate([self.extras[stay], rows])
        self.extra_below = np.concatenate([self.extra_below[stay], below])
        self.extra_above = np.concatenate([self.extra_above[stay], above])

    def crossed(self, start: int, end: int, jump: bool) -> tuple[Ints, Ints]:
        """Take off the positions that breach between two marks; return their rows and the marks of the breach.

        On a continuous segment the mark is the first one on the way at which the exact rule holds, the start inclusive;
        at a jump it is the new mark. Who was passed over by a jump stays, with a new safe range.
        """
        if self.stale:
            self.build(end if jump else start)
        reached = self._reached(min(start, end), max(start, end))
        if not reached.size:
            return reached, reached
        ledger, world = self.ledger, self.ledger.world
        if jump:
            marks = np.full(len(reached), end, dtype=np.int64)
            cash = ledger.settled_cash(reached)
            signed, tiers = self.sign * ledger.lots[reached], world.tiers[self.symbol]
            hit = in_breach(cash, signed, marks, self.contract, tiers, world.rules.inclusive)
        else:
            below, above = self._around(reached, start)
            marks = np.where((below == start) | (end < start), below, above)
            hit = (marks >= end) if end < start else (marks <= end) & (marks >= start)
        self.loose[reached - self.block.start] = True
        self._drop(reached)
        if not hit.all():
            self._loosen(reached[~hit], end)
        return reached[hit], marks[hit]

    def ahead(self, mark: int) -> int:
        """Return the lots of positions that a move of the mark against the side, as far as a given one, liquidates."""
        if self.stale:
            self.build(self.ledger.marks[self.symbol])
        if self.side > 0:
            found = self.down_at + int(np.searchsorted(self.down_keys[self.down_at :], -mark, side="right"))
            listed, short = self.down[self.down_at : found], self.extras[self.extra_below >= mark]
        else:
            found = self.up_at + int(np.searchsorted(self.up_marks[self.up_at :], mark, side="right"))
            listed, short = self.up[self.up_at : found], self.extras[self.extra_above <= mark]
        listed = listed[~self.loose[listed - self.block.start]]
        return int(self.ledger.lots[listed].sum() + self.ledger.lots[short].sum())

    def _reached(self, low: int, high: int) -> Ints:
        """Return the open positions whose safe range does not hold all marks from low to high."""
        down = np.searchsorted(self.down_keys[self.down_at :], -low, side="right")
        up = np.searchsorted(self.up_marks[self.up_at :], high, side="right")
        listed = np.concatenate([self.down[self.down_at : self.down_at + down], self.up[self.up_at : self.up_at + up]])
        listed = listed[~self.loose[listed - self.block.start]]
        short = self.extras[(self.extra_below >= low) | (self.extra_above <= high)]
        rows = distinct(np.concatenate([listed, short]))
        open_: Ints = rows[self.ledger.lots[rows] > 0]
        return open_

    def _drop(self, rows: Ints) -> None:
        stay = ~among(self.extras, rows)
        self.extras, self.extra_below = self.extras[stay], self.extra_below[stay]
        self.extra_above = self.extra_above[stay]
