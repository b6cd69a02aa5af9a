"""Socialised loss: who bears it, and how much, where a venue has no ADL or nobody is left in its queue."""

from __future__ import annotations

from backtest.mechanics.exact import LIMIT, Ints, mul_div
from backtest.mechanics.numeric import np


def loss_by_profit(loss: int, profit: Ints) -> Ints:
    """Return what each pays of a loss in proportion to its profit: whole quanta, together the loss, at most its profit.

    With C the profits added up to and including one, and T their sum, it pays ``floor(loss C / T)`` less what those
    before pay. Of a loss above T each pays all of its profit.

    Source: Deribit, socialised losses over the winners of a session (support.deribit.com).

    Examples
    --------
    >>> loss_by_profit(10, np.array([3, 0, 3, 3])).tolist(), loss_by_profit(5, np.array([3, 0, 3, 3])).tolist()
    ([3, 0, 3, 3], [1, 0, 2, 2])
    """
    total = int(profit.sum())
    if total <= loss:
        return profit
    assert total < LIMIT
    parts: Ints = np.diff(mul_div(np.cumsum(profit), loss, total), prepend=0)
    return parts


def loss_per_lot(loss: int, lots: int) -> int:
    """Return what every open lot of both sides pays: ``ceil(loss / lots)``.

    Source: Drift v2, cumulative funding moved by ``ceil(|loss| / (|base long| + |base short|))`` on both sides
    (drift-labs/protocol-v2, 0ae3e3b1).

    Examples
    --------
    A loss of 1,000 over 400 long and 600 short; of 1,001.

    >>> loss_per_lot(1000, 400 + 600), loss_per_lot(1001, 400 + 600)
    (1, 2)
    """
    return -(-loss // lots)
