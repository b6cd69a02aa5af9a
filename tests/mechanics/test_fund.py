"""What a fund may take, against trying every number of lots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.fund import cut_entry_value, lots_within_floor, lots_within_limit, net_inventory

sides = st.sampled_from((1, -1))


@pytest.mark.property
@given(sides, st.integers(1, 40), st.integers(-500, 5000), st.integers(1, 100), st.integers(-200, 400))
def test_most_lots_that_leave_the_floor(side: int, lots: int, amount: int, value: int, headroom: int) -> None:
    def passes(k: int) -> bool:
        gain = side * (k * value - amount * k // lots)
        return gain >= 0 or headroom + gain >= 0

    # All lots where they gain as a whole; else the most that pass, and all below pass too.
    most = lots_within_floor(side, lots, amount, value, headroom)
    assert [passes(k) for k in range(1, lots + 1)] == [k <= most for k in range(1, lots + 1)]


@pytest.mark.property
@given(sides, st.integers(1, 60), st.integers(-30, 30), st.integers(1, 9), st.integers(0, 99), st.integers(0, 400))
def test_most_lots_within_the_inventory_limit(
    side: int, lots: int, held: int, value: int, elsewhere: int, limit: int
) -> None:
    def passes(k: int) -> bool:
        after = abs(held + side * k)
        return after <= abs(held) or elsewhere + after * value <= limit

    most = lots_within_limit(side, lots, held, value, elsewhere + abs(held) * value, limit)
    assert [passes(k) for k in range(1, lots + 1)] == [k <= most for k in range(1, lots + 1)]
    assert lots_within_limit(side, lots, held, value, elsewhere, None) == lots


@pytest.mark.property
@given(st.lists(st.tuples(sides, st.integers(1, 30), st.integers(-50, 3000)), min_size=1, max_size=8))
def test_inventory_nets_at_average_cost_and_an_empty_one_has_none(claims: list[tuple[int, int, int]]) -> None:
    held = lots = entry_value = 0
    for side, count, amount in claims:
        held, entry_value = net_inventory(held, entry_value, side, count, amount)
        lots += side * count
        assert held == lots
        assert lots or entry_value == 0


def test_inventory_by_hand() -> None:
    assert net_inventory(0, 0, 1, 3, 100) == (3, 100)
    assert net_inventory(3, 100, -1, 1, 999) == (2, 67)  # a third of 100, floored, leaves
    assert net_inventory(2, 67, -1, 5, 101) == (-3, 61)  # through zero: floor(101 x 2 / 5) = 40 closes, 61 stay
    assert [cut_entry_value(cost, 2, 3) for cost in (7, -7, 0)] == [4, -4, 0]
