"""What a lot is worth at a price, in integer quanta: the one place where linear and inverse contracts differ.

A linear lot is worth ``price * q``, an inverse one ``num / price`` in the settlement coin, rounded once per lot, half
to even, so that values of lots add exactly. A long of a linear and a short of an inverse contract gain when a lot's
worth rises; ``kind`` turns the side of a position into the sign of its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import LIMIT, Floats, Ints, half_even, half_even_array

NEVER = 2.0**60  # a price that no market reaches


@dataclass(frozen=True, slots=True)
class Worth:
    """Worth of one lot at a price in mark quanta: ``q`` quanta per mark quantum, or ``num`` (not 0) over the price.

    Examples
    --------
    A contract of 100 USD settled in coins of 1e8 quanta, at 50,000 and 40,000 USD: 0.002 and 0.0025 coins.

    >>> inverse = Worth(0, 100 * 10**8)
    >>> inverse.one(50_000), inverse.many(np.array([40_000])).tolist(), Worth(7).one(3)
    (200000, [250000], 21)
    """

    q: int
    num: int = 0

    @property
    def kind(self) -> int:
        """Return +1 if linear, -1 if inverse."""
        return -1 if self.num else 1

    def one(self, price: int) -> int:
        """Return the worth of a lot at one price."""
        return half_even(self.num, max(price, 1)) if self.num else price * self.q

    def many(self, prices: Ints) -> Ints:
        """Return the worth of a lot at each price."""
        if not self.num:
            return prices * self.q
        below = np.maximum(prices, 1)
        return half_even_array(np.full(below.shape, self.num, dtype=np.int64), below)

    def prices_between(self, low: Ints, high: Ints, top: int) -> tuple[Ints, Ints]:
        """Return the first and the last price, up to ``top``, at which a lot is worth from ``low`` to ``high``.

        Without such a price the first is above the last. An inverse contract has no price of zero.

        Examples
        --------
        An inverse lot of 100: 50 at 2, 33 at 3, 25 at 4.

        >>> Worth(0, 100).prices_between(np.array([25]), np.array([33]), 1000), Worth(7).prices_between(
        ...     np.array([8]), np.array([21]), 1000)
        ((array([3]), array([4])), (array([2]), array([3])))
        """
        if not self.num:
            return -(-low // self.q), np.minimum(high // self.q, top)
        # half to even: num / price is at most high + 1/2, itself only where high is even; at least low - 1/2 alike
        high, twice = np.clip(high, -1, LIMIT // 4), 2 * self.num
        first = np.where(high % 2 == 0, -(-twice // (2 * high + 1)), twice // (2 * high + 1) + 1)
        least = np.maximum(2 * low - 1, 1)
        last = np.where(low % 2 == 0, twice // least, (twice - 1) // least)
        last = np.where(low > 0, np.minimum(last, top), top)
        return np.where(high < 0, top + 1, first), last

    def near(self, price: float) -> float:
        """Return the worth of a lot in floats, not rounded."""
        return self.num / max(price, 1.0) if self.num else price * self.q

    def price(self, worth: Floats) -> Floats:
        """Return the price at which a lot has a worth, in floats; none is ``NEVER`` for an inverse contract."""
        if not self.num:
            return worth / self.q
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(worth > 0, np.minimum(self.num / np.maximum(worth, 1e-300), NEVER), NEVER)
