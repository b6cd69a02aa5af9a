"""The terms of a coin's contract on a day: tick, lot and margin table, of the profile or of the lake, by date.

``crashbook fetch`` keeps the terms of contracts as venues gave them, under that day: the series ``limits`` (tick,
lot, contract size) and ``leverage_tiers``. A coin that a profile lacks is listed by its newest ``limits``; tables of
the lake and of the profile compete by date.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.errors import DataError, UnknownNameError
from backtest.lake.availability import load_absent, load_availability
from backtest.lake.checks import describe
from backtest.lake.holdings import day_names
from backtest.lake.markets import is_name
from backtest.lake.place import Place, shown
from backtest.lake.read import read_series
from backtest.lake.series import SERIES
from backtest.market.inputs import InputSeries, from_lake
from backtest.mechanics.exact import half_even, rate_e9
from backtest.scenario.fields import MOST
from backtest.times import DAY
from backtest.venue.listings import Listing
from backtest.venue.margin_table import MarginTable, Tier, wrong_tiers
from backtest.venue.profile import VenueProfile
from backtest.venue.statement import Source

if TYPE_CHECKING:
    import polars as pl

LakeTier = tuple[Decimal, int, float]  # floor, rate in 1e-9, largest leverage
BOTH = ("leverage_tiers", "limits")
LONGEST_SHOWN = 40
AGAIN = "delete the file and fetch it again"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a coin on a day.

    ``table`` is the margin table in force; where a venue counts floors in contracts, ``floors_base`` holds them in base
    units and ``at`` makes dollars of them. ``warning`` is empty if the table is dated for the day. ``listed`` says
    whether tick and lot are from the lake; ``rows`` are its series that were used, ``notes`` sentences on them without
    their full stop.
    """

    coin: str
    table: MarginTable
    warning: str
    floors_base: tuple[Decimal, ...] = ()
    listed: bool = False
    rows: tuple[InputSeries, ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, px: Fraction) -> MarginTable:
        """Return the table with floors in whole USD, those in base units counted at a price, half to even.

        Examples
        --------
        >>> table = MarginTable("X", dt.date(2025, 10, 10), ((0, 4_000_000, 100.0), (0, 10_000_000, 50.0)), "", "V", "")
        >>> terms = Terms("X", table, "", (Decimal(0), Decimal("100.01")))
        >>> terms.at(Fraction(4000)).tiers[1]
        Tier(floor=400040, rate_e9=10000000, leverage=50.0)
        """
        if not self.floors_base:
            return self.table
        values = [Fraction(floor) * px for floor in self.floors_base]
        # no position is larger than MOST
        floors = [min(half_even(usd.numerator, usd.denominator), int(MOST)) for usd in values]
        tiers = tuple(
            Tier(floor, rate, limit) for floor, (_, rate, limit) in zip(floors, self.table.tiers, strict=True)
        )
        return replace(self.table, tiers=tiers)


@dataclass(frozen=True, slots=True)
class Units:
    """Tick and lot of a coin from the lake, the size of a contract in base, and the series they come from."""

    tick: Decimal
    lot: Decimal
    contract_base: Decimal
    series: InputSeries
    day: dt.date


def fetch_hint(profile: VenueProfile, coin: str, event: str, series: Sequence[str] = BOTH) -> str:
    """Return the command that fetches a coin's terms, those that the venue gives without an account."""
    name = shlex.quote(coin) if is_name(coin) and len(coin) <= LONGEST_SHOWN else "COIN"
    public = [each for each in series if (profile.host, each) not in load_absent()]
    return f"crashbook fetch {event} --venue {profile.host} --coins {name} --series {','.join(public)}"


def contract_terms(
    profile: VenueProfile, coins: Sequence[str], day: dt.date, *, event: str = "EVENT", others: Iterable[str] = ()
) -> tuple[VenueProfile, tuple[Terms, ...]]:
    """Return the profile with the coins of the lake that it lacks and the sources used, and the terms of each coin.

    Parameters
    ----------
    day
        Day whose margin tables hold.
    event
        Named in the command that a refusal suggests.
    others
        Coins without terms that are listed too where the lake knows them.

    Raises
    ------
    UnknownNameError
        Neither profile nor lake lists a coin or has a margin table that fits; the message says how to fetch them.
    DataError
        A file of the lake breaks a rule; the message names it.
    """
    units = lake_units(profile, (*coins, *others))
    found = {coin: Listing(coin, each.tick, each.lot) for coin, each in units.items()}
    instruments = {**profile.instruments, **found}
    profile = replace(profile, listings=(*profile.listings, *found.values()), instruments=instruments)
    for coin in coins:
        if coin not in instruments:
            hint = f"Choose with --coins, or fetch its contract: {fetch_hint(profile, coin, event)}"
            if _inverse_only(profile):
                hint = "Choose with --coins: contracts that settle in the coin are those of the profile alone"
            raise UnknownNameError(f"coin at {profile.id}", coin, instruments, hint)
    terms = tuple(_terms(profile, coin, day, event, units.get(coin)) for coin in coins)
    cited = {each.table.source: _source(each) for each in terms if each.table.source not in profile.sources}
    return replace(profile, sources={**profile.sources, **cited}), terms


def lake_units(profile: VenueProfile, coins: Iterable[str]) -> dict[str, Units]:
    """Return tick and lot of the coins that the profile lacks and the lake lists, from their newest ``limits``.

    They are linear contracts; where a day or a scenario has inverse ones only, there are none.
    """
    if _inverse_only(profile):
        return {}
    known = {listing.coin for listing in profile.listings}
    lacking = [coin for coin in dict.fromkeys(coins) if coin not in known]
    found = {coin: _units(profile, coin) for coin in lacking if is_name(coin)}
    return {coin: units for coin, units in found.items() if units is not None}


def _inverse_only(profile: VenueProfile) -> bool:
    return all(listing.face for listing in profile.instruments.values())


def _units(profile: VenueProfile, coin: str) -> Units | None:
    place = Place(profile.host, profile.symbol(coin), "limits")
    days = day_names(place.folder)[0]
    if not days:
        return None
    day = max(days)
    frame, where = _rows_of_day(place, day, days[day])
    last = frame.row(-1, named=True)
    tick, lot, size = (_number(last[name], name, where) for name in ("tick_px", "lot_base", "contract_size"))
    series = _series(place, frame, where, f"tick and lot; as of {day}")
    return Units(tick=tick, lot=lot, contract_base=size, series=series, day=day)


def _terms(profile: VenueProfile, coin: str, day: dt.date, event: str, units: Units | None) -> Terms:
    """Return the table in force of all dates of profile and lake; of one date the lake's counts.

    Tiers of inverse contracts are the profile's alone: the unit of the lake's is not known.
    """
    place = Place(profile.host, profile.symbol(coin), "leverage_tiers")
    days = {} if profile.face(coin) else day_names(place.folder)[0]
    kind = profile.tables[0].kind if profile.tables else "tiered"
    empty = [MarginTable(coin, when, (), f"lake-{coin}-{when}", "V", "", kind) for when in days]
    try:
        table, warning = replace(profile, tables=(*empty, *profile.tables)).table(coin, day)
    except UnknownNameError as error:
        hint = f"Fetch it into the lake: {fetch_hint(profile, coin, event)}"
        known = {each.coin for each in profile.tables}
        raise UnknownNameError(f"margin table at {profile.id}", coin, known, hint) from error
    rows, notes = [], []
    if units:
        rows.append(units.series)
        notes.append(f"tick and lot of {place.symbol} are those of {units.day} in the lake: the profile has none")
        if table.coin != coin:
            notes.append(f"margin table of {coin} at {profile.id} is the one for any coin without its own")
    floors: tuple[Decimal, ...] = ()
    if not table.tiers:
        frame, where = _rows_of_day(place, table.valid_from, days[table.valid_from])
        tiers = _tiers(frame, where)
        rows.append(_series(place, frame, where, f"margin table in force; as of {table.valid_from}"))
        notes.append(f"margin table of {coin} at {profile.id} is that of {table.valid_from} in the lake")
        if _in_contracts(profile.host):
            sized = units or _contract(profile, coin, event, where)
            rows += [sized.series] if not units else []
            floors = tuple(floor * sized.contract_base for floor, _, _ in tiers)
            notes[-1] += f"; its floors are contracts of {sized.contract_base:f} {coin}, counted at the starting mark"
        whole = tuple(Tier(int(floor.to_integral_value()), rate, limit) for floor, rate, limit in tiers)
        table = replace(table, tiers=whole)
    return Terms(
        coin=coin,
        table=table,
        warning=warning,
        floors_base=floors,
        listed=units is not None,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _in_contracts(venue: str) -> bool:
    entry = load_availability().get((venue, "leverage_tiers", "rest"))
    return entry is not None and entry.amount_linear == "contracts"


def _contract(profile: VenueProfile, coin: str, event: str, where: str) -> Units:
    """Return the units of a coin that the profile lists, for the size of its contract."""
    units = _units(profile, coin)
    if units is None:
        hint = fetch_hint(profile, coin, event, ("limits",))
        raise DataError(f"{where}: floors are in contracts, whose size is in limits; run {hint}")
    return units


def _tiers(frame: pl.DataFrame, where: str) -> list[LakeTier]:
    """Return tiers as ccxt's fields give them, in order: minNotional, maintenanceMarginRate, maxLeverage."""
    columns = ("notional_floor", "maintenance_frac", "max_leverage")
    rows = [[_number(row[name], name, where) for name in columns] for row in frame.sort("tier").iter_rows(named=True)]
    tiers = [(floor, rate_e9(rate), float(limit)) for floor, rate, limit in rows]
    if wrong := wrong_tiers(tiers):
        raise DataError(f"{where}: {wrong}; {AGAIN}")
    return tiers


def _number(value: float | None, name: str, where: str) -> Decimal:
    """Return a number without the noise of floats."""
    number = Decimal("NaN") if value is None else Decimal(f"{value:.12g}")
    if not number.is_finite():
        raise DataError(f"{where}: {name} is no number; {AGAIN}")
    return number


def _rows_of_day(place: Place, day: dt.date, path: Path) -> tuple[pl.DataFrame, str]:
    """Return the rows of a day and how messages name their file."""
    start = dt.datetime.combine(day, dt.time())
    frame, where = read_series(place, start, start + DAY), shown(path)
    if not frame.height:
        raise DataError(f"{where}: no rows of {day}; {AGAIN}")
    fault = SERIES[place.series].fault
    if fault and (wrong := fault(frame)):
        raise DataError(f"{where}: {place.symbol}: {wrong}; {AGAIN}")
    return frame, where


def _series(place: Place, frame: pl.DataFrame, where: str, note: str) -> InputSeries:
    """Return the rows of a day as a series whose source is that day's file, wherever the lake lies."""
    return replace(
        from_lake(place, describe(frame, 0, 0, None), note), source=f"{place.source}/{where.rpartition('/')[2]}"
    )


def _source(terms: Terms) -> Source:
    """Return the source of a table of the lake as profiles state theirs."""
    where = next(row.source for row in terms.rows if row.name == "leverage_tiers").partition(": ")[2]
    return Source(
        id=terms.table.source,
        url=where,
        read=terms.table.valid_from.isoformat(),
        mark="V",
        note="As the venue gave it on that day.",
    )
