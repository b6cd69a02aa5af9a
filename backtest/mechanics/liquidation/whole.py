"""Whole positions: one order for all of it, or for as much as makes the rest compliant (Binance)."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import Ints
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, in_order, is_compliant


def order_whole(rows: LiquidationBatch) -> Ints:
    """Order whole positions."""
    return np.where(rows.may_order, rows.lots, 0)


def fill_in_order(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of whole positions; nothing waits.

    Examples
    --------
    >>> from backtest.mechanics.liquidation.base import example_batch
    >>> one = example_batch(lots=[10], bankruptcy_value=[900_000], value_per_lot=[94_700])
    >>> fill_in_order(one, order_whole(one), np.array([947]), 4).lots
    array([4])
    """
    within = rows.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), bucket)
    return Fills(lots, price, rows.may_order & ~within, np.zeros(len(lots), dtype=bool))


def fill_reduction(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Order as much as makes the rest compliant at the fill price, immediate or cancel; the rest then waits."""
    within = rows.within_limit(price)
    orders = np.where(within & rows.may_order, _least_compliant_lots(rows, price), 0)
    lots = in_order(orders, bucket)
    deferred = (orders > 0) & (lots == orders) & (orders < rows.lots)
    return Fills(lots, price, rows.may_order & ~within, deferred)


def _least_compliant_lots(rows: LiquidationBatch, price: Ints) -> Ints:
    """Return the lots whose sale leaves a rest that is not in breach, by bisection; all lots at most."""
    low, high = np.zeros_like(rows.lots), rows.lots.copy()
    while (open_ := high > low + 1).any():
        middle = (low + high) // 2
        good = is_compliant(rows, middle, price)
        high = np.where(open_ & good, middle, high)
        low = np.where(open_ & ~good, middle, low)
    return high
