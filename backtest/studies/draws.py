"""Bands over what is not known: values of the priors and the seed drawn together, on one market, in processes.

A draw leaves its headlines and curves, no run folder. ``started`` sets the workers to work and returns at once, so that
the run itself is replayed meanwhile; ``Job.store`` waits for them and stores what they found beside the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from backtest.assets import inside, runs_folder
from backtest.catalogue.priors import Priors
from backtest.errors import UsageError
from backtest.run.drawn import Draw, DrawnField, Draws
from backtest.run.identity import code_digest
from backtest.run.resolve import Resolved
from backtest.run.run import StoredRun
from backtest.run.stored import read_studies, store_studies
from backtest.studies.crew import Crew, Worker, early, run_here, worker_count
from backtest.studies.one_draw import SEEDS, DrawResult, DrawTask, run_draw
from backtest.studies.parameters import Parameter, Parameters, draw, parameters_of
from backtest.studies.study import Progress

if TYPE_CHECKING:
    import polars as pl

    from backtest.run.prepare import Prepared

BOOK_SIZE = 10_000  # positions of a draw's book
WITH_REPORT = 16  # draws of a run with a report that nobody asked for draws
LEAST, MOST = 2, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest:
    """Draws wanted: how many, of which priors, the size of their books, processes (None: one a processor).

    ``positions`` is a book given as a frame; ``fresh``: draw again what is stored.
    """

    size: int
    priors: Priors
    book_size: int = BOOK_SIZE
    workers: int | None = None
    positions: pl.DataFrame | None = None
    fresh: bool = False


def check_size(size: int, zero: str = "none") -> None:
    """Refuse a number of draws that gives no band; ``zero`` says what 0 stands for.

    Raises
    ------
    UsageError
        If it is 1, or beyond the most.
    """
    if size and not LEAST <= size <= MOST:
        raise UsageError(f"--draws {size}: allowed are 0 for {zero}, or {LEAST} to {MOST:,}, which have a band")


def parameters_for(
    priors: Priors, resolved: Resolved, overrides: Mapping[str, Any], positions: pl.DataFrame | None = None
) -> Parameters:
    """Return what is drawn for a run."""
    imported = positions is not None or bool(resolved.scenario.positions_file)
    return parameters_of(priors.rows, resolved, overrides, imported=imported)


@dataclass(frozen=True, slots=True)
class Job:
    """Draws of a run: under way, still to be run in this process, or stored already."""

    task: DrawTask
    request: DrawRequest
    parameters: Parameters
    identity: str
    crew: Crew[DrawTask, DrawResult] | None = None
    stored: bool = False

    def store(self, run: StoredRun, progress: Progress | None = None) -> StoredRun:
        """Wait for the draws, store them beside their run, and return it with them."""
        if self.stored:
            return run
        if self.crew is None:
            results = run_here(run_draw, self.task, self.request.size, "draw", progress)
        else:
            results = self.crew.results(progress, helping=True)
        store_studies(run.path, draws=self._draws(results))
        run.read_studies()
        return run

    def _draws(self, results: list[DrawResult]) -> Draws:
        seed = self.task.resolved.scenario.seed
        facts = dict.fromkeys(fact for result in results for fact in result.compared)
        return Draws(
            identity=self.identity,
            positions=min(self.task.book_size, self.task.resolved.scenario.positions),
            priors=self.request.priors.source,
            fields=tuple(map(_field, self.task.parameters)),
            draws=tuple(
                Draw(seed=(seed + k) % SEEDS, values=dict(values), headlines=result.headlines)
                for k, (values, result) in enumerate(zip(self.task.values, results, strict=True))
            ),
            compared={fact: tuple(result.compared.get(fact) for result in results) for fact in facts},
            notes=self.parameters.notes,
        )


def _field(parameter: Parameter) -> DrawnField:
    prior = parameter.prior
    return DrawnField(
        name=parameter.name, prior=prior.id, field=prior.field, source=prior.source, mark=prior.mark, seen=prior.seen
    )


@contextmanager
def early_workers(request: DrawRequest | None) -> Iterator[list[Worker]]:
    """Start the workers of draws while the run is being prepared; none where none are wanted."""
    with early(run_draw, _workers(request) if request is not None and request.size else 0) as waiting:
        yield waiting


def _workers(request: DrawRequest) -> int:
    """Return how many processes work beside this one, which helps them when the run is done."""
    return (worker_count(request.size) if request.workers is None else request.workers) - 1


@contextmanager
def started(
    prepared: Prepared, overrides: Mapping[str, Any], request: DrawRequest, waiting: list[Worker] | None = None
) -> Iterator[Job]:
    """Yield the draws of a run, under way; what still works when the block is left, by Ctrl-C for example, is ended.

    Nothing is started where the same draws are stored beside the run, or with one worker: ``Job.store`` then runs them
    in this process.

    Parameters
    ----------
    prepared
        The run, on whose market all draws are replayed.
    overrides
        Fields that the user gave; they are not drawn.
    waiting
        Workers of ``early_workers``.
    """
    resolved = prepared.resolved
    parameters = parameters_for(request.priors, resolved, overrides, request.positions)
    task = DrawTask(
        resolved=resolved,
        market=replace(prepared.market, actual=cast(Any, None)),  # no draw reads it, and frames take long to import
        positions=request.positions,
        parameters=parameters.rows,
        values=tuple(draw(parameters.rows, resolved, request.size, request.priors.accepted)),
        book_size=request.book_size,
    )
    job = Job(task, request, parameters, _identity(prepared, request, parameters))
    known = read_studies(inside(runs_folder(), prepared.run_id)).draws
    workers = _workers(request)
    if known is not None and known.identity == job.identity and not request.fresh:
        yield replace(job, stored=True)
    elif not workers:
        yield job
    else:
        with Crew(run_draw, task, request.size, workers, "draw", waiting or []) as crew:
            yield replace(job, crew=crew)


def _identity(prepared: Prepared, request: DrawRequest, parameters: Parameters) -> str:
    """Return a digest of all that decides draws: the run, the priors, what is drawn of them, how many, the code."""
    drawn = [parameter.name for parameter in parameters.rows]
    parts = (prepared.run_id, request.priors.digest, drawn, request.size, request.book_size, code_digest("studies"))
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
