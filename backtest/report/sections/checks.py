"""The section on whether it adds up: audits, data, assumptions, the scenario and versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from backtest.formatting import coin, micros, plural
from backtest.lake.suspect import expected_text, figure_text
from backtest.report import markup as m
from backtest.report.findings import Findings, Row
from backtest.report.glossary import all_terms
from backtest.report.sections.section import Part, Section
from backtest.report.sections.source import file_name, source_link
from backtest.report.tables import columns, table
from backtest.sql.run import AuditResult
from backtest.venue.statement import Simplification, Source

AUDITS = columns("""
    mark   text
    title  text   what must hold
    name   text   audit
    rows   count  offending rows
""")
COVERAGE = columns("""
    series         head    series
    coins          text    coins
    label          text    label
    expected_rows  count   wanted
    rows           count   there
    gaps           count   gaps
    longest_gap_s  count   longest, s
    bridged        count   carried flat
    duplicates     count   duplicates
    first_ts       moment  first
    last_ts        moment  last
    origin         text    source
""")
SUSPECTS = columns("""
    series    head    series
    coin      text    coin
    ts        moment  at
    field     text    field
    value     text    value
    expected  text    expected
    reason    text    why
    where     text    where
""")
PASS, FAIL = Markup('<span class="pass">✓ pass</span>'), Markup('<span class="fail">✗ FAIL</span>')
PRINTED = 2  # groups of limits that open on paper


def headline(f: Findings) -> Markup:
    """Return a warning where the books do not close, nothing where they do."""
    missing = f.summary["residual_usd"]
    words = "The books do not close: {usd} are missing, so nothing here may be trusted."
    return m.fill(words, usd=m.usd(missing, "checks")) if missing else Markup("")


def answer(f: Findings) -> Markup:
    """Return whether audits pass and the residual is zero."""
    failed = [audit.name for audit in f.audits if not audit.passed]
    verdict = m.fill("Yes: all {n} audits pass", n=m.count(len(f.audits)))
    if failed:
        names = m.listed([m.fill("{name}", name=name) for name in failed])
        verdict = m.fill("No: {n} of {all} audits fail ({names})", n=len(failed), all=len(f.audits), names=names)
    words = "; cash and contracts of all owners sum to zero at every step, with a residual of {residual} USD."
    doubts = len(f.meta.suspects)
    doubted = m.fill(
        " {n} suspicious {values} of the data used {were} allowed.",
        n=m.count(doubts),
        values=plural(doubts, "value"),
        were=plural(doubts, "was", "were"),
    )
    return verdict + m.fill(words, residual=micros(f.summary["residual_usd"])) + (doubted if doubts else Markup(""))


def failed_table(f: Findings) -> Markup:
    """List the audits that fail, if any does."""
    failed = [audit for audit in f.audits if not audit.passed]
    return _audits(failed) if failed else Markup("")


def audits_table(f: Findings) -> Markup:
    """List every audit with its mark."""
    return _audits(f.audits)


def _audits(audits: Sequence[AuditResult]) -> Markup:
    rows = [{"mark": PASS if a.passed else FAIL, "name": a.name, "title": a.title, "rows": a.rows} for a in audits]
    return table(rows, AUDITS, row_class=lambda row: "fail" if row["rows"] else "")


def coverage_table(f: Findings) -> Markup:
    """List the data that the window wanted and that was there; coins that fared alike share a row."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in f.rows("data_coverage"):
        alike = tuple(value for key, value in row.items() if key not in {"run_id", "symbol", "source", "sha256"})
        groups.setdefault(alike, []).append(row)
    rows = [
        {**group[0], "coins": ", ".join(coin(row["symbol"]) for row in group), "origin": _origin(group)}
        for group in groups.values()
    ]
    return table(rows, COVERAGE, kind="wrap") if rows else m.empty("No market data is recorded for this run.")


def suspects_table(f: Findings) -> Markup:
    """List the values of the data used that nothing around them bears out."""
    rows = [
        {
            "series": one.series,
            "coin": coin(one.symbol),
            "ts": one.ts,
            "field": one.field,
            "value": figure_text(one.value),
            "expected": expected_text(one.least, one.most),
            "reason": one.reason,
            "where": "replayed" if one.walked else "before the core",
        }
        for one in f.meta.suspects
    ]
    return table(rows, SUSPECTS, kind="wrap") if rows else m.empty("No value of the data used is suspicious.")


def _origin(group: list[Row]) -> Markup:
    """Return where rows came from, the first of several, all of them when pointed at."""
    sources = list(dict.fromkeys(row["source"] or "" for row in group))
    first = file_name(sources[0])
    shown = first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"
    note = m.fill("<small>{note}</small>", note=group[0]["note"]) if group[0]["note"] else ""
    return m.fill('<span title="{all}">{shown}</span>{note}', all=", ".join(sources), shown=shown, note=note)


def limits(f: Findings) -> Markup:
    """List assumptions, what is not simulated, simplified rules and unverified figures, in plain words."""
    meta = f.meta
    venue, event = meta.venue, meta.event
    groups: dict[str, Sequence[Any]] = {
        "Assumptions": meta.assumptions,
        "Not simulated": meta.not_simulated,
        "Notes on the inputs of this run": meta.notes,
        "Rules of the venue that run simplified": [_simplified(row) for row in venue.simplified],
        "Figures of the venue that are not verified": venue.unverified,
        "About the venue": venue.notes,
        "About the event": event.notes,
        "Sources of the venue's rules": [_source(row) for row in venue.sources],
    }
    box = "<details{printed}><summary>{name} <small>{n}</small></summary>{items}</details>"
    made = m.join(
        m.fill(
            box,
            printed=Markup(" data-print" if i < PRINTED else ""),
            name=name,
            n=len(items),
            items=m.bullets(items),
        )
        for i, (name, items) in enumerate(groups.items())
        if items
    )
    return m.fill('<div class="limits">{made}</div>', made=made) if made else m.empty("None are recorded.")


def _simplified(row: Simplification) -> Markup:
    words = "<b>{point}</b>: the venue: {rule}; here: {here}"
    return m.fill(words, point=row.point, rule=row.venue_rule, here=row.runs_here)


def _source(row: Source) -> Markup:
    return m.fill("{link} {words}", link=source_link(row.url), words=row.note or row.id)


def scenario_text(f: Findings) -> Markup:
    """Show the resolved scenario as TOML."""
    box = '<details class="code"><summary>as resolved</summary><pre tabindex="0"><code>{toml}</code></pre></details>'
    return m.fill(box, toml=f.meta.scenario_toml)


def versions_table(f: Findings) -> Markup:
    """List the versions that decide the result."""
    pairs = f.meta.versions.items()
    items = m.join(m.fill("<div><dt>{name}</dt><dd>{version}</dd></div>", name=k, version=v) for k, v in pairs)
    return m.fill('<dl class="versions">{items}</dl>', items=items)


SECTION = Section(
    id="checks",
    label="Checks",
    question="Does it add up?",
    headline=headline,
    answer=answer,
    parts=(
        Part("Audits that fail", failed_table),
        Part("Audits: queries that must return no row", audits_table, folded=True),
        Part("Data used", coverage_table, ("data_coverage",), folded=True),
        Part("Suspicious values", suspects_table),
        Part("Assumptions and limits", limits),
        Part("Scenario", scenario_text),
        Part("Versions", versions_table, folded=True),
        Part("Words of this page", lambda f: all_terms(), folded=True),
    ),
)
