"""A prepared replay run by the engine: on the tape, or on the path that its own flow displaces."""

from __future__ import annotations

from dataclasses import replace

from backtest.engine.prices import flow_of
from backtest.engine.run import Outcome, Progress, simulate
from backtest.engine.world import World
from backtest.mechanics.feedback import Feedback, decay_e9
from backtest.run.prepare import Prepared


def simulated(prepared: Prepared, progress: Progress | None = None, *, ahead: bool = True) -> Outcome:
    """Run a prepared replay.

    Parameters
    ----------
    ahead
        Whether the record holds the lots that a small further move would liquidate.
    """
    world = prepared.world if prepared.baseline is None else _displaced(prepared, progress)
    return simulate(world, progress, ahead=ahead)


def _displaced(prepared: Prepared, progress: Progress | None) -> World:
    """Run the baseline on the tape; return the world with the baseline's flow."""
    world, baseline, scenario = prepared.world, prepared.baseline, prepared.resolved.scenario
    assert baseline is not None
    flow = flow_of(simulate(baseline, progress, ahead=False).record, len(world.symbols), world.steps)
    rules, left = baseline.rules, decay_e9(scenario.feedback_half_life_s, world.bar_s, world.walk.segments)
    feedback = Feedback(left, scenario.max_rounds, flow.forced, flow.total, rules.impact, rules.strength, rules.scale)
    return replace(world, feedback=feedback)
