"""From pages to whole days: pages may overlap, repeat, come out of order, be empty or end early.

A page only ever adds rows. Rows that a page lacks are asked for again, and only those absent twice are a gap of
the venue. A time that comes with two different rows is asked for again too; if the venue insists, the day is not
believed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.fetch.day import DAY_MS, FetchedDay, start_ms, uneven_times
from backtest.mechanics.exact import Bools, Floats
from backtest.times import DAY, EPOCH, runs_of

AskPage = Callable[[int, int], Awaitable[Floats]]  # first and last millisecond -> rows with ts first
OnPage = Callable[[int, int], None]  # time reached in milliseconds, new rows of the page
Stretch = tuple[int, int]  # first millisecond, and the one after the last


@dataclass(frozen=True, slots=True)
class Grid:
    """What a series asks of its pages.

    Attributes
    ----------
    step_ms
        Distance of its rows, 0 for the venue's own times.
    span_ms
        Longest range of one request.
    required
        How many columns, the first ones, a row cannot do without.
    """

    step_ms: int
    span_ms: int
    required: int


async def paged_days(ask: AskPage, days: Sequence[dt.date], grid: Grid, on_page: OnPage) -> AsyncIterator[FetchedDay]:
    """Ask for some days, page by page, and give each as soon as it is whole.

    Parameters
    ----------
    days
        Ascending; only these are asked for.
    """
    for first, end in runs_of(days):
        pieces: list[Floats] = []
        day = first
        async for page, reached in _pages(ask, (start_ms(first), start_ms(end)), grid, on_page):
            pieces.append(page)
            while day < end and reached >= start_ms(day) + DAY_MS:
                held = np.concatenate(pieces)
                later = held[:, 0] >= start_ms(day) + DAY_MS
                mine = (held[:, 0] >= start_ms(day)) & ~later
                yield await _settle(ask, day, held[mine], grid, on_page)
                pieces = [held[later]]
                day += DAY


async def _pages(ask: AskPage, stretch: Stretch, grid: Grid, on_page: OnPage) -> AsyncIterator[tuple[Floats, int]]:
    """Give the pages of a stretch and the time up to which all has been asked.

    Rows that a page lacks are asked for at once, until that brings nothing new: a page may end early at either end. The
    next page is under way while the last one is looked at and stored.
    """
    start, end = stretch
    ahead = _sent(ask, (start, min(start + grid.span_ms, end)))
    try:
        for cursor in range(start, end, grid.span_ms):
            last = min(cursor + grid.span_ms, end)
            seen: Floats = np.empty(0)
            lacking: Stretch | None = (cursor, last)
            tries = 0
            while lacking is not None:
                rows = await ahead
                tries += 1
                before = len(seen)
                if _complete(rows, (cursor, last), grid):
                    inside, lacking, seen = rows, None, rows[:, 0]
                else:
                    inside = rows[(rows[:, 0] >= start) & (rows[:, 0] < end)]
                    seen = np.union1d(seen, inside[_readable(inside, grid), 0])
                    lacking = _absent(seen, (cursor, last), grid) if tries == 1 or len(seen) > before else None
                on_page(last, len(seen) - before)
                following = lacking or (last, min(last + grid.span_ms, end))
                if following[0] < end:
                    ahead = _sent(ask, following)
                    await asyncio.sleep(0)  # the request leaves before the page is looked at
                yield inside, last if lacking is None else cursor
    finally:
        ahead.cancel()


def _sent(ask: AskPage, stretch: Stretch) -> asyncio.Future[Floats]:
    page = asyncio.ensure_future(ask(stretch[0], stretch[1] - 1))
    page.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting for it any more
    return page


def _complete(rows: Floats, window: Stretch, grid: Grid) -> bool:
    """Return whether rows are all of a window and nothing else, in order and readable: as they should be."""
    if not grid.step_ms or len(rows) != (window[1] - window[0]) // grid.step_ms:
        return False
    regular = rows[0, 0] == window[0] and (np.diff(rows[:, 0]) == grid.step_ms).all()
    return bool(regular) and bool(np.isfinite(rows[:, : grid.required]).all())


def _absent(seen: Floats, window: Stretch, grid: Grid) -> Stretch | None:
    """Return the stretch that holds all times of the grid not seen in a window; None where there is no grid."""
    if not grid.step_ms:
        return None
    missing = np.setdiff1d(np.arange(*window, grid.step_ms), seen, assume_unique=True)
    return (int(missing[0]), int(missing[-1]) + grid.step_ms) if len(missing) else None


async def _settle(ask: AskPage, day: dt.date, rows: Floats, grid: Grid, on_page: OnPage) -> FetchedDay:
    """Order a day's rows; where they contradict one another or their own times look torn, ask for the day again."""
    window = (start_ms(day), start_ms(day) + DAY_MS)
    if _complete(rows, window, grid):
        return FetchedDay(day, rows=rows)
    table, clash = _merge(rows[_readable(rows, grid)])
    while clash or _torn(table[:, 0], window, grid):
        again = [page async for page, _ in _pages(ask, window, grid, on_page)]
        fresh = np.concatenate(again)
        rows = fresh if clash else np.concatenate([rows, fresh])
        merged, still = _merge(rows[_readable(rows, grid)])
        if clash or still or len(merged) == len(table):
            reason = f"two different rows for {_time(still)}, twice" if still else ""
            torn = _torn(merged[:, 0], window, grid)
            note = "its times are not at equal distances: rows may be missing" if torn and len(merged) else ""
            dropped = _dropped(rows, merged, window, grid)
            return FetchedDay(day, rows=merged, dropped=dropped, reason=reason, note=note)
        table = merged
    return FetchedDay(day, rows=table, dropped=_dropped(rows, table, window, grid))


def _dropped(rows: Floats, kept: Floats, window: Stretch, grid: Grid) -> int:
    """Return how many times of the day came only with rows that cannot be read."""
    bad = rows[~_readable(rows, grid), 0]
    if not len(bad):
        return 0
    lost = np.unique(bad[(bad >= window[0]) & (bad < window[1])])
    return int((~np.isin(lost, kept[:, 0])).sum())


def _readable(rows: Floats, grid: Grid) -> Bools:
    """Return which rows have all they need and lie on the grid."""
    finite: Bools = np.asarray(np.isfinite(rows[:, : grid.required]).all(axis=1))
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


def _torn(ts: Floats, window: Stretch, grid: Grid) -> bool:
    """Return whether rows at the venue's own times look incomplete."""
    return not grid.step_ms and uneven_times(ts, window[0])


def _time(ms: int) -> str:
    return (EPOCH + dt.timedelta(milliseconds=ms)).isoformat()
