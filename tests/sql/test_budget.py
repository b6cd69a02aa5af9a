"""Time and memory of a statement: what is over its limit is stopped, in one line, and the run goes on answering."""

from __future__ import annotations

import duckdb
import pytest

from backtest.errors import QueryError, UsageError
from backtest.sql.budget import Budget, half_of_memory, memory_of
from backtest.sql.lock import lock, user_sql

ENDLESS = "select sum(i * i) from range(1000000000000) t(i)"


@pytest.fixture
def locked() -> duckdb.DuckDBPyConnection:
    """Return a locked database without tables, with 64 MB."""
    con = duckdb.connect(":memory:")
    lock(con, Budget(memory_bytes=64 * 2**20))
    return con


def test_a_statement_past_its_time_is_one_line_and_the_next_one_answers(locked: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match=r"^sql: stopped after 0\.05 seconds; ask for less, or give more time"):
        user_sql(locked, ENDLESS, timeout_s=0.05)
    assert user_sql(locked, "select 1 as n", timeout_s=0.05)["n"].to_list() == [1]


def test_no_limit_is_zero_seconds(locked: duckdb.DuckDBPyConnection) -> None:
    assert user_sql(locked, "select sum(i) as n from range(1000) t(i)", timeout_s=0)["n"].to_list() == [499500]


def test_memory_is_limited_and_nothing_is_written_beside(locked: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match=r"^sql: Out of Memory Error: .*") as refused:
        user_sql(locked, "select count(*) from (select distinct hash(i) h, i from range(50000000) t(i))")
    assert "\n" not in str(refused.value)
    with pytest.raises(QueryError, match="locked"):
        locked_settings(locked)


def locked_settings(con: duckdb.DuckDBPyConnection) -> None:
    """Try to raise the limit."""
    try:
        con.execute("SET memory_limit = '8GB'")
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


def test_by_default_a_statement_may_use_half_of_the_memory() -> None:
    assert Budget().memory() == half_of_memory()
    assert Budget(memory_bytes=5).memory() == 5
    assert Budget().timeout_s == 60


@pytest.mark.parametrize("text", ["", "4", "-4GB", "many", "15MB", "nan GB", "1e9GB", "9" * 30 + "GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give at least 16MB, for example 512MB or 4GB"):
        memory_of(text)
