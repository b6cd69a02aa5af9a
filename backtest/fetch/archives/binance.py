"""Files of data.binance.vision: names and rows of USD-margined and coin-margined futures."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from backtest.fetch.archives.csv import DAY, ArchiveFile, Layout, day_span, month_span, rows
from backtest.fetch.archives.trades_to_bars import trade_bars
from backtest.lake.series import BAR_COLUMNS, BAR_SERIES, TIMEFRAMES, schema_of
from backtest.times import Window

if TYPE_CHECKING:
    import polars as pl

TRADES_LIMIT_BYTES = 32 << 30
KLINES = Layout(
    {
        "open_time": "int", "open": "real", "high": "real", "low": "real", "close": "real", "volume": "real",
        "close_time": "", "quote_volume": "real", "count": "",
        "taker_buy_volume": "", "taker_buy_quote_volume": "", "ignore": "",
    },
    "open_time",
)  # fmt: skip
LAYOUTS = {
    "klines": KLINES,
    "markPriceKlines": KLINES,
    "indexPriceKlines": KLINES,
    "premiumIndexKlines": KLINES,
    "fundingRate": Layout({"calc_time": "int", "funding_interval_hours": "", "last_funding_rate": "real"}, "calc_time"),
    "metrics": Layout(
        {
            "create_time": "text", "symbol": "text", "sum_open_interest": "real", "sum_open_interest_value": "real",
            "count_toptrader_long_short_ratio": "", "sum_toptrader_long_short_ratio": "",
            "count_long_short_ratio": "real", "sum_taker_long_short_vol_ratio": "",
        },
        "create_time",
    ),
    "aggTrades": Layout(
        {
            "agg_trade_id": "int", "price": "real", "quantity": "real", "first_trade_id": "", "last_trade_id": "",
            "transact_time": "int", "is_buyer_maker": "",
        },
        "transact_time",
        above_zero=("agg_trade_id", "price"),
        limit_bytes=TRADES_LIMIT_BYTES,
    ),
    "bookDepth": Layout({"timestamp": "text", "percentage": "real", "depth": "real", "notional": "real"}, "timestamp"),
    "liquidationSnapshot": Layout(
        {
            "time": "int", "side": "text", "order_type": "", "time_in_force": "", "original_quantity": "real",
            "price": "real", "average_price": "real", "order_status": "text", "last_fill_quantity": "real",
            "accumulated_fill_quantity": "real",
        },
        "time",
        words={"side": ("BUY", "SELL")},
    ),
}  # fmt: skip
KINDS = {
    "ohlcv": ("klines", "aggTrades"),
    "mark_ohlcv": ("markPriceKlines",),
    "index_ohlcv": ("indexPriceKlines",),
    "premium_ohlcv": ("premiumIndexKlines",),
    "funding": ("fundingRate",),
    "open_interest": ("metrics",),
    "long_short_ratio": ("metrics",),
    "depth": ("bookDepth",),
    "liquidations": ("liquidationSnapshot",),
}
DAILY_ONLY = {"metrics", "bookDepth", "liquidationSnapshot"}
MONTHLY_ONLY = {"fundingRate"}
MARKETS = {"binanceusdm": "um", "binancecoinm": "cm"}
CONTRACT_USD = {"BTC": 100.0}  # coin-margined contracts; those of every other coin are worth 10 USD
# Metrics are snapshots every 5 minutes. Coin-margined files name the start of the 5 minutes that end at the snapshot;
# USD-margined files name the snapshot itself up to this day (github.com/binance/binance-public-data/issues/491).
METRICS_STEP = dt.timedelta(minutes=5)
METRICS_NAME_START_FROM = dt.datetime.fromisoformat("2026-06-25")


@dataclass(frozen=True, slots=True)
class Contract:
    """What a unified symbol is called in file names; ``contract_usd`` is 0 where quantities are in the coin."""

    id: str
    pair: str
    contract_usd: float = 0.0


def contract(venue: str, symbol: str) -> Contract | None:
    """Return what the archive calls a unified symbol, None where it cannot hold it.

    Examples
    --------
    >>> contract("binanceusdm", "BTC/USDT:USDT").id, contract("binancecoinm", "BTC/USD:BTC").id
    ('BTCUSDT', 'BTCUSD_PERP')
    >>> contract("binanceusdm", "BTC/USDT:USDT-251226").id
    'BTCUSDT_251226'
    >>> contract("binanceusdm", "BTC/USD:BTC") is None
    True
    """
    parts = re.fullmatch(r"([^/:]+)/([^/:]+):([^/:-]+)(?:-(\d{6}))?", symbol)
    if parts is None or venue not in MARKETS:
        return None
    base, quoted, settle, expiry = parts.groups()
    pair = base + quoted
    if MARKETS[venue] == "um":
        return Contract(f"{pair}_{expiry}" if expiry else pair, pair) if settle == quoted else None
    fits = quoted == "USD" and settle == base
    return Contract(f"{pair}_{expiry or 'PERP'}", pair, CONTRACT_USD.get(base, 10.0)) if fits else None


def files(venue: str, symbol: str, series: str, timeframe: str, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the files that can hold a day of a series, the best first, daily before monthly; none if there is none."""
    what = contract(venue, symbol)
    if what is None or (series == "depth" and what.contract_usd):  # its units are not documented for coin-margined
        return ()
    return tuple(file for kind in KINDS.get(series, ()) for file in _files(what, kind, series, timeframe, day))


def _files(what: Contract, kind: str, series: str, timeframe: str, day: dt.date) -> Iterator[ArchiveFile]:
    trades = kind == "aggTrades"
    if series in BAR_SERIES and (timeframe not in {"1s", "1m"} if trades else timeframe == "1s"):
        return
    market = "cm" if what.contract_usd else "um"
    id_ = quote(what.pair if kind == "indexPriceKlines" else what.id, safe="")
    folder, label = (f"{kind}/{id_}/{timeframe}", timeframe) if kind.endswith("lines") else (f"{kind}/{id_}", kind)

    def file(period: str, stamp: str, span: Window) -> ArchiveFile:
        name = f"data/futures/{market}/{period}/{folder}/{id_}-{label}-{stamp}.zip"
        return ArchiveFile(name, kind, span, checksum=True)

    if kind not in MONTHLY_ONLY:
        daily = file("daily", day.isoformat(), day_span(day))
        if kind == "metrics":
            yesterday = day - DAY
            daily = replace(daily, before=file("daily", yesterday.isoformat(), day_span(yesterday)))
        yield daily
    if kind not in DAILY_ONLY:
        yield file("monthly", f"{day:%Y-%m}", month_span(day))


def read(path: Path, file: ArchiveFile, venue: str, symbol: str, series: str, timeframe: str) -> pl.DataFrame:
    """Return the rows of a file as a series of the lake, in order of time.

    Raises
    ------
    DataError
        The file breaks a rule of its kind; the message names it, what is wrong, what is allowed and the fix.
    """
    import polars as pl

    what = contract(venue, symbol)
    assert what is not None
    pieces = rows(path, LAYOUTS[file.kind], _stamps(file, what), all_of=what.id)
    if file.kind == "aggTrades":
        return trade_bars((_trades(piece, what) for piece in pieces), TIMEFRAMES[timeframe])
    select = SELECT[file.kind]
    frames = [select(piece, what, series, file) for piece in pieces]
    return pl.concat([pl.DataFrame(schema=schema_of(series)), *frames]).sort("ts", maintain_order=True)


def _stamps(file: ArchiveFile, what: Contract) -> Window:
    """Return the times the rows may name: metrics of a day may end with the snapshot of the next midnight."""
    start, end = file.span
    names_snapshot = file.kind == "metrics" and not _names_start(file, what)
    return (start, end + dt.timedelta(seconds=1)) if names_snapshot else (start, end)


def _names_start(file: ArchiveFile, what: Contract) -> bool:
    return bool(what.contract_usd) or file.span[0] >= METRICS_NAME_START_FROM


def _trades(piece: pl.DataFrame, what: Contract) -> pl.DataFrame:
    import polars as pl

    quantity = pl.col("quantity")  # zero in some trades of 2023: their price counts
    base = quantity * what.contract_usd / pl.col("price") if what.contract_usd else quantity
    return piece.select("ts", id="agg_trade_id", px="price", base=base)


def _klines(piece: pl.DataFrame, what: Contract, series: str, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    # coin-margined files count contracts in 'volume' and the coin in 'quote_volume'
    volume = "quote_volume" if what.contract_usd else "volume"
    columns = piece.select(*BAR_COLUMNS[:-1], volume=volume)
    return columns if file.kind == "klines" else columns.with_columns(volume=pl.lit(0.0))


def _funding(piece: pl.DataFrame, what: Contract, series: str, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    # the stamp is that of the calculation, some milliseconds after the hour
    return piece.select(pl.col("ts").dt.truncate("1s"), rate="last_funding_rate")


def _metrics(piece: pl.DataFrame, what: Contract, series: str, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    ts = pl.col("ts") + METRICS_STEP if _names_start(file, what) else pl.col("ts")
    interest, value = pl.col("sum_open_interest"), pl.col("sum_open_interest_value")
    if series == "long_short_ratio":
        columns = piece.select(ts, ratio="count_long_short_ratio")
    elif what.contract_usd:  # in contracts, and its value in the coin
        columns = piece.select(ts, open_interest_base=value, open_interest_usd=interest * what.contract_usd)
    else:
        columns = piece.select(ts, open_interest_base=interest, open_interest_usd=value)
    return columns.drop_nulls()  # some rows are published blank


def _depth(piece: pl.DataFrame, what: Contract, series: str, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    return piece.select("ts", band_frac=pl.col("percentage") / 100, depth_base="depth", depth_usd="notional")


def _liquidations(piece: pl.DataFrame, what: Contract, series: str, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    # the files of several years give every row twice
    once = piece.unique([name for name in piece.columns if name != "row"], keep="first", maintain_order=True)
    filled, px = pl.col("accumulated_fill_quantity"), pl.col("average_price")
    side = pl.col("side").replace_strict({"SELL": "long", "BUY": "short"})  # of the position the order closes
    quantity = filled * what.contract_usd / px if what.contract_usd else filled
    return once.filter(filled > 0).select("ts", side=side, quantity_base=quantity, px=px)


SELECT = {
    "klines": _klines,
    "markPriceKlines": _klines,
    "indexPriceKlines": _klines,
    "premiumIndexKlines": _klines,
    "fundingRate": _funding,
    "metrics": _metrics,
    "bookDepth": _depth,
    "liquidationSnapshot": _liquidations,
}
