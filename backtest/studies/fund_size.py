"""How large a fund or vault would have to be: ADL against its size on the same draws, and the fall that exhausts it.

Each draw has its own smallest size without ADL. It is read off one run whose pool is beyond all need and proven by
two more (``fund_search``). Runs share their path until the smaller size is bound (``fund_runs``), and sizes beyond one
that is never bound are not run. A larger fund takes other positions over and may be deleveraged later for more, so ADL
need not fall with size: a grid of sizes is run, and draws in which ADL comes back at a larger size are counted. At the
given size floor, trigger and stop are varied too (``fund_rules``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.catalogue.events import get_event
from backtest.catalogue.priors import Priors
from backtest.errors import UsageError
from backtest.market.shock import shocked
from backtest.mechanics.exact import QUANTA_PER_USD, Floats
from backtest.run.prepare import Prepared, ruled
from backtest.run.resolve import Resolved, resolve
from backtest.studies.crew import Crew, run_here, worker_count
from backtest.studies.draws import BOOK_SIZE, check_size
from backtest.studies.fund_rules import RULES, FundRule, RuleAnswer, RuleDraw, answers, fund_rules, tightest
from backtest.studies.fund_runs import Course, Tried, course, ended, in_world, result
from backtest.studies.fund_search import TOLERANCE, bisected, needed, sought
from backtest.studies.markets import Markets
from backtest.studies.one_draw import DrawTask, prepared_draw
from backtest.studies.paired import AS_IT_IS, DRAWS, PairedRequest, task_of
from backtest.studies.pool import CAUSES, SIZED, Pool, adl_by_cause
from backtest.studies.study import Progress

if TYPE_CHECKING:
    import polars as pl

SHARE = 0.99  # of the draws that shall have no ADL
STEP = math.sqrt(10)  # between two sizes of the grid
BELOW = 10  # the smallest size of the grid is this part of the given one
SHOCKS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
SHOCK_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRequest:
    """A size wanted: the event, fields given, share of draws without ADL, draws (0: the scenario as it is, once).

    ``shock``: whether to find the fall that exhausts the given size too. ``workers`` None: one a processor.
    """

    event: str
    given: Mapping[str, Any]
    priors: Priors
    no_adl: float = SHARE
    draws: int = DRAWS
    book_size: int = BOOK_SIZE
    shock: bool = False
    workers: int | None = None
    positions: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class FundTask:
    """What all draws share: the draws, the pool, sizes of the grid in USD, rules varied, whether the fall is, too."""

    task: DrawTask
    pool: Pool
    sizes: tuple[float, ...]
    rules: tuple[FundRule, ...]
    shock: bool


@dataclass(frozen=True, slots=True)
class FundDraw:
    """What a draw leaves: the grid, the given size, its smallest sufficient size and its smallest fall.

    ``smallest_usd`` is the smallest size above which no size tried has ADL that a larger pool prevents: infinite where
    the largest one has, the smallest of the grid where none has. ``shock`` is infinite where the deepest fall tried
    leaves money, None where it was not sought. ``rules`` are what was found of floor, trigger and stop.
    """

    grid: tuple[Tried, ...]
    given: Tried
    smallest_usd: float
    shock: float | None
    rules: tuple[RuleDraw, ...] = ()

    @property
    def comes_back(self) -> bool:
        """Return whether preventable ADL is there at a size of the grid above one that has none."""
        there = [each.preventable_usd > 0 for each in self.grid]
        return any(later and not earlier for earlier, later in pairwise(there))

    @property
    def rises(self) -> bool:
        """Return whether ADL is larger at some size of the grid than at the one below."""
        return any(later.adl_usd > earlier.adl_usd for earlier, later in pairwise(self.grid))

    @property
    def remains(self) -> bool:
        """Return whether ADL remains at the largest size."""
        return self.grid[-1].adl_usd > 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FundSize:
    """The answer: the sizes of the grid, what each draw found, and the rules of the fund that were varied."""

    resolved: Resolved
    pool: Pool
    no_adl: float
    sizes: tuple[float, ...]
    draws: tuple[FundDraw, ...]
    varied: tuple[FundRule, ...]
    positions: int
    drawn: int

    @property
    def sufficient_usd(self) -> float:
        """Return the smallest size without ADL that a larger one prevents, in the wanted share of the draws."""
        return order_statistic([draw.smallest_usd for draw in self.draws], self.no_adl)

    @property
    def needed_usd(self) -> float:
        """Return the smallest size without any ADL in the wanted share of the draws; infinite if no size has it."""
        found = [math.inf if draw.remains else draw.smallest_usd for draw in self.draws]
        return order_statistic(found, self.no_adl)

    @property
    def rules(self) -> list[RuleAnswer]:
        """Return the tightest floor, trigger and stop without any ADL in the wanted share of the draws."""
        found = [draw.rules for draw in self.draws]
        return answers(self.varied, found, self.resolved.scenario, lambda values: order_statistic(values, self.no_adl))

    @property
    def adl(self) -> Floats:
        """Return ADL in USD, shape (sizes, draws)."""
        return np.array([[draw.grid[k].adl_usd for draw in self.draws] for k in range(len(self.sizes))])

    def causes(self, size: int | None = None) -> dict[str, float]:
        """Return ADL of all draws by cause in USD, of a size of the grid or (None) the given one."""
        found = [draw.given if size is None else draw.grid[size] for draw in self.draws]
        return {cause: total for cause in CAUSES if (total := sum(each.causes.get(cause, 0.0) for each in found))}


def order_statistic(values: list[float], share: float) -> float:
    """Return the smallest of the values that at least a share of them does not exceed.

    Examples
    --------
    Three of four are at most 8; all are at most infinity.

    >>> order_statistic([1.0, 8.0, math.inf, 2.0], 0.75), order_statistic([1.0, 8.0, math.inf, 2.0], 0.99)
    (8.0, inf)
    """
    return sorted(values)[max(math.ceil(share * len(values) - 1e-9), 1) - 1]


def fund_size(request: FundRequest, progress: Progress | None = None) -> FundSize:
    """Run the draws at all sizes and return what they found.

    Raises
    ------
    UsageError
        The share is not between 0 and 1, or there is no fund, vault or ADL to speak of.
    """
    if not 0 < request.no_adl < 1:
        raise UsageError(f"--no-adl {request.no_adl:g}: allowed is a share between 0 and 1, such as 0.99")
    check_size(request.draws, AS_IT_IS)
    get_event(request.event)
    resolved = resolve(request.event, request.given)
    market = Markets().of(resolved)
    paired = PairedRequest(
        event=request.event, given=request.given, alternatives=(), priors=request.priors, draws=request.draws,
        book_size=request.book_size, positions=request.positions,
    )  # fmt: skip
    task = task_of(paired, resolved, market, (*SIZED, *(name for names in RULES.values() for name in names)))
    ready = prepared_draw(task, task.scenario(0))
    if resolved.fund_coins is not None:  # counted at the first mark
        start = {name: getattr(ready.resolved.scenario, name) for name in SIZED[:2]}
        resolved = replace(resolved, scenario=resolved.scenario.with_(**start), fund_coins=None)
        task = replace(task, resolved=resolved)
    pool = Pool.of(ready)
    interest = interest_of(ready)
    sizes, rules = grid(pool.size_usd, interest), fund_rules(ready, pool, interest)
    whole, count = FundTask(task, pool, sizes, rules, request.shock), max(request.draws, 1)
    workers = worker_count(count) if request.workers is None else request.workers
    if workers < 2:
        draws = run_here(run_sizes, whole, count, "draw", progress)
    else:
        with Crew(run_sizes, whole, count, workers, "draw") as crew:
            draws = crew.results(progress)
    return FundSize(
        resolved=resolved,
        pool=pool,
        no_adl=request.no_adl,
        sizes=sizes,
        draws=tuple(draws),
        varied=rules,
        positions=min(task.book_size, resolved.scenario.positions),
        drawn=len(task.parameters),
    )


def grid(given: float, largest: float) -> tuple[float, ...]:
    """Return sizes to three digits, evenly in their logarithm, the given one among them, up to one beyond ``largest``.

    Examples
    --------
    >>> grid(100.0, 2000.0)
    (10.0, 31.6, 100.0, 316.0, 1000.0, 3160.0)
    """
    count = max(math.ceil(math.log(largest / given) / math.log(STEP)), 1)
    below = round(math.log(BELOW) / math.log(STEP))
    return tuple(given if k == 0 else float(f"{given * STEP**k:.3g}") for k in range(-below, count + 1))


def interest_of(prepared: Prepared) -> float:
    """Return the open interest of a side at the first mark in USD: more than this no fund can lose to one side."""
    book, world = prepared.book, prepared.world
    marks = world.walk.mark[:, 0]
    value = book.lots * world.values_per_lot(book.symbol, marks[book.symbol])
    return max(int(value[book.side == side].sum()) for side in (1, -1)) / QUANTA_PER_USD


def run_sizes(task: FundTask, number: int) -> FundDraw:
    """Run a draw at every size of the grid, seek its smallest size without ADL and, if wanted, its smallest fall."""
    scenario = task.task.scenario(number)
    prepared = prepared_draw(task.task, scenario)

    def of_size(size: float) -> Prepared:
        resolved = replace(prepared.resolved, scenario=scenario)
        return ruled(prepared, task.pool.scaled(resolved, size))

    def start(size: float) -> float:
        return Pool.of(of_size(size)).size_usd

    courses: list[Course] = []  # of rising sizes, each going on from where the one below was bound
    found: list[Tried] = []
    for size in task.sizes:
        courses.append(course(of_size(size), courses[-1].before if courses else None))
        found.append(result(ended(courses[-1])))
        if courses[-1].free:  # so are all larger ones
            break
    top, most = ended(courses[-1]), of_size(task.sizes[-1])
    largest = found[-1]
    if courses[-1].free:  # the run of every larger size, but for the cash that lies in the pool
        largest = result(in_world(top, most))
        beyond = task.sizes[len(courses) - 1 : -1]
        found = [*found[:-1], *(largest.larger(start(size) - start(task.sizes[-1])) for size in beyond), largest]

    def binds(size: float) -> bool:
        smaller = [each.before for each, its in zip(courses, task.sizes, strict=False) if its <= size]
        one = course(of_size(size), smaller[-1] if smaller else None, until=lambda cause: cause.of_size, copies=False)
        return one.s is None or any(CAUSES[cause].of_size for cause in adl_by_cause(one.s))

    smallest = math.inf
    if not largest.preventable_usd:
        smallest = sought(needed(top, most.world.rules), task.sizes[0], task.sizes[-1], binds)
    above = [k for k, each in enumerate(found) if each.preventable_usd and task.sizes[k] >= smallest]
    if above:  # a size beyond has ADL again: what decides it has no single size
        low, high = task.sizes[above[-1]], task.sizes[above[-1] + 1]
        smallest = bisected(low, high, lambda size: not binds(size), TOLERANCE)
    at = task.sizes.index(task.pool.size_usd)
    given, run, prepared_given = found[at], courses[min(at, len(courses) - 1)], of_size(task.pool.size_usd)
    if run.free:
        run = replace(run, s=in_world(ended(run), prepared_given))
    shock = smallest_shock(task, number, given) if task.shock else None
    rules = tuple(tightest(rule, prepared_given, run) for rule in task.rules)
    return FundDraw(tuple(found), given, smallest, shock, rules)


def smallest_shock(task: FundTask, number: int, given: Tried) -> float:
    """Return the smallest factor on the fall that exhausts the given pool, to ``SHOCK_TOLERANCE``; infinite if none."""
    scenario, market = task.task.scenario(number), task.task.market
    half_life = task.task.resolved.scenario.mark_half_life_s

    def exhausts(factor: float) -> bool:
        deeper = replace(task.task, market=shocked(market, factor, half_life))
        s = course(prepared_draw(deeper, scenario), until=lambda cause: cause.empties, copies=False).s
        return s is None or result(s).exhausted

    at = SHOCKS.index(1.0)
    if given.exhausted:
        while at and exhausts(SHOCKS[at - 1]):
            at -= 1
        if not at:
            return 0.0
        low, high = SHOCKS[at - 1], SHOCKS[at]
    else:
        while at + 1 < len(SHOCKS) and not exhausts(SHOCKS[at + 1]):
            at += 1
        if at + 1 == len(SHOCKS):
            return math.inf
        low, high = SHOCKS[at], SHOCKS[at + 1]
    while high - low > SHOCK_TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if exhausts(middle) else (middle, high)
    return high
