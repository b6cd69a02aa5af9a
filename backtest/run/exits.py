"""Voluntary exits: who leaves of his own will, when, and with whom he closes. A prior, and not a measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.world import Exits, Positions
from backtest.mechanics.exact import Floats, Ints, half_even, ratio

NONE: Ints = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Longs and shorts of one symbol, by row, that close lots with each other, and the moment of each, 0 to 1."""

    long: Ints
    short: Ints
    lots: Ints
    place: Floats


def draw_exits(
    book: Positions, share: float, half_life_s: float, ends_s: Floats, kept: Ints, rng: np.random.Generator
) -> Exits:
    """Draw who leaves: a share of the lots of each side of each symbol, longs and shorts in pairs of equal lots.

    Positions leave in an order that is drawn, the last of them in part; those that meet in it close with each other.
    What is to leave halves every half-life, so that a share u of it has left after -half-life x log2(1 - u). Pairs
    whose moment is after the last price stay.

    Parameters
    ----------
    share
        Of the lots of a side, 0 to 1, half to even; of the smaller side where they differ.
    half_life_s
        Seconds in which half of what is to leave has left.
    ends_s
        Seconds from the first price's bar to the end of each step.
    kept
        Rows that stay: positions that are watched.

    Examples
    --------
    Two steps of a minute and an hour later: half of the six lots of each side leaves in the second half-life or before.

    >>> book = Positions(account=np.array([1, 2]), symbol=np.array([0, 0]), side=np.array([1, -1]),
    ...                  lots=np.array([6, 6]), entry_value=np.array([60, 60]), collateral=np.array([9, 9]))
    >>> found = draw_exits(book, 0.5, 1800, np.array([60.0, 3600.0]), np.array([], dtype=np.int64),
    ...                    np.random.default_rng(1))
    >>> found.step.tolist(), found.long.tolist(), found.short.tolist(), found.lots.tolist()
    ([2], [0], [1], [3])
    """
    parts = [_pairs(book, symbol, share, kept, rng) for symbol in np.unique(book.symbol).tolist()]
    long, short, lots = (
        np.concatenate([NONE, *(getattr(part, name) for part in parts)]) for name in ("long", "short", "lots")
    )
    place = np.concatenate([np.empty(0), *(part.place for part in parts)])
    step = np.searchsorted(ends_s, -half_life_s * np.log2(1.0 - place)) + 1
    order = np.argsort(step, kind="stable")
    order = order[step[order] <= len(ends_s)]
    return Exits(step=step[order], long=long[order], short=short[order], lots=lots[order])


def _pairs(book: Positions, symbol: int, share: float, kept: Ints, rng: np.random.Generator) -> Pairs:
    """Return the pairs of a symbol in the order in which they leave."""
    orders = [rng.permutation(np.setdiff1d(np.arange(*_bounds(book, symbol, side)), kept)) for side in (1, -1)]
    exact = ratio(share)
    total = min(half_even(exact.numerator * int(book.lots[rows].sum()), exact.denominator) for rows in orders)
    if not total:
        return Pairs(NONE, NONE, NONE, np.empty(0))
    ends = [np.cumsum(book.lots[rows]) for rows in orders]
    cuts = np.unique(np.concatenate(ends))
    cuts = np.append(cuts[cuts < total], total)
    lots = np.diff(cuts, prepend=0)
    long, short = (rows[np.searchsorted(end, cuts)] for rows, end in zip(orders, ends, strict=True))
    return Pairs(long, short, lots, (cuts - lots / 2) / total)


def _bounds(book: Positions, symbol: int, side: int) -> tuple[int, int]:
    block = book.block(symbol, side)
    return block.start, block.stop
