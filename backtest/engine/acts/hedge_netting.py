"""Hedge mode in ADL: a bankrupt position is first closed against the opposite one of the same account."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.liquidate import Breaches
from backtest.engine.acts.waves import Slices, close_price
from backtest.engine.state import State
from backtest.mechanics.exact import Ints


def pairs(
    state: State, breaches: Breaches, at: Ints, symbol: int, previous: int
) -> tuple[Ints, Ints, Ints, Ints, Ints] | None:
    """Return what bankrupts close against their own accounts: claims, rows, lots, close amounts, bankruptcy amounts."""
    if state.opposite is None:
        return None
    price, each = close_price(state, symbol, previous), state.value_per_lot(symbol)
    out: list[tuple[int, int, int, int, int]] = []
    for i in at[state.opposite[breaches.rows[at]] >= 0].tolist():
        row = int(state.opposite[breaches.rows[i]])
        wanted, owed = int(breaches.left[i]), int(breaches.owed[i])
        k = min(wanted, int(state.lots[row]))
        equity = _equity(state, row)
        if not k or equity <= 0 or np.isin(row, state.breached):
            continue
        part = owed * k // wanted
        amount = part if price is None else k * price
        if equity - int(breaches.worth[i]) * (amount - k * each) >= 0:
            out.append((i, row, k, amount, part))
    if not out:
        return None
    columns = np.array(out, dtype=np.int64).T
    return columns[0], columns[1], columns[2], columns[3], columns[4]


def _equity(state: State, row: int) -> int:
    """Return the equity behind a position at the marks at the end of the step."""
    if state.crossed is not None and state.crossed.of[row] >= 0:
        return int(state.crossed.sums(state.crossed.of[row : row + 1]).equity[0])
    at = np.array([row])
    value = int(state.lots[row]) * state.value_per_lot(int(state.world.symbol[row]))
    return int(state.cash[row]) - int(state.owed_funding(at)[0]) + int(state.worth_side[row]) * value


def joined(own: Slices, queued: Slices) -> Slices:
    """Return the slices of a wave, those against own positions first."""
    names = ("winners", "bankrupts", "serial", "lots", "amount", "owed", "cost")
    parts = {name: np.concatenate([getattr(own, name), getattr(queued, name)]) for name in names}
    return Slices(**parts, own=len(own.lots))
