"""Hyperliquid's public ``asset_ctxs``: mark, oracle, funding and open interest of every coin at every minute."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.fetch.archives.csv import layout_of, rows
from backtest.fetch.archives.files import ArchiveFile, day_span
from backtest.lake.series import SERIES, schema_of
from backtest.schema.coins import coin_name

if TYPE_CHECKING:
    import polars as pl

    from backtest.lake.place import Place

CONTEXTS = layout_of(
    "time coin funding open_interest prev_day_px day_ntl_vlm premium oracle_px mark_px mid_px"
    " impact_bid_px impact_ask_px",
    time="time",
    texts="time coin",
    reals="funding open_interest oracle_px mark_px",
)
MINUTE = dt.timedelta(minutes=1)


def coin_of(symbol: str) -> str | None:
    """Return the coin of one of Hyperliquid's perpetuals, in upper case.

    Examples
    --------
    >>> coin_of("BTC/USDC:USDC"), coin_of("BTC/USDT:USDT")
    ('BTC', None)
    """
    parts = re.fullmatch(r"([^/:]+)/USDC:USDC", symbol)
    return coin_name(parts[1]) if parts else None


def files(place: Place, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the file that holds a day; none for a series, timeframe or market that is not in it."""
    minutes = place.timeframe == "1m" or not SERIES[place.series].bars
    offered = place.venue == "hyperliquid" and place.series in SELECT and minutes and coin_of(place.symbol)
    return (ArchiveFile(f"asset_ctxs/{day:%Y%m%d}.csv.lz4", "asset_ctxs", day_span(day)),) if offered else ()


def read(path: Path, file: ArchiveFile, place: Place) -> pl.DataFrame:
    """Return the rows of one coin as a series of the lake.

    Raises
    ------
    DataError
        The file breaks a rule; the message names it, the fault, the allowed values and the fix.
    """
    import polars as pl

    # symbols are in upper case, coins are not: 'kPEPE' is KPEPE/USDC:USDC
    mine = pl.col("coin").str.to_uppercase() == coin_of(place.symbol)
    pieces = [piece.filter(mine) for piece in rows(path, CONTEXTS, file.span)]
    if not pieces:
        return pl.DataFrame(schema=schema_of(place.series))
    at_minute = pl.concat(pieces).with_columns(pl.col("ts").dt.truncate("1m")).sort("ts", maintain_order=True)
    return SELECT[place.series](at_minute.unique("ts", keep="first", maintain_order=True))


def _funding(at_minute: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    # the rate in force at the hour is the one that the hour's settlement pays
    return at_minute.filter(pl.col("ts").dt.minute() == 0).select("ts", rate="funding")


def _open_interest(at_minute: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    base = pl.col("open_interest")  # of one side, in the coin
    return at_minute.select("ts", open_interest_base=base, open_interest_usd=base * pl.col("mark_px"))


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


SELECT: Mapping[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "mark_ohlcv": lambda at_minute: minute_bars(at_minute.select("ts", px="mark_px")),
    "index_ohlcv": lambda at_minute: minute_bars(at_minute.select("ts", px="oracle_px")),
    "funding": _funding,
    "open_interest": _open_interest,
}
