"""The section on how sure we are: published figures, one setting changed at a time, the range over seeds."""

from __future__ import annotations

import math
import statistics

from markupsafe import Markup

from backtest.catalogue.facts import Fact
from backtest.formatting import Number, count, duration, exact, percent, plural, ratio, significant, usd
from backtest.report import markup as m
from backtest.report.findings import Findings, Row
from backtest.report.sections.comparisons import Compared, Ratios, comparisons, ends_of
from backtest.report.sections.metrics import NAMES, metric_cell, metric_name
from backtest.report.sections.section import Part, Section
from backtest.report.sections.source import source_link
from backtest.report.tables import Cell, Column, columns, table
from backtest.run.published import TOTALS

FACTS = columns("""
    name       head  figure
    window     text  window, UTC
    published  cell  published
    median     cell  median
    here       cell  this run
    ratio      cell  ratio
    track      text  a tenth · equal · ten times
    grade      text  grade, V/S/D/U
    source     text  source
""")
BANDS = columns("""
    name    head  number
    here    cell  this run
    median  cell  median of the seeds
    p05     cell  5 %
    p95     cell  95 %
    range   text  range, this run as a dot
""")
LEFT_OUT = "The book is imported: settings of a drawn book are left out."
_UNITS = {"usd": usd, "usdt": usd, "frac": percent, "s": duration, "count": count, "x": ratio}
_METRICS = {
    "liquidated_notional_usd": "liquidated",
    "liquidated_long_share_frac": "long share of liquidations",
    "adl_notional_usd": "closed by ADL",
    "adl_positions": "positions closed by ADL",
    "adl_onset_s": "first ADL after first liquidation",
    "price_low": "lowest trade",
    "price_move_frac": "move to the low",
}


def answer(f: Findings) -> Markup:
    """Return how far the run is from the published figures on liquidations and ADL."""
    # Prices test the tape that was walked, not the replay.
    tested = [one for one in comparisons(f) if not one.entry.metric.startswith("price")]
    scored = [one for one in tested if one.ratios]
    ratios = [one.ratios for one in scored if one.ratios]
    one = "One seed was run, so there is no band"
    seeds = f"{f.draws} draws were made" if f.draws else f"{f.seeds} seeds were run" if f.seeds > 1 else one
    if not ratios and any(one.foreign for one in tested):
        nothing = "{seeds}; no published figure of {venue} can be compared with this run; other venues' are grey."
        return m.fill(nothing, seeds=seeds, venue=f.meta.venue.id)
    if not ratios:
        return m.fill("{seeds}; nothing published can be compared with this run.", seeds=seeds)
    near, most = sum(each.near for each in ratios), max(len(one.several) for one in scored)
    return m.fill(
        "{seeds}; {near} of {n} {figures} {lie} within a factor of two of the replay{median}, which gives {low} to "
        "{high} of the published value.",
        seeds=seeds,
        near=near,
        n=len(ratios),
        figures=_figures(len(scored), sum(one.derived for one in scored)),
        median=f" (median of {most} {_noun(f)})" if most > 1 else "",
        lie=plural(near, "lies", "lie"),
        low=ratio(min(each.low for each in ratios)),
        high=ratio(max(each.high for each in ratios)),
    )


def _noun(f: Findings) -> str:
    return "draws" if f.draws else "seeds"


def _figures(n: int, derived: int) -> str:
    """Return figures in words, published apart from derived.

    Examples
    --------
    >>> _figures(9, 4), _figures(1, 0)
    ('figures (5 published, 4 derived from published ones)', 'published figure')
    """
    if 0 < derived < n:
        return f"figures ({n - derived} published, {derived} derived from published ones)"
    noun = plural(n, "figure")
    return f"{noun} derived from published ones" if derived else f"published {noun}"


# --- published figures ---------------------------------------------------------------------------------------


def facts_table(f: Findings) -> Markup:
    """Put published liquidations and ADL next to the run; other figures on them stand right below."""
    return _facts(f, main=True) or m.empty(
        "No published figure of this event covers the symbols and the window of this run."
    )


def other_facts_table(f: Findings) -> Markup:
    """Put all other published facts next to the run."""
    return _facts(f, main=False)


def _facts(f: Findings, *, main: bool) -> Markup:
    groups: dict[tuple[str, str], list[Compared]] = {}
    for one in comparisons(f):
        if (one.entry.metric in TOTALS) == main:
            groups.setdefault((one.entry.metric, one.entry.coin), []).append(one)
    rows = [row for group in groups.values() for row in _group(group, _noun(f))]
    if not rows:
        return Markup("")
    shown = [column for column in FACTS if column.key != "median" or any(row["several"] for row in rows)]
    return table(rows, shown, kind="facts", row_class=_row_class)


def _row_class(row: Row) -> str:
    return " ".join(name for name in ("clash", "foreign") if row.get(name))


def _group(group: list[Compared], noun: str) -> list[Row]:
    """Return a row for the first figure and rows below it for the others and for those that contradict them."""
    shown = {one.fact.id for one in group}
    clashes = {fact.id: fact for one in group for fact in one.conflicts if fact.id not in shown}
    first, *others = (_fact(one, noun) for one in group)
    also = [{**row, "name": _named("also published", row["notes"]), "clash": True} for row in others]
    return [first, *also, *map(_clash, clashes.values())]


def _fact(one: Compared, noun: str) -> Row:
    fact, entry = one.fact, one.entry
    name = " ".join(part for part in (entry.coin, _METRICS.get(entry.metric, entry.metric)) if part)
    notes = "; ".join(str(part) for part in (one.foreign, fact.note, entry.note) if part)
    track = _ratio_track(one.ratios) if entry.how == "ratio" else _onset_track(one)
    return {
        "name": _named(name, notes),
        "notes": notes,
        "window": f"{entry.start:%H:%M}–{entry.end:%H:%M}",
        "foreign": bool(one.foreign),
        "several": len(one.several) > 1,
        "here": _here(one),
        "median": _median(one, noun),
        "ratio": _ratio(one),
        "track": Markup("") if one.foreign or one.missing else track,
        **_published(fact),
    }


def _here(one: Compared) -> Cell:
    """Show the run's figure, or why there is none."""
    if one.missing:
        return Cell(m.fill('<span class="why">{why}</span>', why=one.missing))
    return Cell(_in_unit(one.fact, one.value), exact(one.value))


def _median(one: Compared, noun: str) -> Cell:
    """Show the median over several draws or seeds and its 5 to 95 % band."""
    if len(one.several) < 2:
        return Cell("")
    cuts = statistics.quantiles(one.several, n=20, method="inclusive")
    words = "{median}<small>of {n} {noun}, 5–95 %:<br>{low} to {high}</small>"
    low, high = (_in_unit(one.fact, end) for end in (cuts[0], cuts[-1]))
    shown = m.fill(words, median=_in_unit(one.fact, one.figure), n=len(one.several), noun=noun, low=low, high=high)
    return Cell(shown, exact(one.figure), one.figure)


def _ratio(one: Compared) -> Cell:
    """Show the ratio or, in a word, why there is none."""
    if one.ratios:
        return Cell("–".join(dict.fromkeys(significant(end) for end in (one.ratios.low, one.ratios.high))))
    why = "other venue" if one.foreign else "no verdict" if one.entry.how != "ratio" else "none"
    return Cell(m.fill('<span class="why">{why}</span>', why=why))


def _clash(fact: Fact) -> Row:
    blank = {"window": "", "several": False, "here": Cell(""), "median": Cell(""), "ratio": Cell(""), "track": ""}
    return {"name": _named("conflicts with", fact.note), "clash": True, **blank, **_published(fact)}


def _published(fact: Fact) -> Row:
    ends = ends_of(fact)
    value = Cell(" to ".join(_in_unit(fact, end) for end in ends), " to ".join(exact(end) for end in ends))
    return {"published": value, "grade": f"{fact.grade}, {fact.mark}", "source": source_link(fact.source)}


def _named(name: str, note: str | None) -> Markup:
    return m.fill("{name}{note}", name=name, note=m.fill("<small>{n}</small>", n=note) if note else "")


def _in_unit(fact: Fact, value: Number | None) -> str:
    return "" if value is None else _UNITS.get(fact.unit, lambda v: significant(v, 6))(value)


def _ratio_track(ratios: Ratios | None) -> Markup:
    """Draw a ratio as a dot on a log scale from a tenth to ten."""
    if ratios is None:
        return Markup("")
    low, high = (min(max((math.log10(end) + 1) * 50, 1.0), 99.0) for end in (ratios.low, ratios.high))
    dot = '<span class="track ratio"><b style="left:{low:.1f}%;width:max({width:.1f}%,9px)"></b></span>'
    return m.fill(dot, low=low, width=high - low)


def _onset_track(one: Compared) -> Markup:
    """Draw a figure without a verdict, a censored one or a bound, as two bars from zero: the run's, the published."""
    here, fact = abs(float(one.figure or 0)), max(abs(float(end or 0)) for end in ends_of(one.fact))
    room = max(here, fact) or 1.0
    bars = (
        '<span class="track onset" title="this run above, published below; no verdict">'
        '<b style="width:{here:.1f}%"></b><i style="width:{fact:.1f}%"></i></span>'
    )
    return m.fill(bars, here=here / room * 100, fact=fact / room * 100)


# --- seeds and settings --------------------------------------------------------------------------------------


def bands_table(f: Findings) -> Markup:
    """Show median and 5 to 95 % range over seeds, with this run's place in it."""
    if f.seeds < 2:
        return m.empty("One seed was run, so there is no band over seeds. The option --seeds 20 gives one.")
    return table((_band(f, metric) for metric in NAMES if metric in f.seed_spread), BANDS)


def _band(f: Findings, metric: str) -> Row:
    row = {**f.seed_spread[metric], "here": f.summary.get(metric)}
    dot = row["median"] if row["here"] is None else row["here"]
    ends = [float(value) for value in (row["p05"], row["p95"], dot)]
    room = max(ends) - min(ends)
    low, high, place = ((end - min(ends)) / room * 88 + 6 if room else 50.0 for end in ends)
    track = (
        '<span class="track range"><b style="left:{low:.1f}%;width:max({width:.1f}%,2px)"></b>'
        '<i style="left:{place:.1f}%"></i></span>'
    )
    drawn = m.fill(track, low=low, width=high - low, place=place)
    cells = {key: metric_cell(metric, row[key]) for key in ("here", "p05", "median", "p95")}
    return {"name": NAMES[metric], "range": drawn, **cells}


def sensitivity_table(f: Findings) -> Markup:
    """Show the headline numbers with one setting changed at a time, of every study that does so."""
    runs = list({row.label: row for rows in f.run.studies.rows.values() for row in rows}.values())
    if not runs:
        return m.empty("No sensitivity grid was run with this replay.")
    metrics = list(dict.fromkeys(metric for row in runs for metric in row.metrics))
    own = f.meta.run_id
    rows = (
        {"label": row.label, "here": row.run_id == own}
        | {metric: metric_cell(metric, row.metrics.get(metric)) for metric in metrics}
        for row in runs
    )
    heads = [Column("label", "head", "changed"), *(Column(metric, "cell", metric_name(metric)) for metric in metrics)]
    shown = table(rows, heads, row_class=lambda row: "here" if row["here"] else "")
    if f.meta.scenario.positions_file:
        return shown + m.note(LEFT_OUT)
    return shown


SECTION = Section(
    id="sure",
    label="How sure",
    question="How sure are we?",
    answer=answer,
    parts=(
        Part("Liquidations and ADL, published and replayed", facts_table, ("window_metrics",)),
        Part("The other published figures", other_facts_table, ("window_metrics",), folded=True),
        Part("One setting changed at a time", sensitivity_table, ("run_summary",), folded=True),
        Part("The headline numbers over seeds", bands_table, ("seed_spread",)),
    ),
    of_studies=True,
)
