"""Headers, parameters, and the lock around users' own SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from backtest.errors import QueryError, UnknownNameError, UsageError
from backtest.schema import renamed
from backtest.schema.tables import TABLES
from backtest.sql.files import audit_names, get_query, query_names, view_names
from backtest.sql.header import load
from backtest.sql.lock import lock, user_sql
from backtest.sql.params import Param, convert
from backtest.sql.run import SAMPLE_ROWS, bind, run_audits
from tests.sql.conftest import Tables

HEADER = "-- title: T?\n-- params: {}\n-- grain: one row\n-- units: none\nSELECT 1 AS a"


def write(folder: Path, text: str) -> Path:
    path = folder / "probe.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_load_reads_the_header(tmp_path: Path) -> None:
    one = load(write(tmp_path, HEADER.format("side VARCHAR = NULL (both); top INTEGER = 5; from_ts TIMESTAMP")))
    assert one.params == (
        Param("side", "VARCHAR", None, False, "both"),
        Param("top", "INTEGER", 5, False, ""),
        Param("from_ts", "TIMESTAMP", None, True, ""),
    )
    assert (one.name, one.title, one.grain, one.units, one.note, one.is_audit) == (
        "probe",
        "T?",
        "one row",
        "none",
        "",
        False,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1", "the header lacks title, params, grain, units"),
        ("-- title: T?\n-- remark: x\nSELECT 1", "is not a header line"),
        (HEADER.format("top NUMBER = 5"), "parameter 'top NUMBER = 5' is not 'name TYPE = default (note)'"),
        (HEADER.format("top INTEGER = five"), "parameter top takes INTEGER, a whole number, not 'five'"),
    ],
)
def test_a_bad_header_is_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as caught:
        load(write(tmp_path, text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_query_lists_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="did you mean adl_waves"):
        get_query("adl_wave")
    with pytest.raises(UnknownNameError):
        get_query("../queries/adl_waves")


@pytest.mark.parametrize(("old", "new"), renamed.QUERIES.items(), ids=str)
def test_a_former_query_name_gives_the_new_one(old: str, new: str) -> None:
    with pytest.raises(UsageError, match=f"^query '{old}' is now called '{new}'$"):
        get_query(old)
    assert get_query(new).name == new


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT kept_lots FROM liquidations", "'kept_lots' is now called 'remaining_lots'"),
        ("SELECT l.bankruptcy_usd FROM liquidations l", "'bankruptcy_usd' is now called 'bankruptcy_value_usd'"),
        ("SELECT naked_usd FROM hedges", "'naked_usd' is now called 'unhedged_usd'"),
        ("SELECT GAP FROM steps", "'GAP' is now called 'jump'"),
        ("SELECT worth_sign('long', 'BTC/USD:USD')", "'worth_sign' is now called 'value_sign'"),
    ],
    ids=str,
)
def test_a_former_name_in_sql_gives_the_new_one(text: str, words: str, locked: Tables) -> None:
    with pytest.raises(UsageError, match=f"^sql: {words}$"):
        user_sql(locked.con, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT * FROM adl_queue WHERE status = 'spared'", "status 'spared' is now called 'not_reached'"),
        ("FROM adl_queue q WHERE 'spared' <> q.\"status\"", "status 'spared' is now called 'not_reached'"),
        ("FROM adl_queue WHERE STATUS IN ('closed', 'spared')", "status 'spared' is now called 'not_reached'"),
        ("SELECT CASE cause WHEN 'drop' THEN 1 END FROM fund_events", "cause 'drop' is now called 'drawdown'"),
        ("WITH w AS (FROM loss_waterfall WHERE stage = 'shared by accounts') SELECT 1 FROM w",
         "stage 'shared by accounts' is now called 'socialised losses'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_former_value_in_sql_gives_the_new_one(text: str, words: str, locked: Tables) -> None:
    with pytest.raises(UsageError, match=f"^sql: {words}$"):
        user_sql(locked.con, text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'spared' AS status, 'drop' AS cause",
        "SELECT * FROM adl_queue WHERE symbol = 'spared' OR status = 'closed'",
        "EXPLAIN SELECT * FROM adl_queue WHERE status = 'spared'",
        "SELECT * FROM (SELECT 'spared' AS word) WHERE word = 'spared'",
    ],
    ids=str,
)
def test_a_text_that_only_looks_like_a_former_value_runs(text: str, locked: Tables) -> None:
    user_sql(locked.con, text)


def test_former_values_are_free_and_new_ones_are_taken() -> None:
    texts = [column.doc for table in TABLES.values() for column in table.columns]
    texts += [get_query(name).sql for name in [*query_names(), *view_names()]]
    for values in renamed.VALUES.values():
        for old, new in values.items():
            assert not any(f"'{old}'" in text for text in texts)
            assert any(new in text for text in texts), new


def test_former_names_are_free_and_new_ones_are_taken() -> None:
    tables = {column.name for table in TABLES.values() for column in table.columns}
    texts = "\n".join(get_query(name).sql for name in [*query_names(), *audit_names()])
    assert not renamed.COLUMNS.keys() & tables
    for new in {*renamed.COLUMNS.values(), *renamed.FUNCTIONS.values()}:
        assert new in tables or re.search(rf"\b{new}\b", texts), new


def test_bind_converts_text_and_fills_defaults() -> None:
    window = get_query("window_metrics")
    bound = bind(window, {"start": "2025-10-10T21:15", "end": datetime(2025, 10, 10, 21, 27, tzinfo=UTC)})
    start, end = (datetime.fromisoformat(f"2025-10-10T21:{minute}") for minute in (15, 27))
    assert bound == {"symbol": None, "start": start, "end": end}
    assert bind(get_query("liquidation_price_map"), {"bins": "7"}) == {"symbol": None, "bins": 7, "cohort": None}


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("window_metrics", {"end": "2025-10-11"}, "query window_metrics: parameter start is missing; give TIMESTAMP"),
        ("adl_waves", {"coin": "BTC"}, "query adl_waves: parameter 'coin' is now called 'symbol'"),
        ("run_summary", {"x": 1}, "unknown parameter 'x'; it takes: none"),
        ("forgone_pnl", {"limit": "many"}, "parameter limit takes INTEGER, a whole number, not 'many'"),
        ("forgone_pnl", {"limit": 2.5}, "not 2.5"),
        ("forgone_pnl", {"limit": True}, "not True"),
        ("forgone_pnl", {"limit": 2**63}, "parameter limit takes INTEGER"),
        ("adl_waves", {"symbol": 3}, "parameter symbol takes VARCHAR, text, not 3"),
        ("window_metrics", {"start": "yesterday", "end": "2025-10-11"}, "parameter start takes TIMESTAMP, a UTC time"),
        ("window_metrics", {"start": None, "end": "2025-10-11"}, "not None"),
    ],
)
def test_bind_names_what_is_wrong(name: str, given: dict[str, object], words: str) -> None:
    with pytest.raises(QueryError) as caught:
        bind(get_query(name), given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("BOOLEAN", "true", True), ("BOOLEAN", False, False), ("DOUBLE", "1e-3", 0.001), ("DOUBLE", 2, 2.0)],
)
def test_convert_reads_the_other_types(kind: str, value: object, expected: object) -> None:
    assert convert("q", Param("p", kind, None, True, ""), value) == expected


def test_boolean_refuses_other_words() -> None:
    with pytest.raises(QueryError, match="takes BOOLEAN, true or false, not 'yes'"):
        convert("q", Param("p", "BOOLEAN", None, True, ""), "yes")


def test_audits_report_rows_and_a_sample(tables: Callable[..., Tables]) -> None:
    run = tables(steps=[{"step": k, "symbol": "BTC/USD:USD", "residual_usd": 1} for k in range(1, 9)])
    found = {result.name: result for result in run_audits(run.con)}
    residual = found["steps_residual_zero"]
    assert (residual.rows, residual.sample.height, residual.passed) == (8, SAMPLE_ROWS, False)
    assert found["ledger_sums_to_zero"].passed


def test_a_query_on_a_missing_table_is_one_line(tables: Callable[..., Tables]) -> None:
    # The tables of a test have no headlines of several runs; a run has at least its own.
    with pytest.raises(QueryError) as caught:
        tables().frame("seed_spread")
    assert str(caught.value).startswith("query seed_spread: unknown table 'summaries'")
    assert "\n" not in str(caught.value)


# --- users' SQL ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked() -> Iterator[Tables]:
    """Return a locked run; no statement of a test leaves anything in it, so all of them share it."""
    with closing(Tables(steps=[{"step": 1, "symbol": "BTC/USD:USD", "mark_px": 2.5}])) as run:
        run.con.register("imported", pads.dataset(pa.table({"a": [1, 2]})))
        lock(run.con)
        before = user_sql(run.con, "SHOW TABLES")
        yield run
        assert user_sql(run.con, "SHOW TABLES").equals(before)
        assert user_sql(run.con, "SELECT count(*) AS n FROM rules")["n"].to_list() == [0]


@pytest.mark.parametrize(
    ("text", "height"),
    [
        ("SELECT mark_px FROM steps", 1),
        ("WITH s AS (FROM steps) SELECT * FROM s;", 1),
        ("FROM imported", 2),
        ("DESCRIBE steps", 40),
        ("SUMMARIZE imported", 1),
        ("EXPLAIN SELECT 1", 1),
        ("explain analyze SELECT count(*) FROM imported", 1),
        ("EXPLAIN (FORMAT json) SELECT 1", 1),
        ("SELECT * FROM run_summary", 1),
    ],
)
def test_reading_statements_run(text: str, height: int, locked: Tables) -> None:
    assert user_sql(locked.con, text).height == height


def test_show_lists_tables_and_views(locked: Tables) -> None:
    names = user_sql(locked.con, "SHOW TABLES")["name"].to_list()
    assert {"steps", "ledger", "loss_waterfall", "imported"} <= set(names)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a INTEGER)",
        "INSERT INTO rules VALUES ('<', 0)",
        "DROP VIEW run_summary",
        "COPY steps TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "PRAGMA version",
        "CALL duckdb_settings()",
        "EXPLAIN ANALYZE CREATE TEMP TABLE t (a INTEGER)",
        "EXPLAIN ANALYZE INSERT INTO rules VALUES ('<', 0)",
        "/* EXPLAIN */ BEGIN",
        "CHECKPOINT",
    ],
)
def test_other_statements_are_refused(text: str, locked: Tables) -> None:
    with pytest.raises(QueryError, match="only reading statements are allowed"):
        user_sql(locked.con, text)


@pytest.mark.parametrize("text", ["", " ; ", "-- nothing", "SELECT 1; SELECT 2"])
def test_one_statement_is_wanted(text: str, locked: Tables) -> None:
    with pytest.raises(QueryError, match="give one statement, not"):
        user_sql(locked.con, text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT * FROM frame_of_the_caller",
        "WITH x AS (INSERT INTO rules VALUES ('<', 0) RETURNING *) SELECT * FROM x",
        "SELECT nothing FROM steps",
        "SELEC 1",
        "SELECT $x",
    ],
)
def test_what_cannot_run_is_one_line(text: str, locked: Tables) -> None:
    frame_of_the_caller = pl.DataFrame({"a": [1]})
    assert frame_of_the_caller.height == 1
    with pytest.raises(QueryError) as caught:
        user_sql(locked.con, text)
    assert str(caught.value).startswith("sql: ")
    assert "\n" not in str(caught.value)
    assert user_sql(locked.con, "SELECT count(*) AS n FROM rules")["n"].to_list() == [0]


def test_the_lock_stays_shut(locked: Tables) -> None:
    for name in ("enable_external_access", "lock_configuration"):
        with pytest.raises(Exception, match=r"locked|Cannot"):
            locked.con.execute(f"SET {name} = {str(name == 'enable_external_access').lower()}")
