"""What a roll takes: the last snapshot before a time, the fills after it, and the snapshot after them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from backtest.errors import DataError, UsageError
from backtest.fetch.reservoir.place import Folder
from backtest.fetch.reservoir.plan import Wanted, plan_of
from backtest.fetch.reservoir.pull import pull
from backtest.fetch.reservoir.snapshots import events_with, of_folder, of_parts
from tests.fetch.reservoir import by_hand, two_snapshots

CORE = dt.datetime(2025, 10, 10, 20, 50), dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001


def test_a_snapshot_of_a_folder_has_its_fills_and_the_snapshot_after_them(tmp_path: Path) -> None:
    found = of_folder(two_snapshots.archive(tmp_path), CORE[0])
    assert found.later is not None
    assert (found.first.at.hour, found.later.at.hour) == (20, 21)
    assert found.fills is not None
    assert (found.first.positions.height, found.fills.height, found.later.positions.height) == (5, 2, 6)
    assert found.first.values is not None
    assert found.first.values.height == 4


def test_without_fills_of_a_day_nothing_is_rolled(tmp_path: Path) -> None:
    first = two_snapshots.archive(tmp_path)
    (tmp_path / f"by_dex/hyperliquid/fills/perp/all/date={by_hand.DAY}/fills.parquet").unlink()
    with pytest.raises(DataError, match=r"no fills of 2025-10-10 at hyperliquid; positions cannot be rolled"):
        of_folder(first, CORE[0])


def test_a_later_snapshot_and_a_file_elsewhere_are_refused(tmp_path: Path) -> None:
    first = two_snapshots.archive(tmp_path)
    with pytest.raises(UsageError, match="not before 2025-10-10 20:50:00; give an earlier one or a later --to"):
        of_folder(first.with_name(f"{two_snapshots.LATER_NAME}.parquet"), CORE[0])
    lost = tmp_path / first.name
    first.rename(lost)
    with pytest.raises(UsageError, match="no snapshot of an archive; give ARCHIVE/global/snapshots/perp/all/date=DAY"):
        of_folder(lost, CORE[0])


def test_of_parts_on_disk_the_last_snapshot_before_a_time_counts(tmp_path: Path) -> None:
    assert of_parts("x", CORE[0]) is None
    pull(plan_of(Folder(by_hand.venue(tmp_path)), Wanted.of(CORE, (), ("BTC",))), "x")
    found = of_parts("x", CORE[0], CORE[0].date())
    assert found is not None
    assert found.first.at == dt.datetime(2025, 10, 10, 20, 4, 54, 218000)  # noqa: DTZ001
    assert events_with(CORE[0].date()) == ["x"]
    with pytest.raises(
        DataError, match=r"no snapshot before 2025-10-10 20:00:00 is on disk for x; there are 2025-10-1"
    ):
        of_parts("x", CORE[0].replace(hour=20, minute=0))
