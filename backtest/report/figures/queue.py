"""Figures of the ADL queue: share closed by rank, concentration, the place of a watched position."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from backtest.formatting import whole_usd
from backtest.report.figures.axes import Box
from backtest.report.figures.drawing import (
    Array,
    Drawing,
    area,
    bars,
    beside,
    clock,
    dots,
    epoch,
    floats,
    label,
    level,
    line,
    number_axis,
    seconds,
    time_axis,
    value_axis,
)  # fmt: skip
from backtest.report.figures.style import HALF, HEADING, SMALL, WIDE, Width

HALF_HEIGHT = 270
HOVER_PX = 4  # least width of what answers to the pointer


def haircut_by_rank(*, adl_haircut_by_rank: pl.DataFrame, width: Width = HALF) -> Drawing:
    """Draw the share of each position that was closed, in the order of the queue; widths are notional."""
    d = Drawing("Share of each position closed by auto-deleveraging, in the order of the queue", HALF_HEIGHT, width)
    rows = adl_haircut_by_rank
    usd, cut = floats(rows, "notional_usd"), floats(rows, "haircut_frac") * 100
    edges = np.concatenate([[0.0], np.cumsum(usd)])
    axes = d.axes(_half(width), (0.0, float(edges[-1])), (0.0, 100.0))
    value_axis(axes, 4)
    bars(axes, 0.0, edges[-1], 0, 100, "context")
    area(axes, np.repeat(edges, 2)[1:-1], np.repeat(cut, 2), "adl")
    level(axes)
    label(axes, 0, 1, "% of each position closed", dy=18, size=SMALL, within="axes")
    words = f"{float((usd * cut).sum()) / 1e8:,.3g} M USD closed"
    label(axes, 1, 1, words, "adl-text", dy=18, align="right", bold=True, within="axes")
    number_axis(axes, 5, divisor=1e6, name="notional from the front, M USD")
    firsts = _grouped(edges, HOVER_PX / axes.bbox.width)
    lasts = np.append(firsts[1:], len(usd))
    titles = [_group(rows[first:last], usd[first:last], cut[first:last])
              for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)]  # fmt: skip
    d.hover(axes, edges[firsts], edges[lasts], titles)
    return d


def _grouped(edges: Array, least: float) -> Array:
    """Return the first of each group of neighbours that together are at least that share of the whole."""
    column = np.floor(edges[:-1] / ((edges[-1] or 1.0) * least))
    return np.flatnonzero(np.diff(column, prepend=-1.0))


def _group(rows: pl.DataFrame, usd: Array, cut: Array) -> str:
    """Return the ranks of a group, the share of it that was closed, its size and how it ended."""
    ranks = [rows["rank"][0], rows["rank"][-1]]
    name = "no rank" if None in ranks else " to ".join(dict.fromkeys(f"{rank:,}" for rank in ranks))
    name = name if None in ranks else f"rank{'s' if ranks[0] != ranks[1] else ''} {name}"
    share = float((usd * cut).sum() / (usd.sum() or 1.0))
    ends = ", ".join(rows["status"].unique(maintain_order=True))
    return f"{name} · {share:.2f} % of {whole_usd(float(usd.sum()))} · {ends}"


def lorenz(*, adl_concentration: pl.DataFrame, width: Width = HALF) -> Drawing:
    """Draw the Lorenz curve of closed notional over the accounts that ADL touched."""
    d = Drawing("Lorenz curve of notional closed by auto-deleveraging", HALF_HEIGHT, width)
    axes = d.axes(_half(width), (0.0, 100.0), (0.0, 100.0))
    value_axis(axes, 4)
    line(axes, [0, 100], [0, 100], "grey", 1.0, ls=":")
    x, y = floats(adl_concentration, "accounts_frac") * 100, floats(adl_concentration, "adl_frac") * 100
    line(axes, [0.0, *x], [0.0, *y], "adl", 2.2)
    level(axes)
    label(axes, 0, 1, "% of the notional closed", dy=18, size=SMALL, within="axes")
    gini, top = adl_concentration["gini_frac"][0], adl_concentration["top10_share_frac"][0]
    place = {"dx": 12, "within": "axes"}
    label(axes, 0, 1, f"Gini {gini:.2f}", "adl-text", dy=-18, size=15, bold=True, **place)  # type: ignore[arg-type]
    label(axes, 0, 1, f"ten largest accounts: {top * 100:.3g} %", "adl-text", dy=-38, **place)  # type: ignore[arg-type]
    label(axes, 66, 82, "all equal", size=SMALL, align="right")
    number_axis(axes, 4, name="% of the accounts closed, smallest first")
    return d


def _half(width: Width) -> Box:
    return Box(width.left, 30, width.px - width.right, 216)


def watch_rank(*, watch_ranks: pl.DataFrame, name: str, start: datetime, end: datetime, width: Width = WIDE) -> Drawing:
    """Draw the place of one watched position in every queue of its symbol, with the five lights as bands."""
    d = Drawing(f"Place of {name} in the queue", 216, width)
    box = Box(width.left, 26, width.px - width.right, 176)
    axes = d.axes(box, (epoch(start), epoch(end)), (100.0, 0.0), timed=True)
    for light in range(5, 0, -1):
        top = (5 - light) * 20.0
        bars(axes, epoch(start), epoch(end), top, top + 19, "context", alpha=1.0 - (5 - light) * 0.17)
        label(axes, epoch(end), top + 10, "●" * light, dx=-6, size=9, align="right")
    value_axis(axes, 2, suffix=" %", grid=False)
    queued = watch_ranks.filter(pl.col("in_queue") & pl.col("rank").is_not_null())
    t = seconds(queued["ts"])
    place = (floats(queued, "rank") - 1) / np.maximum(floats(queued, "candidates") - 1, 1) * 100
    closed = floats(queued, "closed_lots") > 0
    line(axes, t, place, "grey", 1.0)
    dots(axes, t[~closed], place[~closed], "grey", 2.2)
    dots(axes, t[closed], place[closed], "adl", 4.2)
    label(axes, 0, 1, name[:40], "ink", dy=14, size=HEADING, bold=True, within="axes")
    if not width.narrow:
        words = "0 % is the front of the queue; dots on the right are the lights"
        label(axes, 1, 1, words, dy=14, size=SMALL, align="right", within="axes")
    for i in np.flatnonzero(closed)[:1]:
        beside(axes, t[i], place[i], f"closed {clock(t[i])}", "adl-text", dy=-8, bold=True)
    time_axis(axes, width.times)
    titles = [
        f"{row['ts']:%H:%M:%S} UTC · rank {row['rank']:,} of {row['candidates']:,} · "
        f"{whole_usd(row['notional_ahead_usd'] or 0)} ahead · {row['lights']} lights"
        for row in queued.iter_rows(named=True)
    ]
    half = 4 * (epoch(end) - epoch(start)) / axes.bbox.width
    d.hover(axes, t - half, t + half, titles)
    return d
