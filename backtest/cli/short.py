"""Values as short as a reader on a terminal wants them: ``2,884 M``, ``-18.2 %``, ``21:16:04``, ``BTC``.

What a column holds is known by the unit at the end of its name. ``--exact`` and every other format keep all digits.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.cli.layout import Cells
from backtest.cli.table import Table, cell, flat_column
from backtest.formatting import SPACE, coin, percent, price, significant

if TYPE_CHECKING:
    import polars as pl

Number = int | float | Decimal
SYMBOL = re.compile(r"[\w-]+/[\w-]+:[\w-]+")
ROUNDED = 5  # significant digits of a number without a known unit
AS_THEY_ARE = ("_id", "seed", "number", "year", "_no")  # ends of names of whole numbers that count nothing


def money(value: Number) -> str:
    """Return an amount in the unit that suits it, to three digits or whole thousands of it.

    Examples
    --------
    >>> [money(v) for v in (2_884_123_456.7, 171_506, -22_300, 12.3456, 0)]
    ['2,884 M', '172 k', '−22.3 k', '12.3', '0']
    """
    for unit, size in (("M", 10**6), ("k", 1000)):
        if abs(float(value)) >= 0.9995 * size:
            each = value / size if isinstance(value, float) else Decimal(value) / size
            return f"{significant(each, max(3, Decimal(str(each)).adjusted() + 1))} {unit}"
    return significant(value)


def share(value: Number) -> str:
    """Return a share as per cent.

    Examples
    --------
    >>> share(-0.1824), share(1.0)
    ('−18.2 %', '100 %')
    """
    return percent(value).replace(SPACE, " ").replace(".0 %", " %" if abs(float(value)) >= 0.9995 else ".0 %")


def plain(value: Number) -> str:
    """Return a number with thousands separators and at most five significant digits after a point.

    Examples
    --------
    >>> plain(14187), plain(0.1 + 0.2), plain(1234567.891), plain(Decimal("2.500000"))
    ('14,187', '0.3', '1,234,568', '2.5')
    """
    if isinstance(value, int):
        return f"{value:,}"
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 10 ** (ROUNDED - 1) else f"{number:,.{ROUNDED}g}"


KINDS: dict[str, Callable[[Number], str]] = {"_usd": money, "_frac": share, "_px": price}  # by the end of the name


def short_texts(name: str, values: Sequence[Any]) -> list[str]:
    """Return the texts of a column; a symbol is its coin where no other has the same, a day that all share is left out.

    Examples
    --------
    >>> short_texts("symbol", ["BTC/USDC:USDC", None]), short_texts("symbol", ["BTC/USDC:USDC", "BTC/USD:BTC"])
    (['BTC', '-'], ['BTC/USDC:USDC', 'BTC/USD:BTC'])
    >>> short_texts("ts", [dt.datetime(2025, 10, 10, 21, 16, 4, 5), dt.datetime(2025, 10, 10, 22)])
    ['21:16:04', '22:00:00']
    """
    present = [value for value in values if value is not None]
    spell: Callable[[Any], str] = cell
    if any(isinstance(value, dt.datetime) for value in present):
        spell = _moment if day_of(values) is None else _clock
    elif present and all(isinstance(value, Number) and not isinstance(value, bool) for value in present):
        kind = next((kind for end, kind in KINDS.items() if name.endswith(end)), None)
        spell = kind or (str if name.endswith(AS_THEY_ARE) else plain)
        spell = _finite(spell)
    elif any(isinstance(value, str) and SYMBOL.search(value) for value in present):
        found = {symbol for value in present if isinstance(value, str) for symbol in SYMBOL.findall(value)}
        if len({coin(symbol) for symbol in found}) == len(found):
            spell = _coins
    return ["-" if value is None else spell(value) for value in values]


def day_of(values: Sequence[Any]) -> dt.date | None:
    """Return the day that all times of a column share, None where it has no two times or they are of several days."""
    days = {value.date() for value in values if isinstance(value, dt.datetime)}
    return next(iter(days)) if len(days) == 1 and len(values) > 1 else None


def _finite(spell: Callable[[Number], str]) -> Callable[[Any], str]:
    return lambda value: spell(value) if math.isfinite(value) else cell(value)


def _clock(value: dt.datetime) -> str:
    return f"{value:%H:%M:%S}"


def _moment(value: dt.datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"


def _coins(value: str) -> str:
    texts = SYMBOL.sub(lambda found: coin(found[0]), value)
    return cell(texts.replace(",", ", ") if "/" not in texts else texts)


def short_cells(answer: Table | pl.DataFrame) -> Cells:
    """Return a table as short texts."""
    if isinstance(answer, Table):
        names = answer.columns
        columns = [list(column) for column in zip(*answer.rows, strict=True)] or [[] for _ in names]
    else:
        names = tuple(answer.columns)
        columns = [flat_column(series).to_list() for series in answer.get_columns()]
    numeric = [
        any(value is not None for value in column)
        and all(value is None or (isinstance(value, Number) and not isinstance(value, bool)) for value in column)
        for column in columns
    ]
    texts = [short_texts(name, column) for name, column in zip(names, columns, strict=True)]
    days = sorted({str(day) for day in map(day_of, columns) if day is not None})
    left_out = f"times of {', '.join(days)} UTC; --exact shows all digits" if days else ""
    return Cells(list(map(cell, names)), texts, numeric, left_out)
