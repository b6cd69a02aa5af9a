"""The lake: paths, round trips, bad files, files outside the window."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest

from backtest.errors import DataError, UnknownNameError
from backtest.lake.place import Place, lake_folder, shown
from backtest.lake.read import read_series
from backtest.lake.write import write_day
from tests.fetch.standins import bars, flat, utc

SYMBOL = "BTC/USDT:USDT"
DAY = dt.date(2025, 10, 10)
BARS = Place("bybit", SYMBOL, "ohlcv")


def write(day: str, frame: pl.DataFrame, series: str = "ohlcv", venue: str = "bybit", symbol: str = SYMBOL) -> Path:
    return write_day(frame, Place(venue, symbol, series), dt.date.fromisoformat(day))


def test_layout() -> None:
    path = BARS.file(DAY)
    assert shown(path) == "data/lake/ohlcv/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/1m/2025-10-10.parquet"
    funding = Place("bybit", SYMBOL, "funding").file(DAY)
    assert shown(funding) == "data/lake/funding/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/2025-10-10.parquet"


@pytest.mark.parametrize("name", ["../../x", "..", "a b", "Ω/€:€", "*?[x]", "/etc"])
def test_no_name_leaves_the_lake(name: str) -> None:
    folder = Place(name, name, "ohlcv").folder
    inside = folder.resolve().relative_to(lake_folder().resolve())
    assert len(inside.parts) == 4
    assert unquote(inside.parts[2].removeprefix("symbol=")) == name


def test_unknown_series_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="unknown series 'ohlc'; did you mean ohlcv"):
        Place("bybit", SYMBOL, "ohlc").file(DAY)
    with pytest.raises(UnknownNameError, match=r"unknown timeframe '\.\.'"):
        Place("bybit", SYMBOL, "ohlcv", "..").file(DAY)


def test_round_trip_over_days_keeps_every_bit() -> None:
    first = bars(utc("23:58"), [(0.1 + 0.2, 0.4, 0.3, 0.35, 1e-9), (0.35, 0.35, 0.35, 0.35, 0.0)])
    second = flat(utc("2025-10-11T00:00"), 3)
    write("2025-10-10", first)
    write("2025-10-11", second)
    read = read_series(BARS, utc("23:59"), utc("2025-10-11T00:02"))
    assert read.equals(pl.concat([first[1:], second[:2]]))
    assert read.schema["ts"] == pl.Datetime("us")
    whole = read_series(BARS, utc("00:00"), utc("2025-10-12T00:00"))
    assert whole.equals(pl.concat([first, second]))


def test_same_rows_same_bytes() -> None:
    frame = flat(utc("21:00"), 50)
    once = write("2025-10-10", frame).read_bytes()
    assert write("2025-10-10", frame).read_bytes() == once


def test_funding_has_no_timeframe() -> None:
    frame = pl.DataFrame({"ts": [utc("00:00"), utc("08:00")], "rate": [1e-4, -2e-4]})
    write("2025-10-10", frame, "funding")
    read = read_series(Place("bybit", SYMBOL, "funding"), utc("00:00"), utc("08:00"))
    assert read.rows() == [(utc("00:00"), 1e-4)]


def test_nothing_there_is_an_empty_frame() -> None:
    read = read_series(BARS, utc("00:00"), utc("08:00"))
    assert read.height == 0
    assert read.columns == ["ts", "open", "high", "low", "close", "volume"]


def test_end_is_exclusive_and_other_days_are_not_opened() -> None:
    write("2025-10-10", flat(utc("23:59"), 1))
    write("2025-10-11", flat(utc("2025-10-11T00:00"), 1)).write_bytes(b"not parquet")
    window = (utc("00:00"), utc("2025-10-11T00:00"))
    assert [path.stem for path in BARS.files(*window)] == ["2025-10-10"]
    assert read_series(BARS, *window).height == 1
    assert BARS.files(window[1], window[0]) == []


@pytest.mark.parametrize("damage", [b"not parquet", b"", None], ids=["garbage", "empty", "truncated"])
def test_damaged_file_is_named(damage: bytes | None) -> None:
    write("2025-10-10", flat(utc("21:00"), 5))
    bad = write("2025-10-11", flat(utc("2025-10-11T00:00"), 500))
    bad.write_bytes(bad.read_bytes()[:-40] if damage is None else damage)
    with pytest.raises(DataError) as caught:
        read_series(BARS, utc("00:00"), utc("2025-10-12T00:00"))
    message = str(caught.value)
    assert message.startswith("data/lake/ohlcv/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/1m/2025-10-11.parquet: not a whole")
    assert "delete it and fetch the day again" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.drop("close"),
        lambda frame: frame.with_columns(pl.col("ts").dt.epoch("ms")),
        lambda frame: frame.with_columns(pl.col("open").cast(pl.String)),
        lambda frame: frame.with_columns(pl.col("ts").dt.replace_time_zone("UTC")),
    ],
    ids=["missing column", "integer time", "text price", "time zone"],
)
def test_wrong_columns_are_refused(change) -> None:
    path = BARS.file(DAY)
    path.parent.mkdir(parents=True)
    change(flat(utc("21:00"), 5)).write_parquet(path)
    with pytest.raises(DataError, match=r"2025-10-10\.parquet: not a whole Parquet file with the columns ts TIMESTAMP"):
        read_series(BARS, utc("00:00"), utc("23:00"))


def test_rows_without_a_time_are_not_lost() -> None:
    path = BARS.file(DAY)
    path.parent.mkdir(parents=True)
    flat(utc("21:00"), 2).with_columns(ts=pl.lit(None, pl.Datetime("us"))).write_parquet(path)
    assert read_series(BARS, utc("00:00"), utc("23:00")).height == 2


def test_write_refuses_other_days_and_missing_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 rows are not of 2025-10-11; a file holds one UTC day"):
        write("2025-10-11", flat(utc("21:00"), 3))
    with pytest.raises(DataError, match="no column volume; ohlcv has the columns ts, open, high, low, close, volume"):
        write("2025-10-10", flat(utc("21:00"), 3).drop("volume"))
    assert not list(tmp_path.rglob("*.parquet*"))


def test_unwritable_lake_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("CRASHBOOK_HOME", str(blocked))
    with pytest.raises(DataError, match="cannot be written: Not a directory; free space or set CRASHBOOK_HOME"):
        write("2025-10-10", flat(utc("21:00"), 3))


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file size")
def test_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    import resource
    import signal

    old = write("2025-10-10", flat(utc("21:00"), 3)).read_bytes()
    rng = np.random.default_rng(0)
    noise = flat(utc("00:00"), 1440).with_columns(volume=pl.Series(rng.random(1440)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
        with pytest.raises(DataError, match="cannot be written: File too large"):
            write("2025-10-10", noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    files = list(tmp_path.rglob("*.parquet*"))
    assert [path.read_bytes() for path in files] == [old]


def test_folder_names_that_look_like_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "a[b]*?"))
    write("2025-10-10", flat(utc("21:00"), 3))
    assert read_series(BARS, utc("00:00"), utc("23:00")).height == 3
