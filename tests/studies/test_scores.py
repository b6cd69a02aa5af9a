"""Scores of draws against published facts, checkable by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from backtest.catalogue.facts import Comparison, Fact
from backtest.errors import ConfigError
from backtest.studies.scores import FactScore, fact_scores, quantiles, scores_of

START, END = map(dt.datetime.fromisoformat, ("2025-10-10T21:15", "2025-10-10T21:27"))


def fact(name: str = "adl", **given: Any) -> Fact:
    table = {"quantity": "adl_notional", "unit": "usd", "source": "page", "grade": "A", "mark": "S", "value": 100.0}
    return Fact(id=name, **{**table, **given})


def entry(name: str = "adl", **given: Any) -> Comparison:
    table = {"metric": "adl_notional_usd", "coin": "BTC", "start": START, "end": END, "how": "ratio"}
    return Comparison(fact=name, **{**table, **given})


def score(values: list[float | None], *, venue: str = "", of: Fact | None = None, **given: Any) -> FactScore:
    (row,) = fact_scores([of or fact()], [entry(**given)], {"adl": values}, venue)
    return row


EVENLY = [float(80 + 4 * k) for k in range(11)]  # 80 to 120: 82, 100, 118


def test_a_fact_inside_the_band() -> None:
    row = score(EVENLY)
    assert (row.low, row.value, row.high) == (82, 100, 118)
    assert (row.kind, row.core, row.ratio, row.inside, row.draws) == ("two_sided", True, 1.0, True, 11)
    assert row.band_width == pytest.approx(118 / 82)


def test_a_fact_outside_the_band() -> None:
    row = score(EVENLY, of=fact(value=200.0))
    assert (row.ratio, row.inside) == (0.5, False)


def test_a_range_is_met_where_the_band_touches_it() -> None:
    row = score(EVENLY, of=fact(value=None, low=110.0, high=130.0))
    assert (row.ratio, row.inside) == (pytest.approx(100 / 110), True)
    assert score(EVENLY, of=fact(value=None, low=90.0, high=130.0)).ratio == 1


@pytest.mark.parametrize(("bound", "met"), [(118, True), (119, False), (82 / 6.3, True), (82 / 6.31, False)])
def test_a_lower_bound_is_met_if_it_is_reached_and_not_far_exceeded(bound: float, met: bool) -> None:
    row = score(EVENLY, of=fact(value=bound), bound="lower", how="bar")
    assert (row.kind, row.core, row.inside) == ("lower", False, met)


def test_what_is_not_scored() -> None:
    assert score(EVENLY, how="bar").kind == "shown"
    assert score(EVENLY, use="path_check").kind == "shown"
    assert score(EVENLY, of=fact(venue="bybit"), venue="okx").kind == "shown"
    assert score(EVENLY, of=fact(venue="okx"), venue="okx").kind == "two_sided"


def test_a_time_counts_in_bars() -> None:
    row = score([66.0, 126.0, 186.0], of=fact(value=None, at=START + dt.timedelta(seconds=66)), metric="adl_first_s")
    assert (row.kind, row.ratio, row.published_low, row.bars_off, row.inside) == ("shown", None, 66, 1.0, False)


def test_draws_without_a_figure_are_left_out() -> None:
    row = score([None, 100.0, None])
    assert (row.draws, row.low, row.high) == (1, 100, 100)
    empty = score([None, None])
    assert (empty.value, empty.ratio, empty.inside) == (None, None, False)


def test_a_loss_where_a_gain_was_published_has_no_ratio() -> None:
    row = score([-50.0, -20.0])
    assert (row.ratio, row.inside) == (None, False)
    assert scores_of([row]).two_sided.median_factor is None
    assert scores_of([score([-50.0, 120.0])]).two_sided.median_band_width is None


def test_weights_move_the_quantiles() -> None:
    assert quantiles([(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]) == (1.1, 2.0, 2.9)
    assert quantiles([(1.0, 1.0), (2.0, 100.0), (3.0, 1.0)])[1] == 2
    rows = fact_scores([fact()], [entry()], {"adl": [1.0, 5.0, 7.0]}, weights=[0.0, 1.0, 0.0])
    assert (rows[0].low, rows[0].value, rows[0].draws) == (5, 5, 1)


def test_scores_are_medians_and_shares() -> None:
    facts = [fact("a", value=100.0), fact("b", value=50.0), fact("c", value=25.0), fact("d", value=90.0)]
    compare = [
        entry("a"),
        entry("b", use="fitted"),
        entry("c", coin="", metric="adl_gini_frac"),
        entry("d", bound="lower"),
    ]
    scores = scores_of(fact_scores(facts, compare, dict.fromkeys("abcd", EVENLY)))
    assert (scores.two_sided_core.facts, scores.two_sided_core.median_factor) == (2, pytest.approx(2**0.5))
    assert (scores.two_sided.facts, scores.two_sided.median_factor) == (3, pytest.approx(2))
    assert (scores.two_sided.inside_frac, scores.lower_bounds.met) == (pytest.approx(1 / 3), 1)
    assert (scores.fitted.facts, scores.held_out.facts) == (1, 2)
    assert scores.two_sided_core.median_band_width == pytest.approx(118 / 82)
    assert scores.misses() == [
        "median factor x1.41 above x1.30",
        "50% inside the band, below 90%",
    ]


def test_scores_of_nothing_miss_nothing() -> None:
    scores = scores_of([])
    assert (scores.two_sided.facts, scores.two_sided.median_factor, scores.lower_bounds.met_frac) == (0, None, None)
    assert scores.misses() == []


def test_contradictory_facts_are_not_both_scored() -> None:
    facts = [fact("a", conflicts_with=("b",)), fact("b", value=50.0, conflicts_with=("a",))]
    values = dict.fromkeys("ab", EVENLY)
    with pytest.raises(ConfigError, match="facts a and b contradict each other and are both compared"):
        scores_of(fact_scores(facts, [entry("a"), entry("b")], values))
    assert scores_of(fact_scores(facts, [entry("a"), entry("b", how="bar")], values)).two_sided.facts == 1
