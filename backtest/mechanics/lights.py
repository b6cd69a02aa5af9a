"""The indicator venues show: five lights, one for each fifth of the cumulative quantity in queue order."""

from __future__ import annotations

from backtest.mechanics.exact import Ints
from backtest.mechanics.numeric import np

LIGHTS = 5


def lights(through: Ints, total: int) -> Ints:
    """Return 5 lights for the first fifth of the queue down to 1 for the last.

    Parameters
    ----------
    through
        Quantity of a position and of all that stand before it, in the unit of ``total``: lots, or notional in quanta.
    total
        Quantity of all candidates, at least the largest of ``through``.

    Examples
    --------
    BitMEX's own example, 10, 20, 30, 10, 10 and 20 in queue order (bitmex.com/app/autoDeleveragingExamples):

    >>> lights(np.array([10, 30, 60, 70, 80, 100]), 100).tolist()
    [5, 4, 3, 2, 2, 1]
    """
    # through > k total / 5 exactly where through > floor(k total / 5), which Python's integers give without overflow
    ends = np.array([k * total // LIGHTS for k in range(1, LIGHTS)], dtype=np.int64)
    return LIGHTS - np.searchsorted(ends, through, side="left").astype(np.int64)


def percentiles(through: Ints, total: int) -> Ints:
    """Return the end of the fifth a position falls in, in percent of the quantity of the queue.

    Examples
    --------
    BitMEX's own example:

    >>> percentiles(np.array([10, 30, 60, 70, 80, 100]), 100).tolist()
    [20, 40, 60, 80, 80, 100]
    """
    return (LIGHTS + 1 - lights(through, total)) * (100 // LIGHTS)
