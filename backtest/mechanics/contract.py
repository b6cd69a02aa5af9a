"""The value of one lot at a price, in integer quanta: the one place where linear and inverse contracts differ.

A linear lot has the value ``price * quanta_per_mark``, an inverse one ``numerator / price`` in the settlement coin,
rounded once per lot, half to even, so that values of lots add exactly. A long of a linear and a short of an inverse
contract gain when the value of a lot rises; ``value_sign`` turns the side of a position into the sign of its value.
"""

from __future__ import annotations

from dataclasses import dataclass

from backtest.mechanics.exact import LIMIT, Floats, Ints, half_even, half_even_array
from backtest.mechanics.numeric import np

NEVER = 2.0**60  # a mark that no market reaches


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract's value per lot as a function of the mark.

    Parameters
    ----------
    quanta_per_mark
        Of a linear contract: quanta per mark quantum and lot.
    numerator
        Of an inverse contract: the value of a lot in quanta times the mark in mark quanta; 0 of a linear one.

    Examples
    --------
    A contract of 100 USD settled in coins of 1e8 quanta, at 50,000 and 40,000 USD: 0.002 and 0.0025 coins.

    >>> inverse = Contract(0, 100 * 10**8)
    >>> inverse.value_per_lot(50_000), inverse.values_per_lot(np.array([40_000])).tolist(), Contract(7).value_per_lot(3)
    (200000, [250000], 21)
    """

    quanta_per_mark: int
    numerator: int = 0

    @property
    def value_sign(self) -> int:
        """Return the sign of a long position's value: +1 if linear, -1 if inverse."""
        return -1 if self.numerator else 1

    def value_per_lot(self, mark: int) -> int:
        """Return the value of a lot at one mark, in quanta."""
        return half_even(self.numerator, max(mark, 1)) if self.numerator else mark * self.quanta_per_mark

    def values_per_lot(self, marks: Ints) -> Ints:
        """Return the value of a lot at each mark, in quanta."""
        if not self.numerator:
            return marks * self.quanta_per_mark
        positive = np.maximum(marks, 1)
        return half_even_array(np.full(positive.shape, self.numerator, dtype=np.int64), positive)

    def value_per_lot_float(self, mark: float) -> float:
        """Return the value of a lot in floats, not rounded."""
        return self.numerator / max(mark, 1.0) if self.numerator else mark * self.quanta_per_mark

    def marks_between(self, low: Ints, high: Ints, highest: int) -> tuple[Ints, Ints]:
        """Return the first and the last mark, up to ``highest``, with a value per lot from ``low`` to ``high``.

        Without such a mark the first is above the last. An inverse contract has no mark of zero.

        Examples
        --------
        An inverse lot of 100: 50 at 2, 33 at 3, 25 at 4.

        >>> Contract(0, 100).marks_between(np.array([25]), np.array([33]), 1000)
        (array([3]), array([4]))
        >>> Contract(7).marks_between(np.array([8]), np.array([21]), 1000)
        (array([2]), array([3]))
        """
        if not self.numerator:
            return -(-low // self.quanta_per_mark), np.minimum(high // self.quanta_per_mark, highest)
        # half to even: the ratio is at most high + 1/2, itself only where high is even; at least low - 1/2 alike
        high, twice = np.clip(high, -1, LIMIT // 4), 2 * self.numerator
        first = np.where(high % 2 == 0, -(-twice // (2 * high + 1)), twice // (2 * high + 1) + 1)
        least = np.maximum(2 * low - 1, 1)
        last = np.where(low % 2 == 0, twice // least, (twice - 1) // least)
        last = np.where(low > 0, np.minimum(last, highest), highest)
        return np.where(high < 0, highest + 1, first), last

    def mark_at_value(self, value: float) -> float:
        """Return the mark at which a lot has one value, as ``marks_at_values`` does of each.

        Examples
        --------
        >>> Contract(7).mark_at_value(21.0), Contract(0, 100).mark_at_value(50.0), Contract(0, 100).mark_at_value(0.0)
        (3.0, 2.0, 1.152921504606847e+18)
        """
        if not self.numerator:
            return value / self.quanta_per_mark
        return min(self.numerator / max(value, 1e-300), NEVER) if value > 0 else NEVER

    def marks_at_values(self, values: Floats) -> Floats:
        """Return the mark at which a lot has each value, in floats; ``NEVER`` where an inverse contract has none."""
        if not self.numerator:
            return values / self.quanta_per_mark
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(values > 0, np.minimum(self.numerator / np.maximum(values, 1e-300), NEVER), NEVER)
