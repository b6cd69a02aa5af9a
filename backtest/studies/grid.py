"""The sensitivity grid of an event: one setting changed at a time, stored beside the run it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.errors import ConfigError
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import Resolved, resolve
from backtest.run.run import StoredRun, open_folder
from backtest.run.stored import GridRow, plain, store_studies
from backtest.scenario.values import merge
from backtest.studies.progress import Progress

UNCHANGED = "nothing: this run"


def run_grid(
    resolved: Resolved, given: Mapping[str, Any], first: StoredRun, progress: Progress | None = None
) -> StoredRun:
    """Run the event's sensitivity grid, one setting changed at a time; return the first run with the grid.

    Settings of accounts of several coins are left out where the book is imported or has fewer coins.

    Raises
    ------
    ConfigError
        If the event has no grid.
    """
    drawn = 1 if resolved.scenario.positions_file else len(resolved.scenario.coins)
    entries = [e for e in resolved.event.sensitivity if e.set.get("positions_per_account", 1) <= drawn]
    if not entries:
        raise ConfigError(f"event {resolved.event.id} has no sensitivity grid; change settings with --set instead")
    rows = [GridRow(label=UNCHANGED, run_id=first.run_id, metrics=metrics(first))]
    for k, entry in enumerate(entries):
        run = execute(prepare(resolve(resolved.event.id, merge(given, {"venue": resolved.venue.id}, entry.set))))
        rows.append(GridRow(label=entry.label, run_id=run.run_id, metrics=metrics(run)))
        if progress:
            progress(k + 1, len(entries))
    store_studies(first.path, grid=tuple(rows))
    return open_folder(first.path)


def metrics(run: StoredRun) -> dict[str, float | None]:
    """Return the numbers of the grid: liquidated, ADL in all and of the two largest coins, low of the pool."""
    summary = run.summary()
    by_coin = run.query("adl_impact_by_symbol").sort("liquidated_usd", descending=True).head(2).to_dicts()
    coins = {f"adl_{row['symbol'].split('/')[0].lower()}_usd": row["adl_usd"] for row in by_coin}
    return plain({"liquidated_usd": summary["liquidated_usd"], "adl_usd": summary["adl_usd"], **coins,
                  "pool_low_usd": summary["pool_low_usd"], "adl_waves": summary["adl_waves"]})  # fmt: skip
