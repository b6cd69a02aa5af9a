"""Act 8b of a step: holders who leave of their own will close a long and a short with each other."""

from __future__ import annotations

import numpy as np

from backtest.engine.owners import Rows
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Ints


def leave(replay: Replay) -> None:
    """Close the pairs that are due, each at the trade price at the end of the step.

    A pair closes the lots that both still hold of what was to leave. It stays where the account of either is in breach
    at the mark, or would have no equity left at the price.
    """
    world, ledger = replay.world, replay.ledger
    due = world.exits
    if due is None:
        return
    first, last = np.searchsorted(due.step, [replay.step, replay.step + 1]).tolist()
    for at in range(first, last):
        long, short = due.long[at : at + 1], due.short[at : at + 1]
        lots = min(int(due.lots[at]), int(ledger.lots[long[0]]), int(ledger.lots[short[0]]))
        symbol = int(world.book.symbol[long[0]])
        each = int(world.value_at_trade(symbol, replay.prices.trades[symbol, 1:])[0])
        if lots and all(_may_leave(replay, int(row[0]), lots, each) for row in (long, short)):
            moved = np.array([lots], dtype=np.int64)
            cash = -world.contracts[symbol].value_sign * moved * each
            ledger.move("exit", symbol=symbol, taker=Rows(short), giver=Rows(long), lots=moved, cash=cash)
    if first < last:
        replay.reinsert()


def _may_leave(replay: Replay, row: int, lots: int, each: int) -> bool:
    """Return whether the account of a position is in no breach, and has equity once it has closed lots at a value."""
    world, ledger = replay.world, replay.ledger
    rows = _account(replay, row)
    symbol = world.book.symbol[rows]
    value = ledger.lots[rows] * ledger.lot_values(symbol)
    required = int(world.tier_table.maintenance(symbol, value, ledger.entry_value[rows]).sum())
    equity = int((ledger.settled_cash(rows) + world.position_signs[rows] * value).sum())
    if equity < required or (world.rules.inclusive and equity == required):
        return False
    change = int(world.position_signs[row]) * lots * (each - ledger.values[int(world.book.symbol[row])])
    return equity + change >= 0


def _account(replay: Replay, row: int) -> Ints:
    """Return the rows whose collateral stands behind a position."""
    accounts = replay.accounts
    if accounts is None or accounts.of[row] < 0:
        return np.array([row])
    return accounts.holdings(accounts.of[row : row + 1]).rows
