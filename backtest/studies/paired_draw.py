"""One draw under several alternatives: book, path and figures that they share are made once in a process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from backtest.engine.branches import OF_WAVES, Trunk, branchable
from backtest.errors import CrashbookError
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.run.finished import Finished
from backtest.run.prepare import Prepared, ruled
from backtest.run.tables.shared import Shared
from backtest.scenario.fields import BY_NAME as FIELDS
from backtest.scenario.fields import Scenario
from backtest.studies.cohorts import Accounts, Group, GroupGains, gains_of, groups_of, owner_gains
from backtest.studies.metrics import Figures, figures_of, lorenz_of
from backtest.studies.one_draw import DrawTask, finished, prepared_draw


@dataclass(frozen=True, slots=True, eq=False)
class PairedTask:
    """What all draws share: the draws of each alternative by name, the base first."""

    draws: Mapping[str, DrawTask]


@dataclass(frozen=True, slots=True)
class DrawFigures:
    """What a draw leaves under one alternative."""

    figures: Figures
    gains: Mapping[Group, GroupGains]
    lorenz: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunFigures:
    """What a run leaves before it stands beside the base.

    ``owners`` are gains of owners that are no accounts, in USD. ``ids`` are the accounts, ascending, ``own`` their
    gains in quanta; ``groups`` are classes of them.
    """

    figures: Figures
    lorenz: Floats
    owners: Mapping[Group, float]
    groups: list[tuple[Group, Bools]]
    ids: Ints
    own: Ints


def run_pair(task: PairedTask, number: int) -> list[DrawFigures]:
    """Run a draw under every alternative, the base first."""
    runs = DrawRuns(task, number)
    for name in task.draws:
        runs.prepare(name)
    return against_base(map(runs.run, task.draws))


def run_alternative(task: PairedTask, job: int) -> RunFigures:
    """Run one alternative of a draw: jobs count the alternatives of the first draw, then those of the next."""
    number, place = divmod(job, len(task.draws))
    return _runs(task, number).run(list(task.draws)[place])


def against_base(runs: Iterable[RunFigures]) -> list[DrawFigures]:
    """Return what a draw leaves under its alternatives, each beside the first."""
    out: list[DrawFigures] = []
    base: RunFigures | None = None
    for run in runs:
        base = base or run
        same = run.ids is base.ids or np.array_equal(run.ids, base.ids)  # else no account stands beside another
        gains = gains_of(run.owners, run.groups, run.own, base.own if same else None)
        out.append(DrawFigures(run.figures, gains, run.lorenz))
    return out


@contextmanager
def naming(alternative: str) -> Iterator[None]:
    """Name the alternative in what goes wrong under it."""
    try:
        yield
    except CrashbookError as error:
        error.args = (f"{alternative}: {error}",)  # the class keeps its exit code
        raise
    except Exception as error:
        error.add_note(f"alternative {alternative}")
        raise


class DrawRuns:
    """The runs of a draw, by alternative; those that differ from the base in waves alone share its book and its path.

    The path up to the first wave is walked with the first run that needs it.
    """

    def __init__(self, task: PairedTask, number: int) -> None:
        self.task, self.number = task, number
        self.ready: dict[str, Prepared] = {}
        first = next(iter(task.draws))
        with naming(first):
            self.base = self.ready[first] = _prepared(task.draws[first], number, None)
        self.trunk = Trunk(self.base.world)
        self._last: tuple[Finished, RunFigures] | None = None
        self._accounts: tuple[Accounts, list[tuple[Group, Bools]], Ints] | None = None  # of the book of the last run

    def prepare(self, name: str) -> Prepared:
        """Return the replay of an alternative, ready to run."""
        if name not in self.ready:
            with naming(name):
                self.ready[name] = _prepared(self.task.draws[name], self.number, self.base)
        return self.ready[name]

    def run(self, name: str) -> RunFigures:
        """Run an alternative and return what it leaves."""
        prepared = self.prepare(name)
        with naming(name):
            shares = self.base.baseline is None and branchable(self.base.world, prepared.world)
            done = finished(prepared, self.trunk.outcome(prepared.world) if shares else None)
            before = self._last
            if before is not None and before[0].outcome.record is done.outcome.record:  # no ADL: the same run
                return before[1]
            s = Shared(done)
            if self._accounts is None or before is None or before[0].outcome.world.book is not done.outcome.world.book:
                accounts = Accounts.in_run(s)
                self._accounts = accounts, groups_of(s, accounts), np.unique(done.book.account_id)
            accounts, groups, ids = self._accounts
            found = RunFigures(
                figures=figures_of(s, accounts),
                lorenz=lorenz_of(s, accounts),
                owners=owner_gains(s),
                groups=groups,
                ids=ids,
                own=accounts.gains(s),
            )
            self._last = done, found
            return found


@lru_cache(maxsize=1)  # a worker takes the alternatives of one draw after the other
def _runs(task: PairedTask, number: int) -> DrawRuns:
    return DrawRuns(task, number)


def _prepared(each: DrawTask, number: int, base: Prepared | None) -> Prepared:
    """Return a draw of an alternative, compared with its venue's queue, on the base's book if waves alone differ."""
    scenario, usual = each.scenario(number), each.resolved.default_scenario
    own = None if usual.ranking == "none" else (usual.ranking, usual.losers)
    if base is not None and _differs_in_waves(scenario, base.resolved.scenario):
        prepared = ruled(base, scenario)
    else:
        prepared = prepared_draw(each, scenario)
    return replace(prepared, world=replace(prepared.world, rules=replace(prepared.world.rules, own_queue=own)))


def _differs_in_waves(scenario: Scenario, base: Scenario) -> bool:
    """Return whether two scenarios differ at most in fields that are first used in a wave."""
    return scenario == base.with_(**{name: getattr(scenario, name) for name in OF_WAVES if name in FIELDS})
