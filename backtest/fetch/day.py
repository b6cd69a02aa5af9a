"""One fetched day, from whatever source: its rows once each and checked, those it lacks, its way into the lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import DataError
from backtest.lake.availability import load_availability
from backtest.lake.checks import PRICE_LIMIT, VOLUME_LIMIT, check_rows, whole_rows
from backtest.lake.series import SERIES
from backtest.lake.write import write_bars, write_day
from backtest.mechanics.exact import Floats, Ints
from backtest.times import DAY, EPOCH

if TYPE_CHECKING:
    import polars as pl

    from backtest.lake.place import Place
    from backtest.lake.states import DayState, Standing

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class FetchedDay:
    """One UTC day of a series as a source gave it.

    Attributes
    ----------
    rows
        Rows of a client: ``ts`` in milliseconds, then the columns of the series, nan for unknown values.
    frame
        Rows of a file, with the columns of the series. A day has ``rows``, ``frame`` or neither.
    files
        Names of the archive files that the rows come from, empty for a client.
    dropped
        How many rows could not be read and are left out.
    sparse
        Whether rows are absent by nature: bars of trades, where nothing was traded.
    reason
        Why the day is absent or must not be stored, empty where it may be.
    note
        What else to know of it.
    """

    day: dt.date
    rows: Floats | None = None
    frame: pl.DataFrame | None = None
    files: str = ""
    dropped: int = 0
    sparse: bool = False
    reason: str = ""
    note: str = ""

    @property
    def height(self) -> int:
        """Return the number of rows."""
        return len(self.rows) if self.rows is not None else 0 if self.frame is None else self.frame.height


def broken_rule(fetched: FetchedDay, place: Place, source: str) -> str:
    """Return which rule of its series a day breaks, empty if none: a day that no replay could use is not stored.

    Parameters
    ----------
    source
        Name of the source, for the message.
    """
    series = SERIES[place.series]
    bar_s = series.bar_s(place.timeframe)
    if not fetched.height:
        return ""
    if series.fault and (wrong := series.fault(frame_of(fetched, place.series))):
        return f"gave rows that break a rule: {source}: {place.symbol}: {wrong}"
    if series.rules is None:
        return ""
    if bar_s and fetched.rows is not None and passes_bar_rules(fetched.rows, bar_s):
        return ""
    try:
        check_rows(frame_of(fetched, place.series), series.rules, place.symbol, source, bar_s=bar_s)
    except DataError as error:
        return f"gave rows that break a rule: {error}"
    return ""


def passes_bar_rules(rows: Floats, bar_s: int) -> bool:
    """Return whether bars keep every rule of ``checks.bar_rules``, which take ten times as long and name the fault.

    Examples
    --------
    >>> bar = np.array([[60_000.0, 2.0, 3.0, 1.0, 2.0, 5.0]])
    >>> passes_bar_rules(bar, 60), passes_bar_rules(bar * [1, 1, 1, 1, 2, 1], 60)
    (True, False)
    """
    ts, opened, high, low, closed, volume = np.ascontiguousarray(rows.T)
    times = (ts % (bar_s * 1000) == 0).all() and (np.diff(ts) > 0).all()
    # each is false for what is not a number
    rules = (low >= 0, low <= opened, low <= closed, opened <= high, closed <= high, high < PRICE_LIMIT)
    return bool(times) and all(bool(rule.all()) for rule in (*rules, volume >= 0, volume < VOLUME_LIMIT))


def frame_of(fetched: FetchedDay, series: str) -> pl.DataFrame:
    """Return the rows of a day with the columns of its series, nulls for unknown values."""
    import polars as pl

    if fetched.frame is not None:
        return fetched.frame
    assert fetched.rows is not None
    ts: Ints = np.rint(fetched.rows[:, 0] * 1000).astype(np.int64)
    values = {name: fetched.rows[:, column] for column, name in enumerate(SERIES[series].values, 1)}
    frame = pl.DataFrame({"ts": ts.view("datetime64[us]"), **values})
    if np.isnan(fetched.rows).any():
        frame = frame.with_columns(pl.col(name).fill_nan(None) for name in values)
    return frame


def deduplicated(fetched: FetchedDay, place: Place) -> FetchedDay:
    """Return a day with every time once; repeated rows and those that say nothing are left out and counted.

    Two different rows for one time make a day that must not be stored.
    """
    import polars as pl

    series = SERIES[place.series]
    whole = fetched.rows is not None and series.usable is whole_rows  # pages of a client are rid of other rows already
    if not fetched.height or series.usable is None or whole:
        return fetched
    frame = frame_of(fetched, place.series).sort("ts", maintain_order=True)
    usable = series.usable(series.values)
    if series.bars:
        usable = usable & (pl.col("ts").dt.timestamp("ms") % (series.bar_s(place.timeframe) * 1000) == 0)
    kept = frame.filter(usable).unique(maintain_order=True)
    contradictions = kept.height - kept["ts"].n_unique()
    if kept.height == frame.height and not contradictions:
        return fetched
    reason = fetched.reason or (f"two different rows for {contradictions} times" if contradictions else "")
    dropped = fetched.dropped + frame.unique().height - kept.height
    return replace(fetched, rows=None, frame=kept, dropped=dropped, reason=reason)


def rows_missing(fetched: FetchedDay, place: Place) -> int:
    """Return how many rows of the day's clock are absent; 0 for series without one."""
    step_s = _step_s(place)
    if not step_s:
        return 0
    expected = int(DAY.total_seconds()) // step_s
    if fetched.rows is not None:
        return expected - len(fetched.rows)
    return max(expected - frame_of(fetched, place.series)["ts"].n_unique(), 0)


def state_of(fetched: FetchedDay, place: Place) -> DayState:
    """Return whether a day has every row that its series expects, by the clock or by the distances of its own times."""
    clock = SERIES[place.series].clock
    if clock == "own":
        lacking = uneven_times(times_ms(fetched), start_ms(fetched.day))
    elif clock == "none":
        lacking = fetched.dropped > 0
    else:
        lacking = not fetched.sparse and rows_missing(fetched, place) > 0
    return "partial" if lacking else "whole"


def times_ms(fetched: FetchedDay) -> Floats:
    """Return the times of a day's rows in milliseconds."""
    if fetched.rows is not None:
        return fetched.rows[:, 0]
    if fetched.frame is None:
        return np.empty(0)
    times: Floats = fetched.frame["ts"].drop_nulls().to_physical().to_numpy() / 1000
    return times


def uneven_times(ts: Floats, midnight_ms: int) -> bool:
    """Return whether rows at a venue's own times look incomplete.

    The shortest distance on the day is the rule, and no stretch may be half as long again.

    Examples
    --------
    >>> uneven_times(np.array([0.0, 8, 16]) * 3_600_000, 0), uneven_times(np.array([0.0, 16]) * 3_600_000, 0)
    (False, True)
    """
    distances = np.diff(np.concatenate([ts, [midnight_ms + DAY_MS]]))
    shortest = distances.min(initial=DAY_MS)
    regular = len(ts) > 1 and distances.max() <= 1.5 * shortest and ts[0] - midnight_ms < 1.5 * shortest
    return not regular


def start_ms(day: dt.date) -> int:
    """Return the first millisecond of a UTC day."""
    return (day - EPOCH.date()).days * DAY_MS


def _step_s(place: Place) -> int:
    series = SERIES[place.series]
    if series.clock != "listed":
        return place.bar_s
    listed = [entry.step_s for key, entry in load_availability().items() if key[:2] == (place.venue, place.series)]
    return min(filter(None, listed), default=series.usual_step_s)


def store(fetched: FetchedDay, place: Place, standing: Standing, at: dt.datetime) -> None:
    """Write a day into the lake.

    Parameters
    ----------
    standing
        Source and state of the day.
    at
        When its source was asked, UTC.

    Raises
    ------
    DataError
        The disk refuses.
    """
    if fetched.rows is not None and SERIES[place.series].bars:
        write_bars(fetched.rows, place, fetched.day, source=standing.source, standing=standing, at=at)
    else:
        frame = frame_of(fetched, place.series)
        write_day(frame, place, fetched.day, source=standing.source, standing=standing, at=at)
