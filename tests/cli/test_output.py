"""Tables, CSV, JSON and Parquet; pipes that close, disks that are full, terminals."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.cli.messages import explain, use_utf_8
from backtest.cli.output import WRITERS, whole_file
from backtest.cli.table import table_of, table_text
from backtest.formatting import period, readable
from tests.support.command import call

COMMAND = [sys.executable, "-m", "backtest"]
CENTS = st.decimals(min_value=-(10**11), max_value=10**11, places=6, allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), max_size=8)
TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - naive UTC, as in all tables
ROWS = st.lists(st.tuples(CENTS, WHOLE, TEXT, st.floats(allow_nan=False, allow_infinity=False), TIMES), max_size=5)
KINDS = {"usd": pl.Decimal(18, 6), "lots": pl.Int64(), "name": pl.String(), "px": pl.Float64(), "ts": pl.Datetime("us")}


def written(frame: pl.DataFrame, kind: str) -> bytes:
    """Return what a format makes of a frame."""
    file = io.BytesIO()
    WRITERS[kind](frame, file)
    return file.getvalue()


@pytest.mark.property
@given(ROWS)
def test_formats_keep_every_value(rows: list[tuple[object, ...]]) -> None:
    frame = pl.DataFrame(rows, schema=KINDS, orient="row")
    assert pl.read_parquet(written(frame, "parquet")).equals(frame)
    assert pl.read_csv(written(frame, "csv"), schema=KINDS, try_parse_dates=True).equals(frame)
    answer = json.loads(written(frame, "json"), parse_float=str)
    assert len(answer) == frame.height
    for row, expected in zip(answer, frame.iter_rows(named=True), strict=True):
        assert row["usd"] == format(expected["usd"], "f")
        assert row["lots"] == expected["lots"]
        assert row["name"] == expected["name"]
        assert float(row["px"]) == expected["px"]
        assert dt.datetime.fromisoformat(row["ts"]) == expected["ts"]


def test_a_table_by_hand() -> None:
    names, amounts = ["a", None, "c\x1b[31m"], [Decimal("1.50"), Decimal("-20.25"), None]
    frame = pl.DataFrame({"name": names, "usd": amounts, "px": [0.1 + 0.2, 1e-9, None]})
    assert "".join(table_text(frame)) == (
        "name          usd     px\n"
        "---------  ------  -----\n"
        "a            1.50    0.3\n"
        "-          -20.25  1e-09\n"
        "c\\x1b[31m       -      -\n"
    )


def test_a_table_fits_a_terminal_by_wrapping_texts_and_never_numbers() -> None:
    frame = pl.DataFrame(
        {"n": [123456789012], "note": ["words that go on and on for a while"], "url": ["https://a.b/c"]}
    )
    lines = "".join(table_text(frame, 50)).splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[2].startswith("123456789012  words that go")
    assert "https://a.b/c" in lines[2]
    assert " ".join(line[14:35].strip() for line in lines[2:]) == "words that go on and on for a while"
    narrow = "".join(table_text(frame, 10)).splitlines()
    assert any("123456789012" in line for line in narrow)


def test_a_frame_without_rows_has_its_columns() -> None:
    table = table_of([], ("a", "b"))
    frame = table.frame()
    assert "".join(table_text(table)) == "".join(table_text(frame)) == "a  b\n-  -\n"
    assert written(frame, "csv") == b"a,b\n"
    assert json.loads(written(frame, "json")) == []
    assert pl.read_parquet(written(frame, "parquet")).columns == ["a", "b"]


def test_lists_maps_and_bytes_become_text_where_they_must() -> None:
    frame = pl.DataFrame({"list": [[1, 2]], "map": [{"usd": Decimal("1.50")}], "raw": [b"\xff"]})
    assert "".join(table_text(frame)).splitlines()[2].split() == ["[1,2]", '{"usd":1.50}', "ff"]
    assert written(frame, "csv").decode().splitlines()[1] == '"[1,2]","{""usd"":1.50}",ff'
    assert json.loads(written(frame, "json")) == [{"list": [1, 2], "map": {"usd": 1.5}, "raw": "ff"}]


def test_numbers_json_cannot_hold_are_null() -> None:
    frame = pl.DataFrame({"x": [float("nan"), float("inf"), None]})
    assert [row["x"] for row in json.loads(written(frame, "json"))] == [None, None, None]


def test_many_rows_come_in_pieces() -> None:
    frame = pl.DataFrame({"n": range(45_000)})
    assert json.loads(written(frame, "json"))[-1] == {"n": 44_999}
    assert written(frame, "csv").count(b"\n") == 45_001
    assert "".join(table_text(frame)).count("\n") == 45_002


def test_a_file_appears_whole_or_not_at_all(desk: Path) -> None:
    path = desk / "a.csv"
    path.write_text("old")

    def broken() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert path.read_text() == "old"
    with whole_file(path) as file:
        file.write(b"new")
    assert path.read_text() == "new"
    assert [each.name for each in desk.iterdir()] == ["a.csv"]


def test_values_and_spans() -> None:
    start = dt.datetime.fromisoformat("2020-03-12T23:30")
    assert period(start, start + dt.timedelta(hours=4)) == "2020-03-12 23:30 to 2020-03-13 03:30"
    assert readable(start + dt.timedelta(microseconds=5)) == "2020-03-12 23:30:00.000005"
    assert [readable(value) for value in (True, 0.15, 1e12, (), ("BTC", "SOL"), 1234567.125)] == [
        "true", "0.15", "1,000,000,000,000", "none", "BTC, SOL", "1,234,567.125",
    ]  # fmt: skip


def run(*args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    return subprocess.run([*COMMAND, *args], check=False, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("args", [("query", "price_path", "-q"), ("schema",), ("venues", "okx")])
def test_a_reader_that_leaves_is_no_error(args: tuple[str, ...], shared: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*args, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_of_both_streams_may_leave_too() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*COMMAND, "runs"], check=False, stdout=writer, stderr=writer)
    finally:
        os.close(writer)
    assert done.returncode == 0


def test_any_error_after_ctrl_c_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.cli.interrupt._Key.pressed", True)
    assert explain(RuntimeError("Query interrupted")) == explain(KeyboardInterrupt())
    assert explain(KeyboardInterrupt())[1] == 130


def test_memory_that_runs_out_is_one_line() -> None:
    text, code = explain(MemoryError())
    assert code == 1
    assert text.startswith("not enough memory; use fewer positions")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("args", [("schema",), ("venues", "okx"), ("schema", "--format", "csv")])
def test_a_full_disk_is_one_line(args: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(*args, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"crashbook: output: No space left on device; free space or write elsewhere\n"


def test_a_file_that_hits_the_limit_of_its_size_leaves_nothing(desk: Path) -> None:
    def limit() -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    path = desk / "tables.txt"
    options: dict[str, Callable[[], None]] = {"preexec_fn": limit}
    done = run("schema", "--format", "table", "--output", str(path), **options)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"crashbook: {path}: File too large")
    assert not list(desk.iterdir())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_parquet_is_not_for_a_terminal() -> None:
    leader, follower = os.openpty()
    done = run("schema", "--format", "parquet", stdout=follower)
    os.close(follower)
    os.close(leader)
    assert done.returncode == 2
    assert b"give --output FILE or redirect stdout" in done.stderr


def test_parquet_through_a_pipe() -> None:
    done = run("schema", "steps", "--format", "parquet", "-q", stdout=subprocess.PIPE)
    assert pl.read_parquet(done.stdout).columns == ["column", "type", "unit", "meaning"]


def test_output_is_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, "latin-1"))
    use_utf_8()
    sys.stdout.write("−1")
    sys.stdout.flush()
    assert file.getvalue().decode("utf-8") == "−1"


@pytest.mark.parametrize("kind", ["csv", "json", "table"])
def test_text_of_a_file_never_steers_the_terminal(kind: str) -> None:
    steering = "\x1b[31m\x9b2J\u202e\x7f\r"
    frame = pl.DataFrame({f"name{steering}": [f"a{steering}"], "kind": pl.Series([steering], dtype=pl.Categorical)})
    text = "".join(table_text(frame)) if kind == "table" else written(frame, kind).decode()
    assert not set(steering) - set("[31m2J") & set(text)
    if kind == "json":
        assert json.loads(text) == [{f"name{steering}": f"a{steering}", "kind": steering}]
    else:
        assert r"a\x1b[31m\x9b2J\u202e\x7f\r" in text


def test_names_that_become_equal_stay_apart() -> None:
    frame = pl.DataFrame({"a\x1b": [1], "a\\x1b": [2]})
    assert written(frame, "csv").decode() == "a\\x1b,a\\x1b_1\n1,2\n"


def test_formulas_are_quoted_on_request(desk: Path, shared: Path) -> None:
    text = "select '=1+1' as a, '@x' as b, '-2' as c, '+3' as d, -1.5 as e, 'a=b' as f, chr(9) || '=1' as g"
    plain, safe = (call("sql", text, "--format", "csv", *words).stdout for words in ((), ("--safe-csv",)))
    assert plain.splitlines()[1] == "=1+1,@x,-2,+3,-1.5,a=b,\t=1"
    assert safe.splitlines()[1] == "'=1+1,'@x,'-2,'+3,-1.5,a=b,'\t=1"


def test_errors_and_notes_quote_names_as_text(shared: Path) -> None:
    result = call("query", "run_summary", "no\x1b[31msuch\u202erun")
    assert r"no\x1b[31msuch\u202erun" in result.stderr
    assert "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 1
