"""The page of ``crashbook watch``: a section a position, with its chances by leverage and the cut-off of the queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from markupsafe import Markup

from backtest.assets import inside, reports_folder
from backtest.catalogue.events import get_event
from backtest.formatting import date, significant
from backtest.report import markup as m
from backtest.report.figures.watch import chances, cut_off
from backtest.report.page import page_of, save
from backtest.report.sections.title import Title
from backtest.report.tables import columns, table
from backtest.run.describe import event_of

if TYPE_CHECKING:
    from backtest.studies.watch import Watched
    from backtest.studies.watch_summary import WatchSummary

BY_LEVERAGE = columns("""
    leverage                   rounded  leverage
    own                        text     size
    p_liquidated               percent  liquidated, %
    p_adl                      percent  ADL, %
    ahead_usd_median           cents    ahead, USD
    taken_usd_median           cents    wave took, USD
    close_px_median            price    close
    mark_px_median             price    mark
    trade_px_median            price    traded
    against_mark_usd_median    cents    against mark, USD
    against_trade_usd_median   cents    against trade, USD
    against_holding_usd_median cents    against holding, USD
""")


def write(found: Watched, path: Path | None = None) -> Path:
    """Write the page, by default to the reports folder of the workspace, and return its path."""
    target = path or inside(reports_folder(), f"watch-{found.event}-{found.venue}.html")
    return save(html(found), target)


def html(found: Watched) -> str:
    """Return the page: it loads nothing."""
    summary, by_draw = found.summary, found.by_draw
    names = list(dict.fromkeys(row.position for row in found.rows))
    sections = [_section(found, number, name, summary, by_draw) for number, name in enumerate(names)]
    return page_of(_title(found), sections, "watch")


def _title(found: Watched) -> Title:
    event = get_event(found.event)
    facts = {
        "venue": found.venue,
        "window, UTC": f"{date(found.start)}, {found.start:%H:%M} to {found.end:%H:%M}",
        "draws": f"{found.draws} of {found.drawn} priors and the seed",
        "crowd of a draw": f"{found.book_size:,} positions",
    }
    return Title(event=event_of(event), facts=facts, labels=[], notes=found.notes, command="watch")


def _section(found: Watched, number: int, name: str, summary: pl.DataFrame, by_draw: pl.DataFrame) -> dict[str, Any]:
    rows, mine = summary.filter(pl.col("position") == name), pl.col("position") == name
    own = next(row for row in found.rows if row.position == name)
    draws = by_draw.filter(mine, pl.col("own"))
    parts = [_part("Chances over leverage", m.figure(lambda width: chances(summary=rows, width=width)))]
    if draws["ahead_usd"].drop_nulls().len():
        parts.append(_part("The cut-off, my own leverage", m.figure(lambda width: cut_off(by_draw=draws, width=width))))
    words = "By leverage, medians over the draws; each leverage has a nearest wave of its own, so ahead need not fall"
    parts.append(_part(words, _table(rows)))
    return {
        "id": f"position-{number + 1}",
        "label": name,
        "question": f"What happens to {name}, {significant(own.leverage)}×?",
        "answer": _answer(found, own),
        "parts": parts,
        "queries": [],
    }


def _part(title: str, body: Markup) -> dict[str, Any]:
    return {"title": title, "body": body, "queries": ()}


def _table(rows: pl.DataFrame) -> Markup:
    made = [{**row, "own": "in full" if row["own"] else "copy"} for row in rows.sort("leverage").to_dicts()]
    return table(made, BY_LEVERAGE, kind="leverages")


def _answer(found: Watched, row: WatchSummary) -> Markup:
    """Return the answer in sentences."""
    bands = row.bands
    sentences = [
        m.fill(
            "Liquidated in {a} of {n} draws, closed by ADL in {b}.",
            a=m.count(row.liquidated.count),
            b=m.count(row.adl.count),
            n=m.count(row.draws),
        )
    ]
    if (ahead := bands["ahead_usd"]) and (taken := bands["taken_usd"]):
        words = "In the wave that came nearest {a} stood ahead of it, and the wave took {b} (medians)."
        sentences.append(m.fill(words, a=m.usd(ahead.median), b=m.usd(taken.median)))
    if (mark := bands["against_mark_usd"]) and (trade := bands["against_trade_usd"]):
        words = "Against the mark its closes brought {a}, against the traded price {b}."
        sentences.append(m.fill(words, a=m.usd(mark.median), b=m.usd(trade.median)))
    if held := bands["against_holding_usd"]:
        words = "Against holding to {end} UTC: {a} (5 to 95 %: {b} to {c})."
        figures = {"a": m.usd(held.median), "b": m.usd(held.low), "c": m.usd(held.high)}
        sentences.append(m.fill(words, end=f"{found.end:%H:%M}", **figures))
    if (alone := bands["unhedged_s"]) and (result := bands["unhedged_pnl_usd"]):
        words = "Its outside leg was alone for {a}, with a result of {b}."
        sentences.append(m.fill(words, a=m.duration(alone.median), b=m.usd(result.median)))
    return m.join(sentences, " ")
