"""Acts 6 and 8 of a step: ADL waves of bankrupts and of pool inventory, and the unwinding of what pools hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backtest.engine.acts import fund_drop, hedge_netting, liquidate
from backtest.engine.acts.funding import settle, settle_owner
from backtest.engine.acts.liquidate import Breaches
from backtest.engine.acts.socialise import SHARING, share
from backtest.engine.acts.takeover import hand_over
from backtest.engine.acts.waves import Slices, Wave, open_wave, record, standings
from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.records import ACCOUNT, FUND, MARKET, NONE, UNCOVERED, VAULT, Recorder
from backtest.engine.state import LONG, SHORT, State
from backtest.mechanics.adl.matching import Matches, match, match_pool
from backtest.mechanics.exact import Ints
from backtest.mechanics.fund import Pool, absorb


def _walk(state: State, wave: Wave, bankrupts: list[tuple[int, int]], missing: int | None) -> Matches:
    """Match against as much of the queue as is needed; a pool's inventory stops at its gain."""
    wanted, spare = sum(lots for lots, _ in bankrupts), state.world.rules.queue_not_reached
    each = state.value_per_lot(wave.symbol)
    reach = wanted if missing is None else wanted // 32  # a pool that stops early needs little of the queue
    while True:
        order = wave.queue.prefix(reach, spare)
        lots, equity = wave.queue.top.lots.tolist(), wave.queue.top.equity.tolist()
        if wave.source == ACCOUNT:
            out = match(bankrupts, wave.sign, lots, equity, each, wave.price, state.world.rules.max_candidates)
        else:
            out = match_pool(*bankrupts[0], wave.sign, lots, equity, each, wave.price, missing)
        last = max(out.place[-1:] + out.skipped[-1:], default=-1)
        if len(order) == wave.queue.size or last + spare + 1 < len(order):
            return out
        reach = 4 * reach + 1 + sum(int(wave.queue.top.lots[i]) for i in out.skipped)


def bankrupts(state: State, recorder: Recorder, breaches: Breaches, previous: list[int]) -> list[Ints]:
    """Run the waves of this step's bankrupts: symbols in order, longs first; return the rows of those who bore them."""
    rules, touched = state.world.rules, []
    for symbol in np.unique(breaches.symbol).tolist():
        for side in (LONG, SHORT):
            mine = (breaches.symbol == symbol) & (breaches.side == side)
            at = np.flatnonzero(mine & (breaches.left > breaches.kept))
            if at.size:
                touched.append(_wave_of_accounts(state, recorder, breaches, at, symbol, side, previous[symbol]))
    if rules.on_exhausted in SHARING and any(state.to_share):
        touched += share(state, recorder)
    state.to_share = [0] * len(state.to_share)
    return touched


def _wave_of_accounts(
    state: State, recorder: Recorder, breaches: Breaches, at: Ints, symbol: int, side: int, previous: int
) -> Ints:
    breaches.adl_lots[at] = breaches.left[at]
    breaches.adl_amount[at] = breaches.owed[at]
    bankrupts, wanted = len(at), int(breaches.left[at].sum())
    own = _against_own_legs(state, recorder, breaches, at, symbol, previous)
    wave = open_wave(state, symbol, side, ACCOUNT, previous)
    at = at[breaches.left[at] > 0]
    pairs = list(zip(breaches.left[at].tolist(), breaches.owed[at].tolist(), strict=True))
    out = _walk(state, wave, pairs, None)
    before = standings(state, wave)
    number, place = np.array(out.bankrupt, dtype=np.int64), np.array(out.place, dtype=np.int64)
    lots, amount, owed = (np.array(part, dtype=np.int64) for part in (out.lots, out.close_value, out.bankruptcy_value))
    slices = _close(state, recorder, breaches, at[number], wave.first + wave.queue.order[place], lots, amount, owed)
    unmatched = sum(_exhausted(state, recorder, breaches, int(at[n]), lots_) for n, lots_, _ in out.unmatched)
    rows = breaches.rows[at]
    state.cost[rows] = np.where(state.lots[rows] == 0, 0, state.cost[rows])
    both = slices if own is None else hedge_netting.joined(own, slices)
    record(state, recorder, wave, out, before, both, bankrupts=bankrupts, wanted=wanted, unmatched=unmatched)
    return both.winners


def _against_own_legs(
    state: State, recorder: Recorder, breaches: Breaches, at: Ints, symbol: int, previous: int
) -> Slices | None:
    """Close bankrupts against the opposite positions of their own accounts, before the queue is frozen."""
    pairs = hedge_netting.pairs(state, breaches, at, symbol, previous)
    if pairs is None:
        return None
    claims, winners, lots, amount, owed = pairs
    slices = _close(state, recorder, breaches, claims, winners, lots, amount, owed)
    rows = breaches.rows[claims]
    state.cost[rows] = np.where(state.lots[rows] == 0, 0, state.cost[rows])
    return slices


def _close(
    state: State, recorder: Recorder, breaches: Breaches, claims: Ints, winners: Ints, lots: Ints, amount: Ints,
    owed: Ints,
) -> Slices:  # fmt: skip
    """Close slices of bankrupts (``claims``) against winners of one symbol at their amounts."""
    rows, serial = breaches.rows[claims], breaches.serial[claims]
    if not len(lots):
        return Slices(winners, rows, serial, lots, amount, owed, lots)
    symbol, side, sign = (int(column[claims[0]]) for column in (breaches.symbol, breaches.side, breaches.worth))
    settle(state, recorder, rows[np.flatnonzero(np.diff(claims, prepend=-1))])  # claims ascend: each row once
    cost = _close_winners(state, recorder, winners, sign, lots, amount)
    state.accounts_lots[symbol] += side * int(lots.sum())
    # bankrupts: cash at the close amount, lots gone
    if state.world.rules.on_exhausted == "waits":  # else nothing of them is left, and what they paid does not matter
        np.subtract.at(state.cost, rows, _cut_costs(state, rows, lots))
    np.add.at(state.cash, rows, sign * amount)
    np.subtract.at(state.lots, rows, lots)
    state.accounts_lots[symbol] -= side * int(lots.sum())
    state.accounts_cash += sign * int(amount.sum())
    recorder.transfer(
        state.step, "adl", symbol, ACCOUNT, rows, ACCOUNT, winners, -side * lots, sign * amount, serial
    )  # fmt: skip
    np.subtract.at(breaches.left, claims, lots)
    np.subtract.at(breaches.owed, claims, owed)
    if state.crossed is not None:
        state.crossed.stale(rows)
    _book_difference(state, recorder, breaches, claims, sign * (amount - owed))
    return Slices(winners, rows, serial, lots, amount, owed, cost)


def _close_winners(state: State, recorder: Recorder, winners: Ints, sign: int, lots: Ints, amount: Ints) -> Ints:
    """Take lots, amounts and entry value off the winners; return the entry value of each slice.

    ``sign`` is that of the bankrupts' value. The caller records the transfer and counts the lots.
    """
    touched = np.unique(winners)
    settle(state, recorder, touched)
    cost = _cut_costs(state, winners, lots)
    np.add.at(state.cash, winners, -sign * amount)
    np.subtract.at(state.cost, winners, cost)
    np.subtract.at(state.lots, winners, lots)
    state.accounts_cash -= sign * int(amount.sum())
    state.mirror.update(state, touched)
    if state.crossed is not None:
        state.crossed.stale(touched)
    return cost


def _cut_costs(state: State, winners: Ints, lots: Ints) -> Ints:
    """Return the entry value that leaves with each slice: all of it, or cut by floor slice after slice."""
    held, cost = state.lots[winners], state.cost[winners]
    partial = np.flatnonzero(lots < held)
    out, before = [], -1
    had = worth = 0
    for row, k, all_lots, all_cost in zip(
        winners[partial].tolist(), lots[partial].tolist(), held[partial].tolist(), cost[partial].tolist(), strict=True
    ):
        if row != before:  # slices of one winner follow each other
            had, worth, before = all_lots, all_cost, row
        part = worth * k // had
        out.append(part)
        had, worth = had - k, worth - part
    cost[partial] = out
    return cost


def _book_difference(state: State, recorder: Recorder, breaches: Breaches, at: Ints, difference: Ints) -> None:
    """Positive differences to the bankruptcy amount stay with the residual owner, negative ones are uncovered."""
    gains = np.flatnonzero(difference > 0)
    if gains.size:
        np.add.at(breaches.residual, at[gains], difference[gains])
        owner = state.world.rules.residual_owner
        if owner != "account":
            number = liquidate.pay_owner(state, owner, breaches.symbol[at[gains]], difference[gains])
            code = liquidate.OWNER_CODES[owner]
            _pay_slices(state, recorder, breaches, at[gains], -difference[gains], code, number)
    losses = np.flatnonzero(difference < 0)
    if losses.size:
        _pay_slices(state, recorder, breaches, at[losses], -difference[losses], UNCOVERED)
        total = -int(difference[losses].sum())
        state.accounts_cash += total
        state.uncovered_cash -= total


def _pay_slices(
    state: State, recorder: Recorder, breaches: Breaches, at: Ints, cash: Ints, owner: int, number: Ints | int = NONE
) -> None:
    np.add.at(state.cash, breaches.rows[at], cash)
    recorder.transfer(
        state.step, "difference", breaches.symbol[at], ACCOUNT, breaches.rows[at], owner, number, np.zeros_like(cash),
        cash, breaches.serial[at],
    )  # fmt: skip


def _exhausted(state: State, recorder: Recorder, breaches: Breaches, i: int, lots: int) -> int:
    """Place lots for which the queue had nobody: with ``market`` at the mark, with the fund at its amount; or wait."""
    rules = state.world.rules
    symbol, side, row = int(breaches.symbol[i]), int(breaches.side[i]), int(breaches.rows[i])
    sign = int(breaches.worth[i])
    if rules.on_exhausted == "waits":
        breaches.kept[i], breaches.adl_lots[i] = lots, breaches.adl_lots[i] - lots
        breaches.adl_amount[i] -= breaches.owed[i]
        recorder.unmatched.append((state.step, symbol, row, lots, "account"))
        return lots
    if rules.on_exhausted == "fund_negative":
        fund = state.fund_for(symbol)
        hand_over(state, recorder, breaches, np.array([i]), np.array([lots]), fund, FUND, "exhausted")
        recorder.unmatched.append((state.step, symbol, row, lots, "fund"))
        return lots
    at, value = np.array([i]), lots * state.value_per_lot(symbol)
    settle(state, recorder, breaches.rows[at])
    settle_owner(state, recorder, state.market, symbol)
    owed = int(liquidate.cut(state, breaches, at, np.array([lots], dtype=np.int64))[0])
    state.cash[row] += sign * value
    state.accounts_cash += sign * value
    state.accounts_lots[symbol] -= side * lots
    state.market.cash -= sign * value
    state.market.lots[symbol] += side * lots
    recorder.transfer(
        state.step, "exhausted", symbol, ACCOUNT, np.array([row]), MARKET, NONE, -side * lots, sign * value,
        breaches.serial[at],
    )  # fmt: skip
    recorder.unmatched.append((state.step, symbol, row, lots, "market"))
    _book_difference(state, recorder, breaches, at, np.array([sign * (value - owed)], dtype=np.int64))
    state.to_share[symbol] += max(sign * (owed - value), 0)
    return lots


def pools(state: State, recorder: Recorder, previous: list[int]) -> list[Ints]:
    """Send inventory into the queue: a fund's below its floor up to its stop, or a symbol's back to its trigger; the
    vault's below zero all of it.
    """
    rules, touched = state.world.rules, []
    fund_drop.judge(state, recorder)
    for fund in state.funds:
        if rules.inventory_adl == "none" or not fund.holds:
            continue
        if rules.inventory_adl == "to_trigger":
            touched += _pool_waves(
                state, recorder, fund, FUND, previous, lambda symbol: fund_drop.missing(state, symbol)
            )
        elif state.pool_equity(fund) < rules.fund_floor:
            touched += _pool_waves(state, recorder, fund, FUND, previous, _to_stop(state, fund))
    if rules.vault and state.vault.holds and state.pool_equity(state.vault) < 0:
        touched += _pool_waves(state, recorder, state.vault, VAULT, previous, lambda _: None)
    return touched


def _to_stop(state: State, fund: Pool) -> Callable[[int], int]:
    return lambda _: state.world.rules.inventory_stop - state.pool_equity(fund)


def _pool_waves(
    state: State, recorder: Recorder, pool: Pool, owner: int, previous: list[int], wanted: Callable[[int], int | None]
) -> list[Ints]:
    touched = []
    for symbol in range(len(state.world.symbols)):
        missing = wanted(symbol) if pool.lots[symbol] else 0
        if missing is not None and missing <= 0:
            continue
        held, side = abs(pool.lots[symbol]), LONG if pool.lots[symbol] > 0 else SHORT
        wave = open_wave(state, symbol, side, owner, previous[symbol])
        out = _walk(state, wave, [(held, pool.entry_value[symbol])], missing)
        before = standings(state, wave)
        lots, amount, owed = (
            np.array(part, dtype=np.int64) for part in (out.lots, out.close_value, out.bankruptcy_value)
        )
        if lots.size:
            settle_owner(state, recorder, pool, symbol)
        winners = wave.first + wave.queue.order[np.array(out.place, dtype=np.int64)]
        cost = _close_winners(state, recorder, winners, wave.sign, lots, amount)
        state.accounts_lots[symbol] += side * int(lots.sum())
        pool.receive(symbol, wave.sign * int(amount.sum()))
        for part in zip(out.lots, out.close_value, strict=True):
            absorb(pool, symbol, -side, *part)
        recorder.transfer(
            state.step, "adl", symbol, owner, pool.number, ACCOUNT, winners, -side * lots, wave.sign * amount
        )
        none = np.full(len(lots), NONE, dtype=np.int64)
        slices = Slices(winners, none, none, lots, amount, owed, cost)
        left = held - int(lots.sum())
        record(state, recorder, wave, out, before, slices, bankrupts=1, wanted=held, unmatched=left)
        touched.append(winners)
    return touched


def unwind(state: State, recorder: Recorder) -> None:
    """After enough quiet steps, trade pool inventory into the liquidity left, at the trade price with own impact."""
    if state.quiet < state.world.rules.quiet_steps:
        return
    for pool, owner in (*((fund, FUND) for fund in state.funds), (state.vault, VAULT)):
        for symbol in range(len(state.world.symbols)):
            lots = min(abs(pool.lots[symbol]), state.bucket(symbol))
            if lots <= 0:
                continue
            side = LONG if pool.lots[symbol] > 0 else SHORT
            base = state.prices.trades[symbol, 1:]
            price = int(liquidate.forced_price(state, symbol, side, base, int(base[0]), lots)[0])
            value = int(state.world.traded(symbol, np.array([price]))[0]) * lots
            sign = side * state.kind[symbol]
            settle_owner(state, recorder, pool, symbol)
            settle_owner(state, recorder, state.market, symbol)
            absorb(pool, symbol, -side, lots, value)
            pool.receive(symbol, sign * value)
            state.market.cash -= sign * value
            state.market.lots[symbol] += side * lots
            state.used[symbol] += lots
            state.flow[symbol] -= side * lots
            recorder.transfer(
                state.step,
                "unwind",
                symbol,
                owner,
                pool.number,
                MARKET,
                NONE,
                np.array([-side * lots]),
                np.array([sign * value]),
            )


def reinsert(ladders: Mapping[tuple[int, int], Ladder | SteppedLadder], state: State, rows: Ints) -> None:
    """Tell the ladders which open positions changed, and the cross accounts which of theirs."""
    if state.crossed is not None:
        state.crossed.touched(rows)
        rows = rows[state.crossed.of[rows] < 0]
    rows = np.unique(rows[state.lots[rows] > 0])
    for symbol in np.unique(state.world.symbol[rows]).tolist():
        for side in (LONG, SHORT):
            mine = rows[(state.world.symbol[rows] == symbol) & (state.world.side[rows] == side)]
            if mine.size:
                ladders[symbol, side].touched(mine)
