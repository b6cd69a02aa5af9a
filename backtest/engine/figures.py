"""Figures of positions in floats, for the filters that find the front of an ADL queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from backtest.engine.exact_range import highest_value_per_lot
from backtest.engine.ledger import Ledger
from backtest.engine.world import World
from backtest.mechanics.exact import MILLIONTH, QUANTA_PER_USD, Bools, Floats, Ints

FLOAT_EXACT = 2**53
DELICATE = 1e-6  # equity below this share of value (plus 1 USD) is read exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Positions of one side, funding settled at index zero; ``held`` are their lots as integers."""

    held: Ints
    lots: Floats
    entry_value: Floats
    cash: Floats

    @staticmethod
    def of(ledger: Ledger, rows: slice | Ints, side: int) -> Figures:
        """Return positions as they are now."""
        held, cash = ledger.lots[rows], ledger.cash[rows].astype(np.float64)
        lots = held.astype(np.float64)
        if ledger.funded and (at := ledger.has_settled[rows].nonzero()[0]).size:
            cash[at] += lots[at] * (ledger.settled[rows][at] * (side / MILLIONTH))
        return Figures(held=held, lots=lots, entry_value=ledger.entry_value[rows].astype(np.float64), cash=cash)

    @staticmethod
    def joined(parts: Sequence[Figures]) -> Figures:
        """Return the positions of several parts."""
        return Figures(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS})

    def piece(self, which: slice | Ints) -> Figures:
        """Return some of the positions."""
        return Figures(**{name: getattr(self, name)[which] for name in _COLUMNS})

    def put(self, at: Ints, changed: Figures) -> None:
        """Replace positions by index."""
        for name in _COLUMNS:
            getattr(self, name)[at] = getattr(changed, name)

    def with_more(self, at: Ints, more: Figures) -> Figures:
        """Return the positions with more of them inserted before indices."""
        return Figures(**{name: np.insert(getattr(self, name), at, getattr(more, name)) for name in _COLUMNS})


_COLUMNS = [column.name for column in fields(Figures)]


def is_delicate(equity: Floats, value: Floats) -> Bools:
    """Return whose equity is so small beside the value that it has to be read exactly.

    Examples
    --------
    >>> is_delicate(np.array([1e6, 2e6, 2e6]), np.array([1e9, 9e11, 2e12])).tolist()
    [True, False, True]
    """
    least = value * DELICATE
    least += QUANTA_PER_USD
    delicate: Bools = equity < least
    return delicate


def fits_floats(world: World) -> bool:
    """Return whether every position's entry value, and its value at any mark, is exact as a float."""
    for symbol in range(len(world.symbols)):
        held = world.book.held(symbol)
        value = int(world.book.lots[held].max(initial=0)) * highest_value_per_lot(world, symbol)
        if max(value, int(world.book.entry_value[held].max(initial=0))) >= FLOAT_EXACT:
            return False
    return True
