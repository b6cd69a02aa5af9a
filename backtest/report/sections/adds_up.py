"""The title band, and the section on audits, data, assumptions, the scenario and versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from backtest.report.figures.canvas import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.numbers import count, listed, plural, say
from backtest.report.sections.published import file_name, source_link
from backtest.report.story import BADGES, day
from backtest.report.tables import bullets, columns, empty, micros, table
from backtest.venue.statement import Simplification, Source

AUDITS = columns("""
    mark   words
    title  words  what must hold
    name   words  audit
    rows   whole  offending rows
""")
COVERAGE = columns("""
    series         head    series
    coins          words   coins
    label          words   label
    expected_rows  whole   wanted
    rows           whole   there
    gaps           whole   gaps
    longest_gap_s  whole   longest, s
    bridged        whole   carried flat
    duplicates     whole   duplicates
    first_ts       moment  first
    last_ts        moment  last
    origin         words   source
""")


# --- the title band ------------------------------------------------------------------------------------------


def title_band(f: Findings) -> Row:
    """Return what the title band shows: event, venue, window, identity and one badge per kind of input."""
    meta, s = f.meta, f.summary
    seeds = f.seeds
    until = f"{f.end:%H:%M}" if f.start.date() == f.end.date() else f"{f.end:%H:%M} on {day(f.end)}"
    facts = [
        ("venue", meta.venue.name),
        *([("unit", meta.settlement.unit)] if meta.settlement.unit else []),
        ("window, UTC", f"{day(f.start)}, {f.start:%H:%M} to {until}"),
        ("symbols", f.coins()),
        ("run", meta.run_id),
        (plural(max(seeds, 1), "seed"), f"{s['seed']} and {seeds - 1} more" if seeds > 1 else s["seed"]),
        ("ADL ranking", s["ranking"]),
    ]
    labels = [
        {
            "name": name.replace("_", " "),
            "kind": label.badge if label.badge in BADGES else "other",
            "badge": label.badge,
            "text": label.text,
        }
        for name, label in meta.labels.by_name().items()
    ]
    return {"event": meta.event, "facts": facts, "labels": labels, "flags": meta.notes}


# --- does it add up ------------------------------------------------------------------------------------------


def checks_answer(f: Findings) -> Markup:
    """Say whether audits pass and the residual is zero."""
    failed = [audit.name for audit in f.audits if not audit.passed]
    verdict = say("Yes: all {n} audits pass", n=count(len(f.audits)))
    if failed:
        names = listed([say("{name}", name=name) for name in failed])
        verdict = say("No: {n} of {all} audits fail ({names})", n=len(failed), all=len(f.audits), names=names)
    residual = micros(f.summary["residual_usd"]).text
    return verdict + say("; the residual of the cash ledger is {residual} USD.", residual=residual)


def audits_table(f: Findings) -> Markup:
    """List every audit with its mark."""
    marks = {True: Markup('<span class="pass">✓ pass</span>'), False: Markup('<span class="fail">✗ FAIL</span>')}
    rows = [{"mark": marks[a.passed], "name": a.name, "title": a.title, "rows": a.rows} for a in f.audits]
    return table(rows, AUDITS, row_class=lambda row: "fail" if row["rows"] else "")


def coverage_table(f: Findings) -> Markup:
    """List what data the window wanted and what was there; coins that fared alike share a row."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in f.rows("data_coverage"):
        alike = tuple(value for key, value in row.items() if key not in {"run_id", "symbol", "source", "sha256"})
        groups.setdefault(alike, []).append(row)
    rows = [
        {**group[0], "coins": ", ".join(base_coin(row["symbol"]) for row in group), "origin": _origin(group)}
        for group in groups.values()
    ]
    return table(rows, COVERAGE, kind="wrap") if rows else empty("No market data is recorded for this run.")


def _origin(group: list[Row]) -> Markup:
    """Return where rows came from, the first of several, all of them when pointed at."""
    sources = list(dict.fromkeys(row["source"] or "" for row in group))
    first = file_name(sources[0])
    shown = first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"
    note = say("<small>{note}</small>", note=group[0]["note"]) if group[0]["note"] else ""
    return say('<span title="{all}">{shown}</span>{note}', all=", ".join(sources), shown=shown, note=note)


def limits(f: Findings) -> Markup:
    """List assumptions, what is not simulated, simplified rules and unverified figures, in plain words."""
    meta = f.meta
    venue, event = meta.venue, meta.event
    groups: list[tuple[str, Sequence[Any]]] = [
        ("Assumptions", meta.assumptions),
        ("Not simulated", meta.not_simulated),
        ("Notes on the inputs of this run", meta.notes),
        ("Rules of the venue that run simplified", [_simplified(row) for row in venue.simplified]),
        ("Figures of the venue that are not verified", venue.unverified),
        ("About the venue", venue.notes),
        ("About the event", event.notes),
        ("Sources of the venue's rules", [_source(row) for row in venue.sources]),
    ]
    box = "<details{open}><summary>{name} <small>{n}</small></summary>{items}</details>"
    made = Markup("").join(
        say(box, open=Markup(" open") if i < 2 else "", name=name, n=len(items), items=bullets(items))
        for i, (name, items) in enumerate(groups)
        if items
    )
    return say('<div class="limits">{made}</div>', made=made) if made else empty("None are recorded.")


def _simplified(row: Simplification) -> Markup:
    words = "<b>{point}</b>: the venue: {rule}; here: {here}"
    return say(words, point=row.point, rule=row.venue_rule, here=row.runs_here)


def _source(row: Source) -> Markup:
    return say("{link} {words}", link=source_link(row.url), words=row.note or row.id)


def scenario_text(f: Findings) -> Markup:
    """Show the resolved scenario as TOML."""
    box = '<details class="code"><summary>as resolved</summary><pre tabindex="0"><code>{toml}</code></pre></details>'
    return say(box, toml=f.meta.scenario_toml)


def versions_table(f: Findings) -> Markup:
    """List the versions that decide the result."""
    pairs = f.meta.versions.items()
    items = Markup("").join(say("<div><dt>{name}</dt><dd>{version}</dd></div>", name=k, version=v) for k, v in pairs)
    return say('<dl class="versions">{items}</dl>', items=items)
