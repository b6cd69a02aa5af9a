"""Writing to the lake: the journal beside the days, what a killed process left, and what is not ours to touch."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from backtest.assets import lake_folder
from backtest.durable import sweep
from backtest.errors import DataError
from backtest.lake.digests import rows_digest
from backtest.lake.manifest import JOURNAL, enter_missing, read_manifest
from backtest.lake.place import Place
from backtest.lake.read import read_file
from backtest.lake.write import write_day
from tests.fetch.standins import flat

DAY = dt.date(2025, 10, 10)
NAME = "ohlcv/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/1m/2025-10-10.parquet"
MIDNIGHT = dt.datetime.fromisoformat("2025-10-10")
HERE = Place("bybit", "BTC/USDT:USDT", "ohlcv")
THIS = (HERE, DAY)


def minutes(count: int, first: int = 0) -> pl.DataFrame:
    return flat(MIDNIGHT + dt.timedelta(minutes=first), count)


def store(frame: pl.DataFrame, source: str = "bybit") -> Path:
    return write_day(frame, HERE, DAY, source=source)


def journal() -> Path:
    return lake_folder() / JOURNAL


def lines() -> list[bytes]:
    return [line for line in journal().read_bytes().splitlines() if line]


def test_the_journal_says_what_a_day_holds() -> None:
    frame = pl.concat([minutes(600), minutes(780, first=660)])
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    store(frame)
    ((name, entry),) = read_manifest().items()
    fetched_at = dt.datetime.fromisoformat(entry.pop("fetched_at"))
    assert before <= fetched_at <= before + dt.timedelta(seconds=60)
    assert name == NAME
    assert entry == {
        "file": NAME,
        "rows": 1380,
        "first": "2025-10-10T00:00:00",
        "last": "2025-10-10T23:59:00",
        "gaps": [["2025-10-10T10:00:00", "2025-10-10T11:00:00"]],
        "sha256": rows_digest(frame),
        "source": "bybit",
    }


def test_a_series_without_a_clock_has_no_gaps() -> None:
    frame = pl.DataFrame({"ts": [MIDNIGHT.replace(hour=8)], "rate": [0.0001]})
    write_day(frame.with_columns(pl.col("ts").cast(pl.Datetime("us"))), replace(HERE, series="funding"), DAY)
    (entry,) = read_manifest().values()
    assert (entry["rows"], entry["first"], entry["gaps"]) == (1, "2025-10-10T08:00:00", [])


def test_the_file_carries_its_source() -> None:
    path = store(minutes(3), source="binanceusdm archive")
    rows, source = read_file(path)
    assert source == "binanceusdm archive"
    assert rows.equals(minutes(3).select(rows.columns))


def test_a_day_written_again_counts_once_and_the_newest_line_holds() -> None:
    store(minutes(3), source="okx")
    store(minutes(4), source="bybit")
    (entry,) = read_manifest().values()
    assert (entry["rows"], entry["source"], len(lines())) == (4, "bybit", 2)


@pytest.mark.parametrize(
    "damage", [b'{"file": "half', b"\xff\xfe\x00", b"[1, 2]\n", b'{"file": 5}\n', b"\n\n", b"null\n", b'"text"\n']
)
def test_a_line_that_is_not_whole_is_passed_over(damage: bytes) -> None:
    store(minutes(3))
    with journal().open("ab") as file:
        file.write(damage)
    assert list(read_manifest()) == [NAME]
    write_day(minutes(3), replace(HERE, venue="okx"), DAY)
    assert list(read_manifest()) == [NAME, NAME.replace("bybit", "okx")]


def test_a_line_after_one_that_the_disk_did_not_take_is_read() -> None:
    store(minutes(3))
    whole = journal().read_bytes()
    journal().write_bytes(b'{"file": "ohl' + bytes(40) + whole)
    assert list(read_manifest()) == [NAME]


def test_no_journal_is_an_empty_one() -> None:
    assert read_manifest() == {}


def test_a_day_without_a_line_is_entered_as_it_was_written() -> None:
    path = store(minutes(1440), source="bybit archive")
    (entry,) = read_manifest().values()
    journal().unlink()
    written = dt.datetime.fromisoformat("2026-01-02T03:04:05").replace(tzinfo=dt.UTC).timestamp()
    os.utime(path, (written, written))
    assert enter_missing([THIS, (HERE, DAY + dt.timedelta(days=1))]) == 1
    (again,) = read_manifest().values()
    assert again == {**entry, "fetched_at": "2026-01-02T03:04:05"}
    assert enter_missing([THIS]) == 0
    assert len(lines()) == 1


def test_a_torn_line_is_entered_again_on_a_line_of_its_own() -> None:
    store(minutes(3))
    whole = journal().read_bytes()
    journal().write_bytes(whole[:-40])
    assert read_manifest() == {}
    assert enter_missing([THIS]) == 1
    assert [orjson.loads(line)["file"] for line in lines()[1:]] == [NAME]
    assert list(read_manifest()) == [NAME]


def test_a_damaged_day_that_is_not_in_the_journal_is_named() -> None:
    path = store(minutes(3))
    journal().unlink()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=f"{NAME}: not a whole Parquet file of the lake; delete it and fetch it again"):
        enter_missing([THIS])


REFUSED: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a column is missing": (lambda frame: frame.drop("volume"), "no column volume; ohlcv has the columns ts, open, "),
    "a row of the next day": (
        lambda frame: frame.with_columns(pl.col("ts") + dt.timedelta(days=1)),
        "3 rows are not of 2025-10-10",
    ),
    "a row of the day before": (
        lambda frame: frame.with_columns(pl.col("ts") - dt.timedelta(minutes=1)),
        "1 rows are not of 2025-10-10",
    ),
    "a row without a time": (
        lambda frame: frame.with_columns(pl.lit(None, pl.Datetime("us")).alias("ts")),
        "3 rows are not of 2025-10-10",
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_rows_that_are_not_of_the_day_are_refused_and_the_old_file_stays(change: str) -> None:
    path = store(minutes(2))
    before = path.read_bytes(), journal().read_bytes()
    spoil, words = REFUSED[change]
    with pytest.raises(DataError, match=words):
        store(spoil(minutes(3)))
    assert (path.read_bytes(), journal().read_bytes()) == before


def test_columns_are_put_in_order_and_in_their_types() -> None:
    frame = minutes(3).select(pl.all().reverse()).select(sorted(minutes(3).columns))
    path = store(frame.with_columns(pl.col("ts").cast(pl.Datetime("ms")), pl.col("volume").cast(pl.Int64)))
    rows, _ = read_file(path)
    assert rows.columns == ["ts", "open", "high", "low", "close", "volume"]
    assert rows.schema["ts"] == pl.Datetime("us")
    assert rows.schema["volume"] == pl.Float64
    assert rows["ts"].to_list() == minutes(3)["ts"].to_list()[::-1]


def test_nan_and_nothing_have_one_digest_in_memory_and_on_disk() -> None:
    frame = pl.DataFrame(
        {"ts": [MIDNIGHT], "open_interest_base": [np.nan], "open_interest_usd": [None]},
        schema={"ts": pl.Datetime("us"), "open_interest_base": pl.Float64, "open_interest_usd": pl.Float64},
    )
    path = write_day(frame, replace(HERE, series="open_interest"), DAY)
    (entry,) = read_manifest().values()
    assert entry["sha256"] == rows_digest(read_file(path)[0])


def a_dead_process() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def partial(owner: object, name: str = "2025-10-10.parquet", below: str = "") -> Path:
    folder = HERE.folder / below
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{owner}.partial"
    path.write_bytes(b"PAR1 half")
    return path


def test_what_dead_processes_left_is_swept_and_nothing_else() -> None:
    day = store(minutes(3))
    gone = [partial(a_dead_process()), partial(os.getpid()), partial(a_dead_process(), "x.zip.CHECKSUM", "deep/down")]
    kept = [partial(os.getppid()), partial("mine"), partial("²"), day, journal()]
    other = day.with_name("notes.partial")
    other.touch()
    assert sweep(HERE.folder) == 3
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in [*kept, other])


def test_a_number_that_no_process_can_have_is_no_living_one() -> None:
    path = partial(10**30)
    sweep(HERE.folder)
    assert path.exists()  # whose it is cannot be known


def test_nothing_is_swept_where_nothing_is(tmp_path: Path) -> None:
    assert sweep(tmp_path / "absent") == 0
    assert sweep(HERE.folder) == 0


@pytest.mark.parametrize("failing", ["replace", "mkdir"])
def test_a_disk_that_refuses_is_one_line_and_leaves_nothing(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, refuse)
    with pytest.raises(DataError, match=f"{NAME}: cannot be written: No space left on device; free space or set "):
        store(minutes(3))
    assert [path for path in lake_folder().rglob("*") if path.is_file()] == []


def test_a_journal_that_cannot_be_written_is_told_and_the_day_is_entered_later(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:10]))
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            store(minutes(3))
    assert HERE.file(DAY).is_file()
    assert read_manifest() == {}
    assert enter_missing([THIS]) == 1
    assert read_manifest()[NAME]["rows"] == 3


def test_lines_of_two_writers_do_not_mix() -> None:
    program = (
        "import sys, datetime as dt\n"
        "from backtest.lake.manifest import _append\n"
        "for n in range(300): _append({'file': f'{sys.argv[1]}{n}', 'source': 'x' * n})\n"
    )
    lake_folder().mkdir(parents=True)
    children = [subprocess.Popen([sys.executable, "-c", program, name], env=dict(os.environ)) for name in "ab"]
    assert [child.wait() for child in children] == [0, 0]
    assert sorted(read_manifest()) == sorted(f"{name}{n}" for name in "ab" for n in range(300))
    assert len(lines()) == 600
