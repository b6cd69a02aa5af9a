"""Liquidation rules at their boundaries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.mechanics.exact import RATE_ONE
from backtest.mechanics.liquidation.base import BlockTerms, example_batch
from backtest.mechanics.liquidation.blocks import fill_at_fillable_price


def test_a_void_order_waits_at_zero_equity_and_goes_to_adl_below() -> None:
    terms = BlockTerms(1000, 500_000_000, spread_e9=10 * RATE_ONE)
    batch = example_batch([10, 10], [1000, 1000], [100, 99], block_terms=terms)  # equity 0 and -10
    fills = fill_at_fillable_price(batch, np.array([5, 5]), np.array([98, 98]), 10)
    assert (fills.lots.tolist(), fills.refused.tolist()) == ([0, 0], [True, True])
    assert fills.deferred.tolist() == [True, False]


@pytest.mark.property
@given(
    st.integers(1, 60), st.integers(1, 5000), st.integers(1, 90), st.integers(0, 6000),
)  # fmt: skip
def test_lots_below_a_floor_by_entry_value(lots: int, entry_value: int, value_per_lot: int, floor: int) -> None:
    batch = example_batch([lots], [0], [value_per_lot])
    by_entry = replace(batch, entry_value=np.array([entry_value]), tiers=replace(batch.tiers, on_entry=True))
    left = [entry_value - entry_value * sold // lots for sold in range(lots, -1, -1)]  # by lots that stay
    assert [by_entry.notional(np.array([stay])).tolist() for stay in range(lots + 1)] == [[value] for value in left]
    assert by_entry.notional().tolist() == [entry_value]
    below = [stay for stay, value in enumerate(left) if value < floor]
    assert by_entry.most_below(np.array([floor])).tolist() == [max(below, default=0)]
