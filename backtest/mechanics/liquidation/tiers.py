"""Reduction by margin tiers: to the tier below (BitMEX, Bybit), or by two tiers at a time (OKX)."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import Bools, Ints, mul_rate_up
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, in_order
from backtest.mechanics.liquidation.whole import order_whole
from backtest.mechanics.margin import tier_of


def order_to_tier_below(rows: LiquidationBatch) -> Ints:
    """Order what brings a position below the floor of its tier; in the lowest tier, all of it."""
    tier = tier_of(rows.lots * rows.value_per_lot, rows.tiers)
    return _lots_above(rows, rows.tiers.floors[tier])


def _lots_above(rows: LiquidationBatch, floors: Ints) -> Ints:
    """Return the lots that a position has too many to be worth less than a floor; all of them for a floor of 0."""
    stay = np.where(floors > 0, (floors - 1) // np.maximum(rows.value_per_lot, 1), 0)
    return np.where(rows.may_order, rows.lots - np.minimum(stay, rows.lots), 0)


def fill_or_kill(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of less than the position whole or not at all; a killed one is followed by one for the position.

    Examples
    --------
    Ten lots worth 100 each, tier floor 600: five are ordered. A bucket of four kills that, and takes four of ten.

    >>> from backtest.mechanics.liquidation.base import example_batch
    >>> rows = example_batch(lots=[10], bankruptcy_value=[900], value_per_lot=[100], floors=[0, 600])
    >>> wanted = order_to_tier_below(rows)
    >>> [fill_or_kill(rows, wanted, np.array([100]), bucket).lots.tolist() for bucket in (4, 5)], wanted.tolist()
    ([[4], [5]], [5])
    """
    within = rows.within_limit(price)
    orders = np.where(within & rows.may_order, wanted, 0)
    deferred = np.zeros(len(orders), dtype=bool)
    partial = np.flatnonzero((orders > 0) & (orders < rows.lots))
    left, done = bucket, 0
    for i in partial.tolist():
        left -= min(left, int(orders[done:i].sum()))
        deferred[i] = int(orders[i]) <= left
        if not deferred[i]:
            orders[i] = rows.lots[i]
        left -= min(left, int(orders[i]))
        done = i + 1
    return Fills(in_order(orders, bucket), price, rows.may_order & ~within, deferred)


def order_two_tiers_down(rows: LiquidationBatch) -> Ints:
    """Order what brings a position two tiers down; from the two lowest, or with little equity, all of it."""
    tier = tier_of(rows.lots * rows.value_per_lot, rows.tiers)
    return np.where(
        _reduces_by_two_tiers(rows), _lots_above(rows, rows.tiers.floors[np.maximum(tier - 1, 0)]), order_whole(rows)
    )


def _reduces_by_two_tiers(rows: LiquidationBatch) -> Bools:
    """Return which positions are above the two lowest tiers and have the equity that the lowest tier asks for."""
    notional = rows.lots * rows.value_per_lot
    least = mul_rate_up(notional, np.full(len(notional), rows.tiers.rates_e9[0]))
    high: Bools = (tier_of(notional, rows.tiers) >= 2) & (rows.equity() >= least)
    return high


def fill_two_tiers_down(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; positions that are reduced by two tiers wait with the rest."""
    within = rows.within_limit(price)
    lots = in_order(np.where(within, wanted, 0), bucket)
    deferred = rows.may_order & within & _reduces_by_two_tiers(rows) & (lots < rows.lots)
    return Fills(lots, price, rows.may_order & ~within, deferred)
