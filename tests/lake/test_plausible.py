"""Doubtful values are found where they stand, and no real bar or rate is doubted."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from backtest.lake.place import Place
from backtest.lake.plausible import judge_bars, judge_level, judge_open_interest, judge_rates
from backtest.lake.series import schema_of
from backtest.lake.suspect import Suspect
from backtest.lake.witnesses import suspects_of
from backtest.lake.write import write_day
from tests.fetch.standins import bars, utc
from tests.lake.single_faults import (
    SHARED,
    measure,
    sample_tapes,
    shared_files,
    shared_rates,
    shared_tapes,
    smallest_wicks,
)

MINUTES = 120
BTC = "BTC/USDT:USDT"


def quiet(minutes: int = MINUTES, price: float = 50_000.0) -> list[list[float]]:
    """Return bars that walk some dollars up and down."""
    ends = [price + 10 * (number * 7 % 11) for number in range(minutes + 1)]
    return [[a, max(a, b) + 5, min(a, b) - 5, b, 20.0 + number % 5] for number, (a, b) in enumerate(pairwise(ends))]


def tape(rows: list[list[float]]) -> pl.DataFrame:
    return bars(utc("20:00"), rows)


def found(frame: pl.DataFrame) -> list[tuple[str, str]]:
    return [(each.ts.strftime("%H:%M"), each.field) for each in judge_bars(frame, 60)]


# real data


def test_no_bar_of_the_sample_is_doubted() -> None:
    tapes = sample_tapes()
    assert len(tapes) == 9
    assert [each.text() for one in tapes for each in judge_bars(one.bars, one.bar_s)] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of shared data")
def test_no_bar_of_any_real_crash_is_doubted() -> None:
    tapes = [*shared_tapes(shared_files())]
    assert sum(one.bars.height for one in tapes) > 1_000_000
    assert [(one.name, each.text()) for one in tapes for each in judge_bars(one.bars, one.bar_s)] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of shared data")
def test_no_real_funding_rate_is_doubted() -> None:
    rates = shared_rates()
    assert max(frame["rate"].abs().max() for frame in rates) >= 0.0075  # type: ignore[type-var]
    assert [each for frame in rates for each in judge_rates(frame)] == []


# faults


def test_single_faults_of_real_bars_are_noticed() -> None:
    rates = measure(440, seed=10, tapes=sample_tapes())
    partly = ("volume x", "low and volume", "open and close", "stale close")  # see data/README.md
    prices = {kind: rate for kind, rate in rates.items() if not kind[0].startswith(partly)}
    assert {kind: rate for kind, rate in prices.items() if rate[0] < rate[1]} == {}
    hits, tried = rates["volume x1000", "crash"]
    assert hits == tried > 0


def test_the_smallest_wick_noticed_is_a_tenth_in_quiet_and_a_third_in_crash() -> None:
    wicks = smallest_wicks(16, seed=10, tapes=sample_tapes())
    assert 0.08 < wicks["quiet"][0] <= wicks["quiet"][-1] < 0.4
    assert wicks["crash"][-1] < 0.6


@pytest.mark.parametrize(
    ("field", "column", "value"), [("low", 2, 0.0), ("low", 2, 500.0), ("high", 1, 5e5), ("volume", 4, 5e5)]
)
def test_a_wrong_digit_is_doubted_and_nothing_else(field: str, column: int, value: float) -> None:
    rows = quiet()
    rows[60][column] = value
    assert found(tape(rows)) == [("21:00", field)]


def test_two_wrong_bars_close_by_do_not_hide_each_other() -> None:
    rows = quiet()
    for other in (61, 62):
        both = [list(row) for row in rows]
        both[60][2], both[other][2] = 500.0, 500.0
        assert found(tape(both)) == [("21:00", "low"), (f"21:0{other - 60}", "low")]


def test_a_bar_that_repeats_the_one_before_is_doubted() -> None:
    rows = quiet()
    rows[60] = list(rows[59])
    assert found(tape(rows)) == [("21:00", "close")]
    rows[60][4] += 1
    assert found(tape(rows)) == []


def test_one_large_order_where_little_trades_is_no_fault() -> None:
    rows = quiet()
    rows[60][4] = 4000.0
    thin = [[price / 1e6 for price in row[:4]] + row[4:] for row in rows]
    assert found(tape(thin)) == []
    thin[60][4] = 10_000.0
    assert found(tape(thin)) == [("21:00", "volume")]


def test_a_price_that_moves_without_volume_is_doubted_only_between_bars_that_trade() -> None:
    rows = quiet()
    rows[60][4] = 0.0
    assert found(tape(rows)) == [("21:00", "volume")]
    text = "volume 0 at 2025-10-10T21:00:00, expected above 0 (the price moves without volume)"
    assert [each.text() for each in judge_bars(tape(rows), 60)] == [text]
    rows[61][4] = 0.0
    assert found(tape(rows)) == []
    for row in rows:
        row[4] = 0.0  # marks
    assert found(tape(rows)) == []


@pytest.mark.parametrize("row", [0, MINUTES - 1])
def test_first_and_last_bar_are_judged_by_their_own_open_and_close(row: int) -> None:
    rows = quiet()
    rows[row][2] = 500.0
    assert [field for _, field in found(tape(rows))] == ["low"]
    rows[row][0 if row == 0 else 3] = 500.0  # the crash begins here, or was over
    assert found(tape(rows)) == []


def test_a_crash_to_a_ten_thousandth_is_no_fault() -> None:
    """LUNA lost 99.99 %: a hundred bars of 9 % each way down, with wicks of 5 %."""
    ends = [80 * 0.91**number for number in range(101)]
    rows = [[a, a * 1.02, b * 0.95, b, 5e6 / b] for a, b in pairwise(ends)]
    assert ends[-1] < 80 * 1e-4
    assert found(tape(rows)) == []


def test_zeros_that_last_are_no_fault_of_one_field() -> None:
    rows = quiet()
    for row in rows[60:75]:
        row[:4] = [0.0] * 4
    assert found(tape(rows)) == []


def test_few_bars_say_nothing() -> None:
    rows = quiet(4)
    rows[2][2] = 1.0
    assert found(tape(rows)) == []


# rates, open interest, levels


def test_open_interest_of_another_unit_for_one_row_is_doubted() -> None:
    ts = [utc("20:00") + dt.timedelta(minutes=5 * number) for number in range(12)]
    base = [100.0 + number for number in range(12)]
    frame = pl.DataFrame({"ts": ts, "open_interest_base": base, "open_interest_usd": [None] * 12},
                         schema=schema_of("open_interest"))  # fmt: skip
    assert judge_open_interest(frame) == ()
    wrong = frame.with_columns(pl.Series("open_interest_base", [*base[:6], 10_600.0, *base[7:]]))
    (suspect,) = judge_open_interest(wrong)
    assert (suspect.ts, suspect.field, suspect.value) == (ts[6], "open_interest_base", 10_600.0)


def test_a_run_of_high_rates_is_no_fault() -> None:
    ts = [utc("00:00") + dt.timedelta(hours=8 * number) for number in range(8)]
    assert judge_rates(pl.DataFrame({"ts": ts, "rate": [1e-4, 1e-4, 0.02, 0.025, 0.02, 1e-4, 1e-4, 1e-4]})) == ()


def test_marks_in_another_unit_are_doubted_and_a_dislocation_is_not() -> None:
    trade = np.full(60, 50_000.0)
    dislocated = np.where(np.arange(60) < 20, 100_000.0, trade)
    assert judge_level(np.arange(60), dislocated, trade) == ()
    assert judge_level(np.arange(60), trade / 1000, trade)[0].expected == "25,000 to 100,000"


# other series bear a move out


@pytest.mark.parametrize(
    ("series", "venue"), [("mark_ohlcv", "bybit"), ("index_ohlcv", "bybit"), ("ohlcv", "binanceusdm")]
)
@pytest.mark.parametrize("low", [0.0, 20_000.0])
def test_a_mark_an_index_or_another_venue_bears_a_wick_out(series: str, venue: str, low: float) -> None:
    rows = quiet()
    rows[60][2] = low
    place, day = Place("bybit", BTC, "ohlcv"), dt.date(2025, 10, 10)
    assert [each.field for each in suspects_of(place, tape(rows))] == ["low"]
    other = Place(venue, BTC, series)
    write_day(tape(quiet()), other, day)
    assert [each.field for each in suspects_of(place, tape(rows))] == ["low"]
    borne_out = quiet()
    borne_out[60][2] = low and 25_000.0
    write_day(tape(borne_out), other, day)
    assert suspects_of(place, tape(rows)) == ()


def test_a_damaged_file_bears_nothing_out() -> None:
    other = Place("okx", BTC, "ohlcv")
    write_day(tape(quiet()), other, dt.date(2025, 10, 10)).write_bytes(b"PAR1")
    rows = quiet()
    rows[60][2] = 0.0
    assert len(suspects_of(Place("bybit", BTC, "ohlcv"), tape(rows))) == 1


def test_the_worst_of_several_is_the_farthest_from_what_was_expected() -> None:
    ts = utc("20:00")
    near = Suspect(ts, "low", 30_000.0, 45_000.0, None, "")
    far = Suspect(ts, "low", 500.0, 45_000.0, None, "")
    high = Suspect(ts, "high", 100_000.0, None, 55_000.0, "")
    assert max((near, far, high), key=lambda each: each.severity) is far
    assert max((near, high), key=lambda each: each.severity) is high
