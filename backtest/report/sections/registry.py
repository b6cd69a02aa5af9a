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
    """Return one paragraph: the headline of every section that has one."""
    sentences = [section.headline(f) for section in SECTIONS if section.headline and section.shown(f)]
    return m.fill("<p>{text}</p>", text=m.join((sentence for sentence in sentences if sentence), " "))


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
