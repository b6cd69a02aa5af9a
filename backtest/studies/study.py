"""What a study is, and all studies by name: runs beside a first one, their results stored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from backtest.market.path import MarketPath
    from backtest.run.resolve import Resolved
    from backtest.run.run import StoredRun

Progress = Callable[[int, int], None]  # runs done, runs in all
DRAWS = 64  # of crashbook verify and calibrate


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """The run that a study starts from: its scenario, the fields the user gave, its market, and the run itself.

    ``size`` is the number given with the option of the study, 1 for an option without a number; ``folders``: whether
    each run keeps its folder.
    """

    resolved: Resolved
    overrides: Mapping[str, Any]
    market: MarketPath
    first: StoredRun
    size: int = 1
    folders: bool = False


class Runner(Protocol):
    """What the module ``backtest.studies.NAME`` of a study has."""

    def check(self, resolved: Resolved) -> tuple[str, ...]:
        """Refuse a scenario that the study cannot run on; return notes on what it leaves out."""

    def run(self, request: StudyRequest, progress: Progress | None = None) -> StoredRun:
        """Run the study and return the first run, opened again with the results beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study: its module and option, the help of the option, and the title of its table.

    ``sizes`` are the least and the largest number that the option takes; None: the option takes none.
    """

    name: str
    text: str
    title: str
    sizes: tuple[int, int] | None = None

    def runner(self) -> Runner:
        """Import the module of the study; until it is asked for, a command starts without it."""
        return cast(Runner, import_module(f"backtest.studies.{self.name}"))


STUDIES = {
    study.name: study
    for study in (
        Study(name="seeds", text="Run N seeds: medians and 5-95 % bands.", title="bands over seeds", sizes=(2, 1000)),
        Study(
            name="grid",
            text="Run the event's sensitivity grid too.",
            title="sensitivity grid, one change at a time",
        ),
    )
}
