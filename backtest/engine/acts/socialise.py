"""Losses that nobody could be deleveraged for, borne by the fund and then by all who profit or all who hold.

They were booked to ``uncovered`` when the lots were closed; who bears them pays ``uncovered``. What nobody bears stays.
"""

from __future__ import annotations

import numpy as np

from backtest.engine.detect.accounts import Bearers
from backtest.engine.owners import Owner, Rows
from backtest.engine.replay import Replay
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.exact import Ints
from backtest.mechanics.socialised_loss import loss_by_profit, loss_per_lot


def socialise(replay: Replay) -> None:
    """Share what each symbol has left uncovered in this round, symbol by symbol."""
    pay = {"winners": _winners_pay, "both": _both_sides_pay}.get(EXHAUSTION[replay.world.rules.on_exhausted].bearers)
    for symbol, loss in enumerate(replay.losses):
        if pay and loss and (rest := loss - _fund_pays(replay, symbol, loss)):
            pay(replay, symbol, rest)
    replay.losses = [0] * len(replay.losses)


def _fund_pays(replay: Replay, symbol: int, loss: int) -> int:
    """Let the fund pay down to its floor; return what it pays."""
    fund = replay.ledger.fund_for(symbol)
    paid = min(loss, max(replay.ledger.equity(fund) - replay.world.rules.fund_floor, 0))
    if paid:
        _pay(replay, "shortfall", symbol, fund, np.array([paid], dtype=np.int64))
    return paid


def _pay(replay: Replay, cause: str, symbol: int, payer: Rows | Owner, paid: Ints) -> None:
    replay.ledger.move(cause, symbol=symbol, taker=payer, giver=replay.ledger.uncovered, cash=-paid)


def _winners_pay(replay: Replay, symbol: int, loss: int) -> None:
    """Let accounts bear a loss in proportion to their profit since the start, each at most its profit."""
    bearers = _bearers(replay)
    paid = loss_by_profit(loss, np.maximum(np.minimum(bearers.gain, bearers.equity), 0))
    _pay(replay, "socialised", symbol, Rows(bearers.rows[paid > 0]), paid[paid > 0])


def _bearers(replay: Replay) -> Bearers:
    """Return the accounts with their equity and what it gained since the first mark."""
    every = np.arange(len(replay.world.book))
    equity = replay.ledger.row_equity(every)
    gain = equity - replay.opening_equity
    return Bearers(every, equity, gain) if replay.accounts is None else replay.accounts.bearers(equity, gain)


def _both_sides_pay(replay: Replay, symbol: int, loss: int) -> None:
    """Let every open lot of the symbol bear the same, rounded up; the fund gets what that is too much."""
    ledger, held = replay.ledger, replay.world.book.held(symbol)
    rows = held.start + np.flatnonzero(ledger.lots[held])
    total = int(ledger.lots[rows].sum())
    if not total:
        return
    each = loss_per_lot(loss, total)
    paid = each * ledger.lots[rows]
    _pay(replay, "socialised", symbol, Rows(rows[paid > 0]), paid[paid > 0])
    if excess := each * total - loss:
        _pay(replay, "socialised", symbol, ledger.fund_for(symbol), np.array([-excess], dtype=np.int64))
