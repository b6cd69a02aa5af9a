"""Many scenarios from Python."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import UsageError
from backtest.studies.sweep import sweep as study
from backtest.studies.sweep.place import place_of
from backtest.studies.sweep.plan import read_plan
from backtest.studies.sweep.table import TABLE, parquet, table_of

if TYPE_CHECKING:
    import polars as pl


def sweep(
    source: Path | str | Mapping[str, Any],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    into: Path | str | None = None,
    folders: bool = False,
    fresh: bool = False,
) -> pl.DataFrame:
    """Run a grid or a list of scenarios and return its table, a row for each.

    Parameters
    ----------
    source
        A sweep file, or a mapping with its keys: ``event``, ``draws``, ``set``, ``grid``, ``scenario``.
    workers
        Processes, None: one a processor; 1: this process.
    executor
        Any ``concurrent.futures.Executor`` in place of own processes, such as ``Client.get_executor()`` of Dask.
    into
        Folder or address of fsspec for rows and table; by default ``sweeps/NAME``, where a mapping is named ``sweep``.
    folders
        Keep a run folder of each scenario too.
    fresh
        Run again what is finished.

    Raises
    ------
    ConfigError
        For a key, field or value that is not allowed.
    UnknownNameError
        For an unknown event or venue.
    """
    given = Path(source) if isinstance(source, str) else source
    plan = read_plan(given)
    if folders and plan.draws:
        raise UsageError("folders: a draw leaves no run folder; leave it out, or set draws = 0")
    place = place_of(None if into is None else str(into), given.stem if isinstance(given, Path) else "sweep")
    done = study.sweep(plan, place, workers=workers, executor=executor, folders=folders, fresh=fresh)
    table = table_of(plan, done)
    place.write(TABLE, parquet(table))
    return table
