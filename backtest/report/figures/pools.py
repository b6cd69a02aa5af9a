"""The figure of the insurance fund or the vault: equity as steps, its lowest point named, cash below."""

from __future__ import annotations

import numpy as np
import polars as pl

from backtest.formatting import minus, whole_usd
from backtest.report.figures.axes import Box, Range
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    beside,
    clock,
    dots,
    floats,
    label,
    level,
    line,
    seconds,
    time_axis,
    value_axis,
)  # fmt: skip
from backtest.report.figures.points import shown, thinned
from backtest.report.figures.style import WIDE, Width

HOVER_PX = 6  # between places that answer to the pointer


def pool_balance(*, fund_balance: pl.DataFrame, pool: str, width: Width = WIDE, span: Range | None = None) -> Drawing:
    """Draw equity and cash of one fund or vault, over ``span`` (epoch seconds)."""
    d = Drawing(f"Equity and cash of the {pool}", 330, width)
    t, equity, cash = seconds(fund_balance["ts"]), floats(fund_balance, "equity_usd"), floats(fund_balance, "cash_usd")
    lowest = int(np.argmin(equity))
    low_t, low_usd = t[lowest], equity[lowest]
    span = span or (t[0], max(t[-1], t[0] + 1))
    some = shown(t, span)
    t, equity, cash = t[some], equity[some], cash[some]
    unit = _steps(d, "equity", t, equity, 26, 196, span)
    _steps(d, "cash", t, cash, 222, 292, span)
    upper, lower = d.all_axes
    if span[0] <= low_t <= span[1]:
        dots(upper, low_t, low_usd, "pool", 3.4)
        words = minus(f"lowest: {low_usd / unit:,.3g} at {clock(low_t)}")
        room = upper.data.transform((0, low_usd))[1] - upper.bbox.y0
        beside(upper, low_t, low_usd, words, "pool-text", dy=-14 if room > 14 else 14, bold=True)
    time_axis(lower, width.times)
    at = np.arange(0, len(t), max(1, int(len(t) * HOVER_PX / upper.bbox.width)))
    ends = t[np.minimum(np.append(at[1:], len(t) - 1), len(t) - 1)]
    titles = [f"{clock(t[i])} UTC · equity {whole_usd(equity[i])} · cash {whole_usd(cash[i])}" for i in at]
    d.hover(upper, t[at], ends, titles, down_to=lower)
    return d


def _steps(d: Drawing, name: str, t: Array, values: Array, top: int, bottom: int, span: Range) -> float:
    """Draw one balance as steps and return the dollars that its axis counts by."""
    low, high = min(0.0, *values), max(0.0, *values)
    pad = (high - low) * 0.1 or 1.0
    unit = 1e6 if max(-low, high) >= 2e6 else 1.0
    box = Box(d.width.left, top, d.width.px - d.width.right, bottom)
    axes = d.axes(box, span, (low - pad, high + pad), timed=True)
    value_axis(axes, 5 if name == "equity" else 2, divisor=unit)
    level(axes)
    line(axes, *thinned(axes, t, values), "pool", 2.2 if name == "equity" else 1.4, drawstyle="steps-post")
    words = f"{name}, {'M USD' if unit > 1 else 'USD'}"
    label(axes, 0, 1, words, "pool-text", dy=12, bold=True, within="axes")
    return unit
