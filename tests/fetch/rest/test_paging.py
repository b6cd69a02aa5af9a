"""From pages to whole days: whatever pages do, a day holds each row once, and only what two askings lack is a gap."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.fetch.day import FetchedDay
from backtest.fetch.rest.paging import DAY_MS, Grid, paged_days
from backtest.times import runs_of

HOUR_MS = 3_600_000
DAY = dt.date(2025, 10, 10)
NEXT = DAY + dt.timedelta(days=1)
START = (DAY - dt.date(1970, 1, 1)).days * DAY_MS
HOURS = np.array([[START + hour * HOUR_MS, 100.0 + hour] for hour in range(48)])
GRID = Grid(step_ms=HOUR_MS, span_ms=10 * HOUR_MS, required=2)
Page = Callable[[int, int], np.ndarray]


def whole(first: int, last: int) -> np.ndarray:
    """Return what an honest venue answers."""
    return HOURS[(HOURS[:, 0] >= first) & (HOURS[:, 0] <= last)]


def collected(
    page: Page, days: Sequence[dt.date] = (DAY, NEXT), grid: Grid = GRID
) -> tuple[list[FetchedDay], list[int]]:
    asked: list[int] = []

    async def ask(first: int, last: int) -> np.ndarray:
        asked.append(first)
        return page(first, last)

    async def run() -> list[FetchedDay]:
        return [day async for day in paged_days(ask, days, grid, lambda reached, rows: None)]

    return asyncio.run(run()), asked


def nth(number: int, spoiled: Callable[[np.ndarray], np.ndarray]) -> Page:
    """Return an honest venue whose page of that number is spoiled."""
    count = iter(range(1000))
    return lambda first, last: spoiled(whole(first, last)) if next(count) == number else whole(first, last)


def rows_of(days: Sequence[FetchedDay]) -> np.ndarray:
    return np.concatenate([day.rows for day in days])


def test_honest_pages_give_whole_days_with_no_request_too_many() -> None:
    days, asked = collected(whole)
    assert [day.day for day in days] == [DAY, NEXT]
    assert np.array_equal(rows_of(days), HOURS)
    assert asked == [START + n * 10 * HOUR_MS for n in range(5)]


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda rows: np.concatenate([rows, rows]),
        lambda rows: rows[::-1],
        lambda rows: rows[:0],
        lambda rows: rows[: len(rows) // 2],
        lambda rows: rows[len(rows) // 2 :],
        lambda rows: np.concatenate([HOURS[:3], rows]),
        lambda rows: np.concatenate([rows, HOURS]),
    ],
    ids=["repeated", "backwards", "empty", "ends early", "begins late", "overlaps before", "holds everything"],
)
@pytest.mark.parametrize("number", range(5))
def test_a_strange_page_changes_nothing(spoiled: Callable[[np.ndarray], np.ndarray], number: int) -> None:
    days, _ = collected(nth(number, spoiled))
    assert np.array_equal(rows_of(days), HOURS)
    assert all(day.reason == "" and day.dropped == 0 for day in days)


def test_rows_absent_twice_are_a_gap_and_each_is_asked_for_once_more() -> None:
    gone = HOURS[[5, 6, 7], 0]
    days, asked = collected(lambda first, last: (rows := whole(first, last))[~np.isin(rows[:, 0], gone)])
    assert len(days[0].rows) == 21
    assert len(days[1].rows) == 24
    assert asked.count(int(gone[0])) == 1  # the second asking is for the missing stretch alone
    assert len(asked) == 6


def test_a_day_without_rows_is_given_empty() -> None:
    days, _ = collected(lambda first, last: whole(first, last)[:0], [DAY])
    assert [len(day.rows) for day in days] == [0]


def test_unreadable_rows_are_asked_for_again_and_left_out_if_the_venue_insists() -> None:
    def spoil(rows: np.ndarray) -> np.ndarray:
        spoiled = rows.copy()
        spoiled[spoiled[:, 0] == HOURS[4, 0], 1] = np.nan
        return spoiled

    once, _ = collected(nth(0, spoil))
    assert np.array_equal(rows_of(once), HOURS)
    always, _ = collected(lambda first, last: spoil(whole(first, last)))
    assert len(always[0].rows) == 23
    assert always[0].dropped == 1


def test_rows_off_the_grid_are_left_out() -> None:
    odd = np.array([[START + HOUR_MS // 2, 1.0]])
    days, _ = collected(lambda first, last: np.concatenate([whole(first, last), odd]), [DAY])
    assert np.array_equal(days[0].rows, HOURS[:24])


def test_two_rows_for_one_time_are_asked_for_again_and_not_believed_if_the_venue_insists() -> None:
    def twist(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, [[HOURS[4, 0], 1.0]]])

    once, _ = collected(nth(0, twist))
    assert np.array_equal(rows_of(once), HOURS)
    assert once[0].reason == ""
    always, _ = collected(lambda first, last: twist(whole(first, last)))
    assert always[0].reason == "two different rows for 2025-10-10T04:00:00, twice"
    assert always[1].reason == ""


def test_own_times_are_asked_for_again_where_a_distance_is_too_long() -> None:
    grid = Grid(step_ms=0, span_ms=100 * HOUR_MS, required=2)
    rates = HOURS[[0, 8, 16, 24, 32, 40]] + [37.0, 0.0]

    def page(first: int, last: int) -> np.ndarray:
        return rates[(rates[:, 0] >= first) & (rates[:, 0] <= last)]

    days, asked = collected(page, grid=grid)
    assert np.array_equal(rows_of(days), rates)
    assert len(asked) == 1
    count = iter(range(100))
    days, asked = collected(lambda first, last: page(first, last)[: 2 if next(count) == 0 else None], grid=grid)
    assert np.array_equal(rows_of(days), rates)
    assert len(asked) == 3  # both days looked short


def test_only_the_days_wanted_are_asked_for() -> None:
    far = NEXT + dt.timedelta(days=3)
    _, asked = collected(whole, [DAY, far])
    assert max(first for first in asked if first < START + 2 * DAY_MS) < START + DAY_MS
    assert [(first.day, end.day) for first, end in runs_of([DAY, NEXT, far])] == [(10, 12), (14, 15)]


@pytest.mark.property
@given(st.lists(st.sampled_from(["ok", "twice", "backwards", "half", "tail", "all"]), min_size=5, max_size=60))
def test_any_order_of_strange_pages_gives_the_same_days(script: list[str]) -> None:
    deeds = {
        "ok": lambda rows: rows,
        "twice": lambda rows: np.concatenate([rows, rows]),
        "backwards": lambda rows: rows[::-1],
        "half": lambda rows: rows[: max(1, len(rows) // 2)],
        "tail": lambda rows: np.concatenate([rows, HOURS[-3:]]),
        "all": lambda rows: np.concatenate([HOURS, rows]),
    }
    script_of = iter(script * 50)
    days, _ = collected(lambda first, last: deeds[next(script_of)](whole(first, last)))
    assert np.array_equal(rows_of(days), HOURS)
