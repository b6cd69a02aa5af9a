"""Liquidation steppers: how much of a position in breach is sent to the book, and what the book takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Bools, Ints


@dataclass(frozen=True, slots=True)
class Fills:
    """What the book took, per order in crossing order: lots, price in ticks, and whether the limit refused it."""

    lots: Ints
    price: Ints
    refused: Bools


def full_position(
    side: Ints, lots: Ints, bankruptcy: Ints, ordered: Bools, price: Ints, q_tick: int, bucket: int
) -> Fills:
    """Send every whole position to the book with its bankruptcy amount as limit.

    An order is within its limit iff ``side * (price * lots - bankruptcy) >= 0`` exactly, else all of it is
    refused. One bucket of liquidity serves the accepted orders of both sides in crossing order.

    Parameters
    ----------
    side, lots, bankruptcy
        +1 or -1, lots and bankruptcy amount in quanta, per position in breach of one symbol.
    ordered
        False where equity was below zero at detection: no order is sent.
    price
        Fill price in ticks.
    q_tick
        Quanta per tick and lot.
    bucket
        Liquidity left, in lots.

    Examples
    --------
    >>> one = np.array([1])
    >>> full_position(one, np.array([10]), np.array([900_000]), np.array([True]), np.array([947]), 100, 4).lots
    array([4])
    """
    within = side * (price * lots * q_tick - bankruptcy) >= 0
    wanted = np.where(ordered & within, lots, 0)
    before = np.cumsum(wanted) - wanted
    return Fills(np.clip(bucket - before, 0, wanted), price, ordered & ~within)
