"""Hedges net first: the legs of a cross account in breach, and a bankrupt's own opposite position before its ADL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.detect.account_bounds import AccountBreaches
from backtest.engine.detect.accounts import CrossAccounts, RowsOfAccounts
from backtest.engine.owners import Rows
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints


def net_accounts(replay: Replay, accounts: CrossAccounts, hits: AccountBreaches, found: RowsOfAccounts) -> Bools:
    """Close the legs of hedges against each other at the mark; return which of the accounts in breach had any."""
    world, ledger, rows, place = replay.world, replay.ledger, found.rows, found.place
    symbols = world.book.symbol[rows]
    netted = np.zeros(len(hits.numbers), dtype=bool)
    at = np.flatnonzero((symbols[1:] == symbols[:-1]) & (place[1:] == place[:-1]))
    lots = np.minimum(ledger.lots[rows[at]], ledger.lots[rows[at + 1]])
    at, lots = at[lots > 0], lots[lots > 0]
    if not at.size:
        return netted
    long, symbol = rows[at], symbols[at]
    values = accounts.values_per_lot(hits.marks)[place[at], symbol]
    ledger.move(
        "net",
        symbol=symbol,
        taker=Rows(long),
        giver=Rows(rows[at + 1]),
        lots=-lots,
        cash=world.position_signs[long] * lots * values,
    )
    netted[place[at]] = True
    return netted


@dataclass(frozen=True, slots=True)
class OwnCloses:
    """What bankrupts close against their own accounts: claims (places in the breaches), the rows that close, money."""

    claims: Ints
    rows: Ints
    lots: Ints
    close_value: Ints
    bankruptcy_value: Ints


def own_closes(replay: Replay, breaches: Breaches, at: Ints, symbol: int, price: int | None) -> OwnCloses | None:
    """Return what bankrupts of a symbol close against the opposite positions of their own accounts; None if nothing.

    ``price`` is the close price in quanta per lot, None for the bankruptcy value.
    """
    opposite, ledger = replay.world.book.opposite, replay.ledger
    if opposite is None:
        return None
    each = ledger.values[symbol]
    closes: list[tuple[int, int, int, int, int]] = []
    for i in at[opposite[breaches.row[at]] >= 0].tolist():
        row = int(opposite[breaches.row[i]])
        wanted = int(breaches.lots_left[i])
        k = min(wanted, int(ledger.lots[row]))
        equity = _equity(replay, row)
        if not k or equity <= 0 or np.isin(row, replay.in_breach):
            continue
        part = int(breaches.value_left[i]) * k // wanted
        amount = part if price is None else k * price
        if equity - int(breaches.value_sign[i]) * (amount - k * each) >= 0:
            closes.append((i, row, k, amount, part))
    return OwnCloses(*np.array(closes, dtype=np.int64).T) if closes else None


def _equity(replay: Replay, row: int) -> int:
    """Return the equity behind a position at the marks at the end of the step."""
    accounts = replay.accounts
    if accounts is not None and accounts.of[row] >= 0:
        return int(accounts.sums(accounts.of[row : row + 1]).equity[0])
    return int(replay.ledger.row_equity(np.array([row]))[0])
