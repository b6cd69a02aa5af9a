"""A part of a large position first, the rest after a pause: Hyperliquid."""

from __future__ import annotations

from backtest.mechanics.exact import Ints
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, LiquidationRule, in_order
from backtest.mechanics.numeric import np


def order_part_first(batch: LiquidationBatch) -> Ints:
    """Order a part of a large position first, nothing during the pause, then all of it."""
    assert batch.part_terms is not None
    terms = batch.part_terms
    large = batch.lots * batch.value_per_lot > terms.above
    share = -(-batch.lots * terms.num // terms.den)
    orders = np.where(large & batch.first_order, share, np.where(large & batch.in_pause, 0, batch.lots))
    return np.where(batch.may_order, orders, 0)


def fill_part_first(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill what the liquidity allows; the rest of a position that is not below zero is deferred."""
    within = batch.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), liquidity)
    refused = batch.may_order & ~within & (wanted > 0)
    return Fills(lots, price, refused, batch.may_order & (lots < batch.lots))


PART_FIRST = LiquidationRule(
    order_sizes=order_part_first,
    fill=fill_part_first,
    sentence="A position in breach above {first_above_usd:,.0f} USD first orders {first_share_frac:.0%}, pauses for "
    "{first_pause_s} s, then orders all of it; what the book does not take waits, and goes to fund or vault by its "
    "rule or, below zero, to ADL.",
    source="Hyperliquid gitbook, liquidations: 20 % of positions above 100,000 USDC, 30 s pause",
)
