"""The unit of account of a run settled in a coin: coins counted at their first mark, in dollars."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from backtest.errors import ConfigError
from backtest.venue.instrument import Instrument


def refuse_mixed(venue: str, coins: Sequence[str], faces: Sequence[bool]) -> None:
    """Refuse coins that do not settle in one currency; ``faces``: which of them are inverse.

    Examples
    --------
    >>> refuse_mixed("binancecoinm", ["BTC", "ETH"], [True, True])
    Traceback (most recent call last):
    backtest.errors.ConfigError: coins = BTC,ETH settle in different currencies at binancecoinm; one a run: --coins BTC
    """
    if any(faces) and len(coins) > 1:
        raise ConfigError(
            f"coins = {','.join(coins)} settle in different currencies at {venue}; one a run: --coins {coins[0]}"
        )


def coin_px(units: Sequence[Instrument], mark0: Sequence[int]) -> Fraction | None:
    """Return the first mark of the coin a run settles in, None where it settles in dollars."""
    if not units[0].inverse:
        return None
    return int(mark0[0]) * Fraction(units[0].mark_quantum)


def sentence(unit: Instrument, px: Fraction) -> str:
    """Return the sentence on amounts of a run settled in a coin.

    Examples
    --------
    >>> from decimal import Decimal
    >>> unit = Instrument.of("BTC/USD:BTC", "BTC", Decimal("0.1"), Decimal(1), face=Decimal(100))
    >>> print(sentence(unit, Fraction(7934)))  # doctest: +ELLIPSIS
    Amounts are BTC, counted at the first mark: USD here is BTC x 7,934, whatever BTC costs later. ...
    """
    coin = unit.coin
    return (
        f"Amounts are {coin}, counted at the first mark: USD here is {coin} x {float(px):,.10g}, whatever {coin} costs "
        "later. Published dollars are of their own time."
    )
