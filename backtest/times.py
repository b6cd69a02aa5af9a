"""Times as the program counts them: naive UTC, microseconds since the epoch, whole days, and gaps between bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Window = tuple[dt.datetime, dt.datetime]  # start and end (exclusive)
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
MICROSECOND = dt.timedelta(microseconds=1)
DAY = dt.timedelta(days=1)
DAY_US = 86_400_000_000


def micros(time: dt.datetime) -> int:
    """Return microseconds since the epoch of a naive UTC time.

    Examples
    --------
    >>> micros(dt.datetime.fromisoformat("1970-01-01T00:01"))
    60000000
    """
    return (time - EPOCH) // MICROSECOND


def moment(us: int) -> dt.datetime:
    """Return the naive UTC time of microseconds since the epoch.

    Examples
    --------
    >>> moment(60_000_000).isoformat()
    '1970-01-01T00:01:00'
    """
    time = np.datetime64(us, "us").item()
    assert isinstance(time, dt.datetime)
    return time


def find_gaps(ts: npt.NDArray[np.int64], window: Window, timeframe_s: int) -> tuple[Window, ...]:
    """Return the stretches ``[start, end)`` of the window without a bar, in order.

    Parameters
    ----------
    ts
        Opens of the bars present, ascending, microseconds since the epoch.
    """
    step = timeframe_s * 1_000_000
    opens = np.concatenate([[micros(window[0]) - step], ts, [micros(window[1])]]).astype(np.int64)
    (before,) = np.nonzero(np.diff(opens) > step)
    return tuple((moment(int(opens[i]) + step), moment(int(opens[i + 1]))) for i in before)


def days_between(start: dt.datetime, end: dt.datetime) -> tuple[dt.date, ...]:
    """Return the UTC days that ``[start, end)`` touches.

    Examples
    --------
    >>> noon = dt.datetime.fromisoformat("2025-10-10T12:00")
    >>> [day.day for day in days_between(noon, noon + DAY)]
    [10, 11]
    """
    last = (end - MICROSECOND).date()
    return tuple(start.date() + n * DAY for n in range((last - start.date()).days + 1))


def runs_of(days: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Give stretches of neighbouring days as first day and day after the last.

    Examples
    --------
    >>> one, two, four = (dt.date(2025, 10, day) for day in (1, 2, 4))
    >>> [(first.day, end.day) for first, end in runs_of([one, two, four])]
    [(1, 3), (4, 5)]
    """
    first = None
    for number, day in enumerate(days):
        first = first or day
        if number + 1 == len(days) or days[number + 1] != day + DAY:
            yield first, day + DAY
            first = None
