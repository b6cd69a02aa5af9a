"""Venue profiles: a venue's dated rules, tables and contracts, each with its source and how far it is verified."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from backtest.errors import ConfigError, UnknownNameError
from backtest.venue.funding_rule import FundingRule
from backtest.venue.listings import Listing, in_force
from backtest.venue.margin_table import MarginTable
from backtest.venue.statement import Closure, Counts, MarginNotional, Point, Simplification, Source

A_YEAR = dt.timedelta(days=366)


@dataclass(frozen=True, slots=True, order=True)
class Balance:
    """A published balance of the insurance fund at the end of a day, in ``usd``, ``usdt`` or ``coin``."""

    day: dt.date
    amount: float
    unit: str


@dataclass(frozen=True, slots=True)
class FundStart:
    """What a fund starts with, where that is from, and a warning if it is not of the crash's time.

    ``of``: the day of a balance that is older than a year or younger than the crash; it belongs in the headline.
    """

    amount: float
    source: str
    warning: str = ""
    of: dt.date | None = None

    def headline(self, day: dt.date) -> str:
        """Return what a reader of the headline must know of the day the balance is of, empty for one of the time.

        Examples
        --------
        >>> FundStart(4e8, "profile", of=dt.date(2026, 6, 30)).headline(dt.date(2025, 10, 10))
        'the start of the fund is a balance of 2026-06-30, after the event; none before it is published'
        """
        if self.of is None:
            return ""
        none = "after the event; none before it" if self.of >= day else "over a year before the event; none nearer"
        return f"the start of the fund is a balance of {self.of}, {none} is published"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueProfile:
    """A venue: identity, tables, instruments and the defaults of its rules as scenario fields.

    ``closed``: the venue has ended trading; None where it trades on. ``host``: the venue under whose name its series
    are fetched and stored, another one for a builder's markets.
    """

    id: str
    name: str
    as_of: dt.date
    closed: Closure | None
    host: str
    quote: str
    settle: str
    notes: tuple[str, ...]
    sources: Mapping[str, Source]
    inclusive: bool
    margin_notional: tuple[MarginNotional, ...]
    tables: tuple[MarginTable, ...]
    listings: tuple[Listing, ...]
    instruments: Mapping[str, Listing]
    rules: Mapping[str, Any]
    balances: tuple[Balance, ...]
    start_coin: float | None
    start_date: dt.date | None
    open_interest_counts: Counts
    inventory_limit_frac: float | None
    takeover: tuple[int, int]
    funding: FundingRule
    points: tuple[Point, ...]
    simplified: tuple[Simplification, ...]
    unverified: tuple[str, ...]

    def on(self, day: dt.date, contract: str = "listed") -> VenueProfile:
        """Return the profile with the contracts of a day: all that are linear or inverse, or those ``listed``.

        Of a coin listed both ways the linear contract counts from its first day, the inverse one before.
        """
        known = {listing.coin for listing in self.listings}
        others = {coin: row for coin, row in self.instruments.items() if coin not in known}  # not of the profile
        chosen = {**others, **in_force(self.listings, day, contract)}
        if not chosen:
            has = ", ".join(dict.fromkeys(row.kind for row in self.listings))
            raise ConfigError(f"contract = {contract}: {self.id} lists none in this profile; allowed: listed, {has}")
        return replace(self, instruments=chosen)

    def symbol(self, coin: str) -> str:
        """Return the unified symbol of a coin's perpetual: linear, or inverse and settled in the coin."""
        inverse = coin in self.instruments and self.instruments[coin].face
        return f"{coin}/USD:{coin}" if inverse else f"{coin}/{self.quote}:{self.settle}"

    def name_of(self, listing: Listing) -> str:
        """Return the unified symbol of a contract."""
        return replace(self, instruments={listing.coin: listing}).symbol(listing.coin)

    def instrument(self, coin: str) -> tuple[Decimal, Decimal]:
        """Return tick and lot of a coin."""
        return self.listing(coin).tick, self.listing(coin).lot

    def listing(self, coin: str) -> Listing:
        """Return the contract of a coin."""
        if coin not in self.instruments:
            raise UnknownNameError(f"coin at {self.id}", coin, self.instruments)
        return self.instruments[coin]

    def face(self, coin: str) -> Decimal:
        """Return the USD value of a coin's inverse contract, 0 if its contract is linear."""
        return self.listing(coin).face

    def table(self, coin: str, day: dt.date) -> tuple[MarginTable, str]:
        """Return the margin table in force on a day, and a warning if the nearest one is not dated for it.

        An inverse contract has tables in its coin; without one, the table of any coin in USD.
        """
        unit = "coin" if coin in self.instruments and self.instruments[coin].face else "usd"
        places = dict.fromkeys([(coin, unit), ("*", unit), ("*", "usd")])
        found = ([t for t in self.tables if (t.coin, t.unit) == place] for place in places)
        own: list[MarginTable] = next(filter(None, found), [])
        if not own:
            raise UnknownNameError(f"margin table at {self.id}", coin, {table.coin for table in self.tables})
        past = [table for table in own if table.valid_from <= day]
        best = max(past, key=lambda t: t.valid_from) if past else min(own, key=lambda t: t.valid_from)
        warning = ""
        if not past:
            warning = f"margin table of {coin} at {self.id} is dated {best.valid_from}, after {day}"
        elif day - best.valid_from > A_YEAR:
            warning = f"margin table of {coin} at {self.id} is dated {best.valid_from}, over a year before {day}"
        return replace(best, on_entry=self.on_entry(day)), warning

    def on_entry(self, day: dt.date) -> bool:
        """Return whether maintenance margin is on the entry value on a day, else on the value at the mark."""
        past = [rule for rule in self.margin_notional if rule.valid_from <= day]
        return bool(past) and max(past, key=lambda rule: rule.valid_from).value == "entry"

    def fund_start(self, day: dt.date) -> FundStart:
        """Return the fund's balance before a day in dollars; that of the day itself holds what the crash took.

        In this order: the newest balance of the year before the day, the profile's own start unless it is a balance
        of the day or later, the newest balance however old, and only then a balance of after the day.
        """
        return self._fund_start(day, ("usd", "usdt"), float(self.rules["fund_start_usd"]), "USD")

    def fund_coins(self, day: dt.date) -> FundStart | None:
        """Return the same in coins, for contracts that settle in one; None where no balance in coins is known."""
        if self.start_coin is None and not self._before(day, ("coin",), day - A_YEAR):
            return None
        return self._fund_start(day, ("coin",), self.start_coin, "coins")

    def _fund_start(self, day: dt.date, units: tuple[str, ...], own: float | None, unit: str) -> FundStart:
        if newest := self._before(day, units, day - A_YEAR):
            return FundStart(newest.amount, f"published balance at the end of {newest.day}")
        later = self.start_date is not None and self.start_date >= day
        none = f"no fund balance of {self.id}{' in coins' * (unit == 'coins')} is published within a year before {day}"
        old = self._before(day, units, dt.date.min)
        if old and (later or own is None):
            text = f"{none}; that of {old.day}, {old.amount:,.12g} {unit}, runs"
            return FundStart(old.amount, f"published balance at the end of {old.day}, older than a year", text, old.day)
        amount, start = own or 0.0, f"profile of {self.as_of}"
        if later and amount:
            text = f"{none}, nor an older one; that of {self.start_date}, {amount:,.12g} {unit}, is later and runs"
            return FundStart(
                amount, f"{start}: the balance of {self.start_date}, after the event", text, self.start_date
            )
        return FundStart(amount, start, f"{none}; that of the profile, {amount:,.12g} {unit}, runs" if amount else "")

    def _before(self, day: dt.date, units: tuple[str, ...], since: dt.date) -> Balance | None:
        """Return the newest balance in some units of a day from ``since`` to before ``day``."""
        return max((row for row in self.balances if row.unit in units and since <= row.day < day), default=None)
