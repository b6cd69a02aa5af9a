"""Liquidation block by block or round by round: dYdX's fillable price, Deribit's incremental reduction."""

from __future__ import annotations

from backtest.mechanics.exact import RATE_ONE, Ints, mul_rate
from backtest.mechanics.liquidation.base import Fills, LiquidationBatch, LiquidationRule, in_order, is_compliant
from backtest.mechanics.margin import maintenance
from backtest.mechanics.numeric import np


def fillable_amount(batch: LiquidationBatch) -> Ints:
    """Return the value of whole positions at the fillable price: ``N - w floor(SMMR min(M, BA (M - equity)))``.

    Examples
    --------
    dYdX v4: long 1 at 100,000, maintenance 1,200, equity 800 and -300 (x/clob/keeper/liquidations.go).

    >>> from backtest.mechanics.liquidation.base import BlockTerms, example_batch
    >>> usd, terms = 10**6, BlockTerms(1000, 0, spread_e9=1_500_000_000)
    >>> values = [99_200 * usd, 100_300 * usd], [100_000 * usd] * 2
    >>> batch = example_batch([1, 1], *values, rate=12_000_000, block_terms=terms)
    >>> (fillable_amount(batch) // usd).tolist()
    [99400, 98200]
    """
    assert batch.block_terms is not None
    required = maintenance(batch.notional(), batch.tiers)
    terms, account_required = batch.block_terms, required + batch.other_maintenance
    less = fillable_discount(required, account_required, batch.equity(), terms.adjustment_e9, terms.spread_e9)
    amount: Ints = batch.lots * batch.value_per_lot - batch.value_sign * less
    return amount


def fillable_discount(required: Ints, account_required: Ints, equity: Ints, adjustment_e9: int, spread_e9: int) -> Ints:
    """Return by how much a fillable amount is worse than the value: ``SMMR M clamp(BA (1 - equity / T), 0, 1)``.

    ``required`` is the maintenance M of the position, ``account_required`` that of its account, T.
    """
    lacking = np.maximum(account_required - equity, 0)
    # beyond what is clamped anyway the amount does not matter; kept small, the product stays exact
    lacking = np.minimum(lacking, account_required * (RATE_ONE // max(adjustment_e9, 1) + 1))
    part = np.minimum(mul_rate(lacking, adjustment_e9), account_required)
    at = np.flatnonzero(account_required != required)
    each = zip(part[at].tolist(), required[at].tolist(), account_required[at].tolist(), strict=True)
    part[at] = [amount * own // total for amount, own, total in each]
    return mul_rate(part, spread_e9)


def order_per_block(batch: LiquidationBatch) -> Ints:
    """Order what the blocks of this price allow: a share of the value, at least and most so much of it in each."""
    assert batch.block_terms is not None
    terms, value = batch.block_terms, batch.lots * batch.value_per_lot
    each = np.minimum(np.maximum(mul_rate(value, terms.share_e9), terms.least), terms.most)
    whole = np.maximum(value, batch.lots)  # of lots of no value, one quantum each; more than the whole is not ordered
    times = np.minimum(batch.block_count, whole // np.maximum(each, 1) + 1)
    lots = np.maximum(times * np.minimum(each, whole) // np.maximum(batch.value_per_lot, 1), 1)
    return np.where(batch.may_order, np.minimum(lots, batch.lots), 0)


def fill_at_fillable_price(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill within the fillable price; the fund pays what a fill lacks to its bankruptcy value, or the order is void.

    Deferred is the rest of what got no order, got a fill, or has equity left; not of what is below zero without a fill.

    Examples
    --------
    Ten lots bankrupt at 1,000 and marked at 99 each: five sold at 98 bring 490 of 500, if the fund has the ten.

    >>> from backtest.mechanics.liquidation.base import BlockTerms, example_batch
    >>> terms = BlockTerms(1000, 500_000_000, spread_e9=10 * RATE_ONE)
    >>> for headroom in (9, 10):
    ...     batch = example_batch([10], [1000], [99], block_terms=terms, fund_headroom=headroom)
    ...     print(fill_at_fillable_price(batch, np.array([5]), np.array([98]), 7))
    Fills(lots=array([0]), price=array([98]), refused=array([ True]), deferred=array([False]), fund_payment=array([0]))
    Fills(lots=array([5]), price=array([98]), refused=array([False]), deferred=array([ True]), fund_payment=array([10]))
    """
    limit = fillable_amount(batch)
    within = (batch.value_sign * (batch.values_at(price) * batch.lots - limit) >= 0) & (wanted > 0)
    lots, payment = np.zeros_like(wanted), np.zeros_like(wanted)
    paid = batch.values_at(price)
    headroom, done = batch.fund_headroom, 0
    costly = np.flatnonzero(
        within & (batch.value_sign * (paid * batch.lots - batch.bankruptcy_value) < batch.lots)
    )  # slices are floored
    for i in [*costly.tolist(), len(wanted)]:
        run = slice(done, i)
        lots[run] = in_order(np.where(within[run], wanted[run], 0), liquidity)
        liquidity -= int(lots[run].sum())
        if i < len(wanted):
            k = min(int(wanted[i]), liquidity)
            due = int(batch.bankruptcy_value[i]) * k // int(batch.lots[i])
            shortfall = max(-int(batch.value_sign[i]) * (int(paid[i]) * k - due), 0)
            within[i] = shortfall <= headroom or shortfall == 0
            if within[i]:
                lots[i], payment[i] = k, shortfall
                headroom, liquidity = headroom - shortfall, liquidity - k
        done = i + 1
    deferred = (lots < batch.lots) & ((lots > 0) | (wanted == 0) | (batch.equity() >= 0))
    return Fills(lots, price, (wanted > 0) & ~within, deferred, payment)


def order_rounds(batch: LiquidationBatch) -> Ints:
    """Order what so many rounds, each of a share of what is left, come to."""
    assert batch.block_terms is not None
    rest = batch.lots.copy()
    for _ in range(batch.block_count):
        rest -= -mul_rate(-rest, batch.block_terms.share_e9)  # rounded up
        if not rest.any():
            break
    return np.where(batch.may_order, batch.lots - rest, 0)


def fill_rounds(batch: LiquidationBatch, wanted: Ints, price: Ints, liquidity: int) -> Fills:
    """Fill round after round until the rest is not in breach, fill price and fee considered; the rest is deferred."""
    assert batch.block_terms is not None
    within = batch.within_limit(price)
    orders, rest = wanted.copy(), batch.lots.copy()
    open_ = (wanted > 0) & within
    for _ in range(batch.block_count):
        if not open_.any():
            break
        rest = np.where(open_, rest + mul_rate(-rest, batch.block_terms.share_e9), rest)
        enough = open_ & is_compliant(batch, batch.lots - rest, price)
        orders = np.where(enough, batch.lots - rest, orders)
        open_ &= ~enough & (rest > 0)
    lots = in_order(np.where(within, orders, 0), liquidity)
    return Fills(lots, price, (wanted > 0) & ~within, batch.may_order & (lots < batch.lots))


FILLABLE_PRICE = LiquidationRule(
    order_sizes=order_per_block,
    fill=fill_at_fillable_price,
    per_block=True,
    sentence="Of positions in breach the first {block_orders:,} per block of {block_s:g} s order {block_share_frac:g} "
    "of their value, at least {block_least_usd:,.0f} USD and at most {block_most_usd:,.0f} USD each block, down to the "
    "fillable price; the fund pays what a fill lacks to the bankruptcy price or the order is void. What was filled "
    "nothing and is below zero goes to ADL, the rest waits.",
    source="dYdX v4-chain, x/clob/keeper/liquidations.go: fillable price, limits a block",
)
INCREMENTAL = LiquidationRule(
    order_sizes=order_rounds,
    fill=fill_rounds,
    sentence="A position in breach orders {block_share_frac:g} of itself once every {block_s:g} s, until the rest is "
    "not in breach; what the book does not take waits, below zero it goes to the fund by its rule or to ADL.",
    source="Deribit: rounds of 12.5 % about once a second (forum, 2020)",
)
