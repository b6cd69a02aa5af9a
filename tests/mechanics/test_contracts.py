"""Contract formulas: published figures with their source, identities between the two kinds, agreement with the engine.

Figures of linear positions that run through the engine's own functions stand in ``test_golden_vectors.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.calculator.contracts import (
    Holding,
    Kind,
    Tier,
    average_entry,
    bankruptcy_price,
    effective_leverage,
    equity,
    exact_tiers,
    liquidation_price,
    maintenance_margin,
    margin_ratio,
    pnl,
    tier_at,
    value,
)
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import RATE_ONE
from backtest.mechanics.margin import NEVER_LONG, Tiers, breach_mark, deductions, maintenance

COIN = 10**12  # quanta of a coin-settled contract
PERCENT = RATE_ONE // 100
F = Fraction


def flat(rate: str, deduction: str = "0") -> list[Tier]:
    return [Tier(F(0), F(rate), F(deduction))]


def held(kind: Kind, side: int, size: int | str, entry: int | str, balance: int | str | Fraction) -> Holding:
    return Holding(kind, side, F(size), F(entry), F(balance))


def price_of(found: tuple[Fraction, int] | None) -> Fraction:
    assert found is not None
    return found[0]


def bankrupt_at(position: Holding) -> Fraction:
    price = bankruptcy_price(position)
    assert price is not None
    return price


@pytest.mark.golden
@pytest.mark.parametrize(
    ("position", "rate", "deduction", "liquidation", "bankruptcy"),
    [
        # Algebra over the forms of Binance USD-M and COIN-M (support FAQ b3c689c1f50a44cabb3a84e663b81d93).
        pytest.param(held("linear", 1, 1, 100_000, 10_000), "0.005", "50", "90402.0101", "90000", id="linear-long"),
        pytest.param(held("linear", -1, 1, 100_000, 10_000), "0.005", "50", "109502.4876", "110000", id="linear-short"),
        pytest.param(
            held("linear", 1, 100, 100_000, 10**6), "0.01", "11450", "90793.4343", "90000", id="linear-long-large"
        ),
        pytest.param(
            held("inverse", 1, 100_000, 50_000, "0.2"), "0.005", "0", "45681.8182", "45454.5455", id="inverse-long"
        ),
        pytest.param(
            held("inverse", -1, 100_000, 50_000, "0.2"), "0.005", "0", "55277.7778", "55555.5556", id="inverse-short"
        ),
        # Hyperliquid gitbook, trading/liquidations and margin-tiers.
        pytest.param(
            held("linear", 1, 1, 100_000, 10_000), "0.0125", "0", "91139.2405", "90000", id="hyperliquid-long"
        ),
        pytest.param(
            held("linear", -1, 1, 100_000, 10_000), "0.0125", "0", "108641.9753", "110000", id="hyperliquid-short"
        ),
    ],
)
def test_liquidation_and_bankruptcy_price(
    position: Holding, rate: str, deduction: str, liquidation: str, bankruptcy: str
) -> None:
    assert round(price_of(liquidation_price(position, flat(rate, deduction))), 4) == F(liquidation)
    assert round(bankrupt_at(position), 4) == F(bankruptcy)


@pytest.mark.golden
def test_bybit_bankruptcy_price_of_an_inverse_long() -> None:
    # bybitglobal.com/en/help-center/article?id=000001876 (2024-09-10): long 5,000 BTCUSD at 7,890.08 with 50x goes
    # bankrupt at 7,735.37, which the venue rounds up to its tick of 0.5.
    position = held("inverse", 1, 5000, "7890.08", F(5000) / F("7890.08") / 50)
    assert round(bankrupt_at(position), 4) == F("7735.3725")


@pytest.mark.golden
def test_bybit_bankruptcy_price_of_a_cross_inverse_long() -> None:
    # help.bybit.com 360039261334: long 10,000 at 8,000 with 0.5 BTC, 5,718.57 with the taker fee of 0.075 % on top.
    assert round(bankrupt_at(held("inverse", 1, 10_000, 8000, "0.5")) * F("1.00075"), 2) == F("5718.57")


@pytest.mark.golden
def test_bitmex_example_of_liquidation_before_bankruptcy() -> None:
    # bitmex.com/app/liquidation: long at 100 with 100x, liquidation 99.5, bankruptcy 99.
    position = held("linear", 1, 1, 100, 1)
    assert round(price_of(liquidation_price(position, flat("0.005"))), 1) == F("99.5")
    assert bankrupt_at(position) == 99


@pytest.mark.golden
@pytest.mark.parametrize(("collateral", "bankruptcy"), [(800, 99_200), (-300, 100_300)])
def test_dydx_bankruptcy_quote(collateral: int, bankruptcy: int) -> None:
    # Long 1 at an oracle price of 100,000 by total net collateral; derived from x/clob/keeper/liquidations.go.
    assert bankrupt_at(held("linear", 1, 1, 100_000, collateral)) == bankruptcy


@pytest.mark.golden
def test_binance_coin_margined_deduction_of_the_fifth_tier() -> None:
    # binance.com/es/support/faq/ceccfcfb4e3a45e3b48b0b1bb1a8ae46 (2021-02-05): 50 BTC x (5 % - 2.5 %) + 0.56 = 1.81.
    # The page's first tiers were not kept: one step of 40 BTC x 1.4 % makes the same 0.56.
    floors, rates = [0, 40 * COIN, 50 * COIN], [11 * PERCENT // 10, 25 * PERCENT // 10, 5 * PERCENT]
    rows = list(zip(floors, rates, deductions(floors, rates), strict=True))
    tiers = exact_tiers(Tiers.of(rows), COIN)
    assert [tier.deduction for tier in tiers[1:]] == [F("0.56"), F("1.81")]
    assert maintenance_margin(F(50), tiers) == F(50) * F("0.025") - F("0.56")


@pytest.mark.golden
def test_bitmex_staff_approximation_drops_only_small_terms() -> None:
    # BitMEX forum, before 2020: long E / (1 + 1/L - mm), short E / (1 - 1/L + mm). What is dropped is mm x (1/L - mm).
    entry, need = F(8000), F("0.005")
    for leverage in (5, 10, 25):
        balance = 100_000 / entry / leverage
        for side in (1, -1):
            exact = price_of(liquidation_price(held("inverse", side, 100_000, 8000, balance), flat("0.005")))
            printed = entry / (1 + side * (F(1, leverage) - need))
            assert abs(printed / exact - 1) < 2 * need / leverage


# Linear USDT and coin-margined schedules for the properties: floors and rates with whole deductions.
@st.composite
def schedules(draw: st.DrawFn, top: int = 400) -> Tiers:
    floors = [0, *sorted(draw(st.sets(st.integers(1, top), max_size=4)))]
    rates = sorted(draw(st.sets(st.integers(1, 500), min_size=len(floors), max_size=len(floors))))
    floors, rates = [floor * 10**9 for floor in floors], [rate * 10**6 for rate in rates]
    return Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))


sides = st.sampled_from((1, -1))
kinds: st.SearchStrategy[Kind] = st.sampled_from(("linear", "inverse"))
prices = st.fractions(F(1, 100), 10_000, max_denominator=1000)
sizes = st.fractions(F(1, 100), 1000, max_denominator=1000)


@st.composite
def holdings(draw: st.DrawFn) -> Holding:
    position = Holding(draw(kinds), draw(sides), draw(sizes), draw(prices), F(0))
    share = draw(st.fractions(F(1, 200), F(3, 2), max_denominator=500))
    return Holding(
        position.kind, position.side, position.size, position.entry_px, share * value(position, position.entry_px)
    )


def table_near(position: Holding, rates: Sequence[int], shares: Sequence[int]) -> list[Tier]:
    """Return a continuous schedule with floors in percent of the entry value."""
    worth = value(position, position.entry_px)
    rows = [Tier(F(0), F(rates[0], 1000), F(0))]
    for rate, share in zip(rates[1:], shares, strict=False):
        floor = worth * share / 100
        deduction = rows[-1].deduction + floor * (F(rate, 1000) - rows[-1].rate)
        rows.append(Tier(floor, F(rate, 1000), deduction))
    return rows


steps = st.tuples(
    st.sets(st.integers(1, 500), min_size=4, max_size=4).map(sorted),
    st.sets(st.integers(1, 300), min_size=3, max_size=3).map(sorted),
)


@pytest.mark.property
@given(holdings(), steps)
def test_equity_is_maintenance_at_the_liquidation_price_in_its_own_tier(
    position: Holding, drawn: tuple[list[int], list[int]]
) -> None:
    tiers = table_near(position, *drawn)
    found = liquidation_price(position, tiers)
    if found is None:
        tiny, huge = F(1, 10**12), F(10**15)
        assert equity(position, tiny if position.side > 0 else huge) > 0, "a loss can never reach the balance"
        return
    price, tier = found
    notional = value(position, price)
    assert equity(position, price) == maintenance_margin(notional, tiers)
    top = tiers[tier + 1].floor if tier + 1 < len(tiers) else notional
    assert tiers[tier].floor <= notional <= top
    # toward the loss the position is in breach, away from it is not
    for step in (F(1, 10**6), F(1, 100), F(1, 2)):
        worse, better = price * (1 - position.side * step), price * (1 + position.side * step)
        assert equity(position, worse) < maintenance_margin(value(position, worse), tiers)
        assert equity(position, better) > maintenance_margin(value(position, better), tiers)


@pytest.mark.property
@given(holdings(), st.fractions(F(1, 1000), F(1, 2), max_denominator=1000))
def test_the_solver_is_the_closed_form_where_one_rate_holds(position: Holding, rate: Fraction) -> None:
    s, n, e, b = position.side, position.size, position.entry_px, position.balance
    if position.kind == "linear":
        printed, bankrupt = (s * n * e - b) / (n * (s - rate)), e - s * b / n
    else:
        below = b + s * n / e
        printed = n * (s + rate) / below if below else F(-1)
        inverted = 1 / e + s * b / n
        bankrupt = 1 / inverted if inverted else F(-1)
    found = liquidation_price(position, [Tier(F(0), rate, F(0))])
    assert (found[0] if found else None) == (printed if printed > 0 else None)
    assert bankruptcy_price(position) == (bankrupt if bankrupt > 0 else None)


@pytest.mark.property
@given(holdings(), steps)
def test_an_inverse_position_is_a_linear_one_of_the_other_side_in_one_over_price(
    position: Holding, drawn: tuple[list[int], list[int]]
) -> None:
    other: Kind = "inverse" if position.kind == "linear" else "linear"
    mirror = Holding(other, -position.side, position.size, 1 / position.entry_px, position.balance)
    tiers = table_near(position, *drawn)
    here, there = liquidation_price(position, tiers), liquidation_price(mirror, tiers)
    assert (here and (1 / here[0], here[1])) == there
    at_zero, mirrored = bankruptcy_price(position), bankruptcy_price(mirror)
    assert (at_zero and 1 / at_zero) == mirrored


@pytest.mark.property
@given(kinds, sizes, prices, prices)
def test_long_and_short_pnl_cancel(kind: Kind, size: Fraction, entry: Fraction, price: Fraction) -> None:
    long, short = Holding(kind, 1, size, entry, F(0)), Holding(kind, -1, size, entry, F(0))
    assert pnl(long, price) + pnl(short, price) == 0
    assert (pnl(long, price) > 0) == (price > entry)


@pytest.mark.property
@given(kinds, st.lists(st.tuples(prices, sizes), min_size=1, max_size=5), sides, prices)
def test_the_average_entry_has_the_pnl_of_its_fills(
    kind: Kind, fills: list[tuple[Fraction, Fraction]], side: int, price: Fraction
) -> None:
    whole = Holding(kind, side, sum((size for _, size in fills), F(0)), average_entry(kind, fills), F(0))
    assert pnl(whole, price) == sum(pnl(Holding(kind, side, size, entry, F(0)), price) for entry, size in fills)


@pytest.mark.property
@given(schedules(), st.integers(0, 600 * 10**9))
def test_maintenance_is_continuous_and_the_engines_before_rounding(tiers: Tiers, notional: int) -> None:
    exact = exact_tiers(tiers)
    for below, tier in pairwise(exact):
        assert tier.floor * below.rate - below.deduction == maintenance_margin(tier.floor, exact)
    need = maintenance_margin(F(notional, 10**6), exact) * 10**6
    assert maintenance(np.array([notional]), tiers).tolist() == [-(-need // 1)]


@pytest.mark.property
@given(schedules(), st.booleans(), sides, st.integers(1, 1000), st.integers(1, 300), st.integers(1, 1500))
def test_the_closed_form_agrees_with_the_first_mark_of_the_engine(
    tiers: Tiers, inclusive: bool, side: int, lots: int, entry: int, permille: int
) -> None:
    q = 10**6  # a lot times a mark quantum is one USD
    cost = lots * entry * q
    wallet = max(cost * permille // 1000, 1)
    mark = int(breach_mark(np.array([wallet - side * cost]), np.array([side * lots]), Contract(q), tiers, inclusive)[0])
    position, exact = Holding("linear", side, F(lots), F(entry), F(wallet, 10**6)), exact_tiers(tiers)

    def cushion(price: int) -> Fraction:
        """Return equity above maintenance margin, in quanta."""
        return (equity(position, F(price)) - maintenance_margin(value(position, F(price)), exact)) * 10**6

    found = liquidation_price(position, exact)
    price = found[0] if found else F(0)
    assert found or side > 0, "a linear short has a liquidation price"
    if side > 0:
        expected = price // 1 if inclusive else -(-price // 1) - 1
    else:
        expected = -(-price // 1) if inclusive else price // 1 + 1
    if mark == NEVER_LONG:
        assert expected <= 0
        return
    # the engine rounds maintenance up by less than a quantum: it may act one mark earlier, never later
    assert mark == expected or (mark == expected + side and 0 <= cushion(mark) < 1)
    assert cushion(mark) < 1
    assert 0 <= cushion(mark + side) <= 2 * lots * q, "one mark earlier it stands above maintenance by a step at most"


def test_positions_without_a_liquidation_price() -> None:
    unleveraged = held("linear", 1, 2, 100, 200)
    assert liquidation_price(unleveraged, flat("0.01")) is None
    assert bankruptcy_price(unleveraged) is None
    # A short of 100 USD of face with a coin of 100 as balance holds dollars: no price hurts it.
    hedged = held("inverse", -1, 100, 100, 1)
    assert liquidation_price(hedged, flat("0.01")) is None
    assert bankruptcy_price(hedged) is None
    assert price_of(liquidation_price(held("linear", -1, 2, 100, 200), flat("0.01"))) == F(400) / (2 * F("1.01"))


def test_one_rate_on_the_whole_position_breaches_at_the_edge_of_its_bracket() -> None:
    # 1 % up to 100, 10 % above, without deduction. Short 1 at 95 with 12: equity at 100 is 7, between 1 and 10.
    stepped = [Tier(F(0), F("0.01"), F(0)), Tier(F(100), F("0.1"), F(0))]
    assert liquidation_price(held("linear", -1, 1, 95, 12), stepped) == (F(100), 1)
    # With 4 it falls in the first bracket, 99 / 1.01; with 30 in the second, 125 / 1.1.
    assert liquidation_price(held("linear", -1, 1, 95, 4), stepped) == (F(9900, 101), 0)
    assert liquidation_price(held("linear", -1, 1, 95, 30), stepped) == (F(1250, 11), 1)
    # Long 1 at 110 with 5: equity at 100 is below zero, breached in the upper bracket already.
    assert liquidation_price(held("linear", 1, 1, 110, 5), stepped) == (F(105) / F("0.9"), 1)


def test_tier_floors_are_inclusive_and_maintenance_not_below_zero() -> None:
    tiers = [Tier(F(0), F("0.01"), F(50)), Tier(F(10_000), F("0.02"), F(150))]
    assert [tier_at(F(n), tiers) for n in (0, 9_999, 10_000, 10_001)] == [0, 0, 1, 1]
    assert maintenance_margin(F(4_000), tiers) == 0


def test_ratio_and_leverage_have_no_value_without_equity() -> None:
    assert margin_ratio(F(50), F(1000)) == F(1, 20)
    assert effective_leverage(F(5000), F(1000)) == 5
    for broke in (F(0), F(-1)):
        assert margin_ratio(F(50), broke) is None
        assert effective_leverage(F(5000), broke) is None


@pytest.mark.parametrize("contract", [Contract(7), Contract(0, 100)])
def test_marks_between_two_values_are_those_found_by_trying_every_mark(contract: Contract) -> None:
    marks = np.arange(1, 301)
    values = contract.values_per_lot(marks)
    for low in range(1, 60):
        highs = np.arange(low, 110)
        first, last = contract.marks_between(np.full_like(highs, low), highs, 300)
        inside = [marks[(low <= values) & (values <= high)].tolist() for high in highs]
        assert [list(range(a, b + 1)) for a, b in zip(first.tolist(), last.tolist(), strict=True)] == inside
