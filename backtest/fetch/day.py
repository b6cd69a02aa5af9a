"""A day as a source brought it: what is wrong with it, how many bars it lacks, and its way into the lake."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import DataError
from backtest.lake.availability import load_availability
from backtest.lake.checks import PRICE_LIMIT, check_bars, check_funding
from backtest.lake.series import BAR_SERIES, COLUMNS, TIMEFRAMES
from backtest.lake.write import write_bars, write_day
from backtest.mechanics.exact import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

DAY = dt.timedelta(days=1)
STATISTICS = ("open_interest", "long_short_ratio")
ONE_ROW_A_TIME = (*BAR_SERIES, *STATISTICS, "funding")


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
    ts, opened, high, low, closed, volume = np.ascontiguousarray(rows.T)
    times = (ts % (timeframe_s * 1000) == 0).all() and (np.diff(ts) > 0).all()
    # each is false for what is not a number
    rules = (low >= 0, low <= opened, low <= closed, opened <= high, closed <= high, high < PRICE_LIMIT)
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


def tidied(day: Brought, series: str, timeframe: str) -> Brought:
    """Return a day with every time once: repeated rows and those that say nothing are left out and counted.

    A client's pages have been through that already, but for values that no market has. Two different rows for one time
    make the day one that is not believed.
    """
    import polars as pl

    if not day.height or series not in ONE_ROW_A_TIME or (day.rows is not None and series not in STATISTICS):
        return day
    frame = as_frame(day, series).sort("ts", maintain_order=True)
    values = COLUMNS[series][1:]
    known = [pl.col(name).is_not_null() & pl.col(name).is_finite() for name in values]
    good = pl.any_horizontal(known) if series == "open_interest" else pl.all_horizontal(known)
    if series in STATISTICS:  # neither open interest nor a ratio is below zero, and a ratio not zero
        least = pl.lit(0.0)
        sane = [pl.col(name).is_null() | (pl.col(name).is_finite() & (pl.col(name) >= least)) for name in values]
        good = good & pl.all_horizontal(sane) & (pl.col("ratio") > 0 if series == "long_short_ratio" else pl.lit(True))
    if series in BAR_SERIES:
        good = good & (pl.col("ts").dt.timestamp("ms") % (TIMEFRAMES[timeframe] * 1000) == 0)
    kept = frame.filter(good).unique(maintain_order=True)
    again = kept.height - kept["ts"].n_unique()
    trouble = day.trouble or (f"two different rows for {again} times" if again else "")
    if kept.height == frame.height and not again:
        return day
    lost = frame.unique().height - kept.height
    return replace(day, rows=None, frame=kept, dropped=day.dropped + lost, trouble=trouble)


def rows_missing(day: Brought, venue: str, series: str, timeframe: str) -> int:
    """Return how many rows of the day's clock are absent; 0 for series without one."""
    if series in BAR_SERIES:
        step = TIMEFRAMES[timeframe]
    elif series in STATISTICS:
        known = [
            entry.step_s for key, entry in load_availability().items() if key[:2] == (venue, series) and entry.step_s
        ]
        step = min(known, default=300)
    else:
        return 0
    if day.rows is not None:
        return int(DAY.total_seconds()) // step - len(day.rows)
    frame = as_frame(day, series)
    return max(int(DAY.total_seconds()) // step - frame["ts"].n_unique(), 0)


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
