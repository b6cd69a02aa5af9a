"""``crashbook sweep``: what it costs, the table, what is asked before it runs, a cluster that does not answer."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from backtest.cli import sweep as command
from backtest.studies.sweep import plan
from tests.support.command import call

RULES = """
event = "2025-10-10"
[set]
positions = 200
coins = "BTC"
step_s = 20
[grid]
adl_allocation = ["queue", "pro_rata"]
[[scenario]]
coins = "XYZ"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return str(path)


def test_the_price_is_shown_and_nothing_runs(file: str, tmp_path: Path) -> None:
    done = call("sweep", file, "--explain")
    assert done.stdout.startswith("3 scenarios: about ")
    assert "MB of results at most" in done.stdout
    assert not (tmp_path / "sweeps").exists()


def test_a_row_for_each_scenario(file: str, tmp_path: Path) -> None:
    done = call("sweep", file, "--workers", "1", "--format", "json")
    rows = json.loads(done.stdout)
    assert [row["adl_allocation"] for row in rows] == ["queue", "pro_rata", None]
    assert [row["error"] is None for row in rows] == [True, True, False]
    assert "1 of 3 scenarios were refused; the column error says why" in done.stderr
    table = pl.read_parquet(tmp_path / "sweeps" / "rules" / "sweep.parquet")
    assert table["adl_usd"].to_list() == [row["adl_usd"] for row in rows]
    again = call("sweep", file, "--workers", "1")
    assert "2 of 3 scenarios were finished already; --fresh runs them again" in again.stderr
    assert "unknown coin" in again.stdout


def test_a_large_sweep_is_asked_for(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan.ASKED == 10_000
    monkeypatch.setattr(plan, "ASKED", 2)
    done = call("sweep", file)
    assert done.exit_code == 2
    assert "3 scenarios are more than 2; give --yes, or fewer values in the grid" in done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--dask", "tcp://127.0.0.1:9", "--workers", "2"), "--workers and --dask"),
        (("--dask", "tcp://127.0.0.1:9"), "--dask tcp://127.0.0.1:9: no scheduler answers"),
        (("--dask", "nonsense://x"), "--dask nonsense://x: no scheduler answers"),
        (("--into", "nowhere://x"), "nowhere://x: "),
    ],
)
def test_what_cannot_run_is_one_line(
    file: str, options: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "CONNECT_S", 1)
    done = call("sweep", file, "--quiet", *options)
    assert done.exit_code in {1, 2}
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr


def test_draws_have_no_folders(file: str) -> None:
    Path(file).write_text("draws = 4\n" + RULES)
    assert "--folders: a draw leaves no run folder" in call("sweep", file, "--folders").stderr
