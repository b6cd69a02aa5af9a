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
from backtest.report.figures.watch import ahead_and_taken
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


RESULTS = columns("""
    name            head     name
    symbol          text     coin
    side            side     side
    leverage        rounded  leverage at the start
    with_usd        cents    with ADL, USD
    without_usd     cents    without ADL, USD
    difference_usd  cents    ADL brought, USD
""")
BY_LEVERAGE = columns("""
    symbol           text     coin
    side             side     side
    leverage         head     leverage
    positions        count    positions
    adl_frac         percent  closed by ADL, %
    bar              text     as a bar
    adl_lots_frac    percent  of their size, %
    liquidated_frac  percent  liquidated, %
""")
OVER_DRAWS = "The crowd of this run without my positions; crashbook watch counts over draws, for my size and entry."


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
    results = {(row["name"], row["symbol"]): row for row in f.rows("watch_results")}
    fates = [_fate(row) + _result(results[row["name"], row["symbol"]]) for row in f.rows("hedges")]
    return m.join(fates, "; ") + "." if fates else m.fill("No watched position is in the book.")


def _result(row: Row) -> Markup:
    """Return the result with and without ADL, where ADL made a difference."""
    if not row["difference_usd"]:
        return Markup("")
    words = "; its result was {a}, and would have been {b} without ADL"
    return m.fill(words, a=m.usd(row["with_usd"]), b=m.usd(row["without_usd"]))


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


def waves_figure(f: Findings) -> Markup:
    """Draw what each wave took against what stood ahead of each watched position."""
    made = []
    for row in f.rows("hedges"):
        ranks = f.frame("watch_ranks", name=row["name"]).filter(pl.col("symbol") == row["symbol"])
        queued = ranks.filter(pl.col("in_queue") & pl.col("notional_ahead_usd").is_not_null())
        if not queued.is_empty():
            draw = partial(_waves, queued, f.frame("adl_waves"), f"{row['name']} {coin(row['symbol'])}")
            made.append(m.figure(draw))
    return m.join(made)


def _waves(queued: pl.DataFrame, waves: pl.DataFrame, name: str, width: Width) -> Drawing:
    return ahead_and_taken(watch_ranks=queued, adl_waves=waves, name=name, width=width)


def results_table(f: Findings) -> Markup:
    """List the result of each watched position with and without ADL."""
    return table([{**row, "symbol": coin(row["symbol"])} for row in f.rows("watch_results")], RESULTS)


def leverage_table(f: Findings) -> Markup:
    """List how often the crowd's positions of the same coin and side were closed, by leverage."""
    mine = {(row["symbol"], row["side"]): row["leverage"] for row in f.rows("watch_results")}
    rows = [row for row in f.rows("closed_by_leverage") if (row["symbol"], row["side"]) in mine]
    shown = [
        {
            **row,
            "symbol": coin(row["symbol"]),
            "leverage": _range(row),
            "bar": m.bar(row["adl_frac"], "adl"),
            "here": row["leverage_from"] <= mine[row["symbol"], row["side"]] < (row["leverage_to"] or float("inf")),
        }
        for row in rows
    ]
    made = table(shown, BY_LEVERAGE, row_class=lambda row: "here" if row["here"] else "")
    return made + m.note(OVER_DRAWS) if shown else Markup("")


def _range(row: Row) -> str:
    """Return a range of leverage in words.

    Examples
    --------
    >>> _range({"leverage_from": 5, "leverage_to": 7}), _range({"leverage_from": 50, "leverage_to": None})
    ('5x to 7x', 'from 50x')
    """
    low, high = row["leverage_from"], row["leverage_to"]
    return f"{low}x to {high}x" if high else f"from {low}x"


SECTION = Section(
    id="mine",
    label="My positions",
    question="What happened to my positions?",
    headline=headline,
    answer=answer,
    parts=(
        Part(
            "Place in the queue, per cent of the candidates in front, and lights; closed in colour",
            figures,
            ("watch_ranks",),
        ),
        Part(
            "What each wave took, and what stood ahead of me: inside the bar, I was closed",
            waves_figure,
            ("watch_ranks", "adl_waves"),
        ),
        Part("Result with and without ADL, from the first mark to the last", results_table, ("watch_results",)),
        Part(
            "How often positions of my coin and side were closed in this run, by leverage",
            leverage_table,
            ("closed_by_leverage",),
        ),
        Part("Fates", fates_table, ("hedges",), folded=True),
    ),
    shown=lambda f: f.meta.watch,
)
