"""BitMEX's public files of trades: one a day, all symbols in it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.fetch.archives.csv import ArchiveFile, Layout, day_span, rows
from backtest.fetch.archives.trades_to_bars import trade_bars
from backtest.lake.series import TIMEFRAMES

if TYPE_CHECKING:
    import polars as pl

TRADES = Layout(
    {
        "timestamp": "text", "symbol": "text", "side": "", "size": "", "price": "real", "tickdirection": "",
        "trdmatchid": "", "grossvalue": "", "homenotional": "real", "foreignnotional": "",
    },
    "timestamp",
    above_zero=("price", "homenotional"),
    limit_bytes=32 << 30,
)  # fmt: skip


def contract_id(symbol: str) -> str | None:
    """Return BitMEX's name of a perpetual, None where it is not of BitMEX's form.

    Contracts quoted in USD are settled in bitcoin, those quoted in USDT in USDT.

    Examples
    --------
    >>> contract_id("BTC/USD:BTC"), contract_id("ETH/USD:BTC"), contract_id("BTC/USDT:USDT")
    ('XBTUSD', 'ETHUSD', 'XBTUSDT')
    >>> contract_id("ETH/USD:ETH") is None
    True
    """
    parts = re.fullmatch(r"([^/:]+)/(USD:BTC|USDT:USDT)", symbol)
    if parts is None:
        return None
    base = "XBT" if parts[1] == "BTC" else parts[1]
    return base + parts[2].partition(":")[0]


def files(venue: str, symbol: str, series: str, timeframe: str, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the file that holds a day of trades; none where bars cannot be built from it."""
    offered = venue == "bitmex" and series == "ohlcv" and timeframe in {"1s", "1m"} and contract_id(symbol)
    return (ArchiveFile(f"data/trade/{day:%Y%m%d}.csv.gz", "trade", day_span(day)),) if offered else ()


def read(path: Path, file: ArchiveFile, venue: str, symbol: str, series: str, timeframe: str) -> pl.DataFrame:
    """Return the bars of one symbol; trades of one time are in the order of the file.

    Raises
    ------
    DataError
        The file breaks a rule; the message names it, what is wrong, what is allowed and the fix.
    """
    return trade_bars(_trades(path, file, symbol), TIMEFRAMES[timeframe])


def _trades(path: Path, file: ArchiveFile, symbol: str) -> Iterator[pl.DataFrame]:
    import polars as pl

    for piece in rows(path, TRADES, file.span, only=contract_id(symbol) or ""):
        yield piece.select("ts", id=pl.col("row").cast(pl.Int64), px="price", base="homenotional")
