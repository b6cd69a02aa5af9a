"""Act 6 of a step: ADL waves of bankrupts, one a symbol and side; lots are allocated here and nowhere else."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts import hedge_netting, turns, waves
from backtest.engine.acts.claims import hand_over
from backtest.engine.acts.socialise import socialise
from backtest.engine.acts.waves import Closed, Wave
from backtest.engine.columns import distinct, present
from backtest.engine.owners import Party, Rows
from backtest.engine.records import ACCOUNT, Breaches, UnmatchedRow
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.adl.matching import Amounts, Claims, Matches
from backtest.mechanics.exact import Ints, starts


def bankrupts(replay: Replay, breaches: Breaches) -> None:
    """Run the waves of this round's bankrupts: symbols in order, longs first; then socialise what nobody took."""
    left = (breaches.lots_left > breaches.deferred_lots).nonzero()[0]
    for symbol in present(breaches.symbol[left]):
        for side in (LONG, SHORT):
            at = left[(breaches.symbol[left] == symbol) & (breaches.side[left] == side)]
            if at.size:
                _wave_of_bankrupts(replay, breaches, at, symbol, side)
    socialise(replay)


def allocate(
    replay: Replay, wave: Wave, *, lots: Amounts, bankruptcy_values: Amounts, gain: int | None = None
) -> Matches:
    """Let the candidates of a wave pay for lots, by the run's allocation.

    ``gain``: quanta at which a pool's inventory stops, None for all of it.
    """
    rules = replay.world.rules
    claims = Claims(
        lots=lots,
        bankruptcy_values=bankruptcy_values,
        value_sign=wave.value_sign,
        value_per_lot=replay.ledger.values[wave.symbol],
        close_value_per_lot=wave.price,
        pool=wave.source != ACCOUNT,
        target_gain=gain,
        max_candidates=rules.max_candidates,
    )
    out = rules.allocation.close(wave.queue, claims, rules.queue_not_reached)
    turns.compare(replay, wave, out)
    return out


def _wave_of_bankrupts(replay: Replay, breaches: Breaches, at: Ints, symbol: int, side: int) -> None:
    breaches.adl_lots[at] = breaches.lots_left[at]
    breaches.adl_value[at] = breaches.value_left[at]
    count, wanted = len(at), int(breaches.lots_left[at].sum())
    own = _against_own_accounts(replay, breaches, at, symbol)
    wave = waves.open_wave(replay, symbol, side, ACCOUNT, wanted)
    at = at[breaches.lots_left[at] > 0]
    out = allocate(replay, wave, lots=breaches.lots_left[at], bankruptcy_values=breaches.value_left[at])
    watched = waves.places(replay, wave)
    closed = _close(
        replay,
        breaches,
        claims=at[out.bankrupt],
        winners=wave.first + wave.queue.order[out.place],
        lots=out.lots,
        close_value=out.close_value,
        bankruptcy_value=out.bankruptcy_value,
    )
    unmatched = sum(lots for _, lots, _ in out.unmatched)
    for number, lots, _ in out.unmatched:
        _exhausted(replay, breaches, int(at[number]), lots)
    closed = closed if own is None else closed.after(own)
    waves.record(replay, wave, out, watched, closed, bankrupts=count, wanted=wanted, unmatched=unmatched)


def _against_own_accounts(replay: Replay, breaches: Breaches, at: Ints, symbol: int) -> Closed | None:
    """Close bankrupts against the opposite positions of their own accounts, before the queue is frozen."""
    found = hedge_netting.own_closes(replay, breaches, at, symbol, waves.close_price(replay, symbol))
    if found is None:
        return None
    return _close(
        replay,
        breaches,
        claims=found.claims,
        winners=found.rows,
        lots=found.lots,
        close_value=found.close_value,
        bankruptcy_value=found.bankruptcy_value,
    )


def _close(
    replay: Replay,
    breaches: Breaches,
    *,
    claims: Ints,
    winners: Ints,
    lots: Ints,
    close_value: Ints,
    bankruptcy_value: Ints,
) -> Closed:
    """Close slices of bankrupts (``claims``, ascending places in the breaches) against winners of one symbol."""
    rows, sign = breaches.row[claims], breaches.value_sign[claims]
    entry_values = replay.ledger.move(
        "adl",
        symbol=int(breaches.symbol[claims[0]]) if claims.size else 0,
        taker=Rows(rows, distinct=rows[starts(claims)]),
        giver=Rows(winners, distinct=distinct(winners)),
        lots=-breaches.side[claims] * lots,
        cash=sign * close_value,
        serial=breaches.serial[claims],
    )
    np.subtract.at(breaches.lots_left, claims, lots)
    np.subtract.at(breaches.value_left, claims, bankruptcy_value)
    _book_difference(replay, breaches, claims, sign * (close_value - bankruptcy_value))
    return Closed(
        winners=winners,
        bankrupts=rows,
        serial=breaches.serial[claims],
        lots=lots,
        close_value=close_value,
        bankruptcy_value=bankruptcy_value,
        entry_value=entry_values,
    )


def _book_difference(replay: Replay, breaches: Breaches, at: Ints, difference: Ints) -> None:
    """Positive differences to the bankruptcy value stay with the residual owner, negative ones are uncovered."""
    owner, ledger = replay.world.rules.residual_owner, replay.ledger
    gain, loss = difference > 0, difference < 0
    np.add.at(breaches.residual, at[gain], difference[gain])
    if owner != "account":
        _pay_difference(replay, breaches, at[gain], difference[gain], ledger.owner(owner))
    _pay_difference(replay, breaches, at[loss], difference[loss], ledger.uncovered)


def _pay_difference(replay: Replay, breaches: Breaches, at: Ints, difference: Ints, owner: Party) -> None:
    rows = breaches.row[at]
    replay.ledger.move(
        "difference",
        symbol=breaches.symbol[at],
        taker=Rows(rows, distinct=distinct(rows)),
        giver=owner,
        cash=-difference,
        serial=breaches.serial[at],
    )


def _exhausted(replay: Replay, breaches: Breaches, i: int, lots: int) -> None:
    """Place lots for which the queue had nobody: with ``market`` at the mark, with the fund at its value; or wait."""
    to = EXHAUSTION[replay.world.rules.on_exhausted].receiver
    symbol, at, k = int(breaches.symbol[i]), np.array([i]), np.array([lots], dtype=np.int64)
    if to == "account":
        breaches.deferred_lots[i], breaches.adl_lots[i] = lots, breaches.adl_lots[i] - lots
        breaches.adl_value[i] -= breaches.value_left[i]
    elif to == "fund":
        hand_over(replay, breaches, at, k, replay.ledger.fund_for(symbol), cause="exhausted")
    else:
        _to_market(replay, breaches, at, k, symbol)
    row = int(breaches.row[i])
    replay.record.unmatched.append(UnmatchedRow(step=replay.step, symbol=symbol, row=row, lots=lots, to=to))


def _to_market(replay: Replay, breaches: Breaches, at: Ints, lots: Ints, symbol: int) -> None:
    """Close lots at the mark; what that lacks to the bankruptcy value is uncovered and may be socialised."""
    ledger, sign = replay.ledger, breaches.value_sign[at]
    value, bankruptcy_value = lots * ledger.values[symbol], breaches.cut(at, lots)
    ledger.move(
        "exhausted",
        symbol=symbol,
        taker=Rows(breaches.row[at]),
        giver=ledger.market,
        lots=-breaches.side[at] * lots,
        cash=sign * value,
        serial=breaches.serial[at],
    )
    difference = sign * (value - bankruptcy_value)
    _book_difference(replay, breaches, at, difference)
    replay.losses[symbol] += max(-int(difference[0]), 0)
