"""One figure of a position with its unit, rule and source, and how money and prices are rounded for it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import overload

from backtest.calculator.position import Position
from backtest.mechanics.exact import QUANTA_PER_USD, half_even
from backtest.venue.instrument import Instrument
from backtest.venue.profile import VenueProfile

MORE_PLACES = 4  # decimals shown beyond the mark quantum where a price is not a mark

COIN_PLACES = 10

NO_VALUE = "no value: "


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a column name with its unit, a value or None, the rule it follows (or why it has no value).

    ``source`` and ``mark`` are those the profile states for the rule; empty for a definition.
    """

    column: str
    value: Decimal | float | int | str | None
    rule: str
    source: str = ""
    mark: str = ""


def _origin(profile: VenueProfile, name: str) -> tuple[str, str]:
    point = next(point for point in profile.points if point.name == name)
    return point.source, point.mark


def _money(held: Position, name: str, quanta: int, rule: str, source: str = "", mark: str = "") -> Figure:
    """Return a figure of money, in USD or in the coin the contract settles in."""
    amount = Fraction(quanta, QUANTA_PER_USD)
    if held.instrument.inverse:
        return Figure(f"{name}_coin", _decimal(amount / held.coin_px, COIN_PLACES), rule, source, mark)
    return Figure(f"{name}_usd", _decimal(amount, 6), rule, source, mark)


def _mark_price(mark: int, unit: Instrument) -> Decimal:
    return _decimal(mark * Fraction(unit.mark_quantum), _places(unit.mark_quantum))


def _price(price: Fraction | None, unit: Instrument) -> Decimal | None:
    """Return a price that need not be a mark, rounded half to even some places beyond the mark quantum."""
    return _decimal(price, _places(unit.mark_quantum) + MORE_PLACES)


def _places(step: Decimal) -> int:
    return max(-int(step.as_tuple().exponent), 0)


@overload
def _decimal(value: Fraction, places: int) -> Decimal: ...


@overload
def _decimal(value: Fraction | None, places: int) -> Decimal | None: ...


def _decimal(value: Fraction | None, places: int) -> Decimal | None:
    """Return a fraction as a decimal with so many places, half to even; None stays None.

    Examples
    --------
    >>> _decimal(Fraction(2, 3), 4), _decimal(Fraction(-5, 2), 0)
    (Decimal('0.6667'), Decimal('-2'))
    """
    if value is None:
        return None
    return Decimal(f"{half_even(value.numerator * 10**places, value.denominator)}e-{places}")
