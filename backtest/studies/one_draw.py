"""One draw: the scenario with its values on the market that all draws share, run, and reduced to its headlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backtest.engine.run import Outcome
from backtest.market.path import MarketPath, with_half_life
from backtest.market.rest import with_rest
from backtest.run.drawn import Headlines
from backtest.run.finished import Finished
from backtest.run.headlines import headlines
from backtest.run.measured import measures
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import Resolved
from backtest.run.simulated import simulated
from backtest.scenario.fields import Scenario
from backtest.schema.coins import REST
from backtest.studies.parameters import Parameter, Value, scenario_of

if TYPE_CHECKING:
    import polars as pl

SEEDS = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawTask:
    """What all draws share: scenario, market, an imported book, what is drawn, its values by draw, size of a book."""

    resolved: Resolved
    market: MarketPath
    positions: pl.DataFrame | None
    parameters: tuple[Parameter, ...]
    values: tuple[Mapping[str, Value], ...]
    book_size: int

    def scenario(self, number: int) -> Scenario:
        """Return the scenario of a draw: its values, the next seed, a book of the size of a draw."""
        base = self.resolved.scenario
        size = min(self.book_size, base.positions)
        seed = (base.seed + number) % SEEDS
        return scenario_of(base, self.parameters, self.values[number]).with_(
            seed=seed, positions=size, queue_not_reached=0
        )


@dataclass(frozen=True, slots=True)
class DrawResult:
    """What a draw leaves: its headlines and, by published fact, the figure compared with it."""

    headlines: Headlines
    compared: Mapping[str, float]


def run_draw(task: DrawTask, number: int) -> DrawResult:
    """Run a draw."""
    done = finished(prepared_draw(task, task.scenario(number)))
    return DrawResult(headlines(done), measures(done, task.resolved.event.compare))


def prepared_draw(task: DrawTask, scenario: Scenario) -> Prepared:
    """Return a scenario prepared on the market that all draws share."""
    market = task.market
    if scenario.mark_half_life_s != task.resolved.scenario.mark_half_life_s:
        market = with_half_life(market, scenario.mark_half_life_s)
    if REST in scenario.simulated_coins:  # its basket and its volume follow the open interest of the draw
        market = with_rest(market, task.resolved.venue.symbol(REST), scenario)
    return prepare(replace(task.resolved, scenario=scenario), task.positions, market)


def finished(prepared: Prepared, outcome: Outcome | None = None) -> Finished:
    """Run a draw that is prepared, without what only tables need, unless its outcome is there."""
    outcome = outcome or simulated(prepared, ahead=False)
    return Finished(prepared.run_id, prepared.market, prepared.book, outcome, prepared.first_bar, {})
