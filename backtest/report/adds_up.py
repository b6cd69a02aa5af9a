"""Section on audits, data, assumptions, the scenario and versions; and the title band."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from backtest.plots import base_coin
from backtest.report.findings import Findings, Row
from backtest.report.how_sure import source_link
from backtest.report.numbers import count, listed, plural, say
from backtest.report.story import BADGES, day
from backtest.report.tables import Column, bullets, empty, micros, moment, table, whole

LABEL_NAMES = ("prices", "open_interest", "book", "mark", "liquidity")


# --- the title band ------------------------------------------------------------------------------------------


def title_band(f: Findings) -> Row:
    """Return what the title band shows: event, venue, window, identity and one badge per kind of input."""
    meta, s = f.meta, f.summary
    seeds = meta.get("seeds") or []
    facts = [
        ("venue", meta["venue"]["name"]),
        ("window, UTC", f"{day(f.start)}, {f.start:%H:%M} to {_end(f)}"),
        ("symbols", ", ".join(base_coin(symbol) for symbol in f.symbols)),
        ("run", meta["run_id"]),
        (plural(max(len(seeds), 1), "seed"), f"{s['seed']}" + (f" and {len(seeds) - 1} more" if len(seeds) > 1 else "")),
        ("ADL ranking", s["policy"]),
    ]
    labels = [
        {"name": name.replace("_", " "), "kind": label["badge"] if label["badge"] in BADGES else "other",
         "badge": label["badge"], "text": label["text"]}
        for name in LABEL_NAMES
        if (label := meta["labels"].get(name))
    ]
    return {"event": meta["event"], "facts": facts, "labels": labels, "flags": meta.get("flags") or []}


def _end(f: Findings) -> str:
    same_day = f.start.date() == f.end.date()
    return f"{f.end:%H:%M}" if same_day else f"{f.end:%H:%M} on {day(f.end)}"


# --- does it add up ------------------------------------------------------------------------------------------


def checks_answer(f: Findings) -> Markup:
    """Say whether audits pass and the residual is zero."""
    audits = f.run.audits()
    failed = [audit for audit in audits if not audit.passed]
    residual = micros(f.summary["residual_usd"]).text
    if failed:
        return say("No: {n} of {all} audits fail ({names}); the residual of the cash ledger is {residual} USD.",
                   n=len(failed), all=len(audits), names=listed([say("{a}", a=audit.name) for audit in failed]),
                   residual=residual)
    return say("Yes: all {n} audits pass and the residual of the cash ledger is {residual} USD.",
               n=count(len(audits)), residual=residual)


def audits_table(f: Findings) -> Markup:
    """List every audit with its mark."""
    rows = [{"mark": _mark(audit.passed), "name": audit.name, "title": audit.title, "rows": audit.rows} for audit in f.run.audits()]
    if not rows:
        return empty("No audit was run.")
    columns = (Column("mark", ""), Column("title", "what must hold"), Column("name", "audit"), Column("rows", "offending rows", whole))
    return table(rows, columns, row_class=lambda row: "fail" if row["rows"] else "")


def _mark(passed: bool) -> Markup:
    return Markup('<span class="pass">✓ pass</span>' if passed else '<span class="fail">✗ FAIL</span>')


def coverage_table(f: Findings) -> Markup:
    """List what data the window wanted and what was there."""
    rows = f.rows("data_coverage")
    if not rows:
        return empty("No market data is recorded for this run.")
    columns = (
        Column("series", "series"), Column("symbol", "symbol"), Column("label", "label"), Column("expected_rows", "wanted", whole),
        Column("rows", "there", whole), Column("gaps", "gaps", whole), Column("longest_gap_s", "longest, s", whole),
        Column("bridged", "carried flat", whole), Column("duplicates", "duplicates", whole), Column("first_ts", "first", moment),
        Column("last_ts", "last", moment), Column("source", "source"), Column("note", "note"),
    )
    return table(rows, columns, kind="wrap")


def limits(f: Findings) -> Markup:
    """List assumptions, what is not simulated, simplified rules and unverified figures, in plain words."""
    meta = f.meta
    venue, event = meta["venue"], meta["event"]
    groups: list[tuple[str, list[Any]]] = [
        ("Assumptions", list(meta.get("assumptions") or [])),
        ("Not simulated", list(meta.get("not_simulated") or [])),
        ("Rules of the venue that run simplified", [
            say("<b>{point}</b>: the venue has {rule}; here runs {here}", point=row["point"], rule=row["venue_rule"], here=row["runs_here"])
            for row in venue.get("simplified") or []
        ]),
        ("Figures of the venue that are not verified", list(venue.get("unverified") or [])),
        ("About the venue", list(venue.get("notes") or [])),
        ("About the event", list(event.get("notes") or [])),
        ("Sources of the venue's rules", [_source(row) for row in venue.get("sources") or []]),
    ]
    made = [
        say("<details{open}><summary>{name} <small>{n}</small></summary>{items}</details>",
            open=Markup(" open") if i < 2 else "", name=name, n=len(items), items=bullets(items))
        for i, (name, items) in enumerate(groups)
        if items
    ]
    return say('<div class="limits">{made}</div>', made=Markup("").join(made)) if made else empty("None are recorded.")


def _source(row: Any) -> Markup:
    if not isinstance(row, dict):
        return source_link(str(row))
    words = row.get("title") or row.get("note") or row.get("id") or ""
    return say("{link} {words}", link=source_link(str(row.get("url") or row.get("source") or "")), words=words)


def scenario_text(f: Findings) -> Markup:
    """Show the resolved scenario as TOML."""
    return say('<details class="code"><summary>The scenario, as resolved</summary><pre tabindex="0"><code>{toml}</code></pre></details>',
               toml=f.meta["scenario_toml"])


def versions_table(f: Findings) -> Markup:
    """List the versions that decide the result."""
    items = Markup("").join(say("<div><dt>{k}</dt><dd>{v}</dd></div>", k=k, v=v) for k, v in f.meta["versions"].items())
    return say('<dl class="versions">{items}</dl>', items=items)
