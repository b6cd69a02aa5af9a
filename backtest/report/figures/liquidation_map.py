"""The liquidation map: where the opening book would be liquidated, against the range that the mark traded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from backtest.formatting import SPACE, coin, usd, whole_usd
from backtest.report.figures.axes import Axes, Box
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    bars,
    floats,
    heading,
    label,
    level,
    line,
    number_axis,
    value_axis,
    vertical,
)  # fmt: skip
from backtest.report.figures.style import HEADING, SIZE, SMALL, WIDE, Width

LIGHTEST = 0.3  # tone of the lowest leverage; the highest is full


@dataclass(frozen=True)
class Book:
    """One symbol, its rows of ``liquidation_price_map`` by cohort, and the first, lowest and highest mark."""

    symbol: str
    liquidation_price_map: pl.DataFrame
    first_px: float
    mark_low_px: float
    mark_high_px: float

    @cached_property
    def shown_range(self) -> tuple[float, float]:
        """Return the prices to show: the range the mark traded and the middle 90 % of the book's notional."""
        bins = self.liquidation_price_map
        lows, highs = floats(bins, "bin_low_px"), floats(bins, "bin_high_px")
        middle = (lows + highs) / 2
        order = np.argsort(middle, kind="stable")
        share = np.cumsum(floats(bins, "notional_usd")[order])
        ends = middle[order][np.searchsorted(share, np.array([0.05, 0.95]) * share[-1])] if len(share) else []
        low, high = min([self.mark_low_px, *ends]), max([self.mark_high_px, *ends])
        edges = np.unique([*lows, *highs, low, high])
        return float(edges[edges <= low][-2:][0]), float(edges[edges >= high][:2][-1])

    @cached_property
    def stacked(self) -> pl.DataFrame:
        """Return the bins to show as floats, the cohorts of one upon another."""
        low, high = self.shown_range
        inside = (pl.col("bin_high_px") > low) & (pl.col("bin_low_px") < high) & (pl.col("notional_usd") > 0)
        top = pl.col("notional_usd").cum_sum().over("bin_low_px").alias("top_usd")
        bins = self.liquidation_price_map.lazy().filter(inside).with_columns(pl.col("notional_usd").cast(pl.Float64))
        bins = bins.sort("bin_low_px", "side", maintain_order=True).with_columns(top)
        return bins.with_columns((pl.col("top_usd") - pl.col("notional_usd")).alias("foot_usd")).collect()

    @cached_property
    def tones(self) -> dict[str, float]:
        """Return the tone of each cohort, the fuller the higher its leverage."""
        cohorts = self.liquidation_price_map["cohort"].unique(maintain_order=True).to_list()
        return dict(zip(cohorts, np.linspace(LIGHTEST, 1.0, len(cohorts)).tolist(), strict=True))

    def running(self, side: str) -> tuple[Array, Array]:
        """Return prices from the first mark outwards, and the notional of a side liquidated up to each, inclusive."""
        bins = (
            self.stacked.filter(pl.col("side") == side)
            .group_by("bin_low_px", "bin_high_px")
            .agg(pl.col("notional_usd").sum())
        )
        near, far = ("bin_high_px", "bin_low_px") if side == "long" else ("bin_low_px", "bin_high_px")
        bins = bins.sort(near, descending=side == "long")
        total = np.cumsum(floats(bins, "notional_usd"))
        x = np.column_stack([floats(bins, near), floats(bins, far)]).ravel()
        return x, np.column_stack([np.concatenate([[0.0], total])[:-1], total]).ravel()


def liquidation_map(books: Sequence[Book], width: Width = WIDE) -> Drawing:
    """Draw the first symbol large, the others as small multiples."""
    first, *others = books
    cell, tall, small = width.px / width.columns, 230 if width.narrow else 300, 152
    rows = math.ceil(len(others) / width.columns)
    name = "Liquidation prices of the opening book of " + ", ".join(book.symbol for book in books)
    d = Drawing(name, tall + 40 + rows * small, width)
    box = Box(44, 44, width.px - 10, tall) if width.narrow else Box(width.left, 44, width.px - 20, tall)
    _main(d, first, box)
    for i, book in enumerate(others):
        row, column = divmod(i, width.columns)
        x0, y0 = column * cell + 40, tall + 40 + row * small
        axes = _bins(d, book, Box(x0, y0 + 26, (column + 1) * cell - 10, y0 + 116))
        value_axis(axes, 2, divisor=1e6)
        number_axis(axes, 2)
        heading(axes, coin(book.symbol), size=SIZE)
    return d


def _bins(d: Drawing, book: Book, box: Box) -> Axes:
    """Draw the bins of one symbol, the range traded and the first mark."""
    shown = book.stacked
    axes = d.axes(box, book.shown_range, (0.0, max([*shown["top_usd"], 1.0]) * 1.06))
    bars(axes, book.mark_low_px, book.mark_high_px, 0, axes.y[1], "context")
    for (side, cohort), some in shown.group_by("side", "cohort", maintain_order=True):
        x0, x1 = floats(some, "bin_low_px"), floats(some, "bin_high_px")
        feet, tops = floats(some, "foot_usd"), floats(some, "top_usd")
        bars(axes, x0, x1, feet, tops, str(side), alpha=book.tones[str(cohort)], gap_px=0.6, clip=True)
    vertical(axes, book.first_px, "price", 1.2)
    level(axes)
    return axes


def _main(d: Drawing, book: Book, box: Box) -> None:
    axes = _bins(d, book, box)
    value_axis(axes, 4, divisor=1e6)
    number_axis(axes, 4 if d.width.narrow else 9)
    name = coin(book.symbol)
    label(axes, 0, 1, name, "ink", dy=34, size=HEADING, bold=True, within="axes")
    names = ", ".join(name for name in book.tones if name[:1].isdigit())
    note = "M USD per bin" + ("" if d.width.narrow else f"; the fuller, the higher the leverage: {names}")
    label(axes, 0, 1, note, dx=12 + 9 * len(name), dy=34, size=SMALL, within="axes")
    _labels(axes, book)
    _running(d, axes, book, box)
    by_bin = book.stacked.group_by("bin_low_px", "bin_high_px", "side", "reached", maintain_order=True).agg(
        pl.col("notional_usd").sum(), pl.col("cohort"), pl.col("notional_usd").alias("each")
    )
    rows = [{**row, "cohorts": _cohorts(row)} for row in by_bin.iter_rows(named=True)]
    titles = [
        f"{row['side']}s liquidated from {row['bin_low_px']:,.6g} to {row['bin_high_px']:,.6g}: "
        f"{whole_usd(row['notional_usd'])}, {'' if row['reached'] else 'not '}reached ({row['cohorts']})"
        for row in rows
    ]
    low, high = axes.x
    lefts, rights = [max(row["bin_low_px"], low) for row in rows], [min(row["bin_high_px"], high) for row in rows]
    d.hover(axes, lefts, rights, titles)


def _cohorts(row: dict[str, Any]) -> str:
    """Return how much of a bin is of which leverage."""
    return ", ".join(f"{name} {part / 1e6:,.3g} M" for name, part in zip(row["cohort"], row["each"], strict=True))


def _running(d: Drawing, under: Axes, book: Book, box: Box) -> None:
    """Draw the running total of both sides from the first mark outwards, on a scale of its own."""
    sides = {side: book.running(side) for side in ("long", "short")}
    most = max((float(total[-1]) for _, total in sides.values() if len(total)), default=0.0)
    axes = d.axes(box, under.x, (0.0, most * 1.15 or 1.0))
    for side, (x, total) in sides.items():
        if not len(total):
            continue
        low, high = sorted(axes.x)
        x = np.clip(x, low, high)
        line(axes, x, total, f"{side}-text", 1.3)
        end = float(x[-1])
        place = {"align": "left", "dx": 4} if side == "long" else {"align": "right", "dx": -4}
        words = f"{usd(float(total[-1]))} in all".replace(SPACE, " ")
        label(axes, end, float(total[-1]), words, f"{side}-text", dy=9, size=SMALL, **place)  # type: ignore[arg-type]


def _labels(axes: Axes, book: Book) -> None:
    """Name the first mark, the range traded and the two sides."""
    top = axes.y[1]
    label(axes, book.first_px, top, f"start {book.first_px:,.6g}", "ink", dy=9, align="center", bold=True)
    low, first = (float(axes.data.transform((px, 0))[0]) for px in (book.mark_low_px, book.first_px))
    if first - low > 60:
        words = "range of the mark" if first - low > 110 else "traded"
        label(axes, book.mark_low_px, top, words, dx=4, dy=-8, size=SMALL)
    for side, room in (("long", axes.bbox.x0 - first), ("short", axes.bbox.x1 - first)):
        if abs(room) > 140:
            place = {"dx": room * 0.55, "dy": 9, "align": "center", "size": HEADING}
            label(axes, book.first_px, top, f"{side}s", f"{side}-text", bold=True, **place)
