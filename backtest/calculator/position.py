"""A position request for by hand: its numbers checked and rounded to lots, mark quanta and money as the engine does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from backtest.calculator import contracts
from backtest.errors import NotBuiltError, UnknownNameError, UsageError
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import QUANTA_PER_USD, Ints, half_even
from backtest.mechanics.margin import BreachTest, Tiers, breach_test, in_breach, maintenance, tier_of
from backtest.mechanics.margin_stepped import breaches_around, first_breach_mark
from backtest.scenario.fields import MOST
from backtest.venue.instrument import Instrument
from backtest.venue.margin_table import MarginTable
from backtest.venue.profile import VenueProfile

SIDES = {"long": 1, "short": -1}
MOST_USD = Decimal(MOST)
MOST_PX, MOST_BASE = Decimal("1e12"), Decimal("1e15")
LEAST_USD = Decimal(1) / QUANTA_PER_USD
LEAST_COIN = Decimal("1e-12")
LEVERAGE = (Decimal("0.001"), Decimal(1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRequest:
    """A position as it is request for, in base, USD and quote per base; of an inverse contract in contracts and coins.

    ``side`` is long or short. ``entries`` are entry prices with the size traded at each; one alone may have None for
    its size and take ``size``. Of ``margin`` (isolated), ``leverage`` (isolated, entry value over margin) and
    ``wallet`` (of a cross account that holds nothing else) exactly one is given. ``mark`` None: the average entry.
    """

    side: str
    entries: Sequence[tuple[Decimal, Decimal | None]]
    size: Decimal | None = None
    margin: Decimal | None = None
    leverage: Decimal | None = None
    wallet: Decimal | None = None
    mark: Decimal | None = None


def row(value: int) -> Ints:
    """Return one integer as the array of one row that the engine's functions take."""
    return np.array([value], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the engine's integers: lots, mark quanta, money in quanta; arrays hold one row.

    Money of an inverse contract is coins at the mark, as in a run that opens there.
    """

    instrument: Instrument
    tiers: Tiers
    inclusive: bool
    side: int
    lots: int
    entry_value: int
    collateral: int
    mark: int

    @property
    def contract(self) -> Contract:
        """Return the contract: the value of a lot at a mark."""
        return self.instrument.contract(self.mark)

    @property
    def sign(self) -> int:
        """Return the sign of the position's value: its side, of an inverse contract the other."""
        return self.side * self.contract.value_sign

    @property
    def coin_px(self) -> Fraction:
        """Return the dollars that one unit of the money request for stands for: the mark of a coin, else 1."""
        return counted_at(self.instrument, self.mark)

    @property
    def value(self) -> int:
        """Return the notional at the mark."""
        return self.lots * self.contract.value_per_lot(self.mark)

    @property
    def pnl(self) -> int:
        """Return the unrealised profit at the mark."""
        return self.sign * (self.value - self.entry_value)

    @property
    def equity(self) -> int:
        """Return collateral plus unrealised profit."""
        return self.collateral + self.pnl

    @property
    def cash(self) -> int:
        """Return the ledger's cash, from which the engine detects breaches."""
        return self.collateral - self.sign * self.entry_value

    @property
    def margin_notional(self) -> int:
        """Return what the margin schedule counts: the notional at the mark, or the entry value."""
        return self.entry_value if self.tiers.on_entry else self.value

    @property
    def maintenance(self) -> int:
        """Return the maintenance margin at the mark."""
        return int(maintenance(row(self.margin_notional), self.tiers)[0])

    def breached(self) -> bool:
        """Return whether the engine liquidates at the mark."""
        test = self._test()
        at = test.cash, row(self.sign * self.lots), row(self.mark)
        return bool(in_breach(*at, self.contract, test.tiers, self.inclusive)[0])

    def first_breach(self) -> int:
        """Return the first mark in breach in the direction of loss, or ``NEVER_LONG`` or ``NEVER_SHORT``."""
        test, lots = self._test(), row(self.sign * self.lots)
        found = first_breach_mark(test.cash, lots, self.contract, test.tiers, self.inclusive, row(self.mark))
        return int(found[0])

    def breaches_around(self) -> tuple[int, int]:
        """Return the nearest marks in breach below and above the mark."""
        lots = row(self.sign * self.lots)
        found = breaches_around(row(self.cash), lots, self.contract, self.tiers, self.inclusive, row(self.mark))
        below, above = (int(marks[0]) for marks in found)
        return below, above

    def _test(self) -> BreachTest:
        return breach_test(row(self.cash), row(self.entry_value), self.tiers)

    def exact(self) -> contracts.Holding:
        """Return the position in base and USD; of an inverse contract its face in USD, and coins."""
        size = self.lots * Fraction(self.instrument.lot)
        entry_value, balance = (
            Fraction(money, QUANTA_PER_USD) / self.coin_px for money in (self.entry_value, self.collateral)
        )
        if self.instrument.inverse:
            face = size * Fraction(self.instrument.face)
            return contracts.Holding("inverse", self.side, face, face / entry_value, balance)
        return contracts.Holding("linear", self.side, size, entry_value / size, balance)


def counted_at(unit: Instrument, mark: int) -> Fraction:
    """Return the dollars per unit of the settlement currency: a coin's mark, 1 for dollars."""
    return mark * Fraction(unit.mark_quantum) if unit.inverse else Fraction(1)


def contract_kind(profile: VenueProfile, symbol: str) -> str:
    """Return linear or inverse where a unified symbol names such a contract of the profile, else listed."""
    rows = (row for row in profile.listings if profile.name_of(row) == symbol)
    return next((row.kind for row in rows), "listed")


def contract_of(profile: VenueProfile, symbol: str, day: dt.date) -> tuple[VenueProfile, str]:
    """Return the profile with the contract that a coin or a unified symbol names on a day, and its coin."""
    coin, slash, rest = symbol.partition("/")
    found = profile.on(day, contract_kind(profile, symbol))
    if not slash or symbol == found.symbol(coin):
        found.listing(coin)
        return found, coin
    if coin and rest.partition(":")[2].partition("-")[0] == coin:
        known = next(iter(found.instruments.values()))
        raise NotBuiltError(
            f"{symbol} is coin-margined: the profile {profile.id} states neither the face value of an inverse contract "
            f"nor a margin table in {coin}; ask for a {known.kind} symbol such as {profile.name_of(known)}"
        )
    raise UnknownNameError(f"symbol at {profile.id}", symbol, map(profile.name_of, profile.listings))


def take_position(
    profile: VenueProfile, unit: Instrument, table: MarginTable, request: PositionRequest
) -> tuple[Position, list[str]]:
    """Return the position in integers, and notes on rounding and assumptions.

    Raises
    ------
    UsageError
        For a number out of range, with what is allowed.
    """
    notes: list[str] = []
    if request.side not in SIDES:
        raise UnknownNameError("side", request.side, SIDES)
    entry, size = _entry(request, unit)
    lots = _lots(size, unit, notes)
    mark = _mark(request.mark, entry, unit, notes)
    coin_px = counted_at(unit, mark)
    tiers, limits = table.schedule(coin_px)
    full = lots * Fraction(unit.lot) * (Fraction(unit.face) / entry if unit.inverse else entry)
    entry_value = _quanta("size x entry price" if not unit.inverse else "entry value", full * coin_px, "lower size")
    collateral = _collateral(request, entry_value, limits[int(tier_of(row(entry_value), tiers)[0])], notes, coin_px)
    held = Position(unit, tiers, profile.inclusive, SIDES[request.side], lots, entry_value, collateral, mark)
    _quanta("size x mark price" if not unit.inverse else "notional", Fraction(held.value, QUANTA_PER_USD), "lower size")
    return held, notes


def reference_px(request: PositionRequest, unit: Instrument) -> Fraction:
    """Return the mark request for, else the average entry price, unrounded."""
    if request.mark is None:
        return _entry(request, unit)[0]
    _check("mark", request.mark, unit.mark_quantum, MOST_PX, "quote per base")
    return Fraction(request.mark)


def _entry(request: PositionRequest, unit: Instrument) -> tuple[Fraction, Fraction]:
    """Return average entry price and size."""
    entries, size = request.entries, request.size
    for price, part in entries:
        _check("entry", price, unit.mark_quantum, MOST_PX, "quote per base")
        if part is not None:
            _check("size of an entry", part, unit.lot, MOST_BASE, unit.unit)
    if size is not None:
        _check("size", size, unit.lot, MOST_BASE, unit.unit)
    if len(entries) == 1 and entries[0][1] is None:
        if size is None:
            raise UsageError("no size: give size, or entry as PRICE:SIZE")
        return Fraction(entries[0][0]), Fraction(size)
    fills = [(Fraction(price), Fraction(part)) for price, part in entries if part is not None]
    if not entries or len(fills) < len(entries):
        raise UsageError("several entries need a size each; give every entry as PRICE:SIZE")
    total = sum((part for _, part in fills), Fraction(0))
    if size is not None and total != Fraction(size):
        raise UsageError(f"entries sum to {float(total):.12g} {unit.unit}, size is {size:f}; drop size or correct one")
    return contracts.average_entry("inverse" if unit.inverse else "linear", fills), total


def _lots(size: Fraction, unit: Instrument, notes: list[str]) -> int:
    lots, left = divmod(size, Fraction(unit.lot))
    if left:
        notes.append(f"{float(left):.12g} {unit.unit} below a lot of {unit.lot:f} left out")
    return lots


def _collateral(request: PositionRequest, entry_value: int, limit: float, notes: list[str], coin_px: Fraction) -> int:
    """Return the collateral in quanta from whichever of the three is given; ``limit``: the tier's largest leverage."""
    given = {"margin": request.margin, "leverage": request.leverage, "wallet": request.wallet}
    named = [(name, value) for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise UsageError("collateral: give exactly one of margin or leverage (isolated) and wallet (cross)")
    name, value = named[0]
    if name == "leverage":
        _check(name, value, *LEVERAGE, "x")
        if Fraction(value) > Fraction(limit):
            taken = f"leverage {value:f} on {entry_value / QUANTA_PER_USD:,.0f} USD"
            raise UsageError(f"{taken}; its tier allows at most {limit:g}; lower leverage or size")
        return _quanta(
            "margin", Fraction(entry_value, QUANTA_PER_USD) / Fraction(value), "raise leverage or lower size"
        )
    _check(name, value, *((LEAST_USD, MOST_USD, "USD") if coin_px == 1 else (LEAST_COIN, MOST_BASE, "coins")))
    collateral = _quanta(name, Fraction(value) * coin_px, f"lower {name}")
    if name == "wallet":
        notes.append("cross: this position against the whole wallet; other positions and open orders are not known")
    elif entry_value > Fraction(limit) * collateral:
        taken = f"{entry_value / collateral:,.4g}x at entry"
        notes.append(f"{taken} is above the {limit:g}x that the tier allows when a position is opened")
    return collateral


def _mark(mark: Decimal | None, entry: Fraction, unit: Instrument, notes: list[str]) -> int:
    if mark is not None:
        _check("mark", mark, unit.mark_quantum, MOST_PX, "quote per base")
    price = entry if mark is None else Fraction(mark)
    steps = price / Fraction(unit.mark_quantum)
    rounded = half_even(steps.numerator, steps.denominator)
    if mark is None:
        notes.append("no mark given: the average entry price stands in")
    elif steps.denominator != 1:
        notes.append(f"mark rounded to a multiple of {unit.mark_quantum:f}")
    return rounded


def _check(name: str, value: Decimal, least: Decimal, most: Decimal, unit: str) -> None:
    if not value.is_finite() or not least <= value <= most:
        raise UsageError(f"{name} = {value:.12g}; allowed: {least:f} to {most:.12g} {unit}")


def _quanta(name: str, usd: Fraction, fix: str) -> int:
    """Return an amount in quanta, half to even; refuse what 64 bits could not hold after it is added up."""
    amount = half_even(usd.numerator * QUANTA_PER_USD, usd.denominator)
    if not 0 < amount <= MOST * QUANTA_PER_USD:
        raise UsageError(f"{name} is {float(usd):.6g} USD; allowed: {LEAST_USD:f} to {MOST_USD:.12g}; {fix}")
    return amount
