"""The figures on watched positions over draws: chances by leverage, and the cut-off of the queue by draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from backtest.formatting import minus, significant, whole_usd
from backtest.report.figures.axes import Axes, Box
from backtest.report.figures.drawing import Drawing, bars, beside, dots, floats, label, level, line, value_axis
from backtest.report.figures.style import SMALL, WIDE, Width

MILLION = 1e6
SHOWN = {"liquidated": ("short", "liquidated"), "adl": ("adl", "closed by ADL")}
FEWEST = 8  # places for waves: one alone does not fill the figure
ASIDE = 0.012  # of the axis: the two chances of a leverage stand beside each other


def chances(*, summary: pl.DataFrame, width: Width = WIDE) -> Drawing:
    """Draw the chances of liquidation and of ADL over leverage, with their 90 % bounds; one position."""
    rows = summary.sort("leverage", "own").unique("leverage", keep="last", maintain_order=True)
    d = Drawing(f"Chances of {rows['position'][0]} by leverage", 250, width)
    at = np.log10(floats(rows, "leverage"))
    room = max(float(np.ptp(at)) * 0.05, 0.05)
    box = Box(width.left, 26, width.px - width.right - (0 if width.narrow else 40), 206)
    axes = d.axes(box, (at[0] - room, at[-1] + room), (0, 1))
    value_axis(axes, 4, divisor=0.01, suffix=" %")
    level(axes)
    names = [f"{significant(value)}×" for value in rows["leverage"].to_list()]
    _leverages(axes, at, names, width)
    for sign, (name, (colour, words)) in zip((-1, 1), SHOWN.items(), strict=True):
        place = at + sign * ASIDE * float(np.ptp(axes.x))
        half = 0.004 * float(np.ptp(axes.x))
        low, chance, high = (floats(rows, f"p_{name}{end}") for end in ("_low", "", "_high"))
        bars(axes, place - half, place + half, low, high, colour, alpha=0.35)
        line(axes, place, chance, colour, 1.5)
        dots(axes, place, chance, colour, 3.2)
        if not width.narrow:
            beside(axes, float(place[-1]), float(chance[-1]), words, f"{colour}-text", dy=7 * sign)
    words = "share of the draws by leverage; bars: 90 % bounds"
    label(axes, 0, 1, words, "ink", dy=12, bold=True, within="axes")
    titles = [_counts(leverage, row) for leverage, row in zip(names, rows.to_dicts(), strict=True)]
    d.hover(axes, at - room / 2, at + room / 2, titles)
    return d


def _counts(leverage: str, row: dict[str, Any]) -> str:
    counts = [f"{words} in {row[name + '_draws']} of {row['draws']} draws" for name, (_, words) in SHOWN.items()]
    return f"{leverage}: {'; '.join(counts)}"


def _leverages(axes: Axes, at: np.ndarray, names: list[str], width: Width, gap: int = 0) -> None:
    """Write names of places under the axes, those left out that would stand on their neighbour."""
    last, gap = -np.inf, gap or (34 if width.narrow else 30)
    for place, name in zip(at.tolist(), names, strict=True):
        pixel = float(axes.data.transform((place, 0))[0])
        if pixel - last >= gap:
            label(axes, place, 0, name, dy=-13, size=SMALL, align="center", within="foot")
            last = pixel


def cut_off(*, by_draw: pl.DataFrame, width: Width = WIDE) -> Drawing:
    """Draw for each draw what the wave nearest to the position took, and where the position stood; one copy."""
    rows = by_draw.drop_nulls(["ahead_usd", "taken_usd"]).sort(pl.col("taken_usd") - pl.col("ahead_usd"))
    d = Drawing(f"What stood ahead of {rows['position'][0]} and what the wave took, by draw", 250, width)
    ahead, taken = floats(rows, "ahead_usd"), floats(rows, "taken_usd")
    x = np.arange(rows.height, dtype=float)
    top = float(max(ahead.max(), taken.max(), MILLION)) * 1.08
    axes = d.axes(Box(width.left, 26, width.px - width.right, 222), (-0.6, rows.height - 0.4), (0, top))
    value_axis(axes, 5, divisor=MILLION)
    level(axes)
    bars(axes, x - 0.4, x + 0.4, 0, taken, "adl", alpha=0.45)
    line(axes, x, ahead, "ink", 0.0, marker="_", ms=8 if width.narrow else 12, mew=2.0)
    words = "M USD by draw: bars, taken by the wave; ticks, ahead of me (inside a bar: closed)"
    label(
        axes, 0, 1, "taken, and ahead of me, M USD" if width.narrow else words, "ink", dy=12, bold=True, within="axes"
    )
    titles = [_place(row) for row in rows.to_dicts()]
    d.hover(axes, x - 0.5, x + 0.5, titles)
    return d


def _place(row: dict[str, Any]) -> str:
    ahead, taken = whole_usd(row["ahead_usd"]), whole_usd(row["taken_usd"])
    return minus(f"draw {row['draw']}: {ahead} ahead · {taken} taken · closed {row['adl_frac']:.0%}")


def ahead_and_taken(*, watch_ranks: pl.DataFrame, adl_waves: pl.DataFrame, name: str, width: Width = WIDE) -> Drawing:
    """Draw for each wave that a position stood in what the wave took, and what stood ahead of the position."""
    taken_usd = adl_waves.select("wave_id", pl.col("notional_usd").alias("taken_usd"))
    rows = watch_ranks.join(taken_usd, on="wave_id", how="inner").sort("wave_id")
    d = Drawing(f"What each wave took, and what stood ahead of {name}", 250, width)
    ahead, taken = floats(rows, "notional_ahead_usd"), floats(rows, "taken_usd")
    x, closed = np.arange(rows.height, dtype=float), floats(rows, "closed_lots") > 0
    top = float(max(ahead.max(), taken.max(), MILLION)) * 1.08
    axes = d.axes(Box(width.left, 26, width.px - width.right, 206), (-0.6, max(rows.height, FEWEST) - 0.4), (0, top))
    value_axis(axes, 5, divisor=MILLION)
    level(axes)
    for some, alpha in ((~closed, 0.45), (closed, 1.0)):
        bars(axes, x[some] - 0.4, x[some] + 0.4, 0, taken[some], "adl", alpha=alpha)
    line(axes, x, ahead, "ink", 0.0, marker="_", ms=8 if width.narrow else 12, mew=2.0)
    times = [f"{ts:%H:%M:%S}" for ts in rows["ts"].to_list()]
    _leverages(axes, x, times, width, gap=64)
    words = "M USD: bars, taken by the wave; ticks, ahead of me; full colour: closed"
    label(
        axes, 0, 1, "taken, and ahead of me, M USD" if width.narrow else words, "ink", dy=12, bold=True, within="axes"
    )
    titles = [
        f"wave {row['wave_id']} at {at} UTC: {whole_usd(row['notional_ahead_usd'])} ahead · "
        f"{whole_usd(row['taken_usd'])} taken{' · closed' if row['closed_lots'] else ''}"
        for row, at in zip(rows.iter_rows(named=True), times, strict=True)
    ]
    d.hover(axes, x - 0.5, x + 0.5, titles)
    return d
