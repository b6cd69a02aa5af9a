"""Fill prices of forced orders in ticks: the trade price, less one impact a side, inside the bar's trade range."""

from __future__ import annotations

import numpy as np

from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints
from backtest.mechanics.impact import IMPACTS
from backtest.mechanics.path import trade_at


def fill_prices(replay: Replay, breaches: Breaches, mine: Ints, wanted: Ints, *, at_end: bool) -> Ints:
    """Return the fill prices of orders of one symbol: the trade price at each crossing, less one shift a side.

    ``at_end``: orders are based on the trade price at the end of the segment.
    """
    symbol = int(breaches.symbol[mine[0]])
    start, end = replay.prices.trades[symbol].tolist()
    base = np.full(len(mine), end) if at_end else trade_at(start, end, breaches.passed[mine], breaches.length[mine])
    price, left, sides = base, replay.liquidity.left(symbol), breaches.side[mine]
    for side in (LONG, SHORT):
        alike = sides == side
        orders = wanted * alike
        first = orders.nonzero()[0]
        if first.size:
            lots = min(int(orders.sum()), left)
            shifted = forced_prices(replay, symbol, side, base, first_px=int(base[first[0]]), lots=lots)
            price = np.where(alike, shifted, price)
    return price


def forced_prices(replay: Replay, symbol: int, side: int, base: Ints, *, first_px: int, lots: int) -> Ints:
    """Return ``base`` less the impact of ``lots`` ordered at ``first_px``, clamped to the bar's trade range."""
    world, rules, bar = replay.world, replay.world.rules, replay.liquidity.bar
    low, high = replay.prices.trade_range(symbol, bar)
    bands = world.bands(symbol, bar, -side, rules.scale[symbol])
    shift = IMPACTS[rules.impact].shift(first_px, rules.strength, lots, replay.liquidity.volume(symbol), bands)
    if shift is None:  # liquidity carried without volume: the worst price of the bar
        return np.full(len(base), low if side > 0 else high, dtype=np.int64)
    most = high + int(base.max(initial=0))  # more moves no price further, and may leave 64 bits
    return np.minimum(np.maximum(base - side * min(shift, most), low), high)
