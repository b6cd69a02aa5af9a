"""The data lake: one Parquet file per series, venue, symbol and day.

``data/lake/<series>/venue=<id>/symbol=<quoted>/[<timeframe>/]<YYYY-MM-DD>.parquet``. Times are naive UTC to the
microsecond and name the OPEN of a bar. A file appears by rename, so a day is whole or absent.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from backtest.assets import lake_folder, workspace
from backtest.errors import UnknownNameError
from backtest.lake.series import SERIES, TIMEFRAMES
from backtest.times import days_between


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One folder of days of the lake; ``timeframe`` is empty for series without."""

    venue: str
    symbol: str
    series: str
    timeframe: str = ""

    @property
    def market(self) -> tuple[str, str]:
        """Return venue and symbol."""
        return self.venue, self.symbol

    @property
    def folder(self) -> Path:
        """Return the folder; it need not exist."""
        return series_folder(self.venue, self.symbol, self.series, self.timeframe or "1m")

    def file(self, day: dt.date) -> Path:
        """Return the path of one day; it need not exist."""
        return self.folder / f"{day.isoformat()}.parquet"


def series_folder(venue: str, symbol: str, series: str, timeframe: str = "1m") -> Path:
    """Return the folder of one series of one symbol.

    Names are percent-encoded, so that no venue or symbol leaves the lake.

    Examples
    --------
    >>> "/".join(series_folder("bybit", "BTC/USDT:USDT", "ohlcv").parts[-4:])
    'ohlcv/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/1m'
    >>> series_folder("bybit", "..", "funding").name
    'symbol=..'
    """
    if series not in SERIES:
        raise UnknownNameError("series", series, SERIES)
    if timeframe not in TIMEFRAMES:
        raise UnknownNameError("timeframe", timeframe, TIMEFRAMES)
    folder = lake_folder() / series / f"venue={quote(venue, safe='')}" / f"symbol={quote(symbol, safe='')}"
    return folder / timeframe if SERIES[series].bars else folder


def day_file(venue: str, symbol: str, series: str, day: dt.date, timeframe: str = "1m") -> Path:
    """Return the path of one day; it need not exist."""
    return series_folder(venue, symbol, series, timeframe) / f"{day.isoformat()}.parquet"


def day_files(
    venue: str, symbol: str, series: str, start: dt.datetime, end: dt.datetime, *, timeframe: str = "1m"
) -> list[Path]:
    """Return the day files on disk that the window ``[start, end)`` touches, in order of time."""
    days = days_between(start, end) if start < end else ()
    paths = (day_file(venue, symbol, series, day, timeframe) for day in days)
    return [path for path in paths if path.is_file()]


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the workspace where it lies inside."""
    home = workspace()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
