"""Shares of a wave by hand: by profit, equity, leverage, and water-filling of factor leverage."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.policies import shares
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import Tiers

TIERS = Tiers.of([(0, 50_000_000, 0)])
EACH = 10  # quanta a lot


def rows(lots: list[int], pnl: list[int], equity: list[int], exposure: list[int] | None = None) -> Candidates:
    held, profit, behind = (np.array(column, dtype=np.int64) for column in (lots, pnl, equity))
    value = held * EACH
    net = None if exposure is None else np.array(exposure, dtype=np.int64)
    return Candidates(-1, held, value + profit, value, profit, behind, TIERS, account_exposure=net)


def paid(share: shares.Share, found: Candidates, wanted: int, out: tuple[int, ...] = ()) -> list[int]:
    among = np.ones(len(found.lots), dtype=bool)
    among[list(out)] = False
    return share(found, among, wanted).tolist()


@pytest.mark.golden
def test_shares_by_profit_stop_at_the_position_and_leave_the_rest_to_those_without_profit() -> None:
    found = rows([4, 20, 6, 3], [60, 30, 0, -9], [100] * 4)
    assert paid(shares.by_pnl, found, 3) == [2, 1, 0, 0]
    assert paid(shares.by_pnl, found, 9) == [4, 5, 0, 0]  # by profit 6 and 3, but four are held
    assert paid(shares.by_pnl, found, 27) == [4, 20, 2, 1]  # three lots are left, by six and three lots
    assert paid(shares.by_pnl, found, 27, out=(1,)) == [4, 0, 6, 3]


@pytest.mark.golden
def test_shares_by_equity_and_by_leverage() -> None:
    # Equities 50, 100 and 250. Values 100, 100 and 50: leverages 2, 1 and 0.2 by 10, 10 and 5 lots weigh 20, 10 and 1.
    found = rows([10, 10, 5], [0, 0, 0], [50, 100, 250])
    assert paid(shares.by_equity, found, 8) == [1, 2, 5]
    assert paid(shares.by_equity, found, 14) == [3, 6, 5]  # nine by 50 to 100
    assert paid(shares.by_leverage, found, 13) == [8, 4, 1]  # 8.39, 4.19 and 0.42: the last remainder is the largest
    assert paid(shares.by_leverage, found, 24) == [10, 10, 4]


@pytest.mark.golden
def test_water_filling_levels_leverage_and_spares_the_hedged() -> None:
    # Values of 100 each. Net of other coins the third is exposed by 20, the fourth the other way by 30.
    found = rows([10, 10, 10, 10], [0] * 4, [20, 50, 10, 10], [100, 100, 20, -30])
    assert paid(shares.by_factor_leverage, found, 6) == [6, 0, 0, 0]  # leverages 5, 2, 2 and -3: down to 2
    assert paid(shares.by_factor_leverage, found, 10) == [7, 3, 0, 0]  # level 1.5: 7, 2.5 and 0.5 lots
    assert paid(shares.by_factor_leverage, found, 22) == [10, 10, 2, 0]  # level 0: all but the hedged stand at zero
    assert paid(shares.by_factor_leverage, found, 29) == [10, 10, 7, 2]  # level -5
    assert paid(shares.by_factor_leverage, found, 40) == [10] * 4
    gross = replace(found, account_exposure=None)
    assert paid(shares.by_factor_leverage, gross, 6) == [0, 0, 3, 3]  # gross leverage closes the hedged first


PEOPLE = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 2000), st.integers(-600, 600)), min_size=2, max_size=10
)  # lots, equity, exposure


@pytest.mark.property
@given(PEOPLE, st.integers(0, 400))
def test_water_filling_keeps_its_budget_and_levels_within_a_lot(
    people: list[tuple[int, int, int]], wanted: int
) -> None:
    lots, equity, exposure = (list(column) for column in zip(*people, strict=True))
    pays = paid(shares.by_factor_leverage, rows(lots, [0] * len(lots), equity, exposure), wanted)
    assert sum(pays) == min(wanted, sum(lots))
    assert all(0 <= k <= held for k, held in zip(pays, lots, strict=True))
    # Whoever still holds a lot is no higher, a lot off, than anyone who paid one is low.
    left = [
        Fraction(net - (k + 1) * EACH, own)
        for k, held, own, net in zip(pays, lots, equity, exposure, strict=True)
        if k < held
    ]
    low = [Fraction(net - (k - 1) * EACH, own) for k, own, net in zip(pays, equity, exposure, strict=True) if k]
    assert not left or not low or max(left) <= min(low)


@pytest.mark.property
@given(PEOPLE, st.integers(1, 300), st.sampled_from((shares.by_equity, shares.by_leverage, shares.by_pnl)))
def test_shares_by_weight_are_whole_exact_and_within_one_lot(
    people: list[tuple[int, int, int]], wanted: int, share: shares.Share
) -> None:
    lots, equity, pnl = (list(column) for column in zip(*people, strict=True))
    found = rows(lots, pnl, equity)
    pays = paid(share, found, wanted)
    assert sum(pays) == min(wanted, sum(lots))
    weights: Ints = {
        shares.by_equity: found.equity,
        shares.by_leverage: shares.leverage_weights(found.lots, found.value, found.equity),
        shares.by_pnl: np.maximum(found.pnl, 0),
    }[share]
    per_weight = [(k, held, int(w)) for k, held, w in zip(pays, lots, weights, strict=True) if w]
    above = [Fraction(k - 1, w) for k, _, w in per_weight if k]
    below = [Fraction(k + 1, w) for k, held, w in per_weight if k < held]
    assert not above or not below or max(above) <= min(below)
