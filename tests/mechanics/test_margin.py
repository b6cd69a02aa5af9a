"""The first mark of a breach against trying every mark."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics import margin
from backtest.mechanics.contract import Contract
from backtest.mechanics.margin import NEVER_LONG, Tiers, breach_mark, deductions, in_breach

TOP = 400


@st.composite
def tables(draw: st.DrawFn) -> Tiers:
    """Draw a schedule; floors are multiples of 1,000 quanta and rates of 0.1 %, so that deductions are whole."""
    floors = [0, *sorted(draw(st.sets(st.integers(1, 400), max_size=4)))]
    rates = sorted(draw(st.sets(st.integers(1, 700), min_size=len(floors), max_size=len(floors))))
    floors, rates = [floor * 1000 for floor in floors], [rate * 10**6 for rate in rates]
    return Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))


@pytest.mark.property
@given(tables(), st.booleans(), st.integers(1, 50), st.data())
def test_breach_mark_is_the_first_of_all_marks(tiers: Tiers, inclusive: bool, q: int, data: st.DataObject) -> None:
    position = st.tuples(st.sampled_from((1, -1)), st.integers(1, 30), st.integers(1, TOP), st.integers(-20, 100))
    drawn = data.draw(st.lists(position, min_size=1, max_size=8))
    signed = np.array([side * lots for side, lots, *_ in drawn])
    cash = np.array([lots * q * (entry * margin_ // 100 - side * entry) for side, lots, entry, margin_ in drawn])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(margin, "CHUNK", 3)
        found = breach_mark(cash, signed, Contract(q), tiers, inclusive)
        # A wrong estimate costs time and nothing else.
        assert (
            breach_mark(cash, signed, Contract(q), tiers, inclusive, np.full(len(cash), 77.0)).tolist()
            == found.tolist()
        )
    for k, mark in enumerate(found.tolist()):
        tried = np.arange(1, TOP * 3)
        bad = tried[
            in_breach(
                np.full(len(tried), cash[k]), np.full(len(tried), signed[k]), tried, Contract(q), tiers, inclusive
            )
        ]
        if signed[k] > 0:
            assert bad.tolist() == list(range(1, min(mark, TOP * 3 - 1) + 1))
            assert bad.size or mark == NEVER_LONG
        else:
            assert bad.tolist() == list(range(mark, TOP * 3))


def test_marks_of_nobody() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert breach_mark(nothing, nothing, Contract(1), Tiers.of([(0, 10**7, 0)]), True).tolist() == []


@pytest.mark.parametrize("estimate", [1.0, 1e9, float("nan")])
def test_a_far_estimate_costs_a_few_comparisons_and_no_walk(estimate: float) -> None:
    """A long of 10 lots at 100,000,000 and a short of as many: found from marks hundreds of millions away."""
    five, far = Tiers.of([(0, 50_000_000, 0)]), np.full(2, estimate)
    cash, signed = np.array([-900_000_000, 1_100_000_000]), np.array([10, -10])
    assert breach_mark(cash, signed, Contract(1), five, False).tolist() == [94_736_842, 104_761_905]
    assert breach_mark(cash, signed, Contract(1), five, False, far).tolist() == [94_736_842, 104_761_905]
