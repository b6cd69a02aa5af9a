"""The figure of liquidations by minute: shorts above, longs below the axis, the running total under it."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import polars as pl

from backtest.formatting import whole_usd
from backtest.report.figures.axes import Box
from backtest.report.figures.drawing import (
    Drawing,
    bars,
    beside,
    clock,
    epoch,
    floats,
    label,
    level,
    line,
    time_axis,
    value_axis,
)  # fmt: skip
from backtest.report.figures.style import HEADING, SMALL, WIDE, Width


def liquidations(
    *, liquidations_per_minute: pl.DataFrame, start: datetime, end: datetime, width: Width = WIDE
) -> Drawing:
    """Draw liquidated notional per minute, of a long window per several minutes, and its running total.

    What lies before ``start`` is in the running total and nowhere else.
    """
    high, low = (200, 70) if width.narrow else (240, 80)
    d = Drawing("Liquidated notional per minute, long and short, and its running total", high + low + 74, width)
    span = (epoch(start), epoch(end))
    right = width.px - width.right
    bin_s = 60 * max(1, math.ceil((span[1] - span[0]) / 60 / ((right - width.left) / 3)))
    rows = _binned(liquidations_per_minute, bin_s)
    t, longs, shorts = (floats(rows, name) for name in ("t", "long_usd", "short_usd"))
    peak = float(np.max([longs, shorts]))
    reach = (-max(float(longs.max()), peak * 0.14) * 1.1, max(float(shorts.max()), peak * 0.14) * 1.25)
    axes = d.axes(Box(width.left, 24, right, 24 + high), span, reach, timed=True)
    bars(axes, t, t + bin_s, 0, -longs, "long", gap_px=0.6)
    bars(axes, t, t + bin_s, 0, shorts, "short", gap_px=0.6)
    level(axes)
    value_axis(axes, 6, divisor=1e6, mirrored=True)
    unit = f"M USD {'per minute' if bin_s == 60 else f'per {bin_s // 60} minutes'}"
    label(axes, 0, 1, unit, dy=14, size=SMALL, within="axes")
    busy_left = longs[t < span[0] + (span[1] - span[0]) * 0.25].sum() > 0
    for side, dy in (("short", 11), ("long", -13)):
        place = {"align": "right", "dx": -4} if busy_left else {"align": "left", "dx": 4}
        at = span[1] if busy_left else span[0]
        label(axes, at, 0, f"{side}s", f"{side}-text", dy=dy, size=HEADING, bold=True, **place)  # type: ignore[arg-type]
    top = int(np.argmax(longs + shorts))
    words = f"{clock(t[top], '%H:%M')}: {(longs[top] + shorts[top]) / 1e6:,.3g} M"
    beside(axes, t[top] + bin_s, -longs[top], words, dy=7)
    _total(d, rows, axes.bbox.y0, span)
    total = np.cumsum(longs + shorts)
    titles = [
        f"{clock(row['t'], '%H:%M')} UTC · longs {whole_usd(row['long_usd'])} · shorts {whole_usd(row['short_usd'])} · "
        f"{row['liquidations']:,} liquidations · total {whole_usd(sum_usd)}"
        for row, sum_usd in zip(rows.iter_rows(named=True), total.tolist(), strict=True)
    ]
    d.hover(axes, t, t + bin_s, titles, down_to=d.all_axes[-1])
    return d


def _binned(minutes: pl.DataFrame, bin_s: int) -> pl.DataFrame:
    """Return sums per ``bin_s`` seconds; ``t`` is the start of a bin."""
    start = (pl.col("minute_ts").dt.timestamp("ms") // 1000 // bin_s * bin_s).alias("t")
    money = pl.col("long_usd", "short_usd").cast(pl.Float64).sum()
    return minutes.group_by(start).agg(money, pl.col("liquidations").sum()).sort("t")


def _total(d: Drawing, rows: pl.DataFrame, above_px: float, span: tuple[float, float]) -> None:
    """Draw the running total as steps under the bars."""
    t, total = floats(rows, "t"), np.cumsum(floats(rows, "long_usd") + floats(rows, "short_usd"))
    top, last = d.height - above_px + 20, float(total[-1])
    box = Box(d.width.left, top, d.width.px - d.width.right, d.height - 30)
    axes = d.axes(box, span, (0.0, last * 1.08), timed=True)
    line(axes, [min(span[0], *t), *t, span[1]], [0.0, *total, last], "ink", 1.6, drawstyle="steps-post")
    value_axis(axes, 2, divisor=1e6)
    label(axes, 0, 1, "running total, M USD", "ink", dx=4, dy=4, bold=True, within="axes")
    place = {"dx": 0, "dy": 9, "align": "right"} if d.width.narrow else {"dx": 6}
    label(axes, span[1], last, f"{last / 1e6:,.4g} M", "ink", **place)
    time_axis(axes, d.width.times)
