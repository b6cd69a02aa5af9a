"""Tables and figures as markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from backtest.report.figures.canvas import COLOURS, both_widths
from backtest.report.numbers import NONE, exact_text, minus, say, significant

Row = dict[str, Any]
_COLOUR = re.compile("|".join(COLOURS.values()))
_ROLE = {value: role for role, value in COLOURS.items()}


# --- cells ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, its exact value when pointed at, and the value it sorts by."""

    text: Any
    title: str = ""
    sort: Any = None


def words(value: Any) -> Cell:
    """Show a name, or markup as it is."""
    return Cell(NONE if value is None else value if isinstance(value, Markup) else str(value))


def whole(value: Any) -> Cell:
    """Show a count."""
    return Cell(exact_text(None if value is None else int(value)), sort=value)


def cents(value: Any) -> Cell:
    """Show dollars to the cent, every digit when pointed at.

    Examples
    --------
    >>> cents(Decimal("-1234.567891"))
    Cell(text='−1,234.57', title='−1,234.567891 USD', sort=-1234.567891)
    """
    if value is None:
        return Cell(NONE)
    text = minus(f"{value:,.2f}")
    return Cell("0.00" if text == "−0.00" else text, f"{exact_text(value)} USD", float(value))


def micros(value: Any) -> Cell:
    """Show dollars with all six decimals of the ledger."""
    return Cell(NONE if value is None else exact_text(Decimal(str(value)).quantize(Decimal("1e-6"))), sort=value)


def price(value: Any) -> Cell:
    """Show a price with up to eight digits, every digit when pointed at."""
    if value is None:
        return Cell(NONE)
    text = f"{float(value):,.8g}"
    return Cell(text if "e" not in text else f"{float(value):,.6f}", exact_text(value), value)


def per_cent(value: Any) -> Cell:
    """Show a fraction as per cent with two decimals."""
    return Cell(NONE) if value is None else Cell(minus(f"{value * 100:,.2f}"), exact_text(value), value)


def rounded(value: Any) -> Cell:
    """Show a ratio, score or leverage with four significant figures."""
    return Cell(NONE) if value is None else Cell(significant(value, 4), exact_text(value), value)


def clock(value: datetime | None) -> Cell:
    """Show a time of day, the date when pointed at."""
    if value is None:
        return Cell(NONE)
    return Cell(f"{value:%H:%M:%S}", f"{exact_text(value)} UTC", value.isoformat())


def moment(value: datetime | None) -> Cell:
    """Show date and time to the minute, the year when pointed at."""
    return Cell(NONE) if value is None else Cell(f"{value:%d %b %H:%M}", exact_text(value), value.isoformat())


def side(value: Any) -> Cell:
    """Show long or short in its colour."""
    known = value if value in {"long", "short"} else "none"
    return Cell(say('<span class="side {known}">{value}</span>', known=known, value=value))


def head(value: Any) -> Cell:
    """Show what the row is about."""
    return words(value)


def given(value: Cell | None) -> Cell:
    """Show a number that was made ready by the caller."""
    return value or Cell(NONE)


# --- tables --------------------------------------------------------------------------------------------------

KINDS: dict[str, Callable[[Any], Cell]] = {
    "words": words,
    "head": head,
    "side": side,
    "whole": whole,
    "cents": cents,
    "micros": micros,
    "price": price,
    "per_cent": per_cent,
    "rounded": rounded,
    "clock": clock,
    "moment": moment,
    "given": given,
}
_TEXT = {"words", "head", "side"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: where its value is, how it is shown (a name of ``KINDS``) and what stands above it."""

    key: str
    kind: str
    title: str

    @property
    def align(self) -> Markup:
        """Return the class attribute that lines numbers up on the right."""
        return Markup("" if self.kind in _TEXT else ' class="num"')


def columns(rows: str) -> tuple[Column, ...]:
    """Read columns from lines of key, kind and heading.

    Examples
    --------
    >>> columns("low_px price lowest trade")
    (Column(key='low_px', kind='price', title='lowest trade'),)
    """
    parts = (line.split(None, 2) for line in rows.strip().splitlines())
    return tuple(Column(key, kind, title[0] if title else "") for key, kind, *title in parts)


def table(
    rows: Iterable[Row], columns: Sequence[Column], *, kind: str = "", row_class: Callable[[Row], str] = lambda row: ""
) -> Markup:
    """Return a table in its own scrolling box; ``kind`` is a class, "sortable" makes the script sort it.

    A row with only the key ``span`` is a remark across all columns.
    """
    heads = Markup("").join(say('<th scope="col"{c}>{t}</th>', c=column.align, t=column.title) for column in columns)
    body = Markup("").join(_row(row, columns, row_class(row)) for row in rows)
    made = '<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return scrolling(say(made, kind=kind, heads=heads, body=body))


def scrolling(made: Markup) -> Markup:
    """Return a box that scrolls sideways on its own, so that the page does not."""
    return say('<div class="scroll" tabindex="0">{made}</div>', made=made)


def _row(row: Row, columns: Sequence[Column], kind: str) -> Markup:
    if "span" in row:
        return say('<tr class="more"><td colspan="{n}">{words}</td></tr>', n=len(columns), words=row["span"])
    cells = Markup("").join(_cell(column, KINDS[column.kind](row.get(column.key))) for column in columns)
    return say("<tr{c}>{cells}</tr>", c=say(' class="{k}"', k=kind) if kind else "", cells=cells)


def _cell(column: Column, cell: Cell) -> Markup:
    title = say(' title="{t}"', t=cell.title) if cell.title and cell.title != cell.text else ""
    sort = say(' data-v="{s}"', s=cell.sort) if cell.sort is not None and str(cell.sort) != cell.text else ""
    tag = '<th scope="row"{a}{t}{s}>{text}</th>' if column.kind == "head" else "<td{a}{t}{s}>{text}</td>"
    return say(tag, a=column.align, t=title, s=sort, text=cell.text)


def bar(share: float, kind: str) -> Markup:
    """Return a bar of ``share`` (0 to 1) of its cell in the colour of ``kind``."""
    width = f"{min(max(share, 0.0), 1.0) * 100:.2f}%"
    return say('<span class="bar {kind}" style="width:{width}"></span>', kind=kind, width=width)


def bullets(items: Iterable[Any]) -> Markup:
    """Return a plain list."""
    return say("<ul>{items}</ul>", items=Markup("").join(say("<li>{i}</li>", i=item) for item in items))


def empty(reason: Any) -> Markup:
    """Return the sentence that stands where there is nothing to show."""
    return say('<p class="empty">{reason}</p>', reason=reason)


# --- figures -------------------------------------------------------------------------------------------------


def themed(svg: str) -> Markup:
    """Return a drawing whose colours are the page's variables, so that dark mode needs no second picture.

    Examples
    --------
    >>> themed('<path style="fill: #009e73"/>')
    Markup('<path style="fill: var(--long)"/>')
    """
    return Markup(_COLOUR.sub(lambda match: f"var(--{_ROLE[match[0]]})", svg))


def figure(draw: Callable[[int], str]) -> Markup:
    """Return a figure in two drawings, one for a page and one for a phone; the style shows one of them."""
    wide, phone = both_widths(draw)
    both = '<div class="drawing wide">{wide}</div><div class="drawing phone">{phone}</div>'
    return say(both, wide=themed(wide), phone=themed(phone))


def half_figure(svg: str) -> Markup:
    """Return a figure of half the page's width, which also fits a phone."""
    return say('<div class="drawing">{svg}</div>', svg=themed(svg))
