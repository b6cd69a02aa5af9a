"""Venue files: TOML in ``data/venues`` that binds each strategy point of a venue to a named rule, read and checked.

The keys that state rules are those the scenario's fields declare (``venue="section.key"``), in their types and bounds;
what a file holds besides stands here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from backtest.assets import asset
from backtest.errors import ConfigError, UnknownNameError
from backtest.mechanics.rules import SCHEDULES
from backtest.scenario.fields import PARAMS
from backtest.scenario.param import REQUIRED, Param
from backtest.scenario.vault_sets import sets_fault
from backtest.toml import Cited, Id, Mark, Table, decode, read_once
from backtest.venue.funding_rule import FundingTable
from backtest.venue.listings import InstrumentTable, listings_of
from backtest.venue.margin_table import TierTable
from backtest.venue.profile import Balance, VenueProfile
from backtest.venue.statement import Closure, Counts, MarginNotional, Point, Simplification, Source

FIRST_YEAR = 2000  # of a balance
Above0 = Annotated[int, msgspec.Meta(gt=0)]
RENAMED_KEYS = {"liquidation.stepper": "rule", "fund.drop": "drawdown", "adl.visits": "max_candidates"}
VENUE_RULES = tuple(param for param in PARAMS if param.venue)


class MarginSection(Cited, frozen=True, kw_only=True):
    """``[margin]``: schedule, whether equity equal to maintenance is in breach, what it is on, and the dated tables."""

    schedule: Literal[tuple(SCHEDULES)]  # type: ignore[valid-type]
    threshold: Literal["<", "<="]
    notional: tuple[MarginNotional, ...] = ()
    table: tuple[TierTable, ...]

    def __post_init__(self) -> None:
        if len({rule.valid_from for rule in self.notional}) < len(self.notional):
            raise ValueError("two [[margin.notional]] tables for one day; keep one")


class BalanceTable(Cited, frozen=True, kw_only=True):
    """``[[fund.balance]]``: a published balance at the end of a day, or ``before`` it."""

    date: dt.date
    value: Annotated[float, msgspec.Meta(ge=0)]
    unit: Literal["usd", "usdt", "coin"]
    before: bool = False

    def __post_init__(self) -> None:
        if self.date.year < FIRST_YEAR:
            raise ValueError(f"date = {self.date}; allowed: from {FIRST_YEAR} on")

    def balance(self) -> Balance:
        """Return the balance at the end of its day."""
        return Balance(self.date - dt.timedelta(days=self.before), self.value, self.unit)


class FundSection(Cited, frozen=True, kw_only=True):
    """``[fund]`` beside its rules."""

    rule: Literal["fund", "vault"]
    start_date: dt.date | None = None  # of the balance that the start is; none for an assumption
    start_coin: Annotated[float, msgspec.Meta(ge=0)] | None = None
    inventory_limit_frac: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    balance: tuple[BalanceTable, ...] = ()


class OpenInterestSection(Cited, frozen=True, kw_only=True):
    """``[open_interest]``: how the venue counts the open interest that it publishes."""

    counts: Counts


class VaultSection(Cited, frozen=True, kw_only=True):
    """``[vault]`` beside its rules: it takes positions with equity below this share of maintenance."""

    takeover_num: Above0 = 2
    takeover_den: Above0 = 3

    def __post_init__(self) -> None:
        if self.takeover_num > self.takeover_den:
            raise ValueError("takeover_num / takeover_den is above 1; allowed: a share of maintenance")
        if fault := sets_fault(getattr(self, "sets", None) or ()):
            raise ValueError(fault)


class AdlSection(Table, frozen=True, kw_only=True):
    """``[adl]`` beside its rules: ranking and close price have a source each."""

    ranking_source: str
    ranking_mark: Mark
    close_price_source: str
    close_price_mark: Mark
    note: str = ""


class Assumed(Table, frozen=True, kw_only=True):
    """A section of declared assumptions, which has no source."""

    note: str = ""


class Header(Table, frozen=True, kw_only=True):
    """What a venue file holds besides the sections of its rules."""

    id: Id
    name: str
    as_of: dt.date
    closed: Closure | None = None
    host: Id | None = None
    quote: str
    settle: str
    notes: tuple[str, ...] = ()
    source: tuple[Source, ...]
    open_interest: OpenInterestSection
    margin: MarginSection
    funding: FundingTable
    instrument: tuple[InstrumentTable, ...]
    simplified: tuple[Simplification, ...] = ()


def _section(name: str, base: type[Table], *more: tuple[str, Any, Any]) -> Any:
    """Return the type of a section: the rules that scenario fields declare for it, and its own keys."""
    rules: list[tuple[Any, ...]] = [
        (key, param.stated, msgspec.NODEFAULT) if param.absent is REQUIRED else (key, param.stated | None, None)
        for param in VENUE_RULES
        for section, _, key in [param.venue.rpartition(".")]
        if section == name
    ]
    return _table(name, [*rules, *more], base)


def _table(name: str, fields: list[tuple[Any, ...]], base: type[Table]) -> Any:
    return msgspec.defstruct(name, fields, bases=(base,), frozen=True, kw_only=True, forbid_unknown_fields=True)


DRAWDOWN = _section("fund.drawdown", Cited)
SECTIONS = {
    "liquidation": _section("liquidation", Cited),
    "cross": _section("cross", Cited),
    "fund": _section("fund", FundSection, ("drawdown", DRAWDOWN | None, None)),
    "vault": _section("vault", VaultSection),
    "adl": _section("adl", AdlSection),
    "residual": _section("residual", Cited),
    "fee": _section("fee", Cited),
    "mark_price": _section("mark_price", Cited),
    "liquidity": _section("liquidity", Assumed),
}
OPTIONAL = ("vault",)
VenueFile = _table(
    "VenueFile",
    [(name, kind | None, None) if name in OPTIONAL else (name, kind) for name, kind in SECTIONS.items()],
    Header,
)


def venue_names() -> list[str]:
    """Return the ids of the profiles."""
    return sorted(path.stem for path in asset("data", "venues").glob("*.toml"))


def host_of(name: str) -> str:
    """Return the venue under whose name the series of a venue are fetched and stored, of most venues its own.

    Examples
    --------
    >>> host_of("xyz"), host_of("bybit"), host_of("bitget")
    ('hyperliquid', 'bybit', 'bitget')
    """
    return get_venue(name).host if name in venue_names() else name


def get_venue(name: str) -> VenueProfile:
    """Read one profile.

    Raises
    ------
    UnknownNameError
        With the near matches.
    ConfigError
        For an unknown key, a wrong type or a value out of range in the file.
    """
    name = name if name in venue_names() else name.strip().lower()
    if name not in venue_names():
        raise UnknownNameError("venue", name, venue_names())
    path = asset("data", "venues", f"{name}.toml")
    profile = read_once(path, parse_venue)
    if profile.id != name:
        raise ConfigError(f"{path.name}: id = '{profile.id}'; a profile is named after its file: write id = '{name}'")
    return profile


def parse_venue(table: Mapping[str, Any], where: str) -> VenueProfile:
    """Check a profile's table and build the profile."""
    for path, new in RENAMED_KEYS.items():
        section, key = path.split(".")
        held = table.get(section)
        if isinstance(held, Mapping) and key in held:
            raise ConfigError(f"{where} [{section}]: key '{key}' is now called '{new}'")
    file: Any = decode(table, VenueFile, where)
    rules = _rules(file, where)
    profile = VenueProfile(
        id=file.id,
        name=file.name,
        as_of=file.as_of,
        closed=file.closed,
        host=file.host or file.id,
        quote=file.quote,
        settle=file.settle,
        notes=file.notes,
        sources={row.id: row for row in file.source},
        inclusive=file.margin.threshold == "<=",
        margin_notional=file.margin.notional,
        tables=tuple(row.table(file.margin.schedule) for row in file.margin.table),
        listings=listings_of(file.instrument, where),
        instruments={},
        rules=rules,
        balances=tuple(sorted(row.balance() for row in file.fund.balance)),
        start_coin=file.fund.start_coin,
        start_date=file.fund.start_date,
        open_interest_counts=file.open_interest.counts,
        inventory_limit_frac=file.fund.inventory_limit_frac,
        takeover=(file.vault.takeover_num, file.vault.takeover_den) if file.vault else (2, 3),
        funding=file.funding.rule(),
        points=tuple(_points(file, rules)),
        simplified=file.simplified,
        unverified=tuple(_unverified(table)),
    )
    return profile.on(profile.as_of)


def _rules(file: Any, where: str) -> dict[str, Any]:
    """Return the rules by scenario field; figures of one rule are refused beside another."""
    stated = {param.name: _stated(file, param) for param in VENUE_RULES}
    rules = {param.name: param.absent if stated[param.name] is None else stated[param.name] for param in VENUE_RULES}
    for param in VENUE_RULES:
        if param.only is None:
            continue
        field, users = param.only
        section, _, key = param.venue.rpartition(".")
        place = f"{where} [{section.replace('.', '] [')}]"
        if rules[field] in users and stated[param.name] is None:
            raise ConfigError(f"{place}: key '{key}' is missing; {field} = {rules[field]} needs it")
        if rules[field] not in users and stated[param.name] is not None:
            raise ConfigError(f"{place}: key '{key}' is only for {' or '.join(users)}, not {rules[field]}; remove it")
    return rules


def _stated(file: Any, param: Param) -> Any:
    found = file
    for name in param.venue.split("."):
        found = getattr(found, name, None)
    return found


def _points(file: Any, rules: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the strategy points with value, source and mark."""
    margin, adl = file.margin, file.adl
    yield _point("margin", f"{margin.schedule}, liquidation at equity {margin.threshold} maintenance", margin)
    yield _point("liquidation", rules["liquidation_rule"], file.liquidation)
    if file.fund.drawdown:
        on = f"{rules['drawdown_trigger']}, on at {rules['drawdown_trigger_frac']:g}"
        yield _point("drawdown trigger", on, file.fund.drawdown)
    yield _point("fund", file.fund.rule, file.fund)
    yield _point("cross", rules["cross_allocation"], file.cross)
    yield Point("ranking", rules["ranking"], adl.ranking_source, adl.ranking_mark, adl.note)
    yield Point("close_price", rules["close_price"], adl.close_price_source, adl.close_price_mark, adl.note)
    yield _point("residual", rules["residual_owner"], file.residual)
    yield _point("fee", f"{rules['fee_rate']:g} to {rules['fee_owner']}", file.fee)
    yield _point("mark price", f"{rules['mark_half_life_s']:g} s", file.mark_price)
    yield _point("open interest", file.open_interest.counts, file.open_interest)


def _point(name: str, value: str, section: Cited) -> Point:
    return Point(name, value, section.source, section.mark, section.note)


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
