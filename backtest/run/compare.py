"""Differences between two runs: scenario fields and headline numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backtest.run.run import StoredRun


@dataclass(frozen=True, slots=True)
class Difference:
    """A scenario field or headline number with its two values; None where a run lacks it."""

    name: str
    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The scenario fields, and the headline numbers of ``run_summary``, in which two runs differ."""

    fields: tuple[Difference, ...]
    numbers: tuple[Difference, ...]


def diff(left: StoredRun, right: StoredRun) -> RunDifference:
    """Return the scenario fields and the headline numbers in which two runs differ."""
    here, there = (dict(sorted(run.meta.stored_scenario.items())) for run in (left, right))
    return RunDifference(fields=_differences(here, there), numbers=_differences(left.summary(), right.summary()))


def _differences(left: dict[str, Any], right: dict[str, Any]) -> tuple[Difference, ...]:
    """Return the keys whose values differ, in the order of the left mapping.

    Examples
    --------
    >>> _differences({"seed": 1, "venue": "okx"}, {"seed": 2, "venue": "okx"})
    (Difference(name='seed', left=1, right=2),)
    """
    names = dict.fromkeys([*left, *right])
    return tuple(
        Difference(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
    )
