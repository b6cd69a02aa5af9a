"""Exact arithmetic against Python's own integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.exact import (
    cut_in_turn,
    exact_sum,
    half_even,
    half_even_array,
    isqrt_ratio,
    mul_rate,
    mul_rate_up,
)
from backtest.mechanics.impact import linear, no_impact, square_root
from backtest.mechanics.path import freed, previous_mark, trade_at

amounts = st.integers(-(2**62), 2**62)
rates = st.integers(0, 10**9)


@pytest.mark.property
@given(st.lists(st.tuples(amounts, rates), min_size=1))
def test_rates_multiply_amounts_exactly(pairs: list[tuple[int, int]]) -> None:
    amount, rate = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    assert mul_rate(amount, rate).tolist() == [a * r // 10**9 for a, r in pairs]
    assert mul_rate_up(amount, rate).tolist() == [-(-a * r // 10**9) for a, r in pairs]
    assert mul_rate(amount, int(rate[0])).tolist() == [a * int(rate[0]) // 10**9 for a, _ in pairs]


@pytest.mark.property
@given(st.lists(st.tuples(st.integers(-(2**61), 2**61), st.integers(1, 2**61)), min_size=1))
def test_half_even_is_the_rounding_of_fractions(pairs: list[tuple[int, int]]) -> None:
    above, below = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    expected = [round(Fraction(a, b)) for a, b in pairs]
    assert half_even_array(above, below).tolist() == expected
    assert [half_even(a, b) for a, b in pairs] == expected
    assert [half_even(-a, -b) for a, b in pairs] == expected


@pytest.mark.property
@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_sums_do_not_wrap(values: list[int]) -> None:
    assert exact_sum(np.array(values, dtype=np.int64)) == sum(values)


@pytest.mark.property
@given(st.integers(0, 10**40), st.integers(1, 10**40))
def test_root_of_a_ratio_is_the_floor(above: int, below: int) -> None:
    root = isqrt_ratio(above, below)
    assert root * root * below <= above < (root + 1) * (root + 1) * below


@pytest.mark.property
@given(
    st.integers(1, 10**9), st.fractions(0, 1, max_denominator=10**6), st.integers(0, 10**9),
    st.fractions(Fraction(1, 1000), 10**9, max_denominator=1000),
)  # fmt: skip
def test_impact_is_the_floor_of_the_formula(base: int, strength: Fraction, ordered: int, volume: Fraction) -> None:
    shift = square_root(base, strength, ordered, volume)
    assert shift is not None
    assert shift**2 <= (base * strength) ** 2 * ordered / volume < (shift + 1) ** 2
    assert linear(base, strength, ordered, volume) == math.floor(base * strength * ordered / volume)
    assert no_impact(base, strength, ordered, volume) == 0


def test_impact_without_volume_is_the_worst_price_and_without_lots_none() -> None:
    half = Fraction(1, 2)
    assert [rule(1000, half, 5, Fraction(0)) for rule in (square_root, linear)] == [None, None]
    assert [rule(1000, half, 0, Fraction(0)) for rule in (square_root, linear)] == [0, 0]


@pytest.mark.property
@given(st.integers(0, 10**12), st.sampled_from((1, 4)))
def test_the_prices_of_a_bar_free_its_whole_capacity(capacity: int, parts: int) -> None:
    so_far = [0, *(freed(capacity, part, parts) for part in range(parts))]
    shares = [after - before for before, after in pairwise(so_far)]
    assert so_far[-1] == capacity
    assert max(shares) - min(shares) <= 1


@pytest.mark.property
@given(st.integers(1, 10**9), st.integers(1, 10**9), st.booleans(), st.integers(1, 86_400))
def test_the_previous_mark_lies_three_seconds_back_on_the_segment(start: int, end: int, jump: bool, bar_s: int) -> None:
    age = max(Fraction(0), 1 - 3 / Fraction(bar_s, 3))
    assert previous_mark(start, end, jump, bar_s) == (start if jump else round(start + (end - start) * age))


@pytest.mark.property
@given(st.integers(1, 10**8), st.integers(1, 10**8), st.integers(1, 10**8), st.data())
def test_trade_price_at_a_fraction(start: int, end: int, length: int, data: st.DataObject) -> None:
    passed = data.draw(st.lists(st.integers(0, length), min_size=1))
    out = trade_at(start, end, np.array(passed), np.full(len(passed), length))
    assert out.tolist() == [round(start + (end - start) * Fraction(p, length)) for p in passed]


def test_slices_of_many_rows_are_cut_as_one_by_one() -> None:
    rng = np.random.default_rng(5)
    rows = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    lots = rng.integers(1, 2**20, len(rows))
    totals, values = (
        np.bincount(rows, lots).astype(np.int64) + rng.integers(0, 2, 60),
        rng.integers(-(2**40), 2**61, 60),
    )
    values[::7] = 0
    totals[3] = 2**32  # no product of it fits: from then on one by one
    order = rng.permutation(len(rows))
    rows, lots = rows[order], lots[order]
    left, rest, expected = totals.tolist(), values.tolist(), []
    for row, k in zip(rows.tolist(), lots.tolist(), strict=True):
        expected.append(rest[row] * k // left[row])
        left[row], rest[row] = left[row] - k, rest[row] - expected[-1]
    assert cut_in_turn(rows, lots, totals[rows], values[rows]).tolist() == expected
    others = rows != 3
    rows, lots = rows[others], lots[others]
    assert cut_in_turn(rows, lots, totals[rows], values[rows]).tolist() == np.array(expected)[others].tolist()
