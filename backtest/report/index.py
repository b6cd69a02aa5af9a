"""The page ``reports/index.html``: all runs of the workspace, and the pages that lie beside it, each with its link."""

from __future__ import annotations

import html
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from backtest.assets import inside, open_regular, reports_folder
from backtest.errors import FileError, RunError
from backtest.formatting import plural
from backtest.report import markup as m
from backtest.report.page import page_of, save
from backtest.report.sections.title import Heading, Title
from backtest.report.tables import columns, table
from backtest.run.listing import listed, shelf

NAME = "index.html"
MOST = 200  # runs on the page, the newest
HEAD = 1 << 19  # bytes of a page in which its title band stands
QUESTIONS = {"compare": "comparisons", "fund": "sizes of a fund", "watch": "my positions"}
RUNS = columns("""
    link            head     run
    label           text     label
    event           text     event
    venue           text     venue
    seed            count    seed
    positions       count    positions
    differs         text     differs from the event's default
    beside          text     studies
    liquidated_usd  cents    liquidated, USD
    adl_usd         cents    ADL, USD
    written_utc     moment   written, UTC
""")
PAGES = columns("""
    link   head  page
    title  text  crash
    facts  text  what was asked
""")
_TITLE = re.compile(r"<h1>([^<]*)</h1>")
_FACT = re.compile(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>")


def write() -> Path:
    """Write the page to the reports folder of the workspace and return its path."""
    return save(page(), inside(reports_folder(), NAME))


def beside(path: Path) -> Path:
    """Write the page anew if a page was written beside it, and return the path of that page."""
    if path.parent == reports_folder() and path.name != NAME:
        write()
    return path


def page() -> str:
    """Return the page: links lead to files beside it and nowhere else."""
    pages = sorted(path for path in reports_folder().glob("*.html") if path.name != NAME)
    summary = "Runs and pages of this workspace. Every command that writes a page writes this one anew."
    title = Title(event=Heading("Runs and reports", summary), facts={}, labels=[], notes=(), command="runs")
    found = [_runs(pages), *(_pages(kind, label, pages) for kind, label in QUESTIONS.items())]
    return page_of(title, [section for section in found if section], "reports")


def _runs(pages: list[Path]) -> dict[str, Any]:
    folders, rows, unread = shelf().own, [], 0
    for folder in reversed(folders[-MOST:]):
        try:
            row = asdict(listed(folder))
        except RunError:
            unread += 1
            continue
        report = next((path.name for path in pages if path.name.endswith(f"-{row['run_id']}.html")), "")
        rows.append({**row, "link": _link(report, row["run_id"]) if report else row["run_id"]})
    answer = m.fill("{n} {runs}, the newest first.", n=m.count(len(rows)), runs=plural(len(rows), "run"))
    if not rows:
        answer = m.fill("No run can be shown.") if unread else m.fill("There is no run yet.")
    if len(folders) > MOST:
        answer += m.fill(" Older ones are not listed: {n}.", n=m.count(len(folders) - MOST))
    if unread:
        answer += m.fill(" {n} could not be read; crashbook runs says why.", n=m.count(unread))
    return _section("runs", "runs", "Runs", answer, table(rows, RUNS, kind="sortable") if rows else None)


def _pages(kind: str, label: str, pages: list[Path]) -> dict[str, Any] | None:
    mine = [path for path in pages if path.name.startswith(f"{kind}-")]
    if not mine:
        return None
    rows = [{"link": _link(path.name, path.stem), **_band(path)} for path in mine]
    answer = m.fill("Pages of crashbook {kind} --report.", kind=kind)
    return _section(kind, label, label.capitalize(), answer, table(rows, PAGES, kind="wrap"))


def _section(name: str, label: str, question: str, answer: Markup, body: Markup | None) -> dict[str, Any]:
    parts = [{"title": "", "body": body, "queries": ()}] if body else []
    return {"id": name, "label": label, "question": question, "answer": answer, "parts": parts, "queries": []}


def _band(path: Path) -> dict[str, str]:
    """Return title and facts of a page, as plain words, whoever wrote it."""
    try:
        with open_regular(path) as file:
            text = file.read(HEAD).decode("utf-8", "replace")
    except (OSError, FileError):
        return {"title": "", "facts": "cannot be read"}
    title = _TITLE.search(text)
    facts = "; ".join(f"{name} {value}" for name, value in _FACT.findall(text))
    return {"title": html.unescape(title[1]) if title else "", "facts": html.unescape(facts)}


def _link(name: str, words: str) -> Markup:
    return m.fill('<a href="{name}">{words}</a>', name=name, words=words)
