"""Potential: at the end of every bar, the lots whose breach marks a small further move would reach.

The move goes on in the direction of the bar's mark, down where it stood still. Positions that are in breach already
and wait are no part of it. Positions of cross accounts have no breach mark of their own and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.detect.nearest import known_bounds
from backtest.engine.prices import Prices
from backtest.engine.records import AheadRow
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints

BARS = 4096  # looked at together
MOVE = 1000  # the move looked at is a thousandth of the mark, ten basis points


@dataclass(frozen=True, slots=True)
class Closes:
    """Of bars, (symbols, bars): the mark at the end, the side in danger, the mark a further move would reach."""

    mark: Ints
    side: Ints
    ahead: Ints


def closes(prices: Prices, first: int, last: int) -> Closes:
    """Return the closes of bars ``first`` to ``last`` (from 0), shape (symbols, bars)."""
    parts = prices.walk.parts
    end = np.arange(first, last + 1) * parts + parts - 1
    start = end - parts + 1 if parts > 1 else np.maximum(end - 1, 0)
    mark: Ints = prices.mark[:, end]
    side: Ints = np.where(mark > prices.mark[:, start], SHORT, LONG)
    ahead: Ints = mark - side * (mark // MOVE)
    return Closes(mark, side, ahead)


def measure(replay: Replay, since: int, until: int) -> None:
    """Record the lots ahead at the end of bars that end in steps ``since`` to ``until``: nothing moved between them.

    Bars with nothing ahead are not recorded.
    """
    prices = replay.prices
    parts = prices.walk.parts
    begin, last = -(-since // parts) - 1, until // parts - 1
    if last < begin:
        return
    prices.reach(until)
    for first in range(begin, last + 1, BARS):
        _measure(replay, first, min(first + BARS - 1, last))


def _measure(replay: Replay, first: int, last: int) -> None:
    """Record the lots ahead of bars that are looked at together."""
    bars = closes(replay.prices, first, last)
    low, high = (bound[:, None] for bound in known_bounds(replay.ladders))
    near = np.where(bars.side == LONG, bars.ahead <= low, bars.ahead >= high)
    for symbol in np.flatnonzero(near.any(axis=1)).tolist():
        ladders = {each: replay.ladders[symbol, each] for each in (LONG, SHORT)}
        below, above = ladders[LONG].bounds()[0], ladders[SHORT].bounds()[1]
        for place in np.flatnonzero(near[symbol]).tolist():
            side, mark, ahead = (int(column[symbol, place]) for column in (bars.side, bars.mark, bars.ahead))
            if ahead > below if side == LONG else ahead < above:
                continue
            lots = ladders[side].ahead(ahead)
            if mark <= below if side == LONG else mark >= above:  # some may be in breach already
                lots -= ladders[side].ahead(mark)
            if lots:
                replay.record.ahead.append(AheadRow(bar=first + place, symbol=symbol, lots=lots))
