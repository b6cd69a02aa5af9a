"""Hyperliquid's public ``asset_ctxs``: mark, oracle, funding and open interest of every coin at every minute."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.fetch.archives.csv import MINUTE, ArchiveFile, Layout, day_span, rows
from backtest.lake.series import schema_of

if TYPE_CHECKING:
    import polars as pl

CONTEXTS = Layout(
    {
        "time": "text", "coin": "text", "funding": "real", "open_interest": "real", "prev_day_px": "",
        "day_ntl_vlm": "", "premium": "", "oracle_px": "real", "mark_px": "real", "mid_px": "",
        "impact_bid_px": "", "impact_ask_px": "",
    },
    "time",
)  # fmt: skip
PRICE_OF = {"mark_ohlcv": "mark_px", "index_ohlcv": "oracle_px"}
OFFERED = (*PRICE_OF, "funding", "open_interest")


def coin_of(symbol: str) -> str | None:
    """Return the coin of one of Hyperliquid's perpetuals, in upper case.

    Examples
    --------
    >>> coin_of("BTC/USDC:USDC"), coin_of("BTC/USDT:USDT")
    ('BTC', None)
    """
    parts = re.fullmatch(r"([^/:]+)/USDC:USDC", symbol)
    return parts[1].upper() if parts else None


def files(venue: str, symbol: str, series: str, timeframe: str, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the file that holds a day; none for what it does not hold."""
    minutes = timeframe == "1m" or series not in PRICE_OF
    offered = venue == "hyperliquid" and series in OFFERED and minutes and coin_of(symbol)
    return (ArchiveFile(f"asset_ctxs/{day:%Y%m%d}.csv.lz4", "asset_ctxs", day_span(day)),) if offered else ()


def read(path: Path, file: ArchiveFile, venue: str, symbol: str, series: str, timeframe: str) -> pl.DataFrame:
    """Return the rows of one coin as a series of the lake.

    Raises
    ------
    DataError
        The file breaks a rule; the message names it, what is wrong, what is allowed and the fix.
    """
    import polars as pl

    # symbols are in upper case, coins are not: 'kPEPE' is KPEPE/USDC:USDC
    mine = pl.col("coin").str.to_uppercase() == coin_of(symbol)
    pieces = [piece.filter(mine) for piece in rows(path, CONTEXTS, file.span)]
    if not pieces:
        return pl.DataFrame(schema=schema_of(series))
    at_minute = pl.concat(pieces).with_columns(pl.col("ts").dt.truncate("1m")).sort("ts", maintain_order=True)
    at_minute = at_minute.unique("ts", keep="first", maintain_order=True)
    if series == "funding":
        # what is in force at the hour is what the hour's settlement pays
        hourly = at_minute.filter(pl.col("ts").dt.minute() == 0)
        return hourly.select("ts", rate="funding")
    if series == "open_interest":
        base = pl.col("open_interest")  # of one side, in the coin
        return at_minute.select("ts", open_interest_base=base, open_interest_usd=base * pl.col("mark_px"))
    return minute_bars(at_minute.select("ts", px=PRICE_OF[series]))


def minute_bars(prices: pl.DataFrame) -> pl.DataFrame:
    """Return bars from one price a minute: each runs from its own price to that of the next minute.

    A bar whose next minute is absent is flat.

    Examples
    --------
    >>> import polars as pl
    >>> ts = [dt.datetime.fromisoformat(f"2025-10-10T21:0{minute}") for minute in (0, 1, 5)]
    >>> minute_bars(pl.DataFrame({"ts": ts, "px": [10.0, 12.0, 9.0]})).drop("ts").rows()
    [(10.0, 12.0, 10.0, 12.0, 0.0), (12.0, 12.0, 12.0, 12.0, 0.0), (9.0, 9.0, 9.0, 9.0, 0.0)]
    """
    import polars as pl

    px, follows = pl.col("px"), pl.col("ts").shift(-1) - pl.col("ts") == MINUTE
    close = pl.when(follows).then(px.shift(-1)).otherwise(px)
    bars = prices.with_columns(close=close)
    return bars.select(
        "ts",
        open="px",
        high=pl.max_horizontal("px", "close"),
        low=pl.min_horizontal("px", "close"),
        close="close",
        volume=pl.lit(0.0),
    )
