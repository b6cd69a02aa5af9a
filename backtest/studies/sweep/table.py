"""The table of a sweep: a row for each scenario, with what was varied beside what came out."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

from backtest.studies.sweep.plan import EVENT, Plan
from backtest.studies.sweep.row import BANDS, MEASURES
from backtest.studies.sweep.sweep import Swept

if TYPE_CHECKING:
    import polars as pl

TABLE = "sweep.parquet"
OWN = (EVENT, "venue")  # columns that every table has


def table_of(plan: Plan, swept: Swept) -> pl.DataFrame:
    """Return the table: ``scenario`` (from 1), what the sweep varies, headline numbers, their band, the error.

    With draws a number is the median over them; ``_low`` and ``_high`` columns are the 5th and 95th percentile.
    ``adl_draws_frac`` is the share of draws with ADL, ``vault_died_frac`` that of draws whose vault fell below zero.
    """
    import polars as pl

    columns: dict[str, pl.Series] = {"scenario": pl.Series(range(1, len(swept.rows) + 1), dtype=pl.Int64)}
    for name in dict.fromkeys([*OWN, *plan.varied]):
        values = [getattr(row, name) if name in OWN else point.varied.get(name)
                  for point, row in zip(swept.points, swept.rows, strict=True)]  # fmt: skip
        columns[name] = _series(values)
    columns["draws"] = pl.Series([row.draws for row in swept.rows], dtype=pl.Int64)
    for name in MEASURES:
        columns[name] = pl.Series([row.values.get(name) for row in swept.rows], dtype=pl.Float64)
        if plan.draws and name in BANDS:
            stem, _, unit = name.rpartition("_")
            columns[f"{stem}_low_{unit}"] = pl.Series([row.low.get(name) for row in swept.rows], dtype=pl.Float64)
            columns[f"{stem}_high_{unit}"] = pl.Series([row.high.get(name) for row in swept.rows], dtype=pl.Float64)
    if plan.draws:
        columns["adl_draws_frac"] = pl.Series([row.adl_frac for row in swept.rows], dtype=pl.Float64)
        columns["vault_died_frac"] = pl.Series([row.vault_died_frac for row in swept.rows], dtype=pl.Float64)
    else:
        columns["run_id"] = pl.Series([row.run_id or None for row in swept.rows], dtype=pl.String)
    columns["error"] = pl.Series([row.error or None for row in swept.rows], dtype=pl.String)
    return pl.DataFrame([column.alias(name) for name, column in columns.items()])


def _series(values: list[Any]) -> pl.Series:
    """Return the values of a field as numbers where all are, else as text; tables and lists as JSON."""
    import polars as pl

    stated = [value for value in values if value is not None]
    if stated and all(isinstance(value, int | float) and not isinstance(value, bool) for value in stated):
        whole = all(isinstance(value, int) for value in stated)
        return pl.Series(values, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    if stated and all(isinstance(value, bool) for value in stated):
        return pl.Series(values, dtype=pl.Boolean)
    return pl.Series([value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
                      for value in values], dtype=pl.String)  # fmt: skip


def parquet(table: pl.DataFrame) -> bytes:
    """Return a table as Parquet; the same table gives the same bytes."""
    out = io.BytesIO()
    table.write_parquet(out, compression="zstd")
    return out.getvalue()
