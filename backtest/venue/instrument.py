"""An instrument: the integer units of its prices, sizes and money."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from backtest.errors import RangeError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import LIMIT, QUANTA_PER_USD


@dataclass(frozen=True, slots=True)
class Instrument:
    """One perpetual: traded prices in ``tick``, marks in ``mark_quantum``, sizes in ``lot``.

    ``tick`` is a multiple of ``mark_quantum``. A linear lot is in base units, and ``mark_quantum * lot`` is a whole
    number of money quanta (1e-6 of the quote), so every value is an exact integer. An inverse lot is in contracts of
    ``face`` USD each (0: linear), settled in the coin; money is then coins at the first mark of a run, in 1e-6 USD.

    Examples
    --------
    >>> btc = Instrument.of("BTC/USDT:USDT", "BTC", tick=Decimal("0.1"), lot=Decimal("0.001"))
    >>> btc.q_tick, btc.mark_per_tick
    (100, 1)

    A contract of 100 USD in a run that opens at 50,000: 100 USD there, 125 USD of the opening at 40,000.

    >>> inverse = Instrument.of("BTC/USD:BTC", "BTC", Decimal("0.1"), Decimal(1), face=Decimal(100))
    >>> inverse.contract(500_000).value_per_lot(500_000), inverse.contract(500_000).value_per_lot(400_000)
    (100000000, 125000000)
    """

    symbol: str
    coin: str
    tick: Decimal
    lot: Decimal
    mark_quantum: Decimal
    face: Decimal = Decimal(0)

    @staticmethod
    def of(
        symbol: str, coin: str, tick: Decimal, lot: Decimal, mark_quantum: Decimal | None = None,
        face: Decimal = Decimal(0),
    ) -> Instrument:  # fmt: skip
        """Build an instrument; the lot becomes its smallest multiple whose value is whole quanta.

        That is at a mark of one quantum if linear, at the first mark of a run (its face) if inverse.
        """
        mark_quantum = tick if mark_quantum is None else mark_quantum
        if tick <= 0 or lot <= 0 or mark_quantum <= 0 or face < 0 or tick % mark_quantum:
            units = f"tick {tick}, lot {lot}, mark quantum {mark_quantum}, face {face}"
            raise RangeError(f"{symbol}: {units}; all are positive and the tick is a multiple of the mark quantum")
        lot *= Fraction((face or mark_quantum) * lot * QUANTA_PER_USD).denominator
        return Instrument(
            symbol, coin, tick.normalize(), lot.normalize(), mark_quantum.normalize(), face.normalize() + 0
        )

    @property
    def inverse(self) -> bool:
        """Return whether contracts of a fixed face settle in the coin."""
        return bool(self.face)

    @property
    def unit(self) -> str:
        """Return the unit of sizes."""
        return f"contracts of {self.face:f} USD" if self.inverse else self.coin

    @property
    def q_tick(self) -> int:
        """Return quanta per tick and lot of a linear contract."""
        return self.q_mark * self.mark_per_tick

    @property
    def q_mark(self) -> int:
        """Return quanta per mark quantum and lot of a linear contract; 1 of an inverse one, which has none."""
        return 1 if self.inverse else int(self.mark_quantum * self.lot * QUANTA_PER_USD)

    @property
    def mark_per_tick(self) -> int:
        """Return mark quanta per tick."""
        return int(self.tick / self.mark_quantum)

    @property
    def face_quanta(self) -> int:
        """Return the value of an inverse lot at the first mark of a run, in quanta; 0 if linear."""
        return int(self.face * self.lot * QUANTA_PER_USD)

    def contract(self, mark0: int) -> Contract:
        """Return the contract; ``mark0`` is the first mark of the run, at which coins are counted."""
        num = self.face_quanta * int(mark0)
        if num >= LIMIT // 4:
            raise RangeError(f"{self.symbol}: face x first mark is {num / LIMIT:.3g} times 2**62; use a coarser tick")
        return Contract(self.q_mark, num)
