"""The page of a comparison: a panel for each alternative, every name escaped, queries named, nothing loaded."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backtest.catalogue.priors import read_priors
from backtest.report.compare import Page
from backtest.report.figures.drawing import styled
from backtest.report.figures.panels import Mark, Row, shortened, strips
from backtest.report.figures.style import PHONE, WIDE
from backtest.run.run import StoredRun
from backtest.studies.alternatives import named
from backtest.studies.compared import compared, compared_runs
from backtest.studies.paired import PairedRequest, compare
from tests.report.conftest import EVIL, Reports

NAMES = ("queue", f"in proportion{EVIL}", "random")


def request(**fields: Any) -> PairedRequest:
    """Return a comparison of three policies on small books of 10 October 2025."""
    policies = ({}, {"adl_allocation": "pro_rata"}, {"ranking": "random"})
    alternatives = named(dict(zip(NAMES, policies, strict=True)))
    given = {"coins": ("BTC",), "step_s": 60.0, **fields}
    return PairedRequest(
        event="2025-10-10", given=given, alternatives=alternatives, priors=read_priors(), draws=2, book_size=200,
        workers=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Page:
    """Return the page of three policies, one with a hostile name."""
    paired = compare(request())
    return Page.of_draws(compared(paired), paired)


@pytest.fixture(scope="module")
def page(made: Page) -> str:
    """Return the page as text."""
    return made.html()


def test_each_question_has_its_section_and_names_its_queries(page: str) -> None:
    sections = ["differences", "cohorts", "haircuts", "concentration", "figures"]
    assert re.findall(r'<section id="([^"]+)">', page) == sections
    for query in ("adl_by_cohort", "forgone_pnl", "adl_concentration"):
        assert f"<summary>{query}</summary>" in page
    assert page.count("<svg") == 8, "four figures, each for a page and for a phone"


def test_the_page_is_safe_and_alone(page: str, made: Page) -> None:
    assert EVIL not in page
    assert "default-src &#39;none&#39;" in page
    assert page.count("<script") == 1
    assert not re.search(r'(src|href)="(?!#|https?://)', page)
    assert re.fullmatch(r"compare-2025-10-10-hyperliquid-[0-9a-f]{8}", made.name)


def test_the_same_comparison_is_the_same_page_and_another_has_another_name(made: Page, page: str) -> None:
    paired = compare(request())
    again = Page.of_draws(compared(paired), paired)
    assert (again.name, again.html()) == (made.name, page)
    other = compare(request(mark_half_life_s=30.0))
    assert Page.of_draws(compared(other), other).name != made.name


def test_two_stored_runs_have_their_headlines(reports: Reports) -> None:
    left, right = reports.run("one symbol"), reports.run("no ADL")
    assert isinstance(left, StoredRun)
    made = Page.of_runs(compared_runs(left, right), left, right)
    page = made.html()
    assert made.name == f"compare-{left.run_id}-{right.run_id}"
    assert re.findall(r'<section id="([^"]+)">', page) == ["differences", "figures"]
    assert "What differs from" in page


def test_a_row_of_a_panel_says_its_median_band_and_draws() -> None:
    marks = (Mark(1.0, -2.0, 4.0, "+1", "a: +1"), Mark(float("nan"), float("nan"), float("nan"), "none", "b: none"))
    row = Row("figure", "adl", marks)
    assert row.size == 4.0
    assert Row("none", "adl", marks[1:]).size == 1.0
    for width in (WIDE, PHONE):
        with styled():
            d = strips("differences", ["a", "b"], [row], width=width)
        assert [hover.title for hover in d.hovers] == ["a: +1", "b: none"]
    assert shortened("long name", 40.0) == "long…"
