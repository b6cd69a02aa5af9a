"""A run for other programs, and a scenario file to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from backtest.cli import export
from backtest.cli.questions import GROUPS, group_of
from backtest.run.run import open_run
from backtest.scenario.fields import PARAMS
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.files import query_names
from tests.support.command import call


def test_a_database_has_tables_views_functions_and_comments(shared: Path, desk: Path) -> None:
    assert call("export", "latest", "out/run.duckdb").exit_code == 0
    run = open_run()
    with duckdb.connect("out/run.duckdb", read_only=True) as con:
        for name in ("steps", "liquidations", "ledger", *VIEWS):
            assert con.sql(f"from {name}").pl().equals(run.table(name)), name
        meanings = dict(
            con.sql("select column_name, comment from duckdb_columns() where table_name = 'steps'").fetchall()
        )
        assert meanings["mark_px"] == "mark price at the step (quote per base)"
        assert con.sql("select is_inverse('BTC/USD:BTC')").fetchall() == [(True,)]
    assert [path.name for path in Path("out").iterdir()] == ["run.duckdb"]


def test_a_folder_is_new_and_whole(shared: Path, desk: Path) -> None:
    assert call("export", "latest", "files").exit_code == 0
    assert {path.name for path in Path("files").iterdir()} == {
        *(f"{name}.parquet" for name in (*TABLES, *VIEWS)), "schema.sql",
    }  # fmt: skip
    with duckdb.connect(":memory:") as con:
        con.execute(Path("files/schema.sql").read_text("utf-8"))
        assert con.sql("select count(*) from cascades").fetchall() == [(0,)]
    assert "is there already" in call("export", "latest", "files").stderr


def test_the_tape_is_the_run_by_bar(shared: Path, desk: Path) -> None:
    assert call("export", "latest", "tape.parquet", "--tape", "-q").exit_code == 0
    tape, run = pl.read_parquet("tape.parquet"), open_run()
    assert tape.height == run.steps["bar_ts"].n_unique()
    assert tape["liquidated_long_usd"].sum() == run.steps["liquidated_long_usd"].sum()
    assert (tape["low_px"] <= tape["open_px"]).all()
    assert call("export", "latest", "tape.duckdb", "--tape").exit_code == 2
    assert call("export", "latest", "run.pdf").exit_code == 2


def test_a_workbook_says_what_is_in_it_and_which_long_tables_and_views_are_left_out(
    shared: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    assert export.SHEET_ROWS == 20_000
    run = open_run()
    monkeypatch.setattr(export, "SHEET_ROWS", run.table("cascades").height + 50)
    long = {name for name in (*TABLES, *VIEWS) if run.table(name).height > export.SHEET_ROWS}
    assert long & set(TABLES)
    assert long & set(VIEWS)
    result = call("export", "latest", "run.xlsx")
    assert result.exit_code == 0
    book = openpyxl.load_workbook("run.xlsx", read_only=True)
    about = {row[0]: row[2] for row in book["about"].iter_rows(min_row=2, values_only=True)}
    assert about.keys() == {"tape", *VIEWS, *TABLES}
    filled = [name for name in TABLES if run.table(name).height]
    assert book.sheetnames == ["about", "tape", *(name for name in (*VIEWS, *filled) if name not in long)]
    for name in long:
        assert about[name].startswith(f"LEFT OUT, {run.table(name).height:,} rows: crashbook sql")
        assert f"{name} ({run.table(name).height:,} rows)" in result.stderr


def test_a_scenario_file_states_every_field_and_changes_nothing(desk: Path) -> None:
    assert call("init", "2021-12-04").exit_code == 0
    text = Path("scenario.toml").read_text("utf-8")
    assert {param.name for param in PARAMS} - {"watch"} == set(
        re.findall(r"^(?:# )?(\w+) = ", text.split("# My own")[0], re.M)
    )
    every = re.sub(r"^# (\w+ = (?!\.\.\.))", r"\1", text.split("# My own")[0], flags=re.M)
    Path("every.toml").write_text(every, "utf-8")
    ids = {re.search(r"run id +(\w+)", call("replay", "-c", name, "--positions", "300", "--explain", "-q").stdout)[1]  # type: ignore[index]
           for name in ("scenario.toml", "every.toml")}  # fmt: skip
    assert len(ids) == 1
    refused = call("init")
    assert refused.exit_code == 2
    assert "scenario.toml is there already" in refused.stderr


def test_questions_stand_in_groups_with_an_example_of_each(shared: Path) -> None:
    text = call("query").stdout
    assert {group_of(name) for name in query_names()} == set(GROUPS)
    assert all(f"    crashbook query {name}" in text for name in query_names())
