"""The data lake: one Parquet file per series, venue, symbol and day.

``data/lake/<series>/venue=<id>/symbol=<quoted>/[<timeframe>/]<YYYY-MM-DD>.parquet``. Times are naive UTC to the
microsecond and name the OPEN of a bar. A file appears by rename, so a day is whole or absent.
"""

from __future__ import annotations

import datetime as dt
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from backtest.assets import lake_folder, workspace
from backtest.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    import polars as pl

BAR_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
COLUMNS: dict[str, tuple[str, ...]] = {
    "ohlcv": BAR_COLUMNS,
    "mark_ohlcv": BAR_COLUMNS,
    "funding": ("ts", "rate"),
}
NO_TIMEFRAME = frozenset({"funding"})


def schema_of(series: str) -> dict[str, pl.DataType]:
    """Return the columns of a series with their polars types: ``ts`` in microseconds, the rest Float64."""
    import polars as pl

    return {name: pl.Datetime("us") if name == "ts" else pl.Float64() for name in COLUMNS[series]}


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
    if series not in COLUMNS:
        raise UnknownNameError("series", series, COLUMNS)
    folder = lake_folder() / series / f"venue={quote(venue, safe='')}" / f"symbol={quote(symbol, safe='')}"
    return folder if series in NO_TIMEFRAME else folder / quote(timeframe, safe="")


def day_file(venue: str, symbol: str, series: str, day: dt.date, timeframe: str = "1m") -> Path:
    """Return the path of one day; it need not exist."""
    return series_folder(venue, symbol, series, timeframe) / f"{day.isoformat()}.parquet"


def day_files(
    venue: str, symbol: str, series: str, start: dt.datetime, end: dt.datetime, timeframe: str = "1m"
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


def write_day(
    frame: pl.DataFrame, venue: str, symbol: str, series: str, day: dt.date, timeframe: str = "1m"
) -> Path:
    """Write one day of a series; the file appears complete, by rename, or not at all.

    Raises
    ------
    DataError
        A column is missing, a row lies outside the day, or the disk refuses.
    """
    import polars as pl
    import pyarrow.parquet as pq

    path = day_file(venue, symbol, series, day, timeframe)
    missing = [name for name in COLUMNS[series] if name not in frame.columns]
    if missing:
        wanted = ", ".join(COLUMNS[series])
        raise DataError(f"{shown(path)}: no column {', '.join(missing)}; {series} has the columns {wanted}; add them")
    table = frame.select(pl.col(name).cast(kind) for name, kind in schema_of(series).items())
    outside = table.filter(pl.col("ts").is_null() | (pl.col("ts").dt.date() != day)).height
    if outside:
        raise DataError(f"{shown(path)}: {outside} rows are not of {day}; a file holds one UTC day; split the rows by day")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.to_arrow(), partial, compression="zstd")
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{shown(path)}: cannot be written: {reason}; free space or set CRASHBOOK_HOME") from error
    finally:
        _discard(partial)
    return path


def _discard(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:  # its folder could not be made: there is nothing to discard
        return


def read_series(
    venue: str, symbol: str, series: str, start: dt.datetime, end: dt.datetime, timeframe: str = "1m"
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
    files = day_files(venue, symbol, series, start, end, timeframe)
    if not files:
        return pl.DataFrame(schema=schema)
    try:
        frame = _query(files, columns, start, end)
    except duckdb.Error as error:
        raise DataError(_complaint(_first_bad(files, columns, start, end), columns)) from error
    if dict(frame.schema) != schema:
        raise DataError(_complaint(files[0], columns))
    return frame


def _query(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    import duckdb

    with duckdb.connect() as connection:
        names = [glob.escape(str(path)) for path in files]
        # the folders' key=value names are ours, not columns; row order is kept so that disorder is seen
        relation = connection.sql(
            f"SELECT {', '.join(columns)} FROM read_parquet($files, hive_partitioning = false)"
            " WHERE ts >= $start AND ts < $end",
            params={"files": names, "start": start, "end": end},
        )
        return relation.pl()


def _first_bad(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> Path:
    import duckdb

    for path in files:
        try:
            _query([path], columns, start, end)
        except duckdb.Error:
            return path
    return files[0]  # each file is fine alone: they differ in type


def _complaint(path: Path, columns: Sequence[str]) -> str:
    wanted = ", ".join(columns)
    return f"{shown(path)}: not a whole Parquet file with ts as TIMESTAMP and DOUBLE columns ({wanted}); delete it and fetch it again"
