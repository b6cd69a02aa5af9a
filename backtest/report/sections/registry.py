"""The sections of the report in their order, and the paragraph at its top."""

from __future__ import annotations

from markupsafe import Markup

from backtest.report import markup as m
from backtest.report.findings import Findings
from backtest.report.sections import (
    actual_accounts,
    book_map,
    cascade,
    checks,
    cross,
    liquidated,
    mine,
    numbers,
    paid,
    price,
    queue,
    sure,
    unknown,
)  # fmt: skip
from backtest.report.sections.section import Section


def in_short(f: Findings) -> Markup:
    """Return the headline of every section that has one: what draws say, then a paragraph of this run alone."""
    told = [(section.of_studies, section.headline(f)) for section in SECTIONS if section.headline and section.shown(f)]
    drawn, here = (m.join((words for of, words in told if words and of == studies), " ") for studies in (True, False))
    if not drawn:
        return m.fill("<p>{here}</p>", here=here)
    both = "<p>{drawn}</p><p><b>This run, seed {seed}.</b> {here}</p>"
    return m.fill(both, drawn=drawn, here=here, seed=f.summary["seed"])


SECTIONS = (
    Section("summary", "Summary", "What happened?", in_short, of_studies=True),
    numbers.SECTION,
    actual_accounts.SECTION,
    unknown.SECTION,
    price.SECTION,
    liquidated.SECTION,
    book_map.SECTION,
    cascade.SECTION,
    cross.SECTION,
    paid.SECTION,
    queue.SECTION,
    mine.SECTION,
    sure.SECTION,
    checks.SECTION,
)
