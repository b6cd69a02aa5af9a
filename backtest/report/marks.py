"""Figures of a comparison as marks of a drawing, numbers of a sentence and cells of a table."""

from __future__ import annotations

import math

from markupsafe import Markup

from backtest.formatting import exact, fixed, percent
from backtest.report import markup as m
from backtest.report.figures.panels import Mark
from backtest.report.tables import Cell
from backtest.studies.compared import ComparedRow, label_of, written


def change(row: ComparedRow) -> Mark:
    """Return the difference of a row as a mark."""
    often = f"lower in {percent(row.lower_frac)} of the draws, higher in {percent(row.higher_frac)}"
    return _mark(row, row.difference, row.difference_low, row.difference_high, f"; {often}", with_sign=True)


def level(row: ComparedRow) -> Mark:
    """Return the spread of a row as a mark."""
    return _mark(row, row.median, row.low, row.high, "")


def _mark(
    row: ComparedRow, median: float | None, low: float | None, high: float | None, more: str, with_sign: bool = False
) -> Mark:
    if median is None or low is None or high is None:
        return Mark(math.nan, math.nan, math.nan, "none", f"{row.alternative}: no such figure")
    text = signed(row, median) if with_sign else written(row, median)
    band = f"{text} ({written(row, low)} to {written(row, high)})"
    return Mark(median, low, high, text, f"{row.alternative}, {row.group or label_of(row.metric)}: {band}{more}")


def number(row: ComparedRow, value: float | None, *, with_sign: bool = False) -> Markup:
    """Return a value of a row as a number of a sentence."""
    text = signed(row, value) if with_sign else written(row, value)
    return m.number(text, exact(value) if value is not None else text)


def signed(row: ComparedRow, value: float | None) -> str:
    """Return a difference with its sign."""
    return f"+{written(row, value)}" if value and value > 0 else written(row, value)


def plain(row: ComparedRow) -> str:
    """Return the median of an index."""
    return "none" if row.median is None else fixed(row.median, 3)


def cell(row: ComparedRow, value: float | None) -> Cell:
    """Return a value of a row as a cell."""
    return Cell("none") if value is None else Cell(written(row, value), exact(value), value)
