"""Tables as HTML: cells with their exact value, columns declared line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from backtest import formatting
from backtest.formatting import NONE, exact, minus, significant
from backtest.report.markup import fill, join

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, its exact value when pointed at, and the value it sorts by."""

    text: Any
    title: str = ""
    sort: Any = None


def _text(value: Any) -> Cell:
    """Show a name, or markup as it is."""
    return Cell(NONE if value is None else value if isinstance(value, Markup) else str(value))


def _count(value: Any) -> Cell:
    return Cell(formatting.count(value), sort=value)


def cents(value: Any) -> Cell:
    """Show dollars to the cent, every digit when pointed at.

    Examples
    --------
    >>> from decimal import Decimal
    >>> cents(Decimal("-1234.567891"))
    Cell(text='−1,234.57', title='−1,234.567891 USD', sort=-1234.567891)
    """
    return Cell(NONE) if value is None else Cell(formatting.fixed(value, 2), f"{exact(value)} USD", float(value))


def _price(value: Any) -> Cell:
    """Show a price with up to eight digits."""
    if value is None:
        return Cell(NONE)
    text = f"{float(value):,.8g}"
    return Cell(text if "e" not in text else formatting.fixed(float(value), 6), exact(value), value)


def _percent(value: Any) -> Cell:
    """Show a fraction as per cent with two decimals."""
    if value is None:
        return Cell(NONE)
    return Cell(minus(f"{value * 100:,.2f}"), f"{exact(Decimal(str(value)) * 100)} %", value)


def _rounded(value: Any) -> Cell:
    """Show a ratio, score or leverage with four significant figures."""
    return Cell(NONE) if value is None else Cell(significant(value, 4), exact(value), value)


def _clock(value: datetime | None) -> Cell:
    """Show a time of day, the date when pointed at."""
    return Cell(NONE) if value is None else Cell(formatting.clock(value), f"{exact(value)} UTC", value.isoformat())


def _moment(value: datetime | None) -> Cell:
    """Show date and time to the minute, the year when pointed at."""
    return Cell(NONE) if value is None else Cell(f"{value:%d %b %H:%M}", exact(value), value.isoformat())


def _side(value: Any) -> Cell:
    """Show long or short in its colour."""
    known = value if value in {"long", "short"} else "none"
    return Cell(fill('<span class="side {known}">{value}</span>', known=known, value=value))


def _cell(value: Cell | None) -> Cell:
    """Show a cell that the caller made."""
    return value or Cell(NONE)


KINDS: dict[str, Callable[[Any], Cell]] = {
    "text": _text,
    "head": _text,
    "side": _side,
    "count": _count,
    "cents": cents,
    "price": _price,
    "percent": _percent,
    "rounded": _rounded,
    "clock": _clock,
    "moment": _moment,
    "cell": _cell,
}
_LEFT = {"text", "head", "side"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its value, how it is shown (a name of ``KINDS``) and its heading."""

    key: str
    kind: str
    title: str

    @property
    def align(self) -> Markup:
        """Return the class attribute that lines numbers up on the right."""
        return Markup("" if self.kind in _LEFT else ' class="num"')


def columns(lines: str) -> tuple[Column, ...]:
    """Read columns from lines of key, kind and heading.

    Examples
    --------
    >>> columns("low_px price lowest trade")
    (Column(key='low_px', kind='price', title='lowest trade'),)
    """
    parts = (line.split(None, 2) for line in lines.strip().splitlines())
    return tuple(Column(key, kind, title[0] if title else "") for key, kind, *title in parts)


def table(
    rows: Iterable[Row], columns: Sequence[Column], *, kind: str = "", row_class: Callable[[Row], str] = lambda row: ""
) -> Markup:
    """Return a table in its own scrolling box; ``kind`` is a class, "sortable" makes the script sort it.

    A row with only the key ``span`` is a remark across all columns.
    """
    heads = join(fill('<th scope="col"{c}>{t}</th>', c=column.align, t=column.title) for column in columns)
    body = join(_row(row, columns, row_class(row)) for row in rows)
    made = '<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return scrolling(fill(made, kind=kind, heads=heads, body=body))


def scrolling(made: Markup) -> Markup:
    """Return a box that scrolls sideways on its own, so that the page does not."""
    return fill('<div class="scroll" tabindex="0">{made}</div>', made=made)


def _row(row: Row, columns: Sequence[Column], kind: str) -> Markup:
    if "span" in row:
        return fill('<tr class="more"><td colspan="{n}">{words}</td></tr>', n=len(columns), words=row["span"])
    cells = join(_td(column, KINDS[column.kind](row.get(column.key))) for column in columns)
    return fill("<tr{c}>{cells}</tr>", c=fill(' class="{k}"', k=kind) if kind else "", cells=cells)


def _td(column: Column, cell: Cell) -> Markup:
    # without `fill`, whose formatter took half of a table's time
    title = f' title="{escape(cell.title)}"' if cell.title and cell.title != cell.text else ""
    sort = f' data-v="{escape(cell.sort)}"' if cell.sort is not None and str(cell.sort) != cell.text else ""
    inner = f"{escape(column.align)}{title}{sort}>{escape(cell.text)}"
    return Markup(f'<th scope="row"{inner}</th>' if column.kind == "head" else f"<td{inner}</td>")
