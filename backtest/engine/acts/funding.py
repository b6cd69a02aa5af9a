"""Act 1 of a step: funding falls due. It moves an index; positions settle as their lots change."""

from __future__ import annotations

from backtest.engine.records import VAULT, FundingRow
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import MILLIONTH, RATE_ONE


def fall_due(replay: Replay) -> None:
    """Move the funding indices: floor(value per lot x rate) in 1e-6 quanta, at the oracle price of the event.

    Without one the payment is charged on the first mark walked in the bar.
    """
    ledger = replay.ledger
    for event in replay.funding_at.get(replay.step, ()):
        symbol, mark = event.symbol, replay.prices.ends[event.symbol]
        value = replay.world.contracts[symbol].value_per_lot(event.oracle or mark)
        change = value * event.rate_e9 * MILLIONTH // RATE_ONE
        ledger.move_index(symbol, change)
        if replay.bounds is not None:
            replay.bounds.index_moved()
        for side in (LONG, SHORT):
            replay.ladders[symbol, side].index_moved()
        replay.record.funding.append(
            FundingRow(
                step=replay.step,
                symbol=symbol,
                rate_e9=event.rate_e9,
                mark=mark,
                oracle=event.oracle,
                change=change,
                owners={
                    "fund": ledger.fund_for(symbol).lots[symbol],
                    "vault": ledger.pool_for(VAULT, symbol).lots[symbol],
                    "market": ledger.market.lots[symbol],
                },
            )
        )
