"""Writing to the lake: a day appears whole, by rename, and is entered in the journal ``manifest.jsonl``.

The day's file carries its own source, so that file and source cannot part; the journal adds when it was fetched.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtest.durable import make_folder, write_file
from backtest.errors import DataError
from backtest.lake.cloud import upload
from backtest.lake.manifest import enter
from backtest.lake.place import Place, check_own, shown
from backtest.lake.read import SOURCE_KEY
from backtest.lake.series import BAR_COLUMNS, SERIES, schema_of
from backtest.lake.states import OTHER_KEY, STATE_KEY, Standing
from backtest.masking import mask
from backtest.mechanics.exact import Floats
from backtest.times import DAY_US, micros

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from backtest.lake.digests import Columns

Time = dt.datetime | None
UNKNOWN = Standing()


def write_day(
    frame: pl.DataFrame, place: Place, day: dt.date, *, source: str = "", standing: Standing = UNKNOWN, at: Time = None
) -> Path:
    """Write one day of a series and enter it in the journal; the file appears complete, by rename, or not at all.

    Parameters
    ----------
    source
        Where the rows come from, kept in the file.
    standing
        State of the day and, of a disputed one, the digest not kept; kept in the file.
    at
        When the rows were fetched, UTC; None: now.

    Raises
    ------
    DataError
        A column is missing, a row lies outside the day, or the disk refuses.
    CrashbookError
        The lake is at an address that does not take the file.
    """
    import polars as pl

    path, series = place.file(day), SERIES[place.series]
    missing = [name for name in series.columns if name not in frame.columns]
    if missing:
        has = f"{series.name} has the columns {', '.join(series.columns)}"
        raise DataError(f"{shown(path)}: no column {', '.join(missing)}; {has}; add them")
    schema = schema_of(series.name)
    rows = frame
    if list(frame.schema.items()) != list(schema.items()):
        rows = frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    outside = _outside(rows["ts"], day)
    if outside:
        raise DataError(f"{shown(path)}: {outside} rows are not of {day}; a file holds one UTC day; split them")
    columns = {name: rows[name] for name in schema}
    return _write(path, rows.to_arrow(), columns, place.bar_s, replace(standing, source=source), at)


def write_bars(
    rows: Floats, place: Place, day: dt.date, *, source: str = "", standing: Standing = UNKNOWN, at: Time = None
) -> Path:
    """Write one day of bars as ``write_day`` does, from an array: ``ts`` in milliseconds, prices, volume.

    The rows are known to be of the day and without nulls; this takes half the time.
    """
    import pyarrow as pa

    ts = np.rint(rows[:, 0] * 1000).astype(np.int64)
    values = [ts, *(np.ascontiguousarray(rows[:, column]) for column in range(1, len(BAR_COLUMNS)))]
    kinds = [pa.timestamp("us"), *[pa.float64()] * (len(values) - 1)]
    arrays = [
        pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(column.view(np.uint8))])
        for kind, column in zip(kinds, values, strict=True)
    ]
    columns = dict(zip(BAR_COLUMNS, [ts.view("datetime64[us]"), *values[1:]], strict=True))
    table = pa.Table.from_arrays(arrays, BAR_COLUMNS)
    return _write(place.file(day), table, columns, place.bar_s, replace(standing, source=source), at)


def _write(path: Path, table: pa.Table, columns: Columns, step_s: int, standing: Standing, at: Time) -> Path:
    """Let a file appear complete, by rename, and enter it in the journal."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_own(path)
    standing = replace(standing, source=mask(standing.source))
    table = table.replace_schema_metadata(_metadata(standing))
    # numbers seldom repeat: a dictionary of them takes time and room
    texts = [field.name for field in table.schema if not pa.types.is_primitive(field.type)]
    whole = pa.BufferOutputStream()
    pq.write_table(table, whole, compression="lz4", use_dictionary=texts or False, write_statistics=False)
    data = memoryview(whole.getvalue())
    upload(path, data)
    try:
        make_folder(path.parent)
        write_file(path, data)
        enter(path, columns, step_s=step_s, standing=standing, fetched_at=at or dt.datetime.now(dt.UTC))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(f"{shown(path)}: cannot be written: {reason}; free space or set CRASHBOOK_HOME") from error
    return path


def _metadata(standing: Standing) -> dict[bytes, bytes]:
    """Return what a file says of itself."""
    known = {STATE_KEY: standing.state or "", OTHER_KEY: standing.other_sha256}
    return {SOURCE_KEY: standing.source.encode(), **{key: text.encode() for key, text in known.items() if text}}


def _outside(ts: pl.Series, day: dt.date) -> int:
    """Return how many times are unknown or of another day."""
    start = micros(dt.datetime.combine(day, dt.time()))
    us = ts.to_numpy().view(np.int64)  # an unknown time is the least of all
    return int(np.count_nonzero((us < start) | (us >= start + DAY_US)))
