"""Figures of who paid: fund and vault, the queue, concentration, watched positions."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from backtest.report.figures.canvas import (
    HALF,
    WIDE,
    Canvas,
    clock,
    dollars,
    epoch,
    floats,
    nice_ticks,
    panel,
    seconds,
    tick_labels,
    time_axis,
    value_axis,
)

Frame = pl.DataFrame


def pool_balance(rows: pl.DataFrame, pool: str, width: int = WIDE) -> str:
    """Draw equity of the fund or the vault as steps, its lowest point named, and under it its cash."""
    c = Canvas(width, 330, f"Equity and cash of the {pool}")
    left, right = (56, 14) if c.narrow else (64, 76)
    t, equity, cash = seconds(rows["ts"]), floats(rows, "equity_usd"), floats(rows, "cash_usd")
    span = (t[0], max(t[-1], t[0] + 1))
    held = np.repeat(np.arange(len(t)), 2)
    for name, values, top, bottom in (("equity", equity, 26, 196), ("cash", cash, 222, 292)):
        low, high = min(0.0, *values), max(0.0, *values)
        pad = (high - low) * 0.1 or 1.0
        unit = 1e6 if max(-low, high) >= 2e6 else 1.0
        p = panel((left, top, width - right, bottom), span, (low - pad, high + pad))
        value_axis(c, p, 5 if name == "equity" else 2, divisor=unit)
        c.segments(p.left, p.y(0.0), p.right, p.y(0.0), "ink")
        c.path(p.x(t[held[1:]]), p.y(values[held[:-1]]), "pool", 2.2 if name == "equity" else 1.4)
        c.text(p.left, p.top - 12, f"{name}, {'M USD' if unit > 1 else 'USD'}", "pool-text", bold=True)
        if name == "equity":
            at = int(np.argmin(values))
            c.dots(p.x(t[at]), p.y(values[at]), "pool", 3.4)
            words = f"lowest: {values[at] / unit:,.3g} at {clock(t[at])}".replace("-", "−")
            under = float(p.y(values[at])) + 14
            c.beside(p, float(p.x(t[at])), under if under < p.bottom else under - 28, words, "pool-text", bold=True)
    time_axis(c, p, 4 if c.narrow else 9)
    stride = max(1, len(t) // 300)
    for i in range(0, len(t), stride):
        box = (float(p.x(t[i])), 26.0, float(p.x(t[min(i + stride, len(t) - 1)])), p.bottom)
        c.hit(box, f"{clock(t[i])} UTC · equity {dollars(equity[i])} · cash {dollars(cash[i])}")
    return c.svg()


def haircut_by_rank(rows: pl.DataFrame, width: int = HALF) -> str:
    """Draw the share of each position that was closed, in the order of the queue; widths are notional."""
    c = Canvas(width, 270, "Share of each position closed by auto-deleveraging, in the order of the queue")
    usd, cut = floats(rows, "notional_usd"), floats(rows, "haircut_frac") * 100
    edges = np.concatenate([[0.0], np.cumsum(usd)])
    p = panel((44, 30, width - 12, 216), (0.0, float(edges[-1]) or 1.0), (0.0, 100.0))
    value_axis(c, p, 4)
    x0, x1 = p.x(edges[:-1]), p.x(edges[1:])
    apart = np.where(x1 - x0 > 4, x1 - 0.8, x1)
    c.boxes(x0, p.top, apart, p.bottom, "context")
    c.boxes(x0, p.y(cut), apart, p.bottom, "adl")
    c.segments(p.left, p.bottom, p.right, p.bottom, "ink")
    c.text(p.left, 12, "% of each position closed", size=11)
    c.text(p.right, 12, f"{float((usd * cut).sum()) / 1e8:,.3g} M USD closed", "adl-text", align="right", bold=True)
    ticks = nice_ticks(0.0, float(edges[-1]) / 1e6, 5)
    for tick, words in zip(ticks, tick_labels(ticks), strict=True):
        c.text(float(p.x(tick * 1e6)), p.bottom + 13, words, size=11, align="center")
    c.text((p.left + p.right) / 2, p.bottom + 33, "notional from the front, M USD", size=11, align="center")
    for a, b, row in zip(x0, x1, rows.iter_rows(named=True), strict=True):
        if b - a >= 0.5:
            share = f"{row['haircut_frac'] * 100:.2f} % of {dollars(float(row['notional_usd']))}"
            c.hit((a, p.top, b, p.bottom), f"rank {row['rank']:,} · {share} · {row['status']}")
    return c.svg()


def lorenz(rows: pl.DataFrame, width: int = HALF) -> str:
    """Draw the Lorenz curve of closed notional over the accounts that ADL touched."""
    c = Canvas(width, 270, "Lorenz curve of notional closed by auto-deleveraging")
    p = panel((44, 30, width - 12, 216), (0.0, 100.0), (0.0, 100.0))
    x, y = floats(rows, "accounts_frac") * 100, floats(rows, "adl_frac") * 100
    value_axis(c, p, 4)
    c.path([p.left, p.right], [p.bottom, p.top], "grey", 1.0, dash=":")
    c.path(p.x(np.concatenate([[0.0], x])), p.y(np.concatenate([[0.0], y])), "adl", 2.2)
    c.segments(p.left, p.bottom, p.right, p.bottom, "ink")
    c.text(p.left, 12, "% of the notional closed", size=11)
    c.text(p.left + 12, p.top + 18, f"Gini {rows['gini_frac'][0]:.2f}", "adl-text", size=15, bold=True)
    share = f"ten largest accounts: {rows['top10_share_frac'][0] * 100:.3g} %"
    c.text(p.left + 12, p.top + 38, share, "adl-text")
    c.text(float(p.x(66)), float(p.y(82)), "all equal", size=11, align="right")
    for tick in (0, 25, 50, 75, 100):
        c.text(float(p.x(tick)), p.bottom + 13, str(tick), size=11, align="center")
    c.text((p.left + p.right) / 2, p.bottom + 33, "% of the accounts closed, smallest first", size=11, align="center")
    return c.svg()


def watch_rank(rows: pl.DataFrame, name: str, start: datetime, end: datetime, *, width: int = WIDE) -> str:
    """Draw the place of one watched position in every queue of its symbol, with the five lights as bands."""
    c = Canvas(width, 216, f"Place of {name} in the queue")
    left, right = (52, 12) if c.narrow else (64, 76)
    p = panel((left, 26, width - right, 176), (epoch(start), epoch(end)), (100.0, 0.0))
    for light in range(5, 0, -1):
        top = (5 - light) * 20.0
        c.boxes(p.left, p.y(top), p.right, p.y(top + 20) - 1, "context", alpha=1.0 - (5 - light) * 0.17)
        c.text(p.right - 6, float(p.y(top + 10)), "●" * light, size=9, align="right")
    for tick in (0, 50, 100):
        c.text(p.left - 6, float(p.y(tick)), f"{tick} %", size=11, align="right")
    queued = rows.filter(pl.col("in_queue") & pl.col("rank").is_not_null())
    t = seconds(queued["ts"])
    place = (floats(queued, "rank") - 1) / np.maximum(floats(queued, "candidates") - 1, 1) * 100
    xs, ys = p.x(t), p.y(place)
    c.path(xs, ys, "grey", 1.0)
    closed = floats(queued, "closed_lots") > 0
    c.dots(xs[~closed], ys[~closed], "grey", 2.2)
    c.dots(xs[closed], ys[closed], "adl", 4.2)
    c.text(p.left, 12, name[:40], "ink", size=13, bold=True)
    if not c.narrow:
        c.text(p.right, 12, "0 % is the front of the queue; dots on the right are the lights", size=11, align="right")
    for i in np.flatnonzero(closed)[:1]:
        c.beside(p, float(xs[i]), float(ys[i]) + 8, f"closed {clock(t[i])}", "adl-text", bold=True)
    time_axis(c, p, 4 if c.narrow else 9)
    for x, y, row in zip(xs, ys, queued.iter_rows(named=True), strict=True):
        ahead = dollars(float(row["notional_ahead_usd"] or 0))
        words = f"{row['ts']:%H:%M:%S} UTC · rank {row['rank']:,} of {row['candidates']:,} · {ahead} ahead"
        c.hit((x - 4, y - 4, x + 4, y + 4), f"{words} · {row['lights']} lights")
    return c.svg()
