"""Venue profiles: dated TOML that binds each strategy point of a venue to a named function of ``mechanics``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from backtest.assets import asset
from backtest.errors import ConfigError, NotBuiltError, UnknownNameError
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES
from backtest.mechanics.rules import CHOICES, SCHEDULES
from backtest.scenario.fields import MANY, MOST
from backtest.scenario.values import check_values
from backtest.toml import MARKS, Reader, decimal_of, positive, read_toml
from backtest.venue.funding_rule import FundingRule, read_funding
from backtest.venue.listings import Listing, in_force, read_listings
from backtest.venue.margin_table import MarginTable, read_table

PART = {"first_share_frac": 1.0, "first_above_usd": 0.0, "first_pause_s": 0}
BLOCK = {"block_s": 1.0, "block_share_frac": 1.0}
LIMITS = {
    "block_least_usd": 0.0, "block_most_usd": MOST, "block_orders": MANY, "block_deleverages": MANY,
    "fillable_adjustment": 1.0, "fillable_spread": 1.5,
}  # fmt: skip
FIGURES: Mapping[str, Any] = {**PART, **BLOCK, **LIMITS}  # of liquidation rules; the others keep these
OWN_FIGURES = {"part_first": (*PART,), "incremental": (*BLOCK,), "fillable_price": (*BLOCK, *LIMITS)}
A_YEAR = dt.timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Point:
    """One strategy point as the profile states it: value, source and confidence mark."""

    name: str
    value: str
    source: str
    mark: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueProfile:
    """A venue: identity, tables, instruments and the defaults of its rules as scenario fields."""

    id: str
    name: str
    as_of: dt.date
    quote: str
    settle: str
    notes: tuple[str, ...]
    sources: Mapping[str, Mapping[str, str]]
    inclusive: bool
    tables: tuple[MarginTable, ...]
    listings: tuple[Listing, ...]
    instruments: Mapping[str, Listing]
    rules: Mapping[str, Any]
    balances: tuple[tuple[dt.date, float, str], ...]
    start_coin: float | None
    inventory_limit_frac: float | None
    takeover: tuple[int, int]
    funding: FundingRule
    points: tuple[Point, ...]
    simplified: tuple[Mapping[str, str], ...]
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
        return best, warning

    def fund_start(self, day: dt.date) -> tuple[float, str, str]:
        """Return the fund's balance before a day, where it comes from, and a warning if it is not of that time.

        The newest balance published in dollars of the end of an earlier day, at most a year back, else the profile's
        own: that of the day itself holds what the crash took.
        """
        known = [row for row in self.balances if row[2] in {"usd", "usdt"} and day - A_YEAR <= row[0] < day]
        if known:
            when, value, _ = max(known)
            return value, f"published balance at the end of {when}", ""
        start = float(self.rules["fund_start_usd"])
        warning = (
            f"no fund balance of {self.id} is published within a year before {day}; the profile's {start:,.0f} USD runs"
        )
        return start, f"profile of {self.as_of}", warning if start else ""

    def fund_coins(self, day: dt.date) -> tuple[float, str, str] | None:
        """Return the same in coins, for contracts that settle in one; None where no balance in coins is known."""
        known = [row for row in self.balances if row[2] == "coin" and day - A_YEAR <= row[0] < day]
        if known:
            when, value, _ = max(known)
            return value, f"published balance at the end of {when}", ""
        if self.start_coin is None:
            return None
        warning = (
            f"no fund balance of {self.id} in coins is published within a year before {day}; "
            f"the profile's {self.start_coin:,g} run"
        )
        return self.start_coin, f"profile of {self.as_of}", warning


def venue_names() -> list[str]:
    """Return the ids of the profiles."""
    return sorted(path.stem for path in asset("data", "venues").glob("*.toml"))


def get_venue(name: str) -> VenueProfile:
    """Read one profile.

    Raises
    ------
    UnknownNameError
        With the near matches.
    ConfigError
        For an unknown key, a wrong type or a value out of range in the file.
    NotBuiltError
        For a rule that this version does not run.
    """
    if name not in venue_names():
        raise UnknownNameError("venue", name, venue_names())
    path = asset("data", "venues", f"{name}.toml")
    profile = parse_venue(read_toml(path), path.name)
    if profile.id != name:
        raise ConfigError(f"{path.name}: id = '{profile.id}'; a profile is named after its file: write id = '{name}'")
    return profile


def parse_venue(table: Mapping[str, Any], where: str) -> VenueProfile:
    """Check a profile's table and build the profile."""
    top = Reader(table, where)
    _refuse_old_keys(table, where)
    sources = {row["id"]: row for row in map(_source, top.tables("source"))}
    points: list[Point] = []
    margin, tables = _margin(top.table_of("margin"), points)
    listings = read_listings(top.tables("instrument"), where)
    liquidation = top.table_of("liquidation")
    stepping = _liquidation(liquidation, points)
    rules, balances, limit, start_coin = _fund(top.table_of("fund"), points)
    rules |= stepping | _cross(top.table_of("cross"), points)
    vault_rules, takeover = _vault(top.table_of("vault"))
    rules |= vault_rules
    rules |= _adl(top.table_of("adl"), points)
    rules |= _residual_and_fee(top, points)
    funding = top.table_of("funding")
    liquidity = top.table_of("liquidity")
    rules |= {"impact": liquidity.choice("impact", CHOICES["impact"]), "impact_y": liquidity.get("impact_y", float)}
    liquidity.get("note", str, "")
    liquidity.done()
    check_values(rules, where)
    profile = VenueProfile(
        id=top.get("id", str),
        name=top.get("name", str),
        as_of=top.get("as_of", dt.date),
        quote=top.get("quote", str),
        settle=top.get("settle", str),
        notes=top.texts("notes", []),
        sources=sources,
        inclusive=margin == "<=",
        tables=tables,
        listings=listings,
        instruments={},
        rules=rules,
        balances=balances,
        start_coin=start_coin,
        inventory_limit_frac=limit,
        takeover=takeover,
        funding=read_funding(funding),
        points=tuple(points),
        simplified=tuple(map(_simplified, top.tables("simplified"))),
        unverified=tuple(_unverified(table)),
    )
    _point(funding, "funding", "")
    top.done()
    return profile.on(profile.as_of)


RENAMED_KEYS = {"liquidation.stepper": "rule", "fund.drop": "drawdown", "adl.visits": "max_candidates"}


def _refuse_old_keys(table: Mapping[str, Any], where: str) -> None:
    for path, new in RENAMED_KEYS.items():
        section, key = path.split(".")
        if key in (table.get(section) or ()):
            raise ConfigError(f"{where} [{section}]: key '{key}' is now called '{new}'")


def _source(row: Reader) -> dict[str, str]:
    out = {key: row.get(key, str) for key in ("id", "url", "read")}
    out["mark"] = row.choice("mark", tuple(MARKS))
    out["note"] = row.get("note", str, "")
    row.done()
    return out


def _point(section: Reader, name: str, value: str) -> Point:
    """Read source, mark and note of a section, refuse anything left over."""
    point = Point(
        name, value, section.get("source", str), section.choice("mark", tuple(MARKS)), section.get("note", str, "")
    )
    section.done()
    return point


def _built(kind: str, name: str, built: Mapping[str, Any], where: str) -> None:
    if name not in built:
        raise NotBuiltError(f"{where}: {kind} '{name}' is not built in this version; it runs: {', '.join(built)}")


def _liquidation(section: Reader, points: list[Point]) -> dict[str, Any]:
    """Read the liquidation rule with the figures that are its own."""
    rule = section.get("rule", str)
    _built("liquidation rule", rule, LIQUIDATION_RULES, section.where)
    figures = {key: section.get(key, type(FIGURES[key])) for key in OWN_FIGURES.get(rule, ())}
    points.append(_point(section, "liquidation", rule))
    return {"liquidation_rule": rule, **FIGURES, **figures}


def _margin(section: Reader, points: list[Point]) -> tuple[str, tuple[MarginTable, ...]]:
    schedule = section.get("schedule", str)
    _built("margin schedule", schedule, SCHEDULES, section.where)
    threshold = section.choice("threshold", ("<", "<="))
    tables = tuple(read_table(row, schedule) for row in section.tables("table"))
    points.append(_point(section, "margin", f"{schedule}, liquidation at equity {threshold} maintenance"))
    return threshold, tables


def _fund(
    section: Reader, points: list[Point]
) -> tuple[dict[str, Any], tuple[tuple[dt.date, float, str], ...], float | None, float | None]:
    """Return the rules, published balances, the limit of the inventory and the start in coins."""
    rule = section.choice("rule", ("fund", "vault"))
    rules: dict[str, Any] = {
        "fund_pools": section.get("pools", str, "shared"),
        "fund_start_usd": section.get("start_usd", float),
        "fund_floor_usd": section.get("floor_usd", float),
        "fund_shortfall": section.choice("shortfall", CHOICES["fund_shortfall"]),
        "fund_takeover": section.choice("takeover", CHOICES["fund_takeover"]),
        "inventory_adl": section.choice("inventory_adl", CHOICES["inventory_adl"]),
        "inventory_stop_usd": section.get("inventory_stop_usd", float),
        "quiet_s": section.get("quiet_s", float),
    }
    start_coin = section.get("start_coin", float, None)
    if start_coin is not None and start_coin < 0:
        raise ConfigError(f"{section.where}: start_coin = {start_coin:g}; it must not be below zero")
    drawdown = section.get("drawdown", dict, None)
    rules |= {"drawdown_trigger": "none", **{f"drawdown_{key}": value for key, value in DRAWDOWN.items()}}
    rules |= _drawdown(Reader(drawdown, f"{section.where} drawdown"), points) if drawdown else {}
    limit = section.get("inventory_limit_frac", float, None)
    if limit is not None and not 0 < limit <= 1000:
        raise ConfigError(f"{section.where}: inventory_limit_frac = {limit:g}; allowed: 0 to 1000, without it no limit")
    balances = []
    for row in section.tables("balance"):
        day = row.get("date", dt.date) - dt.timedelta(days=row.get("before", bool, False))  # of which it is the end
        balances.append((day, row.get("value", float), row.get("unit", str)))
        check_values({"fund_start_usd": balances[-1][1]}, row.where)
        _point(row, "balance", "")
    points.append(_point(section, "fund", rule))
    return rules, tuple(sorted(balances)), limit, start_coin


DRAWDOWN = {"trigger_frac": 1.0, "stop_frac": 1.0, "above_usd": 0.0, "window_s": 28_800}  # where a profile has none


def _drawdown(section: Reader, points: list[Point]) -> dict[str, Any]:
    """Read which drawdown of the fund switches deleveraging on, and off again."""
    trigger = section.choice("trigger", CHOICES["drawdown_trigger"])
    rules = {f"drawdown_{key}": section.get(key, type(value)) for key, value in DRAWDOWN.items()}
    points.append(_point(section, "drawdown trigger", f"{trigger}, on at {rules['drawdown_trigger_frac']:g}"))
    return {"drawdown_trigger": trigger, **rules}


def _vault(section: Reader) -> tuple[dict[str, Any], tuple[int, int]]:
    if not section.table:
        return {"vault_capital_usd": 0.0}, (2, 3)
    rules = {"vault_capital_usd": section.get("capital_usd", float), "quiet_s": section.get("quiet_s", float)}
    takeover = positive(section, "takeover_num"), positive(section, "takeover_den")
    if takeover[0] > takeover[1]:
        raise ConfigError(f"{section.where}: takeover_num / takeover_den is above 1; allowed: a share of maintenance")
    _point(section, "vault", "")
    return rules, takeover


def _adl(section: Reader, points: list[Point]) -> dict[str, Any]:
    ranking = section.choice("ranking", CHOICES["ranking"])
    if section.get("ranking_literal", bool, False) and ranking == "hyperliquid":
        ranking = "hyperliquid_literal"
    rules: dict[str, Any] = {
        "ranking": ranking,
        "losers": section.choice("losers", CHOICES["losers"]),
        "close_price": section.choice("close_price", CHOICES["close_price"]),
        "on_exhausted": section.choice("on_exhausted", CHOICES["on_exhausted"]),
        "max_candidates": section.get("max_candidates", int, 0),
    }
    note = section.get("note", str, "")
    for name, value in (("ranking", ranking), ("close_price", rules["close_price"])):
        mark = section.choice(f"{name}_mark", tuple(MARKS))
        points.append(Point(name, value, section.get(f"{name}_source", str), mark, note))
    section.done()
    return rules


def _cross(section: Reader, points: list[Point]) -> dict[str, Any]:
    """Read how a cross account is liquidated."""
    keys = ("cross_allocation", "cross_order")
    rules = {key: section.choice(key.removeprefix("cross_"), CHOICES[key]) for key in keys}
    points.append(_point(section, "cross", rules["cross_allocation"]))
    return rules


def _residual_and_fee(top: Reader, points: list[Point]) -> dict[str, Any]:
    residual, fee = top.table_of("residual"), top.table_of("fee")
    owner, fee_owner = residual.choice("owner", CHOICES["residual_owner"]), fee.choice("owner", CHOICES["fee_owner"])
    rate = float(decimal_of(fee.get("rate", str), fee.where))
    points.append(_point(residual, "residual", owner))
    points.append(_point(fee, "fee", f"{rate:g} to {fee_owner}"))
    return {"residual_owner": owner, "fee_rate": rate, "fee_owner": fee_owner}


def _simplified(row: Reader) -> dict[str, str]:
    out = {key: row.get(key, str) for key in ("point", "venue_rule", "runs_here")}
    row.done()
    return out


def _unverified(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield one line per number or rule marked U, for the report."""
    for key, value in table.items():
        here = f"{path}.{key}" if path else key
        if key == "source" and not path:
            continue
        if isinstance(value, Mapping):
            yield from _marked(value, here)
            yield from _unverified(value, here)
        elif isinstance(value, list):
            for row in value:
                if isinstance(row, Mapping):
                    name = row.get("coin", row.get("date", ""))
                    yield from _marked(row, f"{here} {name}".rstrip())


def _marked(section: Mapping[str, Any], here: str) -> Iterator[str]:
    if "U" in {section.get(key) for key in ("mark", "ranking_mark", "close_price_mark")}:
        yield f"{here}: {section.get('note', 'not verified')}"
