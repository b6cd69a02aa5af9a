"""What every liquidation rule takes and returns: a batch of positions in breach, and what the book filled of it.

A rule sizes the first order of every position (``order_sizes``, before the impact is known) and then fills (``fill``,
at prices that include it). Rows are positions in breach of one symbol in crossing order; one stock of liquidity serves
both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, RATE_ONE, Bools, Ints, mul_rate
from backtest.mechanics.margin import Tiers, maintenance
from backtest.mechanics.numeric import np
from backtest.mechanics.rule import Rule


@dataclass(frozen=True, slots=True)
class LiquidationBatch:
    """Positions in breach of one symbol, in crossing order.

    Parameters
    ----------
    value_sign
        Sign of the position's value: +1 for the long of a linear and the short of an inverse contract.
    bankruptcy_value, entry_value
        Bankruptcy value and entry value of all ``lots``, in quanta.
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
    entry_value: Ints
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
    part_terms: PartTerms | None = None
    block_terms: BlockTerms | None = None
    fund_headroom: int = 0

    def values_at(self, price: Ints) -> Ints:
        """Return the value of a lot at prices in ticks."""
        return self.contract.values_per_lot(price * self.mark_per_tick)

    def within_limit(self, price: Ints) -> Bools:
        """Return whether prices in ticks are within the limit: ``value_sign * (value - bankruptcy_value) >= 0``."""
        inside: Bools = self.value_sign * (self.values_at(price) * self.lots - self.bankruptcy_value) >= 0
        return inside

    def notional(self, lots: Ints | None = None) -> Ints:
        """Return what the margin schedule counts of positions, or of what is left of them when only ``lots`` stay."""
        if not self.tiers.on_entry:
            return (self.lots if lots is None else lots) * self.value_per_lot
        if lots is None:
            return self.entry_value
        rows = zip(self.entry_value.tolist(), lots.tolist(), self.lots.tolist(), strict=True)
        return np.array([-(-value * rest // held) for value, rest, held in rows], dtype=np.int64)  # the cut is floored

    def most_below(self, floors: Ints) -> Ints:
        """Return the most lots whose notional is below tier floors, at most all; none for a floor of 0."""
        if self.tiers.on_entry:
            rows = zip(floors.tolist(), self.lots.tolist(), self.entry_value.tolist(), strict=True)
            most = [min((floor - 1) * held // max(value, 1), held) for floor, held, value in rows]
            stay = np.array(most, dtype=np.int64)
        else:
            stay = np.minimum((floors - 1) // np.maximum(self.value_per_lot, 1), self.lots)
        return np.where(floors > 0, stay, 0)

    def equity(self) -> Ints:
        """Return equity at the mark of the breach, in quanta."""
        equity: Ints = self.value_sign * (self.lots * self.value_per_lot - self.bankruptcy_value)
        return equity


@dataclass(frozen=True, slots=True)
class PartTerms:
    """A first order of ``ceil(lots * num / den)`` for positions above ``above`` quanta, then a pause in seconds."""

    num: int
    den: int
    above: int
    pause_s: int


@dataclass(frozen=True, slots=True)
class BlockTerms:
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
    """Fills per order in crossing order: lots, price in ticks, if the limit refused the order, if the rest is deferred.

    ``fund_payment`` is what the fund pays for each, None where fills stay within the bankruptcy value.
    """

    lots: Ints
    price: Ints
    refused: Bools
    deferred: Bools
    fund_payment: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRule(Rule):
    """A liquidation rule: the size of each position's order before prices are known, then what the book fills.

    ``per_block``: orders are counted per block of the venue, and sent for positions below zero too.
    """

    order_sizes: Callable[[LiquidationBatch], Ints]
    fill: Callable[[LiquidationBatch, Ints, Ints, int], Fills]
    per_block: bool = False


REMAINDER = "what the book does not take goes to the fund or vault by its rule, the rest to ADL."


def in_order(wanted: Ints, liquidity: int) -> Ints:
    """Serve orders from a liquidity one after the other."""
    before = wanted.cumsum() - wanted
    filled: Ints = np.minimum(np.maximum(liquidity - before, 0), wanted)
    return filled


def is_compliant(batch: LiquidationBatch, lots: Ints, price: Ints) -> Bools:
    """Return whether what is left after a sale at a price, fee paid, is not in breach at the mark of the breach."""
    value = lots * batch.values_at(price)
    rest = (batch.lots - lots) * batch.value_per_lot
    equity = batch.value_sign * (rest + value - batch.bankruptcy_value) - mul_rate(value, batch.fee_e9)
    required = maintenance(batch.notional(batch.lots - lots), batch.tiers) + batch.other_maintenance
    safe: Bools = equity > required if batch.inclusive else equity >= required
    return safe


def example_batch(
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
        np.full(count, side), np.array(lots), np.array(bankruptcy_value), np.array(lots) * np.array(value_per_lot),
        np.array(value_per_lot), yes, yes, no,
        Tiers.of(rows),
        False, Contract(100 if value_per_lot[0] > 10_000 else 1), 1, 0, np.zeros(count, dtype=np.int64), **more,
    )  # fmt: skip
