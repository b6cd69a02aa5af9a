"""The clock of a series: the distance of its rows, its grid over a window, and marks too old at funding times."""

from __future__ import annotations

import numpy as np

from backtest.lake.availability import load_availability
from backtest.lake.holdings import occurrences
from backtest.lake.place import Place
from backtest.lake.series import SERIES
from backtest.mechanics.exact import Ints
from backtest.times import Window, micros, moment

STALE_S = 900  # a mark older than this at a funding time is stale


def step_s(place: Place, ts: Ints) -> int:
    """Return the distance of a place's rows in seconds, 0 if its series has no clock.

    Bars have that of their timeframe, rows at the venue's own times the most frequent; where steps are listed, it is
    the longest step listed of the venue that is not longer than the most frequent, so that every second row missing is
    not taken for a step.

    Parameters
    ----------
    ts
        Times of the rows, ascending, to the minute unless of bars; microseconds since the epoch.

    Examples
    --------
    >>> hours = np.array([0, 8, 16, 32]) * 3_600_000_000
    >>> step_s(Place("bybit", "BTC/USDT:USDT", "funding"), hours)
    28800
    >>> step_s(Place("bybit", "BTC/USDT:USDT", "open_interest"), np.array([0, 600, 1200]) * 1_000_000)
    300
    """
    series = SERIES[place.series]
    if series.bars:
        return place.bar_s
    if series.clock == "none":
        return 0
    usual = _most_frequent(np.diff(ts)) // 1_000_000
    if series.clock == "own":
        return usual
    known = [entry.step_s for key, entry in load_availability().items() if key[:2] == (place.venue, place.series)]
    return max((step for step in known if 0 < step <= usual), default=usual or series.usual_step_s)


def on_grid(window: Window, ts: Ints, step: int) -> Window:
    """Return the window from the first interval that starts in it to the first that does not.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime.fromisoformat("2025-10-10T12:00")
    >>> eight_hourly = np.array([micros(noon + dt.timedelta(hours=hours)) for hours in (4, 12, 20)])
    >>> [time.hour for time in on_grid((noon, noon + dt.timedelta(days=1)), eight_hourly, 28_800)]
    [16, 16]
    """
    step_us = step * 1_000_000
    phase = _most_frequent(ts % step_us)
    start, end = (micros(time) for time in window)
    return moment(start + (phase - start) % step_us), moment(end + (phase - end) % step_us)


def _most_frequent(values: Ints) -> int:
    """Return the most frequent value, the smallest of several, 0 of none."""
    return max(occurrences(values), key=lambda pair: pair[1], default=(0, 0))[0]


def count_stale(funding: Ints, marks: Ints) -> int:
    """Return how many funding times have no mark bar opened at most 15 minutes before; all in microseconds.

    A bar that opens at the funding time itself counts: its open is the mark of that moment.

    Examples
    --------
    >>> minute = 60_000_000
    >>> count_stale(np.array([0, 15, 16, 480]) * minute, np.array([0]) * minute)
    2
    """
    times = np.unique(funding)
    last = np.searchsorted(marks, times, side="right") - 1
    fresh = (last >= 0) & (times - marks[np.maximum(last, 0)] <= STALE_S * 1_000_000)
    return int((~fresh).sum())
