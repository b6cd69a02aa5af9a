"""Scenarios of a sweep run by workers of this machine or by an executor, each kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass

import msgspec

from backtest.errors import CrashbookError
from backtest.studies.crew import Crew, Done, worker_count
from backtest.studies.study import Progress
from backtest.studies.sweep.place import ROWS, SUFFIX, Place, rows_kept
from backtest.studies.sweep.plan import Plan, Point
from backtest.studies.sweep.row import Row, Task, data_digest, failed, keys_of, run_point

TRIES = 2  # of a scenario whose worker died
Answers = Iterator[tuple[int, Row | str]]  # a row by number, or why its worker died
AT_ONCE = 256  # scenarios handed to an executor before the first answer


@dataclass(frozen=True, slots=True)
class Swept:
    """The rows of a sweep in the order of its scenarios, and how many of them were kept from an earlier run."""

    points: tuple[Point, ...]
    rows: tuple[Row, ...]
    kept: int

    @property
    def failed(self) -> int:
        """Return how many scenarios have an error."""
        return sum(bool(row.error) for row in self.rows)


def sweep(
    plan: Plan, place: Place, *, workers: int | None = None, executor: Executor | None = None, folders: bool = False,
    fresh: bool = False, progress: Progress | None = None,
) -> Swept:  # fmt: skip
    """Run the scenarios that are not finished and return the rows of all.

    Parameters
    ----------
    place
        Where rows are kept; those of an earlier run with the same inputs are not run again unless ``fresh``.
    workers
        Processes, None: one a processor. 1 runs in this process.
    executor
        Any executor, such as that of a Dask cluster, in place of own processes.
    folders
        Whether each scenario leaves a run folder too, in the workspace of its worker.

    Raises
    ------
    CrashbookError
        The place refuses a row.
    """
    points = tuple(plan.points())
    data = data_digest()
    keys = dict(enumerate(keys_of(plan, points, data)))
    found = {} if fresh else rows_kept(place, keys, folders=folders)
    kept = len(found)
    missing = [number for number in keys if number not in found]
    task = Task(
        points={number: points[number] for number in missing}, keys={number: keys[number] for number in missing},
        data=data, draws=plan.draws, draw_positions=plan.draw_positions, priors=plan.priors, folders=folders,
    )  # fmt: skip
    for number, row in _rows(task, missing, workers, executor):
        place.write(f"{row.key}{SUFFIX}", msgspec.json.encode(row), ROWS)
        found[number] = row
        if progress:
            progress(len(found), len(points))
    return Swept(points, tuple(found[number] for number in keys), kept)


def _rows(task: Task, numbers: list[int], workers: int | None, executor: Executor | None) -> Iterator[tuple[int, Row]]:
    """Yield rows as they come; a scenario whose worker died twice has an error for a row."""
    count = worker_count(len(numbers)) if workers is None else workers
    left, died = numbers, dict.fromkeys(numbers, 0)
    while left:
        done: set[int] = set()
        for number, row in _round(task, left, count, executor):
            if isinstance(row, Row):
                yield number, row
                done.add(number)
                continue
            died[number] += 1
            if died[number] == TRIES:
                yield number, failed(task.points[number], task.keys[number], f"its worker died twice ({row})")
                done.add(number)
        left = [number for number in left if number not in done]


def _round(task: Task, numbers: list[int], workers: int, executor: Executor | None) -> Answers:
    """Run each scenario once: by the executor, by workers, or with one worker in this process.

    With several workers the last one left is not run here either: it may be the one that its worker died of.
    """
    if executor is not None:
        return _by_executor(task, numbers, executor)
    if workers > 1:
        return _by_crew(task, numbers, min(workers, len(numbers)))
    return ((number, run_point(task, number)) for number in numbers)


def _by_crew(task: Task, numbers: list[int], workers: int) -> Answers:
    """Run scenarios in processes of their own; of one that took its worker with it, yield how the worker ended."""
    with Crew(run_point, task, numbers, workers, "scenario") as crew:
        for news in crew.arrivals():
            if isinstance(news, Done):
                yield news.number, news.result
            elif news.number is not None:
                yield news.number, news.cause


def _by_executor(task: Task, numbers: list[int], executor: Executor) -> Answers:
    """Hand scenarios to an executor, some ahead of the answers; a failure of its own is the reason of a row."""
    waiting = list(reversed(numbers))
    running: dict[Future[Row], int] = {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            number = waiting.pop()
            try:
                running[executor.submit(run_point, task.only(number), number)] = number
            except RuntimeError as error:
                raise CrashbookError(
                    f"the executor takes no more scenarios: {_line(error)}; run the sweep again"
                ) from error
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            try:
                yield number, future.result()
            except (Exception, CancelledError) as error:
                yield number, _line(error)


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
