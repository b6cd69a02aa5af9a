"""Liquidation steppers: how much of a position in breach is sent to the book, what the book takes, and what waits.

A stepper sizes the first order of every position (``sizes``, before the impact is known) and then fills (``fill``, at
prices that include it). Rows are positions in breach of one symbol in crossing order; one bucket of liquidity serves
both sides. The rules are those of section 5 of the mechanism page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Bools, Ints, mul_rate, mul_rate_up
from backtest.mechanics.margin import Tiers, maintenance, tier_of
from backtest.mechanics.worth import Worth


@dataclass(frozen=True, slots=True)
class Distress:
    """Positions in breach of one symbol, in crossing order.

    ``bankruptcy`` is the bankruptcy amount of all ``lots`` and ``worth`` the value of one lot at the mark of the
    breach, in quanta; ``sign`` is that of the position's value. ``ordered`` is false where equity was below zero: no
    order is sent. ``first`` says that no order was sent in this episode of distress, ``paused`` that one was, too short
    a time ago. ``others`` is maintenance that the equity must bear besides.
    """

    sign: Ints
    lots: Ints
    bankruptcy: Ints
    worth: Ints
    ordered: Bools
    first: Bools
    paused: Bools
    tiers: Tiers
    inclusive: bool
    unit: Worth
    per_tick: int
    fee_e9: int
    others: Ints

    def paid(self, price: Ints) -> Ints:
        """Return what a lot is worth at prices in ticks."""
        return self.unit.many(price * self.per_tick)

    def within(self, price: Ints) -> Bools:
        """Return whether prices in ticks are within the limit: ``sign * (worth * lots - bankruptcy) >= 0``."""
        inside: Bools = self.sign * (self.paid(price) * self.lots - self.bankruptcy) >= 0
        return inside

    def equity(self) -> Ints:
        """Return equity at the mark of the breach, in quanta."""
        equity: Ints = self.sign * (self.lots * self.worth - self.bankruptcy)
        return equity


@dataclass(frozen=True, slots=True)
class PartRule:
    """A first order of ``ceil(lots * num / den)`` for positions above ``above`` quanta, then a pause in seconds."""

    num: int
    den: int
    above: int
    pause_s: int


@dataclass(frozen=True, slots=True)
class Fills:
    """What the book took, per order in crossing order: lots, price in ticks, if the limit refused it, what waits."""

    lots: Ints
    price: Ints
    refused: Bools
    waits: Bools


@dataclass(frozen=True, slots=True)
class Stepper:
    """A liquidation stepper and the venue's text it follows."""

    sizes: Callable[[Distress, PartRule | None], Ints]
    fill: Callable[[Distress, Ints, Ints, int], Fills]
    source: str


def whole(rows: Distress, part: PartRule | None) -> Ints:
    """Order whole positions."""
    return np.where(rows.ordered, rows.lots, 0)


def take_in_order(rows: Distress, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of whole positions; nothing waits.

    Examples
    --------
    >>> one = _distress(lots=[10], bankruptcy=[900_000], worth=[94_700])
    >>> take_in_order(one, whole(one, None), np.array([947]), 4).lots
    array([4])
    """
    within = rows.within(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    return Fills(lots, price, rows.ordered & ~within, np.zeros(len(lots), dtype=bool))


def _in_order(wanted: Ints, bucket: int) -> Ints:
    """Serve orders from a bucket one after the other."""
    before = np.cumsum(wanted) - wanted
    filled: Ints = np.clip(bucket - before, 0, wanted)
    return filled


def to_tier_below(rows: Distress, part: PartRule | None) -> Ints:
    """Order what brings a position below the floor of its tier; in the lowest tier, all of it."""
    tier = tier_of(rows.lots * rows.worth, rows.tiers)
    return _above(rows, rows.tiers.floors[tier])


def _above(rows: Distress, floors: Ints) -> Ints:
    """Return the lots that a position has too many to be worth less than a floor; all of them for a floor of 0."""
    stay = np.where(floors > 0, (floors - 1) // np.maximum(rows.worth, 1), 0)
    return np.where(rows.ordered, rows.lots - np.minimum(stay, rows.lots), 0)


def fill_or_kill(rows: Distress, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill orders of less than the position whole or not at all; a killed one is followed by one for the position.

    Examples
    --------
    Ten lots worth 100 each, tier floor 600: five are ordered. A bucket of four kills that, and takes four of ten.

    >>> rows = _distress(lots=[10], bankruptcy=[900], worth=[100], floors=[0, 600])
    >>> wanted = to_tier_below(rows, None)
    >>> [fill_or_kill(rows, wanted, np.array([100]), bucket).lots.tolist() for bucket in (4, 5)], wanted.tolist()
    ([[4], [5]], [5])
    """
    within = rows.within(price)
    orders = np.where(within & rows.ordered, wanted, 0)
    waits = np.zeros(len(orders), dtype=bool)
    partial = np.flatnonzero((orders > 0) & (orders < rows.lots))
    left, done = bucket, 0
    for i in partial.tolist():
        left -= min(left, int(orders[done:i].sum()))
        waits[i] = int(orders[i]) <= left
        if not waits[i]:
            orders[i] = rows.lots[i]
        left -= min(left, int(orders[i]))
        done = i + 1
    return Fills(_in_order(orders, bucket), price, rows.ordered & ~within, waits)


def reduce_once(rows: Distress, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Order as much as makes the rest compliant at the fill price, immediate or cancel; the rest then waits."""
    within = rows.within(price)
    orders = np.where(within & rows.ordered, _enough(rows, price), 0)
    lots = _in_order(orders, bucket)
    waits = (orders > 0) & (lots == orders) & (orders < rows.lots)
    return Fills(lots, price, rows.ordered & ~within, waits)


def _enough(rows: Distress, price: Ints) -> Ints:
    """Return the lots whose sale leaves a rest that is not in breach, by bisection; all lots at most."""
    low, high = np.zeros_like(rows.lots), rows.lots.copy()
    while (open_ := high > low + 1).any():
        middle = (low + high) // 2
        good = _compliant(rows, middle, price)
        high = np.where(open_ & good, middle, high)
        low = np.where(open_ & ~good, middle, low)
    return high


def _compliant(rows: Distress, lots: Ints, price: Ints) -> Bools:
    """Return whether what is left after a sale at a price, fee paid, is not in breach at the mark of the breach."""
    value = lots * rows.paid(price)
    rest = (rows.lots - lots) * rows.worth
    equity = rows.sign * (rest + value - rows.bankruptcy) - mul_rate(value, rows.fee_e9)
    need = maintenance(rest, rows.tiers) + rows.others
    safe: Bools = equity > need if rows.inclusive else equity >= need
    return safe


def two_tiers_down(rows: Distress, part: PartRule | None) -> Ints:
    """Order what brings a position two tiers down; from the two lowest, or with little equity, all of it."""
    tier = tier_of(rows.lots * rows.worth, rows.tiers)
    return np.where(_high(rows), _above(rows, rows.tiers.floors[np.maximum(tier - 1, 0)]), whole(rows, part))


def _high(rows: Distress) -> Bools:
    """Return which positions are above the two lowest tiers and have the equity that the lowest tier asks for."""
    notional = rows.lots * rows.worth
    least = mul_rate_up(notional, np.full(len(notional), rows.tiers.rates_e9[0]))
    high: Bools = (tier_of(notional, rows.tiers) >= 2) & (rows.equity() >= least)
    return high


def rest_waits(rows: Distress, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; positions that are reduced by two tiers wait with the rest."""
    within = rows.within(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    waits = rows.ordered & within & _high(rows) & (lots < rows.lots)
    return Fills(lots, price, rows.ordered & ~within, waits)


def part_first(rows: Distress, part: PartRule | None) -> Ints:
    """Order a part of a large position first, nothing during the pause, then all of it."""
    assert part is not None
    large = rows.lots * rows.worth > part.above
    share = -(-rows.lots * part.num // part.den)
    orders = np.where(large & rows.first, share, np.where(large & rows.paused, 0, rows.lots))
    return np.where(rows.ordered, orders, 0)


def all_wait(rows: Distress, wanted: Ints, price: Ints, bucket: int) -> Fills:
    """Fill what the bucket holds; whatever is left of a position that is not below zero waits."""
    within = rows.within(price)
    lots = _in_order(np.where(within, wanted, 0), bucket)
    refused = rows.ordered & ~within & (wanted > 0)
    return Fills(lots, price, refused, rows.ordered & (lots < rows.lots))


STEPPERS: dict[str, Stepper] = {
    "full_position": Stepper(whole, take_in_order, "one market order for the whole position"),
    "tier_by_tier": Stepper(
        to_tier_below, fill_or_kill, "BitMEX app/liquidation; Bybit help 000001876: fill or kill to the tier below"
    ),
    "reduce_once": Stepper(whole, reduce_once, "Binance FAQ 360033525271: one large immediate-or-cancel reduction"),
    "two_tiers": Stepper(two_tiers_down, rest_waits, "OKX: two tiers at a time; open-lib.com/11556.html"),
    "part_first": Stepper(
        part_first, all_wait, "Hyperliquid gitbook, liquidations: 20 % of positions above 100,000 USDC, 30 s pause"
    ),
}


def _distress(
    lots: list[int], bankruptcy: list[int], worth: list[int], side: int = 1, floors: list[int] | None = None
) -> Distress:
    """Return rows for examples: longs that may order, one quantum a tick, 1 % in the lowest tier."""
    count = len(lots)
    rows = [(floor, 10_000_000 * (k + 1), 0) for k, floor in enumerate(floors or [0])]
    yes, no = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    return Distress(
        np.full(count, side), np.array(lots), np.array(bankruptcy), np.array(worth), yes, yes, no, Tiers.of(rows),
        False, Worth(100 if worth[0] > 10_000 else 1), 1, 0, np.zeros(count, dtype=np.int64),
    )  # fmt: skip
