"""The contracts a venue lists: linear or inverse, each from a day on, and which of them a day has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backtest.errors import ConfigError
from backtest.toml import Cited

SMALLEST_UNIT, LARGEST_UNIT = Decimal("1e-12"), Decimal("1e9")


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract of a coin as a venue lists it from a day on; sizes in base, of an inverse one in contracts.

    ``face`` is the USD value of an inverse contract, 0 for a linear one.
    """

    coin: str
    tick: Decimal
    lot: Decimal
    face: Decimal = Decimal(0)
    valid_from: dt.date = dt.date.min

    @property
    def kind(self) -> str:
        """Return linear or inverse."""
        return "inverse" if self.face else "linear"

    @property
    def unit(self) -> str:
        """Return the unit of sizes."""
        return f"contracts of {self.face:f} USD" if self.face else "base"


def in_force(listings: Sequence[Listing], day: dt.date, contract: str = "listed") -> dict[str, Listing]:
    """Return the contract of each coin on a day: linear or inverse as asked, or the one ``listed``.

    Of a coin listed both ways the linear contract counts from its first day, the inverse one before. Of several of a
    kind the newest counts; before the first, the first.

    Examples
    --------
    >>> both = [Listing("BTC", Decimal("0.5"), Decimal(1), Decimal(1)),
    ...         Listing("BTC", Decimal("0.1"), Decimal("0.0001"), valid_from=dt.date(2021, 11, 1))]
    >>> [in_force(both, dt.date(year, 3, 12))["BTC"].kind for year in (2020, 2022)]
    ['inverse', 'linear']
    """
    chosen: dict[str, Listing] = {}
    for coin in dict.fromkeys(listing.coin for listing in listings):
        mine = [row for row in listings if row.coin == coin]
        kinds = {row.kind for row in mine}
        begun = any(row.kind == "linear" and row.valid_from <= day for row in mine)
        listed = "linear" if begun or "inverse" not in kinds else "inverse"
        rows = [row for row in mine if row.kind == (listed if contract == "listed" else contract)]
        past = [row for row in rows if row.valid_from <= day]
        if rows:
            chosen[coin] = max(past, key=_first_day) if past else min(rows, key=_first_day)
    return chosen


def _first_day(listing: Listing) -> dt.date:
    return listing.valid_from


class InstrumentTable(Cited, frozen=True, kw_only=True):
    """An ``[[instrument]]`` table of a venue file: a contract with its units, in quotes as decimals."""

    coin: str
    tick: Decimal
    lot: Decimal
    face: Decimal = Decimal(0)
    valid_from: dt.date = dt.date.min

    def __post_init__(self) -> None:
        units = (self.tick, self.lot, self.face or self.tick)
        if not all(unit.is_finite() and SMALLEST_UNIT <= unit <= LARGEST_UNIT for unit in units):
            names = "tick, lot and face" if self.face else "tick and lot"
            raise ValueError(f"{names} of {self.coin} must be between {SMALLEST_UNIT} and {LARGEST_UNIT}")

    def listing(self) -> Listing:
        """Return the contract without its source."""
        return Listing(self.coin, self.tick, self.lot, self.face, self.valid_from)


def listings_of(tables: Sequence[InstrumentTable], where: str) -> tuple[Listing, ...]:
    """Return the contracts of a venue file; a coin has one of a kind and day."""
    listings = tuple(table.listing() for table in tables)
    keys = [(row.coin, row.kind, row.valid_from) for row in listings]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            raise ConfigError(f"{where}: two [[instrument]] tables for {key[0]}; keep one")
    return listings
