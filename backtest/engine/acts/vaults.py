"""The vaults' part of acts 5c and 6: which claims a vault takes, and when its inventory is deleveraged."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.claims import FIRST_RUN, LONGEST_RUN, by_account, gains, hand_over, leading
from backtest.engine.columns import present
from backtest.engine.detect import cross
from backtest.engine.owners import EachPool, Owner
from backtest.engine.records import VAULT, Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints, share_up
from backtest.mechanics.margin import maintenance


def take_claims(replay: Replay, breaches: Breaches, at: Ints) -> None:
    """Below zero: ADL. Below the vault's share of maintenance: position and collateral go to the vault. Else wait.

    Positions of a cross account go with the account, each to the vault of its symbol. What a vault that keeps a margin
    refuses goes on to ADL.
    """
    world, ledger, rule = replay.world, replay.ledger, replay.world.rules.vault
    assert rule is not None
    if not at.size:
        return
    symbol, lots, rows = breaches.symbol[at], breaches.lots_left[at], breaches.row[at]
    value = lots * ledger.lot_values(symbol)
    equity = breaches.value_sign[at] * (value - breaches.value_left[at])
    required = world.tier_table.maintenance(symbol, value, ledger.entry_value[rows])
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
    if not taken.size:
        return
    if replay.accounts is not None:
        taken = by_account(replay, breaches, taken)
    if rule.keeps_margin:
        number = np.array(ledger.vault_of, dtype=np.int64)[breaches.symbol[taken]]
        for vault in ledger.vaults:
            _within_margin(replay, breaches, taken[number == vault.number], vault)
    else:
        hand_over(replay, breaches, taken, breaches.lots_left[taken], EachPool(VAULT))


def is_below(replay: Replay, vault: Owner) -> bool:
    """Return whether a vault is deleveraged: its equity is below zero, or below the margin that it keeps."""
    rule, equity = replay.world.rules.vault, replay.ledger.equity(vault)
    if rule is None or not rule.keeps_margin:
        return equity < 0
    return equity < sum(int(own) for own in _margins(replay, vault))


def first_below(replay: Replay, vault: Owner, number: int, stop: int) -> int:
    """Return the first step in [number, stop) that ends with a vault to deleverage if nothing moves, ``stop`` if none.

    Prices must be those of the tape: known to the end.
    """
    world, rule = replay.world, replay.world.rules.vault
    if number >= stop:
        return stop
    excess = equities(replay, vault, number, stop)
    if rule is not None and rule.keeps_margin:
        for k, lots in enumerate(vault.lots):
            if lots:
                values = world.contracts[k].values_per_lot(replay.prices.mark[k, number - 1 : stop - 1])
                excess -= maintenance(abs(lots) * values, world.tiers[k])
    return _first(excess < 0, number, stop)


def first_change(replay: Replay, fund: Owner, number: int, stop: int) -> int:
    """Return the first step in [number, stop) at which a fund sends inventory to ADL or turns empty, or ceases to be.

    ``stop`` if none does while nothing moves. No drawdown is looked at, and prices must be those of the tape.
    """
    rules = replay.world.rules
    if number >= stop:
        return stop
    equity = equities(replay, fund, number, stop)
    changes = (equity <= 0) != replay.monitor.empty[fund.number]
    if rules.inventory_adl == "below_floor":
        changes |= equity < rules.fund_floor
    return _first(changes, number, stop)


def equities(replay: Replay, pool: Owner, number: int, stop: int) -> Ints:
    """Return the equity of a pool at the end of each step in [number, stop) if nothing moves."""
    world, ledger = replay.world, replay.ledger
    equity = np.full(stop - number, pool.cash, dtype=np.int64)
    for k, lots in enumerate(pool.lots):
        if lots:
            values = world.contracts[k].values_per_lot(replay.prices.mark[k, number - 1 : stop - 1])
            equity += int(world.value_signs[k]) * lots * values - ledger.owner_unsettled(pool, k)
    return equity


def _first(found: Bools, number: int, stop: int) -> int:
    """Return the step of the first that is true, ``stop`` if none."""
    first = int(found.argmax())
    return number + first if found[first] else stop


def _margins(replay: Replay, vault: Owner) -> Ints:
    """Return the maintenance margin of a vault's inventory at the marks, by symbol."""
    return np.array([_margin(replay, k, np.array([lots]))[0] for k, lots in enumerate(vault.lots)], dtype=np.int64)


def _margin(replay: Replay, symbol: int, lots: Ints) -> Ints:
    """Return the maintenance margin of signed lots of a symbol, on their value at the mark."""
    return maintenance(np.abs(lots) * replay.ledger.values[symbol], replay.world.tiers[symbol])


def _within_margin(replay: Replay, breaches: Breaches, claims: Ints, vault: Owner) -> None:
    """Let a vault take each claim whole or not at all, in runs that it takes or refuses together."""
    at, length = 0, FIRST_RUN
    while at < len(claims):
        run = claims[at : at + length]
        served = leading(_fits(replay, breaches, run, vault))
        if served:
            hand_over(replay, breaches, run[:served], breaches.lots_left[run[:served]], vault)
        else:
            replay.monitor.refuse_by_vault(vault, int(breaches.symbol[run[0]]))
            served = leading(_does_not_fit(replay, breaches, run, vault))
        at += served
        length = min(2 * length, LONGEST_RUN) if served == len(run) else FIRST_RUN


def _fits(replay: Replay, breaches: Breaches, run: Ints, vault: Owner) -> Bools:
    """Return for each claim whether the vault takes it if it has taken all before it."""
    symbol, signed = breaches.symbol[run], breaches.side[run] * breaches.lots_left[run]
    excess = replay.ledger.equity(vault) + np.cumsum(gains(replay, breaches, run))
    own = _margins(replay, vault)
    before = replay.ledger.equity(vault) - int(own.sum())
    for k, held in enumerate(vault.lots):
        mine = symbol == k
        excess -= _margin(replay, k, held + np.cumsum(np.where(mine, signed, 0))) if mine.any() else own[k]
    ok: Bools = (excess >= 0) | (excess >= np.append(before, excess[:-1]))
    return ok


def _does_not_fit(replay: Replay, breaches: Breaches, run: Ints, vault: Owner) -> Bools:
    """Return for each claim whether the vault as it stands refuses it."""
    symbol, signed = breaches.symbol[run], breaches.side[run] * breaches.lots_left[run]
    own = _margins(replay, vault)
    before = replay.ledger.equity(vault) - int(own.sum())
    excess = before + gains(replay, breaches, run) + own[symbol]
    for k in present(symbol):
        mine = symbol == k
        excess[mine] -= _margin(replay, k, vault.lots[k] + signed[mine])
    refused: Bools = (excess < 0) & (excess < before)
    return refused
