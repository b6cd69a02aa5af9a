"""Run folders at an address: whole, run.json last, once, with what is stored beside them; refused in a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import CrashbookError, RunError, UnknownNameError, UsageError
from backtest.lake import store
from backtest.run import share
from backtest.run.execute import passing
from backtest.run.label import write_label
from backtest.run.run import open_run
from tests.support.hostile import ready, run_of
from tests.support.store import BUCKET, client, store_served


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """Serve a store and return the address of runs in it."""
    with pytest.MonkeyPatch.context() as patch, store_served(patch) as address:
        yield address("desk/runs")


def written() -> list[tuple[str, bytes]]:
    """Return the objects of runs by name, in the order in which they were written."""
    objects = client()
    listed = objects.list_objects_v2(Bucket=BUCKET, Prefix="desk/runs/").get("Contents", [])
    keys = [each["Key"] for each in listed]
    return [(key.removeprefix("desk/runs/"), objects.get_object(Bucket=BUCKET, Key=key)["Body"].read()) for key in keys]


def test_a_run_is_at_the_address_when_its_last_file_is(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("CRASHBOOK_RUNS", f"{served}/")
    order: list[str] = []

    def put(address: str, name: str, data: bytes) -> None:
        order.append(name)
        store.put(address, name, data)

    monkeypatch.setattr(share, "put", put)
    run = run_of(count=100)
    assert order[-1] == f"{run.run_id}/run.json"
    there = {name.removeprefix(f"{run.run_id}/"): data for name, data in written()}
    assert there == {path.name: path.read_bytes() for path in run.path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path / "other"))
        brought = open_run(run.run_id)
        assert brought.path.parent == tmp_path / "other" / "runs"
        assert brought.summary() == run.summary()
        assert {path.name: path.read_bytes() for path in brought.path.iterdir()} == there
        with pytest.raises(UnknownNameError, match=r"^unknown run '0{12}'"):
            open_run("0" * 12)
    order.clear()
    assert run_of(count=100).run_id == run.run_id
    assert order == [], "it is there"
    write_label(run.path, "desk")
    assert order == [f"{run.run_id}/label.txt"]
    with passing(ready(count=100, seed=2)) as other:
        assert other.run_id != run.run_id
    assert len(order) == 1, "a run of a study that is not kept stays here"


def test_a_run_that_the_address_does_not_take_is_whole_here_and_tried_again(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("CRASHBOOK_RUNS", "s3://no-such-bucket/runs")
    with pytest.raises(CrashbookError, match=r"^s3://no-such-bucket/runs/.*; check address, credentials and network$"):
        run_of(count=100, seed=3)
    monkeypatch.setenv("CRASHBOOK_RUNS", served)
    run = run_of(count=100, seed=3)
    assert f"{run.run_id}/run.json" in dict(written())


def test_a_folder_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("CRASHBOOK_RUNS", "/data/runs")
    with pytest.raises(UsageError, match=r"^CRASHBOOK_RUNS=/data/runs: allowed: an address, s3://bucket/runs; "):
        run_of(count=100)


def test_a_store_that_shows_half_a_file_gets_it_by_rename(tmp_path: Path) -> None:
    address: Any = f"file://{tmp_path}/shared"
    store.put(address, "a/run.json", b"one")
    store.put(address, "a/run.json", b"two")
    assert store.get(address, "a/run.json") == b"two"
    assert store.get(address, "a/other.json") is None
    assert [path.name for path in (tmp_path / "shared" / "a").iterdir()] == ["run.json"]


def test_a_run_of_which_a_file_is_gone_is_not_brought(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("CRASHBOOK_RUNS", served)
    store.put(served, "0123456789ab/run.json", b'{"tables": {"fund": {}}}')
    with pytest.raises(RunError, match=r"/0123456789ab: fund\.parquet is missing; write the run there again$"):
        open_run("0123456789ab")
    assert not (tmp_path / "runs").exists()
    store.put(served, "0123456789ab/run.json", b"no JSON")
    with pytest.raises(RunError, match=r"/run\.json: .*; write the run there again$"):
        open_run("0123456789ab")
