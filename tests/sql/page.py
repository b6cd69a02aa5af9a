"""``queries/README.md`` from the SQL files, the schema and a real run: ``python -m tests.sql.page`` writes it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import backtest
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.files import audit_names, get_query, query_names
from backtest.sql.header import Query
from tests.digests.scenarios import in_workspace

PAGE = Path(__file__).parents[2] / "queries" / "README.md"
SHOWN = 8  # columns of an answer
MINE = {"name": "mine", "coin": "BTC", "side": "short", "size_base": 25.0, "entry_px": 121_000.0, "leverage": 8.0}
RUN: dict[str, Any] = {
    "event": "2025-10-10", "venue": "hyperliquid", "positions": 3000, "coins": ("BTC", "SOL", "XRP"),
    "positions_per_account": 2.0, "cross_frac": 0.5, "vault_capital_usd": 1e7, "watch": [{**MINE, "hedged": True}],
}  # fmt: skip
WINDOW = {"start": "2025-10-10T21:15", "end": "2025-10-10T21:27"}
BEGIN, END = "<!-- generated from here on by python -m tests.sql.page -->\n", "<!-- generated up to here -->\n"


def generated() -> str:
    """Return the generated part of the page."""
    with in_workspace():
        run = backtest.replay(**RUN)
        answers = [_question(get_query(name), run) for name in query_names()]
    audits = [f"| `{name}` | {get_query(name).title} |" for name in audit_names()]
    return "\n".join(
        [
            BEGIN,
            "## Questions",
            "",
            "Three rows of each answer, from 10 October 2025 at Hyperliquid with 3,000 positions in three coins.",
            "",
            *answers,
            "## Audits",
            "",
            "An audit passes when it returns no row.",
            "",
            "| audit | it checks |",
            "|---|---|",
            *audits,
            "",
            "## Schema",
            "",
            *(_schema(name) for name in TABLES),
            "Views: " + " ".join(f"`{name}`: {doc}" for name, doc in VIEWS.items()),
            "",
            END,
        ]
    )


def _question(query: Query, run: backtest.Run) -> str:
    """Return the section of a query: title, parameters, grain, units and the head of its answer."""
    frame = run.query(query.name, **(WINDOW if any(param.required for param in query.params) else {}))
    given = "; ".join(
        f"`{p.name}` {p.type}{'' if p.required else f', by default {p.note or p.default}'}" for p in query.params
    )
    lines = [f"### {query.name}", "", f"**{query.title}** {query.grain[:1].upper()}{query.grain[1:]}."]
    lines += [f"Parameters: {given}.", ""] if given else [""]
    lines += [f"Units: {query.units}.{f' Note: {query.note}.' if query.note else ''}", ""]
    names = frame.columns[:SHOWN]
    if frame.is_empty():
        lines += [f"No rows in this run. Columns: {', '.join(f'`{name}`' for name in frame.columns)}.", ""]
        return "\n".join(lines)
    lines += [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in frame.select(names).head(3).rows()]
    more = frame.columns[SHOWN:]
    lines += ["", f"Also: {', '.join(f'`{name}`' for name in more)}.", ""] if more else [""]
    return "\n".join(lines)


def _schema(name: str) -> str:
    """Return the section of a table: a row's meaning and its columns."""
    table = TABLES[name]
    rows = [f"| `{c.name}` | {c.kind} | {c.unit} | {c.doc} |" for c in table.columns[1:]]
    head = [f"### Table {name}", "", f"{table.doc} One row per {table.grain}.", ""]
    return "\n".join([*head, "| column | kind | unit | meaning |", "|---|---|---|---|", *rows, ""])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        return f"{float(value):,.6g}" if abs(value) < 1e6 else f"{float(value):,.0f}"
    return str(value).replace("|", "\\|")


def parts() -> tuple[str, str, str]:
    """Return the page before, in and after its generated part."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    body, _, tail = rest.partition(END)
    return head, BEGIN + body + END, tail


if __name__ == "__main__":
    before, _, after = parts()
    PAGE.write_text(before + generated().rstrip("\n") + "\n" + after, "utf-8")
