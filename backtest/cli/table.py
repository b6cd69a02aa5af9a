"""Tables for readers: numbers to the right, decimals exactly, nulls as a dash, wrapped on a narrow terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.errors import printable
from backtest.masking import mask

if TYPE_CHECKING:
    import polars as pl

ROWS_AT_A_TIME = 20_000
GAP = 2  # spaces between columns
LONG_WORD = 40  # a longer one may be broken to fit a terminal
_NUMBER = (int, float, Decimal)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values under named columns; a data frame of them is made only where one is needed."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def frame(self) -> pl.DataFrame:
        """Return the table as a polars frame."""
        import polars as pl

        return pl.DataFrame(
            {name: [row[place] for row in self.rows] for place, name in enumerate(self.columns)}, strict=False
        )


@dataclass(frozen=True, slots=True)
class Cells:
    """The text of every cell, column by column, and which columns are numbers."""

    names: Sequence[str]
    texts: Sequence[Sequence[str]]
    numeric: Sequence[bool]


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """Return rows as a table with all columns, even if there is no row."""
    return Table(tuple(columns), tuple(tuple(row[name] for name in columns) for row in rows))


def masked(table: Table) -> Table:
    """Return a table without secrets in its texts."""
    rows = (tuple(mask(cell) if isinstance(cell, str) else cell for cell in row) for row in table.rows)
    return Table(table.columns, tuple(rows))


def table_text(table: Table | pl.DataFrame, width: int | None = None) -> Iterator[str]:
    """Yield an aligned table in pieces.

    Parameters
    ----------
    table
        The table.
    width
        Columns of the terminal: wider texts are wrapped, numbers never. None keeps every row on one line.
    """
    cells = _cells_of_table(table) if isinstance(table, Table) else _cells_of_frame(table)
    widths = [max(len(name), *map(len, texts), 1) for name, texts in zip(cells.names, cells.texts, strict=True)]
    if width and _total(widths) > width:
        least = [
            full if number else _longest_word((name, *texts))
            for name, texts, number, full in zip(cells.names, cells.texts, cells.numeric, widths, strict=True)
        ]
        if widths != least:
            yield from _wrapped(cells, fitted(widths, least, width))
            return
    yield "".join(_line(cells.names, widths, cells.numeric)) + "  ".join("-" * each for each in widths) + "\n"
    for start in range(0, len(cells.texts[0]), ROWS_AT_A_TIME):
        pieces = zip(*(text[start : start + ROWS_AT_A_TIME] for text in cells.texts), strict=True)
        yield "".join(_line(row, widths, cells.numeric) for row in pieces)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _longest_word(texts: Iterable[str]) -> int:
    return min(LONG_WORD, max((len(word) for text in texts for word in text.split()), default=1))


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    aligned = (text.rjust(width) if number else text.ljust(width)
               for text, width, number in zip(row, widths, numeric, strict=True))  # fmt: skip
    return "  ".join(aligned).rstrip() + "\n"


def fitted(widths: Sequence[int], least: Sequence[int], total: int) -> list[int]:
    """Return widths with the widest columns narrowed until a table fits, or each column is as narrow as it may be.

    Examples
    --------
    >>> fitted([10, 60, 30], [10, 20, 20], 80)
    [10, 36, 30]
    """
    out = list(widths)
    while _total(out) > total and (free := [place for place, width in enumerate(out) if width > least[place]]):
        out[max(free, key=out.__getitem__)] -= 1
    return out


def _wrapped(cells: Cells, widths: Sequence[int]) -> Iterator[str]:
    """Yield a table whose texts are wrapped to the widths."""
    import io

    from rich.console import Console
    from rich.rule import Rule
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, GAP, 0, 0))
    for number, width in zip(cells.numeric, widths, strict=True):
        grid.add_column(justify="right" if number else "left", width=width, overflow="fold")
    grid.add_row(*map(Text, cells.names))
    grid.add_row(*(Rule(characters="-", style="none") for _ in cells.names))
    for row in zip(*cells.texts, strict=True):
        grid.add_row(*map(Text, row))
    page = io.StringIO()
    Console(file=page, width=_total(widths) + GAP, color_system=None, legacy_windows=False).print(grid)
    for line in page.getvalue().splitlines():
        yield line.rstrip() + "\n"


def _cells_of_table(table: Table) -> Cells:
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    numeric = [
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
    if isinstance(value, dt.datetime):
        return str(value)
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
