"""Acts 4, 5a and 5b of a step: orders and book fills, fees, residual collateral."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.fill_prices import fill_prices
from backtest.engine.columns import present
from backtest.engine.detect.episodes import Standing
from backtest.engine.owners import Rows
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints, mul_rate
from backtest.mechanics.liquidation.base import LiquidationBatch
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES


def to_book(replay: Replay, breaches: Breaches, *, at_end: bool) -> None:
    """Send orders to the book, symbol by symbol: sizes, base prices, one shift per side, limits, one bucket.

    ``at_end`` orders are based on the trade price at the end of the segment.
    """
    rules = replay.world.rules
    rule = LIQUIDATION_RULES[rules.liquidation_rule]
    may_order = _may_order(replay, breaches)
    breaches.skipped = ~may_order
    passed = np.zeros_like(breaches.passed) if at_end else breaches.passed
    standing = replay.episodes.standing(breaches.row, passed)
    for symbol in present(breaches.symbol if rule.per_block else breaches.symbol[may_order]):
        mine = (breaches.symbol == symbol).nonzero()[0]
        batch = _batch(replay, breaches, symbol, mine, may_order[mine], standing.chosen(mine))
        wanted = rule.order_sizes(batch)
        price = fill_prices(replay, breaches, mine, wanted, at_end=at_end)
        fills = rule.fill(batch, wanted, price, replay.liquidity.left(symbol))
        replay.episodes.note_order(breaches.row[mine[(wanted > 0) & batch.first_order]])
        breaches.refused[mine] = fills.refused
        hit = fills.lots.nonzero()[0]
        if hit.size:
            _fill(replay, breaches, symbol, mine[hit], fills.lots[hit], fills.price[hit])
        if fills.fund_payment is not None:
            _fund_pays(replay, breaches, symbol, mine, fills.fund_payment)
        later = mine[fills.deferred]
        breaches.deferred_lots[later] = breaches.lots_left[later]
    if rule.per_block and rules.block is not None:  # of those that go on to ADL, the first; the others wait
        most = replay.world.blocks_passed(replay.step) * rules.block.deleverages
        later = (breaches.lots_left > breaches.deferred_lots).nonzero()[0][most:]
        breaches.deferred_lots[later] = breaches.lots_left[later]


def fees(replay: Replay, breaches: Breaches) -> None:
    """Charge the liquidation fee on book fills, at most what the fills left above the bankruptcy value."""
    rules = replay.world.rules
    at = breaches.book_lots.nonzero()[0]
    if not at.size:
        return
    surplus = breaches.value_sign[at] * (breaches.book_value[at] - breaches.book_bankruptcy_value[at])
    surplus = np.maximum(surplus, 0)  # below zero where the fund has paid
    breaches.fee[at] = np.minimum(mul_rate(breaches.book_value[at], rules.fee_e9), surplus)
    breaches.residual[at] = surplus - breaches.fee[at]
    _pay(replay, breaches, at, breaches.fee[at], rules.fee_owner, "fee")


def residuals(replay: Replay, breaches: Breaches) -> None:
    """Give collateral left after book fill and fee to the owner the profile names; of those that wait, to none."""
    owner = replay.world.rules.residual_owner
    if owner != "account":
        at = (np.where(breaches.deferred_lots > 0, 0, breaches.residual)).nonzero()[0]
        _pay(replay, breaches, at, breaches.residual[at], owner, "residual")


def _batch(
    replay: Replay, breaches: Breaches, symbol: int, mine: Ints, may_order: Bools, standing: Standing
) -> LiquidationBatch:
    """Return the positions of a symbol as a liquidation rule sees them."""
    world, rules, ledger = replay.world, replay.world.rules, replay.ledger
    contract = world.contracts[symbol]
    return LiquidationBatch(
        value_sign=breaches.value_sign[mine],
        lots=breaches.lots[mine],
        bankruptcy_value=breaches.bankruptcy_value[mine],
        entry_value=ledger.entry_value[breaches.row[mine]],
        value_per_lot=contract.values_per_lot(breaches.mark[mine]),
        may_order=may_order,
        first_order=standing.first_order,
        in_pause=standing.in_pause,
        tiers=world.tiers[symbol],
        inclusive=rules.inclusive,
        contract=contract,
        mark_per_tick=world.mark_per_tick[symbol],
        fee_e9=rules.fee_e9,
        other_maintenance=breaches.other_maintenance[mine],
        block_count=world.blocks_passed(replay.step),
        part_terms=rules.part,
        block_terms=rules.block,
        fund_headroom=max(ledger.equity(ledger.fund_for(symbol)) - rules.fund_floor, 0),
    )


def _may_order(replay: Replay, breaches: Breaches) -> Bools:
    """Return who sends an order: those not below zero, or by the venue's number of orders the first to cross."""
    rules = replay.world.rules
    if not LIQUIDATION_RULES[rules.liquidation_rule].per_block or rules.block is None:
        return breaches.equity >= 0
    return np.arange(len(breaches)) < replay.world.blocks_passed(replay.step) * rules.block.orders


def _fill(replay: Replay, breaches: Breaches, symbol: int, at: Ints, lots: Ints, price: Ints) -> None:
    value, flow = replay.world.value_at_trade(symbol, price) * lots, -breaches.side[at] * lots
    breaches.book_lots[at] = lots
    breaches.book_value[at] = value
    breaches.book_bankruptcy_value[at] = breaches.cut(at, lots)
    replay.ledger.move(
        "book",
        symbol=symbol,
        taker=Rows(breaches.row[at]),
        giver=replay.ledger.market,
        lots=flow,
        cash=breaches.value_sign[at] * value,
        serial=breaches.serial[at],
    )
    replay.liquidity.use(symbol, flow)


def _fund_pays(replay: Replay, breaches: Breaches, symbol: int, mine: Ints, payment: Ints) -> None:
    """Let the fund pay what book fills of a symbol lack to their bankruptcy value."""
    at = mine[payment > 0]
    replay.ledger.move(
        "shortfall",
        symbol=symbol,
        taker=Rows(breaches.row[at]),
        giver=replay.ledger.fund_for(symbol),
        cash=payment[payment > 0],
        serial=breaches.serial[at],
    )


def _pay(replay: Replay, breaches: Breaches, at: Ints, amount: Ints, owner: str, cause: str) -> None:
    """Move amounts from accounts to ``venue``, ``fund`` or ``vault``."""
    at, amount = at[amount != 0], amount[amount != 0]
    replay.ledger.move(
        cause,
        symbol=breaches.symbol[at],
        taker=Rows(breaches.row[at]),
        giver=replay.ledger.owner(owner),
        cash=-amount,
        serial=breaches.serial[at],
    )
