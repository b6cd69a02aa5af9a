"""Market impact of forced orders: one shift per (step, symbol, side), in whole ticks, against the liquidated side."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from backtest.mechanics.exact import isqrt_ratio

Impact = Callable[[int, Fraction, int, Fraction], int | None]


def no_impact(base: int, strength: Fraction, ordered: int, volume: Fraction) -> int:
    """Return 0: fills happen at their base price."""
    return 0


def square_root(base: int, strength: Fraction, ordered: int, volume: Fraction) -> int | None:
    """Return ``floor(base * strength * sqrt(ordered / volume))`` ticks; None for lots without volume (worst price).

    Parameters
    ----------
    base
        Trade price of the first order of its step, symbol and side, in ticks.
    strength
        Y times sigma, a fraction of price.
    ordered
        Lots ordered, at most the liquidity left before the first fill.
    volume
        Volume of the bar in lots, scaled, not rounded.

    Examples
    --------
    >>> square_root(1000, Fraction(2, 100), 25, Fraction(100))
    10
    """
    if not ordered:
        return 0
    if volume == 0:
        return None
    squared = (base * strength) ** 2 * ordered / volume
    return isqrt_ratio(squared.numerator, squared.denominator)


def linear(base: int, strength: Fraction, ordered: int, volume: Fraction) -> int | None:
    """Return ``floor(base * strength * ordered / volume)`` ticks; None for lots without volume (worst price).

    Examples
    --------
    >>> linear(1000, Fraction(2, 100), 25, Fraction(100))
    5
    """
    if not ordered:
        return 0
    if volume == 0:
        return None
    return int(base * strength * ordered // volume)
