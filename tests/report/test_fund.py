"""The page of a fund study: the curve with the recommended size, what no size prevents, the fall that exhausts it."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from backtest.catalogue.priors import read_priors
from backtest.formatting import SPACE
from backtest.report.figures.drawing import styled
from backtest.report.figures.fund import by_draw
from backtest.report.fund import html
from backtest.studies.fund_rules import FundRule, RuleDraw
from backtest.studies.fund_size import FundRequest, FundSize, fund_size


@pytest.fixture(scope="module")
def found() -> FundSize:
    """Return the study of one small book under the rules of Hyperliquid, whose vault takes nothing below zero."""
    given = {"coins": ("BTC",), "step_s": 60.0, "positions": 200}
    return fund_size(FundRequest(event="2025-10-10", given=given, priors=read_priors(), draws=0, shock=True, workers=1))


def test_the_page_answers_size_reason_and_fall(found: FundSize) -> None:
    page = html(found).replace(SPACE, " ")
    assert re.findall(r'<section id="([^"]+)">', page) == ["size", "why", "rules", "fall", "draws"]
    assert "No size prevents ADL of: accounts below zero within one price: no vault takes them." in page
    assert "enough for what a size takes, " in page
    assert "Of floor, trigger and stop a vault has none: below zero all of its inventory goes to ADL." in page
    assert page.count("<svg") == 4
    assert page.count("<script") == 1
    assert "<summary>adl_causes</summary>" in page


def test_a_size_without_adl_is_recommended_and_no_fall_needs_no_section(found: FundSize) -> None:
    draw = found.draws[0]
    none = tuple(replace(each, causes={}) for each in draw.grid)
    page = html(replace(found, draws=(replace(draw, grid=none, given=none[2], shock=None),))).replace(SPACE, " ")
    assert "recommended, " in page
    assert "There is no ADL at the given size." in page
    assert 'id="fall"' not in page


def test_draws_that_no_fall_exhausts_have_no_dot() -> None:
    with styled():
        d = by_draw(values=[2.0, math.inf, 0.5], words="factor", titles=["a", "", "b"], one="the day")
    assert [hover.title for hover in d.hovers] == ["b", "a"]


def test_floor_trigger_and_stop_stand_with_their_value_or_the_reason(found: FundSize) -> None:
    floor = FundRule(name="floor", field="fund_floor_usd", given=0.0, step=-1e6, tightest=-9, laxest=90)
    stop = FundRule(name="stop", field="drawdown_stop_frac", given=0.25, step=0.005, laxest=60)
    draw = replace(found.draws[0], rules=(RuleDraw(12.0), RuleDraw(math.inf, {"fund_drawdown": 5.0})), shock=None)
    page = html(replace(found, draws=(draw,), varied=(floor, stop))).replace(SPACE, " ")
    assert "With a floor of −12.0 M USD there is no ADL in 99.0 % of the draws." in page
    assert "fund_floor_usd=-12000000" in page
    assert "even at 30.0 % the scenario still has ADL: the venue deleverages on a drawdown" in page
