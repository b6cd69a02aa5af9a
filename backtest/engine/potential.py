"""Potential: at the end of every bar, the lots whose breach marks a small further move would reach.

The move goes on in the direction of the bar's mark, down where it stood still. Positions that are in breach already
and wait are no part of it. Positions of cross accounts have no breach mark of their own and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.prices import Prices
from backtest.engine.records import AheadRow
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints

MOVE = 1000  # the move looked at is a thousandth of the mark, ten basis points


@dataclass(frozen=True, slots=True)
class Closes:
    """Of bars: the mark at the end, the side in danger, and the mark a further move would reach."""

    mark: Ints
    side: Ints
    ahead: Ints


def closes(prices: Prices, symbol: int, first: int, last: int) -> Closes:
    """Return the closes of bars ``first`` to ``last`` (from 0)."""
    parts = prices.walk.parts
    end = np.arange(first, last + 1) * parts + parts - 1
    start = end - parts + 1 if parts > 1 else np.maximum(end - 1, 0)
    mark = prices.mark[symbol, end]
    side = np.where(mark > prices.mark[symbol, start], SHORT, LONG)
    return Closes(mark, side, mark - side * (mark // MOVE))


def measure(replay: Replay, since: int, until: int) -> None:
    """Record the lots ahead at the end of bars that end in steps ``since`` to ``until``: nothing moved between them.

    Bars with nothing ahead are not recorded.
    """
    prices = replay.prices
    parts = prices.walk.parts
    first, last = -(-since // parts) - 1, until // parts - 1
    if last < first:
        return
    prices.reach(until)
    for symbol in range(len(replay.world.symbols)):
        bars = closes(prices, symbol, first, last)
        ladders = {each: replay.ladders[symbol, each] for each in (LONG, SHORT)}
        low, high = ladders[LONG].bounds()[0], ladders[SHORT].bounds()[1]
        for place in np.flatnonzero(np.where(bars.side == LONG, bars.ahead <= low, bars.ahead >= high)).tolist():
            side, mark = int(bars.side[place]), int(bars.mark[place])
            lots = ladders[side].ahead(int(bars.ahead[place]))
            if mark <= low if side == LONG else mark >= high:  # some may be in breach already
                lots -= ladders[side].ahead(mark)
            if lots:
                replay.record.ahead.append(AheadRow(bar=first + place, symbol=symbol, lots=lots))
