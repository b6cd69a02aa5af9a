"""From pages to whole days: pages may overlap, repeat, come out of order, be empty or end early.

A page only ever adds rows. What a day then lacks is asked for once more, and only what two askings do not bring is a
gap of the venue. A time that comes with two different rows is asked for again too; if the venue insists, the day is
not believed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Bools, Floats

DAY_MS = 86_400_000
EPOCH = dt.date(1970, 1, 1)
AskPage = Callable[[int, int], Awaitable[Floats]]  # first and last millisecond -> rows with ts first
OnPage = Callable[[int, int], None]  # time reached in milliseconds, rows of the page


@dataclass(frozen=True, slots=True)
class Harvest:
    """One day as a venue served it: rows in order of time, how many were unreadable, and why it is not believed."""

    day: dt.date
    rows: Floats
    dropped: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """What a series asks of its pages: step of its rows (0: the venue's own times) and longest range of a request.

    ``required`` are the columns that a row cannot do without.
    """

    step_ms: int
    span_ms: int
    required: tuple[int, ...]


def runs_of(days: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Give stretches of neighbouring days as first day and day after the last.

    Examples
    --------
    >>> one, two, four = (dt.date(2025, 10, day) for day in (1, 2, 4))
    >>> [(first.day, end.day) for first, end in runs_of([one, two, four])]
    [(1, 3), (4, 5)]
    """
    one = dt.timedelta(days=1)
    first = None
    for number, day in enumerate(days):
        first = first or day
        if number + 1 == len(days) or days[number + 1] != day + one:
            yield first, day + one
            first = None


async def harvest(ask: AskPage, days: Sequence[dt.date], grid: Grid, on_page: OnPage) -> AsyncIterator[Harvest]:
    """Ask for some days, page by page, and give each as soon as it is whole.

    Parameters
    ----------
    days
        Ascending; only these are asked for.
    """
    for first, end in runs_of(days):
        held = np.empty((0, 0))
        dropped = np.empty(0)
        day = first
        async for table in _pages(ask, _ms(first), _ms(end), grid, on_page):
            rows, reached = table
            good = _readable(rows, grid)
            dropped = np.concatenate([dropped, rows[~good, 0]])
            held = np.concatenate([held, rows[good]]) if held.size else rows[good]
            while day < end and reached >= _ms(day) + DAY_MS:
                start = _ms(day)
                mine = (held[:, 0] >= start) & (held[:, 0] < start + DAY_MS)
                bad = int(((dropped >= start) & (dropped < start + DAY_MS)).sum())
                yield await _settle(ask, day, held[mine], bad, grid, on_page)
                held = held[~mine]
                day += dt.timedelta(days=1)


async def _pages(ask: AskPage, start: int, end: int, grid: Grid, on_page: OnPage) -> AsyncIterator[tuple[Floats, int]]:
    """Give pages and the time up to which all has been asked; a page that ends early is gone on from where it ended."""
    cursor = start
    while cursor < end:
        last = min(cursor + grid.span_ms, end)
        rows = await ask(cursor, last - 1)
        inside = rows[(rows[:, 0] >= start) & (rows[:, 0] < end)]
        ahead = inside[inside[:, 0] >= cursor, 0]
        cursor = int(ahead.max()) + grid.step_ms if grid.step_ms and len(ahead) else last
        on_page(min(cursor, end), len(inside))
        yield inside, min(cursor, end)


async def _settle(ask: AskPage, day: dt.date, rows: Floats, dropped: int, grid: Grid, on_page: OnPage) -> Harvest:
    """Order a day's rows; where some are missing or contradict one another, ask once more for that stretch."""
    start = _ms(day)
    table, clash = _merge(rows)
    lacking = _lacking(table[:, 0], start, grid)
    if lacking is None and not clash:
        return Harvest(day, table, dropped)
    first, end = (start, start + DAY_MS) if clash or lacking is None else lacking
    again = np.empty((0, rows.shape[1]))
    async for page, _ in _pages(ask, first, end, grid, on_page):
        again = np.concatenate([again, page])
    good = _readable(again, grid)
    dropped = int((~good).sum())
    merged, still = _merge(again[good] if clash else np.concatenate([table, again[good]]))
    trouble = f"two different rows for {_time(still)}, twice" if still else ""
    return Harvest(day, merged, dropped, trouble)


def _readable(rows: Floats, grid: Grid) -> Bools:
    """Return which rows have all they need and lie on the grid."""
    finite: Bools = np.asarray(np.isfinite(rows[:, list(grid.required)]).all(axis=1))
    if not grid.step_ms:
        return finite
    on_grid: Bools = rows[:, 0] % grid.step_ms == 0
    return finite & on_grid


def _merge(rows: Floats) -> tuple[Floats, int]:
    """Return rows in order of time, each time once, and the first time with two different rows (0 if none).

    Examples
    --------
    >>> _merge(np.array([[60.0, 2.0], [0.0, 1.0], [60.0, 2.0]]))[0].tolist()
    [[0.0, 1.0], [60.0, 2.0]]
    >>> _merge(np.array([[60.0, 2.0], [60.0, 3.0]]))[1]
    60
    """
    ordered = rows[np.argsort(rows[:, 0], kind="stable")]
    same = np.diff(ordered[:, 0]) == 0
    before, after = ordered[:-1][same], ordered[1:][same]
    differs = ((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=1)
    first = np.concatenate([[True], ~same]) if len(ordered) else np.empty(0, dtype=bool)
    return ordered[first], int(before[differs][0, 0]) if differs.any() else 0


def _lacking(ts: Floats, start: int, grid: Grid) -> tuple[int, int] | None:
    """Return the stretch of a day that holds all its missing rows; None where nothing seems to be missing."""
    if grid.step_ms:
        expected = np.arange(start, start + DAY_MS, grid.step_ms, dtype=np.float64)
        missing = expected[~np.isin(expected, ts)]
        return (int(missing[0]), int(missing[-1]) + grid.step_ms) if len(missing) else None
    # own times: the shortest distance on the day is the rule, and no stretch may be half as long again
    edges = np.concatenate([ts, [start + DAY_MS]])
    distances = np.diff(edges)
    regular = len(ts) > 1 and distances.max() <= 1.5 * distances.min() and ts[0] - start < 1.5 * distances.min()
    return None if regular else (start, start + DAY_MS)


def _ms(day: dt.date) -> int:
    return (day - EPOCH).days * DAY_MS


def _time(ms: int) -> str:
    return (dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=ms)).isoformat()  # noqa: DTZ001
