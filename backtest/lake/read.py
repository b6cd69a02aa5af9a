"""Reading the lake: the rows of a window, or the rows and the source of one day's file."""

from __future__ import annotations

import datetime as dt
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.lake.place import Place, shown
from backtest.lake.series import SERIES, schema_of
from backtest.sql.lock import lock

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_DATABASE: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}  # the one of this process and its lake
SOURCE_KEY = b"source"  # in the metadata of a file


def read_series(place: Place, start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
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

    columns = tuple(SERIES[place.series].columns)
    schema = schema_of(place.series)
    files = place.files(start, end)
    if not files:
        return pl.DataFrame(schema=schema)
    try:
        frame = _query(files, columns, start, end)
    except duckdb.Error as error:
        raise DataError(_complaint(_first_bad(files, columns, start, end), place.series)) from error
    if dict(frame.schema) != schema:
        raise DataError(_complaint(files[0], place.series))
    return frame


def _query(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    names = [glob.escape(str(path.absolute())) for path in files]
    # the folders' key=value names are ours, not columns; row order is kept so that disorder is seen
    relation = (
        database(lake_folder())
        .cursor()
        .sql(
            f"SELECT {', '.join(columns)} FROM read_parquet($files, hive_partitioning = false)"
            " WHERE ts IS NULL OR (ts >= $start AND ts < $end)",
            params={"files": names, "start": start, "end": end},
        )
    )
    frame: pl.DataFrame = relation.pl()
    return frame


def database(lake: Path) -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory that reads the files of a lake and nothing else.

    A process has one, since opening one takes longer than reading a window; another lake takes its place.
    """
    import duckdb

    wanted = (os.getpid(), str(lake.absolute()))
    if wanted in _DATABASE:
        return _DATABASE[wanted]
    con = duckdb.connect()
    folders = [wanted[1], glob.escape(wanted[1])]  # as it is, and as it stands in a pattern
    con.execute("SET allowed_directories = $folders", {"folders": folders}).fetchall()
    lock(con)
    _DATABASE.clear()
    _DATABASE[wanted] = con
    return con


def _first_bad(files: Sequence[Path], columns: Sequence[str], start: dt.datetime, end: dt.datetime) -> Path:
    import duckdb

    for path in files:
        try:
            _query([path], columns, start, end)
        except duckdb.Error:
            return path
    return files[0]  # each file is fine alone: they differ in type


def _complaint(path: Path, series: str) -> str:
    wanted = ", ".join(f"{name} {kind}" for name, kind in SERIES[series].columns.items())
    return f"{shown(path)}: not a whole Parquet file with the columns {wanted}; delete it and fetch the day again"


def read_file(path: Path) -> tuple[pl.DataFrame, str]:
    """Return the rows of a day's file and the source it carries.

    Raises
    ------
    DataError
        The file is corrupt or truncated.
    """
    import polars as pl
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        source = (table.schema.metadata or {}).get(SOURCE_KEY, b"")
        frame = pl.DataFrame(table)
        times = frame["ts"].dtype
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # damaged bytes break the readers in many ways, some of them no Exception
        raise DataError(f"{shown(path)}: not a whole Parquet file of the lake; delete it and fetch it again") from error
    if times != pl.Datetime("us"):
        raise DataError(f"{shown(path)}: its times are {times}, not UTC microseconds; delete it and fetch it again")
    return frame, source.decode(errors="replace")
