"""The section on watched positions, only in runs that watch some."""

from __future__ import annotations

from functools import partial

import polars as pl
from markupsafe import Markup

from backtest.formatting import coin, plural
from backtest.report import markup as m
from backtest.report.figures.drawing import Drawing
from backtest.report.figures.queue import watch_rank
from backtest.report.figures.style import Width
from backtest.report.findings import Findings, Row, Span
from backtest.report.sections.section import Part, Section
from backtest.report.tables import columns, table

HEDGES = columns("""
    name                       head     name
    symbol                     text     coin
    side                       side     side
    fate                       text     fate
    opening                    text     size
    closed                     text     closed by ADL
    first_close_ts             clock    first close, UTC
    mean_close_px              price    mean close
    mean_mark_px               price    mean mark
    immediate_usd              cents    against mark, USD
    unhedged_base              rounded  unhedged, base
    unhedged_usd               cents    unhedged, USD
    unhedged_s                 rounded  unhedged to the end of the window, s
    unhedged_pnl_usd           cents    its result to that end, USD
    best_rank                  count    best rank
    lowest_notional_ahead_usd  cents    least ahead, USD
""")


def headline(f: Findings) -> Markup:
    """Return how many of the watched positions were closed."""
    rows = f.rows("hedges")
    closed = sum(bool(row["closed_lots"]) for row in rows)
    return m.fill(
        "Of {n} watched {noun} {closed} {were} closed by auto-deleveraging.",
        n=len(rows),
        noun=plural(len(rows), "position"),
        closed=m.count(closed, "mine") if closed else m.number("none", "none", "mine"),
        were=plural(closed, "was", "were") if closed else "was",
    )


def answer(f: Findings) -> Markup:
    """Return the fate of every watched position."""
    fates = [_fate(row) for row in f.rows("hedges")]
    return m.join(fates, "; ") + "." if fates else m.fill("No watched position is in the book.")


def _fate(row: Row) -> Markup:
    name = m.fill("<b>{name}</b> ({side} {coin})", name=row["name"], side=row["side"], coin=coin(row["symbol"]))
    if not row["closed_lots"]:
        return m.fill("{name} was not closed and ended {fate}", name=name, fate=str(row["fate"]).replace("_", " "))
    text = m.fill(
        "{name} was closed from {time} on, {share} of it, at {close} on average against a mark of {mark}",
        name=name,
        time=m.clock(row["first_close_ts"]),
        share=m.percent(row["closed_lots"] / row["opening_lots"]),
        close=m.price(row["mean_close_px"]),
        mark=m.price(row["mean_mark_px"]),
    )
    if row["unhedged_usd"]:
        delta, lasted = m.usd(abs(row["unhedged_usd"])), m.duration(row["unhedged_s"])
        words = " and left {delta} of delta unhedged to the end of the window, {lasted}"
        text += m.fill(words, delta=delta, lasted=lasted)
        if row.get("unhedged_pnl_usd") is not None:
            text += m.fill(", with a result of {result}", result=m.usd(row["unhedged_pnl_usd"]))
    return text


def figures(f: Findings) -> Markup:
    """Draw the place of each watched position in the queues."""
    made = []
    for row in f.rows("hedges"):
        ranks = f.frame("watch_ranks", name=row["name"]).filter(pl.col("symbol") == row["symbol"])
        nowhere = m.empty(m.fill("{name} stood in no queue.", name=row["name"]))
        draw = partial(_place, ranks, f"{row['name']} {coin(row['symbol'])}")
        made.append(m.timed_figure(draw, f.crash, f.window) if ranks["in_queue"].any() else nowhere)
    return m.join(made)


def _place(ranks: pl.DataFrame, name: str, width: Width, span: Span) -> Drawing:
    return watch_rank(watch_ranks=ranks, name=name, start=span.start, end=span.end, width=width)


def fates_table(f: Findings) -> Markup:
    """List the fates of the watched positions."""
    rows = [
        {
            **row,
            "symbol": coin(row["symbol"]),
            "fate": str(row["fate"]).replace("_", " "),
            "opening": f.size(row["symbol"], row["opening_lots"]),
            "closed": f.size(row["symbol"], row["closed_lots"]),
        }
        for row in f.rows("hedges")
    ]
    return table(rows, HEDGES, kind="fates")


SECTION = Section(
    id="mine",
    label="My positions",
    question="What happened to my positions?",
    headline=headline,
    answer=answer,
    parts=(
        Part("Place in the queue, per cent of the candidates in front; closed in colour", figures, ("watch_ranks",)),
        Part("Fates", fates_table, ("hedges",)),
    ),
    shown=lambda f: f.meta.watch,
)
