"""``crashbook verify``: facts and scores of an event, of all events, strict or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import DataGapError, ScoreError
from tests.support.command import call

SMALL = ("--draws", "2", "--draw-positions", "200", "--set", "positions=200", "--set", "step_s=60")
EVENT = "2025-10-10"
NUMBERS = ("ratio", "band_width", "published_low", "published_high", "draws")
WORDS = ("kind", "use", "grade", "source", "metric", "unit")
SCORES = {"two_sided_core", "two_sided", "lower_bounds", "held_out"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a workspace that the tests share, so that the draws are made once."""
    return str(tmp_path_factory.mktemp("verified"))


@pytest.fixture(autouse=True)
def shared(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", home)


def answer(*args: str) -> Any:
    done = call("verify", *args, *SMALL, "--format", "json", "--quiet")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_an_event_as_json() -> None:
    got = answer(EVENT)
    assert got.keys() == {"event", "facts", "scores"}
    assert (got["event"], got["scores"].keys()) == (EVENT, SCORES)
    core = [row for row in got["facts"] if row["core"]]
    assert got["scores"]["two_sided_core"].keys() == {"facts", "median_factor", "inside_frac", "median_band_width"}
    assert got["scores"]["two_sided_core"]["facts"] == len(core) == 10
    assert all(row["low"] <= row["value"] <= row["high"] for row in got["facts"] if row["value"] is not None)


def test_an_event_for_a_reader() -> None:
    text = call("verify", EVENT, *SMALL).stdout
    assert "liquidated_users_btc" in text
    assert "not modelled  branching_ratio: on the tape a forced sale moves no price" in text
    assert "core: liquidated, ADL     10" in text
    assert "bars" in next(line for line in text.splitlines() if line.startswith("first_adl_majors"))


def test_numbers_of_all_facts_as_csv() -> None:
    lines = call("verify", EVENT, *SMALL, "--format", "csv").stdout.splitlines()
    assert lines[0].startswith("fact,coin,metric,unit,value,low,high,published_low")
    assert len(lines) == 1 + len(answer(EVENT)["facts"])


def test_strict_ends_with_exit_code_4_below_the_wanted_scores() -> None:
    done = call("verify", EVENT, *SMALL, "--set", "open_interest_usd=1e6", "--strict", "--quiet")
    assert done.exit_code == ScoreError.exit_code == 4
    assert done.stderr.startswith(f"crashbook: {EVENT}: scores below those wanted: median factor")


def test_events_without_facts_or_bars_say_so_in_one_line() -> None:
    nothing = call("verify", "2021-05-19", *SMALL)
    assert (nothing.exit_code, nothing.stdout, nothing.stderr.count("\n")) == (1, "", 1)
    assert "no published fact is compared with a run" in nothing.stderr
    no_bars = call("verify", EVENT, "--set", "start=2025-10-10T12:00", *SMALL)
    assert (no_bars.exit_code, no_bars.stderr.count("\n")) == (DataGapError.exit_code, 1)


@pytest.mark.parametrize("args", [(), (EVENT, "--all")])
def test_one_event_or_all(args: tuple[str, ...]) -> None:
    done = call("verify", *args)
    assert done.exit_code == 2
    assert "give one EVENT of crashbook events, or --all" in done.stderr


def test_calibrated_priors_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    done = call("calibrate", EVENT, "2021-12-04", *SMALL, "--output", str(path), "--quiet")
    assert done.exit_code == 0, done.output
    assert "accepted  2 of 2 draws" in done.stdout
    assert "all coins: median factor x" in done.stdout
    again = call("verify", EVENT, *SMALL, "--priors", str(path), "--format", "json", "--quiet")
    assert (again.exit_code, json.loads(again.stdout)["event"]) == (0, EVENT)


def test_a_calibration_that_accepts_nothing_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    done = call("calibrate", EVENT, *SMALL, "--tolerance", "1e-6", "--output", str(path))
    assert (done.exit_code, done.stderr.count("\n"), path.exists()) == (1, 1, False)
    assert "no draw within --tolerance 1e-06; the closest is at" in done.stderr


def test_the_query_gives_the_same_rows() -> None:
    got = {row["fact"]: row for row in answer(EVENT)["facts"]}
    done = call("query", "fact_scores", "--format", "json")
    found = {row["fact"]: row for row in json.loads(done.stdout)}
    assert found.keys() == got.keys()
    for name, row in found.items():
        numbers = {"value": row["median"], "low": row["p05"], "high": row["p95"], **{key: row[key] for key in NUMBERS}}
        assert _known(numbers) == pytest.approx(_known({key: got[name][key] for key in numbers}), rel=1e-6), name
        assert {key: row[key] for key in WORDS} == {key: got[name][key] for key in WORDS}
        assert row["inside"] == got[name]["inside"] or row["kind"] == "shown"


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}
