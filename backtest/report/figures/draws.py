"""The figures over draws: ADL against the capital of the vault, ADL by minute with its band."""

from __future__ import annotations

import numpy as np
import polars as pl

from backtest.formatting import minus, whole_usd
from backtest.report.figures.axes import Box
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    bars,
    clock,
    dots,
    floats,
    label,
    level,
    line,
    number_axis,
    seconds,
    time_axis,
    value_axis,
)  # fmt: skip
from backtest.report.figures.style import WIDE, Width

MILLION = 1e6
MINUTE_S = 60


def adl_by_capital(*, draw_adl_by_capital: pl.DataFrame, width: Width = WIDE) -> Drawing:
    """Draw ADL of each draw over the capital of one vault: full dots where it died, and the median of neighbours."""
    d = Drawing(f"ADL of each draw against the capital of the vault of {draw_adl_by_capital['vault'][0]}", 300, width)
    capital, adl = floats(draw_adl_by_capital, "capital_usd"), floats(draw_adl_by_capital, "adl_usd")
    died = draw_adl_by_capital["died"].to_numpy()
    axes = d.axes(
        Box(width.left, 26, width.px - width.right, 262),
        (0, capital.max() * 1.05),
        (0, (adl.max() or MILLION) * 1.08),
    )
    value_axis(axes, 5, divisor=MILLION)
    level(axes)
    line(axes, capital, floats(draw_adl_by_capital, "adl_median_usd"), "adl", 2.0)
    dots(axes, capital[died], adl[died], "adl", 3.2)
    dots(axes, capital[~died], adl[~died], "adl", 3.2)
    dots(axes, capital[~died], adl[~died], "paper", 2.0)
    label(axes, 0, 1, "closed by ADL, M USD", "adl-text", dy=12, bold=True, within="axes")
    words = "capital of the vault, M USD; full dots: it died, line: median of neighbours"
    number_axis(axes, 8, divisor=MILLION, name="capital, M USD" if width.narrow else words)
    half = np.ptp(axes.x) / 160
    titles = [
        minus(f"draw {k}: capital {whole_usd(a)} · lowest equity {whole_usd(b)} · ADL {whole_usd(c)}")
        for k, a, b, c in zip(
            draw_adl_by_capital["draw"].to_list(), capital, floats(draw_adl_by_capital, "low_usd"), adl,
            strict=True,
        )
    ]  # fmt: skip
    seen = _apart(capital, half)
    d.hover(axes, capital[seen] - half, capital[seen] + half, [titles[i] for i in seen])
    return d


def _apart(places: Array, least: float) -> list[int]:
    """Return of places in ascending order those that are at least so far from the one before.

    Examples
    --------
    >>> _apart(np.array([0.0, 1.0, 2.0, 5.0]), 2.0)
    [0, 2, 3]
    """
    kept: list[int] = []
    for i, place in enumerate(places.tolist()):
        if not kept or place - places[kept[-1]] >= least:
            kept.append(i)
    return kept


def adl_minutes(*, draw_adl_by_minute: pl.DataFrame, width: Width = WIDE) -> Drawing:
    """Draw the 5 to 95 % range of each minute's ADL over the draws, and its median as a tick."""
    d = Drawing("ADL by minute over the draws", 230, width)
    t = seconds(draw_adl_by_minute["minute_ts"])
    low, median, high = (floats(draw_adl_by_minute, f"{name}_usd") for name in ("p05", "median", "p95"))
    box = Box(width.left, 26, width.px - width.right, 192)
    span, top = (t[0] - MINUTE_S, t[-1] + 2 * MINUTE_S), (high.max() or MILLION) * 1.08
    axes = d.axes(box, span, (0, top), timed=True)
    value_axis(axes, 4, divisor=MILLION)
    level(axes)
    time_axis(axes, width.times)
    bars(axes, t, t + MINUTE_S, low, high, "adl", alpha=0.4, gap_px=1)
    tick = 0.008 * axes.y[1]
    bars(axes, t, t + MINUTE_S, np.maximum(median - tick, 0), median + tick, "adl", gap_px=1)
    label(axes, 0, 1, "closed by ADL, M USD a minute", "adl-text", dy=12, bold=True, within="axes")
    titles = [
        f"{clock(at)} UTC · median {whole_usd(b)} · 5 to 95 %: {whole_usd(a)} to {whole_usd(c)}"
        for at, a, b, c in zip(t, low, median, high, strict=True)
    ]
    d.hover(axes, t, t + MINUTE_S, titles)
    return d
