"""Allocation of a wave by hand and against plain fractions: pro-rata, its largest remainders, who is skipped."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.adl.allocation import ALLOCATIONS
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.matching import Claims, Matches
from backtest.mechanics.adl.policies.shares import largest_remainder
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import Tiers

TIERS = Tiers.of([(0, 50_000_000, 0)])
PLENTY = 10**12


def queue(
    lots: list[int], equity: list[int] | None = None, pnl: list[int] | None = None, losers: str = "ranked"
) -> Queue:
    """Return shorts of a value of 90 a lot, all of them candidates."""
    held, behind = np.array(lots, dtype=np.int64), np.array(equity or [PLENTY] * len(lots), dtype=np.int64)
    profit = np.array(pnl or [0] * len(lots), dtype=np.int64)

    def fetch(places: Ints) -> Candidates:
        value = held[places] * 90
        return Candidates(-1, held[places], value + profit[places], value, profit[places], behind[places], TIERS)

    def scan(piece: slice) -> tuple[Candidates, Bools]:
        return fetch(np.arange(len(held))[piece]), np.ones(len(held), dtype=bool)[piece]

    return Queue(scan, fetch, len(held), "none", losers, 0)


def pay(found: Queue, bankrupts: list[tuple[int, int]], **more: object) -> tuple[Matches, list[int]]:
    """Return the slices of longs bankrupt at (lots, value), and what each recorded candidate pays."""
    lots, values = ([row[k] for row in bankrupts] for k in (0, 1))
    rules = {"value_sign": 1, "value_per_lot": 90, "close_value_per_lot": None, **more}
    out = ALLOCATIONS["pro_rata"].close(found, Claims(lots=lots, bankruptcy_values=values, **rules), 20)  # type: ignore[arg-type]
    paid = np.zeros(len(found.order), dtype=np.int64)
    np.add.at(paid, out.place, out.lots)
    return out, paid.tolist()


@pytest.mark.golden
def test_every_candidate_pays_its_share_and_the_largest_remainders_one_more() -> None:
    # 10 of 40 lots: a quarter of 15, 11, 9 and 5 is 3.75, 2.75, 2.25 and 1.25: floors, and one more to 15 and 11.
    found = queue([15, 11, 9, 5])
    out, paid = pay(found, [(7, 700), (3, 306)])
    assert paid == [4, 3, 2, 1]
    assert (out.bankrupt.tolist(), out.place.tolist(), out.lots.tolist()) == ([0, 0, 1, 1], [0, 1, 2, 3], [4, 3, 2, 1])
    assert out.close_value.tolist() == [400, 300, 204, 102]
    assert (out.skipped, out.unmatched) == ([], [])


@pytest.mark.golden
def test_equal_remainders_go_by_account_and_who_pays_nothing_is_not_recorded() -> None:
    found = queue([4, 4, 4, 4])
    out, paid = pay(found, [(2, 200)])  # half a lot each
    assert (found.order.tolist(), paid, out.place.tolist()) == ([0, 1], [1, 1], [0, 1])


@pytest.mark.golden
def test_a_candidate_left_below_zero_is_skipped_and_the_rest_pay_for_it() -> None:
    # Longs closed at 100, marked at 90, cost 10 a lot. 4 of 8 lots: two each. 19 do not pay for two, 40 pay for four.
    found = queue([4, 4], [19, 40])
    out, paid = pay(found, [(4, 400)])
    assert (paid, out.skipped, out.unmatched) == ([0, 4], [0], [])
    # Skipping the first leaves the second with four, which 39 do not pay for: nobody is left.
    out, paid = pay(queue([4, 4], [19, 39]), [(4, 400)])
    assert (paid, out.skipped, out.unmatched) == ([0, 0], [0, 1], [(0, 4, 400)])


@pytest.mark.golden
def test_more_lots_than_candidates_hold_stay_unmatched() -> None:
    out, paid = pay(queue([3, 2]), [(4, 400), (3, 303)])
    assert (paid, out.unmatched) == ([3, 2], [(1, 2, 202)])


@pytest.mark.golden
def test_losers_last_pay_for_what_winners_do_not_hold() -> None:
    rows = {"lots": [6, 6, 2], "pnl": [-5, 5, -5]}
    assert pay(queue(**rows, losers="ranked"), [(7, 700)])[1] == [3, 3, 1]
    assert pay(queue(**rows, losers="last"), [(7, 700)])[1] == [1, 6]
    assert pay(queue(**rows, losers="last"), [(10, 1000)])[1] == [3, 6, 1]
    assert pay(queue(**rows, losers="excluded"), [(10, 1000)])[1] == [6]


@pytest.mark.golden
def test_a_pool_closes_the_fewest_lots_that_gain_enough() -> None:
    # 10 lots taken over at 100, marked at 90: 25 quanta are three lots, of holdings of 6, 3 and 3.
    out, paid = pay(queue([6, 3, 3]), [(10, 1000)], pool=True, target_gain=25)
    assert (paid, out.close_value.tolist()) == ([1, 1, 1], [100, 100, 100])
    assert pay(queue([6, 3, 3]), [(10, 1000)], pool=True)[1] == [5, 3, 2]  # all ten: 5, 2.5 and 2.5


@pytest.mark.property
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=12), st.integers(0, 2**44))
def test_shares_are_whole_exact_and_within_one_lot(lots: list[int], wanted: int) -> None:
    paid = largest_remainder(np.array(lots, dtype=np.int64), wanted).tolist()
    total = sum(lots)
    assert sum(paid) == min(wanted, total)
    assert all(0 <= k <= held for k, held in zip(paid, lots, strict=True))
    if wanted < total:
        shares = [Fraction(wanted * held, total) for held in lots]
        assert all(abs(k - share) < 1 for k, share in zip(paid, shares, strict=True))
        up, down = (
            [share % 1 for k, share in zip(paid, shares, strict=True) if (k > share) == rounded]
            for rounded in (True, False)
        )
        assert not up or min(up) >= max(down)
