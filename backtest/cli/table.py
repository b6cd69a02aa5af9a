"""Tables for readers: numbers to the right, decimals exactly, nulls as a dash, wrapped on a narrow terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.cli.layout import Cells, laid_out
from backtest.errors import printable
from backtest.masking import mask

if TYPE_CHECKING:
    import polars as pl

_NUMBER = (int, float, Decimal)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values under named columns; a data frame of them is made only where one is needed.

    ``numeric`` says which columns hold numbers where their values may not; empty: those whose values all are.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    numeric: tuple[bool, ...] = ()

    def frame(self) -> pl.DataFrame:
        """Return the table as a polars frame."""
        import polars as pl

        return pl.DataFrame(
            {name: [row[place] for row in self.rows] for place, name in enumerate(self.columns)}, strict=False
        )


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Return rows as a table with all columns, even if there is no row."""
    return Table(tuple(columns), tuple(tuple(row[name] for name in columns) for row in rows))


def masked(table: Table) -> Table:
    """Return a table without secrets in its texts."""
    rows = (tuple(mask(cell) if isinstance(cell, str) else cell for cell in row) for row in table.rows)
    return Table(table.columns, tuple(rows), table.numeric)


def table_text(table: Table | pl.DataFrame, width: int | None = None) -> Iterator[str]:
    """Yield an aligned table in pieces.

    Parameters
    ----------
    table
        The table.
    width
        Columns of the terminal: names are broken and texts wrapped to it, numbers never. None keeps a row on one line.
    """
    return laid_out(_cells_of_table(table) if isinstance(table, Table) else _cells_of_frame(table), width)


def _cells_of_table(table: Table) -> Cells:
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    numeric = list(table.numeric) or [
        any(value is not None for value in column)
        and all(value is None or (isinstance(value, _NUMBER) and not isinstance(value, bool)) for value in column)
        for column in columns
    ]
    return Cells([*map(printable, table.columns)], [[cell(value) for value in column] for column in columns], numeric)


def cell(value: Any) -> str:
    """Return a value as a table shows it.

    Examples
    --------
    >>> cell(0.1 + 0.2), cell(None), cell(True)
    ('0.3', '-', 'true')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):  # as a frame spells it
        return value.isoformat(" ", "milliseconds" if value.microsecond and not value.microsecond % 1000 else "auto")
    return printable(str(value))  # names come from files: no escape codes


def _cells_of_frame(frame: pl.DataFrame) -> Cells:
    texts = [_column_text(frame[name]) for name in frame.columns]
    return Cells([*map(printable, frame.columns)], texts, [kind.is_numeric() for kind in frame.dtypes])


def _column_text(series: pl.Series) -> list[str]:
    import polars as pl

    if isinstance(series.dtype, pl.Datetime):
        text = series.dt.strftime("%Y-%m-%d %H:%M:%S%.f")
    elif series.dtype.is_float() or isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum):
        return [cell(value) for value in series.to_list()]
    else:
        try:
            text = flat_column(series).cast(pl.String)
        except pl.exceptions.PolarsError:  # types that have no text of their own
            return [cell(value) for value in series.to_list()]
    return [printable(value or "") for value in text.fill_null("-").to_list()]


def flat_column(series: pl.Series) -> pl.Series:
    """Return a column that text formats can hold: lists and maps become JSON, bytes hexadecimal."""
    import polars as pl

    if series.dtype.is_nested() or series.dtype in {pl.Binary, pl.Object}:
        texts = [None if value is None else as_json(value).decode().strip('"') for value in series.to_list()]
        return pl.Series(series.name, texts, pl.String)
    return series


def as_json(value: Any) -> bytes:
    """Return a value as JSON with all digits of its decimals."""
    import orjson

    return orjson.dumps(value, default=_exact, option=orjson.OPT_NON_STR_KEYS)


def _exact(value: Any) -> Any:
    import orjson

    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return value.hex() if isinstance(value, bytes) else str(value)
