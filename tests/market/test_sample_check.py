"""The sample beside the venue's own files: each cell that differs is named, and what could not be compared."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl

from backtest.catalogue.events import get_event
from backtest.lake.write import write_day
from backtest.market.sample_check import SampleCheck, check_sample, place_of
from backtest.market.tape import sample_bars
from tests.fetch.venues import tapes
from tests.server.app import LocalVenues
from tests.support.command import call

(SAMPLE,) = get_event("2021-12-04").sample


def stored(frame: pl.DataFrame) -> SampleCheck:
    """Return the check of the sample after the lake holds ``frame`` of its day."""
    write_day(frame, place_of(SAMPLE), SAMPLE.start.date())
    (found,) = check_sample([SAMPLE])
    return found


def test_an_empty_lake_compares_nothing() -> None:
    (found,) = check_sample([SAMPLE])
    assert (found.bars, found.compared, found.rows) == (49, 0, ())


def test_equal_bars_have_no_differences_whatever_else_the_day_has() -> None:
    ours = sample_bars((SAMPLE,), SAMPLE.start, SAMPLE.end)
    before = ours.head(1).with_columns(pl.col("ts") - dt.timedelta(minutes=1))
    found = stored(pl.concat([before, ours]))
    assert (found.bars, found.compared, found.rows) == (49, 49, ())


def test_a_digit_and_a_missing_bar_are_named() -> None:
    ours = sample_bars((SAMPLE,), SAMPLE.start, SAMPLE.end)
    third, last = ours["ts"][2], ours["ts"][-1]
    typed = ours.with_columns(pl.when(pl.col("ts") == third).then(pl.col("low") - 0.01).otherwise("low").alias("low"))
    found = stored(typed.head(48))
    assert found.compared == 48
    low = ours["low"][2]
    assert [(row["ts"], row["column"], row["sample"], row["lake"]) for row in found.rows] == [
        (third, "low", repr(low), repr(low - 0.01)),
        (last, "bar", "there", "none"),
    ]


def test_the_command_fetches_the_days_and_tells_what_it_could_not_have(tmp_path: Path) -> None:
    with LocalVenues(tapes()) as venues:  # they serve October 2025 only, from these very bars
        config = venues.write_config(tmp_path / "local.toml", archives={"binance": f"{venues.base}/none"},
                                     retry={"attempts": 1, "first_s": 0.01})  # fmt: skip
        result = call("data", "compare-sample", "--exchange-config", str(config), "--format", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == []
    assert "note: binanceusdm_SOLUSDT_1m_2025-10-10.csv: 101 of 101 bars compared, 0 differences\n" in result.stderr
    assert "4 of 9 files of the sample are not compared in full; run this where" in result.stderr.splitlines()[-1]
    refused = call("data", "--compare-sample")
    assert (refused.exit_code, "is now called crashbook data compare-sample" in refused.stderr) == (2, True)
    assert call("data", "--archive", "binance=x").exit_code == 2
