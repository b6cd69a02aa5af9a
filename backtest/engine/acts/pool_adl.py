"""Act 6 of a step, last: ADL of the inventory of funds and vaults, a wave a symbol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backtest.engine.acts import waves
from backtest.engine.acts.deleverage import allocate
from backtest.engine.acts.vaults import is_below
from backtest.engine.acts.waves import Closed
from backtest.engine.columns import distinct
from backtest.engine.owners import Owner, Rows
from backtest.engine.records import NONE
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT

Gain = Callable[[int], int | None]  # of a symbol: the quanta at which its wave stops, None for all of its lots


def inventory(replay: Replay) -> None:
    """Send inventory into the queue: a fund's below its floor up to its stop, or a symbol's back to its trigger; all
    of a vault's that is below zero, or below the margin that it keeps.
    """
    rules, ledger, monitor = replay.world.rules, replay.ledger, replay.monitor
    monitor.decide()
    for fund in ledger.funds:
        if rules.inventory_adl == "none" or not fund.holds:
            continue
        if rules.inventory_adl == "to_trigger":
            _waves(replay, fund, monitor.missing)
        elif ledger.equity(fund) < rules.fund_floor:
            _waves(replay, fund, _to_stop(replay, fund))
    for vault in ledger.vaults:
        if vault.holds and is_below(replay, vault):
            _waves(replay, vault, lambda _: None)


def _to_stop(replay: Replay, fund: Owner) -> Gain:
    return lambda _: replay.world.rules.inventory_stop - replay.ledger.equity(fund)


def _waves(replay: Replay, pool: Owner, gain_of: Gain) -> None:
    for symbol, signed in enumerate(list(pool.lots)):
        gain = gain_of(symbol) if signed else 0
        if gain is None or gain > 0:
            _wave(replay, pool, symbol, gain)


def _wave(replay: Replay, pool: Owner, symbol: int, gain: int | None) -> None:
    held, side = abs(pool.lots[symbol]), LONG if pool.lots[symbol] > 0 else SHORT
    wave = waves.open_wave(replay, symbol, side, pool.code, held)
    out = allocate(replay, wave, lots=[held], bankruptcy_values=[pool.entry_value[symbol]], gain=gain)
    watched = waves.places(replay, wave)
    winners = wave.first + wave.queue.order[out.place]
    entry_values = replay.ledger.move(
        "adl",
        symbol=symbol,
        taker=pool,
        giver=Rows(winners, distinct=distinct(winners)),
        lots=-side * out.lots,
        cash=wave.value_sign * out.close_value,
    )
    nobody = np.full(len(out.lots), NONE, dtype=np.int64)
    closed = Closed(
        winners=winners,
        bankrupts=nobody,
        serial=nobody,
        lots=out.lots,
        close_value=out.close_value,
        bankruptcy_value=out.bankruptcy_value,
        entry_value=entry_values,
    )
    left = held - int(out.lots.sum())
    waves.record(replay, wave, out, watched, closed, bankrupts=1, wanted=held, unmatched=left)
