"""A replay: resolve the scenario, prepare market and book, run the engine, write the run folder."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.assets import asset, runs_folder
from backtest.book.book import PositionBook
from backtest.book.importer import book_of_frame, read_positions
from backtest.book.synthesis import synthesize
from backtest.catalogue.events import CrashEvent, get_event
from backtest.engine.prices import flow_of
from backtest.engine.run import Progress, simulate
from backtest.engine.world import FundingEvent, Positions, World
from backtest.errors import ConfigError, DataError, RangeError, RunError, UnknownNameError
from backtest.market.path import MarketPath, build_market, walk_market
from backtest.market.terms import Terms, contract_terms
from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, exact_sum
from backtest.mechanics.feedback import HIGHEST, LOWEST, Feedback, decay_e9
from backtest.mechanics.fund import grouped
from backtest.mechanics.path import HIGH, LOW
from backtest.run.rules import rules_of
from backtest.run.run import Run, write_run
from backtest.scenario.fields import BY_NAME, MOST, PARAMS, Scenario
from backtest.scenario.reading import check_values
from backtest.scenario.values import baseline_of, build, merge, per_coin
from backtest.schema.tables import MONEY_LIMIT
from backtest.venue.margin_table import MarginTable
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue
from backtest.venue.settlement import coin_px, refuse_mixed

if TYPE_CHECKING:
    import polars as pl

IDENTITY = ("numpy", "polars", "pyarrow")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scenario with everything it names, and where each value came from; ``untouched`` is that of nothing given.

    ``venue`` lists the coins of the lake that its profile lacks; ``terms`` are those of the scenario's coins.
    """

    event: CrashEvent
    venue: VenueProfile
    scenario: Scenario
    untouched: Scenario
    sources: Mapping[str, str]
    flags: tuple[str, ...]
    terms: tuple[Terms, ...]
    fund_coins: float | None = None  # start of a fund that settles in a coin, until the first mark is known


@dataclass(frozen=True, slots=True)
class Prepared:
    """A replay ready to run; ``baseline`` is the world that runs on the tape first where the path is feedback.

    ``tables`` are the margin tables in force, by symbol.
    """

    resolved: Resolved
    market: MarketPath
    book: PositionBook
    first_bar: int
    world: World
    run_id: str
    tables: tuple[MarginTable, ...]
    baseline: World | None = None


def resolve(event_name: str, given: Mapping[str, Any]) -> Resolved:
    """Fill in a scenario: what is given, then the event's defaults, the venue's rules, the program's defaults.

    Raises
    ------
    UnknownNameError
        For an unknown event, venue or coin, with the near matches.
    ConfigError
        For a value of the wrong shape.
    """
    event = get_event(event_name)
    venue = get_venue(given.get("venue") or event.venues[0])
    defaults = _defaults(event, venue.id, given.get("book_of"))
    venue = venue.on(event.day, str(given.get("contract") or defaults.get("contract", "listed")))
    start = venue.fund_start(event.day)
    rules = {**venue.rules, "fund_start_usd": start.amount}
    share = venue.inventory_limit_frac
    basis = given.get("fund_start_usd", start.amount)
    if isinstance(basis, Mapping):  # a sum for each coin
        basis = sum(per_coin(basis, coin, "fund_start_usd") for coin in given.get("coins", event.coins))
    rules["fund_inventory_limit_usd"] = MOST if share is None else min(share * basis, MOST)
    base = {"event": event.id, "venue": venue.id, "coins": event.coins}
    untouched = build(merge(base, rules, defaults))
    if isinstance(given.get("fund_start_usd"), Mapping):  # the sum over all coins is no default for one
        del rules["fund_start_usd"]
    named = {**given, "event": event.id, "venue": venue.id}
    scenario = build(merge(_common(given, {**rules, **defaults}), base, rules, defaults, named))
    per_coin_names = _named_coins(scenario)
    venue, terms = contract_terms(
        venue, scenario.coins, event.day, event=event.id, others=[coin for _, coin in per_coin_names]
    )
    for name, coin in per_coin_names:
        if coin not in venue.instruments:
            words = ["shared", "isolated"] if name == "fund_pools" else ["default"]
            raise UnknownNameError(f"coin in {name}", coin, [*words, *venue.instruments])
    inverse = [bool(venue.face(coin)) for coin in scenario.coins]
    refuse_mixed(venue.id, scenario.coins, inverse)
    in_coins = venue.fund_coins(event.day) if any(inverse) and "fund_start_usd" not in given else None
    if in_coins is not None:
        source = f"{in_coins.source}: {in_coins.amount:,g} {scenario.coins[0]} at the first mark"
        start = replace(start, source=source, warning=in_coins.warning)
    sources = {}
    for param in PARAMS:
        if getattr(scenario, param.name) != getattr(untouched, param.name):
            sources[param.name] = "given"
        elif param.name in defaults:
            whose = venue.id if param.rule or not scenario.book_of else scenario.book_of
            sources[param.name] = f"event: {event.reason(whose, param.name)}"
        elif param.name in rules:
            sources[param.name] = start.source if param.name == "fund_start_usd" else "venue profile"
        else:
            sources[param.name] = "event" if param.name in base else "default"
    notes = _size_notes(event, scenario, sources)
    notes += [start.warning] if sources["fund_start_usd"] != "given" else []
    if venue.id not in event.venues:
        notes.append(f"{venue.id} is not among the venues of the event ({', '.join(event.venues)})")
    notes += [each.warning for each in terms]
    notes += [sentence for each in terms for sentence in each.notes]
    untouched = untouched.with_(fund_inventory_limit_usd=MOST if share is None else min(share * start.amount, MOST))
    flags = tuple(note[0].upper() + note[1:] + "." for note in notes if note)
    fund_coins = None if in_coins is None else in_coins.amount
    return Resolved(event, venue, scenario, untouched, sources, flags, terms, fund_coins)


def _size_notes(event: CrashEvent, scenario: Scenario, sources: Mapping[str, str]) -> list[str]:
    """Say what a reader could mistake about the open interest: whose it is, and that a single number is each coin's."""
    size, book = scenario.open_interest_usd, scenario.book_of or scenario.venue
    if isinstance(size, float) and len(scenario.coins) > 1:
        return [f"open_interest_usd = {size:,.0f} is that of each coin, not of all together"]
    if sources["open_interest_usd"].startswith("event: declared"):
        return [f"open interest of {book}: {event.reason(book, 'open_interest_usd')}"]
    return []


def _defaults(event: CrashEvent, venue: str, book_of: str | None) -> dict[str, Any]:
    """Return the event's defaults at a venue; with ``book_of`` those that are no rule are another venue's."""
    own = event.default(venue)
    if book_of is None:
        return own
    other = event.default(get_venue(book_of).id)
    rules = {name: value for name, value in own.items() if BY_NAME[name].rule}
    return {**{name: value for name, value in other.items() if not BY_NAME[name].rule}, **rules}


def _common(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the program's own value of tables per coin that are given for some coins and known for none."""
    tables = [BY_NAME[name] for name, value in given.items() if isinstance(value, Mapping) and name not in known]
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


def prepare(resolved: Resolved, positions: pl.DataFrame | None = None, market: MarketPath | None = None) -> Prepared:
    """Build market path, book and world of a resolved scenario; meaning is checked here."""
    scenario, venue, event = resolved.scenario, resolved.venue, resolved.event
    market = market or build_market(event, venue, scenario, [row for each in resolved.terms for row in each.rows])
    first = market.core_bar if all(profile is not None for profile in market.entry_profiles) else 0
    bars = slice(first, None)
    path = walk_market(market, scenario.intrabar, scenario.mark_half_life_s, first)
    if not path.mark.size:
        raise ConfigError("the window holds no bar to walk; give a wider start and end")
    mark0 = path.mark[:, 0]
    if not mark0.all():
        which = market.instruments[int(np.argmin(mark0))].symbol
        raise DataError(f"{which}: the first mark of the run is zero and gives no book a size; set another start")
    px = coin_px(market.instruments, mark0.tolist())
    resolved = _fund_at(resolved, px)
    scenario = resolved.scenario
    first_px = [int(mark) * Fraction(unit.mark_quantum) for mark, unit in zip(mark0, market.instruments, strict=True)]
    in_force = tuple(terms.at(first) for terms, first in zip(resolved.terms, first_px, strict=True))
    tables = [table.schedule(px or Fraction(1)) for table in in_force]
    book = _book(resolved, market, tables, mark0, positions)
    watched = [row for account in book.watched for row in np.flatnonzero(book.account_id == account).tolist()]
    world = World(
        symbols=tuple(unit.symbol for unit in market.instruments),
        contracts=tuple(unit.contract(mark) for unit, mark in zip(market.instruments, mark0.tolist(), strict=True)),
        mark_per_tick=tuple(unit.mark_per_tick for unit in market.instruments),
        tiers=tuple(schedule for schedule, _ in tables),
        walk=path,
        bar_s=market.bar_s,
        trade_low=market.trade[:, bars, LOW],
        trade_high=market.trade[:, bars, HIGH],
        volume=market.volume_lots[:, bars],
        funding=tuple(
            FundingEvent(bar=due.bar - first, symbol=due.symbol, rate_e9=due.rate_e9, oracle=due.oracle)
            for due in market.funding
            if due.bar >= first
        ),
        book=Positions(
            account=book.account_id,
            symbol=book.symbol,
            side=book.side,
            lots=book.lots,
            entry_value=book.cost,
            collateral=book.wallet,
            cross=book.cross,
        ),
        watched=tuple(watched),
        rules=rules_of(scenario, venue, market.bar_s, path.parts, _interest(book, market, mark0)),
        order_books=tuple(replace(seen, lots=seen.lots[bars]) for seen in market.books),
    )
    _within_tables(world, HIGHEST if scenario.path == "feedback" else 1)
    baseline = None
    if scenario.path == "feedback":
        plain = replace(resolved, scenario=baseline_of(scenario, resolved.untouched))
        baseline = prepare(plain, positions, market).world
    return Prepared(
        resolved, market, book, first, world, _identity(resolved, market, book, in_force), in_force, baseline
    )


def _fund_at(resolved: Resolved, px: Fraction | None) -> Resolved:
    """Return a scenario whose fund starts with coins, counted at the first mark; its inventory limit follows."""
    if px is None or resolved.fund_coins is None:
        return resolved
    start = float(round(Fraction(str(resolved.fund_coins)) * px * QUANTA_PER_USD) / QUANTA_PER_USD)
    limit = resolved.venue.inventory_limit_frac
    changes = {"fund_start_usd": start}
    if limit is not None and resolved.sources["fund_inventory_limit_usd"] != "given":
        changes["fund_inventory_limit_usd"] = limit * start
    scenario, untouched = resolved.scenario.with_(**changes), resolved.untouched.with_(**changes)
    return replace(resolved, scenario=scenario, untouched=untouched, fund_coins=None)


def _within_tables(world: World, most: int) -> None:
    """Refuse a world whose money could leave the DECIMAL(18,6) of the result tables, before it is simulated.

    Prices reach at most ``most`` times those of the bars.
    """
    rules = world.rules
    pools = abs(rules.fund_start) + (rules.vault.capital if rules.vault else 0)
    for symbol, name in enumerate(world.symbols):
        held, contract, ticks = world.book.held(symbol), world.contracts[symbol], world.mark_per_tick[symbol]
        lots = exact_sum(world.book.lots[held])
        marks, trades = world.walk.mark[symbol], ticks * world.trade_high[symbol]
        top = max(contract.value_per_lot(most * int(marks.max())), contract.value_per_lot(most * int(trades.max())))
        if contract.numerator:  # worth most at the lowest price
            least = min(int(marks.min()), ticks * int(world.trade_low[symbol].min()))
            top = contract.value_per_lot(-(-least // (LOWEST if most > 1 else 1)))
        events = [(abs(event.rate_e9), event.oracle) for event in world.funding if event.symbol == symbol]
        paid = sum(rate * max(top, contract.value_per_lot(oracle) if oracle else 0) for rate, oracle in events)
        reach = pools + 2 * max(lots * top, exact_sum(world.book.entry_value[held])) + lots * paid // RATE_ONE
        if reach >= MONEY_LIMIT:
            raise RangeError(
                f"{name}: lots x price with fund and vault reaches {reach / MONEY_LIMIT:.3g} times the exact range of "
                f"the result tables, 1e12 USD"
                f"{' of coins at the first mark' if contract.numerator else ''}; use a smaller open "
                "interest, fund or vault"
            )


def _book(
    resolved: Resolved, market: MarketPath, tables: list[Any], mark0: Any, positions: pl.DataFrame | None
) -> PositionBook:
    scenario, inclusive = resolved.scenario, resolved.venue.inclusive
    if positions is not None or scenario.positions_file:
        options: dict[str, Any] = {
            "inclusive": inclusive, "balance_with_market": scenario.balance_with_market, "watches": scenario.watch,
        }  # fmt: skip
        if positions is not None:
            return book_of_frame(
                positions, market.instruments, tables, mark0, where="positions", first_row=1, **options
            )
        return read_positions(Path(scenario.positions_file or ""), market.instruments, tables, mark0, **options)
    rng = np.random.Generator(np.random.PCG64(scenario.seed))
    return synthesize(
        scenario, market.instruments, tables, mark0, profiles=market.entry_profiles, lows=market.pre_low,
        highs=market.pre_high, inclusive=inclusive, rng=rng,
    )  # fmt: skip


def _interest(book: PositionBook, market: MarketPath, mark0: Any) -> list[int]:
    """Return the open interest of each symbol at the first mark, the larger side, in quanta."""
    out = []
    for symbol, unit in enumerate(market.instruments):
        sides = [exact_sum(book.lots[(book.symbol == symbol) & (book.side == side)]) for side in (1, -1)]
        mark = int(mark0[symbol])
        out.append(max(sides) * unit.contract(mark).value_per_lot(mark))
    return out


def code_digest() -> str:
    """Return the digest of the sources that decide results: layers 0 to 7."""
    package = Path(__file__).parents[1]
    above = {"studies", "report", "cli", "_assets"}
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] not in above and relative.name not in {"plots.py", "summary.py", "__main__.py"}:
            digest.update(relative.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _identity(resolved: Resolved, market: MarketPath, book: PositionBook, tables: tuple[MarginTable, ...]) -> str:
    scenario = resolved.scenario
    imported = book.digest if book.label == "imported" else ""
    profile = hashlib.sha256(asset("data", "venues", f"{resolved.venue.id}.toml").read_bytes()).hexdigest()
    canonical = scenario.with_(positions_file=imported or None).canonical().decode()  # contents, not the place
    event = hashlib.sha256(repr(resolved.event).encode()).hexdigest()
    parts = [canonical, market.digest, imported, profile, event, repr(tables), code_digest()]
    parts += [f"{name}={version(name)}" for name in IDENTITY]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def execute(prepared: Prepared, progress: Progress | None = None, fresh: bool = False) -> Run:
    """Run a prepared replay and return it opened; identical inputs give the folder that is already there."""
    from backtest.run.tables import Finished, result_tables

    folder = runs_folder() / prepared.run_id
    if not fresh and folder.is_dir():
        try:
            run = Run(folder)
            if run.run_id == prepared.run_id:
                return run
        except RunError:
            pass  # a broken folder is written again
    began = time.time()
    outcome = simulate(prepared.world if prepared.baseline is None else _displaced(prepared, progress), progress)
    simulated = time.time()
    from backtest.run.describe import facts_of, meta_of

    facts = facts_of(prepared, code_digest())
    done = Finished(prepared.run_id, prepared.market, prepared.book, outcome, prepared.first_bar, facts)
    tables = result_tables(done)
    log = {"began": dt.datetime.fromtimestamp(began, dt.UTC).isoformat(), "engine_s": round(simulated - began, 3),
           "tables_s": round(time.time() - simulated, 3)}  # fmt: skip
    return Run(write_run(tables, meta_of(prepared, facts), log))


def _displaced(prepared: Prepared, progress: Progress | None) -> World:
    """Run the baseline on the tape; return the world with what its flow was."""
    world, baseline, scenario = prepared.world, prepared.baseline, prepared.resolved.scenario
    assert baseline is not None
    flow = flow_of(simulate(baseline, progress).record, len(world.symbols), world.steps)
    rules, left = baseline.rules, decay_e9(scenario.feedback_half_life_s, world.bar_s)
    feedback = Feedback(left, scenario.max_rounds, flow.forced, flow.total, rules.impact, rules.strength, rules.scale)
    return replace(world, feedback=feedback)


def replay(
    event: str = "2025-10-10", *, positions: pl.DataFrame | int | None = None, fresh: bool = False, **fields: Any
) -> Run:
    """Replay a crash and return the run.

    Parameters
    ----------
    event
        Id, date or alias of the catalogue.
    positions
        A book as a polars frame with the columns of an imported file, or the size of the synthetic one.
    fresh
        Simulate even if an identical run is on disk.
    **fields
        Scenario fields, see ``crashbook params``.
    """
    if isinstance(positions, int):
        fields["positions"], positions = positions, None
    values = check_values({key: value for key, value in fields.items() if value is not None}, "replay()")
    return execute(prepare(resolve(event, values), positions), fresh=fresh)


__all__ = ["Prepared", "Resolved", "execute", "prepare", "replay", "resolve"]
