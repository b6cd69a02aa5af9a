"""Venue profiles: dated TOML that binds each strategy point of a venue to a named function of ``mechanics``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from backtest.assets import asset
from backtest.errors import ConfigError, NotBuiltError, UnknownNameError
from backtest.funding import FundingRule, read_funding
from backtest.mechanics.exact import RATE_ONE, quanta, rate_e9
from backtest.mechanics.margin import Tiers, deductions
from backtest.mechanics.rules import CHOICES, SCHEDULES
from backtest.mechanics.stepped import risk_limits
from backtest.mechanics.steppers import STEPPERS
from backtest.params import MOST
from backtest.scenario import check_values
from backtest.tomlio import Reader, read_toml, shown

MARKS = {"V": "primary source", "S": "secondary source", "D": "derived", "U": "not verified"}
A_YEAR = dt.timedelta(days=366)
RATES = ("maintenance", "initial", "rate_step")
MOST_STEPS = 1000  # of a risk limit rule
SMALLEST_UNIT, LARGEST_UNIT = Decimal("1e-12"), Decimal("1e9")


@dataclass(frozen=True, slots=True)
class MarginTable:
    """A dated table of one coin (``*``: any coin without its own): (floor in USD, rate in 1e-9, max leverage).

    ``kind`` is a name in ``SCHEDULES``: whether rates are marginal or each applies to the whole position.
    """

    coin: str
    valid_from: dt.date
    tiers: tuple[tuple[int, int, float], ...]
    source: str
    mark: str
    note: str
    kind: str = "tiered"

    def schedule(self) -> tuple[Tiers, tuple[float, ...]]:
        """Return maintenance tiers in quanta and the largest leverage of each tier.

        Marginal rates have deductions by the recurrence. A risk limit includes its end; above it is the next.
        """
        floors = [quanta(floor) for floor, _, _ in self.tiers]
        rates = [rate for _, rate, _ in self.tiers]
        less = deductions(floors, rates)
        if self.kind == "risk_limits":
            floors, less = [floor + (floor > 0) for floor in floors], [0] * len(rates)
        rows = list(zip(floors, rates, less, strict=True))
        return Tiers.of(rows), tuple(limit for _, _, limit in self.tiers)


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
    instruments: Mapping[str, tuple[Decimal, Decimal]]
    rules: Mapping[str, Any]
    balances: tuple[tuple[dt.date, float, str], ...]
    inventory_limit_frac: float | None
    takeover: tuple[int, int]
    funding: FundingRule
    points: tuple[Point, ...]
    simplified: tuple[Mapping[str, str], ...]
    unverified: tuple[str, ...]

    def symbol(self, coin: str) -> str:
        """Return the unified symbol of a coin's linear perpetual."""
        return f"{coin}/{self.quote}:{self.settle}"

    def instrument(self, coin: str) -> tuple[Decimal, Decimal]:
        """Return tick and lot of a coin."""
        if coin not in self.instruments:
            raise UnknownNameError(f"coin at {self.id}", coin, self.instruments)
        return self.instruments[coin]

    def table(self, coin: str, day: dt.date) -> tuple[MarginTable, str]:
        """Return the margin table in force on a day, and a warning if the nearest one is not dated for it."""
        own = [table for table in self.tables if table.coin == coin] or [t for t in self.tables if t.coin == "*"]
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
        """Return the fund's balance on a day, where it comes from, and a warning if it is not of that time.

        The newest balance published in dollars within a year before the day, else the profile's own.
        """
        known = [row for row in self.balances if row[2] in {"usd", "usdt"} and day - A_YEAR <= row[0] <= day]
        if known:
            when, value, _ = max(known)
            return value, f"published balance of {when}", ""
        start = float(self.rules["fund_start_usd"])
        warning = (
            f"no fund balance of {self.id} is published within a year before {day}; the profile's {start:,.0f} USD runs"
        )
        return start, f"profile of {self.as_of}", warning if start else ""


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
    sources = {row["id"]: row for row in map(_source, top.tables("source"))}
    points: list[Point] = []
    margin, tables = _margin(top.table_of("margin"), points)
    liquidation = top.table_of("liquidation")
    stepping = _liquidation(liquidation, points)
    rules, balances, limit = _fund(top.table_of("fund"), points)
    rules |= stepping
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
        instruments=_instruments(top.tables("instrument"), where),
        rules=rules,
        balances=balances,
        inventory_limit_frac=limit,
        takeover=takeover,
        funding=read_funding(funding),
        points=tuple(points),
        simplified=tuple(map(_simplified, top.tables("simplified"))),
        unverified=tuple(_unverified(table)),
    )
    _point(funding, "funding", "")
    top.done()
    return profile


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
    """Read the stepper; only ``part_first`` has figures of its own."""
    stepper = section.get("stepper", str)
    _built("stepper", stepper, STEPPERS, section.where)
    first = {"first_share_frac": 1.0, "first_above_usd": 0.0, "first_pause_s": 0}
    if stepper == "part_first":
        first = {key: section.get(key, type(value)) for key, value in first.items()}
    points.append(_point(section, "liquidation", stepper))
    return {"stepper": stepper, **first}


def _margin(section: Reader, points: list[Point]) -> tuple[str, tuple[MarginTable, ...]]:
    schedule = section.get("schedule", str)
    _built("margin schedule", schedule, SCHEDULES, section.where)
    threshold = section.choice("threshold", ("<", "<="))
    tables = tuple(_table(row, schedule) for row in section.tables("table"))
    points.append(_point(section, "margin", f"{schedule}, liquidation at equity {threshold} maintenance"))
    return threshold, tables


def _table(row: Reader, kind: str) -> MarginTable:
    tiers = _limits(row) if kind == "risk_limits" and "tiers" not in row.table else _tiers(row)
    rising = all(a[0] < b[0] and a[1] < b[1] and a[2] >= b[2] for a, b in pairwise(tiers))
    if not tiers or tiers[0][0] != 0 or tiers[-1][0] > MOST or not rising:
        raise ConfigError(f"{row.where}: tiers must start at 0, with floors and rates rising and leverage not rising")
    # a tier whose largest leverage leaves less than maintenance margin would liquidate at the opening
    if not all(0 < rate < RATE_ONE and limit > 0 and rate * limit <= RATE_ONE for _, rate, limit in tiers):
        raise ConfigError(f"{row.where}: a tier's rate is between 0 and 1, its leverage above 0 and at most 1 / rate")
    table = MarginTable(
        row.get("coin", str), row.get("valid_from", dt.date), tuple(tiers), row.get("source", str),
        row.choice("mark", tuple(MARKS)), row.get("note", str, ""), kind,
    )  # fmt: skip
    row.done()
    return table


def _tiers(row: Reader) -> list[tuple[int, int, float]]:
    tiers = []
    for tier in row.get("tiers", list):
        kinds = [type(value) for value in tier] if isinstance(tier, list) else []
        if kinds not in ([int, str, int], [int, str, float]):
            raise ConfigError(f"{row.where}: tier {shown(tier)}; write [floor in whole USD, 'rate', largest leverage]")
        tiers.append((tier[0], rate_e9(_decimal(tier[1], row.where)), float(tier[2])))
    return tiers


def _limits(row: Reader) -> list[tuple[int, int, float]]:
    """Return the tiers of a risk limit rule: limit and step in USD, maintenance and initial rate, their step."""
    base, step, steps = _positive(row, "base_usd"), _positive(row, "step_usd"), _positive(row, "steps")
    if steps > MOST_STEPS:
        raise ConfigError(f"{row.where}: steps = {steps}; allowed: 1 to {MOST_STEPS}")
    rate, initial, more = (rate_e9(_decimal(row.get(key, str), row.where)) for key in RATES)
    if min(rate, initial, more) <= 0:
        raise ConfigError(f"{row.where}: {', '.join(RATES)} must be above zero")
    rows = risk_limits(base, step, rate, more, steps)
    return [(floor, own, float(RATE_ONE // (initial + k * more) or 1)) for k, (floor, own) in enumerate(rows)]


def _decimal(text: str, where: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ConfigError(f"{where}: {shown(text)} is not a number; write it as a decimal in quotes")
    return number


def _positive(section: Reader, key: str) -> int:
    number = section.get(key, int)
    if number <= 0:
        raise ConfigError(f"{section.where}: {key} = {number}; it must be above zero")
    return number


def _fund(
    section: Reader, points: list[Point]
) -> tuple[dict[str, Any], tuple[tuple[dt.date, float, str], ...], float | None]:
    rule = section.choice("rule", ("fund", "vault"))
    rules = {
        "fund_pools": section.get("pools", str, "shared"),
        "fund_start_usd": section.get("start_usd", float),
        "fund_floor_usd": section.get("floor_usd", float),
        "fund_shortfall": section.choice("shortfall", CHOICES["fund_shortfall"]),
        "fund_takeover": section.choice("takeover", CHOICES["fund_takeover"]),
        "inventory_adl": section.choice("inventory_adl", CHOICES["inventory_adl"]),
        "inventory_stop_usd": section.get("inventory_stop_usd", float),
        "quiet_s": section.get("quiet_s", float),
    }
    drop = section.get("drop", dict, None)
    rules |= {"fund_drop": "none", **{f"fund_{key}": value for key, value in DROP.items()}}
    rules |= _drop(Reader(drop, f"{section.where} drop"), points) if drop else {}
    limit = section.get("inventory_limit_frac", float, None)
    if limit is not None and not 0 < limit <= 1000:
        raise ConfigError(f"{section.where}: inventory_limit_frac = {limit:g}; allowed: 0 to 1000, without it no limit")
    balances = []
    for row in section.tables("balance"):
        balances.append((row.get("date", dt.date), row.get("value", float), row.get("unit", str)))
        check_values({"fund_start_usd": balances[-1][1]}, row.where)
        _point(row, "balance", "")
    points.append(_point(section, "fund", rule))
    return rules, tuple(balances), limit


DROP = {"trigger_frac": 1.0, "stop_frac": 1.0, "above_usd": 0.0, "window_s": 28_800}  # where a profile has none


def _drop(section: Reader, points: list[Point]) -> dict[str, Any]:
    """Read what fall of the fund switches deleveraging on, and off again."""
    rule = section.choice("rule", CHOICES["fund_drop"])
    rules = {f"fund_{key}": section.get(key, type(value)) for key, value in DROP.items()}
    points.append(_point(section, "fund drop", f"{rule}, on at {rules['fund_trigger_frac']:g}"))
    return {"fund_drop": rule, **rules}


def _vault(section: Reader) -> tuple[dict[str, Any], tuple[int, int]]:
    if not section.table:
        return {"vault_capital_usd": 0.0}, (2, 3)
    rules = {"vault_capital_usd": section.get("capital_usd", float), "quiet_s": section.get("quiet_s", float)}
    takeover = _positive(section, "takeover_num"), _positive(section, "takeover_den")
    if takeover[0] > takeover[1]:
        raise ConfigError(f"{section.where}: takeover_num / takeover_den is above 1; allowed: a share of maintenance")
    _point(section, "vault", "")
    return rules, takeover


def _adl(section: Reader, points: list[Point]) -> dict[str, Any]:
    ranking = section.choice("ranking", CHOICES["ranking"])
    if section.get("ranking_literal", bool, False) and ranking == "hyperliquid":
        ranking = "hyperliquid_literal"
    rules = {
        "ranking": ranking,
        "losers": section.choice("losers", CHOICES["losers"]),
        "close_price": section.choice("close_price", CHOICES["close_price"]),
        "on_exhausted": section.choice("on_exhausted", CHOICES["on_exhausted"]),
    }
    note = section.get("note", str, "")
    for name, value in (("ranking", ranking), ("close_price", rules["close_price"])):
        mark = section.choice(f"{name}_mark", tuple(MARKS))
        points.append(Point(name, value, section.get(f"{name}_source", str), mark, note))
    section.done()
    return rules


def _residual_and_fee(top: Reader, points: list[Point]) -> dict[str, Any]:
    residual, fee = top.table_of("residual"), top.table_of("fee")
    owner, fee_owner = residual.choice("owner", CHOICES["residual_owner"]), fee.choice("owner", CHOICES["fee_owner"])
    rate = float(_decimal(fee.get("rate", str), fee.where))
    points.append(_point(residual, "residual", owner))
    points.append(_point(fee, "fee", f"{rate:g} to {fee_owner}"))
    return {"residual_owner": owner, "fee_rate": rate, "fee_owner": fee_owner}


def _instruments(rows: list[Reader], where: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Return tick and lot by coin."""
    out: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        coin = row.get("coin", str)
        units = _decimal(row.get("tick", str), row.where), _decimal(row.get("lot", str), row.where)
        if coin in out:
            raise ConfigError(f"{where}: two [[instrument]] tables for {coin}; keep one")
        if not all(SMALLEST_UNIT <= unit <= LARGEST_UNIT for unit in units):
            raise ConfigError(f"{row.where}: tick and lot of {coin} must be between {SMALLEST_UNIT} and {LARGEST_UNIT}")
        _point(row, "instrument", coin)
        out[coin] = units
    return out


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
