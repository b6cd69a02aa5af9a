"""A lake from a stranger: links, pipes, hostile journals and damaged days; nothing outside of it is read or written."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.lake.inventory import holdings, lake_places
from backtest.lake.manifest import JOURNAL, read_manifest
from backtest.lake.place import Place
from backtest.lake.read import database, read_series
from backtest.lake.write import write_day
from tests.fetch.standins import flat
from tests.run.foreign import TEXTS, VALUES, harmless

SEED = int(os.environ.get("CRASHBOOK_FOREIGN_SEED", "20251010"))
CASES = int(os.environ.get("CRASHBOOK_FOREIGN_CASES", "100"))
DAY = dt.date(2025, 10, 10)
START = dt.datetime.combine(DAY, dt.time())
HERE = Place("bybit", "BTC/USDT:USDT", "ohlcv")
END = START + dt.timedelta(days=1)


@pytest.fixture
def day() -> Path:
    """Return the file of a day of bars in the lake."""
    return write_day(flat(START, 10), HERE, DAY)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder beside the workspace."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("kind", ["link", "dangling link", "FIFO", "folder"])
def test_a_day_is_a_regular_file(day: Path, outside: Path, kind: str) -> None:
    if kind == "link":
        day.rename(outside / "day.parquet")
    else:
        day.unlink()
    if kind == "FIFO":
        os.mkfifo(day)
    elif kind == "folder":
        day.mkdir()
    else:
        day.symlink_to(outside / "day.parquet")
    before = sorted(outside.iterdir())
    name = kind.removeprefix("dangling ")
    for touch in (lambda: read_series(HERE, START, END), lambda: write_day(flat(START, 5), HERE, DAY)):
        with pytest.raises(DataError, match=rf"2025-10-10.parquet: a {name}; the lake holds regular files"):
            touch()
    assert sorted(outside.iterdir()) == before
    (held,) = (holding for holding in holdings() if not holding.absent)
    assert held.faults == (f"not named by a day: 2025-10-10.parquet (a {name})",)


def test_a_linked_folder_of_the_lake_is_neither_read_nor_written(day: Path, outside: Path) -> None:
    symbol = day.parents[1]
    symbol.rename(outside / "symbol")
    symbol.symlink_to(outside / "symbol")
    before = (outside / "symbol" / "1m" / day.name).read_bytes()
    for touch in (lambda: read_series(HERE, START, END), lambda: write_day(flat(START, 5), HERE, DAY)):
        with pytest.raises(DataError, match="symbol=BTC%2FUSDT%3AUSDT: a link; "):
            touch()
    assert lake_places() == []
    assert (outside / "symbol" / "1m" / day.name).read_bytes() == before


def test_the_lake_itself_may_be_a_link(day: Path, outside: Path) -> None:
    lake_folder().rename(outside / "lake")
    lake_folder().symlink_to(outside / "lake")
    assert read_series(HERE, START, END).height == 10


def test_the_database_of_the_lake_reads_nothing_else(day: Path, outside: Path) -> None:
    import duckdb

    (outside / "secret.csv").write_text("secret\n")
    assert read_series(HERE, START, END).height == 10
    for statement in (f"select * from '{outside / 'secret.csv'}'", f"copy (select 1) to '{outside / 'written'}'",
                      f"attach '{outside / 'other.db'}'", "set enable_external_access = true"):  # fmt: skip
        with pytest.raises(duckdb.Error):
            database(lake_folder()).execute(statement)
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]


def test_a_hostile_journal_is_passed_over(day: Path) -> None:
    print(f"seed {SEED}, {CASES} cases")
    rng, journal = random.Random(SEED), lake_folder() / JOURNAL
    good = journal.read_bytes()
    (entry,) = read_manifest().values()
    for _ in range(CASES):
        line = dict(json.loads(good))
        key = rng.choice([*line])
        line[key] = rng.choice([*VALUES, *TEXTS])
        text = json.dumps(line).encode()
        text = text[: rng.randrange(len(text))] if rng.random() < 0.2 else text
        journal.write_bytes(rng.choice([b"", good]) + text + b"\n" + good)
        found = read_manifest()
        assert found[entry["file"]] == entry
        assert all(isinstance(each.get("sha256", ""), str) and each["file"].isprintable() for each in found.values())


@pytest.mark.parametrize("kind", ["link", "FIFO", "folder", "nested"])
def test_a_journal_that_is_none_counts_as_absent(day: Path, outside: Path, kind: str) -> None:
    journal = lake_folder() / JOURNAL
    if kind == "nested":
        journal.write_bytes(b"[" * 100_000)
    else:
        journal.rename(outside / JOURNAL)
    if kind == "link":
        journal.symlink_to(outside / JOURNAL)
    elif kind == "FIFO":
        os.mkfifo(journal)
    elif kind == "folder":
        journal.mkdir()
    assert read_manifest() == {}


def test_damaged_days_are_named(day: Path) -> None:
    print(f"seed {SEED}, {CASES} cases")
    rng, good = random.Random(SEED), day.read_bytes()
    damages: list[Callable[[bytearray], bytes]] = [
        lambda body: bytes(body[: rng.randrange(len(body))]),
        lambda body: rng.randbytes(200),
        lambda body: body[:4] + rng.randbytes(len(body) - 8) + body[-4:],
        _flipped(rng),
        lambda _: _written(flat(START, 10).with_columns(pl.lit("x" * 1000).alias("open"))),
        lambda _: _written(flat(START, 10).rename({"open": "o'; drop table x; --"})),
    ]
    refused = 0
    for _ in range(CASES // 2):
        day.write_bytes(rng.choice(damages)(bytearray(good)))
        try:
            read_series(HERE, START, END)
        except DataError as error:
            harmless(str(error))
            refused += 1
        holdings(journal=False)
    assert refused > CASES // 4


def _flipped(rng: random.Random) -> Callable[[bytearray], bytes]:
    def flip(body: bytearray) -> bytes:
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        return bytes(body)

    return flip


def _written(frame: pl.DataFrame) -> bytes:
    import io

    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()
