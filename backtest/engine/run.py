"""The loop over steps: jump to the next step at which anything can happen, and run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backtest.engine import criticality
from backtest.engine.acts import funding
from backtest.engine.records import Recorder
from backtest.engine.state import Owner, State, World
from backtest.engine.step import FULL_CHECK_EVERY, Replay, step
from backtest.mechanics.fund import Pool

CHUNK = 1024
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run: the world it started from, its final state, its record."""

    world: World
    state: State
    recorder: Recorder


def simulate(world: World, progress: Progress | None = None) -> Outcome:
    """Replay a world to its end.

    Steps at which no rung can be reached, no funding is due and no pool holds inventory change nothing but marks;
    they are passed over. Every executed step is checked for conservation, and all arrays are recomputed at the
    start, at the end and every 256 steps.

    Raises
    ------
    RangeError
        If lots times prices could leave the exact range.
    ConservationError
        If cash or lots do not sum to zero: a defect of the program.
    """
    replay = Replay.begin(world)
    replay.state.check(full=True)
    number, checked = 0, 0
    while True:
        before, number = number, _next(replay, number + 1)
        criticality.measure(replay, max(before, 1), number - 1)
        if number > world.steps:
            break
        if number // FULL_CHECK_EVERY > checked:
            checked = number // FULL_CHECK_EVERY
            replay.state.check(full=True)
        step(replay, number)
        if progress:
            progress(number, world.steps)
    _finish(replay)
    if progress:
        progress(world.steps, world.steps)
    return Outcome(world, replay.state, replay.recorder)


def _next(replay: Replay, number: int) -> int:
    """Return the next step that must be run, ``steps + 1`` if none."""
    world, state = replay.world, replay.state
    last = world.steps + 1
    if number >= last or state.vault.holds or any(fund.holds for fund in state.funds):
        return number
    due = state.prices.next_flow(number, min((at for at in replay.funding_at if at >= number), default=last))
    leaves = state.watch.leaves()
    if leaves is not None:  # a peak leaves the window of a fund's drop
        due = min(due, max(number, 1 + int(np.searchsorted(state.clocks[1:], leaves, side="right"))))
    for symbol in range(len(world.symbols)):
        lows, highs = zip(replay.ladders[symbol, 1].bounds(), replay.ladders[symbol, -1].bounds(), strict=True)
        low, high = max(lows), min(highs)
        if not low < state.marks[symbol] < high:  # left in breach: judged at the start of the next segment
            return number
        due = min(due, state.prices.first_touch(symbol, number - 1, due - 1, low, high) + 1)
    return due if state.crossed is None else state.crossed.first(number, due)


def _finish(replay: Replay) -> None:
    """Bring every owner's cash up to date: unsettled funding is part of it; ``rounding`` takes the difference."""
    state, world = replay.state, replay.world
    state.step = world.steps
    state.marks = state.prices.finish()
    if state.funded:
        for first in range(0, len(state.lots), CHUNK * 32):
            open_ = first + np.flatnonzero(state.lots[first : first + CHUNK * 32])
            funding.settle(state, replay.recorder, open_)
        owners: list[Pool | Owner] = [*state.funds, state.vault, state.market]
        for owner in owners:
            for symbol in range(len(world.symbols)):
                funding.settle_owner(state, replay.recorder, owner, symbol)
    state.check(full=True)
