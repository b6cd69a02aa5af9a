"""What a study is, and all studies by name: runs beside a first one, their results stored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backtest.market.path import MarketPath
from backtest.run.resolve import Resolved
from backtest.run.run import StoredRun
from backtest.studies.grid import run_grid
from backtest.studies.progress import Progress
from backtest.studies.seeds import run_seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """The run that a study starts from: its scenario, the fields the user gave, its market, and the run itself.

    ``size`` is the number given with the option of the study, 1 for an option without a number.
    """

    resolved: Resolved
    overrides: Mapping[str, Any]
    market: MarketPath
    first: StoredRun
    size: int = 1


@dataclass(frozen=True, slots=True)
class Study:
    """A study: the option that asks for it, its sentence, and the function that runs it.

    The function returns the first run, opened again with the results of the study beside it.
    """

    name: str
    text: str
    run: Callable[[StudyRequest, Progress | None], StoredRun]


SEEDS = Study(
    "seeds",
    "the same scenario with further seeds: medians and 5-95 % bands",
    lambda asked, progress: run_seeds(asked.resolved, asked.market, asked.first, asked.size, progress),
)
GRID = Study(
    "grid",
    "the sensitivity grid of the event: one setting changed at a time",
    lambda asked, progress: run_grid(asked.resolved, asked.overrides, asked.first, progress),
)
STUDIES = {study.name: study for study in (SEEDS, GRID)}
