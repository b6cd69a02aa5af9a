"""SQL of a user: one reading statement at a time, on a connection that is shut off from all else."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from backtest.errors import QueryError, UsageError
from backtest.schema import renamed
from backtest.sql.budget import TIMEOUT_S, Budget
from backtest.sql.run import frame_of, one_line

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_EXPLAIN = re.compile(r"explain(\s+analyze\b)?(\s*\([^)]*\))?", re.IGNORECASE)

_LOCK = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def lock(con: duckdb.DuckDBPyConnection, budget: Budget | None = None) -> None:
    """Shut ``con`` off from files, extensions, Python variables and its own settings; this cannot be undone.

    What the database may use of the memory is set too; it writes no temporary files.
    """
    for statement in (f"SET memory_limit = '{(budget or Budget()).memory()}B'", *_LOCK):
        con.execute(statement).fetchall()


def user_sql(con: duckdb.DuckDBPyConnection, text: str, timeout_s: float = TIMEOUT_S) -> pl.DataFrame:
    """Run one reading statement of a user on a locked connection.

    The statement runs in a read-only transaction as well, since a ``WITH`` may hide an ``INSERT``. A comparison with a
    value that was renamed would find nothing: it is refused with the new value.

    Raises
    ------
    QueryError
        If it is not one reading statement, fails, or takes longer than ``timeout_s`` (0 for no limit).
    """
    import duckdb

    try:
        statements = con.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(f"sql: {one_line(error)}") from None
    if len(statements) != 1:
        raise QueryError(f"sql: give one statement, not {len(statements)}")
    if not _reads(con, statements[0]):
        raise QueryError("sql: only reading statements are allowed: SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN")
    _check_values(con, text)
    con.execute("BEGIN TRANSACTION READ ONLY").fetchall()
    try:
        return frame_of(con, text, {}, "sql", timeout_s)
    finally:
        con.execute("ROLLBACK").fetchall()


def _check_values(con: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse a comparison of a column with a former value."""
    if not renamed.may_compare(text):
        return
    answer = con.execute("SELECT json_serialize_sql($text)", {"text": text}).fetchone()
    try:
        tree = json.loads(answer[0]) if answer else None
    except RecursionError:  # nested as no statement by hand is
        return
    if hint := renamed.value_hint(tree):
        raise UsageError(f"sql: {hint}")


def _reads(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    """Return whether a statement only reads; EXPLAIN ANALYZE runs what it explains, so that is checked too."""
    import duckdb

    try:
        kind = statement.type
    except ValueError:  # a statement that the client has no name for
        return False
    if kind == duckdb.StatementType.SELECT:
        return True
    match = _EXPLAIN.match(statement.query.strip())
    if kind != duckdb.StatementType.EXPLAIN or match is None:
        return False
    inner = con.extract_statements(statement.query.strip()[match.end() :])
    return len(inner) == 1 and inner[0].type == duckdb.StatementType.SELECT
