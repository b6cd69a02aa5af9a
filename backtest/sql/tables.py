"""Files of result tables opened in a database that reads nothing else.

The lock comes first: no text and no value of a file meets a database that could still reach other files. A path is a
user's own; it stands in the text of a view, which takes no parameters, as a quoted literal.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.assets import inside
from backtest.errors import RunError
from backtest.schema.tables import TABLES
from backtest.sql.budget import Budget
from backtest.sql.lock import lock
from backtest.sql.run import one_line

if TYPE_CHECKING:
    import duckdb

SMALL_ROWS = 50_000  # of all tables together: read once, by one thread, since opening files is what takes time
MOST_ROWS_PER_BYTE = 8  # of a compressed table; no run comes near it
_COLUMNS = "SELECT file_name, name, duckdb_type, repetition_type, column_id FROM parquet_schema($files)"
_ROWS = "SELECT file_name, num_rows, num_row_groups FROM parquet_file_metadata($files)"


def open_tables(folder: Path, rows: Mapping[str, int], budget: Budget | None = None) -> duckdb.DuckDBPyConnection:
    """Return a locked connection with the tables of a folder: views of the files, of a small run copies.

    Parameters
    ----------
    rows
        The tables wanted, and the rows that each should have.
    budget
        What the database may use.

    Raises
    ------
    RunError
        A file is not Parquet, or has other columns, types or rows than declared.
    """
    import duckdb

    small = sum(rows.values()) <= SMALL_ROWS
    place = folder.resolve()
    # a small run's table without rows is made from its declaration; its file is not opened
    files = {name: str(inside(place, f"{name}.parquet")) for name, count in rows.items() if count or not small}
    patterns = {name: glob.escape(file) for name, file in files.items()}  # DuckDB takes [, * and ? of a path for a glob
    con = duckdb.connect(":memory:", config={"threads": 1} if small else {})
    try:
        con.execute("SET parquet_metadata_cache = true").fetchall()  # a footer is read once, not for each use
        con.execute("SET allowed_paths = $paths", {"paths": [*files.values(), *patterns.values()]}).fetchall()
        lock(con, budget)
        if files:
            _check(con, folder, files, [*patterns.values()], rows)
        con.execute("BEGIN").fetchall()
        for name in rows:
            if name not in files:
                con.execute(TABLES[name].ddl()).fetchall()
                continue
            literal = patterns[name].replace("'", "''")
            source = f"SELECT * FROM read_parquet('{literal}')"
            con.execute(f"CREATE {'TABLE' if small else 'VIEW'} {name} AS {source}").fetchall()
        con.execute("COMMIT").fetchall()
    except (duckdb.Error, UnicodeError) as error:
        con.close()
        raise RunError(f"{folder}: a table cannot be read ({one_line(error)}); run it again") from None
    except BaseException:
        con.close()
        raise
    return con


def _check(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    files: Mapping[str, str],
    patterns: Sequence[str],
    rows: Mapping[str, int],
) -> None:
    """Compare the footers of files with the declared tables.

    Raises
    ------
    RunError
        For the first file that differs.
    """
    columns: dict[str, list[tuple[str, str]]] = {file: [] for file in files.values()}
    for file, name, kind, repetition, place in con.execute(_COLUMNS, {"files": patterns}).fetchall():
        if place:  # 0 is the root; a struct has no type of its own here, and so fits no column
            columns[file].append((name, f"{kind}" if repetition in {"OPTIONAL", "REQUIRED"} else f"a list of {kind}"))
    counts = {file: (count, groups) for file, count, groups in con.execute(_ROWS, {"files": patterns}).fetchall()}
    for name, file in files.items():
        fault = _columns_fault(name, columns[file]) or _rows_fault(rows[name], *counts[file], Path(file).stat().st_size)
        if fault:
            raise RunError(f"{folder}: table {name} has {fault}; run it again")


def _columns_fault(name: str, found: Sequence[tuple[str, str]]) -> str:
    """Return how columns differ from the declared ones of a table, empty if they do not."""
    declared = [(column.name, column.sql_type) for column in TABLES[name].columns]
    if [*found] == declared:
        return ""
    wanted = dict(declared)
    for column, kind in found:
        if kind != wanted.get(column, kind):
            return f"{column} as {kind}, not {wanted[column]}"
    if odd := sorted({column for column, _ in found} ^ wanted.keys()):
        return f"other columns than this version: {', '.join(ascii(column)[1:-1][:60] for column in odd[:3])}"
    return "its columns in another order"


def _rows_fault(wanted: int, rows: int, groups: int, size: int) -> str:
    """Return how the rows that a footer states differ from those of the run, empty if they do not."""
    if rows != wanted:
        return f"{rows:,} rows, not the {wanted:,} of its run"
    if groups > max(rows, 1) or rows > size * MOST_ROWS_PER_BYTE:
        return f"{rows:,} rows in {groups:,} groups in {size:,} bytes, which no run writes"
    return ""
