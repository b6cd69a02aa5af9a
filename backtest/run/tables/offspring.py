"""Which forced sales the tape itself has, and which only prices displaced by forced sales reach.

On the feedback path a forced sale is offspring of others if the book of the same scenario, on the marks of the tape,
would not have it. A second run on the tape would tell, for as much time again as the first. The record tells without:
a position leaves the book by a breach where its mark is, so what has to be known is whether the tape reaches it too.

- Of an isolated position this is exact: the tape's marks reach its first breach mark at some step of the run or never.
- A cross account breaches by all of its positions. The tape reaches its first breach if at some step it is worth no
  more at the tape's marks than at the marks of the breach. What is left out is that its maintenance differs a little at
  other marks, and positions that the venue does not take at once.
- What ADL, funding and watched hedges change between the two runs is left out.

Later rows of a position or a cross account follow the first: it would have been taken anyway.
"""

from __future__ import annotations

import numpy as np

from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.run.tables.shared import Shared

CHUNK = 500  # accounts compared with all marks of the tape in one go


def on_tape(s: Shared) -> Bools:
    """Return for each liquidation whether the marks of the tape reach the first breach of its position or account.

    All do on the tape, and where nothing is displaced.
    """
    b, tape = s.breaches, s.world.walk.mark
    if s.world.feedback is None or not len(b.row):
        return np.ones(len(b.row), dtype=bool)
    key = _keys(s)
    _, first, owner = np.unique(key, return_index=True, return_inverse=True)
    found = (b.step == b.step[first][owner]) & (b.round == b.round[first][owner])  # the rows of the first breach
    before = np.maximum(b.step[first] - 2, 0)
    here = (s.mark == tape).all(axis=0)
    reached: Bools = here[b.step[first] - 1] & here[before] & (b.round[first] == 1)
    rows = np.flatnonzero(found & ~reached[owner])
    order = rows[np.argsort(owner[rows], kind="stable")]
    owners, start = np.unique(owner[order], return_index=True)
    places = np.append(start, len(order))
    for at in range(0, len(owners), CHUNK):
        stop = min(at + CHUNK, len(owners))
        mine = order[places[at] : places[stop]]
        reached[owners[at:stop]] = _worth_less(s, mine, np.searchsorted(owners[at:stop], owner[mine]), stop - at)
    return reached[owner]


def _keys(s: Shared) -> Ints:
    """Return the cross account of each liquidation, and a number of its own for each position that is in none."""
    rows, of = s.breaches.row, s.world.book.cross_account
    if of is None:
        return rows
    return np.where(of[rows] >= 0, of[rows], len(of) + rows)


def _worth_less(s: Shared, rows: Ints, place: Ints, count: int) -> Bools:
    """Return which of some accounts are at a step of the tape worth no more than at the marks of their breach."""
    b, worth = s.breaches, np.zeros((count, s.world.steps))
    for symbol, marks in enumerate(s.world.walk.mark):
        mine = np.flatnonzero(b.symbol[rows] == symbol)
        if not len(mine):
            continue
        at, sign = rows[mine], s.value_signs[symbol]
        values: Floats = s.world.contracts[symbol].values_per_lot(marks).astype(np.float64)
        signed = (sign * b.side[at] * b.lots[at]).astype(np.float64)
        there = s.each(b.symbol[at], b.mark[at]).astype(np.float64)
        np.add.at(worth, place[mine], signed[:, None] * (values[None, :] - there[:, None]))
    less: Bools = worth.min(axis=1) <= 0
    return less
