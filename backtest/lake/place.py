"""The data lake: one Parquet file per series, venue, symbol and day.

``data/lake/<series>/venue=<id>/symbol=<quoted>/[<timeframe>/]<YYYY-MM-DD>.parquet``. Times are naive UTC to the
microsecond and name the OPEN of a bar. A file appears by rename, so a day is whole or absent.
"""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from backtest.assets import lake_folder, workspace
from backtest.errors import DataError, UnknownNameError
from backtest.mechanics.exact import Ints

if TYPE_CHECKING:
    import duckdb
    import polars as pl

Window = tuple[dt.datetime, dt.datetime]
PRICES = ("open", "high", "low", "close")
BAR_COLUMNS = ("ts", *PRICES, "volume")
BARS = {"ts": "TIMESTAMP", **dict.fromkeys(BAR_COLUMNS[1:], "DOUBLE")}
SERIES: dict[str, dict[str, str]] = {
    "ohlcv": BARS,
    "mark_ohlcv": BARS,
    "index_ohlcv": BARS,
    "premium_ohlcv": BARS,
    "funding": {"ts": "TIMESTAMP", "rate": "DOUBLE"},
    "open_interest": {"ts": "TIMESTAMP", "open_interest_base": "DOUBLE", "open_interest_usd": "DOUBLE"},
    "long_short_ratio": {"ts": "TIMESTAMP", "ratio": "DOUBLE"},
    "depth": {"ts": "TIMESTAMP", "band_frac": "DOUBLE", "depth_base": "DOUBLE", "depth_usd": "DOUBLE"},
    "liquidations": {"ts": "TIMESTAMP", "side": "VARCHAR", "quantity_base": "DOUBLE", "px": "DOUBLE"},
    "leverage_tiers": {
        "ts": "TIMESTAMP",
        "tier": "BIGINT",
        "notional_floor": "DOUBLE",
        "notional_cap": "DOUBLE",
        "maintenance_frac": "DOUBLE",
        "max_leverage": "DOUBLE",
    },
    "limits": {
        "ts": "TIMESTAMP",
        "tick_px": "DOUBLE",
        "lot_base": "DOUBLE",
        "contract_size": "DOUBLE",
        "quantity_min": "DOUBLE",
    },
    "fills": {
        "ts": "TIMESTAMP",
        "block_ts": "TIMESTAMP",
        "seq": "BIGINT",
        "kind": "VARCHAR",
        "user": "VARCHAR",
        "side": "VARCHAR",
        "quantity_base": "DOUBLE",
        "px": "DOUBLE",
        "start_position_base": "DOUBLE",
        "closed_pnl_usd": "DOUBLE",
        "fee_usd": "DOUBLE",
        "dir": "VARCHAR",
        "liquidated_user": "VARCHAR",
        "mark_px": "DOUBLE",
        "method": "VARCHAR",
    },
}
COLUMNS: dict[str, tuple[str, ...]] = {name: tuple(columns) for name, columns in SERIES.items()}
BAR_SERIES = ("ohlcv", "mark_ohlcv", "index_ohlcv", "premium_ohlcv")
EPOCH, MICROSECOND = dt.datetime(1970, 1, 1), dt.timedelta(microseconds=1)  # noqa: DTZ001 - naive UTC
TIMEFRAMES = {"1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}


def schema_of(series: str) -> dict[str, pl.DataType]:
    """Return the columns of a series with their polars types; times are in microseconds."""
    import polars as pl

    kinds = {"TIMESTAMP": pl.Datetime("us"), "DOUBLE": pl.Float64(), "BIGINT": pl.Int64(), "VARCHAR": pl.String()}
    return {name: kinds[kind] for name, kind in SERIES[series].items()}


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
    return folder / timeframe if series in BAR_SERIES else folder


def day_file(venue: str, symbol: str, series: str, day: dt.date, timeframe: str = "1m") -> Path:
    """Return the path of one day; it need not exist."""
    return series_folder(venue, symbol, series, timeframe) / f"{day.isoformat()}.parquet"


def day_files(
    venue: str, symbol: str, series: str, start: dt.datetime, end: dt.datetime, *, timeframe: str = "1m"
) -> list[Path]:
    """Return the day files on disk that the window ``[start, end)`` touches, in order of time."""
    if start >= end:
        return []
    last = (end - dt.timedelta(microseconds=1)).date()
    days = (start.date() + dt.timedelta(days=n) for n in range((last - start.date()).days + 1))
    paths = (day_file(venue, symbol, series, day, timeframe) for day in days)
    return [path for path in paths if path.is_file()]


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the workspace where it lies inside."""
    home = workspace()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()


def read_series(
    venue: str, symbol: str, series: str, start: dt.datetime, end: dt.datetime, *, timeframe: str = "1m"
) -> pl.DataFrame:
    """Read ``[start, end)`` of a series in the order stored; files of other days are not opened.

    Returns
    -------
    polars.DataFrame
        Columns of the series, ``ts`` as Datetime("us"); empty where no day file exists.

    Raises
    ------
    DataError
        A file is corrupt, truncated or lacks a column; the message names it.
    """
    import duckdb
    import polars as pl

    columns = COLUMNS[series]
    schema = schema_of(series)
    files = day_files(venue, symbol, series, start, end, timeframe=timeframe)
    if not files:
        return pl.DataFrame(schema=schema)
    try:
        frame = _query(files, columns, start, end)
    except duckdb.Error as error:
        raise DataError(_complaint(_first_bad(files, columns, start, end), series)) from error
    if dict(frame.schema) != schema:
        raise DataError(_complaint(files[0], series))
    return frame


def _query(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    names = [glob.escape(str(path)) for path in files]
    # the folders' key=value names are ours, not columns; row order is kept so that disorder is seen
    relation = (
        database()
        .cursor()
        .sql(
            f"SELECT {', '.join(columns)} FROM read_parquet($files, hive_partitioning = false)"
            " WHERE ts IS NULL OR (ts >= $start AND ts < $end)",
            params={"files": names, "start": start, "end": end},
        )
    )
    frame: pl.DataFrame = relation.pl()
    return frame


def database() -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory: one per process, since opening one takes longer than reading a window."""
    return _database(os.getpid())


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect()


def _first_bad(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> Path:
    import duckdb

    for path in files:
        try:
            _query([path], columns, start, end)
        except duckdb.Error:
            return path
    return files[0]  # each file is fine alone: they differ in type


def _complaint(path: Path, series: str) -> str:
    wanted = ", ".join(f"{name} {kind}" for name, kind in SERIES[series].items())
    return f"{shown(path)}: not a whole Parquet file with the columns {wanted}; delete it and fetch the day again"


def micros(time: dt.datetime) -> int:
    """Return microseconds since the epoch of a naive UTC time.

    Examples
    --------
    >>> micros(dt.datetime.fromisoformat("1970-01-01T00:01"))
    60000000
    """
    return (time - EPOCH) // MICROSECOND


def moment(us: int) -> dt.datetime:
    """Return the naive UTC time of microseconds since the epoch.

    Examples
    --------
    >>> moment(60_000_000).isoformat()
    '1970-01-01T00:01:00'
    """
    time = np.datetime64(us, "us").item()
    assert isinstance(time, dt.datetime)
    return time


def find_holes(ts: Ints, window: Window, timeframe_s: int) -> tuple[Window, ...]:
    """Return the stretches ``[start, end)`` of the window without a bar, in order.

    Parameters
    ----------
    ts
        Opens of the bars present, ascending, microseconds since the epoch.
    """
    step = timeframe_s * 1_000_000
    opens = np.concatenate([[micros(window[0]) - step], ts, [micros(window[1])]]).astype(np.int64)
    (before,) = np.nonzero(np.diff(opens) > step)
    return tuple((moment(int(opens[i]) + step), moment(int(opens[i + 1]))) for i in before)


def rows_digest(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of the rows, column by column."""
    return columns_digest({name: frame[name] for name in frame.columns})


def columns_digest(columns: Mapping[str, pl.Series | np.ndarray[Any, Any]]) -> str:
    """Return the SHA-256 of columns given as polars series or numpy arrays, in their order.

    Examples
    --------
    >>> import polars as pl
    >>> rows_digest(pl.DataFrame({"a": [1.5, 2.0]})) == columns_digest({"a": np.array([1.5, 2.0])})
    True
    """
    digest = hashlib.sha256()
    for name, column in columns.items():
        values = column if isinstance(column, np.ndarray) else column.to_numpy()
        if values.dtype == object:  # text
            digest.update(name.encode() + "\0".join(value or "" for value in values.tolist()).encode())
            continue
        values = values.view(np.int64) if values.dtype.kind == "M" else values
        digest.update(name.encode() + np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
