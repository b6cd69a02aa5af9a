"""The data lake: one Parquet file per series, venue, symbol and day.

``data/lake/<series>/venue=<id>/symbol=<quoted>/[<timeframe>/]<YYYY-MM-DD>.parquet``. Times are naive UTC to the
microsecond and name the OPEN of a bar. A file appears by rename, so a day is whole or absent.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from backtest.assets import inside, kind_of, lake_address, lake_folder, link_on_the_way, workspace
from backtest.errors import DataError, UnknownNameError
from backtest.lake.series import SERIES, TIMEFRAMES
from backtest.times import days_between


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One series of one symbol at one venue, a folder of days; bars without a ``timeframe`` are of a minute."""

    venue: str
    symbol: str
    series: str
    timeframe: str = ""

    @property
    def market(self) -> tuple[str, str]:
        """Return venue and symbol."""
        return self.venue, self.symbol

    @property
    def bar_s(self) -> int:
        """Return the seconds of a bar, 0 where rows are no bars."""
        return SERIES[self.series].bar_s(self.timeframe or "1m")

    @property
    def folder(self) -> Path:
        """Return the folder; it need not exist. Names are percent-encoded, so that none leaves the lake.

        Raises
        ------
        UnknownNameError
            There is no such series or timeframe.

        Examples
        --------
        >>> "/".join(Place("bybit", "BTC/USDT:USDT", "ohlcv").folder.parts[-4:])
        'ohlcv/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/1m'
        >>> Place("bybit", "..", "funding").folder.name
        'symbol=..'
        """
        timeframe = self.timeframe or "1m"
        if self.series not in SERIES:
            raise UnknownNameError("series", self.series, SERIES)
        if timeframe not in TIMEFRAMES:
            raise UnknownNameError("timeframe", timeframe, TIMEFRAMES)
        names = self.series, f"venue={quote(self.venue, safe='')}", f"symbol={quote(self.symbol, safe='')}"
        return inside(lake_folder(), *names, *([timeframe] if SERIES[self.series].bars else []))

    @property
    def label(self) -> str:
        """Return the folder as it is called wherever the lake lies."""
        return f"data/lake/{self.folder.relative_to(lake_folder()).as_posix()}"

    @property
    def source(self) -> str:
        """Return venue and folder as runs name where rows come from: the same wherever the lake lies."""
        return f"{self.venue}: {self.label}"

    def file(self, day: dt.date) -> Path:
        """Return the path of one day; it need not exist."""
        return inside(self.folder, f"{day.isoformat()}.parquet")

    def files(self, start: dt.datetime, end: dt.datetime) -> list[Path]:
        """Return the day files on disk that the window ``[start, end)`` touches, in order of time.

        Raises
        ------
        DataError
            One of them is no regular file, or lies behind a link.
        """
        folder = self.folder
        if start >= end or not folder.is_dir():
            return []
        days = days_between(start, end)
        found = [path for day in days if kind_of(path := inside(folder, f"{day.isoformat()}.parquet"))]
        for path in found:
            check_own(path)
        return found


def check_own(path: Path) -> None:
    """Refuse a place of the lake that is not the lake's own: behind a link, or neither absent nor a regular file.

    Raises
    ------
    DataError
        Naming the link, folder, FIFO or device.
    """
    link = link_on_the_way(lake_folder(), path)
    kind = "link" if link else kind_of(path)
    if kind not in {"file", ""}:
        fix = "put the file in its place; only data/lake itself may be a link" if link else "delete it"
        raise DataError(f"{shown(link or path)}: a {kind}; the lake holds regular files; {fix}")


def shown(path: Path) -> str:
    """Return a path as messages show it: below the lake's address, else relative to the workspace."""
    home, address = workspace(), lake_address()
    if address is not None and path.is_relative_to(lake_folder()):
        return f"{address}/{path.relative_to(lake_folder()).as_posix()}"
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
