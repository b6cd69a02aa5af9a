"""Liquidation rules: how much of a position in breach is sent to the book, what the book takes, and what waits.

A rule sizes the first order of every position (``sizes``, before the impact is known) and then fills (``fill``, at
prices that include it). Rows are positions in breach of one symbol in crossing order; one bucket of liquidity serves
both sides. The rules are those of section 5 of the mechanism page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, RATE_ONE, Bools, Ints, mul_rate, mul_rate_up
from backtest.mechanics.margin import Tiers, maintenance, tier_of


@dataclass(frozen=True, slots=True)
class LiquidationBatch:
    """Positions in breach of one symbol, in crossing order.

    Parameters
    ----------
    value_sign
        Sign of the position's value: +1 for the long of a linear and the short of an inverse contract.
    bankruptcy_value
        Bankruptcy value of all ``lots``, in quanta.
    value_per_lot
        Value of one lot at the mark of the breach, in quanta.
    may_order
        Whether an order is sent: not where equity was below zero.
    first_order, in_pause
        Whether no order was sent in this episode yet; whether one was, too short a time ago.
    other_maintenance
        Maintenance of the account's other positions, which the equity must bear too, in quanta.
    block_count
        Blocks or rounds of the venue that pass with this price.
    fund_headroom
        Quanta that the fund can pay for fills below the bankruptcy value.
    """

    value_sign: Ints
    lots: Ints
    bankruptcy_value: Ints
    value_per_lot: Ints
    may_order: Bools
    first_order: Bools
    in_pause: Bools
    tiers: Tiers
    inclusive: bool
    contract: Contract
    mark_per_tick: int
    fee_e9: int
    other_maintenance: Ints
    block_count: int = 1
    block_rule: BlockRule | None = None
    fund_headroom: int = 0

    def values_at(self, price: Ints) -> Ints:
        """Return the value of a lot at prices in ticks."""
        return self.contract.values_per_lot(price * self.mark_per_tick)

    def within_limit(self, price: Ints) -> Bools:
        """Return whether prices in ticks are within the limit: ``value_sign * (value - bankruptcy_value) >= 0``."""
        inside: Bools = self.value_sign * (self.values_at(price) * self.lots - self.bankruptcy_value) >= 0
        return inside

    def equity(self) -> Ints:
        """Return equity at the mark of the breach, in quanta."""
        equity: Ints = self.value_sign * (self.lots * self.value_per_lot - self.bankruptcy_value)
        return equity


@dataclass(frozen=True, slots=True)
class PartRule:
    """A first order of ``ceil(lots * num / den)`` for positions above ``above`` quanta, then a pause in seconds."""

    num: int
    den: int
    above: int
    pause_s: int


@dataclass(frozen=True, slots=True)
class BlockRule:
    """Limits per block of ``time_ms``: share in 1e-9 of a position, quanta at least and at most, numbers of attempts.

    ``adjustment_e9`` and ``spread_e9`` are BA and SMMR of the fillable price.
    """

    time_ms: int
    share_e9: int
    least: int = 0
    most: int = LIMIT
    orders: int = 0
    deleverages: int = 0
    adjustment_e9: int = RATE_ONE
    spread_e9: int = RATE_ONE


@dataclass(frozen=True, slots=True)
class Fills:
    """What the book took, per order in crossing order: lots, price in ticks, if the limit refused it, what waits.

    ``fund_payment`` is what the fund pays for each, None where fills stay within the bankruptcy value.
    """

    lots: Ints
    price: Ints
    refused: Bools
    deferred: Bools
    fund_payment: Ints | None = None


@dataclass(frozen=True, slots=True)
class LiquidationRule:
    """A liquidation rule and the venue's text it follows."""

    sizes: Callable[[LiquidationBatch, PartRule | None], Ints]
    fill: Callable[[LiquidationBatch, Ints, Ints, int], Fills]
    source: str
    per_block: bool = False  # orders are counted per block, and sent for positions below zero too


def whole(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order whole positions."""
    return np.where(rows.may_order, rows.lots, 0)


def take_in_order(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of whole positions; nothing waits.

    Examples
    --------
    >>> one = _batch(lots=[10], bankruptcy_value=[900_000], value_per_lot=[94_700])
    >>> take_in_order(one, whole(one, None), np.array([947]), 4).lots
    array([4])
    """
    within = rows.within_limit(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    return Fills(lots, price, rows.may_order & ~within, np.zeros(len(lots), dtype=bool))


def _in_order(wanted: Ints, bucket: int) -> Ints:
    """Serve orders from a bucket one after the other."""
    before = np.cumsum(wanted) - wanted
    filled: Ints = np.clip(bucket - before, 0, wanted)
    return filled


def to_tier_below(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order what brings a position below the floor of its tier; in the lowest tier, all of it."""
    tier = tier_of(rows.lots * rows.value_per_lot, rows.tiers)
    return _above(rows, rows.tiers.floors[tier])


def _above(rows: LiquidationBatch, floors: Ints) -> Ints:
    """Return the lots that a position has too many to be worth less than a floor; all of them for a floor of 0."""
    stay = np.where(floors > 0, (floors - 1) // np.maximum(rows.value_per_lot, 1), 0)
    return np.where(rows.may_order, rows.lots - np.minimum(stay, rows.lots), 0)


def fill_or_kill(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of less than the position whole or not at all; a killed one is followed by one for the position.

    Examples
    --------
    Ten lots worth 100 each, tier floor 600: five are ordered. A bucket of four kills that, and takes four of ten.

    >>> rows = _batch(lots=[10], bankruptcy_value=[900], value_per_lot=[100], floors=[0, 600])
    >>> wanted = to_tier_below(rows, None)
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
    return Fills(_in_order(orders, bucket), price, rows.may_order & ~within, deferred)


def reduce_once(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Order as much as makes the rest compliant at the fill price, immediate or cancel; the rest then waits."""
    within = rows.within_limit(price)
    orders = np.where(within & rows.may_order, _enough(rows, price), 0)
    lots = _in_order(orders, bucket)
    deferred = (orders > 0) & (lots == orders) & (orders < rows.lots)
    return Fills(lots, price, rows.may_order & ~within, deferred)


def _enough(rows: LiquidationBatch, price: Ints) -> Ints:
    """Return the lots whose sale leaves a rest that is not in breach, by bisection; all lots at most."""
    low, high = np.zeros_like(rows.lots), rows.lots.copy()
    while (open_ := high > low + 1).any():
        middle = (low + high) // 2
        good = _compliant(rows, middle, price)
        high = np.where(open_ & good, middle, high)
        low = np.where(open_ & ~good, middle, low)
    return high


def _compliant(rows: LiquidationBatch, lots: Ints, price: Ints) -> Bools:
    """Return whether what is left after a sale at a price, fee paid, is not in breach at the mark of the breach."""
    value = lots * rows.values_at(price)
    rest = (rows.lots - lots) * rows.value_per_lot
    equity = rows.value_sign * (rest + value - rows.bankruptcy_value) - mul_rate(value, rows.fee_e9)
    required = maintenance(rest, rows.tiers) + rows.other_maintenance
    safe: Bools = equity > required if rows.inclusive else equity >= required
    return safe


def two_tiers_down(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order what brings a position two tiers down; from the two lowest, or with little equity, all of it."""
    tier = tier_of(rows.lots * rows.value_per_lot, rows.tiers)
    return np.where(_high(rows), _above(rows, rows.tiers.floors[np.maximum(tier - 1, 0)]), whole(rows, part))


def _high(rows: LiquidationBatch) -> Bools:
    """Return which positions are above the two lowest tiers and have the equity that the lowest tier asks for."""
    notional = rows.lots * rows.value_per_lot
    least = mul_rate_up(notional, np.full(len(notional), rows.tiers.rates_e9[0]))
    high: Bools = (tier_of(notional, rows.tiers) >= 2) & (rows.equity() >= least)
    return high


def rest_waits(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; positions that are reduced by two tiers wait with the rest."""
    within = rows.within_limit(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    deferred = rows.may_order & within & _high(rows) & (lots < rows.lots)
    return Fills(lots, price, rows.may_order & ~within, deferred)


def part_first(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order a part of a large position first, nothing during the pause, then all of it."""
    assert part is not None
    large = rows.lots * rows.value_per_lot > part.above
    share = -(-rows.lots * part.num // part.den)
    orders = np.where(large & rows.first_order, share, np.where(large & rows.in_pause, 0, rows.lots))
    return np.where(rows.may_order, orders, 0)


def all_wait(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; whatever is left of a position that is not below zero waits."""
    within = rows.within_limit(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    refused = rows.may_order & ~within & (wanted > 0)
    return Fills(lots, price, refused, rows.may_order & (lots < rows.lots))


def fillable_amount(rows: LiquidationBatch) -> Ints:
    """Return the value of whole positions at the fillable price: ``N - w floor(SMMR min(M, BA (M - equity)))``.

    Examples
    --------
    dYdX v4: long 1 at 100,000, maintenance 1,200, equity 800 and -300 (x/clob/keeper/liquidations.go).

    >>> usd, rule = 10**6, BlockRule(1000, 0, spread_e9=1_500_000_000)
    >>> rows = _batch([1, 1], [99_200 * usd, 100_300 * usd], [100_000 * usd] * 2, rate=12_000_000, block_rule=rule)
    >>> (fillable_amount(rows) // usd).tolist()
    [99400, 98200]
    """
    assert rows.block_rule is not None
    required = maintenance(rows.lots * rows.value_per_lot, rows.tiers)
    rule = rows.block_rule
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


def part_per_block(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order what the blocks of this price allow: a share of the value, at least and most so much of it in each."""
    assert rows.block_rule is not None
    value = rows.lots * rows.value_per_lot
    each = np.minimum(
        np.maximum(mul_rate(value, rows.block_rule.share_e9), rows.block_rule.least), rows.block_rule.most
    )
    whole = np.maximum(value, rows.lots)  # of lots worth nothing, one quantum each; more than the whole is not ordered
    times = np.minimum(rows.block_count, whole // np.maximum(each, 1) + 1)
    lots = np.maximum(times * np.minimum(each, whole) // np.maximum(rows.value_per_lot, 1), 1)
    return np.where(rows.may_order, np.minimum(lots, rows.lots), 0)


def fill_fillable(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill within the fillable price; the fund pays what a fill lacks to its bankruptcy amount, or the order is void.

    What got no order, a fill, or has equity left waits; who was filled nothing below zero does not.

    Examples
    --------
    Ten lots bankrupt at 1,000 and worth 99 each: five sold at 98 bring 490 of 500, if the fund has the ten.

    >>> rule = BlockRule(1000, 500_000_000, spread_e9=10 * RATE_ONE)
    >>> for headroom in (9, 10):
    ...     rows = _batch([10], [1000], [99], block_rule=rule, fund_headroom=headroom)
    ...     print(fill_fillable(rows, np.array([5]), np.array([98]), 7))
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
        lots[run] = _in_order(np.where(within[run], wanted[run], 0), bucket)
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


def rounds(rows: LiquidationBatch, part: PartRule | None) -> Ints:
    """Order what so many rounds, each of a share of what is left, come to."""
    assert rows.block_rule is not None
    rest = rows.lots.copy()
    for _ in range(rows.block_count):
        rest -= -mul_rate(-rest, rows.block_rule.share_e9)  # rounded up
        if not rest.any():
            break
    return np.where(rows.may_order, rows.lots - rest, 0)


def fill_rounds(rows: LiquidationBatch, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill round after round until the rest is not in breach, fill price and fee considered; what is left waits."""
    assert rows.block_rule is not None
    within = rows.within_limit(price)
    orders, rest = wanted.copy(), rows.lots.copy()
    open_ = (wanted > 0) & within
    for _ in range(rows.block_count):
        if not open_.any():
            break
        rest = np.where(open_, rest + mul_rate(-rest, rows.block_rule.share_e9), rest)
        enough = open_ & _compliant(rows, rows.lots - rest, price)
        orders = np.where(enough, rows.lots - rest, orders)
        open_ &= ~enough & (rest > 0)
    lots = _in_order(np.where(within, orders, 0), bucket)
    return Fills(lots, price, (wanted > 0) & ~within, rows.may_order & (lots < rows.lots))


LIQUIDATION_RULES: dict[str, LiquidationRule] = {
    "full_position": LiquidationRule(whole, take_in_order, "one market order for the whole position"),
    "tier_by_tier": LiquidationRule(
        to_tier_below, fill_or_kill, "BitMEX app/liquidation; Bybit help 000001876: fill or kill to the tier below"
    ),
    "reduce_once": LiquidationRule(
        whole, reduce_once, "Binance FAQ 360033525271: one large immediate-or-cancel reduction"
    ),
    "two_tiers": LiquidationRule(two_tiers_down, rest_waits, "OKX: two tiers at a time; open-lib.com/11556.html"),
    "part_first": LiquidationRule(
        part_first, all_wait, "Hyperliquid gitbook, liquidations: 20 % of positions above 100,000 USDC, 30 s pause"
    ),
    "fillable_price": LiquidationRule(
        part_per_block,
        fill_fillable,
        "dYdX v4-chain, x/clob/keeper/liquidations.go: fillable price, limits a block",
        True,
    ),
    "incremental": LiquidationRule(rounds, fill_rounds, "Deribit: rounds of 12.5 % about once a second (forum, 2020)"),
}


def _batch(
    lots: list[int],
    bankruptcy_value: list[int],
    value_per_lot: list[int],
    side: int = 1,
    floors: list[int] | None = None,
    rate: int = 10_000_000,
    **more: Any,
) -> LiquidationBatch:
    """Return rows for examples: longs that may order, one quantum a tick, 1 % in the lowest tier."""
    count = len(lots)
    rows = [(floor, rate * (k + 1), 0) for k, floor in enumerate(floors or [0])]
    yes, no = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    return LiquidationBatch(
        np.full(count, side), np.array(lots), np.array(bankruptcy_value), np.array(value_per_lot), yes, yes, no,
        Tiers.of(rows),
        False, Contract(100 if value_per_lot[0] > 10_000 else 1), 1, 0, np.zeros(count, dtype=np.int64), **more,
    )  # fmt: skip
