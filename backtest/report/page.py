"""One self-contained page: sections rendered into the template, written in one move."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from backtest.assets import asset, check_replaceable, inside, reports_folder
from backtest.durable import make_folder, write_file
from backtest.errors import CrashbookError
from backtest.report import markup as m
from backtest.report.findings import Findings
from backtest.report.glossary import explained
from backtest.report.sections.registry import SECTIONS
from backtest.report.sections.section import Part, Section
from backtest.report.sections.title import Title, title_of
from backtest.run.measured import measured
from backtest.run.run import StoredRun

PLAIN_SECTION: dict[str, Any] = {"nothing": []}  # of a page that says nothing of it
PLAIN_PART: dict[str, Any] = {"folded": False, "printed": True}
_WHITESPACE: Any = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}


@dataclass(frozen=True, slots=True)
class Draft:
    """A page in the making: what was found, and the sections that show no study, by id."""

    found: Findings
    sections: dict[str, dict[str, Any]]


def draft(run: StoredRun) -> Draft:
    """Return the sections that show no study: they are made while draws are still under way."""
    with run.trusted():
        f = Findings(run)
        measured(run)  # sections of studies ask the same, and the run remembers it
        return Draft(f, {each.id: _section(f, each) for each in SECTIONS if each.shown(f) and not each.of_studies})


def html(run: StoredRun, made: Draft | None = None) -> str:
    """Return the report of ``run`` as one HTML page that loads nothing; ``made`` is its draft, if there is one."""
    if made is None or made.found.run is not run:
        made = Draft(Findings(run), {})
    with run.trusted():
        return _rendered(made)


def _rendered(made: Draft) -> str:
    """Return the page of what was found."""
    f = made.found
    sections = [made.sections.get(each.id) or _section(f, each) for each in SECTIONS if each.shown(f)]
    return page_of(title_of(f), sections, f.run.meta.run_id)


def page_of(title: Title, sections: list[dict[str, Any]], name: str) -> str:
    """Return sections under a title as one page; ``name`` stands in the title of the browser."""
    source = asset("reports", "template.html").read_text(encoding="utf-8")
    style = asset("reports", "style.css").read_text(encoding="utf-8")
    script = asset("reports", "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, **_WHITESPACE)
    template = environment.from_string(source)
    return template.render(
        title=title,
        sections=[
            {**PLAIN_SECTION, **each, "parts": [PLAIN_PART | part for part in each["parts"]]} for each in sections
        ],
        style=Markup(style),
        script=Markup(script),
        policy=_policy(script),
        run_id=name,
    )


def _section(f: Findings, section: Section) -> dict[str, Any]:
    names = dict.fromkeys(name for part in section.parts for name in part.queries)
    seen: set[str] = set()  # terms of this section that have been explained
    made = [(part, body) for part in section.parts if (body := part.make(f))]
    return {
        "id": section.id,
        "label": section.label,
        "question": section.question,
        "answer": explained(section.answer(f), seen),
        "parts": [_part(p, body, seen) for p, body in made if not m.is_empty(body)],
        "nothing": [(p.title, body) for p, body in made if m.is_empty(body)],
        "queries": [(name, f.run.query_text(name)) for name in names],
    }


def _part(part: Part, body: Markup, seen: set[str]) -> dict[str, Any]:
    title = part.title if part.folded else explained(escape(part.title), seen)
    about = {"queries": part.queries, "folded": part.folded, "printed": part.printed}
    return {"title": title, "body": explained(body, seen), **about}


def _policy(script: str) -> str:
    """Return the content security policy: nothing is loaded, and only the page's own script runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = "style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; script-src 'sha256-{digest}'; {style}; base-uri 'none'; form-action 'none'"


def write(run: StoredRun, path: Path | None, made: Draft | None = None) -> Path:
    """Write the report to ``path``; it appears whole or not at all."""
    target = path or inside(reports_folder(), f"{run.meta.event.id}-{run.meta.run_id}.html")
    check_replaceable(target)  # before the work, and again when it is written
    return save(html(run, made), target)


def save(page: str, target: Path) -> Path:
    """Write a page, whole or not at all, and return its path."""
    check_replaceable(target)
    try:
        make_folder(target.parent)
        write_file(target, page.encode())
    except OSError as error:
        raise CrashbookError(f"cannot write the report {target}: {error.strerror}; choose another path") from error
    return target
