"""``crashbook compare``: text, JSON and CSV of a small comparison, two stored runs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from backtest.run.run import StoredRun, open_run
from tests.cli.conftest import stored
from tests.support.command import call

SMALL = ("2025-10-10", "--set", "coins=BTC,SOL", "--set", "step_s=60", "--draw-positions", "200", "--draws", "2", "-q")


def test_a_reader_gets_figures_differences_and_classes(desk: Path) -> None:
    result = call("compare", *SMALL, "--policy", "queue,pro_rata")
    assert result.exit_code == 0, result.stderr
    text = result.stdout
    assert text.startswith("event  2025-10-10 at hyperliquid\ndraws  2, of ")
    assert "\nbase   queue\n" in text
    for title in ("median over draws", "less queue, within each draw: median (5 to 95 %)", "who gains and who loses"):
        assert f"\n{title}" in text
    assert not any(line.startswith("adl_accounts") and " queue " in line for line in text.splitlines())
    assert not list(desk.iterdir()), "nothing is stored"


def test_other_formats_have_every_row(desk: Path) -> None:
    words = ("compare", *SMALL, "--alternative", "ranking=random;losers=last")
    answer = json.loads(call(*words, "--format", "json").stdout)
    assert (answer["base"], answer["draws"], answer["event"]) == ("unchanged", 2, "2025-10-10")
    assert answer["seeds"] == [1, 2]
    assert answer["alternatives"] == ["unchanged", "ranking=random;losers=last"]
    alone = ("--draws", "0", "--set", "positions=200")
    result = call(*words, *alone, "--output", "a.csv", "--report")
    assert result.exit_code == 0
    page = Path(result.stderr.rsplit("report  ", 1)[1].strip())
    assert page.name.startswith("compare-2025-10-10-hyperliquid-")
    assert "What differs from unchanged?" in page.read_text("utf-8")
    rows = pl.read_csv(desk / "a.csv")
    assert rows.columns == list(answer["rows"][0])
    assert {*rows["metric"]} == {row["metric"] for row in answer["rows"]}
    adl = [row for row in answer["rows"] if row["metric"] == "out_of_turn_usd"]
    assert [row["alternative"] for row in adl] == answer["alternatives"]
    assert adl[0]["median"] == 0 < adl[1]["difference"]


def test_two_stored_runs_without_draws_are_compared_by_their_own_figures(shared: Path) -> None:
    first, latest = sorted(path.name for path in (shared / "runs").iterdir())
    answer = json.loads(call("compare", first, latest, "--format", "json").stdout)
    assert answer["draws"] == 0
    liquidated = {row["alternative"]: row for row in answer["rows"] if row["metric"] == "liquidated_usd"}
    mine, theirs = (float(open_run(name).summary()["liquidated_usd"]) for name in (first, latest))
    assert liquidated[latest]["difference"] == pytest.approx(theirs - mine)
    assert "figures of the runs themselves" in call("compare", first, latest).stdout


def test_two_stored_runs_with_the_same_draws_are_compared_draw_by_draw(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(desk))
    small = {"coins": ("BTC",), "step_s": 60.0, "positions": 100}
    first, other, seed = (
        stored("2025-10-10", draws=2, **small, **more) for more in ({}, {"adl_allocation": "pro_rata"}, {"seed": 5})
    )
    answer = json.loads(call("compare", first.run_id, other.run_id, "--format", "json").stdout)
    assert answer["draws"] == 2
    rows = {row["alternative"]: row for row in answer["rows"] if row["metric"] == "adl_positions"}
    ours, theirs = (drawn(run)["adl_positions"].to_list() for run in (first, other))
    assert rows[other.run_id]["difference"] == sum(theirs[k] - ours[k] for k in range(2)) / 2
    assert "draws  2, the same beside both runs" in call("compare", first.run_id, other.run_id).stdout
    assert json.loads(call("compare", first.run_id, seed.run_id, "--format", "json").stdout)["draws"] == 0


def drawn(run: StoredRun) -> pl.DataFrame:
    """Return the draws beside a run."""
    assert run.studies.draws is not None
    return run.studies.draws.frame()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("2025-10-10",), "give one of --policy A,B, --venue A,B and --alternative FIELD=VALUE"),
        (("2025-10-10", "--policy", "queue,fair"), "unknown policy 'fair'; Known: "),
        (("2025-10-10", "--venue", "okx,mtgox"), "unknown venue 'mtgox'; Known: "),
        (("2025-10-10", "--policy", "queue,okx", "--draws", "1"), "--draws 1: allowed are 0 for the scenario as it is"),
        (
            ("2025-10-10", "--policy", "queue,okx", "--draws", "-2"),
            "--draws -2: allowed are 0 for the scenario as it is, or 2 to 10,000",
        ),
        (("a", "b", "c"), "give one EVENT, or two runs of crashbook runs"),
        (("a", "b", "--policy", "queue,okx"), "two stored runs take no alternatives"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words: tuple[str, ...], line: str) -> None:
    result = call("compare", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"crashbook: {line}")
    assert result.stderr.count("\n") == 1
