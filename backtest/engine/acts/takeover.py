"""Act 5c of a step: what the book left goes to the fund or the vault at the bankruptcy amount, in crossing order."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts import fund_drop
from backtest.engine.acts.funding import settle, settle_owner
from backtest.engine.acts.liquidate import Breaches, cut, move_to
from backtest.engine.detect import cross
from backtest.engine.records import ACCOUNT, FUND, VAULT, Recorder
from backtest.engine.state import State
from backtest.mechanics.exact import Bools, Ints, share_up
from backtest.mechanics.fund import Pool, absorb, lots_within_floor, lots_within_limit
from backtest.mechanics.margin import maintenance

FIRST_RUN, LONGEST_RUN = 32, 1 << 16


def takeovers(state: State, recorder: Recorder, breaches: Breaches) -> None:
    """Hand what the book left to fund or vault, in crossing order; what neither takes goes on to ADL."""
    rules = state.world.rules
    fund_drop.judge(state, recorder)
    waiting = np.flatnonzero(breaches.left)
    if not waiting.size:
        return
    if rules.fund_takes_over:
        claims = waiting[breaches.kept[waiting] == 0]
        if rules.vault and state.crossed is not None:  # an account is visited once, at its first claim
            claims = claims[np.argsort(_first_claims(state, breaches, claims), kind="stable")]
        for fund in state.funds:
            _fund_in_runs(state, recorder, breaches, claims[state.fund_rows[breaches.symbol[claims]] == fund.number])
    if rules.vault:  # asked for what the fund left; neither's answer depends on what the other holds
        waiting = np.flatnonzero(breaches.left)
        if waiting.size:
            _vault_at_once(state, recorder, breaches, waiting)


def _fund_in_runs(state: State, recorder: Recorder, breaches: Breaches, waiting: Ints) -> None:
    """Serve one fund's claims in runs that it takes whole or not at all; the claim between two runs is judged alone."""
    at, length = 0, FIRST_RUN
    while at < len(waiting):
        run = waiting[at : at + length]
        taken = _leading(_fits_whole(state, breaches, run))
        if taken:
            fund = state.fund_for(int(breaches.symbol[run[0]]))
            hand_over(state, recorder, breaches, run[:taken], breaches.left[run[:taken]], fund, FUND)
        else:
            i = run[0]
            claim = breaches.symbol[i], breaches.worth[i], breaches.left[i], breaches.owed[i]
            fund_drop.refused(state, recorder, *map(int, claim))
            refused = _leading(_fits_not_at_all(state, breaches, run))
            taken = refused or 1
            if not refused:
                _fund_takes(state, recorder, breaches, int(run[0]))
        at += taken
        length = min(2 * length, LONGEST_RUN) if taken == len(run) else FIRST_RUN


def _leading(ok: Bools) -> int:
    return len(ok) if ok.all() else int(ok.argmin())


def _fits_whole(state: State, breaches: Breaches, run: Ints) -> Bools:
    """Return for each claim whether the fund may take it whole if it has taken all before it whole."""
    rules, fund = state.world.rules, state.fund_for(int(breaches.symbol[run[0]]))
    symbol, side, lots = breaches.symbol[run], breaches.side[run], breaches.left[run]
    each = _value_per_lot(state)[symbol]
    loss = breaches.worth[run] * (breaches.owed[run] - lots * each)
    equity = state.pool_equity(fund) - np.cumsum(loss)
    ok = (loss <= 0) | (equity >= rules.fund_floor) & ~_on(state)[symbol]
    if fund.limit is None:
        return ok
    gross = np.zeros(len(run), dtype=np.int64)
    not_raised = np.zeros(len(run), dtype=bool)
    for k in range(len(state.world.symbols)):
        mine = symbol == k
        moved = np.where(mine, side * lots, 0)
        held = fund.lots[k] + np.cumsum(moved)
        gross += np.abs(held) * state.value_per_lot(k)
        not_raised |= mine & (np.abs(held) <= np.abs(held - moved))
    return ok & (not_raised | (gross <= fund.limit))


def _fits_not_at_all(state: State, breaches: Breaches, run: Ints) -> Bools:
    """Return for each claim whether the fund as it stands may take nothing of it: its floor or its limit forbids."""
    rules, fund = state.world.rules, state.fund_for(int(breaches.symbol[run[0]]))
    symbol, side, lots = breaches.symbol[run], breaches.side[run], breaches.left[run]
    each, sign = _value_per_lot(state)[symbol], breaches.worth[run]
    loss = sign * (breaches.owed[run] - lots * each)
    headroom = np.where(_on(state)[symbol], 0, max(state.pool_equity(fund) - rules.fund_floor, 0))
    least = 1 if rules.fund_divisible else lots  # lots the fund would have to take
    if rules.fund_divisible:
        floor_forbids = (loss > 0) & np.where(sign > 0, headroom + 1 <= loss // lots, headroom < -(-loss // lots))
    else:
        floor_forbids = loss > headroom
    if fund.limit is None:
        return floor_forbids
    held = np.array(fund.lots, dtype=np.int64)[symbol]
    after = np.abs(held + side * least)
    gross = state.gross_inventory(fund) + (after - np.abs(held)) * each
    return floor_forbids | ((after > np.abs(held)) & (gross > fund.limit))


def _on(state: State) -> Bools:
    """Return the symbols for which deleveraging is on: their fund takes nothing that lowers its equity."""
    return np.array(state.watch.on)


def _value_per_lot(state: State) -> Ints:
    return np.array([state.value_per_lot(k) for k in range(len(state.world.symbols))], dtype=np.int64)


def _fund_takes(state: State, recorder: Recorder, breaches: Breaches, i: int) -> None:
    """Let the fund take the largest part of one claim that its floor and its inventory limit allow."""
    rules = state.world.rules
    symbol, side = int(breaches.symbol[i]), int(breaches.side[i])
    fund = state.fund_for(symbol)
    lots, owed = int(breaches.left[i]), int(breaches.owed[i])
    each = state.value_per_lot(symbol)
    headroom = 0 if state.watch.on[symbol] else state.pool_equity(fund) - rules.fund_floor
    sign = int(breaches.worth[i])
    k = lots_within_floor(sign, lots, owed, each, headroom)
    gross = state.gross_inventory(fund)
    k = min(k, lots_within_limit(side, lots, fund.lots[symbol], each, gross, fund.limit))
    if k < lots:
        fund_drop.refused(state, recorder, symbol, sign, lots, owed)
    if k > 0 and (rules.fund_divisible or k == lots):
        hand_over(state, recorder, breaches, np.array([i]), np.array([k], dtype=np.int64), fund, FUND)


def _vault_at_once(state: State, recorder: Recorder, breaches: Breaches, waiting: Ints) -> None:
    """Below zero: ADL. Below the vault's share of maintenance: position and collateral go to the vault. Else wait.

    Positions of a cross account go with the account.
    """
    rule = state.world.rules.vault
    assert rule is not None
    symbol, lots = breaches.symbol[waiting], breaches.left[waiting]
    value = lots * _value_per_lot(state)[symbol]
    equity = breaches.worth[waiting] * (value - breaches.owed[waiting])
    need = np.zeros(len(waiting), dtype=np.int64)
    for k in np.unique(symbol).tolist():
        mine = symbol == k
        need[mine] = maintenance(value[mine], state.world.tiers[k])
    together = np.empty(0, dtype=np.int64)
    if state.crossed is not None:
        together = np.flatnonzero(state.crossed.of[breaches.rows[waiting]] >= 0)
    if together.size:
        equity[together], need[together], owed = cross.fix_anew(state, breaches.rows[waiting[together]])
    low = equity < share_up(need, rule.num, rule.den)
    waits = (equity >= 0) & ~low
    breaches.kept[waiting] = np.where(waits, lots, 0)
    goes = (equity >= 0) & low
    if together.size:
        gone = ~waits[together]
        breaches.owed[waiting[together[gone]]] = owed[gone]
        taken = waiting[goes][np.argsort(_first_claims(state, breaches, waiting[goes]), kind="stable")]
    else:
        taken = waiting[goes]
    if taken.size:
        hand_over(state, recorder, breaches, taken, breaches.left[taken], state.vault, VAULT)


def _first_claims(state: State, breaches: Breaches, at: Ints) -> Ints:
    """Return the place of the first claim in the step of the account of each claim."""
    assert state.crossed is not None
    owner = state.crossed.of[breaches.rows]
    own = np.where(owner >= 0, owner, -1 - np.arange(len(owner)))
    _, first, place = np.unique(own, return_index=True, return_inverse=True)
    out: Ints = first[place][at]
    return out


def hand_over(
    state: State, recorder: Recorder, breaches: Breaches, at: Ints, lots: Ints, pool: Pool, owner: int,
    cause: str = "takeover",
) -> None:  # fmt: skip
    """Move lots in breach to a pool at their bankruptcy amount, in order."""
    rows, symbols, side, sign = breaches.rows[at], breaches.symbol[at], breaches.side[at], breaches.worth[at]
    settle(state, recorder, rows)
    for symbol in np.unique(symbols).tolist():
        settle_owner(state, recorder, pool, symbol)
    amount = cut(state, breaches, at, lots)
    state.cash[rows] += sign * amount
    for symbol in np.unique(symbols).tolist():
        mine = symbols == symbol
        move_to(state, symbol, pool, int((sign * amount)[mine].sum()), int((side * lots)[mine].sum()))
    for claim in zip(symbols.tolist(), side.tolist(), lots.tolist(), amount.tolist(), strict=True):
        absorb(pool, *claim)
    if cause == "takeover":
        breaches.taken[at] += lots
        breaches.taken_amount[at] += amount
        breaches.taken_by[at] = owner
    recorder.transfer(
        state.step, cause, symbols, ACCOUNT, rows, owner, pool.number, -side * lots, sign * amount, breaches.serial[at]
    )
