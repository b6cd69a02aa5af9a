"""Prices, sizes and volumes of a tape in an instrument's integer units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np

from backtest.errors import DataError, RangeError
from backtest.mechanics.exact import LIMIT, Floats, Ints
from backtest.venue.instrument import Instrument

MAX_DIGITS = 12


def instrument_of(
    symbol: str, coin: str, tick: Decimal, lot: Decimal, prices: Floats, face: Decimal = Decimal(0)
) -> Instrument:
    """Build the instrument of a tape: the venue's tick, or a finer one where the prices are no multiples of it.

    The finer tick divides both the venue's and the decimal step of the prices.

    Examples
    --------
    Doge steps in 0.00001, and one lot of 1 coin times that step is ten quanta of 1e-6.

    >>> doge = instrument_of("DOGE/USDT:USDT", "DOGE", Decimal("0.00001"), Decimal(1), np.array([0.23351]))
    >>> doge.tick, doge.q_tick
    (Decimal('0.00001'), 10)
    >>> instrument_of("BTC/USDT:USDT", "BTC", Decimal("0.5"), Decimal("0.001"), np.array([5.07, 6.5])).tick
    Decimal('0.01')
    """
    unique = [Decimal(repr(price)) for price in np.unique(prices).tolist()]
    for price in unique:
        # more digits than any venue prints are the noise of a computed float; a tick that fine would make lots huge
        if max(len(price.normalize().as_tuple().digits), _decimals(price)) > MAX_DIGITS:
            raise DataError(f"{symbol}: price {price}; allowed: at most {MAX_DIGITS} digits; round it as published")
    if any(price % tick for price in unique):
        finest = max(_decimals(price) for price in unique)
        scale = max(finest, _decimals(tick))
        step = math.gcd(int(tick.scaleb(scale)), 10 ** (scale - finest))
        tick = Decimal(step).scaleb(-scale)
    return Instrument.of(symbol, coin, tick, lot, face=face)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-int(exponent), 0)


def in_units(values: Floats, unit: Decimal, rounding: str = ROUND_HALF_EVEN, symbol: str = "") -> Ints:
    """Return decimals as whole units, each rounded once; the shortest text of a float is taken as its value.

    ``symbol`` is named where a value is too large.

    Examples
    --------
    >>> in_units(np.array([0.3, 117590.8]), Decimal("0.1")).tolist()
    [3, 1175908]
    >>> in_units(np.array([0.19]), Decimal("0.1"), ROUND_FLOOR).tolist()
    [1]
    """
    unique, place = np.unique(values, return_inverse=True)
    whole = [int((Decimal(repr(value)) / unit).to_integral_value(rounding)) for value in unique.tolist()]
    if whole and whole[-1] >= LIMIT:
        found = f"{symbol}: {unique[-1]}" if symbol else f"{unique[-1]}"
        raise RangeError(f"{found} in units of {unit} exceeds 2**62; allowed: smaller values or a larger unit")
    return np.array(whole, dtype=np.int64)[place].reshape(values.shape)


def in_lots(base: Floats, prices: Floats, unit: Instrument) -> Ints:
    """Return amounts in base units, one or more for each bar, as whole lots, floored.

    Contracts of an inverse lot are dollars: an amount counts at the mean of its bar's four prices.

    Examples
    --------
    Half a coin at a mean of 50,000 is 25,000 USD, 250 contracts of 100.

    >>> unit = Instrument.of("BTC/USD:BTC", "BTC", Decimal("0.1"), Decimal(1), face=Decimal(100))
    >>> in_lots(np.array([0.5]), np.array([[50_000.0, 50_001.0, 49_999.0, 50_000.0]]), unit).tolist()
    [250]
    """
    if not unit.inverse:
        return in_units(base, unit.lot, ROUND_FLOOR, unit.symbol)
    means = [sum(map(Decimal, map(repr, four)), Decimal(0)) / 4 for four in prices.tolist()]
    amounts = base.reshape(len(means), -1).tolist()
    lot_usd = unit.face * unit.lot
    lots = [
        [int(Decimal(repr(amount)) * mean / lot_usd) for amount in row]
        for row, mean in zip(amounts, means, strict=True)
    ]
    if lots and max(map(max, lots)) >= LIMIT:
        raise RangeError(f"{unit.symbol}: {base.max():g} in lots exceeds 2**62; allowed: smaller volumes")
    return np.array(lots, dtype=np.int64).reshape(base.shape)


def refuse_no_value(units: Sequence[Instrument], trade: Ints) -> None:
    """Refuse a trade price of zero where the value of a contract is its face over the price."""
    for unit, bars in zip(units, trade, strict=True):
        if unit.inverse and bars.min() < 1:
            zero = f"a price rounds to zero in steps of {unit.tick:f}, where an inverse contract has no value"
            raise DataError(f"{unit.symbol}: {zero}; allowed: prices of at least a step; correct the bars")
