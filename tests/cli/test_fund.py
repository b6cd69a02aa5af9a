"""``crashbook fund``: text, JSON and CSV of a small study, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from backtest.formatting import SPACE
from tests.support.command import call

SMALL = ("2025-10-10", "--venue", "okx", "--draws", "2", "--draw-positions", "200", "-q", "--set", "coins=BTC",
         "--set", "step_s=60", "--set", "start=2025-10-10T21:00", "--set", "end=2025-10-10T21:40")  # fmt: skip


def test_the_answer_is_a_page_a_document_or_a_curve(desk: Path) -> None:
    page = call("fund", *SMALL, "--no-adl", "0.5")
    assert page.exit_code == 0, page.stderr
    lines = page.stdout.replace(SPACE, " ").splitlines()
    assert lines[:2] == ["event      2025-10-10 at okx", "fund       100 M USD given"]
    assert lines[3].startswith("no ADL     from ")
    assert lines[4].startswith("set        --set fund_start_usd=")
    assert [line.split()[0] for line in lines[5:12] if line[:1].strip()][:3] == ["floor", "trigger", "stop"]
    assert any(line.startswith("100 M USD (given) ") for line in lines)
    assert "why ADL came, share of all draws' ADL" in page.stdout
    alone = (*SMALL[:3], "--draws", "0", "-q", "--set", "positions=200", *SMALL[-8:])
    answer = json.loads(call("fund", *alone, "--format", "json").stdout)
    assert answer["pool"] == "fund"
    assert answer["needed_usd"] == answer["draws"][0]["smallest_usd"]
    assert [row["field"] for row in answer["rules"]] == [
        "fund_floor_usd", "drawdown_trigger_frac", "drawdown_stop_frac",
    ]  # fmt: skip
    result = call("fund", *alone, "--output", "a.csv", "--report")
    assert result.exit_code == 0
    assert result.stderr.endswith("fund-2025-10-10-okx.html\n")
    assert pl.read_csv(desk / "a.csv")["adl_usd"].to_list() == [row["adl_usd"] for row in answer["curve"]]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--no-adl", "1"), "--no-adl 1: allowed is a share between 0 and 1, such as 0.99"),
        (("--draws", "1"), "--draws 1: allowed are 0 for the scenario as it is, or 2 to 10,000"),
        (("--venue", "mtgox"), "unknown venue 'mtgox'; Known: "),
        (("--venue", "drift"), "drift has no ADL (ranking = none) that a fund could prevent; name another venue"),
    ],
)
def test_what_cannot_be_answered_is_one_line(words: tuple[str, ...], line: str) -> None:
    result = call("fund", "2025-10-10", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"crashbook: {line}")
    assert result.stderr.count("\n") == 1
