"""One self-contained page: sections rendered into the template, written in one move."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from backtest.assets import asset, check_replaceable, inside, reports_folder
from backtest.durable import make_folder, write_file
from backtest.errors import CrashbookError
from backtest.report.findings import Findings
from backtest.report.sections.registry import SECTIONS
from backtest.report.sections.section import Section
from backtest.report.sections.title import title_of
from backtest.run.run import StoredRun

_WHITESPACE: Any = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def html(run: StoredRun) -> str:
    """Return the report of ``run`` as one HTML page that loads nothing."""
    with run.trusted():
        return _rendered(Findings(run))


def _rendered(f: Findings) -> str:
    """Return the page of what was found."""
    source = asset("reports", "template.html").read_text(encoding="utf-8")
    style = asset("reports", "style.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, **_WHITESPACE)
    template = environment.from_string(source)
    return template.render(
        title=title_of(f),
        sections=[_section(f, section) for section in SECTIONS if section.shown(f)],
        style=Markup(style),
        policy=_policy(source),
        run_id=f.run.meta.run_id,
    )


def _section(f: Findings, section: Section) -> dict[str, Any]:
    names = dict.fromkeys(name for part in section.parts for name in part.queries)
    return {
        "id": section.id,
        "label": section.label,
        "question": section.question,
        "answer": section.answer(f),
        "parts": [{"title": p.title, "body": body, "queries": p.queries} for p in section.parts if (body := p.make(f))],
        "queries": [(name, f.run.query_text(name)) for name in names],
    }


def _policy(source: str) -> str:
    """Return the content security policy: nothing is loaded, and only the template's own script runs."""
    digests = [hashlib.sha256(text.encode()).digest() for text in _SCRIPT.findall(source)]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    style = "style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; script-src {hashes}; {style}; base-uri 'none'; form-action 'none'"


def write(run: StoredRun, path: Path | None) -> Path:
    """Write the report to ``path``; it appears whole or not at all."""
    target = path or inside(reports_folder(), f"{run.meta.event.id}-{run.meta.run_id}.html")
    check_replaceable(target)  # before the work, and again when it is written
    page = html(run)
    try:
        make_folder(target.parent)
        write_file(target, page.encode())
    except OSError as error:
        raise CrashbookError(f"cannot write the report {target}: {error.strerror}; choose another path") from error
    return target
