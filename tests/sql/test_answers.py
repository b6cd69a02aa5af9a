"""Answers that a frame, CSV, JSON or Python cannot hold are refused by name, before a library fails on them."""

from __future__ import annotations

import datetime as dt
import io

import duckdb
import polars as pl
import pytest

from backtest.cli.output import WRITERS
from backtest.errors import QueryError
from backtest.sql.answers import plain_rows
from backtest.sql.run import frame_of


def answer(text: str) -> pl.DataFrame:
    """Return the answer of a statement."""
    return frame_of(duckdb.connect(":memory:"), text, {}, "sql")


@pytest.mark.parametrize("value", [
    "'290000-01-01'::timestamp", "'infinity'::timestamp", "'-infinity'::date", "'290000-01-01'::timestamptz",
    "'10000-01-01'::date", "'0044-03-15 (BC)'::date", "['infinity'::timestamp]", "{'a': [{'b': 'infinity'::date}]}",
    "map{1: 'infinity'::timestamp}", "['9999-12-31'::date + 1]::date[1]",
])  # fmt: skip
def test_times_outside_the_calendar_are_refused(value: str) -> None:
    with pytest.raises(QueryError, match=r"^sql: column 'a': a time outside years 1 to 9999; cast it to VARCHAR$"):
        answer(f"select {value} as a")


def test_plain_rows_leave_to_a_frame_what_only_it_spells() -> None:
    con = duckdb.connect(":memory:")
    found = plain_rows(con.sql("select 1 as n, 'x' as t, 0.50::decimal(4, 2) as d, null::double as f, true as b"))
    assert found is not None
    assert (found.columns, found.numeric) == (("n", "t", "d", "f", "b"), (True, False, True, True, False))
    assert str(found.rows) == "((1, 'x', Decimal('0.50'), None, True),)"
    for value in ("'290000-01-01'::timestamp", "'infinity'::timestamp", "[1]", "1::hugeint", "'12:00'::time"):
        assert plain_rows(con.sql(f"select {value} as a")) is None, value


@pytest.mark.parametrize("value", [
    "'9999-12-31 23:59:59.999999'::timestamp", "'0001-01-01'::date", "'0001-01-01'::timestamp_ms",
    "'2262-04-11'::timestamp_ns", "null::timestamp", "['2020-01-01'::date][1:0]", "map{1: '2020-01-01'::timestamp}",
    "{'INTERVAL': 1}", "'INTERVAL'::ENUM('INTERVAL')", "'x'::blob", "[[null]]", "'12:00'::time", "uuid()",
    "170141183460469231731687303715884105727::hugeint", "1::decimal(38, 10)", "'nan'::double",
])  # fmt: skip
def test_every_other_answer_has_every_format(value: str) -> None:
    frame = answer(f"select {value} as a")
    for write in WRITERS.values():
        file = io.BytesIO()
        write(frame, file)
        assert file.getvalue()


@pytest.mark.parametrize(("value", "kind", "fix"), [
    ("interval 1 day", "INTERVAL", "give seconds with"), ("[interval 1 day]", "INTERVAL", "give seconds with"),
    ("{'a': [union_value(x := 1)]}", "UNION", "cast it to VARCHAR"), ("12::bignum", "BIGNUM", "cast it to HUGEINT"),
    ("'a'::variant", "VARIANT", "cast it to JSON"),
])  # fmt: skip
def test_types_without_a_column_are_refused(value: str, kind: str, fix: str) -> None:
    with pytest.raises(QueryError, match=f"^sql: column 'a': {kind} has no column type here; {fix}"):
        answer(f"select {value} as a")


def test_names_that_a_statement_chose_do_not_steer_the_terminal() -> None:
    with pytest.raises(QueryError, match=r"column '\\x1b\[31m'"):
        answer('select interval 1 day as "\x1b[31m"')


def test_the_last_moment_of_the_calendar_stays_exact() -> None:
    found = answer("select '9999-12-31 23:59:59.999999'::timestamp as a")["a"].to_list()
    assert found == [dt.datetime(9999, 12, 31, 23, 59, 59, 999999)]  # noqa: DTZ001 - naive UTC, as in all tables
