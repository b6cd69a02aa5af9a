"""The feedback path: what this run's flow adds to the prices of the tape, beyond what the baseline run's flow did.

A displacement is an integer in 1e-6 mark quanta. It is rounded towards zero everywhere, so that it decays to zero and
the two sides of a market are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from backtest.mechanics.exact import RATE_ONE, Ints
from backtest.mechanics.impact import Bands, Impact

PARTS = 1_000_000  # of a mark quantum, in which a displacement counts
LOWEST, HIGHEST = 10, 2  # a displaced price lies between a tenth of its own on the tape and twice that


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the feedback path adds to a world: the flow of the baseline run, and the liquidity it met.

    ``forced`` and ``flow`` (symbols, steps) are the signed lots that the baseline moved through the book, by forced
    orders alone and with the unwinding of pools; ``impact``, ``strength`` and ``scale`` are those of its rules.
    ``left_e9`` is what a segment of a bar leaves of a displacement.
    """

    left_e9: int
    max_rounds: int
    forced: Ints
    flow: Ints
    impact: str
    strength: Fraction
    scale: tuple[Fraction, ...]


def decay_e9(half_life_s: float, bar_s: int, segments: int = 3) -> int:
    """Return the share of a displacement that is left after one of a bar's segments, in 1e-9, half to even.

    Examples
    --------
    Twenty seconds of a half-life of twenty, and of none.

    >>> decay_e9(20, 60), decay_e9(0, 60)
    (500000000, 0)
    """
    if not half_life_s:
        return 0
    with localcontext() as context:
        context.prec = 40
        left = Decimal(2) ** -(Decimal(bar_s) / (segments * Decimal(str(half_life_s))))
        return int((left * RATE_ONE).to_integral_value())


def decayed(displacement: int, left_e9: int, times: int) -> int:
    """Return a displacement after some segments of a bar, each rounded towards zero.

    Examples
    --------
    >>> decayed(-5, 500_000_000, 1), decayed(-5, 500_000_000, 3)
    (-2, 0)
    """
    size = abs(displacement)
    for _ in range(times):
        size = size * left_e9 // RATE_ONE
    return size if displacement >= 0 else -size


def displaced(price: int, displacement: int, mark_per_unit: int = 1) -> int:
    """Return a price of the tape as it is walked: moved by whole units, inside a tenth and twice of itself.

    Parameters
    ----------
    price
        Mark in mark quanta, or trade price in ticks.
    mark_per_unit
        Mark quanta per unit of the price.

    Examples
    --------
    Minus 2.5 mark quanta are minus two of them, and no tick of ten.

    >>> displaced(100, -2_500_000), displaced(10, -2_500_000, 10), displaced(100, -99_000_000)
    (98, 10, 10)
    """
    whole = abs(displacement) // (PARTS * mark_per_unit)
    moved = price + whole if displacement >= 0 else price - whole
    return min(max(moved, -(-price // LOWEST)), price * HIGHEST)


def moved(displacement: int, added: int, mark: int) -> int:
    """Return a displacement after flow added to it: never more than the tape's own mark, up or down.

    Examples
    --------
    >>> moved(-40, -3, 100), moved(-90_000_000, -30_000_000, 100)
    (-43, -100000000)
    """
    most = mark * PARTS
    return min(max(displacement + added, -most), most)


def push(impact: Impact, mark: int, strength: Fraction, flow: int, volume: Fraction, bands: Bands = ()) -> int:
    """Return what a flow of signed lots adds to the displacement: sold lots push the price down.

    Examples
    --------
    A quarter of the volume at 2 % of 1000 quanta, by the square root: ten quanta.

    >>> from backtest.mechanics.impact import square_root
    >>> [push(square_root, 1000, Fraction(2, 100), flow, Fraction(100)) for flow in (25, -25, 0)]
    [10000000, -10000000, 0]
    """
    shift = impact(mark * PARTS, strength, abs(flow), volume, bands) or 0  # nothing to trade with: no impact
    return shift if flow > 0 else -shift
