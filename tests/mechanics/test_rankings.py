"""Scores of every ranking by hand, the float beside the exact rational, and the five lights."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.adl.rankings import RANKINGS, ScoredRanking, scored
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.lights import lights, percentiles
from backtest.mechanics.margin import Tiers

USD = 10**6
TIERS = Tiers.of([(0, 50_000_000, 0)])  # 5 %
SCORED = [name for name in RANKINGS if scored(name)]


def rule_of(name: str) -> ScoredRanking:
    rule = scored(name)
    assert rule is not None
    return rule


def held(side: int, rows: list[tuple[int, int, int]], unit: int = USD) -> Candidates:
    """Return one lot each of (cost, value, equity)."""
    cost, value, equity = (np.array(column, dtype=np.int64) * unit for column in zip(*rows, strict=True))
    return Candidates(side, np.ones(len(rows), dtype=np.int64), cost, value, side * (value - cost), equity, TIERS)


# A long entered at 100 and marked at 110 with equity 20 (the dossier's vector): wallet 10, maintenance 5.5.
# A short entered at 100 and marked at 90 with equity 20: wallet 10, maintenance 4.5.
# A long entered at 100 and marked at 95 with equity 5: wallet 10, maintenance 4.75.
LONG, SHORT, LOSER = (1, (100, 110, 20)), (-1, (100, 90, 20)), (1, (100, 95, 5))


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "of_long", "of_short", "of_loser"),
    [
        # 10 % x 5.5; 10 % x 4.5; -5 % / 19
        ("bitmex", Fraction(55, 100), Fraction(45, 100), Fraction(-5, 1900)),
        # 10 / 10 x 5.5 / 20; 10 / 10 x 4.5 / 20; never below 0
        ("binance", Fraction(55, 200), Fraction(45, 200), Fraction(0)),
        ("aevo", Fraction(55, 200), Fraction(45, 200), Fraction(0)),
        # 10 / 10; 10 / 10; -5 / 10
        ("bybit", Fraction(1), Fraction(1), Fraction(-1, 2)),
        # 10 % x 5.5; 10 % x 4.5; -5 % x 19
        ("bybit_effective", Fraction(55, 100), Fraction(45, 100), Fraction(-95, 100)),
        ("okx", Fraction(55, 100), Fraction(45, 100), Fraction(-95, 100)),
        # 10 % / (20 / 110); 10 % / (20 / 90); -5 % x 5 / 95
        ("htx", Fraction(55, 100), Fraction(45, 100), Fraction(-25, 9500)),
        # 10 % x 5.5 / 20; 10 % x 4.5 / 20; -5 % / (4.75 / 5)
        ("extended", Fraction(55, 2000), Fraction(45, 2000), Fraction(-25, 475)),
        # 1.1 x 5.5; 100 / 90 x 4.5; 0.95 x 19
        ("hyperliquid", Fraction(605, 100), Fraction(5), Fraction(1805, 100)),
        ("hyperliquid_literal", Fraction(605, 100), Fraction(405, 100), Fraction(1805, 100)),
    ],
)
def test_scores_by_hand(name: str, of_long: Fraction, of_short: Fraction, of_loser: Fraction) -> None:
    for (side, row), score in zip((LONG, SHORT, LOSER), (of_long, of_short, of_loser), strict=True):
        rows, rule = held(side, [row]), rule_of(name)
        assert rule.exact(rows, 0) == score
        assert rule.approximate(rows)[0] == pytest.approx(float(score), rel=1e-14)


@pytest.mark.parametrize(
    ("name", "row", "score"),
    [
        # Equity half a unit counts as one where R says max(equity, 1): 10 % x 5.5 / 1.
        ("extended", (100, 110, 0.5), Fraction(55, 100)),
        ("extended", (100, 95, 0.5), Fraction(-5, 475)),
        # No wallet is left, or less than one unit: the profit itself.
        ("bybit", (100, 110, 10), Fraction(10)),
        ("bybit", (100, 110, 7), Fraction(10)),
        ("bybit", (100, 110, 10.25), Fraction(10)),
        ("aevo", (100, 110, 7), Fraction(55, 7)),
    ],
)
def test_one_unit_of_the_currency_is_the_least(name: str, row: tuple[float, ...], score: Fraction) -> None:
    cost, value, equity = (round(each * USD) for each in row)
    rows = held(1, [(cost, value, equity)], unit=1)
    assert rule_of(name).exact(rows, 0) == score
    assert rule_of(name).approximate(rows)[0] == pytest.approx(float(score), rel=1e-14)


def queue_of(rows: Candidates, ranking: str) -> list[int]:
    def fetch(places: Ints) -> Candidates:
        columns = (rows.lots, rows.entry_value, rows.value, rows.pnl, rows.equity)
        lots, cost, value, pnl, equity = (column[places] for column in columns)
        return Candidates(rows.side, lots, cost, value, pnl, equity, rows.tiers)

    def scan(piece: slice) -> tuple[Candidates, Bools]:
        places = np.arange(len(rows.lots))[piece]
        return fetch(places), np.ones(len(places), dtype=bool)

    return Queue(scan, fetch, len(rows.lots), ranking, "ranked", 0).prefix(len(rows.lots), 0).tolist()


def test_ethereal_by_leverage_then_profit_then_lowest_balance() -> None:
    # Leverages 2, 3, 2, 2, 2. Of those with 2 the profits are 20, 40, 20 and 30 quanta; equal profits of 20 leave
    # balances of 80 and 30 quanta.
    rows = held(1, [(180, 200, 100), (200, 300, 100), (160, 200, 100), (80, 100, 50), (170, 200, 100)], unit=1)
    assert queue_of(rows, "ethereal") == [1, 2, 4, 3, 0]
    assert rule_of("ethereal").approximate(rows).tolist() == [2.0, 3.0, 2.0, 2.0, 2.0]


def test_ethereal_looks_at_profit_only_where_leverage_is_equal_to_the_last_digit() -> None:
    # The most that money may be, one quantum apart in equity: floats agree, and the larger profit has less leverage.
    most = 2**61
    rows = held(1, [(most // 2, most, most), (most - 1, most, most - 1)], unit=1)
    leverage = [Fraction(most, most), Fraction(most, most - 1)]
    assert float(leverage[0]) == float(leverage[1])
    assert queue_of(rows, "ethereal") == [1, 0]


def test_where_venues_share_an_expression_they_share_the_function() -> None:
    for one, other in (("bitmex", "htx"), ("binance", "aevo"), ("okx", "bybit_effective")):
        assert rule_of(one).ratio is rule_of(other).ratio
        assert rule_of(one).approximate is rule_of(other).approximate
        assert rule_of(one).source != rule_of(other).source


def test_a_rule_that_is_not_verified_says_what_was_put_in_its_place() -> None:
    assert {"bybit", "bybit_effective", "hyperliquid"} <= {name for name in SCORED if rule_of(name).mark == "U"}
    assert {rule_of(name).mark for name in SCORED} == {"V", "S", "U"}
    assert all("Here" in rule_of(name).source for name in ("bybit", "bybit_effective"))
    assert "is a reading" in rule_of("hyperliquid").source
    assert "read as" in rule_of("htx").source


money = st.integers(1, 2**55) | st.integers(1, 10**9)


@pytest.mark.property
@pytest.mark.parametrize("name", SCORED)
@given(
    rows=st.lists(st.tuples(money, money, money), min_size=2, max_size=12),
    near=st.integers(0, 3),
    side=st.sampled_from((1, -1)),
)
def test_floats_and_rationals_never_disagree_in_order(
    name: str, rows: list[tuple[int, int, int]], near: int, side: int
) -> None:
    cost, value, equity = rows[0]
    candidates = held(side, [*rows, (cost, value, equity + near), (7 * cost, 7 * value, 7 * equity + near)], unit=1)
    rule, count = rule_of(name), len(rows) + 2
    scores = rule.approximate(candidates)
    exact = [rule.exact(candidates, i) for i in range(count)]
    for score, true in zip(scores.tolist(), exact, strict=True):
        assert abs(Fraction(score) - true) <= abs(true) / 10**14
    order = queue_of(candidates, name)
    assert order == sorted(range(count), key=lambda i: (-exact[i], i))
    assert all(exact[a] >= exact[b] for a, b in pairwise(order))


# bitmex.com/app/autoDeleveragingExamples, in queue order: accounts 2, 5, 4, 1, 6, 3.
@pytest.mark.golden
def test_lights_of_bitmex_own_example() -> None:
    through = np.cumsum([10, 20, 30, 10, 10, 20])
    assert percentiles(through, 100).tolist() == [20, 40, 60, 80, 80, 100]
    assert lights(through, 100).tolist() == [5, 4, 3, 2, 2, 1]


@pytest.mark.property
@given(st.lists(st.integers(1, 2**61), min_size=1, max_size=30), st.integers(0, 4))
def test_lights_are_the_fifth_rounded_up(lots: list[int], shift: int) -> None:
    lots = [max(1, each // len(lots) >> 10 * shift) for each in lots]
    through, total = np.cumsum(np.array(lots, dtype=np.int64)), sum(lots)
    expected = [-(-5 * each // total) for each in through.tolist()]
    assert lights(through, total).tolist() == [6 - fifth for fifth in expected]
    assert percentiles(through, total).tolist() == [20 * fifth for fifth in expected]


def test_one_position_is_the_whole_queue() -> None:
    assert lights(np.array([7]), 7).tolist() == [1]
    assert percentiles(np.array([7]), 7).tolist() == [100]
    assert lights(np.array([], dtype=np.int64), 0).tolist() == []
