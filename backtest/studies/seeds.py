"""Bands over seeds: the same scenario with the next seeds, stored beside the first run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backtest.errors import UsageError
from backtest.run.execute import passing
from backtest.run.measured import measured
from backtest.run.prepare import prepare
from backtest.run.resolve import Resolved
from backtest.run.run import StoredRun, open_folder
from backtest.run.stored import Band, Seeds, plain, store_studies
from backtest.studies.study import Progress, StudyRequest

HEADLINES = ("liquidated_usd", "adl_usd", "adl_positions", "pool_low_usd", "first_adl_after_s", "uncovered_usd")
QUANTILES = (0.05, 0.5, 0.95)


def check(resolved: Resolved) -> tuple[str, ...]:
    """Refuse an imported book; there is nothing to note.

    Raises
    ------
    UsageError
        If the book is not drawn from a seed.
    """
    if resolved.scenario.positions_file:
        raise UsageError("--seeds draws synthetic books, an imported one has no seed; leave one of the two out")
    return ()


def run(request: StudyRequest, progress: Progress | None = None) -> StoredRun:
    """Run ``request.size`` seeds from the scenario's own upwards on one market; return the first run with its bands.

    Each seed is a run of its own, whose folder goes once it is read unless folders are wanted. The summaries are
    stored beside the first run; bands are the 5th and 95th percentile, interpolated.
    """
    check(request.resolved)
    resolved, first, count = request.resolved, request.first, request.size
    runs = [(first.run_id, plain(first.summary()))]
    compared: dict[str, list[float]] = {fact: [value] for fact, value in measured(first).items()}
    for k in range(1, count):
        changed = replace(resolved, scenario=resolved.scenario.with_(seed=resolved.scenario.seed + k))
        with passing(prepare(changed, market=request.market), keep=request.folders) as each:
            runs.append((each.run_id, plain(each.summary())))
            for fact, value in measured(each).items():
                compared.setdefault(fact, []).append(value)
        if progress:
            progress(k + 1, count)
    summaries = tuple(summary for _, summary in runs)
    store_studies(
        first.path,
        seeds=Seeds(
            run_ids=tuple(run_id for run_id, _ in runs),
            summaries=summaries,
            bands=bands(summaries),
            compared={fact: tuple(values) for fact, values in compared.items()},
        ),
    )
    return open_folder(first.path)


def bands(summaries: Sequence[dict[str, Any]]) -> dict[str, Band]:
    """Return 5th percentile, median and 95th percentile of the headlines.

    Examples
    --------
    >>> bands([{"adl_usd": "1"}, {"adl_usd": "2"}, {"adl_usd": "3"}])["adl_usd"]
    Band(low=1.1, median=2.0, high=2.9)
    """
    out = {}
    for name in HEADLINES:
        values = [float(row[name]) for row in summaries if row.get(name) is not None]
        if values:
            low, median, high = (round(float(value), 6) for value in np.quantile(values, QUANTILES))
            out[name] = Band(low=low, median=median, high=high)
    return out
