"""Ratios by minute, a row per symbol: pressure on the order book, and potential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from backtest.formatting import coin, whole_usd
from backtest.report.figures.axes import Axes, Box
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    bars,
    epoch,
    floats,
    label,
    level,
    seconds,
    time_axis,
)  # fmt: skip
from backtest.report.figures.style import SMALL, WIDE, Width

FOOT = 0.01  # where bars begin, on a log scale
ROOM = 0.2  # of a row, above its highest bar


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio by minute: its column, those of numerator and denominator with their names, and the figure's name."""

    column: str
    over: str
    over_name: str
    under: str
    under_name: str
    label: str


PRESSURE = Ratio(
    column="pressure_ratio", over="ordered_usd", over_name="ordered", under="book_usd", under_name="book",
    label="Ratio of liquidation orders to the liquidity of the minute",
)  # fmt: skip
POTENTIAL = Ratio(
    column="potential", over="ahead_usd", over_name="ahead", under="absorbed_usd", under_name="the book takes",
    label="Ratio of what a further move would liquidate to what the book takes for it",
)  # fmt: skip


def pressure(*, liquidity_pressure: pl.DataFrame, symbols: Sequence[str], start: datetime, end: datetime,
             width: Width = WIDE) -> Drawing:  # fmt: skip
    """Draw breached notional over the liquidity of each minute."""
    return _ratios(PRESSURE, liquidity_pressure, symbols, (epoch(start), epoch(end)), width)


def potential(*, potential_by_minute: pl.DataFrame, symbols: Sequence[str], start: datetime, end: datetime,
                width: Width = WIDE) -> Drawing:  # fmt: skip
    """Draw the notional a further move would liquidate over the notional the book takes for it, by minute."""
    return _ratios(POTENTIAL, potential_by_minute, symbols, (epoch(start), epoch(end)), width)


def _ratios(
    ratio: Ratio, rows: pl.DataFrame, symbols: Sequence[str], span: tuple[float, float], width: Width
) -> Drawing:
    """Draw bars on a log scale from a hundredth; full tone above 1, where the book was not enough."""
    shown = [symbol for symbol in symbols if symbol in set(rows["symbol"])]
    tall = 58 if len(shown) > 1 else 110
    d = Drawing(ratio.label, 20 + tall * len(shown) + 26, width)
    right = width.px - (62 if width.narrow else 116)
    axes = d.axes(Box(width.left, 20, right, 20 + tall * len(shown)), span, (len(shown), 0.0), timed=True)
    label(axes, 0, 1, "bars from 0.01, log scale; full tone above the line at 1", dy=12, size=SMALL, within="axes")
    highest = float(np.nanmax([*floats(rows, ratio.column), 2.0]))
    for i, symbol in enumerate(shown):
        _row(d, axes, ratio, rows.filter(pl.col("symbol") == symbol), highest=highest, foot=i + 1 - ROOM)
    time_axis(axes, width.times)
    return d


def _heights(values: Array | float, highest: float) -> Array:
    """Return the share of a row that bars of these values fill."""
    scaled = np.log(np.clip(values, FOOT, None) / FOOT) / np.log(highest / FOOT)
    return np.asarray(scaled * (1 - ROOM))


def _row(d: Drawing, axes: Axes, ratio: Ratio, rows: pl.DataFrame, *, highest: float, foot: float) -> None:
    """Draw one symbol: its bars, its worst minute at the right, a cross where there was no liquidity."""
    t, value = seconds(rows["minute_ts"]), floats(rows, ratio.column)
    known = np.nan_to_num(value) > 0
    one, tops = foot - float(_heights(1.0, highest)), foot - _heights(value, highest)
    level(axes, foot, "line")
    bars(axes, t[known], t[known] + 60, foot, np.maximum(tops[known], one), "grey", alpha=0.35, gap_px=0.6)
    above = known & (value > 1)
    bars(axes, t[above], t[above] + 60, one, tops[above], "ink", gap_px=0.6)
    level(axes, one, width=0.8, alpha=0.6)
    start, end = axes.x
    middle = foot - (1 - ROOM) / 2
    label(axes, start, middle, coin(rows["symbol"][0]), "ink", dx=-6, align="right", bold=True)
    if known.any():
        worst = int(np.nanargmax(value))
        words = f"{value[worst]:,.3g}" + ("" if d.width.narrow else f" at {rows['minute_ts'][worst]:%H:%M}")
        loud = bool(value[worst] > 1)
        label(axes, end, middle, words, "ink" if loud else "grey", dx=8, bold=loud)
    for moment in t[np.isnan(value) & (floats(rows, ratio.over) > 0)]:
        label(axes, moment + 30, foot - 1 + ROOM, "×", "ink", dy=-4, align="center")
    titles = [_title(ratio, row) for row in rows.iter_rows(named=True)]
    d.hover(axes, t, t + 60, titles, y0=foot - 1 + ROOM, y1=foot)


def _title(ratio: Ratio, row: dict[str, Any]) -> str:
    value = "no liquidity" if row[ratio.column] is None else f"ratio {row[ratio.column]:,.4g}"
    sizes = ((ratio.over_name, row[ratio.over]), (ratio.under_name, row[ratio.under]))
    amounts = " · ".join(f"{name} {whole_usd(amount or 0)}" for name, amount in sizes)
    return f"{coin(row['symbol'])} {row['minute_ts']:%H:%M} UTC · {value} · {amounts}"
