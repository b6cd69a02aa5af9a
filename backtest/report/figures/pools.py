"""The figure of the insurance fund or the vault: equity as steps, its lowest point named, cash below."""

from __future__ import annotations

import numpy as np
import polars as pl

from backtest.formatting import minus, whole_usd
from backtest.report.figures.axes import Box
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
from backtest.report.figures.style import WIDE, Width

HOVERS = 300


def pool_balance(*, fund_balance: pl.DataFrame, pool: str, width: Width = WIDE) -> Drawing:
    """Draw equity and cash of one fund or vault."""
    d = Drawing(f"Equity and cash of the {pool}", 330, width)
    t, equity, cash = seconds(fund_balance["ts"]), floats(fund_balance, "equity_usd"), floats(fund_balance, "cash_usd")
    unit = _steps(d, "equity", t, equity, 26, 196)
    _steps(d, "cash", t, cash, 222, 292)
    upper, lower = d.all_axes
    low = int(np.argmin(equity))
    dots(upper, t[low], equity[low], "pool", 3.4)
    words = minus(f"lowest: {equity[low] / unit:,.3g} at {clock(t[low])}")
    room = upper.data.transform((0, equity[low]))[1] - upper.bbox.y0
    beside(upper, t[low], equity[low], words, "pool-text", dy=-14 if room > 14 else 14, bold=True)
    time_axis(lower, width.times)
    at = np.arange(0, len(t), max(1, len(t) // HOVERS))
    ends = t[np.minimum(np.append(at[1:], len(t) - 1), len(t) - 1)]
    titles = [f"{clock(t[i])} UTC · equity {whole_usd(equity[i])} · cash {whole_usd(cash[i])}" for i in at]
    d.hover(upper, t[at], ends, titles, down_to=lower)
    return d


def _steps(d: Drawing, name: str, t: Array, values: Array, top: int, bottom: int) -> float:
    """Draw one balance as steps and return the dollars that its axis counts by."""
    low, high = min(0.0, *values), max(0.0, *values)
    pad = (high - low) * 0.1 or 1.0
    unit = 1e6 if max(-low, high) >= 2e6 else 1.0
    box = Box(d.width.left, top, d.width.px - d.width.right, bottom)
    axes = d.axes(box, (t[0], max(t[-1], t[0] + 1)), (low - pad, high + pad))
    value_axis(axes, 5 if name == "equity" else 2, divisor=unit)
    level(axes)
    line(axes, t, values, "pool", 2.2 if name == "equity" else 1.4, drawstyle="steps-post")
    words = f"{name}, {'M USD' if unit > 1 else 'USD'}"
    label(axes, 0, 1, words, "pool-text", dy=12, bold=True, within="axes")
    return unit
