"""The figures of a fund study: ADL against size, the smallest size and the smallest fall of each draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backtest.formatting import percent, usd
from backtest.report.figures.axes import Axes, Box
from backtest.report.figures.drawing import Drawing, bars, dots, label, level, line, number_axis, value_axis, vertical
from backtest.report.figures.style import SMALL, WIDE, Width

MILLION = 1e6
BETWEEN = 36  # pixels between the two axes of the curve


def adl_by_size(
    *, curve: Sequence[dict[str, Any]], smallest: Sequence[float], marks: Sequence[tuple[float, str, str]],
    width: Width = WIDE,
) -> Drawing:  # fmt: skip
    """Draw ADL over the size of the pool with its band, and below it the share of the draws that have some.

    Parameters
    ----------
    curve
        Rows of ``fund_rows.curve``.
    smallest
        The smallest sufficient size of each draw, infinite where there is none.
    marks
        Sizes to name: USD, words and colour.
    """
    d = Drawing("ADL against the size of the pool", 400, width)
    sizes = np.array([row["size_usd"] for row in curve])
    x = np.log10(sizes)
    room = 0.02 * float(np.ptp(x) or 1.0)
    ends = (float(x[0]) - room, float(x[-1]) + room)
    left, right = width.left, width.px - width.right
    low, median, high = (
        np.array([row[name] or 0.0 for row in curve]) for name in ("adl_low_usd", "adl_usd", "adl_high_usd")
    )
    upper = d.axes(Box(left, 44, right, 210), ends, (0, (float(high.max()) or MILLION) * (1.06 + 0.12 * len(marks))))
    value_axis(upper, 4, divisor=MILLION)
    level(upper)
    bars(upper, x - 0.02 * np.ptp(x) / 2, x + 0.02 * np.ptp(x) / 2, low, high, "adl", alpha=0.35)
    line(upper, x, median, "adl", 2.0)
    dots(upper, x, median, "adl", 3.2)
    label(upper, 0, 1, "closed by ADL, M USD: median and 5 to 95 %", "adl-text", dy=12, bold=True, within="axes")
    lower = d.axes(Box(left, 210 + BETWEEN, right, 340), ends, (0, 1.02))
    value_axis(lower, 2, divisor=0.01, suffix=" %")
    level(lower)
    line(lower, x, [row["p_adl"] for row in curve], "adl", 1.6, dashes=(4, 3))
    known = np.sort(np.array(smallest))
    share = 1 - np.arange(1, len(known) + 1) / len(known)
    inside = np.isfinite(known)
    at = np.concatenate([[ends[0]], np.log10(np.maximum(known[inside], sizes[0])), [ends[1]]])
    steps = np.concatenate([[1.0], share[inside]])
    line(lower, at, np.append(steps, steps[-1]), "pool", 2.0, drawstyle="steps-post")
    words = "share of the draws with ADL (dashed), and with ADL that a larger one prevents"
    label(
        lower,
        0,
        1,
        "draws with ADL (dashed), preventable" if width.narrow else words,
        "pool-text",
        dy=12,
        bold=True,
        within="axes",
    )
    _sizes(lower, ends, width)
    for place, (size, text, colour) in enumerate(marks):
        spot = float(np.clip(np.log10(size), *ends))
        for axes in (upper, lower):
            vertical(axes, spot, colour, 1.4)
        late = spot > ends[0] + 0.6 * (ends[1] - ends[0])
        label(upper, spot, upper.y[1], text, f"{colour}-text" if colour == "pool" else colour, dx=-6 if late else 6,
              dy=-10 - 16 * place, align="right" if late else "left", bold=colour == "pool")  # fmt: skip
    half = float(np.min(np.diff(x))) / 2 if len(x) > 1 else 0.5
    titles = list(map(_words, curve))
    d.hover(upper, x - half, x + half, titles, down_to=lower)
    return d


def _words(row: dict[str, Any]) -> str:
    adl = f"ADL {usd(row['adl_usd'])} ({usd(row['adl_low_usd'])} to {usd(row['adl_high_usd'])})"
    often = f"in {percent(row['p_adl'])} of the draws; preventable in {percent(row['p_preventable'])}"
    return f"{usd(row['size_usd'])}: {adl}, {often}"


def _sizes(axes: Axes, ends: tuple[float, float], width: Width) -> None:
    """Write sizes under a logarithmic axis."""
    for power in range(int(np.ceil(ends[0])), int(np.floor(ends[1])) + 1):
        label(axes, power, 0, usd(10.0**power), dy=-13, size=SMALL, align="center", within="foot")
    words = "size, logarithmic" if width.narrow else "size of fund or vaults together, logarithmic"
    label(axes, 0.5, 0, words, dy=-33, size=SMALL, align="center", within="axes")


def by_draw(*, values: Sequence[float], words: str, titles: Sequence[str], one: str, width: Width = WIDE) -> Drawing:
    """Draw a factor of each draw as a dot, the smallest first, with a line at 1, the day itself."""
    d = Drawing(words, 190, width)
    order = sorted(range(len(values)), key=lambda k: values[k])
    shown = np.array([values[k] for k in order])
    top = float(max(shown[np.isfinite(shown)].max(initial=1.0), 1.0)) * 1.08
    axes = d.axes(Box(width.left, 28, width.px - width.right, 150), (0, top), (-0.6, len(values) - 0.4))
    number_axis(axes, 5, name=words)
    vertical(axes, 1.0, "grey")
    label(axes, 1.0, axes.y[1], one, dx=-5, dy=10, align="right", size=SMALL)
    place = np.arange(len(values), dtype=float)
    finite = np.isfinite(shown)
    dots(axes, shown[finite], place[finite], "pool", 3.4)
    half = 0.02 * top
    d_hover = [titles[k] for k in order]
    for k in np.flatnonzero(finite).tolist():
        d.hover(axes, [shown[k] - half], [shown[k] + half], [d_hover[k]], y0=k - 0.5, y1=k + 0.5)
    return d
