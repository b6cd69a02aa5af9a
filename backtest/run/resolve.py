"""A scenario resolved: overrides, event, venue and defaults laid over each other, each value with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backtest.catalogue.events import CrashEvent, get_event
from backtest.errors import ConfigError, UnknownNameError
from backtest.lake.cloud import refresh
from backtest.market.rest import LISTING
from backtest.market.terms import Terms, contract_terms
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.fund import grouped
from backtest.run.event_defaults import event_defaults, halved
from backtest.run.rest_of_venue import Rest, rest_of, with_rest_interest
from backtest.run.vaults import CAPITAL, OneVault, SetVault, refuse_without_capital, vaults_of
from backtest.scenario.fields import BY_NAME, MOST, PARAMS, Scenario
from backtest.scenario.values import build, merge, per_coin
from backtest.scenario.vault_sets import coins_of
from backtest.schema.coins import REST
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue
from backtest.venue.settlement import refuse_mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A scenario with everything it names, and where each value came from.

    ``default_scenario`` is that of event and venue without overrides. ``venue`` lists the coins of the lake that its
    profile lacks too; ``terms`` are those of the scenario's coins. ``headline`` are notes that belong beside the
    headline numbers. ``vault_frac``: the share of the one vault of the event's coins that the scenario's coins have.
    ``event_interest``: the open interest of a side that the event sets, by coin or for each.
    """

    event: CrashEvent
    venue: VenueProfile
    scenario: Scenario
    default_scenario: Scenario
    sources: Mapping[str, str]
    notes: tuple[str, ...]
    terms: tuple[Terms, ...]
    headline: tuple[str, ...] = ()
    vault_frac: float = 1.0
    event_interest: Any = None
    fund_coins: float | None = None  # start of a fund that settles in a coin, until the first mark is known

    @property
    def vaults(self) -> tuple[SetVault, ...]:
        """Return the vaults by coin set, none where there is one vault or none."""
        return vaults_of(self.scenario, self.event.coins, self.event_interest)


def resolve(event_name: str, overrides: Mapping[str, Any]) -> Resolved:
    """Fill in a scenario: overrides, then the event's defaults, the venue's rules, the defaults of the fields.

    Raises
    ------
    UnknownNameError
        For an unknown event, venue or coin, with the near matches.
    ConfigError
        For a value of the wrong shape.
    """
    refresh()
    event = get_event(event_name)
    venue = get_venue(overrides.get("venue") or event.venues[0])
    defaults = event_defaults(event, venue, overrides.get("book_of"))
    venue = venue.on(event.day, str(overrides.get("contract") or defaults.get("contract", "listed")))
    start = venue.fund_start(event.day)
    base = {"event": event.id, "venue": venue.id, "coins": event.coins}
    rules = {**venue.rules, "fund_start_usd": start.amount,
             "fund_inventory_limit_usd": _inventory_limit(venue, start.amount)}  # fmt: skip
    vault = OneVault.of(event, defaults, rules, overrides.get("coins"))
    whole = OneVault(float(defaults.get(CAPITAL, rules[CAPITAL])))
    layer, usual = (defaults if CAPITAL in defaults else rules), defaults.get("vaults", rules["vaults"])
    layer[CAPITAL] = (whole if usual else vault).capital
    default_scenario = build(merge(base, rules, defaults))
    if sets := overrides.get("vaults", usual):  # scaled set by set
        vault = whole
        refuse_without_capital(sets, vault.capital, CAPITAL in defaults or CAPITAL in overrides)
    layer[CAPITAL] = vault.capital
    if "fund_start_usd" in overrides:
        rules["fund_inventory_limit_usd"] = _inventory_limit(venue, _start_of(overrides, event.coins))
        if isinstance(overrides["fund_start_usd"], Mapping):  # the sum over all coins is no default for one
            del rules["fund_start_usd"]
    common = _common(overrides, {**rules, **defaults})
    scenario = build(merge(common, base, rules, defaults, {**overrides, "event": event.id, "venue": venue.id}))
    rest = rest_of(scenario, venue)
    venue, terms = _contracts(venue, scenario, event, coins_of(overrides.get("vaults", ())), rest)
    inverse = any(venue.face(coin) for coin in scenario.coins)
    in_coins = venue.fund_coins(event.day) if inverse and "fund_start_usd" not in overrides else None
    if in_coins is not None:
        source = f"{in_coins.source}: {in_coins.amount:,g} {scenario.coins[0]} at the first mark"
        start = replace(start, source=source, warning=in_coins.warning, of=in_coins.of)
    sources = {}
    for param in PARAMS:
        if getattr(scenario, param.name) != getattr(default_scenario, param.name) and not (
            param.name == CAPITAL and CAPITAL not in overrides  # scaled otherwise than without the given vaults
        ):
            sources[param.name] = "given"
        elif param.name in defaults:
            whose = venue.id if param.rule or not scenario.book_of else scenario.book_of
            sources[param.name] = f"event: {event.reason(whose, param.name)}"
        elif param.name in rules:
            sources[param.name] = start.source if param.name == "fund_start_usd" else "venue profile"
        else:
            sources[param.name] = "event" if param.name in base else "default"
    notes = _size_notes(event, scenario, sources, halved(event, get_venue(scenario.book_of or venue.id)))
    headline = []
    scenario = with_rest_interest(scenario, rest)
    if rest.note:
        sources["rest_of_venue"] = f"{sources['rest_of_venue']}; {rest.note}"
        notes.append(rest.note)
    if sources["fund_start_usd"] == "given":
        headline += [idle] if (idle := _idle_fund(scenario)) else []
    else:
        notes.append(start.warning)
        headline += [start.headline(event.day)] if start.of else []
    if vault.note and sources[CAPITAL] != "given":
        sources[CAPITAL] = f"{sources[CAPITAL]}; {vault.note}"
        notes.append(vault.note)
    shares = [each.note for each in vaults_of(scenario, event.coins, defaults.get("open_interest_usd")) if each.note]
    if shares:
        sources["vaults"] = "; ".join([sources["vaults"], *shares])
        notes += shares
    if venue.closed and event.core_end > venue.closed.at:
        notes.append(f"{venue.id} is {venue.closed.text()}, before the end of {event.id}: its last rules run")
    if venue.id not in event.venues:
        notes.append(f"{venue.id} is not among the venues of the event ({', '.join(event.venues)})")
    notes += [each.warning for each in terms]
    notes += [sentence for each in terms for sentence in each.notes]
    return Resolved(
        event=event,
        venue=venue,
        scenario=scenario,
        default_scenario=default_scenario,
        sources=sources,
        notes=tuple(note[0].upper() + note[1:] + "." for note in notes if note),
        terms=terms,
        headline=tuple(headline),
        vault_frac=vault.frac,
        event_interest=defaults.get("open_interest_usd"),
        fund_coins=None if in_coins is None else in_coins.amount,
    )


def _idle_fund(scenario: Scenario) -> str:
    """Return a note where the fund pays for nothing, whatever its size, and which field works; else an empty text."""
    pays = scenario.fund_takeover != "none" or scenario.liquidation_rule == "fillable_price"
    if pays or EXHAUSTION[scenario.on_exhausted].bearers != "none":
        return ""
    stated = scenario.vaults and all(each.capital_usd is not None for each in scenario.vaults)
    in_vaults = "vaults" if stated else CAPITAL if scenario.vaults or scenario.vault_capital_usd else ""
    works = f"set {in_vaults}: the vault pays there" if in_vaults else "set fund_takeover=bankruptcy too"
    return f"fund_start_usd has no effect at {scenario.venue}, whose fund takes nothing over; {works}"


def _inventory_limit(venue: VenueProfile, fund_start: float) -> float:
    """Return the limit of the fund's inventory in USD: a share of its start, ``MOST`` where the venue has none."""
    share = venue.inventory_limit_frac
    return MOST if share is None else min(share * fund_start, MOST)


def _start_of(overrides: Mapping[str, Any], coins: Sequence[str]) -> float:
    """Return the fund's start in USD, the sum where each coin has its own."""
    start = overrides["fund_start_usd"]
    if not isinstance(start, Mapping):
        return float(start)
    return sum(per_coin(start, coin, "fund_start_usd") for coin in overrides.get("coins", coins))


def _contracts(
    venue: VenueProfile, scenario: Scenario, event: CrashEvent, in_vaults: Sequence[str], rest: Rest
) -> tuple[VenueProfile, tuple[Terms, ...]]:
    """Return the venue with the coins of the lake that it lacks, and the terms of the scenario's coins."""
    named = _named_coins(scenario) + [("vaults", coin) for coin in in_vaults]
    others = [coin for _, coin in named]
    coins = scenario.coins
    if rest.usd is not None:
        coins, listings = (*coins, REST), (*venue.listings, LISTING)
        venue = replace(venue, listings=listings, instruments={**venue.instruments, REST: LISTING})
    venue, terms = contract_terms(venue, coins, event.day, event=event.id, others=others)
    for field, coin in named:
        if coin not in venue.instruments:
            general = {"fund_pools": ["shared", "isolated"], "vaults": ["*"]}.get(field, ["default"])
            raise UnknownNameError(f"coin in {field}", coin, [*general, *venue.instruments])
    refuse_mixed(venue.id, scenario.coins, [bool(venue.face(coin)) for coin in scenario.coins])
    return venue, terms


def _size_notes(event: CrashEvent, scenario: Scenario, sources: Mapping[str, str], both: bool) -> list[str]:
    """Return notes on the open interest: whose it is, how it was counted, that one number holds for each coin."""
    size, book = scenario.open_interest_usd, scenario.book_of or scenario.venue
    if isinstance(size, float) and len(scenario.coins) > 1:
        return [f"open_interest_usd = {size:,.0f} is that of each coin, not of all together"]
    why = sources["open_interest_usd"]
    if why.startswith("event: declared"):
        return [f"open interest of {book}: {event.reason(book, 'open_interest_usd')}"]
    if why.startswith("event: ") and both:
        return [f"the published open interest of {book} counts both sides: each side of the book has half of it"]
    return []


def _common(overrides: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the program's own value of tables per coin that are given for some coins and known for none."""
    tables = [BY_NAME[name] for name, value in overrides.items() if isinstance(value, Mapping) and name not in known]
    return {param.name: param.default for param in tables if isinstance(param.default, Mapping | float)}


def _named_coins(scenario: Scenario) -> list[tuple[str, str]]:
    """Return the coins in tables per coin and in ``fund_pools``, each with the field it stands in."""
    pooled = [coin for group in grouped(scenario.fund_pools) for coin in group]
    for coin in pooled:
        if pooled.count(coin) > 1:
            raise ConfigError(f"fund_pools = '{scenario.fund_pools}' names {coin} twice; a coin has one fund")
    tables = [(p.name, getattr(scenario, p.name)) for p in PARAMS if p.kind in {"per_coin", "mix"}]
    rows = [(name, coin) for name, table in tables if isinstance(table, Mapping) for coin in table if coin != "default"]
    return rows + [("fund_pools", coin) for coin in pooled]
