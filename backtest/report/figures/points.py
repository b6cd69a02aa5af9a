"""Points of a line: those that a crop shows, and those that its pixels can show."""

from __future__ import annotations

from typing import Any

import numpy as np

from backtest.report.figures.axes import Axes, Range

Array = np.ndarray[Any, np.dtype[Any]]


def shown(t: Array, span: Range) -> slice:
    """Return the points inside ``span`` and the one on either side.

    Examples
    --------
    >>> shown(np.array([0.0, 10.0, 20.0, 30.0, 40.0]), (15.0, 25.0))
    slice(1, 4, None)
    """
    first, last = np.searchsorted(t, span[0], side="right"), np.searchsorted(t, span[1], side="left")
    return slice(max(int(first) - 1, 0), int(last) + 1)


def thinned(axes: Axes, t: Array, values: Array) -> tuple[Array, Array]:
    """Return of the points of each pixel the first, the lowest, the highest and the last."""
    if not len(t):
        return t, values
    column = np.floor(axes.data.transform(np.column_stack([t, np.zeros(len(t))]))[:, 0])
    ends = np.append(np.flatnonzero(np.diff(column)) + 1, len(t))
    kept: set[int] = set()
    for first, last in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        part = values[first:last]
        kept |= {first, last - 1, first + int(np.argmin(part)), first + int(np.argmax(part))}
    at = sorted(kept)
    return t[at], values[at]
