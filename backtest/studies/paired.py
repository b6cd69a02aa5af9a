"""Alternatives compared draw by draw: the same values and seed under each of them, differences within the pair.

What is drawn of an alternative depends on the name of the prior, the seed and the number of draws alone, so draw k of a
field is the same under all of them. A draw leaves figures, no run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.catalogue.events import get_event
from backtest.catalogue.priors import Priors
from backtest.market.path import MarketPath
from backtest.mechanics.exact import Floats
from backtest.run.resolve import Resolved, resolve
from backtest.scenario.values import merge
from backtest.studies.alternatives import Alternative
from backtest.studies.cohorts import Group, GroupGains
from backtest.studies.crew import Crew, early, run_here, worker_count
from backtest.studies.draws import BOOK_SIZE, check_size
from backtest.studies.markets import Markets
from backtest.studies.metrics import METRICS
from backtest.studies.one_draw import SEEDS, DrawTask
from backtest.studies.paired_draw import DrawFigures, PairedTask, against_base, naming, run_alternative, run_pair
from backtest.studies.parameters import draw, parameters_of
from backtest.studies.study import Progress

if TYPE_CHECKING:
    import polars as pl

DRAWS, AS_IT_IS = 16, "the scenario as it is"  # what 0 draws stand for
WORTH = 300_000  # positions of all runs from which a draw is divided between processes: to start one takes a second
GAINS = tuple(column.name for column in fields(GroupGains))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRequest:
    """A comparison wanted: the event, fields of all alternatives, the alternatives (the first is the base), draws.

    ``draws`` 0: the scenario as it is, once, with its own book. ``workers`` None: one a processor. ``positions`` is a
    book given as a frame.
    """

    event: str
    given: Mapping[str, Any]
    alternatives: tuple[Alternative, ...]
    priors: Priors
    draws: int = DRAWS
    book_size: int = BOOK_SIZE
    workers: int | None = None
    positions: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paired:
    """Figures by alternative and draw; not-a-number where there is none.

    ``metrics`` holds arrays of shape (alternatives, draws) by metric, ``gains`` by group and column of ``GroupGains``,
    ``lorenz`` one of shape (alternatives, draws, shares): Lorenz curves of closed notional at ``metrics.LORENZ``. The
    first alternative is the base. ``resolved`` is the scenario of each; ``drawn`` how many numbers were drawn.
    """

    alternatives: tuple[str, ...]
    resolved: tuple[Resolved, ...]
    seeds: tuple[int, ...]
    metrics: Mapping[str, Floats]
    gains: Mapping[Group, Mapping[str, Floats]]
    lorenz: Floats
    positions: int
    drawn: int
    notes: tuple[str, ...]


def compare(request: PairedRequest, progress: Progress | None = None) -> Paired:
    """Run every draw under every alternative and return the figures.

    Raises
    ------
    UsageError
        For a number of draws beyond the most.
    CrashbookError
        An alternative cannot run; the message names it and, in a draw, the draw.
    """
    check_size(request.draws, AS_IT_IS)
    get_event(request.event)
    resolved = {}
    for each in request.alternatives:
        with naming(each.name):
            resolved[each.name] = resolve(request.event, merge(request.given, each.fields))
    altered = tuple(dict.fromkeys(name for each in request.alternatives for name in each.fields))
    plan = plan_of(request, min(each.scenario.positions for each in resolved.values()))
    with early(plan.work, plan.workers if plan.workers > 1 else 0) as waiting:
        markets, tasks = Markets(), {}
        for name, mine in resolved.items():
            with naming(name):
                tasks[name] = task_of(request, mine, markets.of(mine), altered)
        task = PairedTask(tasks)
        if plan.workers < 2:
            return _gathered(task, run_here(plan.work, task, plan.jobs, plan.job, progress))
        with Crew(plan.work, task, plan.jobs, plan.workers, plan.job, waiting) as crew:
            results = crew.results(progress)
    if plan.work is run_alternative:
        size = len(tasks)
        results = [against_base(results[first : first + size]) for first in range(0, plan.jobs, size)]
    return _gathered(task, results)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a comparison is divided between processes: the work, the name of a job, jobs, and workers."""

    work: Callable[[PairedTask, int], Any]
    job: str
    jobs: int
    workers: int


def plan_of(request: PairedRequest, positions: int) -> Plan:
    """Return how to divide a comparison: by draw or, where draws are fewer than workers and long, by alternative.

    ``positions`` are those of the scenario.
    """
    draws, size = max(request.draws, 1), len(request.alternatives)
    workers = request.workers
    if workers is None:
        each = positions if request.positions is None else len(request.positions)
        each = min(request.book_size, each) if request.draws else each
        workers = worker_count(draws if draws * size * each < WORTH else draws * size)
    if workers > draws and size > 1:
        return Plan(run_alternative, "alternative", draws * size, min(workers, draws * size))
    return Plan(run_pair, "draw", draws, workers)


def task_of(request: PairedRequest, resolved: Resolved, market: MarketPath, altered: Sequence[str]) -> DrawTask:
    """Return the draws of an alternative; the fields ``altered`` by any of them are not drawn."""
    scenario = resolved.scenario
    imported = request.positions is not None or bool(scenario.positions_file)
    given = {**request.given, **dict.fromkeys(name for name in altered if name != "venue")}
    drawn = parameters_of(request.priors.rows, resolved, given, imported=imported).rows if request.draws else ()
    return DrawTask(
        resolved=resolved,
        market=market,
        positions=request.positions,
        parameters=drawn,
        values=tuple(draw(drawn, resolved, max(request.draws, 1), request.priors.accepted)),
        book_size=request.book_size if request.draws else scenario.positions,
    )


def _gathered(task: PairedTask, results: Sequence[Sequence[DrawFigures]]) -> Paired:
    names, draws = tuple(task.draws), len(results)
    metrics = {
        metric.name: np.array([[_number(result[k].figures[metric.name]) for result in results]
                               for k in range(len(names))])
        for metric in METRICS
    }  # fmt: skip
    found = dict.fromkeys(group for result in results for each in result for group in each.gains)
    groups = sorted(found, key=lambda group: group.place)
    gains = {group: {column: np.full((len(names), draws), np.nan) for column in GAINS} for group in groups}
    for at, result in enumerate(results):
        for k, each in enumerate(result):
            for group, gain in each.gains.items():
                for column, value in asdict(gain).items():
                    gains[group][column][k, at] = _number(value)
    first = next(iter(task.draws.values()))
    drawn = max(len(each.parameters) for each in task.draws.values())
    return Paired(
        alternatives=names,
        resolved=tuple(each.resolved for each in task.draws.values()),
        seeds=tuple((first.resolved.scenario.seed + k) % SEEDS for k in range(draws)),
        metrics=metrics,
        gains=gains,
        lorenz=np.array([[result[k].lorenz for result in results] for k in range(len(names))]),
        positions=min(first.book_size, first.resolved.scenario.positions),
        drawn=drawn,
        notes=tuple(dict.fromkeys(note for each in task.draws.values() for note in each.resolved.headline)),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
