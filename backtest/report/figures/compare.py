"""The figures of a comparison: Lorenz curves of what ADL closed, a panel for each alternative on common axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Floats
from backtest.report.figures.axes import Box
from backtest.report.figures.drawing import Drawing, bars, label, line, number_axis, value_axis
from backtest.report.figures.panels import FOOT, HEAD, shortened
from backtest.report.figures.style import SMALL, WIDE, Width

TALL = 132


@dataclass(frozen=True, slots=True)
class Curve:
    """Lorenz curves of an alternative over draws, shape (draws, shares), and lines of words under its name."""

    name: str
    values: Floats
    notes: tuple[str, ...]


def lorenz_panels(*, curves: Sequence[Curve], shares: Floats, width: Width = WIDE) -> Drawing:
    """Draw the median curve of each alternative with its 5 to 95 % band, even shares and the base beside it."""
    columns = width.columns
    cell, rows = width.px / columns, -(-len(curves) // columns)
    d = Drawing("Lorenz curves of what ADL closed, by alternative", rows * (TALL + HEAD + FOOT + 14), width)
    x, base = shares * 100, _quantiles(curves[0].values)
    for k, curve in enumerate(curves):
        row, column = divmod(k, columns)
        left, top = column * cell + 34, row * (TALL + HEAD + FOOT + 14) + HEAD
        axes = d.axes(Box(left, top, (column + 1) * cell - 12, top + TALL), (0, 100), (0, 100))
        value_axis(axes, 2)
        number_axis(axes, 2)
        label(axes, 0, 1, shortened(curve.name, cell - 46), "ink", dy=12, bold=True, within="axes")
        line(axes, [0, 100], [0, 100], "line", 1.2)
        found = _quantiles(curve.values)
        if base is not None and k:
            line(axes, x, base[1], "grey", 1.2, dashes=(4, 3))
        if found is None:
            label(axes, 0.5, 0.5, "no ADL", align="center", within="axes")
            continue
        low, median, high = found
        middle = (x[1:] + x[:-1]) / 2
        edges = np.concatenate([[x[0]], middle, [x[-1]]])
        bars(axes, edges[:-1], edges[1:], low, high, "adl", alpha=0.3)
        line(axes, x, median, "adl", 2.0)
        for at, words in enumerate(curve.notes):
            label(axes, 0.05, 0.9 - at * 0.12, words, "adl-text" if not at else "grey", size=SMALL, within="axes")
        ends = (x[:-1], x[1:])
        titles = [
            f"{curve.name}: the smallest {a:.0f} % of accounts have {b:.1f} % of what was closed ({c:.1f} to {e:.1f} %)"
            for a, b, c, e in zip(x[1:], median[1:], low[1:], high[1:], strict=True)
        ]
        d.hover(axes, *ends, titles)
    return d


def _quantiles(values: Floats) -> tuple[Floats, Floats, Floats] | None:
    """Return the 5 %, 50 % and 95 % points of the draws that have a curve, in per cent; None if none has."""
    known = values[~np.isnan(values).any(axis=1)]
    if not len(known):
        return None
    low, median, high = np.quantile(known, (0.05, 0.5, 0.95), axis=0) * 100
    return low, median, high
