"""Liquidation block by block or round by round: dYdX's fillable price, Deribit's incremental reduction."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import RATE_ONE, Ints, mul_rate
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, in_order, is_compliant
from backtest.mechanics.margin import maintenance


def fillable_amount(rows: LiquidationBatch) -> Ints:
    """Return the value of whole positions at the fillable price: ``N - w floor(SMMR min(M, BA (M - equity)))``.

    Examples
    --------
    dYdX v4: long 1 at 100,000, maintenance 1,200, equity 800 and -300 (x/clob/keeper/liquidations.go).

    >>> from backtest.mechanics.liquidation.base import BlockTerms, example_batch
    >>> usd, terms = 10**6, BlockTerms(1000, 0, spread_e9=1_500_000_000)
    >>> values = [99_200 * usd, 100_300 * usd], [100_000 * usd] * 2
    >>> rows = example_batch([1, 1], *values, rate=12_000_000, block_terms=terms)
    >>> (fillable_amount(rows) // usd).tolist()
    [99400, 98200]
    """
    assert rows.block_terms is not None
    required = maintenance(rows.lots * rows.value_per_lot, rows.tiers)
    rule = rows.block_terms
    less = fillable_discount(
        required, required + rows.other_maintenance, rows.equity(), rule.adjustment_e9, rule.spread_e9
    )
    amount: Ints = rows.lots * rows.value_per_lot - rows.value_sign * less
    return amount


def fillable_discount(required: Ints, whole: Ints, equity: Ints, adjustment_e9: int, spread_e9: int) -> Ints:
    """Return by how much a fillable amount is worse than the value: ``SMMR M clamp(BA (1 - equity / T), 0, 1)``.

    ``required`` is the maintenance M of the position, ``whole`` that of its account T. Each product is floored.
    """
    lacking = np.maximum(whole - equity, 0)
    # beyond what is clamped anyway the amount does not matter; kept small, the product stays exact
    lacking = np.minimum(lacking, whole * (RATE_ONE // max(adjustment_e9, 1) + 1))
    part = np.minimum(mul_rate(lacking, adjustment_e9), whole)
    at = np.flatnonzero(whole != required)
    part[at] = [int(p) * int(n) // int(w) for p, n, w in zip(part[at], required[at], whole[at], strict=True)]
    return mul_rate(part, spread_e9)


def order_per_block(rows: LiquidationBatch) -> Ints:
    """Order what the blocks of this price allow: a share of the value, at least and most so much of it in each."""
    assert rows.block_terms is not None
    value = rows.lots * rows.value_per_lot
    each = np.minimum(
        np.maximum(mul_rate(value, rows.block_terms.share_e9), rows.block_terms.least), rows.block_terms.most
    )
    whole = np.maximum(value, rows.lots)  # of lots worth nothing, one quantum each; more than the whole is not ordered
    times = np.minimum(rows.block_count, whole // np.maximum(each, 1) + 1)
    lots = np.maximum(times * np.minimum(each, whole) // np.maximum(rows.value_per_lot, 1), 1)
    return np.where(rows.may_order, np.minimum(lots, rows.lots), 0)


def fill_at_fillable_price(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill within the fillable price; the fund pays what a fill lacks to its bankruptcy amount, or the order is void.

    What got no order, a fill, or has equity left waits; who was filled nothing below zero does not.

    Examples
    --------
    Ten lots bankrupt at 1,000 and worth 99 each: five sold at 98 bring 490 of 500, if the fund has the ten.

    >>> from backtest.mechanics.liquidation.base import BlockTerms, example_batch
    >>> terms = BlockTerms(1000, 500_000_000, spread_e9=10 * RATE_ONE)
    >>> for headroom in (9, 10):
    ...     rows = example_batch([10], [1000], [99], block_terms=terms, fund_headroom=headroom)
    ...     print(fill_at_fillable_price(rows, np.array([5]), np.array([98]), 7))
    Fills(lots=array([0]), price=array([98]), refused=array([ True]), deferred=array([False]), fund_payment=array([0]))
    Fills(lots=array([5]), price=array([98]), refused=array([False]), deferred=array([ True]), fund_payment=array([10]))
    """
    limit = fillable_amount(rows)
    within = (rows.value_sign * (rows.values_at(price) * rows.lots - limit) >= 0) & (wanted > 0)
    lots, payment = np.zeros_like(wanted), np.zeros_like(wanted)
    paid = rows.values_at(price)
    headroom, done = rows.fund_headroom, 0
    costly = np.flatnonzero(
        within & (rows.value_sign * (paid * rows.lots - rows.bankruptcy_value) < rows.lots)
    )  # slices are floored
    for i in [*costly.tolist(), len(wanted)]:
        run = slice(done, i)
        lots[run] = in_order(np.where(within[run], wanted[run], 0), bucket)
        bucket -= int(lots[run].sum())
        if i < len(wanted):
            k = min(int(wanted[i]), bucket)
            owed = int(rows.bankruptcy_value[i]) * k // int(rows.lots[i])
            lack = max(-int(rows.value_sign[i]) * (int(paid[i]) * k - owed), 0)
            within[i] = lack <= headroom or lack == 0
            if within[i]:
                lots[i], payment[i] = k, lack
                headroom, bucket = headroom - lack, bucket - k
        done = i + 1
    deferred = (lots < rows.lots) & ((lots > 0) | (wanted == 0) | (rows.equity() >= 0))
    return Fills(lots, price, (wanted > 0) & ~within, deferred, payment)


def order_rounds(rows: LiquidationBatch) -> Ints:
    """Order what so many rounds, each of a share of what is left, come to."""
    assert rows.block_terms is not None
    rest = rows.lots.copy()
    for _ in range(rows.block_count):
        rest -= -mul_rate(-rest, rows.block_terms.share_e9)  # rounded up
        if not rest.any():
            break
    return np.where(rows.may_order, rows.lots - rest, 0)


def fill_rounds(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill round after round until the rest is not in breach, fill price and fee considered; what is left waits."""
    assert rows.block_terms is not None
    within = rows.within_limit(price)
    orders, rest = wanted.copy(), rows.lots.copy()
    open_ = (wanted > 0) & within
    for _ in range(rows.block_count):
        if not open_.any():
            break
        rest = np.where(open_, rest + mul_rate(-rest, rows.block_terms.share_e9), rest)
        enough = open_ & is_compliant(rows, rows.lots - rest, price)
        orders = np.where(enough, rows.lots - rest, orders)
        open_ &= ~enough & (rest > 0)
    lots = in_order(np.where(within, orders, 0), bucket)
    return Fills(lots, price, (wanted > 0) & ~within, rows.may_order & (lots < rows.lots))
