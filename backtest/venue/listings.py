"""The contracts a venue lists: linear or inverse, each from a day on, and which of them a day has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from backtest.errors import ConfigError
from backtest.toml import MARKS, Reader, decimal_of

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
        """Return what sizes count."""
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


def read_listings(rows: list[Reader], where: str) -> tuple[Listing, ...]:
    """Return the contracts of each coin, by kind and first day."""
    out: dict[tuple[str, str, dt.date], Listing] = {}
    for row in rows:
        coin, start = row.get("coin", str), row.get("valid_from", dt.date, dt.date.min)
        tick, lot = (decimal_of(row.get(name, str), row.where) for name in ("tick", "lot"))
        face = decimal_of(row.get("face", str, "0"), row.where)
        if not all(SMALLEST_UNIT <= unit <= LARGEST_UNIT for unit in (tick, lot, face or tick)):
            names = "tick, lot and face" if face else "tick and lot"
            raise ConfigError(f"{row.where}: {names} of {coin} must be between {SMALLEST_UNIT} and {LARGEST_UNIT}")
        listing = Listing(coin, tick, lot, face, start)
        row.get("source", str)
        row.choice("mark", tuple(MARKS))
        row.get("note", str, "")
        row.done()
        if (coin, listing.kind, start) in out:
            raise ConfigError(f"{where}: two [[instrument]] tables for {coin}; keep one")
        out[coin, listing.kind, start] = listing
    return tuple(out.values())
