"""The marks strictly between which no isolated position breaches, of all symbols together.

A ladder finds its bound anew when it is asked. With many coins most bounds are those found before: what closed since
then only moves them away, so a mark within them needs no answer of the ladder.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT

Ladders = Mapping[tuple[int, int], Ladder | SteppedLadder]  # by symbol, longs first


def known_bounds(ladders: Ladders) -> tuple[Ints, Ints]:
    """Return the lower and the upper bound of each symbol as last found; where it is not known, no mark is between."""
    nearest = [ladder.nearest for ladder in ladders.values()]
    low = [NEVER_SHORT if mark is None else mark for mark in nearest[::2]]
    high = [NEVER_LONG if mark is None else mark for mark in nearest[1::2]]
    return np.array(low, dtype=np.int64), np.array(high, dtype=np.int64)


def exact_bounds(ladders: Ladders, symbol: int) -> tuple[int, int]:
    """Return the bounds of a symbol, found anew."""
    (low, high), (below, above) = (ladders[symbol, side].bounds() for side in (LONG, SHORT))
    return max(low, below), min(high, above)
