"""Reduction by margin tiers: to the tier below (BitMEX, Bybit), or by two tiers at a time (OKX)."""

from __future__ import annotations

from backtest.mechanics.exact import Bools, Ints, mul_rate_up
from backtest.mechanics.liquidation.base import REMAINDER, Fills, LiquidationBatch, LiquidationRule, in_order
from backtest.mechanics.liquidation.whole import order_whole
from backtest.mechanics.margin import tier_of
from backtest.mechanics.numeric import np


def order_to_tier_below(batch: LiquidationBatch) -> Ints:
    """Order what brings a position below the floor of its tier; in the lowest tier, all of it."""
    tier = tier_of(batch.notional(), batch.tiers)
    return _lots_above(batch, batch.tiers.floors[tier])


def _lots_above(batch: LiquidationBatch, floors: Ints) -> Ints:
    """Return the lots that a position has too many for a notional below a floor; all of them for a floor of 0."""
    return np.where(batch.may_order, batch.lots - batch.most_below(floors), 0)


def fill_or_kill(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill orders of less than the position whole or not at all; a killed one is followed by one for the position.

    Examples
    --------
    Ten lots of 100 each, tier floor 600: five are ordered. Liquidity for four kills that, and takes four of ten.

    >>> from backtest.mechanics.liquidation.base import example_batch
    >>> batch = example_batch(lots=[10], bankruptcy_value=[900], value_per_lot=[100], floors=[0, 600])
    >>> wanted = order_to_tier_below(batch)
    >>> [fill_or_kill(batch, wanted, np.array([100]), liquidity).lots.tolist() for liquidity in (4, 5)], wanted.tolist()
    ([[4], [5]], [5])
    """
    within = batch.within_limit(price)
    orders = np.where(within & batch.may_order, wanted, 0)
    deferred = np.zeros(len(orders), dtype=bool)
    partial = np.flatnonzero((orders > 0) & (orders < batch.lots))
    left, done = liquidity, 0
    for i in partial.tolist():
        left -= min(left, int(orders[done:i].sum()))
        deferred[i] = int(orders[i]) <= left
        if not deferred[i]:
            orders[i] = batch.lots[i]
        left -= min(left, int(orders[i]))
        done = i + 1
    return Fills(in_order(orders, liquidity), price, batch.may_order & ~within, deferred)


def order_two_tiers_down(batch: LiquidationBatch) -> Ints:
    """Order what brings a position two tiers down; from the two lowest, or with little equity, all of it."""
    tier = tier_of(batch.notional(), batch.tiers)
    return np.where(
        _reduces_by_two_tiers(batch),
        _lots_above(batch, batch.tiers.floors[np.maximum(tier - 1, 0)]),
        order_whole(batch),
    )


def _reduces_by_two_tiers(batch: LiquidationBatch) -> Bools:
    """Return which positions are above the two lowest tiers and have the equity that the lowest tier asks for."""
    notional = batch.notional()
    least = mul_rate_up(notional, np.full(len(notional), batch.tiers.rates_e9[0]))
    high: Bools = (tier_of(notional, batch.tiers) >= 2) & (batch.equity() >= least)
    return high


def fill_two_tiers_down(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill what the liquidity allows; the rest of positions that are reduced by two tiers is deferred."""
    within = batch.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), liquidity)
    deferred = batch.may_order & within & _reduces_by_two_tiers(batch) & (lots < batch.lots)
    return Fills(lots, price, batch.may_order & ~within, deferred)


TIER_BY_TIER = LiquidationRule(
    order_sizes=order_to_tier_below,
    fill=fill_or_kill,
    sentence="A position in breach above the lowest margin tier is reduced to the tier below by an order that is "
    f"filled whole or not at all, and tested anew; else it is sent to the book whole: {REMAINDER}",
    source="BitMEX app/liquidation; Bybit help 000001876: fill or kill to the tier below",
)
TWO_TIERS = LiquidationRule(
    order_sizes=order_two_tiers_down,
    fill=fill_two_tiers_down,
    sentence="A position in breach two margin tiers or more above the lowest is reduced by two tiers at a time and "
    f"tested anew; else it is sent to the book whole: {REMAINDER}",
    source="OKX: two tiers at a time; open-lib.com/11556.html",
)
