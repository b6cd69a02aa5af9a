"""Answers of a statement as a frame: only what every output format can hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from backtest.errors import QueryError

if TYPE_CHECKING:
    import duckdb
    import polars as pl

NO_COLUMN = {
    "INTERVAL": "give seconds with epoch(...)",
    "UNION": "cast it to VARCHAR",
    "BIGNUM": "cast it to HUGEINT, DECIMAL or VARCHAR",
    "VARIANT": "cast it to JSON",
}
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")  # values of an enumeration, names of a struct's fields
_KINDS = re.compile(rf"\b({'|'.join(NO_COLUMN)})\b")
_PLAIN = re.compile(r"VARCHAR|BOOLEAN|(TINY|SMALL|BIG)INT|INTEGER|DOUBLE|DECIMAL\(\d+,\d+\)|TIMESTAMP")
_NO_NUMBER = ("VARCHAR", "BOOLEAN", "TIMESTAMP")
LAST_YEAR = 9999
YEARS = "years 1 to 9999"
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer as plain values: for a reader no frame, and none of its libraries, is needed."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    numeric: tuple[bool, ...]  # by column, also of one without a value


def plain_rows(answer: duckdb.DuckDBPyRelation) -> Rows | None:
    """Return the answer of a statement as plain values, None where a column has a type that only a frame spells."""
    if not all(_PLAIN.fullmatch(str(kind)) for kind in answer.types):
        return None
    kinds = list(map(str, answer.types))
    try:
        rows = tuple(answer.fetchall())
    except (ValueError, OverflowError):  # a time that Python has not
        return None
    for place in (place for place, kind in enumerate(kinds) if kind == "TIMESTAMP"):
        times = {row[place] for row in rows} - {None}
        if not all(isinstance(time, datetime) and 1 < time.year < LAST_YEAR for time in times):
            return None  # beyond the calendar, or infinite: a frame says so
    return Rows(tuple(answer.columns), rows, tuple(kind not in _NO_NUMBER for kind in kinds))


def checked(answer: duckdb.DuckDBPyRelation, label: str) -> pl.DataFrame:
    """Return the answer of a statement as a polars frame.

    Raises
    ------
    QueryError
        If a column has a type that no frame or file holds, or a time that Python, CSV and JSON cannot write.
    """
    for name, kind in zip(answer.columns, answer.types, strict=True):
        if found := _KINDS.search(_QUOTED.sub("", str(kind))):
            raise QueryError(
                f"{label}: column {shown(name)}: {found[1]} has no column type here; {NO_COLUMN[found[1]]}"
            )
    return dated(answer.pl(), label)


def executed(con: duckdb.DuckDBPyConnection, label: str) -> pl.DataFrame:
    """Return the answer of the statement of ours that ``con`` has just executed, as a polars frame.

    A relation plans a statement twice, for its columns and for its rows, which is a quarter of the time of a small run.
    """
    import polars as pl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that rows are copied once more: our own answers are small
        table = con.to_arrow_table()
    return dated(pl.DataFrame(pl.from_arrow(table, rechunk=False)), label)


def dated(frame: pl.DataFrame, label: str) -> pl.DataFrame:
    """Return a frame, after a look at its times.

    Raises
    ------
    QueryError
        If a time cannot be written by Python, CSV and JSON.
    """
    for column in frame.get_columns():
        if not all(map(_within_years, _times(column))):
            raise QueryError(f"{label}: column {shown(column.name)}: a time outside {YEARS}; cast it to VARCHAR")
    return frame


def shown(name: str) -> str:
    r"""Return a name that a statement chose, fit for a line: no control characters, not too long.

    Examples
    --------
    >>> shown("a\x1b[31m")
    "'a\\x1b[31m'"
    """
    return repr(name if len(name) <= 60 else name[:60] + "…")


def _times(column: pl.Series) -> Iterator[pl.Series]:
    """Yield the columns of dates and times of day within a column, however deep."""
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.Date | pl.Datetime):
        yield column
    elif isinstance(kind, pl.List | pl.Array):
        if _holds_times(kind):
            yield from _times(column.explode())
    elif isinstance(kind, pl.Struct):
        for field in kind.fields:
            yield from _times(column.struct.field(field.name))
    elif _holds_times(kind):  # a map: as the list of its pairs
        yield from _times(column.cast(pl.List(pl.Struct({"key": kind.key, "value": kind.value}))))  # type: ignore[attr-defined]


def _holds_times(kind: pl.DataType) -> bool:
    return "Date" in str(kind)


def _within_years(times: pl.Series) -> bool:
    import polars as pl

    if isinstance(times.dtype, pl.Date):
        low, high = _FIRST_DAY, _LAST_DAY
    else:
        assert isinstance(times.dtype, pl.Datetime)
        a_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[times.dtype.time_unit]
        low, high = max(_FIRST_DAY * a_day, -(2**63)), min((_LAST_DAY + 1) * a_day - 1, 2**63 - 1)
    return bool(times.to_physical().cast(pl.Int64).is_between(low, high).fill_null(value=True).all())
