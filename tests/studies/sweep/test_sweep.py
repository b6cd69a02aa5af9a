"""Scenarios run by one process, several, an executor or a cluster: the same table, nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import CrashbookError, UsageError
from backtest.studies.sweep import sweep as module
from backtest.studies.sweep.place import ROWS, Cloud, Folder
from backtest.studies.sweep.plan import Plan, read_plan
from backtest.studies.sweep.row import Row, Task, failed, keys_of, run_point
from backtest.studies.sweep.sweep import sweep
from backtest.studies.sweep.table import parquet, table_of
from tests.support.plain import HOT_MINUTES, LONG_STEPS
from tests.support.store import store_served

SMALL = {"positions": 200, "coins": ["BTC"], **HOT_MINUTES, **LONG_STEPS}
TABLE = {"event": "2025-10-10", "set": SMALL, "grid": {"seed": [1, 2, 3]}, "scenario": [{"venue": "bybit"}]}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan(TABLE)


@pytest.fixture(scope="module")
def expected(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the table that one process makes."""
    return swept(plan, Folder(tmp_path_factory.mktemp("one")), workers=1)


def swept(plan: Plan, place: Any, **options: Any) -> bytes:
    return parquet(table_of(plan, sweep(plan, place, **options)))


def rows_of(folder: Path) -> list[Path]:
    return sorted((folder / ROWS).iterdir())


def test_two_workers_give_the_bytes_of_one(plan: Plan, expected: bytes, tmp_path: Path) -> None:
    assert swept(plan, Folder(tmp_path), workers=2) == expected
    assert len(rows_of(tmp_path)) == plan.size


def test_an_executor_gives_the_same(plan: Plan, expected: bytes, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert swept(plan, Folder(tmp_path), executor=executor) == expected


def test_what_is_finished_is_not_run_again(
    plan: Plan, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(plan, Folder(tmp_path), workers=1)
    ran: list[int] = []

    def counted(task: Task, number: int) -> Row:
        ran.append(number)
        return run_point(task, number)

    monkeypatch.setattr(module, "run_point", counted)
    assert swept(plan, Folder(tmp_path), workers=1) == expected
    assert ran == []
    first, second, *_ = rows_of(tmp_path)
    first.write_bytes(b"{")  # a row that was damaged, and one that holds another key
    second.write_bytes(rows_of(tmp_path)[2].read_bytes())
    assert swept(plan, Folder(tmp_path), workers=1) == expected
    assert len(ran) == 2
    changed = read_plan({**TABLE, "grid": {"seed": [2, 3, 4]}})
    assert sweep(changed, Folder(tmp_path), workers=1).kept == 3


def test_what_a_scenario_names_is_part_of_its_key(tmp_path: Path) -> None:
    policy = tmp_path / "mine.py"
    plan = read_plan({**TABLE, "set": {**SMALL, "adl_allocation": f"{policy}:pay"}})
    points = list(plan.points())
    keys = []
    for text, data in (("a = 1", "lake"), ("a = 2", "lake"), ("a = 1", "other lake"), ("a = 1", "lake")):
        policy.write_text(text)
        keys.append(tuple(keys_of(plan, points, data)))
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_a_refused_scenario_is_a_row_and_is_tried_again(tmp_path: Path) -> None:
    plan = read_plan({**TABLE, "grid": {}, "scenario": [{"coins": ["XYZ"]}, {"seed": 1}]})
    for _ in range(2):
        done = sweep(plan, Folder(tmp_path), workers=1)
        assert done.failed == 1
        assert "unknown coin" in done.rows[0].error
        assert done.rows[1].values["liquidated_usd"]
        assert table_of(plan, done)["error"].null_count() == 1
    assert done.kept == 1


def dying(task: Task, number: int) -> Row:
    """Kill the process of scenario 2, whenever it is run, that of scenario 1 the first time."""
    mark = Path(os.environ["SWEEP_MARK"])
    if number == 2 or (number == 1 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return failed(task.points[number], task.keys[number], f"row {number}")


@pytest.mark.usefixtures("forked")
def test_a_scenario_whose_worker_dies_is_run_once_more(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_MARK", str(tmp_path / "mark"))
    monkeypatch.setattr(module, "run_point", dying)
    done = sweep(plan, Folder(tmp_path), workers=2)
    assert [row.error for row in done.rows] == ["row 0", "row 1", "its worker died twice (killed by signal 9)", "row 3"]


class Broken(ThreadPoolExecutor):
    """An executor that loses every answer."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(OSError("the machine is gone\nfor good"))
        return future


def test_what_an_executor_loses_is_a_row(plan: Plan, tmp_path: Path) -> None:
    with Broken(1) as executor:
        done = sweep(plan, Folder(tmp_path), executor=executor)
    assert {row.error for row in done.rows} == {"its worker died twice (the machine is gone)"}
    closed = ThreadPoolExecutor(1)
    closed.shutdown()
    with pytest.raises(CrashbookError, match=r"^the executor takes no more scenarios: cannot schedule new futures"):
        sweep(plan, Folder(tmp_path), executor=closed)


def test_draws_leave_medians_and_bands(tmp_path: Path) -> None:
    grid = {"venue": ["hyperliquid", "bybit"], "adl_allocation": ["queue", "pro_rata"]}
    plan = read_plan({**TABLE, "draws": 3, "draw_positions": 150, "grid": grid, "scenario": []})
    table = table_of(plan, sweep(plan, Folder(tmp_path), workers=1))
    assert table["draws"].to_list() == [3] * 4
    assert (table["liquidated_low_usd"] <= table["liquidated_usd"]).all()
    assert (table["liquidated_usd"] <= table["liquidated_high_usd"]).all()
    queue, pro_rata, *_ = table["liquidated_usd"]
    assert queue == pro_rata  # the same draws, and who is closed changes nobody's margin
    assert table["adl_draws_frac"].to_list() == [1.0, 1.0, 0.0, 0.0]


def test_run_folders_are_kept_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backtest.run.run import open_run

    monkeypatch.setenv("CRASHBOOK_HOME", str(tmp_path))
    plan = read_plan({**TABLE, "grid": {}, "scenario": [{}, {"mark_half_life_s": 11}]})
    place = Folder(tmp_path / "rows")
    without = sweep(plan, place, workers=1).rows
    done = sweep(plan, place, workers=1, folders=True)
    assert (done.kept, sweep(plan, place, workers=1).kept) == (0, 2)  # a row without a folder is run again for it
    rows = done.rows
    assert [row.values for row in without] == [row.values for row in rows]
    row = rows[1]
    run = open_run(row.run_id)
    assert float(run.summary()["liquidated_usd"]) == row.values["liquidated_usd"]
    assert all(result.passed for result in run.audits())


# -- the cloud, and a cluster ---------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Serve a store of the S3 kind on loopback and give addresses in its bucket."""
    with store_served(monkeypatch) as address:
        yield address


def test_rows_may_live_in_the_cloud(
    plan: Plan, expected: bytes, bucket: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Cloud(bucket("rules"))
    assert place.names() == set()
    assert swept(plan, place, workers=1) == expected
    assert len(place.names()) == plan.size
    monkeypatch.setattr(module, "run_point", None)  # nothing is run again
    assert swept(plan, Cloud(bucket("rules")), workers=1) == expected
    with pytest.raises(CrashbookError, match=r"^s3://no-such-bucket/x: "):
        Cloud("s3://no-such-bucket/x").write("a", b"")


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^nowhere://x: "):
        Cloud("nowhere://x")


@pytest.mark.usefixtures("server")
@pytest.mark.filterwarnings("ignore")  # of the library, about what the killed worker leaves open
def test_a_cluster_that_loses_a_worker_loses_no_scenario(
    plan: Plan, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    dask = pytest.importorskip("dask")
    monkeypatch.setitem(dask.config.config["distributed"]["worker"], "multiprocessing-method", "forkserver")
    monkeypatch.setattr(distributed.utils, "_forkserver_preload_set", True)  # what it would import is of no use here
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))
        killed: list[int] = []

        def kill(done: int, total: int) -> None:
            if not killed:
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)

        assert swept(plan, Folder(tmp_path), executor=client.get_executor(pure=False), progress=kill) == expected
        client.wait_for_workers(2, timeout=60)  # a cluster cannot be closed while it starts another in its place
    assert killed
    assert len(rows_of(tmp_path)) == plan.size
