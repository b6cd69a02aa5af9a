"""What a day must be before it is stored, by whatever route it came, and what is told of one that is not whole."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from backtest.fetch.day import FetchedDay, broken_rule, deduplicated, passes_bar_rules, rows_missing
from backtest.fetch.rest.rows import array_of
from backtest.lake.checks import check_bars
from backtest.lake.digests import rows_digest
from backtest.lake.place import Place
from backtest.lake.read import read_file, read_series
from backtest.lake.series import SERIES
from backtest.lake.write import write_bars, write_day
from tests.fetch.standins import flat, utc
from tests.fetch.venues import fetched, lake_digests, wanted
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS
from tests.support.command import call

DAY = CRASH_DAYS[0]
SYMBOL = "BTC/USDT:USDT"
MS = 1_760_054_400_000


def place(series: str) -> Place:
    return Place("bybit", SYMBOL, series, "1m" if SERIES[series].bars else "")


def ratios(values: list[float | None]) -> pl.DataFrame:
    ts = [dt.datetime.combine(DAY, dt.time()) + dt.timedelta(minutes=5 * n) for n in range(len(values))]
    return pl.DataFrame({"ts": ts, "ratio": values}, schema={"ts": pl.Datetime("us"), "ratio": pl.Float64()})


@pytest.mark.parametrize("series", ["open_interest", "long_short_ratio"])
def test_missing_statistics_are_counted(series: str) -> None:
    match = "open-interest" if series == "open_interest" else "account-ratio"
    outcome, _ = fetched(wanted(["bybit"], (series,), days=[DAY]), [Fault("missing_hour", match=match, hour_ms=MS)])
    assert [(day.rows, day.missing) for day in outcome.served] == [(276, 12)]


def test_funding_with_a_hole_is_told() -> None:
    hour = MS + 5 * 3_600_000
    outcome, _ = fetched(wanted(["hyperliquid"], ("funding",), days=[DAY]), [Fault("missing_hour", hour_ms=hour)])
    assert [(day.rows, day.note) for day in outcome.served] == [
        (23, "its times are not at equal distances: rows may be missing")
    ]


def test_values_that_no_market_has_are_left_out() -> None:
    kept = deduplicated(
        FetchedDay(DAY, frame=ratios([1.5, -1.0, 0.0, None, float("inf"), 2.0])), place("long_short_ratio")
    )
    assert (kept.height, kept.dropped) == (2, 4)
    nothing = np.array([[MS, np.nan, np.nan], [MS + 300_000, 0.0, np.nan], [MS + 600_000, -1.0, 3.0]])
    kept = deduplicated(FetchedDay(DAY, rows=nothing), place("open_interest"))
    assert (kept.height, kept.dropped) == (1, 2)


def test_rows_of_a_file_come_once_or_are_not_believed() -> None:
    bars = flat(utc("21:00"), 3)
    twice = deduplicated(FetchedDay(DAY, frame=pl.concat([bars, bars])), place("ohlcv"))
    assert (twice.height, twice.reason, twice.dropped) == (3, "", 0)
    other = deduplicated(FetchedDay(DAY, frame=pl.concat([bars, flat(utc("21:01"), 1, price=7)])), place("ohlcv"))
    assert other.reason == "two different rows for 1 times"
    blank = bars.with_columns(open=pl.Series([None, 1.0, 1.0]))
    assert deduplicated(FetchedDay(DAY, frame=blank), place("premium_ohlcv")).height == 2
    assert rows_missing(FetchedDay(DAY, frame=bars), place("ohlcv")) == 1437


def test_bars_that_keep_the_rules_pass_the_checks_and_others_are_named() -> None:
    good = np.array([[MS + 60_000 * n, 2.0, 3.0, 1.0, 2.0, 5.0] for n in range(3)])
    good[0, [3, 5]] = 0  # a price and a volume of zero are allowed
    assert passes_bar_rules(good, 60)
    check_bars(flat(utc("21:00"), 3), SYMBOL, 60, "test")
    assert broken_rule(FetchedDay(DAY, rows=good), place("ohlcv"), "bybit") == ""
    for column, value in ((1, 9.0), (2, 0.5), (3, -0.5), (4, np.nan), (5, -1.0), (0, MS + 1), (2, 1e13), (5, 1e18)):
        bad = good.copy()
        bad[1, column] = value
        assert not passes_bar_rules(bad, 60)
        assert broken_rule(FetchedDay(DAY, rows=bad), place("ohlcv"), "bybit").startswith("gave rows that break a rule")


def test_bars_from_an_array_and_from_a_frame_are_the_same_day() -> None:
    rows = np.array([[MS + 60_000 * n, 2.0, 3.0, 1.0, 2.5, 5.0] for n in range(1440)])
    first, source = read_file(write_bars(rows, Place("bybit", SYMBOL, "ohlcv"), DAY, source="here"))
    told = [text for name, text in lake_digests().items() if name.startswith("journal")]
    assert read_file(write_day(first, Place("bybit", SYMBOL, "ohlcv"), DAY, source=source))[0].equals(first)
    assert told == [text for name, text in lake_digests().items() if name.startswith("journal")]
    start = dt.datetime.combine(DAY, dt.time())
    again = read_series(Place("bybit", SYMBOL, "ohlcv"), start, start + dt.timedelta(days=1))
    assert rows_digest(again) == rows_digest(first)


def test_rows_with_more_cells_than_wanted_are_cut() -> None:
    assert array_of([[1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14]], 6)[1].tolist() == [8, 9, 10, 11, 12, 13]
    assert np.isnan(array_of([[1, 2, 3, 4, 5, None]], 6)[0, 5])


def test_a_bad_file_of_one_coin_does_not_stop_the_others() -> None:
    goals = wanted(["bybit"], coins=("BTC", "SOL"), days=[DAY])
    fetched(goals[:1])
    Place("bybit", SYMBOL, "ohlcv").file(DAY).write_bytes(b"")
    outcome, _ = fetched(goals)
    assert [(day.coin, day.rows) for day in outcome.served] == [("SOL", 1440)]
    assert "not a whole Parquet file" in outcome.denied[0].reason


def test_a_plan_reads_no_files() -> None:
    result = call("fetch", "2025-10-10", "--fills", "x.jsonl", "--dry-run")
    assert result.exit_code == 2
    assert "leave one out" in result.stderr
