"""Matching against a queue, lot by lot where that decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.adl.matching import Claims, match, match_pool

PLENTY = 10**9


def claims(
    bankrupts: list[tuple[int, int]], sign: int = 1, value: int = 90, price: int | None = None, gain: int | None = None
) -> Claims:
    """Return claims of (lots, bankruptcy value)."""
    lots, values = ([row[k] for row in bankrupts] for k in (0, 1))
    return Claims(
        lots=lots, bankruptcy_values=values, value_sign=sign, value_per_lot=value, close_value_per_lot=price,
        target_gain=gain,
    )  # fmt: skip


def test_one_pointer_serves_all_bankrupts() -> None:
    out = match(claims([(5, 500), (7, 707)]), [4, 4, 9], [PLENTY] * 3)
    assert (out.bankrupt.tolist(), out.place.tolist(), out.lots.tolist()) == ([0, 0, 1, 1], [0, 1, 1, 2], [4, 1, 3, 4])
    assert out.close_value.tolist() == [400, 100, 303, 404]  # floor(707 x 3 / 7), then the rest
    assert out.unmatched == []


def test_a_candidate_who_would_end_below_zero_is_skipped_for_the_rest_of_the_wave() -> None:
    # Long lots closed at 100, marked at 90: each costs the winner 10. 39 do not pay for 4, 40 do.
    out = match(claims([(4, 400), (4, 400)]), [4, 4, 4], [39, 40, 40])
    assert (out.skipped, out.place.tolist(), out.unmatched, out.reached()) == ([0], [1, 2], [], 3)
    # A second slice may be one too many for a winner who served the first.
    out = match(claims([(2, 200), (2, 200)]), [4], [30])
    assert (out.lots.tolist(), out.skipped, out.unmatched) == ([2], [0], [(1, 2, 200)])


def test_what_finds_nobody_is_handed_back_with_its_value() -> None:
    out = match(claims([(10, 1003)], -1), [3], [PLENTY])
    assert (out.lots.tolist(), out.close_value.tolist(), out.unmatched) == ([3], [300], [(0, 7, 703)])
    assert match(claims([(10, 1000)], -1), [], []).unmatched == [(0, 10, 1000)]


@pytest.mark.property
@given(
    st.sampled_from((1, -1)), st.lists(st.tuples(st.integers(1, 30), st.integers(-100, 4000)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 900)), max_size=8), st.none() | st.integers(50, 150),
)  # fmt: skip
def test_lots_and_amounts_add_up(
    side: int, bankrupts: list[tuple[int, int]], winners: list[tuple[int, int]], price: int | None
) -> None:
    held = [lots for lots, _ in winners]
    out = match(claims(bankrupts, side, 100, price), list(held), [equity for _, equity in winners])
    for number, (lots, amount) in enumerate(bankrupts):
        mine = [k for k, bankrupt in enumerate(out.bankrupt) if bankrupt == number]
        left = [(count, due) for bankrupt, count, due in out.unmatched if bankrupt == number]
        assert sum(out.lots[k] for k in mine) + sum(count for count, _ in left) == lots
        assert sum(out.bankruptcy_value[k] for k in mine) + sum(due for _, due in left) == amount
        if price is None:
            assert [out.close_value[k] for k in mine] == [out.bankruptcy_value[k] for k in mine]
    assert out.place.tolist() == sorted(out.place.tolist())
    for place, (lots, equity) in enumerate(winners):
        mine = [k for k, at in enumerate(out.place) if at == place]
        assert sum(out.lots[k] for k in mine) <= lots
        assert equity - side * sum(out.close_value[k] - 100 * out.lots[k] for k in mine) >= 0


def test_the_fewest_lots_where_a_winner_holds_just_enough() -> None:
    # 10 lots for 1,003 at a mark of 100: k lots gain floor(0.3 k), which is 2 for 7, 8 and 9.
    assert [
        match_pool(claims([(10, 1003)], 1, 100, None, 2), [k], [PLENTY]).lots.tolist() for k in (6, 7, 8, 9, 10)
    ] == [
        [6],
        [7],
        [7],
        [7],
        [7],
    ]


@pytest.mark.property
@given(
    st.sampled_from((1, -1)), st.integers(1, 25), st.integers(-60, 3000), st.integers(1, 120),
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 900)), max_size=6), st.none() | st.integers(1, 400),
    st.none() | st.integers(1, 130),
)  # fmt: skip
def test_a_pool_closes_the_fewest_lots_that_reach_its_gain(
    side: int, held: int, due: int, value: int, winners: list[tuple[int, int]], missing: int | None, price: int | None
) -> None:
    out = match_pool(
        claims([(held, due)], side, value, price, missing), [k for k, _ in winners], [e for _, e in winners]
    )
    expected: list[tuple[int, int, int]] = []
    skipped, left, cost, gained = [], held, due, 0

    def gain(k: int) -> int:
        return side * ((cost * k // left if price is None else k * price) - k * value)

    for place, (lots, equity) in enumerate(winners):
        if not left or (missing is not None and gained >= missing):
            break
        most = min(lots, left)
        enough = [k for k in range(most) if missing is not None and gained + gain(k) >= missing]
        k = enough[0] if enough else most
        if equity - gain(k) < 0:
            skipped.append(place)
            continue
        gained += gain(k)
        expected.append((place, k, cost * k // left if price is None else k * price))
        left, cost = left - k, cost - cost * k // left
    assert list(zip(out.place, out.lots, out.close_value, strict=True)) == expected
    assert out.skipped == skipped
