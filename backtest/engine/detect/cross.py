"""What a breach of a cross account means for its positions: hedges net first, then equity is allocated."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.funding import settle
from backtest.engine.detect.accounts import Accounts, Crossings
from backtest.engine.records import ACCOUNT, Recorder
from backtest.engine.state import NEVER, State
from backtest.mechanics.cross_margin import equity_shares
from backtest.mechanics.exact import Bools, Ints

Found = tuple[Ints, ...]  # rows, marks, passed, length, bankruptcy amount, equity, maintenance, that of the others


def find(state: State, recorder: Recorder, starts: list[int], gap: bool) -> list[Found]:
    """Return the positions of cross accounts in breach that are liquidated now, after their hedges have netted."""
    accounts = _accounts(state)
    hits = accounts.crossings(starts, gap)
    state.in_round = hits.numbers
    if not hits.numbers.size:
        return []
    rows, place = accounts.rows_of(hits.numbers)
    state.found = np.union1d(state.found, rows)
    _go_on(state, rows, hits.passed[place])
    netted = _net_hedges(state, recorder, hits, rows, place)
    if netted.any():
        still = ~netted
        still[netted] = accounts.judge(hits.numbers[netted], hits.marks[netted])[0]
        hits = Crossings(hits.numbers[still], hits.passed[still], hits.length, hits.marks[still])
        state.in_round = hits.numbers
    return allocate(state, hits)


def find_again(state: State, kept: Ints) -> list[Found]:
    """Return the next positions of accounts whose first ones are gone: judged once more, at the end of the step.

    ``kept`` are rows that wait; their accounts wait with them.
    """
    if not state.in_round.size or state.world.rules.cross_allocation != "one_first":
        return []
    accounts = _accounts(state)
    numbers = np.setdiff1d(state.in_round, accounts.of[kept])
    marks = np.array(state.marks)
    numbers = numbers[accounts.judge(numbers, marks)[0]] if numbers.size else numbers
    state.in_round = numbers
    if not numbers.size:
        return []
    passed = np.ones(len(numbers), dtype=np.int64)
    return allocate(state, Crossings(numbers, passed, 1, np.broadcast_to(marks, (len(numbers), len(marks)))))


def _accounts(state: State) -> Accounts:
    assert state.crossed is not None
    return state.crossed


def _go_on(state: State, rows: Ints, passed: Ints) -> None:
    """Let the episodes of an account's positions go on if it was in breach at the last price, else start anew."""
    if state.world.rules.part is not None:
        state.sent_at[rows[(state.seen[rows] < state.segment - 1) | (passed > 0)]] = NEVER
        state.seen[rows] = state.segment


def _net_hedges(state: State, recorder: Recorder, hits: Crossings, rows: Ints, place: Ints) -> Bools:
    """Close the legs of a hedge against each other at the mark; return which accounts had any."""
    symbols = state.world.symbol[rows]
    out = np.zeros(len(hits.numbers), dtype=bool)
    pairs = np.flatnonzero((symbols[1:] == symbols[:-1]) & (place[1:] == place[:-1]))
    lots = np.minimum(state.lots[rows[pairs]], state.lots[rows[pairs + 1]])
    pairs, lots = pairs[lots > 0], lots[lots > 0]
    if not pairs.size:
        return out
    long, short, symbol = rows[pairs], rows[pairs + 1], symbols[pairs]
    both = np.concatenate([long, short])
    settle(state, recorder, both)
    worths = _accounts(state).worths(hits.marks)
    amount = state.worth_side[long] * lots * worths[place[pairs], symbol]
    for leg, paid in ((long, amount), (short, -amount)):
        state.cash[leg] += paid
        cost = state.cost[leg]
        state.cost[leg] -= [int(c) * int(k) // int(q) for c, k, q in zip(cost, lots, state.lots[leg], strict=True)]
        state.lots[leg] -= lots
    state.mirror.update(state, both)
    _accounts(state).stale(both)
    recorder.transfer(state.step, "net", symbol, ACCOUNT, long, ACCOUNT, short, -lots, amount)
    out[place[pairs]] = True
    return out


def allocate(state: State, hits: Crossings) -> list[Found]:
    """Return the positions that are liquidated, each with its share of the account's equity."""
    if not hits.numbers.size:
        return []
    accounts, world = _accounts(state), state.world
    sums = accounts.judge(hits.numbers, hits.marks)[1]
    rows, place = accounts.rows_of(hits.numbers)
    open_ = state.lots[rows] > 0
    rows, place = rows[open_], place[open_]
    symbols = world.symbol[rows]
    _, value, need = accounts.row_figures(rows, accounts.worths(hits.marks)[place, symbols])
    sign = state.worth_side[rows]
    if world.rules.cross_allocation == "by_maintenance":
        equity, others = equity_shares(sums.equity, need, place), np.zeros_like(need)
    else:
        loss = -sign * (value - state.cost[rows])
        key = {"maintenance": need, "loss": loss, "notional": value}[world.rules.cross_order]
        order = np.lexsort((np.arange(len(rows)), -key, place))
        first = order[np.unique(place[order], return_index=True)[1]]
        rows, place, symbols, value, need, sign = (a[first] for a in (rows, place, symbols, value, need, sign))
        equity, others = sums.equity[place], sums.need[place] - need
    length = np.full(len(rows), hits.length, dtype=np.int64)
    marks = hits.marks[place, symbols]
    return [(rows, marks, hits.passed[place], length, value - sign * equity, equity, need, others)]


def fix_anew(state: State, rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Return of open rows of cross accounts the account's equity and maintenance, and their own bankruptcy amounts.

    All at the marks at the end of the step; ``rows`` hold all open rows of their accounts.
    """
    accounts = _accounts(state)
    numbers, place = np.unique(accounts.of[rows], return_inverse=True)
    sums = accounts.sums(numbers)
    order = np.lexsort((rows, place))  # rows of a book ascend by symbol, long first
    each = np.array([state.value_per_lot(k) for k in range(len(state.world.symbols))], dtype=np.int64)
    _, value, need = accounts.row_figures(rows, each[state.world.symbol[rows]])
    equity = np.empty_like(need)
    equity[order] = equity_shares(sums.equity, need[order], place[order])
    owed = value - state.worth_side[rows] * equity
    return sums.equity[place], sums.need[place], owed
