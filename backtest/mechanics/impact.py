"""Market impact of forced orders: one shift per (step, symbol, side), in whole ticks, against the liquidated side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from backtest.mechanics.exact import RATE_ONE, Ints, isqrt_ratio
from backtest.mechanics.rule import Rule, declared

Bands = tuple[tuple[int, Fraction], ...]  # distance from the price in 1e-9 of it, ascending, and lots up to there
Impact = Callable[[int, Fraction, int, Fraction, Bands], int | None]
Absorbed = Callable[[Fraction, Fraction, Bands], Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactRule(Rule):
    """The shift of a price that an order causes, in ticks, and the lots that a given shift takes.

    ``shift`` takes base price, strength, lots ordered, volume and book; ``absorbed`` is its inverse: a move over the
    strength, volume and book to lots. None: no number of lots moves the price.
    """

    shift: Impact
    absorbed: Absorbed | None


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
    above = (base * strength.numerator) ** 2 * ordered * volume.denominator
    return isqrt_ratio(above, strength.denominator**2 * volume.numerator)


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


def _lots_by_square_root(reach: Fraction, volume: Fraction, bands: Bands) -> Fraction:
    return volume * reach**2


def _lots_by_line(reach: Fraction, volume: Fraction, bands: Bands) -> Fraction:
    return volume * reach


def _lots_by_depth(reach: Fraction, volume: Fraction, bands: Bands) -> Fraction:
    distance, lots = 0, Fraction(0)
    for next_distance, next_lots in bands:
        if reach * RATE_ONE <= next_distance:
            return lots + (next_lots - lots) * (reach * RATE_ONE - distance) / (next_distance - distance)
        distance, lots = next_distance, next_lots
    return lots * reach * RATE_ONE / distance if distance else Fraction(0)


IMPACTS: Mapping[str, ImpactRule] = declared(
    "impact",
    {
        "none": ImpactRule(
            shift=no_impact,
            absorbed=None,
            sentence="Orders fill at the trade price: no impact.",
            source="the tape as it is",
        ),
        "sqrt": ImpactRule(
            shift=square_root,
            absorbed=_lots_by_square_root,
            sentence="Forced orders move their price by {impact_y:g} x {impact_sigma_frac:g} x the root of their share "
            "of a bar's volume, in its range.",
            source="the square-root law: Almgren et al., Direct Estimation of Equity Market Impact (2005); "
            "Toth et al., arXiv 1105.1694",
        ),
        "linear": ImpactRule(
            shift=linear,
            absorbed=_lots_by_line,
            sentence="Forced orders move their price by {impact_y:g} x {impact_sigma_frac:g} x their share of the "
            "bar's volume, in its range.",
            source="Kyle, Continuous Auctions and Insider Trading, Econometrica 53 (1985)",
        ),
        "depth": ImpactRule(
            shift=book_depth,
            absorbed=_lots_by_depth,
            sentence="Forced orders move their price {impact_y:g} x as far as they eat into the order book seen in the "
            "bar, in its range.",
            source="fetched snapshots of the order book",
        ),
    },
)


def absorbed(impact: str, strength: Fraction, move: Fraction, volume: Fraction, bands: Bands = ()) -> Fraction | None:
    """Return the lots whose impact is a given move, a fraction of price; None where no number of lots moves the price.

    Examples
    --------
    A move of a tenth of sigma takes a hundredth of the volume by the square root, a tenth by the line.

    >>> tenth = Fraction(1, 1000), Fraction(1000)
    >>> [str(absorbed(impact, Fraction(1, 100), *tenth)) for impact in ("sqrt", "linear", "none")]
    ['10', '100', 'None']
    >>> book = (10_000_000, Fraction(100)), (20_000_000, Fraction(300))
    >>> moves = [Fraction(bps, 10_000) for bps in (50, 150, 400)]
    >>> [str(absorbed("depth", Fraction(1), move, Fraction(0), book)) for move in moves]
    ['50', '200', '600']
    """
    lots = IMPACTS[impact].absorbed
    return None if lots is None or not strength else lots(move / strength, volume, bands)
