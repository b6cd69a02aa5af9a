"""The inventory of a lake agrees with its rows: gaps, duplicates, stale marks, edited and misplaced days."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.catalogue.events import CrashEvent, get_event
from backtest.lake import inventory
from backtest.lake.clock import on_grid
from backtest.lake.digests import rows_digest
from backtest.lake.inventory import HEADER, Holding, holdings, lake_places
from backtest.lake.place import Place, lake_folder
from backtest.lake.read import read_series
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from tests.fetch.standins import bars, flat, utc

BTC = "BTC/USDT:USDT"
TENTH, ELEVENTH = dt.date(2025, 10, 10), dt.date(2025, 10, 11)
DAY_MINUTES = 1440


def put(
    frame: pl.DataFrame, series: str = "ohlcv", day: dt.date = TENTH, *, source: str = "bybit", **place: str
) -> Path:
    names = {"venue": "bybit", "symbol": BTC, **place}
    return write_day(frame, Place(series=series, **names), day, source=source)


def minutes(day: dt.date = TENTH) -> pl.DataFrame:
    return flat(dt.datetime.combine(day, dt.time()), DAY_MINUTES)


def rates(*hours: float, day: dt.date = TENTH) -> pl.DataFrame:
    start = dt.datetime.combine(day, dt.time())
    ts = [start + dt.timedelta(hours=hour) for hour in hours]
    return pl.DataFrame({"ts": ts, "rate": [0.0001] * len(ts)}, schema=schema_of("funding"))


def interest(*minutes_of_day: int) -> pl.DataFrame:
    ts = [utc("00:00") + dt.timedelta(minutes=minute) for minute in minutes_of_day]
    rows = {"ts": ts, "open_interest_base": [5.0] * len(ts), "open_interest_usd": [None] * len(ts)}
    return pl.DataFrame(rows, schema=schema_of("open_interest"))


def only(event: CrashEvent | None = None, **options: Any) -> Holding:
    held = [holding for holding in holdings(event, **options) if not holding.absent]
    assert len(held) == 1
    return held[0]


def crash(**changes: Any) -> CrashEvent:
    """Return the crash of 10 October 2025 for BTC alone, from 12:00 to 12:00."""
    return dataclasses.replace(get_event("2025-10-10"), **{"coins": ("BTC",), **changes})


def test_an_empty_lake_holds_nothing() -> None:
    assert holdings() == []
    (absent,) = holdings(crash())
    assert absent.absent
    row = absent.row()
    assert (row["series"], row["venue"], row["symbol"]) == ("ohlcv", "", "BTC")
    assert (row["expected"], row["rows"], row["missing"], row["gaps"]) == (1440, 0, 1440, 1)
    assert "crashbook fetch 2025-10-10" in row["note"]


def test_whole_days_lack_nothing() -> None:
    put(minutes())
    put(minutes(ELEVENTH), day=ELEVENTH, source="bybit archive")
    row = only().row()
    assert tuple(row) == HEADER
    expected = {
        "series": "ohlcv",
        "venue": "bybit",
        "symbol": BTC,
        "timeframe": "1m",
        "expected": 2880,
        "rows": 2880,
        "missing": 0,
        "gaps": 0,
        "longest_gap_s": 0,
        "gap_times": "",
        "duplicates": 0,
        "stale_marks": None,
        "suspects": 0,
        "worst_suspect": "",
        "first_ts": utc("00:00"),
        "last_ts": utc("2025-10-11T23:59"),
        "source": "bybit, bybit archive",
        "sha256": rows_digest(pl.concat([minutes(), minutes(ELEVENTH)])),
        "state": "",
        "changed": 0,
        "note": "",
    }
    assert row == expected


def test_gaps_are_counted_and_timed() -> None:
    hour = minutes().filter(~pl.col("ts").is_between(utc("21:00"), utc("22:00"), closed="left"))
    put(hour.filter(pl.col("ts") != utc("05:00")))
    row = only().row()
    assert (row["expected"], row["rows"], row["missing"], row["gaps"], row["longest_gap_s"]) == (
        1440,
        1379,
        61,
        2,
        3600,
    )
    assert row["gap_times"] == (
        "2025-10-10T05:00:00 to 2025-10-10T05:01:00, 2025-10-10T21:00:00 to 2025-10-10T22:00:00"
    )


def test_a_day_that_is_absent_within_an_event_is_a_gap_and_between_two_events_none() -> None:
    put(minutes())
    put(minutes(dt.date(2025, 10, 12)), day=dt.date(2025, 10, 12))
    event = dataclasses.replace(get_event("2025-10-10"), coins=("BTC",), end=dt.datetime.fromisoformat("2025-10-13"))
    (row,) = [each.row() for each in holdings(event)]
    assert (row["expected"], row["missing"], row["longest_gap_s"]) == (3600, 1440, 86_400)
    assert row["gap_times"] == "2025-10-11T00:00:00 to 2025-10-12T00:00:00"
    assert [(each.expected, each.facts.missing) for each in holdings()] == [(1440, 0), (1440, 0)]


def test_duplicates_are_counted_once_and_contradictions_are_faults() -> None:
    twice = pl.concat([minutes(), minutes().filter(pl.col("ts") == utc("21:00"))]).sort("ts")
    put(twice)
    holding = only()
    assert (holding.facts.rows, holding.facts.duplicates, holding.facts.missing, holding.faults) == (1440, 1, 0, ())
    put(pl.concat([minutes(), bars(utc("21:00"), [(101, 101, 101, 101, 1)])]).sort("ts"))
    (fault,) = only().faults
    assert fault == "two different rows for one time at 2025-10-10T21:00:00 (1 such row)"


def test_a_broken_rule_is_named_and_the_rest_is_still_counted() -> None:
    put(minutes().with_columns(high=pl.when(pl.col("ts") == utc("21:00")).then(50.0).otherwise(pl.col("high"))))
    row = only().row()
    assert row["note"] == "a high below the low at 2025-10-10T21:00:00 (1 such row)"
    assert (row["rows"], row["missing"], row["duplicates"]) == (1440, 0, 0)


def test_a_negative_premium_is_no_fault() -> None:
    put(bars(utc("00:00"), [(-0.1, 0.1, -0.2, 0.0, 0.0)] * DAY_MINUTES), "premium_ohlcv")
    assert (only().faults, only().facts.missing) == ((), 0)
    backwards = bars(utc("00:00"), [(-0.1, 0.1, -0.2, 0.0, 0.0)] * 3).sort("ts", descending=True)
    put(backwards, "premium_ohlcv")
    assert only().faults == ("time running backwards at 2025-10-10T00:01:00 (2 such rows)",)


def test_a_corrupt_file_is_named_and_the_others_are_read() -> None:
    put(minutes())
    broken = put(minutes(ELEVENTH), day=ELEVENTH)
    broken.write_bytes(broken.read_bytes()[:-100])
    row = only().row()
    assert row["note"].startswith(
        "2025-10-11.parquet is not a whole Parquet file; changed since it was entered: 2025-10-11"
    )
    assert (row["rows"], row["missing"], row["changed"], row["expected"]) == (1440, 1440, 1, 2880)


def test_a_file_with_other_columns_is_named() -> None:
    put(minutes())
    path = put(minutes(ELEVENTH), day=ELEVENTH)
    minutes(ELEVENTH).with_columns(pl.col("volume").cast(pl.String)).write_parquet(path)
    assert only().faults == ("2025-10-11.parquet has no column volume of the type of the series",)


def test_rows_of_another_day_than_the_name_says() -> None:
    path = put(minutes())
    shutil.copy(path, path.with_name("2025-10-11.parquet"))
    holding = only()
    assert holding.faults[0] == "2025-10-11.parquet has 1440 rows of another day"
    assert (holding.expected, holding.facts.missing, holding.changed) == (2880, 1440, (ELEVENTH,))


def test_a_file_that_is_not_named_by_a_day() -> None:
    path = put(minutes())
    shutil.copy(path, path.with_name("20251011.parquet"))
    assert only().faults == ("not named by a day: 20251011.parquet",)
    path.unlink()
    assert (only().faults, only().facts.rows, only().expected) == (("not named by a day: 20251011.parquet",), 0, None)


def test_an_edited_and_a_copied_day_are_changed() -> None:
    put(minutes())
    path = put(minutes(ELEVENTH), day=ELEVENTH)
    flat(utc("2025-10-11T00:00"), DAY_MINUTES, price=101.0).write_parquet(path)
    flat(utc("2025-10-12T00:00"), DAY_MINUTES).write_parquet(path.with_name("2025-10-12.parquet"))
    row = only().row()
    assert (row["changed"], row["note"]) == (2, "changed since it was entered: 2025-10-11, 2025-10-12")
    assert only(journal=False).row()["changed"] is None


def test_a_day_fetched_again_is_not_changed() -> None:
    put(flat(utc("00:00"), DAY_MINUTES, price=101.0))
    put(minutes())
    assert only().changed == ()


@pytest.mark.parametrize(
    ("hours", "expected", "missing"),
    [((0, 8, 16), 3, 0), ((0, 4, 8, 16, 20), 6, 1), ((0, 1, 2), 24, 21), ((8,), None, 0)],
)
def test_funding_is_due_at_its_most_frequent_distance(hours: tuple[int, ...], expected: int, missing: int) -> None:
    put(rates(*hours), "funding")
    holding = only()
    assert (holding.expected, holding.facts.missing, holding.facts.rows) == (expected, missing, len(hours))


def test_funding_stamped_late_by_milliseconds_has_no_gap() -> None:
    put(rates(0.000004, 8.000002, 16), "funding")
    assert (only().expected, only().facts.gaps) == (3, ())


def test_funding_of_a_window_that_holds_one_time() -> None:
    put(rates(0, 8, 16), "funding")
    holding = only(crash(start=utc("12:00"), end=utc("18:00"), core_start=utc("13:00"), core_end=utc("14:00")))
    assert (holding.expected, holding.facts.rows, holding.facts.missing) == (1, 1, 0)


def test_statistics_go_by_the_step_of_the_venue() -> None:
    every_second = [*range(0, DAY_MINUTES, 10)]
    put(interest(*every_second), "open_interest")
    holding = only()
    assert (holding.expected, holding.facts.rows, holding.facts.missing) == (288, 144, 144)
    put(interest(*range(0, DAY_MINUTES, 5)), "open_interest")
    assert (only().facts.missing, only().facts.gaps) == (0, ())


def test_marks_stale_at_funding() -> None:
    put(rates(0, 8, 16), "funding")
    (funding,) = (each for each in holdings() if each.place.series == "funding")
    assert funding.stale_marks is None
    assert "no mark bars" in funding.row()["note"]
    fresh = minutes().filter(~pl.col("ts").is_between(utc("07:45"), utc("08:00")))  # the last bar opens at 07:44
    put(fresh.filter(~pl.col("ts").is_between(utc("15:46"), utc("16:00"))), "mark_ohlcv")  # here at 15:45
    (funding,) = (each for each in holdings() if each.place.series == "funding")
    assert funding.stale_marks == 1
    put(minutes(), "mark_ohlcv", symbol="ETH/USDT:USDT")
    (funding,) = (each for each in holdings() if each.place.series == "funding")
    assert funding.stale_marks == 1, "the marks of another symbol do not count"


def test_series_without_a_clock_expect_nothing() -> None:
    day = dt.datetime.combine(TENTH, dt.time())
    rows = {"ts": [day, day], "band_frac": [-0.01, 0.01], "depth_base": [1.0, 2.0], "depth_usd": [1.0, 2.0]}
    put(pl.DataFrame(rows, schema=schema_of("depth")), "depth")
    fallen = {"ts": [day, day], "side": ["sell", "sell"], "quantity_base": [1.0, 1.0], "px": [9.0, 9.0]}
    put(pl.DataFrame(fallen, schema=schema_of("liquidations")), "liquidations")
    for holding in holdings():
        row = holding.row()
        assert (row["expected"], row["missing"], row["gaps"], row["longest_gap_s"]) == (None,) * 4
        assert (row["rows"], row["duplicates"], row["note"]) == (2, 0, "")


def test_names_are_decoded_and_foreign_folders_left_out() -> None:
    put(minutes(), symbol="../../Ω €:*", timeframe="1m")
    (lake_folder() / "ohlcv" / "venue=bybit" / "symbol=A B" / "1m").mkdir(parents=True)
    (lake_folder() / "ohlcv" / "venue=bybit" / "symbol=AB" / "3m").mkdir(parents=True)
    assert lake_places() == [Place("bybit", "../../Ω €:*", "ohlcv", "1m")]
    assert only().facts.rows == DAY_MINUTES


def test_an_event_shows_its_coins_and_opens_its_days_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (dt.date(2025, 10, 9), TENTH, ELEVENTH, dt.date(2025, 10, 12)):
        put(minutes(day), day=day)
    put(minutes(), symbol="PEPE/USDT:USDT")
    put(minutes(), venue="binanceusdm")
    opened: list[dt.date] = []
    load = inventory.load_days

    def watched(series: str, files: dict[dt.date, Path]) -> Any:
        opened.extend(files)
        return load(series, files)

    monkeypatch.setattr(inventory, "load_days", watched)
    event = crash()
    held = {(each.place.venue, each.place.symbol): each for each in holdings(event)}
    assert sorted(held) == [("binanceusdm", BTC), ("bybit", BTC)]
    assert set(opened) == {TENTH, ELEVENTH}
    whole, half = held["bybit", BTC].facts, held["binanceusdm", BTC].facts
    assert (whole.rows, whole.missing, whole.first, whole.last) == (1440, 0, event.start, utc("2025-10-11T11:59"))
    assert whole.sha256 == rows_digest(read_series(Place("bybit", BTC, "ohlcv"), event.start, event.end))
    assert (half.rows, half.missing) == (720, 720)


def test_an_event_shows_its_first_venue_first_and_the_state_of_today() -> None:
    for venue in ("okx", "bybit", "binanceusdm"):
        put(minutes(), venue=venue)
    limits = {
        "ts": [utc("2026-11-23")],
        "tick_px": [0.1],
        "lot_base": [0.001],
        "contract_size": [1.0],
        "quantity_min": [0.001],
    }
    put(pl.DataFrame(limits, schema=schema_of("limits")), "limits", day=dt.date(2026, 11, 23))
    shown = [(each.place.series, each.place.venue) for each in holdings(crash(venues=("okx",)))]
    assert shown == [("ohlcv", "okx"), ("ohlcv", "binanceusdm"), ("ohlcv", "bybit"), ("limits", "bybit")]


def test_hours_are_expected_from_the_first_that_starts_in_the_window() -> None:
    times = pl.Series([utc("00:00")], dtype=pl.Datetime("us")).to_physical().to_numpy()
    assert on_grid((utc("12:30"), utc("14:30")), times, 3600) == (utc("13:00"), utc("15:00"))
