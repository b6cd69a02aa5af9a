"""Commands that read runs: formats that agree, refusals, audits that fail, exit codes."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtest.cli.table import Table, table_text
from backtest.run.folder import run_ids, write_run
from backtest.run.run import StoredRun, open_run
from backtest.schema.tables import TABLES
from backtest.sql.files import audit_names, query_names
from tests.support.command import call

pytestmark = pytest.mark.usefixtures("shared")


def test_runs_lists_the_newest_last() -> None:
    listed = pl.read_csv(call("runs", "--format", "csv").stdout.encode())
    assert listed["run_id"].to_list() == run_ids()
    assert listed["seed"].to_list() == [2, 1]
    latest, summary = json.loads(call("runs", "--format", "json").stdout, parse_float=Decimal)[-1], open_run().summary()
    assert [latest[name] for name in ("liquidated_usd", "adl_usd")] == [summary["liquidated_usd"], summary["adl_usd"]]


def test_runs_of_an_empty_workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(workspace))
    result = call("runs")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == [
        "run_id", "label", "event", "venue", "seed", "positions", "differs", "beside", "liquidated_usd", "adl_usd",
        "size_mb", "written_utc",
    ]  # fmt: skip
    assert "make one with crashbook replay 2025-10-10" in result.stderr
    for verb in ("audit", "report", "query"):
        args = (verb, "run_summary") if verb == "query" else (verb,)
        refused = call(*args)
        assert refused.exit_code == 1
        assert "no runs in" in refused.stderr


def test_runs_names_a_broken_folder_and_goes_on(workspace: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shared / "runs", workspace / "runs")
    monkeypatch.setenv("CRASHBOOK_HOME", str(workspace))
    broken, whole = run_ids()
    (workspace / "runs" / broken / "run.json").write_bytes(b"{")
    result = call("runs", "--format", "json")
    assert result.exit_code == 0
    assert [row["run_id"] for row in json.loads(result.stdout)] == [whole]
    assert f"{broken}/run.json: cannot be read" in result.stderr


def test_query_without_a_name_lists_questions_and_parameters() -> None:
    listed = {row["name"]: row for row in json.loads(call("query", "--format", "json").stdout)}
    assert list(listed) == query_names()
    assert listed["largest_liquidations"]["parameters"] == "limit INTEGER = 20"
    assert "start TIMESTAMP required" in listed["window_metrics"]["parameters"]


@pytest.mark.parametrize("name", ["largest_liquidations", "run_summary", "hedges"])
def test_formats_agree(name: str, latest: StoredRun, tmp_path: Path) -> None:
    truth = latest.query(name)
    parquet = tmp_path / "answer.parquet"
    assert call("query", name, "--output", str(parquet)).exit_code == 0
    assert pl.read_parquet(parquet).equals(truth)
    assert pl.read_parquet(parquet).schema == truth.schema
    text = call("query", name, "--format", "csv").stdout
    back = pl.read_csv(text.encode(), schema=truth.schema if truth.height else None, try_parse_dates=True)
    assert back.columns == truth.columns
    assert back.height == truth.height
    if truth.height:
        assert back.equals(truth)
    answer = json.loads(call("query", name, "--format", "json").stdout, parse_float=Decimal)
    assert len(answer) == truth.height
    for row, expected in zip(answer, truth.iter_rows(named=True), strict=True):
        for key, value in expected.items():
            if isinstance(value, Decimal):
                assert Decimal(row[key]) == value
                assert str(row[key]) == format(value, "f"), "not a digit is lost or added"
            elif isinstance(value, float):
                assert float(row[key]) == value
            elif isinstance(value, int | str) or value is None:
                assert row[key] == value


def test_the_table_shows_the_same_rows(latest: StoredRun) -> None:
    truth = latest.query("largest_liquidations", limit=3)
    result = call("query", "largest_liquidations", "--param", "limit=3")
    head, dashes, *lines = result.stdout.splitlines()
    assert head.split() == truth.columns
    assert set(dashes) == {"-", " "}
    place = head.index("notional_usd") + len("notional_usd")
    for line, value in zip(lines, truth["notional_usd"], strict=True):
        assert line[:place].endswith(format(value, "f")), "decimals are exact and stand to the right"
    assert result.stderr.startswith("note: Which liquidations were the largest?")


@pytest.mark.parametrize("name", ["adl_waves", "run_summary", "draw_cliffs", "price_path", "actual_by_minute"])
def test_a_table_without_a_frame_is_that_of_the_frame(name: str, latest: StoredRun) -> None:
    rows = latest.rows(name)
    assert rows is not None
    assert "".join(table_text(Table(rows.columns, rows.rows, rows.numeric))) == "".join(table_text(latest.query(name)))


def test_any_run_by_prefix_or_path(shared: Path) -> None:
    first, latest = run_ids()
    for name, expected in ((first[:6], 2), (str(shared / "runs" / first), 2), ("latest", 1), (latest, 1)):
        assert open_run(name).meta.scenario.seed == expected
    (answer,) = json.loads(call("query", "run_summary", first[:6], "--format", "json").stdout)
    assert answer["seed"] == 2


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("query", "larges_liquidations"), 2, "did you mean largest_liquidations"),
        (("query", "largest_liquidations", "nope"), 2, "unknown run 'nope'"),
        (("query", "largest_liquidations", "--param", "limt=3"), 2, "unknown parameter 'limt'"),
        (("query", "largest_liquidations", "--param", "limit=many"), 2, "takes INTEGER"),
        (("query", "largest_liquidations", "--param", "limit"), 2, "--param NAME=VALUE"),
        (("query", "window_metrics"), 2, "parameter start is missing"),
        (("query", "run_summary", "--format", "xml"), 2, "'--format'"),
        (("query", "run_summary", "--output", "no/such/folder/a.csv"), 1, "No such file or directory"),
        (("query", "run_summary", "--output", "."), 2, "is a folder"),
        (("query", "--nonsense"), 2, "no such option"),
        (
            ("query", "latest", "adl_waves", "-q"),
            2,
            "the question comes first, then the run: crashbook query adl_waves latest -q",
        ),
        (("query", "latest"), 2, "latest is a run; a question comes before it: crashbook query run_summary latest"),
        (("query", "select 1"), 2, 'a statement of SQL is asked with: crashbook sql "select 1"'),
        (("query", "steps"), 2, 'steps is a table, no question: crashbook sql "from steps"'),
        (("sql", "latest", "select 1"), 2, 'the statement comes first, then the run: crashbook sql "select 1" latest'),
        (("sql", "latest"), 2, 'latest is a run; a statement comes before it: crashbook sql "from run_summary" latest'),
        (("sql", "adl_waves"), 2, "adl_waves is a question: crashbook query adl_waves"),
        (("export", "run.xlsx", "latest"), 2, "the run comes first, then the file: crashbook export latest run.xlsx"),
        (("export",), 2, "missing RUN, OUT; for example crashbook export latest run.duckdb"),
        (
            ("query", "adl_selection_order", "--param", "wave_id=three"),
            2,
            "wave_id takes INTEGER, a whole number, not 'three'",
        ),
        (("query", "run_summary", "--format", "excel"), 2, "for Excel write a workbook: --output x.xlsx"),
        (
            ("query", "run_summary", "--symbol", "BTC"),
            2,
            "no option --symbol of query: a parameter is given with --param",
        ),
        (("help", "query"), 2, "no command 'help'; write crashbook query --help"),
        (("2021-12-04",), 2, "no command '2021-12-04'; write crashbook replay 2021-12-04"),
        (("adl_waves",), 2, "no command 'adl_waves'; write crashbook query adl_waves"),
        (("query", "adl_waves", "latest", "symbol=BTC"), 2, "a parameter is given with --param symbol=BTC"),
        (("sql", "select * from liquidation"), 1, "sql: unknown table 'liquidation'; did you mean liquidations"),
        (("audit", "nope"), 2, "unknown run"),
        (("report", "nope"), 2, "unknown run"),
        (("diff", "latest"), 2, "missing argument"),
        (("diff", "latest", "latest"), 2, "both are run"),
        (("qurey",), 2, "did you mean query"),
        (("--nonsense",), 2, "no such option"),
    ],
)
def test_refusals_are_one_line(args: tuple[str, ...], code: int, words: str, desk: Path) -> None:
    result = call(*args)
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert result.stderr.startswith("crashbook: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert not list(desk.iterdir())


def test_sql_from_argument_and_stdin() -> None:
    text = "select count(*) as rows from liquidations"
    expected = f'[\n{{"rows":{open_run().liquidations.height}}}\n]\n'
    assert call("sql", text, "--format", "json").stdout == expected
    assert call("sql", "--format", "json", stdin=text).stdout == expected
    assert call("sql", "-", run_ids()[1], "--format", "json", stdin=text).stdout == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("copy steps to 'out.csv'", "only reading statements"),
        ("", "give one statement, not"),
        ("selec 1", "syntax error"),
        ("select max(ts) - min(ts) from steps", "epoch("),
    ],
)
def test_sql_only_reads(text: str, words: str, desk: Path) -> None:
    result = call("sql", "-", stdin=text)
    assert result.exit_code == 1, result.stderr
    assert result.stderr.startswith("crashbook: sql: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(desk.iterdir())


def test_sql_that_is_not_text() -> None:
    result = call("sql", stdin=b"select '\xff'")
    assert result.exit_code == 1
    assert "not UTF-8" in result.stderr


def test_no_rows_is_said() -> None:
    result = call("sql", "select * from steps where false")
    assert result.exit_code == 0
    assert result.stderr == "note: no rows\n"
    said = call("sql", "select * from steps where symbol = 'btc'").stderr
    assert "note: symbols are written BTC/USDT:USDT: symbol = 'BTC/USDT:USDT', or symbol like 'BTC/%'" in said
    assert call("query", "ADL-waves", "-q").exit_code == 0
    assert call("sql", "select 1 as x where false", "-q", "--format", "json").stdout == "[\n]\n"


def test_audits_pass() -> None:
    result = call("audit", "--format", "json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert [row["audit"] for row in answer] == audit_names()
    assert {(row["rows"], row["passed"]) for row in answer} == {(0, "pass")}


def test_a_failing_audit_is_shown_with_its_rows_and_exit_code_4(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run()
    tables = {name: pq.read_table(run.path / f"{name}.parquet") for name in TABLES}
    amounts = tables["ledger"]["amount_usd"].to_pylist()
    amounts[5] += Decimal("1.25")
    place = tables["ledger"].schema.get_field_index("amount_usd")
    field = tables["ledger"].schema.field(place)
    tables["ledger"] = tables["ledger"].set_column(place, field, pa.array(amounts, field.type))
    monkeypatch.setenv("CRASHBOOK_HOME", str(workspace))
    write_run(tables, run.meta, {})
    result = call("audit")
    assert result.exit_code == 4, result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("ledger_sums_to_zero "))
    assert line.split()[2] == "FAIL"
    assert "ledger_sums_to_zero, the first of 1 rows:" in result.stderr
    assert "1.250000" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("crashbook: ")
    assert "audits failed: " in last


def test_a_run_that_was_changed_is_refused(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(shared / "runs" / run_ids()[-1], folder)
    with (folder / "steps.parquet").open("ab") as file:
        file.write(b"x")
    result = call("audit", str(folder))
    assert result.exit_code == 1
    assert "does not match the digest" in result.stderr


def test_diff_shows_fields_and_headlines() -> None:
    first, latest = run_ids()
    answer = json.loads(call("diff", first, latest, "--format", "json").stdout)
    assert {"part": "scenario", "field": "seed", first: "2", latest: "1"} in answer
    result = {row["field"]: row for row in answer if row["part"] == "result"}
    liquidated = open_run(first).summary()["liquidated_usd"]
    assert result["liquidated_usd"][first] == format(liquidated, "f")
    assert f" {liquidated:,f}" in call("diff", first, latest).stdout
    assert "positions" not in result


def test_report_writes_opens_and_prints_the_path(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def browser(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr("backtest.report.page.html", lambda run, made: "<!doctype html>")  # drawn in test_replay.py
    result = call("report", "latest", "--output", "a.html", "--open")
    assert result.stdout == "report  a.html\n"
    assert (desk / "a.html").read_text("utf-8") == "<!doctype html>"
    assert opened == [(desk / "a.html").as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    refused = call("report", "--output", "a.html", "--open")
    assert refused.exit_code == 2
    assert "no browser could be started; open a.html yourself" in refused.stderr


def test_report_of_a_bad_path(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.report.page.html", lambda run, made: "")  # the page is drawn before it is written
    (desk / "file").touch()
    result = call("report", "--output", "file/below.html")
    assert result.exit_code == 1
    assert result.stderr.startswith("crashbook: cannot write the report")
    assert result.stderr.count("\n") == 1
    assert [path.name for path in desk.iterdir()] == ["file"]


def test_quiet_leaves_errors() -> None:
    assert call("query", "adl_waves", "-q").stderr == ""
    assert call("query", "nonsense", "-q").stderr != ""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("replay", "2021-12-04", "--set", "stepper=x"), "--set: field 'stepper' is now called 'liquidation_rule'"),
        (("query", "fund_switches"), "query 'fund_switches' is now called 'fund_timeline'"),
        (("sql", "select kept_lots from liquidations"), "sql: 'kept_lots' is now called 'remaining_lots'"),
        (("sql", "select naked_usd from hedges"), "sql: 'naked_usd' is now called 'unhedged_usd'"),
        (("fetch", "--reach"), "--reach is now called --availability; see crashbook fetch --help"),
    ],
)
def test_an_old_name_gives_the_new_one(words: tuple[str, ...], line: str) -> None:
    result = call(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"crashbook: {line}\n")


def test_the_queue_says_how_its_score_is_computed() -> None:
    said = call("query", "adl_selection_order").stderr
    assert "note: score: The highest score is closed first. Winners are closed by PnL over wallet balance" in said
    assert "adl_first_closed" in said
    assert "adl_selection_order" in call("query", "adl_first_closed").stderr
