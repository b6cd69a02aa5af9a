"""The run next to what was published about the event."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from markupsafe import Markup

from backtest.catalogue.facts import Comparison, Fact
from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import (
    Number,
    at,
    count_text,
    exact_text,
    frac_text,
    plural,
    say,
    significant,
    span_text,
    times_text,
    usd_text,
)
from backtest.report.tables import Cell, columns, empty, table

WITHIN = 2.0
FACTS = columns("""
    name       head   figure
    window     words  window, UTC
    here       given  this run
    published  given  published
    ratio      given  ratio
    track      words  a tenth · equal · ten times
    grade      words  grade
    source     words  source
""")
_UNITS = {"usd": usd_text, "usdt": usd_text, "frac": frac_text, "s": span_text, "count": count_text, "x": times_text}
_METRICS = {
    "liquidated_notional_usd": "liquidated",
    "liquidated_long_share_frac": "long share of liquidations",
    "adl_notional_usd": "closed by ADL",
    "adl_positions": "positions closed by ADL",
    "adl_onset_s": "first ADL after first liquidation",
    "price_low": "lowest trade",
    "price_move_frac": "move to the low",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A published figure next to the run's own figure over the same window."""

    fact: Fact
    entry: Comparison
    value: Number | None
    conflicts: tuple[Fact, ...]
    seeds: tuple[float, ...] = ()
    missing: Markup | str = ""
    foreign: str = ""

    @property
    def derived(self) -> bool:
        """Return whether the fact was worked out from published figures."""
        return self.fact.mark == "D"

    @property
    def figure(self) -> Number | None:
        """Return what stands for the replay: the median over seeds, with one seed the value of this run."""
        return statistics.median(self.seeds) if len(self.seeds) > 1 else self.value

    @property
    def ratios(self) -> tuple[float, float] | None:
        """Return the run's figure over the fact, for a range over both its ends; none where there is no verdict."""
        ends = [float(end) for end in ends_of(self.fact) if end]
        if self.entry.how != "ratio" or self.foreign or not self.figure or not ends:
            return None
        found = [float(self.figure) / end for end in ends]
        return (min(found), max(found)) if min(found) > 0 else None


def ends_of(fact: Fact) -> tuple[float | None, ...]:
    """Return the value of a fact, or both ends of its range."""
    return (fact.low, fact.high) if fact.value is None else (fact.value,)


def comparisons(f: Findings) -> list[Compared]:
    """Evaluate what the event says may be compared, for the coins of this run."""
    facts = {fact.id: fact for fact in f.meta.event.facts}
    covered = {base_coin(symbol) for symbol in f.symbols}
    over_seeds = f.run.studies.seeds.compared if f.run.studies.seeds else {}
    made = []
    for entry in f.meta.event.compare:
        coin, fact = entry.coin or None, facts.get(entry.fact)
        if fact is None or (coin and coin not in covered):
            continue
        row = f.row("window_metrics", coin=coin, start=entry.start, end=entry.end)
        clashes = tuple(facts[name] for name in fact.conflicts_with if name in facts)
        missing = _missing(f, entry, row)
        seeds = () if missing else over_seeds.get(fact.id, ())
        value = None if missing else row.get(entry.metric)
        made.append(Compared(fact, entry, value, clashes, seeds, missing, _foreign(f, fact)))
    return sorted(made, key=lambda one: bool(one.foreign))


def _foreign(f: Findings, fact: Fact) -> str:
    """Return why a fact of another venue says nothing about this run; nothing for a fact that does."""
    here, there = f.meta.venue.id, fact.venue
    return f"a figure of {there}; this run has the rules of {here}" if there and there != here else ""


def _missing(f: Findings, entry: Comparison, row: Row) -> Markup | str:
    """Return why the run has no figure for an entry, nothing if it has one."""
    began, metric = f.summary["first_adl_ts"], entry.metric
    if metric == "adl_onset_s" and began and began < entry.start:
        # What the window then holds is its first ADL, not the first of all.
        return say("before the window, {time}", time=at(began))
    if row.get(metric) is not None:
        return ""
    if metric == "adl_onset_s":
        return "no ADL in the window"
    return "no liquidation in the window" if metric.startswith("liquidated") else "no trade in the window"


def sure_answer(f: Findings) -> Markup:
    """Say how far the run is from what was published about liquidations and ADL."""
    # Prices test the tape that was walked, not the replay.
    told = [one for one in comparisons(f) if not one.entry.metric.startswith("price")]
    scored = [one for one in told if one.ratios]
    ratios = [one.ratios for one in scored if one.ratios]
    seeds = f"{f.seeds} seeds were run" if f.seeds > 1 else "One seed was run, so there is no band"
    if not ratios and any(one.foreign for one in told):
        nothing = "{seeds}; no published figure of {venue} can be compared with this run; other venues' are grey."
        return say(nothing, seeds=seeds, venue=f.meta.venue.id)
    if not ratios:
        return say("{seeds}; nothing published can be compared with this run.", seeds=seeds)
    near = sum(_near(ends) for ends in ratios)
    return say(
        "{seeds}; {near} of {n} {figures} {lie} within a factor of two of the replay{median}, which gives {low} to "
        "{high} what was published.",
        seeds=seeds,
        near=near,
        n=len(ratios),
        figures=_figures(len(scored), sum(one.derived for one in scored)),
        median=_median_of(scored),
        lie=plural(near, "lies", "lie"),
        low=times_text(min(low for low, _ in ratios)),
        high=times_text(max(high for _, high in ratios)),
    )


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


def _median_of(scored: list[Compared]) -> str:
    most = max(len(one.seeds) for one in scored)
    return f" (median of {most} seeds)" if most > 1 else ""


def _near(ends: tuple[float, float]) -> bool:
    return ends[0] <= WITHIN and ends[1] >= 1 / WITHIN


def facts_table(f: Findings) -> Markup:
    """Put the published facts next to the run; others on the same thing, and conflicting ones, stand right below."""
    groups: dict[tuple[str, str], list[Compared]] = {}
    for one in comparisons(f):
        groups.setdefault((one.entry.metric, one.entry.coin), []).append(one)
    rows = [row for group in groups.values() for row in _group(group)]
    if not rows:
        return empty("No published figure of this event covers the symbols and the window of this run.")
    return table(rows, FACTS, kind="facts", row_class=_row_class)


def _row_class(row: Row) -> str:
    return " ".join(name for name in ("clash", "foreign") if row.get(name))


def _group(group: list[Compared]) -> list[Row]:
    """Return a row for the first figure and rows below it for the others and for what contradicts them."""
    shown = {one.fact.id for one in group}
    clashes = {fact.id: fact for one in group for fact in one.conflicts if fact.id not in shown}
    first, *others = (_fact(one) for one in group)
    also = [{**row, "name": _named("also published", row["notes"]), "clash": True, "here": Cell("")} for row in others]
    return [first, *also, *map(_clash, clashes.values())]


def _fact(one: Compared) -> Row:
    fact, entry = one.fact, one.entry
    name = " ".join(part for part in (entry.coin, _METRICS.get(entry.metric, entry.metric)) if part)
    notes = "; ".join(str(part) for part in (one.foreign, fact.note, entry.note) if part)
    track = _ratio_track(one.ratios) if entry.how == "ratio" else _onset_track(one)
    return {
        "name": _named(name, notes),
        "notes": notes,
        "window": f"{entry.start:%H:%M}–{entry.end:%H:%M}",
        "foreign": bool(one.foreign),
        "here": _here(one),
        "ratio": _ratio(one),
        "track": Markup("") if one.foreign or one.missing else track,
        **_published(fact),
    }


def _here(one: Compared) -> Cell:
    """Show the run's figure, over several seeds their median and 5 to 95 % band, or why there is none."""
    if one.missing:
        return Cell(say('<span class="why">{why}</span>', why=one.missing))
    if len(one.seeds) < 2:
        return Cell(_show(one.fact, one.value), exact_text(one.value))
    cuts = statistics.quantiles(one.seeds, n=20, method="inclusive")
    words = "{median}<small>median of {n} seeds, 5–95 %:<br>{low} to {high}</small>"
    low, high = (_show(one.fact, end) for end in (cuts[0], cuts[-1]))
    title = f"{exact_text(one.figure)}; this run {exact_text(one.value)}"
    return Cell(say(words, median=_show(one.fact, one.figure), n=len(one.seeds), low=low, high=high), title)


def _ratio(one: Compared) -> Cell:
    """Show the ratio or, in a word, why there is none."""
    if one.ratios:
        return Cell("–".join(dict.fromkeys(significant(end) for end in one.ratios)))
    why = "other venue" if one.foreign else "no verdict" if one.entry.how != "ratio" else "none"
    return Cell(say('<span class="why">{why}</span>', why=why))


def _clash(fact: Fact) -> Row:
    blank = {"window": "", "here": Cell(""), "ratio": Cell(""), "track": ""}
    return {"name": _named("conflicts with", fact.note), "clash": True, **blank, **_published(fact)}


def _published(fact: Fact) -> Row:
    ends = ends_of(fact)
    value = Cell(" to ".join(_show(fact, end) for end in ends), " to ".join(exact_text(end) for end in ends))
    return {"published": value, "grade": fact.grade, "source": source_link(fact.source)}


def _named(name: str, note: str | None) -> Markup:
    return say("{name}{note}", name=name, note=say("<small>{n}</small>", n=note) if note else "")


def _show(fact: Fact, value: Number | None) -> str:
    return "" if value is None else _UNITS.get(fact.unit, lambda v: significant(v, 6))(value)


def _ratio_track(ratios: tuple[float, float] | None) -> Markup:
    """Draw a ratio as a dot on a log scale from a tenth to ten."""
    if ratios is None:
        return Markup("")
    low, high = (min(max((math.log10(end) + 1) * 50, 1.0), 99.0) for end in ratios)
    dot = '<span class="track ratio"><b style="left:{low:.1f}%;width:max({width:.1f}%,9px)"></b></span>'
    return say(dot, low=low, width=high - low)


def _onset_track(one: Compared) -> Markup:
    """Draw a figure without a verdict, a censored one or a bound, as two bars from zero: the run's, the published."""
    here, fact = abs(float(one.figure or 0)), max(abs(float(end or 0)) for end in ends_of(one.fact))
    room = max(here, fact) or 1.0
    bars = (
        '<span class="track onset" title="this run above, published below; no verdict">'
        '<b style="width:{here:.1f}%"></b><i style="width:{fact:.1f}%"></i></span>'
    )
    return say(bars, here=here / room * 100, fact=fact / room * 100)


def file_name(source: str) -> str:
    """Return the last part of the path of a data file, any other source as it is.

    Examples
    --------
    >>> file_name("data/sample/bars.csv"), file_name("page 3/4")
    ('bars.csv', 'page 3/4')
    """
    return source.rsplit("/", 1)[-1] if source.endswith((".csv", ".parquet")) else source


def source_link(source: str) -> Markup:
    """Return a link for a web address, plain words for anything else, of a path the file's name.

    Examples
    --------
    >>> source_link("https://example.org/a/b")
    Markup('<a href="https://example.org/a/b" rel="noreferrer">example.org</a>')
    >>> source_link("javascript:alert(1)")
    Markup('<span class="source">javascript:alert(1)</span>')
    """
    scheme, _, rest = source.partition("://")
    if scheme not in {"http", "https"}:
        name = file_name(source)
        title = say(' title="{s}"', s=source) if name != source else ""
        return say('<span class="source"{title}>{name}</span>', title=title, name=name)
    return say('<a href="{s}" rel="noreferrer">{host}</a>', s=source, host=rest.split("/", 1)[0])
