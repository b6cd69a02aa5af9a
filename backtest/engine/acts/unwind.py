"""Act 8a of a step: pools trade their inventory into the liquidity that is left, once the market is quiet."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.fill_prices import forced_prices
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT


def unwind(replay: Replay) -> None:
    """After enough quiet steps, trade pool inventory into the liquidity left, at the trade price with own impact."""
    if replay.quiet < replay.world.rules.quiet_steps:
        return
    world, ledger = replay.world, replay.ledger
    for pool in ledger.pools():
        for symbol in [k for k, held in enumerate(pool.lots) if held]:
            lots = min(abs(pool.lots[symbol]), replay.liquidity.left(symbol))
            if lots <= 0:
                continue
            side = LONG if pool.lots[symbol] > 0 else SHORT
            base = replay.prices.trades[symbol, 1:]
            price = forced_prices(replay, symbol, side, base, first_px=int(base[0]), lots=lots)
            flow = np.array([-side * lots], dtype=np.int64)
            cash = -world.contracts[symbol].value_sign * flow * world.value_at_trade(symbol, price)
            ledger.move("unwind", symbol=symbol, taker=pool, giver=ledger.market, lots=flow, cash=cash)
            replay.liquidity.use(symbol, flow)
