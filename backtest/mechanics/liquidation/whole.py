"""Whole positions: one order for all of it, or for as much as makes the rest compliant (Binance)."""

from __future__ import annotations

from backtest.mechanics.exact import Ints
from backtest.mechanics.liquidation.base import (
    REMAINDER,
    Fills,
    LiquidationBatch,
    LiquidationRule,
    in_order,
    is_compliant,
)
from backtest.mechanics.numeric import np


def order_whole(batch: LiquidationBatch) -> Ints:
    """Order whole positions."""
    return np.where(batch.may_order, batch.lots, 0)


def fill_in_order(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill orders of whole positions; nothing is deferred.

    Examples
    --------
    >>> from backtest.mechanics.liquidation.base import example_batch
    >>> one = example_batch(lots=[10], bankruptcy_value=[900_000], value_per_lot=[94_700])
    >>> fill_in_order(one, order_whole(one), np.array([947]), 4).lots
    array([4])
    """
    within = batch.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), liquidity)
    return Fills(lots, price, batch.may_order & ~within, np.zeros(len(lots), dtype=bool))


def fill_reduction(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Order as much as makes the rest compliant at the fill price, immediate or cancel; the rest is then deferred."""
    within = batch.within_limit(price)
    orders = np.where(within & batch.may_order, _least_compliant_lots(batch, price), 0)
    lots = in_order(orders, liquidity)
    deferred = (orders > 0) & (lots == orders) & (orders < batch.lots)
    return Fills(lots, price, batch.may_order & ~within, deferred)


def _least_compliant_lots(batch: LiquidationBatch, price: Ints) -> Ints:
    """Return the lots whose sale leaves a rest that is not in breach, by bisection; all lots at most."""
    low, high = np.zeros_like(batch.lots), batch.lots.copy()
    while (open_ := high > low + 1).any():
        middle = (low + high) // 2
        good = is_compliant(batch, middle, price)
        high = np.where(open_ & good, middle, high)
        low = np.where(open_ & ~good, middle, low)
    return high


FULL_POSITION = LiquidationRule(
    order_sizes=order_whole,
    fill=fill_in_order,
    sentence=f"A position in breach is sent to the book whole, with its bankruptcy value as limit; {REMAINDER}",
    source="one market order for the whole position",
)
REDUCE_ONCE = LiquidationRule(
    order_sizes=order_whole,
    fill=fill_reduction,
    sentence="A position in breach sends one immediate-or-cancel order for what makes the rest compliant; if it is not "
    f"filled, {REMAINDER}",
    source="Binance FAQ 360033525271: one large immediate-or-cancel reduction",
)
