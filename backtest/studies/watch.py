"""The question ``watch``: what happens to positions of mine in the crowd, over draws and over leverage.

A draw takes its numbers and its seed as those of ``replay --draws`` do. My positions come on top of its crowd, and with
them their copies at other leverages (``watch_copies``); what became of each is read from the record
(``watch_outcome``). Nothing is stored.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from backtest.catalogue.priors import Priors
from backtest.errors import ConfigError, UsageError
from backtest.market.path import with_half_life
from backtest.run.finished import Finished
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import Resolved
from backtest.run.simulated import simulated
from backtest.scenario.watched import WatchedPosition, names_clash
from backtest.studies.crew import Crew, run_here, worker_count
from backtest.studies.draws import BOOK_SIZE, check_size, parameters_for
from backtest.studies.one_draw import DrawTask
from backtest.studies.parameters import draw
from backtest.studies.study import Progress
from backtest.studies.watch_copies import Copy, Market, Packs, interest_of, packs_of
from backtest.studies.watch_outcome import WatchOutcome, WatchPlace, outcomes_of
from backtest.studies.watch_summary import WatchSummary, summaries

if TYPE_CHECKING:
    import polars as pl

DRAWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """Positions to watch: written, or in a file with the columns of a book; draws and leverages wanted.

    ``leverages`` None: those that each coin allows of a dozen from 1 to 50. ``apart``: a run for each leverage, with
    the position in full.
    """

    positions: tuple[WatchedPosition, ...]
    priors: Priors
    file: Path | None = None
    hedged: bool = False
    size: int = DRAWS
    leverages: tuple[float, ...] | None = None
    apart: bool = False
    book_size: int = BOOK_SIZE
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTask:
    """What all draws share: the draws' own task, and the copies by run."""

    draws: DrawTask
    packs: tuple[tuple[Copy, ...], ...]


@dataclass(frozen=True, slots=True)
class WatchDraw:
    """What a draw leaves: copies that could not be open at its first mark are missing."""

    outcomes: tuple[WatchOutcome, ...]
    places: tuple[WatchPlace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The answer: a row a position and leverage, a row a draw of each, a row a wave of each draw, and notes.

    ``shares`` are what part of the open interest of its coin each position is, by name.
    """

    event: str
    venue: str
    start: dt.datetime
    end: dt.datetime
    draws: int
    drawn: int
    book_size: int
    positions: tuple[WatchedPosition, ...]
    shares: Mapping[str, float]
    rows: tuple[WatchSummary, ...]
    outcomes: tuple[WatchOutcome, ...]
    places: tuple[WatchPlace, ...]
    notes: tuple[str, ...]

    @property
    def summary(self) -> pl.DataFrame:
        """Return a row for each position and leverage: probabilities with bounds, medians with bands."""
        return _frame([row.plain() for row in self.rows])

    @property
    def by_draw(self) -> pl.DataFrame:
        """Return a row for each draw, position and leverage."""
        return _frame(list(map(dataclasses.asdict, self.outcomes)))

    @property
    def waves(self) -> pl.DataFrame:
        """Return a row for each wave of each draw: what stood ahead of a position, and what the wave took."""
        return _frame(list(map(dataclasses.asdict, self.places)))


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None)


def run_watch(task: WatchTask, number: int) -> WatchDraw:
    """Run a draw, once for each pack of copies."""
    base, scenario, market = task.draws, task.draws.scenario(number), task.draws.market
    if scenario.mark_half_life_s != base.resolved.scenario.mark_half_life_s:
        market = with_half_life(market, scenario.mark_half_life_s)
    outcomes: list[WatchOutcome] = []
    places: list[WatchPlace] = []
    for pack in task.packs:

        def ready(copies: Sequence[Copy]) -> Prepared:
            watch = tuple(row for copy in copies for row in copy.watches)
            resolved = replace(base.resolved, scenario=scenario.with_(watch=watch))
            return prepare(resolved, base.positions, market)

        prepared, held = standing(ready, pack)
        if not held:
            continue
        outcome = simulated(prepared, ahead=False)
        done = Finished(prepared.run_id, prepared.market, prepared.book, outcome, prepared.first_bar, {})
        found, stood = outcomes_of(done, held, number + 1, scenario.seed)
        outcomes += found
        places += stood
    return WatchDraw(tuple(outcomes), tuple(places))


def standing(ready: Callable[[Sequence[Copy]], Prepared], pack: Sequence[Copy]) -> tuple[Prepared, tuple[Copy, ...]]:
    """Return the run of a draw with those copies that can be open at its first mark, in nearly every draw all."""
    try:
        return ready(pack), tuple(pack)
    except ConfigError as error:
        if "in breach" not in str(error):
            raise
    market = Market.of(ready(()))
    held = tuple(copy for copy in pack if _stands(market, copy))
    return ready(held), held


def _stands(market: Market, copy: Copy) -> bool:
    try:
        market.check(copy.watches)
    except ConfigError:
        return False
    return True


def watch(
    resolved: Resolved, overrides: Mapping[str, Any], request: WatchRequest, progress: Progress | None = None
) -> Watched:
    """Watch positions of mine in the crowd of an event.

    Parameters
    ----------
    resolved
        The scenario; positions that it watches are watched too.
    overrides
        Fields that the user gave; they are not drawn.

    Raises
    ------
    ConfigError
        No position, or one that cannot be held, or too large for the crowd to be what it was.
    UsageError
        A number of draws without a band, or wrong leverages.
    """
    if not request.size:
        raise UsageError("--draws 0: watch counts how often over draws; allowed are 2 to 10,000")
    check_size(request.size)
    written = (*resolved.scenario.watch, *request.positions)
    size = min(request.book_size, resolved.scenario.positions)
    bare = replace(resolved, scenario=resolved.scenario.with_(watch=(), positions=size))
    prepared = prepare(bare)
    market = Market.of(prepared)
    mine = _named((*written, *_of_file(request, market)))
    packs = packs_of(market, mine, request.leverages, apart=request.apart)
    parameters = parameters_for(request.priors, bare, overrides)
    task = WatchTask(
        draws=DrawTask(
            resolved=bare,
            market=replace(prepared.market, actual=cast(Any, None)),
            positions=None,
            parameters=parameters.rows,
            values=tuple(draw(parameters.rows, bare, request.size, request.priors.accepted)),
            book_size=size,
        ),
        packs=packs.packs,
    )
    return _answer(prepared, market, mine, packs, task, request, parameters.notes, _run(task, request, progress))


def _run(task: WatchTask, request: WatchRequest, progress: Progress | None) -> list[WatchDraw]:
    workers = worker_count(request.size) if request.workers is None else request.workers
    if workers < 2:
        return run_here(run_watch, task, request.size, "draw", progress)
    with Crew(run_watch, task, request.size, workers, "draw") as crew:
        return crew.results(progress)


def _of_file(request: WatchRequest, market: Market) -> tuple[WatchedPosition, ...]:
    if request.file is None:
        return ()
    from backtest.book.mine import read_mine

    prepared = market.prepared
    return read_mine(
        request.file, prepared.market.instruments, market.schedules, prepared.world.walk.mark[:, 0],
        inclusive=prepared.resolved.venue.inclusive, hedged=request.hedged,
    )  # fmt: skip


def _named(watches: Sequence[WatchedPosition]) -> tuple[WatchedPosition, ...]:
    """Return positions with names of their own: a second isolated one of a name is numbered.

    Raises
    ------
    ConfigError
        There is none, or names clash.
    """
    if not watches:
        raise ConfigError('no position to watch; give --position "short 20000 SOL @ 221.5, 12x" or --positions FILE')
    out: list[WatchedPosition] = []
    seen: dict[str, int] = {}
    for each in watches:
        count = seen[each.name] = seen.get(each.name, 0) + 1
        again = count > 1 and each.margin_mode == "isolated"
        out.append(msgspec.structs.replace(each, name=f"{each.name} ({count})") if again else each)
    if clash := names_clash(out):
        raise ConfigError(clash)
    return tuple(out)


def _answer(
    prepared: Prepared,
    market: Market,
    mine: tuple[WatchedPosition, ...],
    packs: Packs,
    task: WatchTask,
    request: WatchRequest,
    notes: Sequence[str],
    found: Sequence[WatchDraw],
) -> Watched:
    outcomes = tuple(row for each in found for row in each.outcomes)
    interest = interest_of(prepared)
    shares: dict[str, float] = {}
    for each in mine:
        known = interest[market.pair(each)]
        shares[each.name] = shares.get(each.name, 0.0) + (market.usd(each) / known if known else 0.0)
    walk, bars = prepared.world.walk, prepared.market.open_ts[prepared.first_bar :]
    end = int(bars[walk.bar[-1]]) + prepared.world.bar_s * 1_000_000
    return Watched(
        event=prepared.resolved.event.id,
        venue=prepared.resolved.venue.id,
        start=_time(int(bars[0])),
        end=_time(end),
        draws=request.size,
        drawn=len(dict.fromkeys(parameter.prior for parameter in task.draws.parameters)),
        book_size=task.draws.book_size,
        positions=mine,
        shares=shares,
        rows=tuple(summaries(outcomes)),
        outcomes=outcomes,
        places=tuple(row for each in found for row in each.places),
        notes=(*packs.notes, *notes, *_short(outcomes, task, request.size)),
    )


def _short(outcomes: Sequence[WatchOutcome], task: WatchTask, size: int) -> list[str]:
    """Return a note where copies were in breach at the first mark of some draws."""
    counts: dict[tuple[str, float, bool], int] = {}
    for row in outcomes:
        key = row.position, row.leverage, row.own
        counts[key] = counts.get(key, 0) + 1
    missing = sum(
        size - counts.get((copy.position, copy.leverage, copy.own), 0) for pack in task.packs for copy in pack
    )
    return (
        [f"in breach at the first mark of a draw and not in it: {missing} of all copies and draws"] if missing else []
    )


def _time(micros: int) -> dt.datetime:
    return cast(dt.datetime, np.datetime64(micros, "us").astype(dt.datetime))
