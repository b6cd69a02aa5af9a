"""Progress of a replay on a terminal: a bar on stderr that leaves nothing behind; silent anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int], None]
Stage = Callable[[str], Progress]
UPDATES = 20


@contextmanager
def stages(quiet: bool) -> Iterator[Stage]:
    """Yield a function that starts a named stage and returns its progress function of (done, total)."""
    if quiet or not sys.stderr.isatty():
        yield lambda name: _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        *(TextColumn("{task.description:<34}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()),
        *(TextColumn("left"), TimeRemainingColumn()),
    )
    # no thread draws while the engine runs: the bar moves with each update
    with Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def begin(name: str) -> Progress:
            bar.reset(task, description=name, total=None)
            bar.refresh()

            def show(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, refresh=True)

            return throttled(show)

        yield begin


def throttled(show: Progress, updates: int = UPDATES) -> Progress:
    """Pass on about ``updates`` of many calls, the last one always.

    Examples
    --------
    >>> seen = []
    >>> progress = throttled(lambda done, total: seen.append(done), updates=4)
    >>> for step in range(1, 101):
    ...     progress(step, 100)
    >>> seen
    [25, 50, 75, 100]
    """
    reached = 0

    def progress(done: int, total: int) -> None:
        nonlocal reached
        mark = updates * done // max(total, 1)
        if mark > reached:
            reached = mark
            show(done, total)

    return progress


def _silent(done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def meter(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Yield a function that shows the progress of a fetch: series, requests, date, rows and time left."""
    if quiet or not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<64}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, name = bar.add_task("", total=None), ""

        def show(progress: Any) -> None:
            nonlocal name
            target, source = progress.target, progress.source
            now = f"{target.series} {target.coin} from {source.name}"
            if now != name:
                name = now
                bar.reset(task, total=progress.planned)
            text = f"{now}: to {progress.reached:%Y-%m-%d %H:%M}, {progress.rows:,} rows"
            bar.update(task, description=text, completed=progress.done, total=progress.planned)

        yield show
