"""Runs of one draw that differ in how much a fund or vault can bear: the path until the tightest is bound is shared.

A run keeps a copy of itself from before its pool first decided anything (``engine.branches``). A run with more room
goes on from there, and one that was never bound is that of every pool with more room still, but for its cash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from backtest.engine.branches import COPIES, branch, can_grow, grown, is_bound
from backtest.engine.replay import Replay
from backtest.engine.run import begin, end, walk
from backtest.run.headlines import headlines_of
from backtest.run.prepare import Prepared
from backtest.run.tables.shared import Shared
from backtest.studies.one_draw import finished
from backtest.studies.pool import CAUSES, Cause, adl_by_cause, cause_of


@dataclass(frozen=True, slots=True)
class Tried:
    """A draw at one size: ADL in USD by cause, and the lowest equity of the pool."""

    causes: Mapping[str, float]
    low_usd: float

    @property
    def adl_usd(self) -> float:
        """Return all ADL."""
        return sum(self.causes.values())

    @property
    def preventable_usd(self) -> float:
        """Return the ADL of which a larger pool takes more."""
        return sum(usd for cause, usd in self.causes.items() if CAUSES[cause].of_size)

    @property
    def exhausted(self) -> bool:
        """Return whether the pool had no money left."""
        return self.low_usd <= 0 or any(CAUSES[cause].empties for cause in self.causes)

    def larger(self, more_usd: float) -> Tried:
        """Return the same draw with a pool that is larger or smaller, where neither size binds anything."""
        return Tried(self.causes, round(self.low_usd + more_usd, 6))


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A run: its end (None: it was stopped), a copy from before it was bound (None: no such), whether it never was."""

    s: Shared | None
    before: Replay | None
    free: bool

    @property
    def adl(self) -> bool:
        """Return whether there was ADL, or what the run was stopped for."""
        return self.s is None or any(wave.closed_lots for wave in self.s.record.waves)


def course(
    prepared: Prepared,
    before: Replay | None = None,
    until: Callable[[Cause], bool] | None = None,
    *,
    copies: bool = True,
) -> Course:
    """Run a prepared draw to its end, or until the step with a wave of a cause of ``until``.

    Parameters
    ----------
    before
        A copy of a run whose pool has no more room, from before it was bound; the run goes on from there.
    copies
        Whether others are to go on from this run.
    """
    world = prepared.world
    if prepared.baseline is not None:  # fed back: two runs of its own
        return Course(Shared(finished(prepared)), None, free=False)
    replay = begin(world) if before is None else grown(before, world)
    free, saved, seen = can_grow(world), before, len(replay.record.waves)
    gap = max(world.steps // COPIES, 1)
    due = 0 if before is None else replay.step + gap
    for number in walk(replay, ahead=False):
        free = free and not is_bound(replay)
        if copies and free and number >= due:
            saved, due = branch(replay, world), number + gap
        waves = replay.record.waves
        if until and any(wave.closed_lots and until(CAUSES[cause_of(replay, wave)]) for wave in waves[seen:]):
            return Course(None, saved, free=False)
        seen = len(waves)
    return Course(Shared(finished(prepared, end(replay))), saved, free)


def ended(run: Course) -> Shared:
    """Return the end of a run that was not stopped."""
    assert run.s is not None
    return run.s


def in_world(s: Shared, prepared: Prepared) -> Shared:
    """Return a run that nothing bound as that of a draw whose pool has more room: only its start differs."""
    return Shared(replace(s.done, outcome=replace(s.done.outcome, world=prepared.world)))


def tried(prepared: Prepared) -> Tried:
    """Run a prepared draw to its end and return its ADL by cause and the lowest equity of its pool."""
    return result(Shared(finished(prepared)))


def result(s: Shared) -> Tried:
    """Return ADL by cause and the lowest equity of the pool of a finished run."""
    return Tried(adl_by_cause(s), headlines_of(s).pool_low_usd)
