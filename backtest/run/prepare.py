"""A replay prepared: market path, book and world of a resolved scenario; what could not run is refused here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.book.book import PositionBook
from backtest.book.importer import book_of_frame, read_positions
from backtest.book.synthesis import synthesize
from backtest.engine.world import FundingEvent, Positions, World
from backtest.errors import ConfigError, DataError, RangeError
from backtest.market.path import MarketPath, walk_market
from backtest.market.rest import with_rest
from backtest.market.shock import market_of
from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, exact_sum
from backtest.mechanics.feedback import HIGHEST, LOWEST
from backtest.mechanics.path import HIGH, LOW
from backtest.run.exits import draw_exits
from backtest.run.identity import run_id
from backtest.run.resolve import Resolved
from backtest.run.rules import rules_of
from backtest.scenario.fields import Scenario
from backtest.scenario.values import baseline_of
from backtest.schema.coins import REST, is_rest
from backtest.schema.table import MONEY_LIMIT
from backtest.venue.margin_table import MarginSchedule, MarginTable
from backtest.venue.reading import get_venue
from backtest.venue.settlement import coin_px

if TYPE_CHECKING:
    import polars as pl

EXITS = 1  # beside the seed, the key of the generator of voluntary exits
BTC_UNITS = 2.0  # 40x at Hyperliquid, where other large coins have 20x


@dataclass(frozen=True, slots=True, kw_only=True)
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


def prepare(resolved: Resolved, positions: pl.DataFrame | None = None, market: MarketPath | None = None) -> Prepared:
    """Build market path, book and world of a resolved scenario; meaning is checked here."""
    scenario, venue = resolved.scenario, resolved.venue
    market = _market(resolved, market)
    first = market.core_bar if all(profile is not None for profile in market.entry_profiles) else 0
    bars = slice(first, None)
    path = walk_market(market, scenario.intrabar, scenario.mark_half_life_s, first, scenario.step_s)
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
            entry_value=book.entry_value,
            collateral=book.collateral,
            cross=book.cross,
            exempt=book.in_portfolio_margin if scenario.portfolio_margin == "kept" else None,
        ),
        watched=tuple(watched),
        rules=rules_of(scenario, venue, market.bar_s, path.parts, _interest(book, market, mark0), resolved.vaults),
        order_books=tuple(replace(seen, lots=seen.lots[bars]) for seen in market.books),
    )
    world = _with_exits(world, scenario)
    _within_tables(world, HIGHEST if scenario.path == "feedback" else 1)
    baseline = None
    if scenario.path == "feedback":
        plain = replace(resolved, scenario=baseline_of(scenario, resolved.default_scenario))
        baseline = prepare(plain, positions, market).world
    return Prepared(
        resolved=resolved,
        market=market,
        book=book,
        first_bar=first,
        world=world,
        run_id=run_id(resolved, market, book, in_force, world.rules.user_allocation),
        tables=in_force,
        baseline=baseline,
    )


def _with_exits(world: World, scenario: Scenario) -> World:
    """Return the world with voluntary exits, drawn from the seed by a generator of their own."""
    if not scenario.voluntary_exit_frac:
        return world
    ends_s = world.moments[1:] / world.per_second
    rng = np.random.Generator(np.random.PCG64([scenario.seed, EXITS]))
    kept = np.array(world.watched, dtype=np.int64)
    half_life_s = scenario.voluntary_exit_half_life_s
    return replace(world, exits=draw_exits(world.book, scenario.voluntary_exit_frac, half_life_s, ends_s, kept, rng))


def _market(resolved: Resolved, market: MarketPath | None) -> MarketPath:
    """Return the market of the coins with bars, and of the rest of the venue where it is simulated."""
    scenario, venue = resolved.scenario, resolved.venue
    if market is None:
        rows = [row for each in resolved.terms for row in each.rows]
        market = market_of(resolved.event, venue, scenario, rows)
    has_rest = is_rest(market.instruments[-1].symbol)
    if REST in scenario.simulated_coins and not has_rest:
        return with_rest(market, venue.symbol(REST), scenario)
    return market


def ruled(prepared: Prepared, scenario: Scenario) -> Prepared:
    """Return a prepared replay under a scenario that differs in rules of ADL, funds or vaults alone: the same book.

    The run id stays that of the first: it is for what leaves no run folder.
    """
    resolved, world, market = replace(prepared.resolved, scenario=scenario), prepared.world, prepared.market
    interest = _interest(prepared.book, market, world.walk.mark[:, 0])
    rules = rules_of(scenario, resolved.venue, market.bar_s, world.walk.parts, interest, resolved.vaults)
    changed = replace(world, rules=rules)
    _within_tables(changed, HIGHEST if scenario.path == "feedback" else 1)
    return replace(prepared, resolved=resolved, world=changed)


def _fund_at(resolved: Resolved, px: Fraction | None) -> Resolved:
    """Return a scenario whose fund starts with coins, counted at the first mark; its inventory limit follows."""
    if px is None or resolved.fund_coins is None:
        return resolved
    start = float(round(Fraction(str(resolved.fund_coins)) * px * QUANTA_PER_USD) / QUANTA_PER_USD)
    limit = resolved.venue.inventory_limit_frac
    changes = {"fund_start_usd": start}
    if limit is not None and resolved.sources["fund_inventory_limit_usd"] != "given":
        changes["fund_inventory_limit_usd"] = limit * start
    scenario, default = resolved.scenario.with_(**changes), resolved.default_scenario.with_(**changes)
    return replace(resolved, scenario=scenario, default_scenario=default, fund_coins=None)


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
        if REST in scenario.simulated_coins:
            raise ConfigError("rest_of_venue = basket, but a book of your own is the whole venue; set it to none")
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
        highs=market.pre_high, inclusive=inclusive, rng=rng, relative_leverage=_relative_leverage(resolved, tables),
    )  # fmt: skip


def _relative_leverage(resolved: Resolved, tables: Sequence[MarginSchedule]) -> list[float]:
    """Return the highest leverage of each coin at the venue whose book it is, in units in which BTC has 2."""
    scenario, day = resolved.scenario, resolved.event.day
    whose = get_venue(scenario.book_of).on(day) if scenario.book_of else resolved.venue

    def stated(coin: str) -> float:
        return max(whose.table(coin, day)[0].schedule().leverage_limits)

    own = [max(table.leverage_limits) for table in tables]
    highest = own if not scenario.book_of else [stated(coin) for coin in scenario.simulated_coins]
    known = dict(zip(scenario.simulated_coins, highest, strict=True))
    return [BTC_UNITS * each / (known.get("BTC") or stated("BTC")) for each in highest]


def _interest(book: PositionBook, market: MarketPath, mark0: Any) -> list[int]:
    """Return the open interest of each symbol at the first mark, the larger side without watched positions, quanta."""
    out, crowd = [], book.crowd
    for symbol, unit in enumerate(market.instruments):
        sides = [exact_sum(book.lots[crowd & (book.symbol == symbol) & (book.side == side)]) for side in (1, -1)]
        mark = int(mark0[symbol])
        out.append(max(sides) * unit.contract(mark).value_per_lot(mark))
    return out
