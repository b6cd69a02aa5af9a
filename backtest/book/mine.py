"""A file of my positions, read as a book is, turned into positions to watch in the crowd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backtest.book.importer import read_positions
from backtest.errors import BookError
from backtest.mechanics.exact import QUANTA_PER_USD, Ints
from backtest.scenario.watched import WatchedPosition
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginSchedule


def read_mine(
    path: Path,
    instruments: Sequence[Instrument],
    tiers: Sequence[MarginSchedule],
    mark0: Ints,
    *,
    inclusive: bool,
    hedged: bool,
) -> tuple[WatchedPosition, ...]:
    """Return the positions of a file with the columns of a book; longs need not equal shorts.

    An isolated position is named after its account and, where that has several, its side and symbol. The cross
    positions of an account keep one name and have one leverage: that of the account at entry.

    Raises
    ------
    BookError
        The file breaks a rule of a book, or a position has no collateral.
    """
    book = read_positions(path, instruments, tiers, mark0, inclusive=inclusive, balance_with_market=True)
    held = Counter(book.account_id.tolist())
    out = []
    for row, account in enumerate(book.account_id.tolist()):
        unit, side = instruments[int(book.symbol[row])], "long" if book.side[row] > 0 else "short"
        cross, name = bool(book.cross[row]), book.names.get(account, f"account {account}")
        mine = np.flatnonzero((book.account_id == account) & book.cross) if cross else np.array([row])
        entry_value, collateral = int(book.entry_value[mine].sum()), int(book.collateral[mine].sum())
        if collateral <= 0:
            raise BookError(f"{path.name}: {name} has no collateral behind {unit.coin}; leave the position out")
        size = int(book.lots[row]) * unit.lot
        out.append(
            WatchedPosition(
                name=name if cross or held[account] == 1 else f"{name} {side} {unit.coin}",
                coin=unit.symbol if unit.inverse else unit.coin,
                side="long" if book.side[row] > 0 else "short",
                size_base=float(size),
                entry_px=_entry_px(int(book.entry_value[row]), int(book.lots[row]), unit, int(mark0[book.symbol[row]])),
                leverage=entry_value / collateral,
                hedged=hedged,
                margin_mode="cross" if cross else "isolated",
            )
        )
    return tuple(out)


def _entry_px(entry_value: int, lots: int, unit: Instrument, mark0: int) -> float:
    """Return the entry price of lots with an entry value; of an inverse contract at which they are so many coins."""
    if unit.inverse:
        coins = entry_value / (mark0 * float(unit.mark_quantum))
        return lots * unit.face_quanta / coins
    return entry_value / (lots * float(unit.lot) * QUANTA_PER_USD)
