"""Writing to the lake: a day appears whole, by rename, and is entered in the journal ``manifest.jsonl``.

The day's file carries its own source, so that file and source cannot part; the journal adds when it was fetched. A
line of the journal is one short append, so two processes may write at once. A file without a line (the process was
killed between the two) is entered by ``enter_missing``.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.lake.place import (
    BAR_COLUMNS,
    BAR_SERIES,
    COLUMNS,
    SERIES,
    TIMEFRAMES,
    columns_digest,
    day_file,
    find_holes,
    micros,
    moment,
    schema_of,
    shown,
)
from backtest.mechanics.exact import Floats, Ints

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    Columns = Mapping[str, pl.Series | np.ndarray[Any, Any]]

JOURNAL = "manifest.jsonl"
DAY = dt.timedelta(days=1)
DAY_US = 86_400_000_000
SOURCE_KEY = b"source"


def write_day(
    frame: pl.DataFrame,
    venue: str,
    symbol: str,
    series: str,
    day: dt.date,
    *,
    timeframe: str = "1m",
    source: str = "",
) -> Path:
    """Write one day of a series and enter it in the journal; the file appears complete, by rename, or not at all.

    Parameters
    ----------
    source
        Where the rows come from, kept in the file.

    Raises
    ------
    DataError
        A column is missing, a row lies outside the day, or the disk refuses.
    """
    import polars as pl

    path = day_file(venue, symbol, series, day, timeframe)
    missing = [name for name in COLUMNS[series] if name not in frame.columns]
    if missing:
        wanted = ", ".join(COLUMNS[series])
        raise DataError(f"{shown(path)}: no column {', '.join(missing)}; {series} has the columns {wanted}; add them")
    schema = schema_of(series)
    rows = frame
    if list(frame.schema.items()) != list(schema.items()):
        rows = frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
    outside = _outside(rows["ts"], day)
    if outside:
        raise DataError(f"{shown(path)}: {outside} rows are not of {day}; a file holds one UTC day; split them")
    columns = {name: rows[name] for name in schema}
    return _write(path, rows.to_arrow(), columns, series, day, timeframe, source)


def write_bars(
    rows: Floats, venue: str, symbol: str, series: str, day: dt.date, *, timeframe: str = "1m", source: str = ""
) -> Path:
    """Write one day of bars as ``write_day`` does, from an array: ``ts`` in milliseconds, prices, volume.

    The rows are known to be of the day and without nulls; this takes half the time.
    """
    import pyarrow as pa

    ts = np.rint(rows[:, 0] * 1000).astype(np.int64)
    values = [ts, *(np.ascontiguousarray(rows[:, place]) for place in range(1, len(BAR_COLUMNS)))]
    kinds = [pa.timestamp("us"), *[pa.float64()] * (len(values) - 1)]
    arrays = [
        pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(column.view(np.uint8))])
        for kind, column in zip(kinds, values, strict=True)
    ]
    columns = dict(zip(BAR_COLUMNS, [ts.view("datetime64[us]"), *values[1:]], strict=True))
    path = day_file(venue, symbol, series, day, timeframe)
    return _write(path, pa.Table.from_arrays(arrays, BAR_COLUMNS), columns, series, day, timeframe, source)


def _write(
    path: Path, table: pa.Table, columns: Columns, series: str, day: dt.date, timeframe: str, source: str
) -> Path:
    """Let a file appear complete, by rename, and enter it in the journal."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = table.replace_schema_metadata({SOURCE_KEY: source.encode()})
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # numbers seldom repeat: a dictionary of them takes time and room
        words = [name for name, kind in SERIES[series].items() if kind == "VARCHAR"]
        whole = pa.BufferOutputStream()
        pq.write_table(table, whole, compression="lz4", use_dictionary=words or False, write_statistics=False)
        partial.write_bytes(whole.getvalue())
        partial.replace(path)
        _append(_entry(path, columns, series, day, timeframe, source, dt.datetime.now(dt.UTC)))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(f"{shown(path)}: cannot be written: {reason}; free space or set CRASHBOOK_HOME") from error
    finally:
        _discard(partial)
    return path


def _outside(ts: pl.Series, day: dt.date) -> int:
    """Return how many times are unknown or of another day."""
    start = micros(dt.datetime.combine(day, dt.time()))
    us = ts.to_numpy().view(np.int64)  # an unknown time is the least of all
    return int(np.count_nonzero((us < start) | (us >= start + DAY_US)))


def _discard(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:  # its folder could not be made: there is nothing to discard
        return


def _entry(
    path: Path, columns: Columns, series: str, day: dt.date, timeframe: str, source: str, fetched_at: dt.datetime
) -> dict[str, Any]:
    start = dt.datetime.combine(day, dt.time())
    step = TIMEFRAMES[timeframe] if series in BAR_SERIES else 0
    times = columns["ts"]
    ts: Ints = (times if isinstance(times, np.ndarray) else times.to_numpy()).view(np.int64)
    holes = find_holes(ts, (start, start + DAY), step) if step else ()
    return {
        "file": path.relative_to(lake_folder()).as_posix(),
        "rows": len(ts),
        "first": moment(int(ts[0])) if len(ts) else None,
        "last": moment(int(ts[-1])) if len(ts) else None,
        "gaps": [[first, last] for first, last in holes],
        "sha256": columns_digest(columns),
        "source": source,
        "fetched_at": fetched_at.replace(tzinfo=None, microsecond=0),
    }


def _append(entry: Mapping[str, Any]) -> None:
    import orjson

    # a line torn by a power cut is left behind on a line of its own
    journal = os.open(lake_folder() / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(journal).st_size
        torn = size > 0 and os.pread(journal, 1, size - 1) != b"\n"
        line = b"\n" * torn + orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        if os.write(journal, line) < len(line):  # a disk that is nearly full takes a part without a word
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(journal)


def read_manifest() -> dict[str, dict[str, Any]]:
    """Return the newest entry of every file of the journal, by the file's path inside the lake.

    Lines that are not whole are passed over: the files they speak of are entered again by ``enter_missing``.
    """
    import orjson

    try:
        text = (lake_folder() / JOURNAL).read_bytes()
    except OSError:
        return {}
    entries: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            entries[entry["file"]] = entry
    return entries


def enter_missing(days: Iterable[tuple[str, str, str, dt.date, str]]) -> int:
    """Enter files that are in the lake and not in the journal; return how many.

    Parameters
    ----------
    days
        (venue, symbol, series, day, timeframe) to look at.
    """
    known, entered = read_manifest(), 0
    for venue, symbol, series, day, timeframe in days:
        path = day_file(venue, symbol, series, day, timeframe)
        if path.is_file() and path.relative_to(lake_folder()).as_posix() not in known:
            rows, source = read_file(path)
            when = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
            columns = {name: rows[name] for name in rows.columns}
            _append(_entry(path, columns, series, day, timeframe, source, when))
            entered += 1
    return entered


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


def sweep(folder: Path) -> int:
    """Remove what killed processes left half written below a folder; return how many files.

    A number of a process may have come round to this one, which has not begun to write.
    """
    swept = 0
    for partial in folder.rglob(".*.partial"):
        owner = partial.name.split(".")[-2]
        if owner.isdecimal() and (int(owner) == os.getpid() or not _alive(int(owner))):
            _discard(partial)
            swept += 1
    return swept


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
