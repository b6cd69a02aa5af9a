"""Files of data.binance.vision: names and rows of USD-margined and coin-margined futures."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from backtest.errors import DataError
from backtest.fetch.archives.csv import UNITS_US, layout_of, rows
from backtest.fetch.archives.files import ArchiveFile, day_span, month_span
from backtest.fetch.archives.trades_to_bars import trade_bars
from backtest.lake.place import shown
from backtest.lake.series import BAR_COLUMNS, SERIES, schema_of
from backtest.times import DAY, Window

if TYPE_CHECKING:
    import polars as pl

    from backtest.lake.place import Place

TRADES_LIMIT_BYTES = 32 << 30
MICROSECONDS_FROM = UNITS_US[1][0]
KLINES = layout_of(
    "open_time open high low close volume close_time quote_volume count taker_buy_volume taker_buy_quote_volume ignore",
    time="open_time",
    ints="open_time close_time",
    reals="open high low close volume quote_volume",
)
LAYOUTS = {
    "klines": KLINES,
    "markPriceKlines": KLINES,
    "indexPriceKlines": KLINES,
    "premiumIndexKlines": KLINES,
    "fundingRate": layout_of(
        "calc_time funding_interval_hours last_funding_rate",
        time="calc_time",
        ints="calc_time",
        reals="last_funding_rate",
    ),
    "metrics": layout_of(
        "create_time symbol sum_open_interest sum_open_interest_value count_toptrader_long_short_ratio"
        " sum_toptrader_long_short_ratio count_long_short_ratio sum_taker_long_short_vol_ratio",
        time="create_time",
        texts="create_time symbol",
        reals="sum_open_interest sum_open_interest_value count_long_short_ratio",
    ),
    "aggTrades": layout_of(
        "agg_trade_id price quantity first_trade_id last_trade_id transact_time is_buyer_maker",
        time="transact_time",
        ints="agg_trade_id transact_time",
        reals="price quantity",
        above_zero=("agg_trade_id", "price"),
        limit_bytes=TRADES_LIMIT_BYTES,
    ),
    "bookDepth": layout_of(
        "timestamp percentage depth notional", time="timestamp", texts="timestamp", reals="percentage depth notional"
    ),
    "liquidationSnapshot": layout_of(
        "time side order_type time_in_force original_quantity price average_price order_status last_fill_quantity"
        " accumulated_fill_quantity",
        time="time",
        ints="time",
        texts="side order_status",
        reals="original_quantity price average_price last_fill_quantity accumulated_fill_quantity",
        choices={"side": ("BUY", "SELL")},
    ),
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
    """The names of a perpetual in file names; ``contract_usd`` is 0 where quantities are in the coin."""

    id: str
    pair: str
    contract_usd: float = 0.0


def contract(venue: str, symbol: str) -> Contract | None:
    """Return the names of a unified symbol in the archive, None where it cannot hold it.

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


def files(place: Place, day: dt.date) -> tuple[ArchiveFile, ...]:
    """Return the files that can hold a day of a series, the best first, daily before monthly; none if there is none."""
    names = contract(place.venue, place.symbol)
    if names is None or (place.series == "depth" and names.contract_usd):  # its units are not documented
        return ()
    kinds = SELECT.get(place.series, {})
    return tuple(file for kind in kinds for file in _files(names, kind, place, day))


def _files(names: Contract, kind: str, place: Place, day: dt.date) -> Iterator[ArchiveFile]:
    timeframe, trades = place.timeframe, kind == "aggTrades"
    if SERIES[place.series].bars and (timeframe not in {"1s", "1m"} if trades else timeframe == "1s"):
        return
    market = "cm" if names.contract_usd else "um"
    id_ = quote(names.pair if kind == "indexPriceKlines" else names.id, safe="")
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


def read(path: Path, file: ArchiveFile, place: Place) -> pl.DataFrame:
    """Return the rows of a file as a series of the lake, in order of time.

    Raises
    ------
    DataError
        The file breaks a rule of its kind; the message names it, the fault, the allowed values and the fix.
    """
    import polars as pl

    names = contract(place.venue, place.symbol)
    assert names is not None
    select = SELECT[place.series][file.kind]
    given = rows(path, LAYOUTS[file.kind], _stamps(file, names), all_of=names.id)
    if file.kind.endswith("lines"):
        given = (_of_interval(piece, place, path) for piece in given)
    pieces = (select(piece, names, file) for piece in given)
    if file.kind == "aggTrades":
        return trade_bars(pieces, SERIES[place.series].bar_s(place.timeframe))
    return pl.concat([pl.DataFrame(schema=schema_of(place.series)), *pieces]).sort("ts", maintain_order=True)


def _of_interval(piece: pl.DataFrame, place: Place, path: Path) -> pl.DataFrame:
    """Return bars that close just before the next one opens; their name alone says nothing of their interval.

    Raises
    ------
    DataError
        A bar is longer or shorter than its file's name says.
    """
    import polars as pl

    unit = pl.when(pl.col("open_time") < MICROSECONDS_FROM).then(1_000).otherwise(1_000_000)
    bar_s = SERIES[place.series].bar_s(place.timeframe)
    wrong = piece.filter((pl.col("close_time") - pl.col("open_time") + 1 != bar_s * unit).fill_null(value=True))
    if wrong.height:
        bad = wrong.select("row", "open_time", "close_time").row(0)
        what = f"row {bad[0]} opens at {bad[1]} and closes at {bad[2]}"
        raise DataError(f"{shown(path)}: {what}; allowed: bars of {bar_s} s; delete it and fetch it again")
    return piece


def _stamps(file: ArchiveFile, names: Contract) -> Window:
    """Return the times the rows may name: metrics of a day may end with the snapshot of the next midnight."""
    start, end = file.span
    names_snapshot = file.kind == "metrics" and not _names_start(file, names)
    return (start, end + dt.timedelta(seconds=1)) if names_snapshot else (start, end)


def _names_start(file: ArchiveFile, names: Contract) -> bool:
    return bool(names.contract_usd) or file.span[0] >= METRICS_NAME_START_FROM


def _trades(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    quantity = pl.col("quantity")  # zero in some trades of 2023: their price counts
    base = quantity * names.contract_usd / pl.col("price") if names.contract_usd else quantity
    return piece.select("ts", id="agg_trade_id", px="price", base=base)


def _trade_klines(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    # coin-margined files count contracts in 'volume' and the coin in 'quote_volume'
    return piece.select(*BAR_COLUMNS[:-1], volume="quote_volume" if names.contract_usd else "volume")


def _price_klines(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    return piece.select(*BAR_COLUMNS[:-1], volume=pl.lit(0.0))


def _funding(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    # the stamp is that of the calculation, some milliseconds after the hour
    return piece.select(pl.col("ts").dt.truncate("1s"), rate="last_funding_rate")


def _open_interest(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    base, usd = pl.col("sum_open_interest"), pl.col("sum_open_interest_value")
    if names.contract_usd:  # in contracts, and its value in the coin
        base, usd = usd, base * names.contract_usd
    # some rows are published blank
    return piece.select(_snapshot(file, names), open_interest_base=base, open_interest_usd=usd).drop_nulls()


def _ratio(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    return piece.select(_snapshot(file, names), ratio="count_long_short_ratio").drop_nulls()


def _snapshot(file: ArchiveFile, names: Contract) -> pl.Expr:
    """Return the time of a snapshot of the metrics."""
    import polars as pl

    return pl.col("ts") + METRICS_STEP if _names_start(file, names) else pl.col("ts")


def _depth(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    return piece.select("ts", band_frac=pl.col("percentage") / 100, depth_base="depth", depth_usd="notional")


def _liquidations(piece: pl.DataFrame, names: Contract, file: ArchiveFile) -> pl.DataFrame:
    import polars as pl

    # the files of several years give every row twice
    once = piece.unique([name for name in piece.columns if name != "row"], keep="first", maintain_order=True)
    filled, px = pl.col("accumulated_fill_quantity"), pl.col("average_price")
    side = pl.col("side").replace_strict({"SELL": "long", "BUY": "short"})  # of the position the order closes
    quantity = filled * names.contract_usd / px if names.contract_usd else filled
    return once.filter(filled > 0).select("ts", side=side, quantity_base=quantity, px=px)


# The kinds of file that hold a series, the best first, and the columns of the lake made of each.
SELECT: Mapping[str, Mapping[str, Callable[[pl.DataFrame, Contract, ArchiveFile], pl.DataFrame]]] = {
    "ohlcv": {"klines": _trade_klines, "aggTrades": _trades},
    "mark_ohlcv": {"markPriceKlines": _price_klines},
    "index_ohlcv": {"indexPriceKlines": _price_klines},
    "premium_ohlcv": {"premiumIndexKlines": _price_klines},
    "funding": {"fundingRate": _funding},
    "open_interest": {"metrics": _open_interest},
    "long_short_ratio": {"metrics": _ratio},
    "depth": {"bookDepth": _depth},
    "liquidations": {"liquidationSnapshot": _liquidations},
}
