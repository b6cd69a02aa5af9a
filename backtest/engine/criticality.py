"""How much is about to be liquidated: at the end of every bar, the lots whose rungs a small further move would reach.

The move goes on in the direction of the bar's mark, down where it stood still. Positions that are in breach already
and wait are no part of it. Positions of cross accounts have no rung of their own and are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backtest.engine.state import LONG, SHORT
from backtest.mechanics.exact import Ints

if TYPE_CHECKING:
    from backtest.engine.prices import Prices
    from backtest.engine.step import Replay

MOVE = 1000  # the move looked at is a thousandth of the mark, ten basis points


def closes(prices: Prices, symbol: int, first: int, last: int) -> tuple[Ints, Ints, Ints]:
    """Return, for bars ``first`` to ``last`` (from 0), mark at the end, side in danger, and the mark ahead of it."""
    parts = prices.walk.parts
    end = np.arange(first, last + 1) * parts + parts - 1
    start = end - parts + 1 if parts > 1 else np.maximum(end - 1, 0)
    close = prices.mark[symbol, end]
    side = np.where(close > prices.mark[symbol, start], SHORT, LONG)
    return close, side, close - side * (close // MOVE)


def measure(replay: Replay, since: int, until: int) -> None:
    """Record what is ahead at the end of the bars that end in steps ``since`` to ``until``: nothing moved between them.

    Bars with nothing ahead are not recorded.
    """
    prices = replay.state.prices
    parts = prices.walk.parts
    first, last = -(-since // parts) - 1, until // parts - 1
    if last < first:
        return
    prices.reach(until)
    for symbol in range(len(replay.world.symbols)):
        close, side, ahead = closes(prices, symbol, first, last)
        ladders = {each: replay.ladders[symbol, each] for each in (LONG, SHORT)}
        low, high = ladders[LONG].bounds()[0], ladders[SHORT].bounds()[1]
        for place in np.flatnonzero(np.where(side == LONG, ahead <= low, ahead >= high)).tolist():
            ladder = ladders[int(side[place])]
            lots = ladder.ahead(int(ahead[place]))
            if close[place] <= low if side[place] == LONG else close[place] >= high:  # some may be in breach already
                lots -= ladder.ahead(int(close[place]))
            if lots:
                replay.recorder.ahead.append((first + place, symbol, lots))
