"""Bands over seeds and the sensitivity grid of an event, stored beside the run they belong to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from backtest.errors import ConfigError
from backtest.market.path import MarketPath
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import Resolved, resolve
from backtest.run.run import Run, open_run, store_study
from backtest.scenario.values import merge

Progress = Callable[[int, int], None]
HEADLINES = ("liquidated_usd", "adl_usd", "adl_positions", "pool_low_usd", "first_adl_after_s", "uncovered_usd")


def run_seeds(resolved: Resolved, market: MarketPath, first: Run, count: int, progress: Progress | None = None) -> Run:
    """Run ``count`` seeds from the scenario's own upwards on one market; return the first run with its bands.

    Each seed is a run of its own on disk. The summaries are stored beside the first run; bands are the 5th
    and 95th percentile, interpolated.
    """
    if count < 2 or resolved.scenario.positions_file:
        raise ConfigError("bands need at least two seeds of a synthetic book; use --seeds 20 and no --positions")
    summaries, ids = [], []
    compared: dict[str, list[float]] = {}
    for k in range(count):
        changed = replace(resolved, scenario=resolved.scenario.with_(seed=resolved.scenario.seed + k))
        run = first if k == 0 else execute(prepare(changed, market=market))
        summaries.append(_plain(run.summary()))
        ids.append(run.run_id)
        for fact, value in _measured(resolved, run).items():
            compared.setdefault(fact, []).append(value)
        if progress:
            progress(k + 1, count)
    study = {"seeds": ids, "seed_summaries": summaries, "bands": bands(summaries), "seed_compare": compared}
    store_study(first.path, study)
    return open_run(str(first.path))


def _measured(resolved: Resolved, run: Run) -> dict[str, float]:
    """Return what a run gives for each published fact that it may be compared with, inside the fact's window."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    out = {}
    for row in resolved.event.compare:
        window = (row.coin or None, row.start, row.end)
        if window not in found:
            frame = run.query("window_metrics", coin=window[0], start=window[1], end=window[2])
            found[window] = frame.row(0, named=True)
        value = found[window][row.metric]
        if value is not None:
            out[row.fact] = float(value)
    return out


def bands(summaries: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Return 5th percentile, median and 95th percentile of the headlines.

    Examples
    --------
    >>> bands([{"adl_usd": "1"}, {"adl_usd": "2"}, {"adl_usd": "3"}])["adl_usd"]
    [1.1, 2.0, 2.9]
    """
    out = {}
    for name in HEADLINES:
        values = [float(row[name]) for row in summaries if row.get(name) is not None]
        if values:
            out[name] = [round(float(x), 6) for x in np.quantile(values, (0.05, 0.5, 0.95))]
    return out


def run_grid(resolved: Resolved, given: Mapping[str, Any], first: Run, progress: Progress | None = None) -> Run:
    """Run the event's sensitivity grid, one setting changed at a time; return the first run with the grid.

    Settings of accounts of several coins are left out where the book is imported or has fewer coins.
    """
    drawn = 1 if resolved.scenario.positions_file else len(resolved.scenario.coins)
    entries = [e for e in resolved.event.sensitivity if e.set.get("positions_per_account", 1) <= drawn]
    if not entries:
        raise ConfigError(f"event {resolved.event.id} has no sensitivity grid; change settings with --set instead")
    grid = [{"label": "nothing: this run", "run_id": first.run_id, "metrics": grid_metrics(first)}]
    for k, entry in enumerate(entries):
        run = execute(prepare(resolve(resolved.event.id, merge(given, {"venue": resolved.venue.id}, entry.set))))
        grid.append({"label": entry.label, "run_id": run.run_id, "metrics": grid_metrics(run)})
        if progress:
            progress(k + 1, len(entries))
    store_study(first.path, {"sensitivity": grid})
    return open_run(str(first.path))


def grid_metrics(run: Run) -> dict[str, Any]:
    """Return the numbers of the grid: liquidated, ADL in all and of the two largest coins, low of the pool."""
    summary = run.summary()
    by_coin = run.query("adl_impact_by_symbol").sort("liquidated_usd", descending=True).head(2).to_dicts()
    coins = {f"adl_{row['symbol'].split('/')[0].lower()}_usd": row["adl_usd"] for row in by_coin}
    return _plain({"liquidated_usd": summary["liquidated_usd"], "adl_usd": summary["adl_usd"], **coins,
                   "pool_low_usd": summary["pool_low_usd"], "adl_waves": summary["adl_waves"]})  # fmt: skip


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in row.items():
        if isinstance(value, Decimal):
            value = float(value)
        elif isinstance(value, dt.datetime):
            value = value.isoformat()
        out[key] = value
    return out
