"""Progress of a replay on a terminal: a bar on stderr that leaves nothing behind; silent anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
Stage = Callable[[str], Progress]
UPDATES = 20


@contextmanager
def stages(quiet: bool) -> Iterator[Stage]:
    """Yield a function that starts a named stage and returns what is to be called with (done, total)."""
    if quiet or not sys.stderr.isatty():
        yield lambda name: _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<34}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    # no thread that draws beside the engine: the bar moves when it is told
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
    """Say nothing."""
