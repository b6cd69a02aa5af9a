"""Which files a crash needs, what of them is read and what it costs; what is not as documented is one line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from backtest.errors import CrashbookError, DataError, DataGapError
from backtest.fetch.reservoir.layout import DATASETS
from backtest.fetch.reservoir.place import Folder, Listed
from backtest.fetch.reservoir.plan import Plan, Wanted, plan_of
from backtest.fetch.reservoir.pull import folder_of, pull, read_parts
from tests.fetch.reservoir import by_hand

CORE = dt.datetime(2025, 10, 10, 20, 50), dt.datetime(2025, 10, 10, 21, 30)  # noqa: DTZ001
ALL = Wanted.of(CORE, (), ("BTC",))
SNAPSHOT = f"global/snapshots/perp/all/date={by_hand.DAY}/{by_hand.BLOCK}.parquet"
BARS = f"by_dex/hyperliquid/candles/1s/date={by_hand.DAY}/candles.parquet"
FILLS = f"by_dex/hyperliquid/fills/perp/all/date={by_hand.DAY}/fills.parquet"
ADL = f"by_dex/hyperliquid/fills/perp/adl/date={by_hand.DAY}/fills.parquet"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return by_hand.venue(tmp_path / "archive")


def names(plan: Plan) -> list[str]:
    return [part.dataset.name for part in plan.parts]


def test_a_crash_needs_the_snapshot_before_it_and_the_fills_and_bars_of_its_window(archive: Path) -> None:
    plan = plan_of(Folder(archive), ALL)
    assert names(plan) == ["account_values", "positions", "fills", "liquidations", "adl", "bars"]
    assert plan.snapshot == dt.datetime(2025, 10, 10, 20, 4, 54, 218000)  # noqa: DTZ001
    assert 0 < plan.bytes < sum(part.listed.size for part in plan.parts)
    assert plan.usd == pytest.approx(plan.bytes / 1e9 * 0.09)


def test_only_columns_row_groups_and_coins_wanted_are_read(archive: Path) -> None:
    whole = plan_of(Folder(archive), ALL)
    bitcoin = plan_of(Folder(archive), Wanted.of(CORE, ("BTC",), ("BTC",)))
    fills = next(part for part in whole.parts if part.dataset.name == "fills")
    assert fills.groups == (0, 1, 2)  # the last four rows are of the crash: their group is not read
    bars = [next(part for part in plan.parts if part.dataset.name == "bars") for plan in (whole, bitcoin)]
    assert bars[1].bytes < bars[0].bytes
    assert bars[1].rows < bars[0].rows
    assert "volume_quote" not in bars[0].columns


def test_names_of_coins_are_found_as_the_venue_spells_them(archive: Path) -> None:
    pull(plan_of(Folder(archive), Wanted.of(CORE, ("KPEPE",), ("BTC",))), "pepe")
    held = read_parts("pepe", "positions")
    assert held is not None
    assert set(held["market"]) == {"kPEPE"}
    dexes = Wanted.of(CORE, (), ("XYZ-SILVER",))
    assert (dexes.dexes, dexes.spelled("xyz")) == (("xyz",), ())


def test_a_part_that_is_on_disk_is_not_read_again_unless_it_or_its_source_changed(archive: Path) -> None:
    def freshness() -> list[str]:
        return [each.name for each in pull(plan_of(Folder(archive), ALL), "x") if each.fresh]

    assert len(freshness()) == 6
    assert freshness() == []
    held = next(folder_of("x").glob("bars-*"))
    held.write_bytes(held.read_bytes()[:-9])
    by_hand.write(archive / ADL, by_hand.FILLS, by_hand.ADL * 2)
    assert freshness() == ["adl", "bars"]


def test_a_pull_that_breaks_off_leaves_whole_parts_only_and_goes_on(archive: Path) -> None:
    whole = (archive / BARS).read_bytes()
    plan = plan_of(Folder(archive), ALL)
    (archive / BARS).write_bytes(b"PAR1" + b"\0" * (len(whole) - 4))
    with pytest.raises(DataError, match="damaged in row group 0"):
        pull(plan, "x")
    assert not [path for path in folder_of("x").iterdir() if "partial" in path.name or "bars" in path.name]
    (archive / BARS).write_bytes(whole)
    assert [each.name for each in pull(plan_of(Folder(archive), ALL), "x") if each.fresh] == ["bars"]


def test_days_without_deleveraging_have_no_file_and_a_note(archive: Path) -> None:
    (archive / ADL).unlink()
    plan = plan_of(Folder(archive), ALL)
    assert "adl" not in names(plan)
    assert any("no adl file of 2025-10-10" in note for note in plan.notes)


def test_a_new_column_is_noted_and_not_read(archive: Path) -> None:
    by_hand.write(archive / SNAPSHOT, {**by_hand.POSITIONS, "mood": pa.string()}, by_hand.SNAPSHOT)
    plan = plan_of(Folder(archive), ALL)
    assert any(note.endswith("columns that nobody documents: mood; not read") for note in plan.notes)


def changed(column: str, kind: pa.DataType) -> dict[str, pa.DataType]:
    return {**by_hand.POSITIONS, column: kind}


def _rewrite(archive: Path, schema: dict[str, pa.DataType], value: Any) -> None:
    rows = [{**row, "leverage_type": value} for row in by_hand.SNAPSHOT]
    by_hand.write(archive / SNAPSHOT, schema, rows)


def _truncate(archive: Path) -> None:
    (archive / SNAPSHOT).write_bytes((archive / SNAPSHOT).read_bytes()[:-20])


def _later(archive: Path) -> None:
    at = int(dt.datetime(2025, 10, 10, 21, tzinfo=dt.UTC).timestamp() * 1000)
    (archive / SNAPSHOT).rename((archive / SNAPSHOT).with_name(f"758760000_{at}.parquet"))


def _renamed(archive: Path) -> None:
    (archive / SNAPSHOT).rename((archive / SNAPSHOT).with_name("positions.parquet"))


@pytest.mark.parametrize(("fault", "said"), [
    (lambda at: (at / SNAPSHOT).unlink(), "no snapshot of positions in the 2 days before 2025-10-10 20:50:00, none"),
    (_later, "1 later ones"),
    (_renamed, "documented as BLOCK_MILLISECONDS.parquet"),
    (_truncate, "not a whole Parquet file"),
    (lambda at: (at / FILLS).unlink(), "no fills of 2025-10-10"),
    (lambda at: (at / BARS).unlink(), "no bars of 2025-10-10"),
    (lambda at: _rewrite(at, changed("leverage_type", pa.int64()), 1),
     "column 'leverage_type' is int64, documented as text"),
    (lambda at: _rewrite(at, {name: kind for name, kind in by_hand.POSITIONS.items() if name != "size"}, "cross"),
     "no column 'size'"),
])  # fmt: skip
def test_what_is_not_as_documented_is_one_line_and_nothing_is_written(archive: Path, fault: Any, said: str) -> None:
    fault(archive)
    with pytest.raises(CrashbookError, match=said) as raised:
        plan_of(Folder(archive), ALL)
    assert "\n" not in str(raised.value)
    assert not folder_of("x").exists()


def test_the_known_gap_of_the_archive_is_named(archive: Path) -> None:
    november = dt.datetime(2025, 11, 4, 8), dt.datetime(2025, 11, 4, 9)  # noqa: DTZ001
    with pytest.raises(DataGapError, match="known gap from late October to mid December 2025"):
        plan_of(Folder(archive), Wanted.of(november, (), ("BTC",)))


def test_a_file_far_larger_than_documented_is_refused(archive: Path) -> None:
    class Grown(Folder):
        def listing(self, folder: str) -> list[Listed]:
            much = DATASETS["fills"].usual_bytes * 11 if "/all/" in folder and "fills" in folder else 0
            return [Listed(each.key, each.size + much, each.tag) for each in super().listing(folder)]

    with pytest.raises(DataError, match=r"5.5 GB where 500 MB are usual"):
        plan_of(Grown(archive), ALL)
