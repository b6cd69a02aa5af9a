"""Drop of a fund: the documentation's examples, and the peak of a window against a plain search."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.drawdown import DrawdownTrigger, Peak, drawdown_ratio, is_triggered, recovery_amount
from backtest.mechanics.fund import divide, fund_groups

USD = 10**6
DOCS = DrawdownTrigger(
    "pnl_ratio", (Fraction("0.30"),), (Fraction("0.25"),), 10_000 * USD, 86_400
)  # Bybit, documentation
HELP = DrawdownTrigger("pnl_ratio", (Fraction(1),), (Fraction("0.95"),), 10_000 * USD, 86_400)  # Bybit, help page


@pytest.mark.golden
def test_bybit_pool_of_a_million_that_lost_350_000() -> None:
    """bybit-exchange.github.io/docs/v5/market/adl-alert: -35 %, deleveraging of 50,000 brings it to -30 %."""
    pool, lost = 1_000_000 * USD, -350_000 * USD
    ratio = drawdown_ratio(lost, 0, pool)
    assert ratio == Fraction("-0.35")
    assert is_triggered(False, ratio, pool + lost, DOCS, 0)
    assert recovery_amount(lost, 0, pool, Fraction("0.30")) == 50_000 * USD
    back = drawdown_ratio(lost + 50_000 * USD, 0, pool)
    assert back == Fraction("-0.30")
    assert is_triggered(True, back, pool, DOCS, 0)  # sized to -30 %, but on until above -25 %
    assert is_triggered(True, Fraction("-0.25"), pool, DOCS, 0)
    assert not is_triggered(True, Fraction("-0.2499"), pool, DOCS, 0)


@pytest.mark.golden
def test_bybit_pool_of_two_million_that_lost_600_000() -> None:
    """The page says that this triggers; -30 % is not below -30 %, one quantum more is."""
    assert not is_triggered(False, drawdown_ratio(-600_000 * USD, 0, 2_000_000 * USD), 1_400_000 * USD, DOCS, 0)
    assert is_triggered(False, drawdown_ratio(-600_000 * USD - 1, 0, 2_000_000 * USD), 1_400_000 * USD, DOCS, 0)


def test_the_help_page_waits_until_the_whole_peak_is_lost() -> None:
    assert not is_triggered(False, Fraction(-1), 20_000 * USD, HELP, 0)
    assert is_triggered(False, Fraction(-101, 100), 20_000 * USD, HELP, 0)
    assert is_triggered(True, Fraction("-0.95"), 20_000 * USD, HELP, 0)
    assert not is_triggered(True, Fraction("-0.9499"), 20_000 * USD, HELP, 0)


def test_a_small_pool_is_not_judged_by_its_ratio_but_stays_on() -> None:
    assert not is_triggered(False, Fraction(-1, 2), 10_000 * USD, DOCS, 0)
    assert is_triggered(True, Fraction(-1, 2), 10_000 * USD, DOCS, 0)


def test_without_a_peak_above_zero_there_is_no_ratio() -> None:
    assert drawdown_ratio(-5, 0, 0) is None
    assert [is_triggered(on, None, -5, DOCS, 0) for on in (False, True)] == [False, True]


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(1, 10**9), st.fractions(0, 1))
def test_the_amount_missing_is_the_least_that_reaches_the_trigger(now: int, above: int, top: int, t: Fraction) -> None:
    peak = now + above
    amount = recovery_amount(now, peak, top, t)
    assert Fraction(now + amount - peak, top) >= -t
    assert amount == 0 or Fraction(now + amount - 1 - peak, top) < -t


@given(
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-20, 20)), min_size=1, max_size=40),
)
def test_peaks_are_those_of_a_plain_search(window: int, walk: list[tuple[int, int]]) -> None:
    """``walk`` is time passed and the value from then on; the value before holds up to one tick earlier."""
    peak, clock, seen = Peak(window, 0), 0, [(0, 0)]
    for passed, value in walk:
        held = clock if passed == 0 else clock + passed - 1
        seen += [(at, seen[-1][1]) for at in range(clock + 1, held + 1)]
        clock += passed
        peak.advance(held, clock)
        assert peak.highest(value) == max([value, *(past for at, past in seen if at >= clock - window)])
        leaves = peak.expires_at()
        assert leaves is None or leaves >= clock
        peak.set(value)
        seen.append((clock, value))


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=8))
def test_what_is_divided_adds_up_and_is_off_by_less_than_one(total: int, weights: list[int]) -> None:
    parts = divide(total, weights)
    assert sum(parts) == total
    if any(weights):
        assert all(abs(part - Fraction(total * w, sum(weights))) < 1 for part, w in zip(parts, weights, strict=True))


def test_groups_number_funds_by_their_first_coin() -> None:
    coins = ["XRP", "BTC", "SOL", "ETH"]
    assert fund_groups("BTC+ETH", coins) == (0, 1, 2, 1)
    assert fund_groups("ETH+SOL, BTC+XRP", coins) == (0, 0, 1, 1)
    assert fund_groups("DOGE+LINK", coins) == (0, 1, 2, 3)
