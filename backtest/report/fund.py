"""The page of ``crashbook fund``: ADL against size, what no size prevents, and the fall that exhausts the pool."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from backtest.assets import inside, reports_folder
from backtest.catalogue.events import get_event
from backtest.formatting import exact, fixed, percent
from backtest.formatting import usd as usd_text
from backtest.report import markup as m
from backtest.report.figures.drawing import Drawing
from backtest.report.figures.fund import adl_by_size, by_draw
from backtest.report.figures.style import Width
from backtest.report.page import page_of, save
from backtest.report.sections.title import Title
from backtest.report.tables import columns, table
from backtest.run.describe import event_of
from backtest.sql.files import get_query
from backtest.studies.fund_rows import (
    count_of,
    curve,
    draw_rows,
    finite,
    rule_value,
    settings,
    spread_of_shocks,
    spread_of_sizes,
    why_not,
)
from backtest.studies.pool import CAUSES

if TYPE_CHECKING:
    from backtest.studies.fund_size import FundSize

CURVE = columns("""
    size_usd       cents    size, USD
    p_adl          percent  draws with ADL, %
    p_preventable  percent  with ADL that a larger one prevents, %
    adl_usd        cents    ADL, median, USD
    adl_low_usd    cents    5 %, USD
    adl_high_usd   cents    95 %, USD
    pool_low_usd   cents    lowest equity, median, USD
""")
DRAWS = columns("""
    draw          count    draw
    seed          count    seed
    smallest_usd  cents    smallest size, USD
    remains       text     ADL at every size
    rises         text     a larger one has more ADL
    comes_back    text     ADL comes back
    shock         rounded  fall that exhausts the given one, times
""")
WHY = columns("""
    cause    head     cause
    given    percent  at the given size, % of ADL
    largest  percent  at the largest, % of ADL
    size     text     a larger one prevents it
""")
RULES = columns("""
    rule    head     rule
    field   text     field
    given   text     given
    value   text     tightest without ADL
    remain  count    draws with ADL at any
    why     text     why none has
""")
QUERIES = {
    "size": ("fund_balance", "run_summary"),
    "why": ("adl_causes", "fund_timeline"),
    "rules": ("fund_timeline",),
    "fall": ("potential_by_minute",),
}


def write(found: FundSize, path: Path | None = None) -> Path:
    """Write the page, by default to the reports folder of the workspace, and return its path."""
    name = f"fund-{found.resolved.event.id}-{found.resolved.venue.id}.html"
    return save(html(found), path or inside(reports_folder(), name))


def html(found: FundSize) -> str:
    """Return the page: it loads nothing."""
    sections = [_size(found), _why(found), _rules(found)]
    if found.draws[0].shock is not None:
        sections.append(_fall(found))
    return page_of(_title(found), [*sections, _draws(found)], "fund")


def _title(found: FundSize) -> Title:
    resolved = found.resolved
    book = f"{found.positions:,} positions"
    facts = {
        "venue": resolved.venue.id,
        f"given {found.pool.owner}": usd_text(found.pool.size_usd),
        "wanted": f"no ADL in {percent(found.no_adl)} of the draws",
        "draws": f"{len(found.draws)} of {found.drawn} priors and the seed" if found.drawn else "the scenario as it is",
        "book of a draw" if found.drawn else "book": book,
    }
    event = event_of(get_event(resolved.event.id))
    return Title(event=event, facts=facts, labels=[], notes=tuple(resolved.headline), command="fund")


def curve_of(found: FundSize, width: Width) -> Drawing:
    """Draw ADL against size, with the given and the recommended size."""
    pool, needed, enough = found.pool, finite(found.needed_usd), finite(found.sufficient_usd)
    marks = [(pool.size_usd, f"given, {usd_text(pool.size_usd)}", "grey")]
    if (best := needed if needed is not None else enough) is not None:
        enough_for = "enough" if width.narrow else "enough for what a size takes"
        words = "recommended" if needed is not None else enough_for
        marks.insert(0, (best, f"{words}, {usd_text(best)}", "pool"))
    return adl_by_size(
        curve=curve(found), smallest=[draw.smallest_usd for draw in found.draws], marks=marks, width=width
    )


def _size(found: FundSize) -> dict[str, Any]:
    body = m.figure(lambda width: curve_of(found, width))
    as_table = m.folded("the curve as a table", table(curve(found), CURVE))
    return {
        "id": "size",
        "label": "size",
        "question": f"How large must the {found.pool.owner} be?",
        "answer": _answer(found),
        "parts": [
            _part("ADL against size", body),
            _part("", as_table),
        ],
        "queries": _queries("size"),
    }


def _answer(found: FundSize) -> Markup:
    pool, needed, enough = found.pool.owner, finite(found.needed_usd), finite(found.sufficient_usd)
    wanted, largest = percent(found.no_adl), found.sizes[-1]
    sentences = []
    if needed is not None:
        words = "With {usd} the {pool} has no ADL in {wanted} of the draws."
        sentences.append(m.fill(words, usd=m.usd(needed), pool=pool, wanted=wanted))
    else:
        words = "No size up to {usd} has no ADL in {wanted} of the draws: {left} of {all} still have some there."
        left, all_draws = m.count(count_of(found, "remains")), m.count(len(found.draws))
        sentences.append(m.fill(words, usd=m.usd(largest), wanted=wanted, left=left, all=all_draws))
        if enough is not None:
            words = "From {usd} on, what remains is ADL that no size prevents."
            sentences.append(m.fill(words, usd=m.usd(enough)))
    spread = spread_of_sizes(found)
    if spread.median is not None and len(found.draws) > 1:
        words = "The draws' own smallest sizes: {a}, 5 to 95 % {b} to {c}."
        sentences.append(m.fill(words, a=m.usd(spread.median), b=m.usd(spread.low), c=m.usd(spread.high)))
    if more := count_of(found, "rises"):
        words = (
            "In {n} of {all} draws a larger {pool} has more ADL than a smaller one: it is deleveraged later, for more."
        )
        sentences.append(m.fill(words, n=m.count(more), all=m.count(len(found.draws)), pool=pool))
    return m.join(sentences, " ")


def _why(found: FundSize) -> dict[str, Any]:
    given, largest = found.causes(), found.causes(-1)
    rows = [
        {
            "cause": cause.text,
            "given": given.get(name, 0.0) / (sum(given.values()) or 1.0),
            "largest": largest.get(name, 0.0) / (sum(largest.values()) or 1.0),
            "size": "yes" if cause.of_size else "no",
        }
        for name, cause in CAUSES.items()
        if name in given or name in largest
    ]
    never = [m.fill("{text}", text=CAUSES[name].text) for name in largest if not CAUSES[name].of_size]
    if never:
        answer = m.fill("No size prevents ADL of: {causes}.", causes=m.join(never, "; "))
    elif given:
        answer = m.fill("Every cause of ADL here is one that a larger {pool} takes more of.", pool=found.pool.owner)
    else:
        answer = m.fill("There is no ADL at the given size.")
    parts = [_part("Causes of ADL, all draws together", table(rows, WHY, kind="wrap"))] if rows else []
    return {
        "id": "why",
        "label": "what no size prevents",
        "question": "What does no size prevent, and why?",
        "answer": answer,
        "parts": parts,
        "queries": _queries("why"),
    }


def _rules(found: FundSize) -> dict[str, Any]:
    wanted, rows, sentences = percent(found.no_adl), [], []
    for each in found.rules:
        rule, why = each.rule, why_not(found, each)
        given = rule.given if isinstance(rule.given, int | float) else None
        value = None if each.value is None else rule_value(each, each.value)
        sets = ", ".join(settings(each))
        rows.append(
            {
                "rule": rule.name,
                "field": rule.field,
                "given": "" if given is None else rule_value(each, given),
                "value": "" if value is None else f"{value} ({sets})",
                "remain": None if rule.without else each.remain,
                "why": why or "",
            }
        )
        if value is not None:
            words = "With a {rule} of {value} there is no ADL in {wanted} of the draws."
            sentences.append(m.fill(words, rule=rule.name, value=value, wanted=wanted))
        else:
            sentences.append(m.fill("{rule}: {why}.", rule=rule.name.capitalize(), why=why or ""))
    reasons = {each.rule.without for each in found.rules}
    if len(reasons) == 1 and all(reasons):
        sentences = [m.fill("Of floor, trigger and stop {why}.", why=next(iter(reasons)))]
    return {
        "id": "rules",
        "label": "floor, trigger, stop",
        "question": "Would another floor, trigger or stop prevent it?",
        "answer": m.join(sentences, " "),
        "parts": [
            _part(f"At the given {found.pool.owner}, the other rules as they are", table(rows, RULES, kind="wrap"))
        ],
        "queries": _queries("rules"),
    }


def _fall(found: FundSize) -> dict[str, Any]:
    shocks = [math.inf if draw.shock is None else draw.shock for draw in found.draws]
    spread, owner = spread_of_shocks(found), found.pool.owner
    titles = [
        f"draw {k + 1}: {fixed(shock, 2)} times" if math.isfinite(shock) else "" for k, shock in enumerate(shocks)
    ]
    parts = []
    if spread.median is None:
        answer = m.fill("No fall up to 4 times as deep exhausts the given {pool}.", pool=owner)
    else:
        words = (
            "A fall {a} times as deep as that day's (in logarithms; 5 to 95 %: {b} to {c}) exhausts the given {pool}."
        )
        figures = {
            key: m.number(fixed(value, 2), exact(value))
            for key, value in zip("abc", (spread.median, spread.low, spread.high), strict=True)
        }
        answer = m.fill(words, pool=owner, **figures)
        name = f"factor on the fall that exhausts the given {owner}, by draw"
        body = m.figure(lambda width: by_draw(values=shocks, words=name, titles=titles, one="the day", width=width))
        parts = [_part("Reverse stress", body)]
        if none := sum(math.isinf(shock) for shock in shocks):
            answer += m.fill(" In {n} of {all} draws none up to 4 does.", n=m.count(none), all=m.count(len(shocks)))
    return {
        "id": "fall",
        "label": "reverse stress",
        "question": f"Which fall exhausts the given {owner}?",
        "answer": answer,
        "parts": parts,
        "queries": _queries("fall"),
    }


def _draws(found: FundSize) -> dict[str, Any]:
    rows = [
        {name: ("yes" if value else "no") if isinstance(value, bool) else value for name, value in row.items()}
        for row in draw_rows(found)
    ]
    return {
        "id": "draws",
        "label": "draws",
        "question": "What did each draw need?",
        "answer": m.fill("A size that is missing lies beyond the largest one tried."),
        "parts": [_part("Draws", table(rows, DRAWS, kind="sortable"))],
        "queries": [],
    }


def _part(title: str, body: Markup) -> dict[str, Any]:
    return {"title": title, "body": body, "queries": ()}


def _queries(section: str) -> list[tuple[str, Any]]:
    return [(name, get_query(name)) for name in QUERIES[section]]
