"""Hedges net first: the legs of a cross account in breach, and a bankrupt's own opposite position before its ADL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.columns import among
from backtest.engine.detect.account_bounds import AccountBreaches
from backtest.engine.owners import Rows
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints


def net_accounts(replay: Replay, hits: AccountBreaches) -> Bools:
    """Close the legs of hedges against each other at the mark; return which of the accounts in breach had any."""
    held, netted = hits.holdings, np.zeros(len(hits.numbers), dtype=bool)
    if replay.world.book.opposite is None:
        return netted
    at = np.flatnonzero((held.symbol[1:] == held.symbol[:-1]) & (held.place[1:] == held.place[:-1]))
    lots = np.minimum(held.lots[at], held.lots[at + 1])
    at, lots = at[lots > 0], lots[lots > 0]
    if not at.size:
        return netted
    symbol, place = held.symbol[at], held.place[at]
    values = held.accounts.values_per_lot(hits.marks)[place, symbol]
    replay.ledger.move(
        "net",
        symbol=symbol,
        taker=Rows(held.rows[at]),
        giver=Rows(held.rows[at + 1]),
        lots=-lots,
        cash=held.signs[at] * lots * values,
    )
    netted[place] = True
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
        if not k or equity <= 0 or among(np.array([row]), replay.in_breach)[0]:
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
        return int(accounts.equity(accounts.of[row : row + 1])[0])
    return int(replay.ledger.row_equity(np.array([row]))[0])
