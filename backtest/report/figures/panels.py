"""Small multiples: a panel for each alternative, its rows as medians with bands, on axes that all panels share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.report.figures.axes import Axes, Box
from backtest.report.figures.drawing import Drawing, bars, dots, label, number_axis, vertical
from backtest.report.figures.style import SMALL, WIDE, Width

ROW, HEAD, FOOT = 21, 30, 24  # pixels of a row, over and under the rows of a panel
NAMES, NUMBERS = (
    {"wide": 178, "phone": 126},
    84,
)  # pixels of the names left of a panel, of the numbers right of its axis
LETTER = 6.3  # pixels, of the widest that is usual


@dataclass(frozen=True, slots=True)
class Mark:
    """A median with the ends of its band, as text and in words; not-a-number where there is none."""

    median: float
    low: float
    high: float
    text: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of every panel: its name, its colour and a mark for each panel."""

    name: str
    colour: str
    marks: tuple[Mark, ...]

    @property
    def size(self) -> float:
        """Return the largest distance from zero, 1 where there is none."""
        ends = np.array([(mark.low, mark.median, mark.high) for mark in self.marks])
        known = np.abs(ends[~np.isnan(ends)])
        return float(known.max()) if known.size and known.max() > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Where panels stand: columns, and the boxes of their axes."""

    columns: int
    boxes: tuple[Box, ...]
    height: int

    @staticmethod
    def of(count: int, left: float, right: float, tall: float, width: Width, most: int = 3) -> Grid:
        """Return the grid of some panels: ``left`` and ``right`` are margins of the page, ``tall`` pixels of axes."""
        columns = 1 if width.narrow else math.ceil(count / math.ceil(count / most))
        cell = (width.px - left) / columns
        boxes = []
        for k in range(count):
            row, column = divmod(k, columns)
            x, y = left + column * cell, row * (tall + HEAD + FOOT) + HEAD
            boxes.append(Box(x, y, x + cell - right, y + tall))
        return Grid(columns, tuple(boxes), math.ceil(count / columns) * round(tall + HEAD + FOOT))


def shortened(name: str, px: float) -> str:
    """Return a name that fits into some pixels.

    Examples
    --------
    >>> shortened("water_filling", 60.0), shortened("queue", 60.0)
    ('water_f…', 'queue')
    """
    most = max(int(px / LETTER), 4)
    return name if len(name) <= most else f"{name[: most - 2]}…"


def strips(
    title: str, panels: Sequence[str], rows: Sequence[Row], *, unit: float | None = None, width: Width = WIDE
) -> Drawing:
    """Draw each row of each panel as a dot with its band, the number of the median beside it.

    Parameters
    ----------
    unit
        What the axis counts by, one axis for all rows; None: each row has a scale of its own, the same in all panels,
        with zero in the middle.
    """
    left = NAMES[width.name]
    grid = Grid.of(len(panels), left, NUMBERS, ROW * len(rows), width)
    d = Drawing(title, grid.height, width)
    ends = _ends(rows) if unit is not None else (-1.06, 1.06)
    for k, (name, box) in enumerate(zip(panels, grid.boxes, strict=True)):
        axes = d.axes(box, ends, (len(rows) - 0.5, -0.5))
        label(axes, 0, 1, shortened(name, box.right - box.left + NUMBERS), "ink", dy=12, bold=True, within="axes")
        vertical(axes, 0.0, "grey")
        if unit is not None:
            number_axis(axes, 2 if width.narrow else 3, divisor=unit)
        for place, row in enumerate(rows):
            if k % grid.columns == 0:
                label(axes, ends[0], place, shortened(row.name, left - 10), dx=-left + 2, size=SMALL)
            _mark(d, axes, place, row, row.marks[k], 1.0 if unit is not None else row.size)
    return d


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the range of an axis for all rows, zero within."""
    found = np.array([(mark.low, mark.median, mark.high) for row in rows for mark in row.marks]).ravel()
    known = np.append(found[~np.isnan(found)], 0.0)
    low, high = float(known.min()), float(known.max())
    room = ((high - low) or 1.0) * 0.05
    return (low - room if low < 0 else -room / 2, high + room if high > 0 else room / 2)


def _mark(d: Drawing, axes: Axes, place: int, row: Row, mark: Mark, size: float) -> None:
    d.hover(axes, [axes.x[0]], [axes.x[1]], [mark.words], y0=place - 0.5, y1=place + 0.5)
    label(axes, axes.x[1], place, mark.text, "ink", dx=6, size=SMALL)
    if math.isnan(mark.median):
        return
    half = 2.4 / ROW
    bars(axes, mark.low / size, mark.high / size, place - half, place + half, row.colour, alpha=0.4)
    dots(axes, mark.median / size, place, row.colour, 3.4)
