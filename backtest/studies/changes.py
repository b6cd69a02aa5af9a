"""One change at a time: the run again with other settings, and the headline numbers of each as a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtest.run.execute import passing
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun, open_folder
from backtest.run.stored import StudyRow, plain, store_studies
from backtest.scenario.values import merge
from backtest.studies.study import Progress, StudyRequest

UNCHANGED = "nothing: this run"


def run_changes(
    study: str, changes: Mapping[str, Mapping[str, Any]], request: StudyRequest, progress: Progress | None = None
) -> StoredRun:
    """Run each change of settings, by its label, and return the first run with the rows as the table of ``study``."""
    event, venue = request.resolved.event.id, {"venue": request.resolved.venue.id}
    rows = [StudyRow(label=UNCHANGED, run_id=request.first.run_id, metrics=metrics(request.first))]
    known = {row.run_id: row.metrics for row in request.first.studies.rows.get(study, ())}
    for k, (label, changed) in enumerate(changes.items(), 1):
        prepared = prepare(resolve(event, merge(request.overrides, venue, changed)))
        numbers = None if request.folders else known.get(prepared.run_id)
        if numbers is None:
            with passing(prepared, keep=request.folders) as run:
                numbers = metrics(run)
        rows.append(StudyRow(label=label, run_id=prepared.run_id, metrics=numbers))
        if progress:
            progress(k, len(changes))
    store_studies(request.first.path, rows={study: tuple(rows)})
    return open_folder(request.first.path)


def metrics(run: StoredRun) -> dict[str, float | None]:
    """Return the numbers of a row: liquidated, ADL in all and of the two largest coins, low of the pool."""
    summary = run.summary()
    by_coin = run.query("adl_impact_by_symbol").sort("liquidated_usd", descending=True).head(2).to_dicts()
    coins = {f"adl_{row['symbol'].split('/')[0].lower()}_usd": row["adl_usd"] for row in by_coin}
    return plain({"liquidated_usd": summary["liquidated_usd"], "adl_usd": summary["adl_usd"], **coins,
                  "pool_low_usd": summary["pool_low_usd"], "adl_waves": summary["adl_waves"]})  # fmt: skip
