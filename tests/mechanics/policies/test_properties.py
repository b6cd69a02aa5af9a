"""What the papers prove: of capped pro-rata, of what a queue lacks, of online gradient descent, of the min-max."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import ConfigError
from backtest.mechanics.adl.policies import library, min_max, severity, wealth
from backtest.mechanics.adl.policies.min_max import programme, smallest_parts
from backtest.mechanics.exact import Floats

AMOUNT, PART = st.floats(0.01, 1e6), st.floats(0.05, 1.0)
WINNERS = st.lists(st.tuples(AMOUNT, PART), min_size=2, max_size=8)


def capped(winners: list[tuple[float, float]], share: float) -> tuple[Floats, Floats, float]:
    """Return wealth, what capped pro-rata takes of it, and the budget, a share of what the caps allow."""
    own, caps = (np.array(column) for column in zip(*winners, strict=True))
    budget = share * float((own * caps).sum())
    return own, wealth.capped(own, caps, budget), budget


@pytest.mark.property
@given(WINNERS, st.floats(0, 1))
def test_capped_pro_rata_is_balanced_and_one_haircut_below_the_caps(
    winners: list[tuple[float, float]], share: float
) -> None:
    own, taken, budget = capped(winners, share)
    assert taken.sum() == pytest.approx(budget)
    haircut, caps = taken / own, np.array([cap for _, cap in winners])
    assert (haircut <= caps * (1 + 1e-12)).all()
    below = haircut < caps * (1 - 1e-9)
    assert not below.any() or (haircut <= haircut[below].min() * (1 + 1e-9)).all()


@pytest.mark.property
@given(WINNERS, st.floats(0, 1), PART)
def test_capped_pro_rata_gains_nothing_from_split_accounts(
    winners: list[tuple[float, float]], share: float, part: float
) -> None:
    _, taken, budget = capped(winners, share)
    (first, cap), *rest = winners
    own, caps = (np.array(column) for column in zip((first * part, cap), (first * (1 - part), cap), *rest, strict=True))
    again = wealth.capped(own, caps, budget)
    assert again[:2].sum() == pytest.approx(taken[0], rel=1e-6, abs=1e-9)
    assert again[2:] == pytest.approx(taken[1:], rel=1e-6, abs=1e-9)


@pytest.mark.property
@given(WINNERS, st.floats(0, 1), st.floats(0.01, 100))
def test_capped_pro_rata_does_not_depend_on_the_unit(
    winners: list[tuple[float, float]], share: float, unit: float
) -> None:
    own, taken, budget = capped(winners, share)
    again = wealth.capped(own * unit, np.array([cap for _, cap in winners]), budget * unit)
    assert again == pytest.approx(taken * unit, rel=1e-6, abs=1e-9)


@pytest.mark.property
@given(WINNERS, st.floats(0, 1), st.floats(0, 1))
def test_capped_pro_rata_takes_no_less_of_a_larger_budget_nor_of_a_larger_winner(
    winners: list[tuple[float, float]], share: float, more: float
) -> None:
    own, taken, _ = capped(winners, min(share, more))
    assert (capped(winners, max(share, more))[1] >= taken * (1 - 1e-9) - 1e-9).all()
    alike = np.array([0.5] * len(own))
    paid = wealth.capped(own, alike, share * float((own * alike).sum()))
    assert (np.diff(paid[np.argsort(own)]) >= -1e-9 * own.max()).all()


@pytest.mark.property
@given(WINNERS, st.floats(0.01, 1), st.lists(PART, min_size=8, max_size=8))
def test_capped_pro_rata_has_the_least_sum_of_squared_haircuts(
    winners: list[tuple[float, float]], share: float, order: list[float]
) -> None:
    own, taken, budget = capped(winners, share)
    caps = np.array([cap for _, cap in winners])
    other = wealth.leverage_weighted(own * caps, np.array(order[: len(own)]), budget)
    assert other.sum() == pytest.approx(budget)
    assert (taken**2 / own).sum() <= (other**2 / own).sum() * (1 + 1e-9)


def test_a_queue_by_size_gains_from_split_accounts_and_is_not_monotone() -> None:
    # 10 stands before 8 and pays the budget of 5; as two accounts of 5 it pays nothing.
    whole = wealth.by_score(np.array([10.0, 8.0]), np.array([10.0, 8.0]), 5.0)
    split = wealth.by_score(np.array([5.0, 5.0, 8.0]), np.array([5.0, 5.0, 8.0]), 5.0)
    assert (whole.tolist(), split.tolist()) == ([5.0, 0.0], [0.0, 0.0, 5.0])
    # By leverage the larger winner behind pays less than the smaller one in front.
    assert wealth.by_score(np.array([6.0, 50.0]), np.array([20.0, 2.0]), 6.0).tolist() == [6.0, 0.0]


def test_a_random_queue_is_a_queue_and_follows_its_generator() -> None:
    own = np.array([1.0, 2.0, 3.0, 4.0])
    found = [wealth.random(own, 5.0, np.random.default_rng(seed)).tolist() for seed in range(40)]
    assert found[3] == wealth.random(own, 5.0, np.random.default_rng(3)).tolist()
    assert {sum(row) for row in found} == {5.0}
    assert all(sum(0 < taken < whole for taken, whole in zip(row, own, strict=True)) <= 1 for row in found)
    assert len({tuple(row) for row in found}) > 5


def test_haircuts_that_cannot_be_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^a budget of 3 is above the 2 that the caps allow; lower the severity$"):
        wealth.capped(np.array([4.0]), np.array([0.5]), 3.0)
    with pytest.raises(ConfigError, match=r"^a severity or factor of 1\.5 is no part; it lies between 0 and 1$"):
        severity.static(1.5, 3)


ROUNDS = st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 1e6)), min_size=1, max_size=12)


@pytest.mark.property
@given(st.floats(0, 1), ROUNDS)
def test_online_gradient_loses_no_more_than_its_bound(start: float, rounds: list[tuple[float, float]]) -> None:
    needed, deficit = (np.array(column) for column in zip(*rounds, strict=True))
    step = severity.best_step(needed, deficit)
    found = severity.online_gradient(start, step, needed, deficit)
    assert (deficit * np.abs(found - needed)).sum() <= severity.regret_bound(needed, deficit) * (1 + 1e-9)


def brute_force(account: list[int], dollars: list[float], lots: list[int], equity: list[float], budget: float) -> float:
    """Return the least largest part of equity over all whole lots worth the budget."""
    out = np.inf
    for taken in itertools.product(*(range(held + 1) for held in lots)):
        paid = [k * each for k, each in zip(taken, dollars, strict=True)]
        if sum(paid) >= budget - 1e-9:
            parts = [
                sum(x for x, who in zip(paid, account, strict=True) if who == n) / own for n, own in enumerate(equity)
            ]
            out = min(out, max(parts))
    return out


def test_the_programme_finds_the_least_largest_part() -> None:
    numbers = np.random.default_rng(8)
    for _ in range(6):
        account, lots = numbers.permutation([0, 0, 1, 1, 2]), numbers.integers(1, 4, 5)
        dollars, equity = numbers.integers(1, 9, 5).astype(float), numbers.integers(5, 40, 3).astype(float)
        budget = float(int(0.6 * (dollars @ lots)))
        found = programme(account, dollars, lots, equity, budget)
        least = brute_force(account.tolist(), dollars.tolist(), lots.tolist(), equity.tolist(), budget)
        assert found.proven
        assert dollars @ found.lots >= budget
        assert (found.lots <= lots).all()
        assert found.largest == pytest.approx(least)
    with pytest.raises(ConfigError, match=r"^a budget of 9 is above the 4 that the positions give up$"):
        programme(np.array([0]), np.array([2.0]), np.array([2]), np.array([1.0]), 9.0)


def test_lots_one_by_one_are_an_optimum_of_the_programme() -> None:
    numbers = np.random.default_rng(4)
    for size in (2, 5, 12):
        equity, lots = numbers.integers(1, 500, size), numbers.integers(1, 30, size)
        wanted = int(lots.sum()) // 2
        pays = smallest_parts(equity, lots, wanted)
        found = programme(np.arange(size), np.ones(size), lots, equity.astype(float), float(wanted))
        assert pays.sum() == wanted
        assert (pays / equity).max() == pytest.approx(found.largest)


@pytest.mark.property
@settings(max_examples=35)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=8), st.floats(0, 1))
def test_lots_one_by_one_go_to_the_smallest_part(people: list[tuple[int, int]], share: float) -> None:
    equity, lots = (np.array(column) for column in zip(*people, strict=True))
    wanted = int(share * lots.sum())
    handed = np.zeros_like(lots)
    for _ in range(wanted):
        parts = np.where(handed < lots, (handed + 1) / equity, np.inf)
        handed[parts.argmin()] += 1
    assert smallest_parts(equity, lots, wanted).tolist() == handed.tolist()


def test_without_scipy_the_programme_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ConfigError, match=r"^the min-max programme needs scipy.*pip install 'crashbook\[lp\]'$"):
        min_max.solver()


def test_every_policy_has_a_space_and_a_function_of_its_own() -> None:
    policies = [*library.SEVERITIES.values(), *library.HAIRCUTS.values(), *library.LOTS.values()]
    spaces = {library.CONTRACTS, library.PNL, library.EQUITY, library.PART}
    assert {policy.space for policy in policies} == spaces
    assert len({policy.function for policy in policies}) == len(policies)
