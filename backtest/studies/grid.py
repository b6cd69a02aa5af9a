"""The sensitivity grid of an event: one setting changed at a time, stored beside the run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.catalogue.facts import GridSetting
from backtest.errors import UsageError
from backtest.run.resolve import Resolved
from backtest.run.run import StoredRun
from backtest.run.vaults import CAPITAL
from backtest.studies.changes import run_changes
from backtest.studies.study import Progress, StudyRequest


def check(resolved: Resolved) -> None:
    """Refuse an event without a grid.

    Raises
    ------
    UsageError
        If nothing of the event's grid fits the run.
    """
    if not settings(resolved):
        raise UsageError(f"--grid: event {resolved.event.id} has no sensitivity grid; change single fields with --set")


def settings(resolved: Resolved) -> dict[str, Mapping[str, Any]]:
    """Return the settings of the event's grid by label.

    Those of accounts of several coins are left out where the book is imported or has fewer coins. A vault is that of
    the event's coins; a run of fewer has their share of it.
    """
    drawn = 1 if resolved.scenario.positions_file else len(resolved.scenario.coins)
    entries = [entry for entry in resolved.event.sensitivity if entry.set.get("positions_per_account", 1) <= drawn]
    return {_label(entry, resolved.vault_frac): _scaled(entry.set, resolved.vault_frac) for entry in entries}


def _label(entry: GridSetting, frac: float) -> str:
    return f"{entry.label}, {frac:.1%} of it" if frac != 1 and CAPITAL in entry.set else entry.label


def _scaled(changed: Mapping[str, Any], frac: float) -> Mapping[str, Any]:
    return {name: round(value * frac, 2) if name == CAPITAL else value for name, value in changed.items()}


def run(request: StudyRequest, progress: Progress | None = None) -> StoredRun:
    """Run the grid and return the first run with it."""
    check(request.resolved)
    return run_changes("grid", settings(request.resolved), request, progress)
