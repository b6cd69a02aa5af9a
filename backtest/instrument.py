"""An instrument: the integer units of its prices, sizes and money."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from backtest.errors import RangeError
from backtest.mechanics.exact import QUANTA_PER_USD


@dataclass(frozen=True, slots=True)
class Instrument:
    """One linear perpetual: traded prices in ``tick``, marks in ``mark_quantum``, sizes in ``lot``.

    ``tick`` is a multiple of ``mark_quantum`` and ``mark_quantum * lot`` is a whole number of money quanta
    (1e-6 of the quote), so every value is an exact integer.

    Examples
    --------
    >>> btc = Instrument.of("BTC/USDT:USDT", "BTC", tick=Decimal("0.1"), lot=Decimal("0.001"))
    >>> btc.q_tick, btc.mark_per_tick
    (100, 1)
    """

    symbol: str
    coin: str
    tick: Decimal
    lot: Decimal
    mark_quantum: Decimal

    @staticmethod
    def of(symbol: str, coin: str, tick: Decimal, lot: Decimal, mark_quantum: Decimal | None = None) -> Instrument:
        """Build an instrument; the lot becomes its smallest multiple for which mark quantum x lot is whole quanta."""
        mark_quantum = tick if mark_quantum is None else mark_quantum
        if tick <= 0 or lot <= 0 or mark_quantum <= 0 or tick % mark_quantum:
            units = f"tick {tick}, lot {lot}, mark quantum {mark_quantum}"
            raise RangeError(f"{symbol}: {units}; all are positive and the tick is a multiple of the mark quantum")
        lot *= Fraction(mark_quantum * lot * QUANTA_PER_USD).denominator
        return Instrument(symbol, coin, tick.normalize(), lot.normalize(), mark_quantum.normalize())

    @property
    def q_tick(self) -> int:
        """Return quanta per tick and lot."""
        return int(self.tick * self.lot * QUANTA_PER_USD)

    @property
    def q_mark(self) -> int:
        """Return quanta per mark quantum and lot."""
        return int(self.mark_quantum * self.lot * QUANTA_PER_USD)

    @property
    def mark_per_tick(self) -> int:
        """Return mark quanta per tick."""
        return int(self.tick / self.mark_quantum)
