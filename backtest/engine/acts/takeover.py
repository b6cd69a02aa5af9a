"""Act 5c of a step: what the book left goes to the fund or the vault at the bankruptcy value, in crossing order."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.claims import FIRST_RUN, LONGEST_RUN, by_account, gains, hand_over, leading
from backtest.engine.acts.vaults import take_claims
from backtest.engine.owners import Owner
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.fund import lots_within_floor, lots_within_limit


def takeovers(replay: Replay, breaches: Breaches) -> None:
    """Hand what the book left to fund or vault, in crossing order; what neither takes goes on to ADL."""
    rules, ledger = replay.world.rules, replay.ledger
    replay.monitor.decide()
    if rules.fund_takes_over:
        claims = np.flatnonzero((breaches.lots_left > 0) & (breaches.deferred_lots == 0))
        if rules.vault and replay.accounts is not None:  # an account is visited once, at its first claim
            claims = by_account(replay, breaches, claims)
        number = np.array(ledger.fund_of, dtype=np.int64)[breaches.symbol[claims]]
        for fund in ledger.funds:
            _fund_in_runs(replay, breaches, claims[number == fund.number], fund)
    if rules.vault:  # asked for what the fund left; neither's answer depends on what the other holds
        take_claims(replay, breaches, np.flatnonzero(breaches.lots_left))


def _fund_in_runs(replay: Replay, breaches: Breaches, claims: Ints, fund: Owner) -> None:
    """Serve one fund's claims in runs that it takes whole or not at all; a claim between two runs is decided alone."""
    at, length = 0, FIRST_RUN
    while at < len(claims):
        run = claims[at : at + length]
        served = leading(_fits_whole(replay, breaches, run, fund))
        if served:
            hand_over(replay, breaches, run[:served], breaches.lots_left[run[:served]], fund)
        else:
            _note_refusal(replay, breaches, int(run[0]))
            refused = leading(_fits_not_at_all(replay, breaches, run, fund))
            served = refused or 1
            if not refused:
                _fund_takes(replay, breaches, int(run[0]), fund)
        at += served
        length = min(2 * length, LONGEST_RUN) if served == len(run) else FIRST_RUN


def _note_refusal(replay: Replay, breaches: Breaches, i: int) -> None:
    replay.monitor.refuse(
        symbol=int(breaches.symbol[i]),
        value_sign=int(breaches.value_sign[i]),
        lots=int(breaches.lots_left[i]),
        bankruptcy_value=int(breaches.value_left[i]),
    )


def _fits_whole(replay: Replay, breaches: Breaches, run: Ints, fund: Owner) -> Bools:
    """Return for each claim whether the fund may take it whole if it has taken all before it whole."""
    ledger = replay.ledger
    symbol, side, lots = breaches.symbol[run], breaches.side[run], breaches.lots_left[run]
    loss = -gains(replay, breaches, run)
    equity = ledger.equity(fund) - np.cumsum(loss)
    ok: Bools = (loss <= 0) | (equity >= replay.world.rules.fund_floor) & ~np.array(replay.monitor.on)[symbol]
    if fund.limit is None:
        return ok
    gross = np.zeros(len(run), dtype=np.int64)
    not_raised = np.zeros(len(run), dtype=bool)
    for k, value in enumerate(ledger.values):
        mine = symbol == k
        moved = np.where(mine, side * lots, 0)
        held = fund.lots[k] + np.cumsum(moved)
        gross += np.abs(held) * value
        not_raised |= mine & (np.abs(held) <= np.abs(held - moved))
    return ok & (not_raised | (gross <= fund.limit))


def _fits_not_at_all(replay: Replay, breaches: Breaches, run: Ints, fund: Owner) -> Bools:
    """Return for each claim whether the fund as it stands may take nothing of it: its floor or its limit forbids."""
    rules, ledger = replay.world.rules, replay.ledger
    symbol, side, lots = breaches.symbol[run], breaches.side[run], breaches.lots_left[run]
    loss = -gains(replay, breaches, run)
    headroom = np.where(np.array(replay.monitor.on)[symbol], 0, max(ledger.equity(fund) - rules.fund_floor, 0))
    least = 1 if rules.fund_divisible else lots  # lots the fund would have to take
    if rules.fund_divisible:
        up = breaches.value_sign[run] > 0
        floor_forbids = (loss > 0) & np.where(up, headroom + 1 <= loss // lots, headroom < -(-loss // lots))
    else:
        floor_forbids = loss > headroom
    if fund.limit is None:
        return floor_forbids
    held = np.array(fund.lots, dtype=np.int64)[symbol]
    after = np.abs(held + side * least)
    gross = ledger.gross_inventory(fund) + (after - np.abs(held)) * ledger.lot_values(breaches.symbol[run])
    return floor_forbids | ((after > np.abs(held)) & (gross > fund.limit))


def _fund_takes(replay: Replay, breaches: Breaches, i: int, fund: Owner) -> None:
    """Let the fund take the largest part of one claim that its floor and its inventory limit allow."""
    rules, ledger = replay.world.rules, replay.ledger
    symbol, side, lots = int(breaches.symbol[i]), int(breaches.side[i]), int(breaches.lots_left[i])
    each, value_sign = ledger.values[symbol], int(breaches.value_sign[i])
    headroom = 0 if replay.monitor.on[symbol] else ledger.equity(fund) - rules.fund_floor
    k = lots_within_floor(value_sign, lots, int(breaches.value_left[i]), each, headroom)
    k = min(k, lots_within_limit(side, lots, fund.lots[symbol], each, ledger.gross_inventory(fund), fund.limit))
    if k < lots:
        _note_refusal(replay, breaches, i)
    if k > 0 and (rules.fund_divisible or k == lots):
        hand_over(replay, breaches, np.array([i]), np.array([k], dtype=np.int64), fund)
