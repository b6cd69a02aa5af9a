"""Comparisons and fund sizes from Python: frames, equal to what the studies find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import backtest
from backtest.errors import ConfigError, UsageError
from backtest.studies.compared import COLUMNS
from backtest.studies.metrics import METRICS

SMALL: dict[str, Any] = {"coins": ("BTC",), "step_s": 60.0, "draws": 2, "draw_positions": 200, "workers": 1}


def test_a_comparison_is_two_frames() -> None:
    found = backtest.compare("2025-10-10", alternatives={"day": {}, "random": {"ranking": "random"}}, **SMALL)
    assert found.alternatives == ("day", "random")
    assert tuple(found.rows.columns) == COLUMNS
    assert found.draws.columns == ["alternative", "draw", "seed", *(metric.name for metric in METRICS)]
    turn = (
        found.draws.select("alternative", "out_of_turn_usd")
        .group_by("alternative", maintain_order=True)
        .agg(pl.col("out_of_turn_usd").median())
    )
    assert found.figure("out_of_turn_usd")["median"].to_list() == pytest.approx(turn["out_of_turn_usd"].to_list())
    assert found.rows.filter(kind="size", metric="gain_usd").height >= 2
    assert found.draws["closed_gini_frac"].is_nan().sum() == 0
    assert found._repr_html_().count("<svg") == 1
    assert "var(--adl)" in found._repr_html_()


def test_a_fund_is_an_answer_with_frames(tmp_path: Path) -> None:
    window = {"start": "2025-10-10T21:00", "end": "2025-10-10T21:40"}
    found = backtest.fund("2025-10-10", venue="okx", no_adl=0.5, **window, **SMALL)
    assert isinstance(found, backtest.FundAnswer)
    assert (found.pool, found.given_usd) == ("fund", 100e6)
    assert found.needed_usd == found.draws["smallest_usd"].min()
    assert found.curve.filter("given").height == 1
    assert set(found.causes["preventable"]) <= {True}
    assert "recommended" in found._repr_html_()
    assert found.report(tmp_path / "fund.html").read_text("utf-8").count("<section") == 4
    path = found.report()
    listed = (path.parent / "index.html").read_text("utf-8")
    assert f'<a href="{path.name}">' in listed, "the page of all pages is written with each of them"
    assert found.rules["rule"].to_list() == ["floor", "trigger", "stop"]
    assert found.rules["given"].to_list() == ["0.0", "0.3", "0.3"]


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^compare\(\): give one of policy, venue and alternatives$"):
        backtest.compare(policy=["queue", "okx"], venue=["okx", "bybit"])
    with pytest.raises(ConfigError, match=r"^compare\(\): unknown key 'polices'"):
        backtest.compare(polices=["queue"])
    with pytest.raises(UsageError, match=r"^--draws 1: allowed are"):
        backtest.compare(policy=["queue", "okx"], draws=1)
    with pytest.raises(ConfigError, match=r"^fund\(\): seed = -1"):
        backtest.fund(seed=-1)
