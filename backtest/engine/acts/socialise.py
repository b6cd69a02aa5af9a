"""Losses that nobody could be deleveraged for, borne by the fund and then by all who profit or all who hold.

They were booked to ``uncovered`` when the lots were closed; who bears them pays ``uncovered``. What nobody bears stays.
"""

from __future__ import annotations

import numpy as np

from backtest.engine.records import ACCOUNT, FUND, NONE, UNCOVERED, Recorder
from backtest.engine.state import State
from backtest.mechanics.exact import Ints
from backtest.mechanics.socialised_loss import loss_by_profit, loss_per_lot

SHARING = ("socialised_winners", "socialised_both")


def share(state: State, recorder: Recorder) -> list[Ints]:
    """Share what each symbol has left uncovered in this round, symbol by symbol; return the rows that paid."""
    touched = []
    for symbol, loss in enumerate(state.to_share):
        loss -= _fund_pays(state, recorder, symbol, loss)
        if loss:
            rule = _winners_pay if state.world.rules.on_exhausted == "socialised_winners" else _both_sides_pay
            touched.append(rule(state, recorder, symbol, loss))
    return touched


def _fund_pays(state: State, recorder: Recorder, symbol: int, loss: int) -> int:
    """Let the fund pay down to its floor; return what it pays."""
    fund = state.fund_for(symbol)
    paid = min(loss, max(state.pool_equity(fund) - state.world.rules.fund_floor, 0))
    if paid:
        _to_uncovered(state, recorder, "shortfall", symbol, FUND, fund.number, np.array([paid], dtype=np.int64))
        fund.receive(symbol, -paid)
    return paid


def _to_uncovered(
    state: State, recorder: Recorder, cause: str, symbol: int, owner: int, rows: Ints | int, paid: Ints
) -> None:
    state.uncovered_cash += int(paid.sum())
    recorder.transfer(state.step, cause, symbol, owner, rows, UNCOVERED, NONE, np.zeros_like(paid), -paid)


def _accounts_pay(state: State, recorder: Recorder, symbol: int, rows: Ints, paid: Ints) -> Ints:
    some = paid > 0
    rows, paid = rows[some], paid[some]
    state.cash[rows] -= paid
    state.accounts_cash -= int(paid.sum())
    _to_uncovered(state, recorder, "socialised", symbol, ACCOUNT, rows, paid)
    state.mirror.update(state, rows)
    if state.crossed is not None:
        state.crossed.stale(rows)
    return rows


def _winners_pay(state: State, recorder: Recorder, symbol: int, loss: int) -> Ints:
    """Let accounts bear a loss in proportion to their profit since the start, each at most its profit."""
    rows, profit = _profits(state)
    return _accounts_pay(state, recorder, symbol, rows, loss_by_profit(loss, profit))


def _profits(state: State) -> tuple[Ints, Ints]:
    """Return the first row of every account and its profit since the first mark, at most its equity, at least zero."""
    world = state.world
    each = np.array([state.value_per_lot(k) for k in range(len(world.symbols))], dtype=np.int64)
    every = np.arange(len(world.lots))
    equity = state.cash - state.owed_funding(every) + state.worth_side * state.lots * each[world.symbol]
    gain = equity - state.opening_equity
    rows = every
    if state.crossed is not None:
        rows, equity, gain = state.crossed.gathered(equity, gain)
    return rows, np.maximum(np.minimum(gain, equity), 0)


def _both_sides_pay(state: State, recorder: Recorder, symbol: int, loss: int) -> Ints:
    """Let every open lot of the symbol bear the same, rounded up; the fund gets what that is too much."""
    rows = np.flatnonzero((state.world.symbol == symbol) & (state.lots > 0))
    lots = state.lots[rows]
    total = int(lots.sum())
    if not total:
        return rows
    each = loss_per_lot(loss, total)
    paid = _accounts_pay(state, recorder, symbol, rows, each * lots)
    excess, fund = each * total - loss, state.fund_for(symbol)
    if excess:
        fund.receive(symbol, excess)
        _to_uncovered(state, recorder, "socialised", symbol, FUND, fund.number, np.array([-excess], dtype=np.int64))
    return paid
