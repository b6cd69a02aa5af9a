"""Settlement of funding: what a position or an owner owes is paid just before its lots change."""

from __future__ import annotations

import numpy as np

from backtest.engine.records import ACCOUNT, FUND, MARKET, NONE, ROUNDING, VAULT, Recorder
from backtest.engine.state import Owner, State
from backtest.mechanics.exact import Ints
from backtest.mechanics.fund import Pool


def settle(state: State, recorder: Recorder, rows: Ints) -> None:
    """Settle funding of positions whose lots are about to change; ``rounding`` takes the other side."""
    if not state.funded:
        return
    due = state.owed_funding(rows)
    state.settled[rows] = np.asarray(state.index, dtype=np.int64)[state.world.symbol[rows]]
    paying = np.flatnonzero(due)
    if not paying.size:
        return
    rows, due = rows[paying], due[paying]
    state.cash[rows] -= due
    total = int(due.sum())
    state.accounts_cash -= total
    state.rounding_cash += total
    symbols = state.world.symbol[rows]
    recorder.transfer(state.step, "funding", symbols, ACCOUNT, rows, ROUNDING, NONE, np.zeros_like(due), -due)


def settle_owner(state: State, recorder: Recorder, owner: Owner | Pool, symbol: int) -> None:
    """Settle funding of fund, vault or market in one symbol before its lots change."""
    due = owner.lots[symbol] * (state.index[symbol] - owner.index[symbol]) // 1_000_000
    owner.index[symbol] = state.index[symbol]
    if due:
        if isinstance(owner, Owner):
            code, row = MARKET, NONE
            owner.cash -= due
        else:
            code, row = FUND if owner.owner == "fund" else VAULT, owner.number
            owner.receive(symbol, -due)
        state.rounding_cash += due
        recorder.transfer(state.step, "funding", symbol, code, row, ROUNDING, NONE, np.array([0]), np.array([-due]))
