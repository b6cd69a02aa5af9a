"""The mechanism page, section 5: how far an order moves its price."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from math import floor, isqrt
from typing import Any

from .slow_ledger import E9


def impact_shift(world: dict[str, Any], bar: int, symbol: str, base: int, lots: int, sells: bool) -> int | None:
    """Return the shift of `lots` ordered at `base`, in its units; None where there is nothing to trade with.

    Parameters
    ----------
    world : dict
        Its `liquidity` names the formula; with `depth` its `depth` holds, per symbol, `distances_e9` and per bar the
        cumulative lots of `bids` and `asks`.
    """
    liquidity = world["liquidity"]
    if lots == 0 or liquidity["impact"] == "none":
        return 0
    y, scale = Fraction(liquidity["impact_y_e9"], E9), Fraction(liquidity["scale_e9"], E9)
    if liquidity["impact"] == "depth":
        distance = distance_eaten(list(bands(world, bar, symbol, sells, scale)), lots)
        return None if distance is None else floor(base * y * distance)
    volume = world["bars"][bar][symbol]["volume_lots"] * scale
    if volume == 0:
        return None
    whole = base * y * Fraction(liquidity["sigma_e9"], E9)
    share = lots / volume
    return floor(whole * share) if liquidity["impact"] == "linear" else isqrt(floor(whole * whole * share))


def bands(
    world: dict[str, Any], bar: int, symbol: str, sells: bool, scale: Fraction
) -> Iterator[tuple[Fraction, Fraction]]:
    """Yield the points of the side of the book that takes an order: distance from the price, lots up to there."""
    book = world["depth"][symbol]
    yield Fraction(0), Fraction(0)
    for distance_e9, lots in zip(book["distances_e9"], book["bids" if sells else "asks"][bar], strict=True):
        yield Fraction(distance_e9, E9), lots * scale


def distance_eaten(points: list[tuple[Fraction, Fraction]], lots: int) -> Fraction | None:
    """Return how far from the price an order reaches: straight between points, in proportion beyond the last.

    >>> book = [(Fraction(0), Fraction(0)), (Fraction(1, 100), Fraction(100)), (Fraction(2, 100), Fraction(300))]
    >>> [str(distance_eaten(book, lots)) for lots in (50, 200, 600)], distance_eaten(book[:1], 1)
    (['1/200', '3/200', '1/25'], None)
    """
    for (near, lots_near), (far, lots_far) in pairwise(points):
        if lots_near < lots <= lots_far:
            return near + (far - near) * (lots - lots_near) / (lots_far - lots_near)
    last, most = points[-1]
    return last * lots / most if most else None
