"""What bars and funding rows must satisfy; every refusal is one line with time, count, allowed and fix."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from backtest.errors import DataError
from backtest.lake.checks import check_bars, check_funding, gaps_text
from backtest.lake.digests import rows_digest
from backtest.market.inputs import InputSeries
from backtest.schema.tables import TABLES
from backtest.times import find_gaps, micros
from tests.fetch.standins import bars, flat, utc

GOOD = [(10, 12, 9, 11, 5), (11, 11, 10, 10, 6), (10, 13, 10, 13, 0), (13, 13, 12, 12, 1)]


def check(frame: pl.DataFrame, **window):
    return check_bars(frame, "BTC/USDT:USDT", 60, "data/lake/x", **window)


def good() -> pl.DataFrame:
    return bars(utc("21:00"), GOOD)


def with_cell(frame: pl.DataFrame, row: int, name: str, value: object) -> pl.DataFrame:
    column = frame[name].to_list()
    column[row] = value
    return frame.with_columns(pl.Series(name, column, dtype=frame.schema[name]))


def test_good_bars_pass_unchanged() -> None:
    frame, facts = check(good())
    assert frame.equals(good())
    assert (facts.rows, facts.duplicates, facts.missing, facts.gaps, facts.longest_gap_s) == (4, 0, 0, (), 0)
    assert (facts.first, facts.last) == (utc("21:00"), utc("21:03"))
    assert facts.sha256 == rows_digest(good())


@pytest.mark.parametrize(
    ("cells", "what", "allowed"),
    [
        ({"open": float("nan")}, "a price that is not a number", "finite prices"),
        ({"close": None}, "a price that is not a number", "finite prices"),
        ({"high": float("inf")}, "a price that is not a number", "finite prices"),
        ({"low": -0.1}, "a price below zero", "prices of zero or more"),
        ({"open": -1.0}, "a price below zero", "prices of zero or more"),
        ({"high": 1e12}, "a price out of range", "prices below 1e+12"),
        ({"high": 9.5, "low": 9.7}, "a high below the low", "low <= high"),
        ({"open": 12.5}, "an open or close outside the range", "low <= open, close <= high"),
        ({"close": 9.5}, "an open or close outside the range", "low <= open, close <= high"),
        ({"volume": -1.0}, "a negative volume", "volumes of zero or more"),
        ({"volume": float("nan")}, "a volume that is not a number", "finite volumes"),
        ({"volume": None}, "a volume that is not a number", "finite volumes"),
        ({"ts": utc("21:01:30")}, "a time off the grid", "opens on whole multiples of 60 s"),
        ({"ts": utc("20:59")}, "time running backwards", "rows in order of time"),
        ({"ts": utc("21:00")}, "two different rows for one time", "one row for each time"),
    ],
)
def test_bad_bar_is_refused(cells: dict[str, object], what: str, allowed: str) -> None:
    frame = good()
    for name, value in cells.items():
        frame = with_cell(frame, 1, name, value)
    with pytest.raises(DataError) as caught:
        check(frame)
    when = cells.get("ts", utc("21:01"))
    assert isinstance(when, dt.datetime)
    assert str(caught.value) == (
        f"data/lake/x: BTC/USDT:USDT: {what} at {when.isoformat()} (1 such row); "
        f"allowed: {allowed}; correct the file or delete it and fetch it again"
    )


def test_first_bad_row_and_their_number_are_named() -> None:
    frame = with_cell(with_cell(good(), 1, "volume", -1.0), 3, "volume", -2.0)
    with pytest.raises(DataError, match=r"a negative volume at 2025-10-10T21:01:00 \(2 such rows\)"):
        check(frame)


def test_missing_time_is_refused() -> None:
    with pytest.raises(DataError, match=r"a time that cannot be read in place of a time \(1 such row\)"):
        check(with_cell(good(), 1, "ts", None))


def test_identical_duplicates_are_dropped_and_counted() -> None:
    frame, facts = check(pl.concat([good()[:2], good()[1:3], good()[2:]]))
    assert frame.equals(good())
    assert (facts.rows, facts.duplicates) == (4, 2)


def test_holes_inside_and_at_the_edges_of_a_window() -> None:
    _, inside = check(good()[[0, 3]])
    assert inside.gaps == ((utc("21:01"), utc("21:03")),)
    assert (inside.missing, inside.longest_gap_s) == (2, 120)
    _, facts = check(good()[[0, 2]], window=(utc("20:57"), utc("21:05")))
    gap = [(utc("20:57"), utc("21:00")), (utc("21:01"), utc("21:02")), (utc("21:03"), utc("21:05"))]
    assert facts.gaps == tuple(gap)
    assert (facts.missing, facts.longest_gap_s) == (6, 180)


def test_no_rows_is_one_hole() -> None:
    _, facts = check(good()[:0], window=(utc("21:00"), utc("21:05")))
    assert facts.gaps == ((utc("21:00"), utc("21:05")),)
    assert (facts.rows, facts.first, facts.last) == (0, None, None)
    _, unknown = check(good()[:0])
    assert unknown.gaps == ()


def test_only_the_first_holes_are_listed() -> None:
    times = flat(utc("21:00"), 11)["ts"].gather_every(2)
    gaps = find_gaps(times.to_physical().to_numpy(), (utc("21:00"), utc("21:11")), 60)
    assert len(gaps) == 5
    assert gaps_text(gaps).endswith("2025-10-10T21:05:00 to 2025-10-10T21:06:00 and 2 more")
    assert micros(gaps[0][1]) - micros(gaps[0][0]) == 60_000_000


@pytest.mark.parametrize("rate", [None, float("nan"), float("inf"), 1.0, -1.5])
def test_bad_funding_is_refused(rate: float | None) -> None:
    frame = pl.DataFrame({"ts": [utc("00:00"), utc("08:00")], "rate": pl.Series([1e-4, rate], dtype=pl.Float64)})
    with pytest.raises(DataError, match="a funding rate that is not a number below 1 at 2025-10-10T08:00:00"):
        check_funding(frame, "BTC/USDT:USDT", "data/lake/x")


def test_funding_order_and_duplicates() -> None:
    frame = pl.DataFrame({"ts": [utc("00:00"), utc("00:00"), utc("08:00")], "rate": [1e-4, 1e-4, 2e-4]})
    kept, facts = check_funding(frame, "BTC/USDT:USDT", "data/lake/x")
    assert kept["rate"].to_list() == [1e-4, 2e-4]
    assert (facts.rows, facts.duplicates, facts.gaps) == (2, 1, ())
    with pytest.raises(DataError, match="time running backwards at 2025-10-10T00:00:00"):
        check_funding(frame.reverse(), "BTC/USDT:USDT", "data/lake/x")
    with pytest.raises(DataError, match="two different rows for one time"):
        check_funding(with_cell(frame, 1, "rate", 3e-4), "BTC/USDT:USDT", "data/lake/x")


def test_a_row_of_the_coverage_table_has_all_its_columns() -> None:
    row = InputSeries("funding", "BTC/USDT:USDT", "", "missing", None, None, "none").row()
    assert ("run_id", *row) == TABLES["coverage"].names
    assert (row["rows"], row["sha256"], row["first_ts"]) == (0, "", None)
