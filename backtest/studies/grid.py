"""The sensitivity grid of an event: one setting changed at a time, stored beside the run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.catalogue.facts import GridSetting
from backtest.errors import UsageError
from backtest.run.resolve import Resolved
from backtest.run.run import StoredRun
from backtest.run.vaults import CAPITAL
from backtest.scenario.fields import BY_NAME
from backtest.studies.changes import run_changes
from backtest.studies.study import Progress, StudyRequest


def check(resolved: Resolved) -> tuple[str, ...]:
    """Refuse an event without a grid, and note the settings that are left out.

    Raises
    ------
    UsageError
        If nothing of the event's grid fits the run.
    """
    if not settings(resolved):
        raise UsageError(f"--grid: event {resolved.event.id} has no sensitivity grid; change single fields with --set")
    left_out = [entry.label for entry in resolved.event.sensitivity if _of_book(entry)]
    if not (resolved.scenario.positions_file and left_out):
        return ()
    return (f"the book is imported, and the grid leaves out settings of a drawn one: {'; '.join(left_out)}",)


def settings(resolved: Resolved) -> dict[str, Mapping[str, Any]]:
    """Return the settings of the event's grid by label.

    Left out are those of accounts of more coins than run, and those of a drawn book where it is imported. A vault is
    that of the event's coins; a run of fewer has their share of it.
    """
    imported, coins = bool(resolved.scenario.positions_file), len(resolved.scenario.coins)
    entries = [
        entry
        for entry in resolved.event.sensitivity
        if entry.set.get("positions_per_account", 1) <= coins and not (imported and _of_book(entry))
    ]
    return {_label(entry, resolved.vault_frac): _scaled(entry.set, resolved.vault_frac) for entry in entries}


def _of_book(entry: GridSetting) -> bool:
    return any(BY_NAME[name].of_book for name in entry.set)


def _label(entry: GridSetting, frac: float) -> str:
    return f"{entry.label}, {frac:.1%} of it" if frac != 1 and CAPITAL in entry.set else entry.label


def _scaled(changed: Mapping[str, Any], frac: float) -> Mapping[str, Any]:
    return {name: round(value * frac, 2) if name == CAPITAL else value for name, value in changed.items()}


def run(request: StudyRequest, progress: Progress | None = None) -> StoredRun:
    """Run the grid and return the first run with it."""
    check(request.resolved)
    return run_changes("grid", settings(request.resolved), request, progress)
