"""A workspace whose path has the letters of patterns, quotes and spaces: fetched, replayed, asked, reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backtest.api.run import open_run
from tests.cli.test_fetch import BINANCE, fetched
from tests.support.hostile import accepted, files, refused, run_of

NAME = 'w[a-z]*?{x,y} it\'s "my" 100% $HOME ~'
WORDS = ("2025-10-10", "--venue", "binanceusdm", "--coins", "BTC", "--positions", "100", "--set", "step_s=60", "-q",
         "--format", "json")  # fmt: skip


@pytest.fixture
def special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a workspace of that name, beside one that its pattern would fit."""
    (tmp_path / "wa").mkdir()
    home = tmp_path / NAME
    home.mkdir()
    monkeypatch.setenv("CRASHBOOK_HOME", str(home))
    monkeypatch.chdir(home)
    return home


def test_every_step_works_in_a_workspace_of_any_name(special: Path, tmp_path: Path) -> None:
    told = fetched("2025-10-10", *BINANCE, "--coins", "BTC", "--series", "ohlcv,funding", "-q", folder=special)
    assert told.of("ohlcv")
    assert "ohlcv" in accepted("data", "2025-10-10", "-q")
    accepted("replay", *WORDS)
    run = open_run()
    assert run.coverage.filter(series="ohlcv")["source"].to_list()[0].startswith("binanceusdm: data/lake/ohlcv")
    assert run.steps.height
    assert run.query("price_path").height
    folder = f"runs/{run.run_id}"
    for words in (["query", "adl_waves", folder], ["sql", "select count(*) from ledger", folder], ["runs"]):
        accepted(*words, "-q")
    accepted("report", folder)
    accepted("query", "price_path", folder, "--output", "out[1].csv", "-q")
    assert (special / "out[1].csv").is_file()
    assert {name.partition("/")[0] for name in files()} == {"data", "runs", "reports", "out[1].csv", "local.toml"}
    assert [*(tmp_path / "wa").iterdir()] == []


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with one small run."""
    home = tmp_path_factory.mktemp("held")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        run_of()
    return home


@pytest.mark.parametrize("kind", ["link", "dangling link", "FIFO", "folder"])
@pytest.mark.parametrize("words", [["query", "price_path", "-q"], ["report"]], ids=["query", "report"])
def test_output_replaces_regular_files_only(
    held: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], kind: str
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(held))
    place, goal = tmp_path / ("out.html" if words == ["report"] else "out.csv"), tmp_path / "goal"
    if kind == "FIFO":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(goal)
        if kind == "link":
            goal.write_text("mine", "utf-8")
    before = place.lstat().st_mode, place.lstat().st_ino
    line = refused(2, *words, "--output", str(place))
    name = kind.removeprefix("dangling ")
    assert "is a folder; name a file" in line if kind == "folder" and words[0] == "query" else f"is a {name}; " in line
    assert (place.lstat().st_mode, place.lstat().st_ino) == before
    assert (goal.read_text() == "mine") if kind == "link" else not goal.exists()
