"""Market impact of forced orders: one shift per (step, symbol, side), in whole ticks, against the liquidated side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from backtest.mechanics.exact import RATE_ONE, Ints, isqrt_ratio

Bands = tuple[tuple[int, Fraction], ...]  # distance from the price in 1e-9 of it, ascending, and lots up to there
Impact = Callable[[int, Fraction, int, Fraction, Bands], int | None]


@dataclass(frozen=True, slots=True)
class OrderBook:
    """One symbol's book, bar by bar: distances in 1e-9 of price, lots up to each (bars, 2, bands), bids first."""

    distances: tuple[int, ...]
    lots: Ints

    def side(self, bar: int, flow: int, scale: Fraction) -> Bands:
        """Return the bands that take a flow in a bar, lots times the liquidity scale: bids take what is sold.

        Examples
        --------
        >>> import numpy as np
        >>> seen = OrderBook((10_000_000,), np.array([[[30], [50]]]))
        >>> [int(seen.side(0, flow, Fraction(1, 10))[0][1]) for flow in (-1, 1)]
        [3, 5]
        """
        held = self.lots[bar, 0 if flow < 0 else 1].tolist()
        return tuple((distance, lots * scale) for distance, lots in zip(self.distances, held, strict=True))


def no_impact(base: int, strength: Fraction, ordered: int, volume: Fraction, bands: Bands = ()) -> int:
    """Return 0: fills happen at their base price."""
    return 0


def square_root(base: int, strength: Fraction, ordered: int, volume: Fraction, bands: Bands = ()) -> int | None:
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
    bands
        Order book on the side that takes the order, used by ``book_depth`` alone.

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


def linear(base: int, strength: Fraction, ordered: int, volume: Fraction, bands: Bands = ()) -> int | None:
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


def book_depth(base: int, strength: Fraction, ordered: int, volume: Fraction, bands: Bands = ()) -> int | None:
    """Return ``floor(base * strength * distance)`` ticks; None where the book is empty (worst price).

    The distance is how far the order eats into the book: straight between the bands, and beyond the last one in
    proportion to its lots. ``strength`` is Y alone: the book knows its own volatility.

    Examples
    --------
    100 lots within 1 %, 300 within 2 %: 200 lots reach 1.5 %, 600 lots twice as far as the last band.

    >>> book = ((10_000_000, Fraction(100)), (20_000_000, Fraction(300)))
    >>> [book_depth(1000, Fraction(1), lots, Fraction(0), book) for lots in (50, 200, 600)]
    [5, 15, 40]
    """
    if not ordered:
        return 0
    distance, lots = 0, Fraction(0)
    for next_distance, next_lots in bands:
        if ordered <= next_lots:
            inside = distance + (next_distance - distance) * (ordered - lots) / (next_lots - lots)
            return int(base * strength * inside // RATE_ONE)
        distance, lots = next_distance, next_lots
    return int(base * strength * distance * ordered // (lots * RATE_ONE)) if lots else None


def absorbed(kind: str, strength: Fraction, move: Fraction, volume: Fraction, bands: Bands = ()) -> Fraction | None:
    """Return the lots whose impact is a given move, a fraction of price; None where no number of lots moves the price.

    Examples
    --------
    A move of a tenth of sigma takes a hundredth of the volume by the square root, a tenth by the line.

    >>> tenth = Fraction(1, 1000), Fraction(1000)
    >>> [str(absorbed(kind, Fraction(1, 100), *tenth)) for kind in ("sqrt", "linear", "none")]
    ['10', '100', 'None']
    >>> str(absorbed("depth", Fraction(1), Fraction(15, 1000), Fraction(0), ((10_000_000, 100), (20_000_000, 300))))
    '200'
    """
    if kind == "none" or not strength:
        return None
    reach = move / strength
    if kind == "sqrt":
        return volume * reach**2
    if kind == "linear":
        return volume * reach
    distance, lots = 0, Fraction(0)
    for next_distance, next_lots in bands:
        if reach * RATE_ONE <= next_distance:
            return lots + (next_lots - lots) * (reach * RATE_ONE - distance) / (next_distance - distance)
        distance, lots = next_distance, next_lots
    return lots * reach * RATE_ONE / distance if distance else Fraction(0)
