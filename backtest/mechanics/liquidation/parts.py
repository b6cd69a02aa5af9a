"""A part of a large position first, the rest after a pause: Hyperliquid."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import Ints
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, in_order


def order_part_first(rows: LiquidationBatch) -> Ints:
    """Order a part of a large position first, nothing during the pause, then all of it."""
    assert rows.part_terms is not None
    terms = rows.part_terms
    large = rows.lots * rows.value_per_lot > terms.above
    share = -(-rows.lots * terms.num // terms.den)
    orders = np.where(large & rows.first_order, share, np.where(large & rows.in_pause, 0, rows.lots))
    return np.where(rows.may_order, orders, 0)


def fill_part_first(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; whatever is left of a position that is not below zero waits."""
    within = rows.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), bucket)
    refused = rows.may_order & ~within & (wanted > 0)
    return Fills(lots, price, refused, rows.may_order & (lots < rows.lots))
