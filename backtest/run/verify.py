"""Whether the tables of a run can be a run's: the values that no run writes, and the audits.

Opening a folder compares declarations, not values, which would take longer than most questions. Values are looked at
when an answer breaks on them: then the folder is blamed, or else the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtest.errors import CrashbookError
from backtest.schema.table import Column
from backtest.schema.tables import TABLES
from backtest.sql.run import run_audits

if TYPE_CHECKING:
    import duckdb

NEVER_EMPTY = ("runs", "coverage", "steps", "accounts", "positions", "ledger")
FIRST_TS, LAST_TS = "2000-01-01", "2200-01-01"  # no crash of a perpetual future lies outside


def unsound(con: duckdb.DuckDBPyConnection, run_id: str) -> str:
    """Return what speaks against the tables of a run, in words, empty if nothing does.

    Parameters
    ----------
    con
        The run's connection, with all views.
    """
    for table in TABLES.values():
        tests = [f'count(*) FILTER ({_odd(column)}) AS "{column.name}"' for column in table.columns]
        found = con.execute(f"SELECT {', '.join(tests)} FROM {table.name}", {"run_id": run_id}).fetchone()
        for column, rows in zip(table.columns, found or (), strict=True):
            if rows:
                return f"table {table.name} has {column.name} in {rows:,} rows as no run writes it"
    for name in NEVER_EMPTY:
        if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None:
            return f"table {name} has no row"
    try:
        failed = [audit.name for audit in run_audits(con) if not audit.passed]
    except CrashbookError as error:
        return f"its audits cannot be answered ({error})"
    return f"its audits fail: {', '.join(failed)}" if failed else ""


def _odd(column: Column) -> str:
    """Return the condition under which no run writes a value of a column."""
    name, tests = f'"{column.name}"', []
    if "null" not in column.doc:
        tests.append(f"{name} IS NULL")
    if column.name == "run_id":
        tests.append(f"{name} <> $run_id")
    elif column.kind == "float":
        tests.append(f"NOT isfinite({name})")
    elif column.kind == "ts":
        tests.append(f"{name} NOT BETWEEN '{FIRST_TS}' AND '{LAST_TS}'")
    return " OR ".join(tests) or "false"
