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


@pytest.mark.golden
def test_capped_pro_rata_spares_single_lots_while_others_can_pay() -> None:
    found = rows([40, 20, 1, 1, 1], [0] * 5, [100] * 5)
    assert paid(shares.by_capped_lots, found, 30) == [20, 10, 0, 0, 0]
    assert paid(shares.by_capped_lots, found, 30, out=(0,)) == [0, 20, 1, 1, 1]  # 23 are all there are
    assert paid(shares.by_capped_lots, found, 45) == [30, 15, 0, 0, 0]  # half again of what is left
    assert paid(shares.by_lots, found, 45) == [28, 14, 1, 1, 1]


LOTS = st.lists(st.integers(1, 500), min_size=2, max_size=9)


@pytest.mark.property
@given(LOTS, st.floats(0, 1), st.integers(1, 499))
def test_capped_pro_rata_in_lots_keeps_what_is_proved_of_it(held: list[int], share: float, part: int) -> None:
    lots = np.array(held)
    wanted = int(share * lots.sum())
    pays = shares.capped_lots(lots, wanted)
    assert (pays.sum(), pays.min() >= 0, (pays <= lots).all()) == (wanted, True, True)
    assert wanted > (lots // 2).sum() or (pays <= lots // 2).all(), "the cap"
    ahead = lots[:, None] >= lots
    assert (pays[:, None] - pays >= -1)[ahead].all(), "of a larger position no less, up to a lot"
    more = shares.capped_lots(lots, min(wanted + part, int(lots.sum())))
    assert (more >= pays - 2).all(), "of more that is wanted no less, up to two lots"
    unit = shares.capped_lots(lots * 64, wanted * 64)
    assert (np.abs(unit - pays * 64) <= 2 * 64).all(), "the size of a lot does not matter, up to two"
    if lots[0] > 1:
        first = 1 + part % (int(lots[0]) - 1) if lots[0] > 2 else 1
        split = shares.capped_lots(np.array([first, held[0] - first, *held[1:]]), wanted)
        assert abs(int(split[:2].sum()) - int(pays[0])) <= 4, "two accounts pay as one, up to two lots of each"


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
