"""Schedules that step: the marks in breach against trying every mark, and BitMEX's tables by the rule."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, Tiers, breach_mark, deductions, in_breach, maintenance
from backtest.mechanics.margin_stepped import breaches_around, first_breach_mark, risk_limits, steps_up
from backtest.venue.margin_table import MarginTable

TOP = 400


@st.composite
def tables(draw: st.DrawFn) -> Tiers:
    """Draw a schedule: rates on the whole position, continuous, or with any deductions at all."""
    floors = [0, *sorted(draw(st.sets(st.integers(1, 400_000), max_size=4)))]
    rates = [rate * 10**6 for rate in sorted(draw(st.sets(st.integers(1, 990), min_size=len(floors), max_size=5)))]
    rates = rates[: len(floors)]
    kind = draw(st.sampled_from(("whole", "whole", "continuous", "any")))
    less = {"whole": [0] * len(floors), "continuous": deductions(floors, rates)}.get(kind)
    less = less or draw(st.lists(st.integers(0, 9000), min_size=len(floors), max_size=len(floors)))
    return Tiers.of(list(zip(floors, rates, less, strict=True)))


def tried(cash: int, signed: int, contract: Contract, tiers: Tiers, inclusive: bool) -> Ints:
    every = np.arange(1 if contract.numerator else 0, TOP * 3)
    columns = np.full(len(every), cash), np.full(len(every), signed), every
    return every[in_breach(*columns, contract, tiers, inclusive)]


@pytest.mark.property
@given(tables(), st.booleans(), st.integers(1, 50), st.none() | st.integers(1, 60_000), st.data())
def test_nearest_breaches_are_those_of_trying_every_mark(
    tiers: Tiers, inclusive: bool, q: int, num: int | None, data: st.DataObject
) -> None:
    position = st.tuples(
        st.sampled_from((1, -1)), st.integers(1, 30), st.integers(1, TOP), st.integers(-20, 100), st.integers(0, TOP)
    )
    drawn = data.draw(st.lists(position, min_size=1, max_size=8))
    signed = np.array([side * lots for side, lots, *_ in drawn])
    cash = np.array([lots * q * (entry * margin // 100 - side * entry) for side, lots, entry, margin, _ in drawn])
    contract = Contract(0, num) if num else Contract(q)
    if num:  # the same sizes in terms of value
        cash = cash * (num // 100 + 1) // (q * 100)
    marks = np.array([max(mark, 1 if num else 0) for *_, mark in drawn])
    below, above = breaches_around(cash, signed, contract, tiers, inclusive, marks)
    near = breaches_around(cash, signed, contract, tiers, inclusive, marks, (1 if num else 0, TOP))
    for k, mark in enumerate(marks.tolist()):
        bad = tried(int(cash[k]), int(signed[k]), contract, tiers, inclusive)
        assert below[k] == bad[bad <= mark].max(initial=NEVER_LONG)
        assert near[0][k] == below[k] or max(near[0][k], below[k]) < 1
        assert (above[k] if above[k] < TOP * 3 else NEVER_SHORT) == bad[bad >= mark].min(initial=NEVER_SHORT)
        assert near[1][k] == above[k] or min(near[1][k], above[k]) > TOP
    if steps_up(tiers):
        first = first_breach_mark(cash, signed, contract, tiers, inclusive, marks)
        assert first.tolist() == np.where(signed * contract.value_sign > 0, below, above).tolist()
    elif not num:
        first = first_breach_mark(cash, signed, contract, tiers, inclusive, marks)
        assert first.tolist() == breach_mark(cash, signed, contract, tiers, inclusive).tolist()


@pytest.mark.parametrize("rate", [1, 500_000_000, 999_999_999])
@pytest.mark.parametrize("side", [1, -1])
def test_amounts_at_the_edge_of_the_range_stay_exact(rate: int, side: int) -> None:
    cash = np.array([LIMIT - 1, -(LIMIT - 1), LIMIT // 3, -LIMIT // 3])
    below, above = breaches_around(
        cash,
        np.full(4, side),
        Contract(1),
        Tiers.of([(0, rate, 0), (LIMIT // 2, 999_999_999, 0)]),
        False,
        np.full(4, 10**9),
    )
    for k, own in enumerate(cash.tolist()):
        equity = own + side * 10**9
        assert (below[k] == above[k] == 10**9) == (equity < -(-(10**9) * rate // 10**9))


def test_a_continuous_table_does_not_step_and_one_of_whole_positions_does() -> None:
    floors, rates = [0, 7_001, 90_003], [3_000_000, 7_000_000, 11_111_111]
    assert not steps_up(Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True))))
    assert steps_up(Tiers.of([(0, 5_000_000, 0), (10**9, 10_000_000, 0)]))
    assert not steps_up(Tiers.of([(0, 5_000_000, 0)]))


# BitMEX, app/riskLimitsExamples: XBTUSD. Position up to so many XBT : maintenance in basis points.
@pytest.mark.golden
@pytest.mark.parametrize(
    ("base", "step", "rows"),
    [
        pytest.param(200, 150, [(200, 50), (350, 100), (500, 150), (650, 200)], id="2021"),
        pytest.param(100, 50, [(100, 50), (150, 100), (200, 150), (250, 200)], id="later-page"),
    ],
)
def test_risk_limits_of_xbtusd(base: int, step: int, rows: list[tuple[int, int]]) -> None:
    xbt = 10**6  # one whole unit of the table, in quanta
    bitmex = MarginTable(
        "XBT",
        dt.date(2021, 8, 31),
        tuple((floor, rate, 1.0) for floor, rate in risk_limits(base, step, 5_000_000, 5_000_000, len(rows) - 1)),
        "",
        "V",
        "",
        "risk_limits",
    )
    tiers, _ = bitmex.schedule()
    for k, (upto, rate) in enumerate(rows):
        notional = np.array([upto * xbt, upto * xbt + 1])
        due = rate, rows[min(k + 1, len(rows) - 1)][1]
        assert maintenance(notional, tiers).tolist() == [
            -(-int(n) * r // 10**4) for n, r in zip(notional, due, strict=True)
        ]
