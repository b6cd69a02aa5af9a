"""Figures of what happened: price, liquidations, the map of the book, depth of the cascade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from backtest.report.figures.canvas import (
    WIDE,
    Array,
    Box,
    Canvas,
    Panel,
    base_coin,
    clock,
    dollars,
    epoch,
    floats,
    nice_ticks,
    panel,
    rows_of,
    seconds,
    spread,
    tick_labels,
    time_axis,
    value_axis,
)

Frame = pl.DataFrame
_SMALL = 152


class PriceSeries(NamedTuple):
    """One symbol of the price figure: rows of ``price_path``, ``liquidations_per_minute`` and ``adl_waves``."""

    symbol: str
    path: pl.DataFrame
    minutes: pl.DataFrame
    waves: pl.DataFrame


class MapSeries(NamedTuple):
    """One symbol of the liquidation map: rows of ``liquidation_price_map`` and the range traded."""

    symbol: str
    bins: pl.DataFrame
    first_px: float
    mark_low_px: float
    mark_high_px: float


# --- price ---------------------------------------------------------------------------------------------------


def price(series: Sequence[PriceSeries], width: int = WIDE) -> str:
    """Draw trade and mark price, liquidations as a heat strip, ADL waves as thin verticals, gaps hatched.

    The first symbol is large, the others follow as small multiples on the same time axis.
    """
    columns = 4 if width >= WIDE else 2
    cell, tall = width / columns, 330 if width >= WIDE else 250
    rows = math.ceil((len(series) - 1) / columns)
    c = Canvas(width, tall + 54 + rows * _SMALL, "Trade and mark price of " + ", ".join(s.symbol for s in series))
    left, right = (56, 44) if c.narrow else (64, 76)
    _price_panel(c, series[0], (left, 26, width - right, tall), main=True)
    for one, (row, column) in zip(series[1:], rows_of(len(series) - 1, columns), strict=True):
        x0, y0 = column * cell + (46 if c.narrow else 58), tall + 54 + row * _SMALL
        _price_panel(c, one, (x0, y0 + 26, (column + 1) * cell - 10, y0 + 106), main=False)
    return c.svg()


def _price_panel(c: Canvas, s: PriceSeries, box: Box, *, main: bool) -> None:
    t, trade, mark = seconds(s.path["ts"]), floats(s.path, "trade_px"), floats(s.path, "mark_px")
    low, high = float(np.nanmin([trade, mark])), float(np.nanmax([trade, mark]))
    pad = (high - low) * 0.05 or high * 0.01
    p = panel(box, (t[0], t[-1]), (low - pad, high + pad))
    value_axis(c, p, 5 if main else 4)
    _gaps(c, p, s.path, t)
    xs = np.unique(p.x(seconds(s.waves["ts"])))
    c.segments(xs, p.top, xs, p.bottom, "adl", width=1 if main else 0.6, alpha=max(0.25, min(0.8, 30 / (len(xs) + 1))))
    c.path(p.x(t), p.y(trade), "price", 1.1 if main else 0.8)
    if displaced(s.path):
        c.path(p.x(t), p.y(floats(s.path, "tape_mark_px")), "grey", 1.0)
    c.path(p.x(t), p.y(mark), "mark", 2.0 if main else 1.2)
    at = int(np.nanargmin(trade))
    coin = base_coin(s.symbol)
    move = f"{(trade[at] / trade[0] - 1) * 100:+.1f} % at the low".replace("-", "−")
    c.text(p.left, p.top - 14, coin, "ink", size=13 if main else 12, bold=True)
    c.text(p.left + 12 + 9 * len(coin), p.top - 14, move, size=12 if main else 11)
    if main:
        _price_labels(c, p, s, at)
    strip = 12.0 if main else 4.5
    _heat_strip(c, p, s.minutes, strip, named=main)
    foot = Panel(p.left, p.top, p.right, p.bottom + 2 * strip + 6, p.x, p.y)
    time_axis(c, foot, (4 if c.narrow else 9) if main else 3, named=main)


def displaced(path: pl.DataFrame) -> bool:
    """Return whether a run's own flow moved the mark away from the tape's."""
    return not path["mark_px"].equals(path["tape_mark_px"])


def _price_labels(c: Canvas, p: Panel, s: PriceSeries, at: int) -> None:
    """Name the lines, the low and the first ADL of the large panel, and make it answer to the pointer."""
    t, trade, mark = seconds(s.path["ts"]), floats(s.path, "trade_px"), floats(s.path, "mark_px")
    moments = np.unique(seconds(s.waves["ts"]))
    if len(moments):
        words = "ADL" if len(moments) == 1 else f"ADL at {len(moments):,} moments"
        x = float(p.x(moments[0]))
        room = x - p.left > 7.5 * len(words)
        c.text(x + (-6 if room else 6), p.top + 8, words, "adl-text", align="right" if room else "left", bold=True)
    lines = [(float(trade[-1]), "trade", "ink"), (float(mark[-1]), "mark", "mark-text")]
    if displaced(s.path):
        lines.append((float(s.path["tape_mark_px"][-1]), "tape's mark", "grey"))
    ends = spread([float(p.y(level)) for level, _, _ in lines], 14)
    for y, (_, words, colour) in zip(ends, lines, strict=True):
        c.text(p.right + 6, y, words, colour, bold=True)
    x, y = float(p.x(t[at])), float(p.y(trade[at]))
    c.dots(x, y, "price", 2.5)
    c.beside(p, x, y + 2, f"{trade[at]:,.7g} at {clock(t[at], '%H:%M')}")
    stride = max(1, math.ceil(len(t) / 400))
    edges = np.concatenate([[p.left], p.x((t[:-1] + t[1:]) / 2), [p.right]])
    for i in range(0, len(t), stride):
        box = (edges[i], p.top, edges[min(i + stride, len(t))], p.bottom)
        c.hit(box, f"{clock(t[i])} UTC · trade {trade[i]:,.10g} · mark {mark[i]:,.10g}")


def _gaps(c: Canvas, p: Panel, path: pl.DataFrame, t: Array) -> None:
    """Hatch the bars that were missing and carried flat."""
    flat = path["bridged"].to_numpy().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    starts, ends = t[np.maximum(edges[::2] - 1, 0)], t[np.maximum(edges[1::2] - 1, 0)]
    c.boxes(p.x(starts), p.top, np.maximum(p.x(ends), p.x(starts) + 2), p.bottom, "grey", alpha=0.6, hatch=True)


def _heat_strip(c: Canvas, p: Panel, minutes: pl.DataFrame, height: float, *, named: bool) -> None:
    """Draw two rows of minutes, longs over shorts; the fuller the colour, the more was liquidated."""
    t = seconds(minutes["minute_ts"])
    amounts = {side: floats(minutes, f"{side}_usd") for side in ("long", "short")}
    top = max((float(v.max()) for v in amounts.values() if v.size), default=0.0) or 1.0
    y = p.bottom + 4
    for side, amount in amounts.items():
        c.boxes(p.left, y, p.right, y + height - 1, "context")
        shade = np.ceil(np.sqrt(amount / top) * 6)
        for level in range(1, 7):
            x0 = p.x(t[shade == level])
            x1 = np.maximum(p.x(t[shade == level] + 60), x0 + 1.5)
            c.boxes(x0, y, x1, y + height - 1, side, alpha=level / 6)
        if named:
            c.text(p.left - 6, y + height / 2 - 0.5, f"{side}s", f"{side}-text", size=10.5, align="right")
        y += height


# --- liquidations --------------------------------------------------------------------------------------------


def liquidations(minutes: pl.DataFrame, start: datetime, end: datetime, width: int = WIDE) -> str:
    """Draw liquidated notional per minute, shorts above and longs below the axis, and the running total under it."""
    high, low = (240, 80) if width >= WIDE else (200, 70)
    c = Canvas(width, high + low + 74, "Liquidated notional per minute, long and short, and its running total")
    left, right = (52, 10) if c.narrow else (64, 76)
    span = (epoch(start), epoch(end))
    bin_s = 60 * max(1, math.ceil((span[1] - span[0]) / 60 / ((width - left - right) / 3)))
    rows = minutes.group_by((pl.col("minute_ts").dt.timestamp("ms") // 1000 // bin_s * bin_s).alias("t")).agg(
        pl.col("long_usd", "short_usd").cast(pl.Float64).sum(), pl.col("liquidations").sum()
    )
    rows = rows.sort("t")
    t, longs, shorts = (floats(rows, name) for name in ("t", "long_usd", "short_usd"))
    peak = float(np.max([longs, shorts]))
    reach = (-max(float(longs.max()), peak * 0.14) * 1.1, max(float(shorts.max()), peak * 0.14) * 1.25)
    p = panel((left, 24, width - right, 24 + high), span, reach)
    value_axis(c, p, 6, divisor=1e6, mirrored=True)
    x0, x1, zero = p.x(t), np.maximum(p.x(t + bin_s) - 0.6, p.x(t) + 1), float(p.y(0.0))
    c.boxes(x0, zero, x1, p.y(-longs), "long")
    c.boxes(x0, p.y(shorts), x1, zero, "short")
    c.segments(p.left, zero, p.right, zero, "ink")
    c.text(p.left, 10, f"M USD {'per minute' if bin_s == 60 else f'per {bin_s // 60} minutes'}", size=11)
    busy_left = float(rows.filter(pl.col("t") < span[0] + (span[1] - span[0]) * 0.25)["long_usd"].sum()) > 0
    x, align = (p.right - 4, "right") if busy_left else (p.left + 4, "left")
    c.text(x, zero - 11, "shorts", "short-text", size=13, align=align, bold=True)
    c.text(x, zero + 13, "longs", "long-text", size=13, align=align, bold=True)
    at = int(np.argmax(longs + shorts))
    words = f"{clock(t[at], '%H:%M')}: {(longs[at] + shorts[at]) / 1e6:,.3g} M"
    c.beside(p, float(x1[at]), float(p.y(-longs[at])) - 7, words, gap=5)
    total = np.cumsum(longs + shorts)
    q = panel((left, p.bottom + 20, width - right, p.bottom + 20 + low), span, (0.0, total[-1] * 1.08))
    value_axis(c, q, 2, divisor=1e6)
    steps_t = np.concatenate([[span[0]], np.repeat(t, 2), [span[1]]])
    steps_v = np.concatenate([[0.0, 0.0], np.repeat(total, 2)])[: len(steps_t)]
    c.path(q.x(steps_t), q.y(steps_v), "ink", 1.6)
    c.text(q.left + 4, q.top - 4, "running total, M USD", "ink", bold=True)
    place = (q.right, -9, "right") if c.narrow else (q.right + 6, 0, "left")
    c.text(place[0], float(q.y(total[-1])) + place[1], f"{total[-1] / 1e6:,.4g} M", "ink", align=place[2])
    time_axis(c, q, 4 if c.narrow else 9)
    for row, a, b, sum_usd in zip(rows.iter_rows(), x0, x1, total, strict=True):
        sides = f"longs {dollars(row[1])} · shorts {dollars(row[2])} · {row[3]:,} liquidations"
        c.hit((a, p.top, b, q.bottom), f"{clock(row[0], '%H:%M')} UTC · {sides} · total {dollars(sum_usd)}")
    return c.svg()


# --- the map of the book -------------------------------------------------------------------------------------


def liquidation_map(series: Sequence[MapSeries], width: int = WIDE) -> str:
    """Draw where the opening book would be liquidated, by price and side, against the range that the mark walked."""
    columns = 4 if width >= WIDE else 2
    cell, tall = width / columns, 300 if width >= WIDE else 230
    rows = math.ceil((len(series) - 1) / columns)
    label = "Liquidation prices of the opening book of " + ", ".join(s.symbol for s in series)
    c = Canvas(width, tall + 40 + rows * _SMALL, label)
    _map_panel(c, series[0], (44 if c.narrow else 64, 44, width - (10 if c.narrow else 20), tall), main=True)
    for one, (row, column) in zip(series[1:], rows_of(len(series) - 1, columns), strict=True):
        x0, y0 = column * cell + 40, tall + 40 + row * _SMALL
        _map_panel(c, one, (x0, y0 + 26, (column + 1) * cell - 10, y0 + 116), main=False)
    return c.svg()


def map_range(s: MapSeries) -> tuple[float, float]:
    """Return the prices to show: the range the mark walked and the middle 90 % of the book's notional."""
    middle = (floats(s.bins, "bin_low_px") + floats(s.bins, "bin_high_px")) / 2
    order = np.argsort(middle, kind="stable")
    share = np.cumsum(floats(s.bins, "notional_usd")[order])
    ends = middle[order][np.searchsorted(share, np.array([0.05, 0.95]) * share[-1])] if len(share) else []
    low, high = min([s.mark_low_px, *ends]), max([s.mark_high_px, *ends])
    edges = np.unique([*floats(s.bins, "bin_low_px"), *floats(s.bins, "bin_high_px"), low, high])
    return float(edges[edges <= low][-2:][0]), float(edges[edges >= high][:2][-1])


def _map_panel(c: Canvas, s: MapSeries, box: Box, *, main: bool) -> None:
    low, high = map_range(s)
    shown = s.bins.filter((pl.col("bin_high_px") > low) & (pl.col("bin_low_px") < high) & (pl.col("notional_usd") > 0))
    shown = shown.with_columns(pl.col("notional_usd").cast(pl.Float64)).sort("bin_low_px", "side")
    # Where longs and shorts share a bin, the second stands on the first.
    top = (pl.col("notional_usd").cum_sum().over("bin_low_px")).alias("top_usd")
    shown = shown.with_columns(top).with_columns((pl.col("top_usd") - pl.col("notional_usd")).alias("foot_usd"))
    p = panel(box, (low, high), (0.0, max([*shown["top_usd"], 1.0]) * 1.06))
    x_low, x_high, x = (float(v) for v in p.x([s.mark_low_px, s.mark_high_px, s.first_px]))
    c.boxes(x_low, p.top, x_high, p.bottom, "context")
    value_axis(c, p, 4 if main else 2, divisor=1e6)
    for (side, reached), some in shown.group_by("side", "reached", maintain_order=True):
        x0, x1 = p.x(floats(some, "bin_low_px")), p.x(floats(some, "bin_high_px"))
        y0, y1 = p.y(floats(some, "top_usd")), p.y(floats(some, "foot_usd"))
        c.boxes(x0, y0, np.maximum(x1 - 0.6, x0 + 0.8), y1, str(side), alpha=1.0 if reached else 0.38)
        for a, b, row in zip(x0, x1, some.iter_rows(named=True), strict=True) if main else ():
            where = f"{row['bin_low_px']:,.6g} to {row['bin_high_px']:,.6g}: {dollars(row['notional_usd'])}"
            c.hit((a, p.top, b, p.bottom), f"{side}s liquidated from {where}, {'' if reached else 'not '}reached")
    c.segments(x, p.top, x, p.bottom, "price", width=1.2)
    c.segments(p.left, p.bottom, p.right, p.bottom, "ink")
    ticks = nice_ticks(low, high, (4 if c.narrow else 9) if main else 3)
    for place, words in zip(p.x(ticks), tick_labels(ticks), strict=True):
        if p.left + 12 < place < p.right - 12:
            c.text(place, p.bottom + 13, words, size=11, align="center")
    coin = base_coin(s.symbol)
    c.text(p.left, 10 if main else p.top - 12, coin, "ink", size=13 if main else 12, bold=True)
    if main:
        words = "M USD per price bin" + ("" if c.narrow else "; full colour where the mark traded")
        c.text(p.left + 12 + 9 * len(coin), 10, words, size=11)
        _map_labels(c, p, s, x)


def _map_labels(c: Canvas, p: Panel, s: MapSeries, x: float) -> None:
    """Name the start, the range walked and the two sides."""
    c.text(x, p.top - 9, f"start {s.first_px:,.6g}", "ink", align="center", bold=True)
    band = float(p.x(s.mark_low_px))
    if x - band > 60:
        c.text(band + 4, p.top + 8, "range of the mark" if x - band > 110 else "walked", size=11)
    for side, room in (("long", p.left - x), ("short", p.right - x)):
        if abs(room) > 140:
            c.text(x + room * 0.55, p.top - 9, f"{side}s", f"{side}-text", size=13, align="center", bold=True)


# --- depth of the cascade ------------------------------------------------------------------------------------


class Ratio(NamedTuple):
    """A ratio by minute: its column and those of its two sides, what these are called, and the figure's name."""

    column: str
    over: str
    under: str
    words: tuple[str, str]
    name: str


PRESSURE = Ratio(
    "pressure_ratio", "ordered_usd", "book_usd", ("ordered", "book"),
    "Ratio of liquidation orders to the liquidity of the minute",
)  # fmt: skip
CRITICALITY = Ratio(
    "criticality", "ahead_usd", "absorbed_usd", ("ahead", "the book takes"),
    "Ratio of what a further move would liquidate to what the book takes for it",
)  # fmt: skip


def ratios(
    what: Ratio, rows: pl.DataFrame, symbols: Sequence[str], start: datetime, end: datetime, *, width: int = WIDE
) -> str:
    """Draw a ratio per minute, a row per symbol: of breached notional to liquidity, or what lies ahead to the book.

    Bars grow on a log scale from a hundredth; full tone above 1, where the book was not enough.
    """
    shown = [symbol for symbol in symbols if symbol in set(rows["symbol"])]
    known = rows.filter(pl.col(what.column) > 0)
    most = max([*floats(known, what.column), 2.0])
    tall = 58 if len(shown) > 1 else 110
    c = Canvas(width, 20 + tall * len(shown) + 26, what.name)
    left, right = (52, 62) if c.narrow else (64, 116)
    for i, symbol in enumerate(shown):
        box = (left, 20.0 + i * tall, width - right, 20.0 + (i + 1) * tall - 12)
        p = panel(box, (epoch(start), epoch(end)), (0.01, most * 1.1), log=True)
        mine = known.filter(pl.col("symbol") == symbol)
        x0 = p.x(seconds(mine["minute_ts"]))
        x1 = np.maximum(p.x(seconds(mine["minute_ts"]) + 60) - 0.6, x0 + 1.2)
        y, one = p.y(np.maximum(floats(mine, what.column), 0.01)), float(p.y(1.0))
        c.boxes(p.left, p.bottom, p.right, p.bottom + 1, "line")
        c.boxes(x0, np.maximum(y, one), x1, p.bottom, "grey", alpha=0.35)
        above = y < one
        c.boxes(x0[above], y[above], x1[above], one, "ink")
        c.segments(p.left, one, p.right, one, "ink", width=0.8, alpha=0.6)
        c.text(p.left - 6, (p.top + p.bottom) / 2, base_coin(symbol), "ink", align="right", bold=True)
        _ratio_labels(c, p, what, rows.filter(pl.col("symbol") == symbol))
    c.text(left, 8, "bars from 0.01, log scale; full tone above the line at 1", size=11)
    time_axis(c, p, 4 if c.narrow else 9)
    return c.svg()


def _ratio_labels(c: Canvas, p: Panel, what: Ratio, rows: pl.DataFrame) -> None:
    """Write the worst minute at the right, mark minutes without liquidity, answer to the pointer."""
    worst = rows.sort(what.column, descending=True, nulls_last=True).row(0, named=True)
    if worst[what.column]:
        words = f"{worst[what.column]:,.3g}" + ("" if c.narrow else f" at {worst['minute_ts']:%H:%M}")
        loud = worst[what.column] > 1
        c.text(p.right + 8, (p.top + p.bottom) / 2, words, "ink" if loud else "grey", bold=loud)
    dry = rows.filter(pl.col(what.column).is_null() & (pl.col(what.over).cast(pl.Float64) > 0))
    for x in p.x(seconds(dry["minute_ts"]) + 30):
        c.text(float(x), p.top + 4, "×", "ink", align="center")
    for row in rows.iter_rows(named=True):
        x0 = float(p.x(epoch(row["minute_ts"])))
        ratio = "no liquidity" if row[what.column] is None else f"ratio {row[what.column]:,.4g}"
        sides = zip(what.words, (row[what.over], row[what.under]), strict=True)
        sizes = " · ".join(f"{word} {dollars(float(amount or 0))}" for word, amount in sides)
        box = (x0, p.top, max(float(p.x(epoch(row["minute_ts"]) + 60)), x0 + 2), p.bottom)
        c.hit(box, f"{base_coin(row['symbol'])} {row['minute_ts']:%H:%M} UTC · {ratio} · {sizes}")
