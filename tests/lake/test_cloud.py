"""A lake at an address: runs, inventory and sweeps are those of a folder, changes are seen, fetches arrive whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from backtest.assets import lake_folder
from backtest.errors import CrashbookError, UsageError
from backtest.lake import cloud
from backtest.lake.cloud import publish, refresh
from backtest.lake.inventory import holdings
from backtest.studies.sweep.place import Folder
from backtest.studies.sweep.plan import read_plan
from backtest.studies.sweep.row import data_digest
from backtest.studies.sweep.sweep import sweep
from tests.fetch.venues import tapes
from tests.server.app import LocalVenues
from tests.support.command import call
from tests.support.hostile import EVENT, run_of, store, tape
from tests.support.store import BUCKET, client, store_served, upload

LAKE = "shared/lake"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a workspace whose lake has a day of bars, while a store is served."""
    home = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(home))
        store(tape())
        with store_served(patch):
            yield home


@pytest.fixture
def served(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a copy of that lake; the workspace is another, empty one."""
    upload(first / "data" / "lake", LAKE)
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "second"))
    return f"s3://{BUCKET}/{LAKE}"


@pytest.fixture
def there(served: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address with the lake set to it."""
    monkeypatch.setenv("CRASHBOOK_LAKE", served + "/")
    return served


def test_a_run_and_the_inventory_are_those_of_the_folder(
    served: str, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = run_of()
    monkeypatch.setenv("CRASHBOOK_HOME", str(first))
    folder, counted = run_of(), [holding.row() for holding in holdings()]
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "second"))
    monkeypatch.setenv("CRASHBOOK_LAKE", served)
    run = run_of()
    assert run.run_id == folder.run_id != sample.run_id
    assert run.summary() == folder.summary()
    assert [holding.row() for holding in holdings()] == counted


def test_a_lake_may_be_another_folder(first: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_LAKE", str(first / "data" / "lake"))
    assert [holding.facts.rows for holding in holdings()] == [15]


def test_what_changes_at_the_address_is_seen_and_what_goes_is_gone(there: str) -> None:
    refresh()
    first, (day,) = data_digest(), lake_folder().rglob("*.parquet")
    again = day.stat().st_mtime_ns
    assert data_digest() == first
    assert day.stat().st_mtime_ns == again, "what is there is not read again"
    key = f"{LAKE}/{day.relative_to(lake_folder()).as_posix()}"
    client().put_object(Bucket=BUCKET, Key=f"{LAKE}/../notes.parquet", Body=b"no day of the lake")
    client().put_object(Bucket=BUCKET, Key=key, Body=b"PAR1")
    assert data_digest() != first
    assert day.read_bytes() == b"PAR1"
    for gone in (key, f"{LAKE}/../notes.parquet"):
        client().delete_object(Bucket=BUCKET, Key=gone)
    refresh(now=True)
    assert not day.exists()
    assert holdings() == []
    assert not [*lake_folder().parent.rglob("notes*")]


def test_workers_of_a_sweep_read_the_address(there: str, tmp_path: Path) -> None:
    small = {"positions": 200, "start": "2021-12-04T05:20", "end": "2021-12-04T05:35", "step_s": 20.0}
    plan = read_plan({"event": EVENT, "set": {**small, "venue": "binanceusdm"}, "grid": {"seed": [1, 2]}})
    found = sweep(plan, Folder(tmp_path / "rows"), workers=2)
    assert [row.error for row in found.rows] == ["", ""]
    assert found.rows[0].values["liquidated_usd"] == pytest.approx(float(run_of(seed=1).summary()["liquidated_usd"]))
    assert sweep(plan, Folder(tmp_path / "rows"), workers=1).kept == 2


def objects() -> dict[str, bytes]:
    """Return the objects of the lake at the address, by name."""
    listed = client().list_objects_v2(Bucket=BUCKET, Prefix=f"{LAKE}/").get("Contents", [])
    keys = [each["Key"] for each in listed]
    return {key.removeprefix(f"{LAKE}/"): client().get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def test_a_day_is_there_before_it_is_in_the_copy_and_replays_as_from_a_folder(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh()
    path = store(tape().with_columns(volume=pl.lit(500.0)))
    name = path.relative_to(lake_folder()).as_posix()
    assert objects()[name] == path.read_bytes()
    publish()
    lines = objects()["manifest.jsonl"].splitlines()
    assert len(lines) == 2, "the line of the first writer stays"
    assert lines[1] == (lake_folder() / "manifest.jsonl").read_bytes().splitlines()[-1]
    publish()
    assert len(objects()["manifest.jsonl"].splitlines()) == 2
    run = run_of(count=100)
    monkeypatch.delenv("CRASHBOOK_LAKE")
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path / "third"))
    store(tape().with_columns(volume=pl.lit(500.0)))
    assert run_of(count=100).run_id == run.run_id


def test_a_day_that_the_address_does_not_take_is_nowhere(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh()
    monkeypatch.setenv("CRASHBOOK_LAKE", "s3://no-such-bucket/lake")
    with pytest.raises(CrashbookError, match=r"^s3://no-such-bucket/lake/ohlcv/.*; check address, credentials and net"):
        store(tape())
    assert not [*lake_folder().rglob("*.parquet")]


def test_what_is_gone_from_the_address_goes_from_the_copy_that_wrote_it(there: str) -> None:
    refresh()
    path = store(tape())
    client().delete_object(Bucket=BUCKET, Key=f"{LAKE}/{path.relative_to(lake_folder()).as_posix()}")
    refresh(now=True)
    assert not path.exists()


def test_a_fetch_fills_the_address(there: str, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    words = ("--venue", "binanceusdm", "--only", "--coins", "SOL", "--series", "funding")
    days = ("--start", "2025-10-11", "--end", "2025-10-11")
    with LocalVenues(tapes()) as venues:
        config = venues.write_config(tmp_path / "local.toml")
        result = call("fetch", "2025-10-10", *words, *days, "--exchange-config", str(config), "-q")
    assert result.exit_code == 0, result.stderr
    (name,) = (name for name in objects() if name.startswith("funding/"))
    assert objects()[name] == (lake_folder() / name).read_bytes()
    entered = [line for line in objects()["manifest.jsonl"].splitlines() if name.encode() in line]
    assert len(entered) == 1
    again = call("fetch", "2025-10-10", *words, *days, "--exchange-config", str(config), "-q")
    assert again.exit_code == 0, "what is there is not asked for: the venues are gone"


def test_an_address_that_does_not_answer_is_one_line(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, kind, fault in (
        ("s3://no-such-bucket/lake", CrashbookError, "^s3://no-such-bucket/lake: .*; check address, credentials"),
        ("nowhere://lake", UsageError, "^nowhere://lake: .*; install the driver of this kind of address$"),
    ):
        monkeypatch.setenv("CRASHBOOK_LAKE", address)
        with pytest.raises(kind, match=fault):
            holdings()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"needs the extra cloud: pip install 'crashbook\[cloud\]'$"):
        cloud.refresh(now=True)
