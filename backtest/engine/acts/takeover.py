"""Act 5c of a step: what the book left goes to the fund or the vault at the bankruptcy value, in crossing order."""

from __future__ import annotations

import numpy as np

from backtest.engine.detect import cross
from backtest.engine.owners import Owner, Rows
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints, share_up
from backtest.mechanics.fund import lots_within_floor, lots_within_limit
from backtest.mechanics.margin import maintenance

FIRST_RUN, LONGEST_RUN = 32, 1 << 16


def takeovers(replay: Replay, breaches: Breaches) -> None:
    """Hand what the book left to fund or vault, in crossing order; what neither takes goes on to ADL."""
    rules, ledger = replay.world.rules, replay.ledger
    replay.monitor.decide()
    if rules.fund_takes_over:
        claims = np.flatnonzero((breaches.lots_left > 0) & (breaches.deferred_lots == 0))
        if rules.vault and replay.accounts is not None:  # an account is visited once, at its first claim
            claims = claims[np.argsort(_first_claims(replay, breaches, claims), kind="stable")]
        number = np.array(ledger.fund_of, dtype=np.int64)[breaches.symbol[claims]]
        for fund in ledger.funds:
            _fund_in_runs(replay, breaches, claims[number == fund.number], fund)
    if rules.vault:  # asked for what the fund left; neither's answer depends on what the other holds
        _vault_at_once(replay, breaches, np.flatnonzero(breaches.lots_left))


def hand_over(
    replay: Replay, breaches: Breaches, at: Ints, lots: Ints, pool: Owner, *, cause: str = "takeover"
) -> None:
    """Move lots in breach to a pool at their bankruptcy value, in order."""
    value = breaches.cut(at, lots)
    if cause == "takeover":
        breaches.takeover_lots[at] += lots
        breaches.takeover_value[at] += value
        breaches.takeover_by[at] = pool.code
    replay.ledger.move(
        cause,
        symbol=breaches.symbol[at],
        taker=Rows(breaches.row[at]),
        giver=pool,
        lots=-breaches.side[at] * lots,
        cash=breaches.value_sign[at] * value,
        serial=breaches.serial[at],
    )


def _fund_in_runs(replay: Replay, breaches: Breaches, claims: Ints, fund: Owner) -> None:
    """Serve one fund's claims in runs that it takes whole or not at all; a claim between two runs is decided alone."""
    at, length = 0, FIRST_RUN
    while at < len(claims):
        run = claims[at : at + length]
        served = _leading(_fits_whole(replay, breaches, run, fund))
        if served:
            hand_over(replay, breaches, run[:served], breaches.lots_left[run[:served]], fund)
        else:
            _note_refusal(replay, breaches, int(run[0]))
            refused = _leading(_fits_not_at_all(replay, breaches, run, fund))
            served = refused or 1
            if not refused:
                _fund_takes(replay, breaches, int(run[0]), fund)
        at += served
        length = min(2 * length, LONGEST_RUN) if served == len(run) else FIRST_RUN


def _leading(ok: Bools) -> int:
    return len(ok) if ok.all() else int(ok.argmin())


def _note_refusal(replay: Replay, breaches: Breaches, i: int) -> None:
    replay.monitor.refuse(
        symbol=int(breaches.symbol[i]),
        value_sign=int(breaches.value_sign[i]),
        lots=int(breaches.lots_left[i]),
        bankruptcy_value=int(breaches.value_left[i]),
    )


def _loss(replay: Replay, breaches: Breaches, run: Ints) -> Ints:
    """Return what taking each claim whole costs the equity of who takes it, at the marks at the end of the step."""
    value = breaches.lots_left[run] * replay.ledger.lot_values(breaches.symbol[run])
    loss: Ints = breaches.value_sign[run] * (breaches.value_left[run] - value)
    return loss


def _fits_whole(replay: Replay, breaches: Breaches, run: Ints, fund: Owner) -> Bools:
    """Return for each claim whether the fund may take it whole if it has taken all before it whole."""
    ledger = replay.ledger
    symbol, side, lots = breaches.symbol[run], breaches.side[run], breaches.lots_left[run]
    loss = _loss(replay, breaches, run)
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
    loss = _loss(replay, breaches, run)
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


def _vault_at_once(replay: Replay, breaches: Breaches, at: Ints) -> None:
    """Below zero: ADL. Below the vault's share of maintenance: position and collateral go to the vault. Else wait.

    Positions of a cross account go with the account.
    """
    world, ledger, rule = replay.world, replay.ledger, replay.world.rules.vault
    assert rule is not None
    if not at.size:
        return
    symbol, lots, rows = breaches.symbol[at], breaches.lots_left[at], breaches.row[at]
    value = lots * ledger.lot_values(symbol)
    equity = breaches.value_sign[at] * (value - breaches.value_left[at])
    required = np.zeros(len(at), dtype=np.int64)
    for k in np.unique(symbol).tolist():
        mine = symbol == k
        tiers = world.tiers[k]
        required[mine] = maintenance(tiers.notional(value[mine], ledger.entry_value[rows[mine]]), tiers)
    bankruptcy_value = breaches.value_left[at]
    if replay.accounts is not None:
        together = np.flatnonzero(replay.accounts.of[rows] >= 0)
        if together.size:
            claims = cross.claims_at_end(replay, rows[together])
            equity[together], required[together] = claims.equity, claims.maintenance
            bankruptcy_value[together] = claims.bankruptcy_value
    low = equity < share_up(required, rule.num, rule.den)
    deferred = (equity >= 0) & ~low
    breaches.deferred_lots[at] = np.where(deferred, lots, 0)
    breaches.value_left[at] = np.where(deferred, breaches.value_left[at], bankruptcy_value)
    taken = at[(equity >= 0) & low]
    if replay.accounts is not None:
        taken = taken[np.argsort(_first_claims(replay, breaches, taken), kind="stable")]
    if taken.size:
        hand_over(replay, breaches, taken, breaches.lots_left[taken], ledger.vault)


def _first_claims(replay: Replay, breaches: Breaches, at: Ints) -> Ints:
    """Return the place of the first claim in the step of the account of each claim."""
    assert replay.accounts is not None
    owner = replay.accounts.of[breaches.row]
    own = np.where(owner >= 0, owner, -1 - np.arange(len(owner)))
    _, first, place = np.unique(own, return_index=True, return_inverse=True)
    out: Ints = first[place][at]
    return out
