"""Liquidation rules at their boundaries."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import RATE_ONE
from backtest.mechanics.liquidation.base import BlockTerms, example_batch
from backtest.mechanics.liquidation.blocks import fill_at_fillable_price


def test_a_void_order_waits_at_zero_equity_and_goes_to_adl_below() -> None:
    terms = BlockTerms(1000, 500_000_000, spread_e9=10 * RATE_ONE)
    batch = example_batch([10, 10], [1000, 1000], [100, 99], block_terms=terms)  # equity 0 and -10
    fills = fill_at_fillable_price(batch, np.array([5, 5]), np.array([98, 98]), 10)
    assert (fills.lots.tolist(), fills.refused.tolist()) == ([0, 0], [True, True])
    assert fills.deferred.tolist() == [True, False]
