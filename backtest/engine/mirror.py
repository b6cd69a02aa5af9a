"""Positions in floats, for the filter that finds the front of an ADL queue; funding is settled at index zero."""

from __future__ import annotations

import numpy as np

from backtest.engine.exact_range import highest_value_per_lot
from backtest.engine.ledger import Ledger
from backtest.engine.world import World
from backtest.mechanics.exact import MILLIONTH, QUANTA_PER_USD, Bools, Floats, Ints

FLOAT_EXACT = 2**53
DELICATE = 1e-6  # equity below this share of value (plus 1 USD) is read exactly


class Mirror:
    """Lots, entry values and cash as floats, copied as far as they changed before they are read.

    ``exact``: lots, entry values and values stay below 2**53, where a float holds every integer.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.exact = ledger, _fits_floats(ledger.world)
        self.lots: Floats = ledger.lots.astype(np.float64)
        self.entry_value: Floats = ledger.entry_value.astype(np.float64)
        self.cash: Floats = ledger.cash.astype(np.float64)
        self._stale = np.zeros(len(ledger.lots), dtype=bool)
        ledger.caches.append(self._note)

    def _note(self, rows: Ints) -> None:
        self._stale[rows] = True

    def refresh(self) -> None:
        """Copy the rows that changed."""
        ledger, rows = self.ledger, np.flatnonzero(self._stale)
        self._stale[rows] = False
        self.lots[rows], self.entry_value[rows] = ledger.lots[rows], ledger.entry_value[rows]
        settled = ledger.world.book.side[rows] * ledger.lots[rows] * (ledger.settled[rows] / MILLIONTH)
        self.cash[rows] = ledger.cash[rows] + settled


def is_delicate(equity: Floats, value: Floats) -> Bools:
    """Return whose equity is so small beside the value that it has to be read exactly.

    Examples
    --------
    >>> is_delicate(np.array([1e6, 2e6, 2e6]), np.array([1e9, 9e11, 2e12])).tolist()
    [True, False, True]
    """
    delicate: Bools = equity < value * DELICATE + QUANTA_PER_USD
    return delicate


def _fits_floats(world: World) -> bool:
    """Return whether every position's entry value, and its value at any mark, is exact as a float."""
    for symbol in range(len(world.symbols)):
        held = world.book.held(symbol)
        value = int(world.book.lots[held].max(initial=0)) * highest_value_per_lot(world, symbol)
        if max(value, int(world.book.entry_value[held].max(initial=0))) >= FLOAT_EXACT:
            return False
    return True
