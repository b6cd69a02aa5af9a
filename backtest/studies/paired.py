"""Alternatives compared draw by draw: the same values and seed under each of them, differences within the pair.

What is drawn of an alternative depends on the name of the prior, the seed and the number of draws alone, so draw k of a
field is the same under all of them. A draw leaves figures, no run folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.catalogue.events import get_event
from backtest.catalogue.priors import Priors
from backtest.engine.branches import OF_WAVES, branchable, simulate_branches
from backtest.errors import CrashbookError
from backtest.market.path import MarketPath
from backtest.mechanics.exact import Floats, Ints
from backtest.run.finished import Finished
from backtest.run.prepare import Prepared, ruled
from backtest.run.resolve import Resolved, resolve
from backtest.run.tables.shared import Shared
from backtest.scenario.fields import BY_NAME as FIELDS
from backtest.scenario.fields import Scenario
from backtest.scenario.values import merge
from backtest.studies.alternatives import Alternative
from backtest.studies.cohorts import Accounts, Group, GroupGains, gains_of
from backtest.studies.crew import Crew, run_here, worker_count
from backtest.studies.draws import BOOK_SIZE, check_size
from backtest.studies.markets import Markets
from backtest.studies.metrics import METRICS, Figures, figures_of, lorenz_of
from backtest.studies.one_draw import SEEDS, DrawTask, finished, prepared_draw
from backtest.studies.parameters import draw, parameters_of
from backtest.studies.study import Progress

if TYPE_CHECKING:
    import polars as pl

DRAWS, AS_IT_IS = 16, "the scenario as it is"  # what 0 draws stand for
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


@dataclass(frozen=True, slots=True)
class PairedTask:
    """What all draws share: the draws of each alternative by name, the base first."""

    draws: Mapping[str, DrawTask]


@dataclass(frozen=True, slots=True)
class DrawFigures:
    """What a draw leaves under one alternative."""

    figures: Figures
    gains: Mapping[Group, GroupGains]
    lorenz: Floats


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
    markets = Markets()
    tasks = {}
    for name, mine in resolved.items():
        with naming(name):
            tasks[name] = task_of(request, mine, markets.of(mine), altered)
    task, count = PairedTask(tasks), max(request.draws, 1)
    workers = worker_count(count) if request.workers is None else request.workers
    if workers < 2:
        results = run_here(run_pair, task, count, "draw", progress)
    else:
        with Crew(run_pair, task, count, workers, "draw") as crew:
            results = crew.results(progress)
    return _gathered(task, results)


@contextmanager
def naming(alternative: str) -> Iterator[None]:
    """Name the alternative in what goes wrong under it."""
    try:
        yield
    except CrashbookError as error:
        error.args = (f"{alternative}: {error}",)  # the class keeps its exit code
        raise
    except Exception as error:
        error.add_note(f"alternative {alternative}")
        raise


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


def run_pair(task: PairedTask, number: int) -> list[DrawFigures]:
    """Run a draw under every alternative, the base first."""
    out: list[DrawFigures] = []
    base: tuple[Ints, Ints] | None = None
    last: tuple[Finished, Accounts, Ints] | None = None  # the run before, its accounts and their ids
    for name, done in _finished(task, number):
        with naming(name):
            if last is not None and last[0].outcome.record is done.outcome.record:  # no ADL: the same run
                out.append(out[-1])
                continue
            s = Shared(done)
            if last is None or last[0].outcome.world.book is not done.outcome.world.book:
                last = done, Accounts.in_run(s), np.unique(done.book.account_id)
            _, accounts, ids = last = (done, *last[1:])
            own_gains = accounts.gains(s)
            base = base or (ids, own_gains)
            same = ids is base[0] or np.array_equal(ids, base[0])  # else no account stands beside another
            gains = gains_of(s, accounts, own_gains, base[1] if same else None)
            out.append(DrawFigures(figures_of(s, accounts), gains, lorenz_of(s, accounts)))
    return out


def _finished(task: PairedTask, number: int) -> Iterator[tuple[str, Finished]]:
    """Yield the finished runs of a draw; those that differ from the base in waves alone walk its path up to the first.

    The base comes first, the others in their order.
    """
    base = _prepared(next(iter(task.draws.values())), number, None)
    ready, together = {}, []
    for name, each in task.draws.items():
        with naming(name):
            ready[name] = _prepared(each, number, base)
        if base.baseline is None and branchable(base.world, ready[name].world):
            together.append(name)
    shared = simulate_branches([ready[name].world for name in together])
    for name, prepared in ready.items():
        with naming(name):
            yield name, finished(prepared, next(shared) if name in together else None)


def _prepared(each: DrawTask, number: int, base: Prepared | None) -> Prepared:
    """Return a draw of an alternative, compared with its venue's queue, on the base's book if waves alone differ."""
    scenario, usual = each.scenario(number), each.resolved.default_scenario
    own = None if usual.ranking == "none" else (usual.ranking, usual.losers)
    if base is not None and _differs_in_waves(scenario, base.resolved.scenario):
        prepared = ruled(base, scenario)
    else:
        prepared = prepared_draw(each, scenario)
    return replace(prepared, world=replace(prepared.world, rules=replace(prepared.world.rules, own_queue=own)))


def _differs_in_waves(scenario: Scenario, base: Scenario) -> bool:
    """Return whether two scenarios differ at most in fields that are first used in a wave."""
    return scenario == base.with_(**{name: getattr(scenario, name) for name in OF_WAVES if name in FIELDS})


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
