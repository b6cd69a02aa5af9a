"""BitMEX's public files of trades: one a day, all symbols in it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.fetch.archives.csv import layout_of, rows
from backtest.fetch.archives.files import ArchiveFile, day_span
from backtest.fetch.archives.trades_to_bars import trade_bars
from backtest.lake.series import TIMEFRAMES

if TYPE_CHECKING:
    import polars as pl

    from backtest.lake.place import Place

TRADES = layout_of(
    "timestamp symbol side size price tickdirection trdmatchid grossvalue homenotional foreignnotional",
    time="timestamp",
    texts="timestamp symbol",
    reals="price homenotional",
    above_zero=("price", "homenotional"),
    limit_bytes=32 << 30,
)


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


def files(place: Place, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the file that holds a day of trades; none where bars cannot be built from it."""
    bars = place.series == "ohlcv" and place.timeframe in {"1s", "1m"}
    offered = place.venue == "bitmex" and bars and contract_id(place.symbol)
    return (ArchiveFile(f"data/trade/{day:%Y%m%d}.csv.gz", "trade", day_span(day)),) if offered else ()


def read(path: Path, file: ArchiveFile, place: Place) -> pl.DataFrame:
    """Return the bars of one symbol; trades of one time are in the order of the file.

    Raises
    ------
    DataError
        The file breaks a rule; the message names it, the fault, the allowed values and the fix.
    """
    return trade_bars(_trades(path, file, place.symbol), TIMEFRAMES[place.timeframe])


def _trades(path: Path, file: ArchiveFile, symbol: str) -> Iterator[pl.DataFrame]:
    import polars as pl

    for piece in rows(path, TRADES, file.span, only=contract_id(symbol) or ""):
        yield piece.select("ts", id=pl.col("row").cast(pl.Int64), px="price", base="homenotional")
