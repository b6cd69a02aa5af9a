"""A day as a source brought it: what is wrong with it, how many bars it lacks, and its way into the lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import DataError
from backtest.ingest.coverage import PRICE_LIMIT, check_bars, check_funding
from backtest.ingest.lake import BAR_SERIES, COLUMNS, TIMEFRAMES, find_holes, micros
from backtest.ingest.store import write_bars, write_day
from backtest.mechanics.exact import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Brought:
    """One day from one source.

    ``rows`` are those of a client: ``ts`` in milliseconds, then the columns of the series, nan for what is unknown;
    ``frame`` those of a file. One of the two, or none. ``dropped`` counts rows that could not be read; ``trouble`` says
    why the day is not believed or absent, ``note`` what else to tell.
    """

    day: dt.date
    symbol: str
    rows: Floats | None = None
    frame: pl.DataFrame | None = None
    dropped: int = 0
    trouble: str = ""
    note: str = ""

    @property
    def height(self) -> int:
        """Return the number of rows."""
        return len(self.rows) if self.rows is not None else 0 if self.frame is None else self.frame.height


def broken(day: Brought, series: str, timeframe: str, source: str) -> str:
    """Return which rule of bars or rates the rows break; a day that no replay could use is not stored."""
    if not day.height:
        return ""
    try:
        if series in BAR_SERIES and series != "premium_ohlcv":
            if day.rows is None or not sound(day.rows, TIMEFRAMES[timeframe]):
                check_bars(as_frame(day, series), day.symbol, TIMEFRAMES[timeframe], source)
        elif series == "funding":
            check_funding(as_frame(day, series), day.symbol, source)
    except DataError as error:
        return f"gave rows that break a rule: {error}"
    return ""


def sound(rows: Floats, timeframe_s: int) -> bool:
    """Return whether bars keep every rule of ``check_bars``, which takes ten times as long and says what is wrong.

    Examples
    --------
    >>> bar = np.array([[60_000.0, 2.0, 3.0, 1.0, 2.0, 5.0]])
    >>> sound(bar, 60), sound(bar * [1, 1, 1, 1, 2, 1], 60)
    (True, False)
    """
    ts, opened, high, low, closed, volume = rows.T
    times = (ts % (timeframe_s * 1000) == 0).all() and (np.diff(ts) > 0).all()
    # each is false for what is not a number
    rules = (low > 0, low <= opened, low <= closed, opened <= high, closed <= high, high < PRICE_LIMIT)
    return bool(times) and all(bool(rule.all()) for rule in (*rules, volume >= 0, volume < np.inf))


def as_frame(day: Brought, series: str) -> pl.DataFrame:
    """Return the rows with the columns of the lake, nulls for what is unknown."""
    import polars as pl

    if day.frame is not None:
        return day.frame
    assert day.rows is not None
    ts: Ints = np.rint(day.rows[:, 0] * 1000).astype(np.int64)
    values = {name: day.rows[:, place] for place, name in enumerate(COLUMNS[series][1:], 1)}
    frame = pl.DataFrame({"ts": ts.view("datetime64[us]"), **values})
    if np.isnan(day.rows).any():
        frame = frame.with_columns(pl.col(name).fill_nan(None) for name in values)
    return frame


def bars_missing(day: Brought, series: str, timeframe: str) -> int:
    """Return how many bars of the day are absent; 0 for what are no bars."""
    if series not in BAR_SERIES:
        return 0
    step, start = TIMEFRAMES[timeframe], dt.datetime.combine(day.day, dt.time())
    expected = int(DAY.total_seconds()) // step
    if day.height == expected and day.rows is not None:
        return 0
    times = as_frame(day, series)["ts"].to_numpy().view(np.int64)
    holes = find_holes(times[times >= micros(start)], (start, start + DAY), step)
    return sum((end - first) // dt.timedelta(seconds=step) for first, end in holes)


def store(day: Brought, venue: str, series: str, timeframe: str, source: str) -> None:
    """Write the day into the lake.

    Raises
    ------
    DataError
        The disk refuses.
    """
    place = (venue, day.symbol, series)
    if day.rows is not None and series in BAR_SERIES:
        write_bars(day.rows, *place, day.day, timeframe=timeframe, source=source)
    else:
        write_day(as_frame(day, series), *place, day.day, timeframe=timeframe, source=source)
