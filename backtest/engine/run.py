"""The loop over steps: jump to the next step at which anything can happen, and run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backtest.engine import potential
from backtest.engine.acts.vaults import first_below, first_change
from backtest.engine.detect.accounts import CrossAccounts
from backtest.engine.detect.nearest import exact_bounds, known_bounds
from backtest.engine.ledger import Ledger
from backtest.engine.prices import Prices
from backtest.engine.records import VAULT, Record
from backtest.engine.replay import Replay
from backtest.engine.step import FULL_CHECK_EVERY, step
from backtest.engine.world import World

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run: the world it started from, the final ledger, the prices as they were walked, the record."""

    world: World
    ledger: Ledger
    prices: Prices
    record: Record
    accounts: CrossAccounts | None


def simulate(world: World, progress: Progress | None = None, *, ahead: bool = True) -> Outcome:
    """Replay a world to its end.

    Steps at which no breach can be reached, no funding and no exit is due, and no fund or vault that holds inventory
    reaches one of its bounds or trades change nothing but marks; they are passed over. Every executed step is checked
    for conservation, and all arrays are recomputed at the start, at the end and every 256 steps.

    Parameters
    ----------
    ahead
        Whether the record holds the lots that a small further move would liquidate.

    Raises
    ------
    RangeError
        If lots times prices could leave the exact range.
    ConservationError
        If cash or lots do not sum to zero: a defect of the program.
    """
    replay = begin(world)
    for number in walk(replay, ahead=ahead):
        if progress:
            progress(number, world.steps)
    if progress:
        progress(world.steps, world.steps)
    return end(replay)


def begin(world: World) -> Replay:
    """Set up a run before its first step, and check it."""
    replay = Replay.begin(world)
    replay.ledger.check(full=True)
    return replay


def walk(replay: Replay, *, ahead: bool) -> Iterator[int]:
    """Run a replay from where it stands to its last step; yield each step that was executed."""
    world, number = replay.world, replay.step
    while True:
        before, number = number, _next(replay, number + 1)
        if ahead:
            potential.measure(replay, max(before, 1), number - 1)
        if number > world.steps:
            return
        if number // FULL_CHECK_EVERY > before // FULL_CHECK_EVERY:
            replay.ledger.check(full=True)
        step(replay, number)
        yield number


def end(replay: Replay) -> Outcome:
    """End a run whose steps are done."""
    _finish(replay)
    return Outcome(replay.world, replay.ledger, replay.prices, replay.record, replay.accounts)


def _next(replay: Replay, number: int) -> int:
    """Return the next step that must be run, ``steps + 1`` if none."""
    world, ledger = replay.world, replay.ledger
    last = world.steps + 1
    holding = [pool for pool in ledger.pools() if pool.holds]
    if number >= last or (holding and world.feedback is not None):
        return number
    if replay.monitor.trigger is not None and any(fund.holds for fund in ledger.funds):
        return number  # a drawdown changes with every price
    if holding:  # quiet steps count up to the unwinding
        last = min(last, max(number, replay.step + world.rules.quiet_steps - replay.quiet))
        if last == number:
            return number
    due = replay.prices.next_flow(number, min((at for at in replay.funding_at if at >= number), default=last))
    due = min(due, last, _next_exit(world, number))
    expiry = replay.monitor.expires_at()
    if expiry is not None:  # a peak leaves the window of a fund's drawdown
        due = min(due, max(number, 1 + int(np.searchsorted(world.moments[1:], expiry, side="right"))))
    due = _first_isolated(replay, number, due)
    for pool in holding:
        due = (first_below if pool.code == VAULT else first_change)(replay, pool, number, due)
    return due if replay.bounds is None else replay.bounds.first(number, due)


def _first_isolated(replay: Replay, number: int, stop: int) -> int:
    """Return the first step in [number, stop) that may see a breach of isolated positions, ``stop`` if none."""
    low, high = known_bounds(replay.ladders)
    marks, place = np.array(replay.ledger.marks, dtype=np.int64), number - 1
    for symbol in np.flatnonzero((marks <= low) | (marks >= high)).tolist():
        low[symbol], high[symbol] = exact_bounds(replay.ladders, symbol)
        if not low[symbol] < marks[symbol] < high[symbol]:  # left in breach: decided at the start of the next segment
            return number
    while (place := replay.prices.first_touch(place, stop - 1, low, high)) < stop - 1:
        marks = replay.prices.marks_at(place + 1)
        for symbol in np.flatnonzero((marks <= low) | (marks >= high)).tolist():
            low[symbol], high[symbol] = exact_bounds(replay.ladders, symbol)
        if not ((low < marks) & (marks < high)).all():
            break
    return place + 1


def _next_exit(world: World, number: int) -> int:
    """Return the first step from a number on at which somebody wants to leave."""
    if world.exits is None:
        return world.steps + 1
    at = int(np.searchsorted(world.exits.step, number))
    return int(world.exits.step[at]) if at < len(world.exits.step) else world.steps + 1


def _finish(replay: Replay) -> None:
    """Bring every owner's cash up to date: unsettled funding is part of it; ``rounding`` takes the difference."""
    replay.step = replay.record.step = replay.world.steps
    replay.ledger.mark_to(replay.prices.finish())
    replay.ledger.settle_all()
    replay.ledger.check(full=True)
