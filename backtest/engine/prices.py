"""The prices a run walks: those of the tape, on the feedback path displaced by the run's own flow.

The only place where prices of the walk are read. A step's segment leads from ``starts`` to ``ends``; on the feedback
path a step may walk several, one for each round.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.engine.records import CAUSES, Record
from backtest.engine.world import World
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.feedback import HIGHEST, LOWEST, PARTS, decayed, displaced, moved, push
from backtest.mechanics.impact import IMPACTS
from backtest.mechanics.path import previous_mark

CHUNK, FIRST_CHUNK = 1024, 8  # steps looked at in one go: of the tape; of displaced prices, which change soon


class Prices:
    """Marks and trade prices, and the segment in progress.

    ``mark`` and ``trade`` (symbols, steps) are walked prices: all of them on the tape, on the feedback path those of
    the first ``known`` steps. ``trades`` (symbols, 2) are the trade prices at both ends of the segment, ``range_shift``
    by symbol what the low and the high of the bar's trade range are displaced by. ``walked`` are the marks at the end
    of each round of the step in progress, ``traded`` the trade prices there, ``capped`` whether the cap of rounds left
    a mark behind.
    """

    def __init__(self, world: World) -> None:
        self.world, self.walk, self.feedback = world, world.walk, world.feedback
        count = len(world.symbols)
        self.mark, self.trade = world.walk.mark, world.walk.trade
        self.known = world.steps
        if self.feedback is not None:
            self.mark, self.trade = self.mark.copy(), self.trade.copy()
            self.known = 0
            self.due = np.flatnonzero((self.feedback.forced != 0).any(axis=0) | (self.feedback.flow != 0).any(axis=0))
        self.displacement = [0] * count  # as step ``at`` began, decayed; between steps as it ended
        self.at = 0
        self._ahead = [0] * count  # at step ``known``
        self.step = 0
        self.jump = True
        self.starts = self.ends = [int(mark) for mark in self.mark[:, 0]]
        self._first = self.starts, self.ends, self.jump  # the segment that the step began with
        self.trades: Ints = self.trade[:, [0, 0]]
        self.range_shift = [(0, 0)] * count
        self.walked, self.traded, self.capped = [self.ends], [self.trades[:, 1].tolist()], False
        self.boxes = 0  # counts how often the slack changed
        self._slack: Ints = np.zeros((count, 2), dtype=np.int64)  # how far prices may be displaced down and up

    # -- walked prices ------------------------------------------------------------------------------------------

    def enter(self, number: int) -> None:
        """Begin a step: its segment leads from where the last one ended to the prices of the step."""
        self.reach(number)
        self.step, self.jump = number, bool(self.walk.jump[number - 1])
        last = max(number - 2, 0)
        self.starts, self.ends = self.mark[:, last].tolist(), self.mark[:, number - 1].tolist()
        self._first = self.starts, self.ends, self.jump
        self.trades = self.trade[:, [last, number - 1]]
        self.walked, self.traded, self.capped = [self.ends], [self.trades[:, 1].tolist()], False
        if self.feedback is not None:
            self._fade(number)
            first = number - 1 if self.jump else last
            self._shift_range(self.trade[:, [first, number - 1]], [first, number - 1])

    def before(self, symbol: int) -> int:
        """Return the mark before the one at which the step's first segment ends, as the venue counts marks."""
        starts, ends, jump = self._first
        return previous_mark(starts[symbol], ends[symbol], jump, self.world.bar_s, self.walk.segments)

    def trade_range(self, symbol: int, bar: int) -> tuple[int, int]:
        """Return the range that fills are clamped to: the bar's, displaced with the segment."""
        low, high = int(self.world.trade_low[symbol, bar]), int(self.world.trade_high[symbol, bar])
        down, up = self.range_shift[symbol]
        return max(low + down, min(low, 1)), high + up

    def _shift_range(self, trades: Ints, places: list[int]) -> None:
        """Displace the trade range with the trade prices at both ends of the segment, walked at places of the tape."""
        shifts = trades - self.walk.trade[:, places]
        self.range_shift = list(zip(shifts.min(axis=1).tolist(), shifts.max(axis=1).tolist(), strict=True))

    def next_flow(self, number: int, stop: int) -> int:
        """Return the first step in [number, stop) at which the baseline traded, ``stop`` if none."""
        if self.feedback is None:
            return stop
        place = int(np.searchsorted(self.due, number - 1))
        return min(stop, int(self.due[place]) + 1) if place < len(self.due) else stop

    def first_touch(self, start: int, stop: int, low: Ints, high: Ints) -> int:
        """Return the first place in [start, stop) where a mark is at or below its ``low``, or at or above its ``high``.

        ``low`` and ``high`` are by symbol; ``stop`` if there is none.
        """
        most = max(CHUNK // len(low), 1)
        size = min(most, CHUNK if self.feedback is None else FIRST_CHUNK)
        while start < stop:
            end = min(start + size, stop)
            self.reach(end)
            part = self.mark[:, start:end]
            hit: Bools = np.any((part <= low[:, None]) | (part >= high[:, None]), axis=0)
            at = int(hit.argmax())
            if hit[at]:
                return start + at
            start, size = end, min(2 * size, CHUNK)
        return stop

    def marks_at(self, step: int) -> Ints:
        """Return the marks of a step if nothing more is traded before."""
        self.reach(step)
        return self.mark[:, step - 1]

    def box(self, start: int, stop: int) -> Ints:
        """Return the least and the highest marks of the steps in (start, stop], shape (2, symbols).

        They hold for displaced prices until ``boxes`` changes.
        """
        marks = self.walk.mark[:, start:stop]
        low, high = marks.min(axis=1), marks.max(axis=1)
        if self.feedback is None:
            return np.stack([low, high])
        down = np.maximum(low + self._slack[:, 0], -(-low // LOWEST))
        return np.stack([down, np.minimum(high + self._slack[:, 1], high * HIGHEST)])

    def reachable(self, symbol: int) -> tuple[int, int]:
        """Return the least and the highest mark that can be walked at all."""
        low, high = int(self.walk.mark[symbol].min()), int(self.walk.mark[symbol].max())
        return (low, high) if self.feedback is None else (-(-low // LOWEST), high * HIGHEST)

    def finish(self) -> list[int]:
        """Return the marks at the end of the run; all prices are as they were walked."""
        self.reach(self.world.steps)
        return [int(mark) for mark in self.mark[:, -1]]

    def reach(self, stop: int) -> None:
        """Displace the prices of the first ``stop`` steps by what is left of past flow."""
        first = self.known
        if stop <= first or self.feedback is None:
            return
        for symbol, displacement in enumerate(self._ahead):
            marks, trades = self.mark[symbol], self.trade[symbol]
            marks[first:stop] = self.walk.mark[symbol, first:stop]
            trades[first:stop] = self.walk.trade[symbol, first:stop]
            for place in range(first, stop):
                if not displacement:
                    break
                displacement = decayed(displacement, self.feedback.left_e9, self.walk.passed(place))
                marks[place], trades[place] = self._walked(symbol, place, displacement)
            self._ahead[symbol] = displacement
        self.known = stop

    def _walked(self, symbol: int, place: int, displacement: int) -> tuple[int, int]:
        """Return mark and trade price of a step as they are displaced."""
        mark = displaced(int(self.walk.mark[symbol, place]), displacement)
        per_tick = self.world.mark_per_tick[symbol]
        return mark, displaced(int(self.walk.trade[symbol, place]), displacement, per_tick)

    # -- displacement by flow ------------------------------------------------------------------------------------------

    def _fade(self, number: int) -> None:
        """Let the displacement decay to the beginning of a step."""
        assert self.feedback is not None
        if any(self.displacement):
            passed = sum(self.walk.passed(place) for place in range(self.at, number))
            self.displacement = [decayed(each, self.feedback.left_e9, passed) for each in self.displacement]
        self.at = number

    def again(self, forced: list[int]) -> bool:
        """Return whether the forced orders of the step so far move a mark, and lead the next segment there.

        The marks at the end of the step are left where they are once ``max_rounds`` segments were walked.
        """
        if self.feedback is None:
            return False
        theirs = [int(lots) for lots in self.feedback.forced[:, self.step - 1]]
        if not any(forced) and not any(theirs):
            return False
        place, after = self.step - 1, self._after(forced, theirs)
        pairs = [self._walked(k, place, each) for k, each in enumerate(after)]
        marks = [mark for mark, _ in pairs]
        if marks == self.ends:
            return False
        if len(self.walked) == self.feedback.max_rounds:
            self.capped = True
            return False
        self.jump = False
        self.starts, self.ends = self.ends, marks
        self.walked.append(marks)
        self.traded.append([trade for _, trade in pairs])
        self.trades = np.array(self.traded[-2:]).T
        self._shift_range(self.trades, [place, place])
        self.mark[:, place], self.trade[:, place] = self.ends, self.trades[:, 1]
        self._keep_in_box(after)
        return True

    def leave(self, flow: list[int]) -> None:
        """End a step: what its whole flow displaces beyond the marks walked shows at the next price."""
        if self.feedback is None:
            return
        theirs = [int(lots) for lots in self.feedback.flow[:, self.step - 1]]
        if any(flow) or any(theirs):
            self.displacement = self._after(flow, theirs)
            self.known, self._ahead = self.step, list(self.displacement)
            self._keep_in_box(self.displacement)

    def _keep_in_box(self, displacement: list[int]) -> None:
        """Widen the slack where a displacement leaves it: it has to hold while it decays, and a little beyond."""
        for symbol, each in enumerate(displacement):
            whole = each // PARTS
            if not self._slack[symbol, 0] <= whole <= self._slack[symbol, 1]:
                spare = abs(whole) // 4 + self.ends[symbol] // 1000
                self._slack[symbol] = min(whole, 0) - spare, max(whole, 0) + spare
                self.boxes += 1

    def _after(self, ours: list[int], theirs: list[int]) -> list[int]:
        """Return the displacement with this run's flow and without that of the baseline."""
        assert self.feedback is not None
        rules, feedback, out = self.world.rules, self.feedback, []
        for symbol, displacement in enumerate(self.displacement):
            if not ours[symbol] and not theirs[symbol]:
                out.append(displacement)
                continue
            added = self._push(symbol, ours[symbol], rules.impact, rules.strength, rules.scale[symbol])
            added -= self._push(symbol, theirs[symbol], feedback.impact, feedback.strength, feedback.scale[symbol])
            out.append(moved(displacement, added, int(self.walk.mark[symbol, self.step - 1])))
        return out

    def _push(self, symbol: int, flow: int, impact: str, strength: Fraction, scale: Fraction) -> int:
        if not flow:
            return 0
        bar = int(self.walk.bar[self.step - 1])
        mark, volume = int(self.walk.mark[symbol, self.step - 1]), int(self.world.volume[symbol, bar]) * scale
        return push(IMPACTS[impact].shift, mark, strength, flow, volume, self.world.bands(symbol, bar, flow, scale))


@dataclass(frozen=True, slots=True)
class Flow:
    """Signed lots a run moved through the book, shape (symbols, steps): by forced orders, and all of it."""

    forced: Ints
    total: Ints


def flow_of(record: Record, symbols: int, steps: int) -> Flow:
    """Return the flow of a run."""
    moved = record.transfers.join()
    flow = Flow(np.zeros((symbols, steps), dtype=np.int64), np.zeros((symbols, steps), dtype=np.int64))
    for cause, into in (("book", (flow.forced, flow.total)), ("unwind", (flow.total,))):
        mine = np.flatnonzero(moved.cause == CAUSES.index(cause))
        for each in into:
            np.add.at(each, (moved.symbol[mine], moved.step[mine] - 1), moved.lots[mine])
    return flow
