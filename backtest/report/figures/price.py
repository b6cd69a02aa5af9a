"""The figure of prices: trade and mark, ADL waves as verticals, gaps hatched, liquidations as a strip below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from backtest.formatting import coin, fixed
from backtest.report.figures.axes import Axes, Box, Range
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    bars,
    beside,
    clock,
    dots,
    floats,
    heading,
    label,
    line,
    seconds,
    segments,
    spread,
    time_axis,
    value_axis,
)  # fmt: skip
from backtest.report.figures.points import shown, thinned
from backtest.report.figures.style import SIZE, WIDE, Width

SHADES = 6  # of the strip
HOVER_PX = 6  # between places that answer to the pointer


@dataclass(frozen=True, slots=True)
class Look:
    """How large a symbol is drawn: letters, lines, height of the strip, number of values on the axis."""

    letters: float
    thin: float
    strip_px: float
    values: int


LARGE_LOOK = Look(letters=SIZE + 1, thin=1.0, strip_px=30.0, values=5)
SMALL_LOOK = Look(letters=SIZE, thin=0.65, strip_px=14.0, values=4)


@dataclass(frozen=True, slots=True)
class Prices:
    """One symbol and its rows of the queries that the fields are named after."""

    symbol: str
    price_path: pl.DataFrame
    liquidations_per_minute: pl.DataFrame
    adl_waves: pl.DataFrame


def price(symbols: Sequence[Prices], width: Width = WIDE, span: Range | None = None) -> Drawing:
    """Draw the first symbol large, the others as small multiples, all of them over ``span`` (epoch seconds)."""
    first, *others = symbols
    cell, tall, small = width.px / width.columns, 250 if width.narrow else 330, 152
    rows = math.ceil(len(others) / width.columns)
    d = Drawing("Trade and mark price of " + ", ".join(s.symbol for s in symbols), tall + 54 + rows * small, width)
    _main(d, first, Box(width.left, 26, width.px - (44 if width.narrow else width.right), tall + 30), span)
    for i, one in enumerate(others):
        row, column = divmod(i, width.columns)
        x0, y0 = column * cell + (46 if width.narrow else 58), tall + 54 + row * small
        axes = _prices(d, one, Box(x0, y0 + 26, (column + 1) * cell - 10, y0 + 121), SMALL_LOOK, span)
        time_axis(axes, 3, named=False)
        _hover(d, axes, one, SMALL_LOOK)
    return d


def _main(d: Drawing, s: Prices, box: Box, span: Range | None) -> None:
    """Draw the large symbol with all its labels."""
    axes = _prices(d, s, box, LARGE_LOOK, span)
    for side, up in (("long", 20.5), ("short", 8.5)):
        place = {"dx": -6, "dy": up, "align": "right", "size": 10.5}
        label(axes, 0, 0, f"{side}s", f"{side}-text", within="axes", **place)  # type: ignore[arg-type]
    time_axis(axes, d.width.times)
    _labels(axes, s)
    _hover(d, axes, s, LARGE_LOOK)


def _hover(d: Drawing, axes: Axes, s: Prices, look: Look) -> None:
    """Answer to the pointer with both prices of the time."""
    t, trade, mark = _columns(s, axes.x)
    edges = np.concatenate([t[:1], (t[:-1] + t[1:]) / 2, t[-1:]])
    at = np.arange(0, len(t), max(1, math.ceil(len(t) * HOVER_PX / axes.bbox.width)))
    ends = np.append(at[1:], len(t))
    titles = [f"{clock(t[i])} UTC · {coin(s.symbol)} trade {trade[i]:,.10g} · mark {mark[i]:,.10g}" for i in at]
    low, high = axes.y
    d.hover(axes, edges[at], edges[ends], titles, y0=low + (high - low) * _foot(axes, look), y1=high)


def _columns(s: Prices, span: Range | None = None) -> tuple[Array, Array, Array]:
    path = s.price_path
    t = seconds(path["ts"])
    some = shown(t, span) if span else slice(None)
    return t[some], floats(path, "trade_px")[some], floats(path, "mark_px")[some]


def _prices(d: Drawing, s: Prices, box: Box, look: Look, span: Range | None) -> Axes:
    """Draw one symbol: prices with gaps and waves, the strip under them, its name with the move to the low."""
    whole = _columns(s)
    t, trade, mark = _columns(s, span)
    low, high = float(np.nanmin([trade, mark])), float(np.nanmax([trade, mark]))
    pad = (high - low) * 0.05 or high * 0.01
    low, high = low - pad, high + pad
    room = look.strip_px / (box.bottom - box.top - look.strip_px) * (high - low)
    axes = d.axes(box, span or (t[0], t[-1]), (low - room, high), timed=True)
    value_axis(axes, look.values, low=low)
    _gaps(axes, s.price_path, whole[0], low)
    waves = np.unique(seconds(s.adl_waves["ts"]))
    thin, alpha = look.thin, max(0.25, min(0.8, 30 / (len(waves) + 1)))
    if len(waves):
        segments(axes, [[wave, wave] for wave in waves], [low, high], "adl", thin, alpha=alpha)
    line(axes, *thinned(axes, t, trade), "price", 1.1 * thin)
    if displaced(s.price_path):
        line(axes, *thinned(axes, whole[0], floats(s.price_path, "tape_mark_px")), "grey", 1.0)
    line(axes, *thinned(axes, t, mark), "mark", 2.0 * thin)
    _strip(axes, s.liquidations_per_minute, _foot(axes, look))
    heading(axes, coin(s.symbol), f"{_move(whole[1])} at the low", size=look.letters)
    return axes


def _foot(axes: Axes, look: Look) -> float:
    """Return the share of the axes' height that the strip takes."""
    return look.strip_px / axes.bbox.height


def _move(trade: Array) -> str:
    move = (np.nanmin(trade) / trade[0] - 1) * 100
    return f"{'+' if move > 0 else ''}{fixed(float(move), 1)} %"


def displaced(path: pl.DataFrame) -> bool:
    """Return whether a run's own flow moved the mark away from the tape's."""
    return not path["mark_px"].equals(path["tape_mark_px"])


def _labels(axes: Axes, s: Prices) -> None:
    """Name the lines at their ends, the low and the first ADL."""
    t, trade, mark = _columns(s, axes.x)
    moments = np.unique(seconds(s.adl_waves["ts"]))
    if len(moments) and axes.x[0] <= moments[0] <= axes.x[1]:
        words = "ADL" if len(moments) == 1 else f"ADL at {len(moments):,} moments"
        room = axes.data.transform((moments[0], 0))[0] - axes.bbox.x0 > 7.5 * len(words)
        place = {"dx": -6 if room else 6, "align": "right" if room else "left"}
        label(axes, moments[0], axes.y[1], words, "adl-text", dy=-8, bold=True, **place)  # type: ignore[arg-type]
    ends = [(trade[-1], "trade", "ink"), (mark[-1], "mark", "mark-text")]
    if displaced(s.price_path):
        ends.append((s.price_path["tape_mark_px"][shown(_columns(s)[0], axes.x)][-1], "tape's mark", "grey"))
    heights = [float(axes.data.transform((0, end))[1]) for end, _, _ in ends]
    for (end, words, colour), was, moved in zip(ends, heights, spread(heights, 14), strict=True):
        label(axes, axes.x[1], float(end), words, colour, dx=6, dy=moved - was, bold=True)
    low = int(np.nanargmin(trade))
    dots(axes, t[low], trade[low], "price", 2.5)
    beside(axes, t[low], trade[low], f"{trade[low]:,.7g} at {clock(t[low], '%H:%M')}", dy=-2)


def _gaps(axes: Axes, path: pl.DataFrame, t: Array, low: float) -> None:
    """Hatch the bars that were missing and carried flat."""
    flat = path["bridged"].to_numpy().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    starts, ends = t[np.maximum(edges[::2] - 1, 0)], t[np.maximum(edges[1::2] - 1, 0)]
    bars(axes, starts, ends, low, axes.y[1], "grey", alpha=0.6, hatch="////")


def _strip(axes: Axes, minutes: pl.DataFrame, foot: float) -> None:
    """Draw two rows of minutes at the foot, longs over shorts; the fuller the colour, the more was liquidated."""
    start, end = axes.x
    t, within = seconds(minutes["minute_ts"]), axes.foot
    amounts = {side: floats(minutes, f"{side}_usd") for side in ("short", "long")}
    peak = max((float(amount.max()) for amount in amounts.values() if amount.size), default=0.0) or 1.0
    tall = foot * 0.4
    for row, (side, amount) in enumerate(amounts.items()):
        bottom, top = foot * 0.06 + row * tall, foot * 0.03 + (row + 1) * tall
        bars(axes, start, end, bottom, top, "context", within=within)
        shade = np.ceil(np.sqrt(amount / peak) * SHADES)
        for full in range(1, SHADES + 1):
            some = t[(shade == full) & (t > start - 60) & (t < end)]
            ends = np.minimum(some + 60, end)
            bars(axes, np.maximum(some, start), ends, bottom, top, side, alpha=full / SHADES, within=within)
