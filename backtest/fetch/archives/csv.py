"""Rows of the CSV files that venues publish: header or none, milliseconds, microseconds or text, one span of time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from backtest.errors import DataError
from backtest.fetch.archives.packed import FETCH_AGAIN, UNPACKED_LIMIT_BYTES, unpacked
from backtest.lake.place import shown
from backtest.times import Window

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 1 << 24
HEADER_LIMIT_BYTES = 1 << 16
UNITS_US = ((10**11, 10**14, 1000, "milliseconds"), (10**14, 10**17, 1, "microseconds"))  # from, below, us in one


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a kind of file.

    Attributes
    ----------
    columns
        Every column in order, each with the type it is read as: int, real, text, or empty where it is not read.
    time
        The column that holds the time of a row.
    choices
        For a column, the only values it may hold.
    above_zero
        Columns whose every value is a number above zero.
    limit_bytes
        Most bytes such a file may unpack to.
    """

    columns: Mapping[str, str]
    time: str
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    above_zero: tuple[str, ...] = ()
    limit_bytes: int = UNPACKED_LIMIT_BYTES


def layout_of(order: str, *, time: str, ints: str = "", reals: str = "", texts: str = "", **limits: Any) -> Layout:
    """Return a layout from the names of its columns in order, and of those that are read, by type.

    Examples
    --------
    >>> layout_of("time price side", time="time", ints="time", reals="price").columns
    {'time': 'int', 'price': 'real', 'side': ''}
    """
    kinds = {name: kind for kind, names in (("int", ints), ("real", reals), ("text", texts)) for name in names.split()}
    return Layout({name: kinds.get(name, "") for name in order.split()}, time, **limits)


def rows(path: Path, layout: Layout, span: Window, *, only: str = "", all_of: str = "") -> Iterator[pl.DataFrame]:
    """Give the rows of a packed CSV in pieces of bounded size, in the order of the file.

    Parameters
    ----------
    span
        Times the rows may have: from, up to (exclusive).
    only
        Leave out the rows of every other ``symbol``: the file holds all of them.
    all_of
        Refuse rows of any other ``symbol``, where the file has that column.

    Returns
    -------
    Iterator of polars.DataFrame
        The columns that the layout reads, ``ts`` as Datetime("us"), and ``row``, counted from 1 below the header;
        a blank number is null.

    Raises
    ------
    DataError
        The file is damaged, lacks a column, holds a value its layout does not allow, mixes units of time, or holds a
        time outside ``span``.
    """
    import polars as pl
    import pyarrow as pa

    with unpacked(path, layout.limit_bytes) as stream:
        names = _names(stream, layout, path)
        if not names:
            return
        done, unit = 0, 0
        try:
            for batch in _batches(stream, names, layout):
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                frame = frame.with_row_index("row", offset=done + 1)
                done += frame.height
                frame, unit = _timed(frame, layout.time, unit, path)
                _within(frame, span, path)
                if only:
                    frame = frame.filter(pl.col("symbol") == only)
                _allowed(frame, layout, all_of, path)
                yield frame
        except pa.ArrowInvalid as error:
            raise DataError(f"{shown(path)}: {_parse_complaint(str(error), names)}; {FETCH_AGAIN}") from error


def _names(stream: Any, layout: Layout, path: Path) -> list[str]:
    """Return the names of the columns; the header, where there is one, is taken off the stream."""
    start = stream.peek(HEADER_LIMIT_BYTES)[:HEADER_LIMIT_BYTES]
    line = start.partition(b"\n")[0].decode("utf-8-sig", "replace").strip()
    if not start:
        raise DataError(f"{shown(path)}: is empty; allowed: rows with the columns {_listed(layout)}; {FETCH_AGAIN}")
    fields = [field.strip().strip('"').lower() for field in line.split(",")]
    if re.match(r"[-+.\d]", fields[0]):  # a number or a time: files of earlier years have no header
        if len(fields) != len(layout.columns):
            wrong = f"rows of {len(fields)} values without a header"
            allowed = f"{len(layout.columns)} values, {_listed(layout)}"
            raise DataError(f"{shown(path)}: {wrong}; allowed: {allowed}; {FETCH_AGAIN}")
        return list(layout.columns)
    missing = [name for name, kind in layout.columns.items() if kind and name not in fields]
    if missing or len(set(fields)) < len(fields):
        wrong = f"no column {', '.join(missing)}" if missing else "a column twice in the header"
        raise DataError(f"{shown(path)}: {wrong}; allowed: {_listed(layout)}; {FETCH_AGAIN}")
    stream.readline(HEADER_LIMIT_BYTES)
    return fields if stream.peek(1) else []


def _listed(layout: Layout) -> str:
    return ", ".join(layout.columns)


def _batches(stream: BinaryIO, names: list[str], layout: Layout) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    kinds = {"int": pa.int64(), "real": pa.float64(), "text": pa.string()}
    types = {name: kinds[kind] for name, kind in layout.columns.items() if kind}
    if "symbol" in names:
        types["symbol"] = pa.string()
    reader = arrow_csv.open_csv(
        stream,
        # one thread: only then does a complaint name its row
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=BLOCK_BYTES),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )
    with reader:
        yield from reader


def _parse_complaint(text: str, names: list[str]) -> str:
    """Return the complaint of the parser, with the column's name for its number.

    Examples
    --------
    >>> text = "In CSV column #1: Row #17: CSV conversion error to double: invalid value 'x'"
    >>> _parse_complaint(text, ["time", "price"])
    "row 17, column price: 'x' is not a value of that column"
    """
    bad = re.match(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to \S+ invalid value (.*)", text, re.DOTALL)
    if bad:
        column, row, value = bad.groups()
        shown_value = ascii(value.strip("'"))[:60]
        return f"row {row}, column {names[int(column)]}: {shown_value} is not a value of that column"
    short = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if short:
        return f"row {short[1]} has {short[3]} values; allowed: {short[2]}"
    return f"not rows of comma-separated values ({ascii(text)[1:80]})"


def _timed(frame: pl.DataFrame, name: str, unit: int, path: Path) -> tuple[pl.DataFrame, int]:
    """Add ``ts`` and return the microseconds of one unit of the stamps, 0 for text."""
    import polars as pl

    stamp = pl.col(name)
    if frame.schema[name] == pl.String:
        plain = stamp.str.replace("[DT]", " ").str.strip_suffix("Z")
        ts = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        frame = frame.with_columns(ts=ts)
        _refuse(frame.filter(pl.col("ts").is_null()), name, "times like 2025-10-10 21:00:00", path)
        return frame, 0
    for start, end, us, _ in UNITS_US:
        if unit in {0, us} and not frame.filter(stamp.is_between(start, end, closed="left").not_()).height:
            return frame.with_columns(ts=(stamp * us).cast(pl.Datetime("us"))), us
    known = pl.any_horizontal(stamp.is_between(start, end, closed="left") for start, end, us, _ in UNITS_US)
    _refuse(frame.filter(known.fill_null(value=False).not_()), name, "milliseconds or microseconds since 1970", path)
    raise DataError(f"{shown(path)}: mixes milliseconds and microseconds; allowed: one of them; {FETCH_AGAIN}")


def _refuse(bad: pl.DataFrame, name: str, allowed: str, path: Path) -> None:
    """Complain about the first of the rows that break a rule."""
    if bad.height:
        value = ascii(bad[name][0])[:60]
        wrong = f"row {bad['row'][0]}, column {name}: {value} is not allowed"
        raise DataError(f"{shown(path)}: {wrong}; allowed: {allowed}; {FETCH_AGAIN}")


def _within(frame: pl.DataFrame, span: Window, path: Path) -> None:
    import polars as pl

    bad = frame.filter(pl.col("ts").is_between(*span, closed="left").not_())
    if bad.height:
        wrong = f"row {bad['row'][0]} is of {bad['ts'][0].isoformat()}"
        allowed = f"{span[0].isoformat()} to {span[1].isoformat()} as the name says"
        raise DataError(f"{shown(path)}: {wrong}; allowed: {allowed}; {FETCH_AGAIN}")


def _allowed(frame: pl.DataFrame, layout: Layout, symbol: str, path: Path) -> None:
    """Refuse values that the layout does not allow, and rows of another symbol."""
    import polars as pl

    choices = {**layout.choices, **({"symbol": (symbol,)} if symbol and "symbol" in frame.columns else {})}
    for name, known in choices.items():
        _refuse(frame.filter(pl.col(name).is_in(known).fill_null(value=False).not_()), name, ", ".join(known), path)
    for name in layout.above_zero:
        value = pl.col(name)
        fits = (value.is_finite() & (value > 0)).fill_null(value=False)
        _refuse(frame.filter(fits.not_()), name, "numbers above zero", path)
