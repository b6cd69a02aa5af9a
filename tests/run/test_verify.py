"""Values that no run writes are the folder's fault, an error on sound ones is the program's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from backtest.errors import RunError
from backtest.report import page
from backtest.run.run import StoredRun, open_folder
from tests.run.foreign import Shelf, harmless, rewritten
from tests.support.hostile import refused

Change = Callable[[pl.DataFrame], pl.DataFrame]


def opened(stall: Shelf, table: str, change: Change) -> StoredRun:
    """Return the run with one table changed and its digest made anew."""
    stall.restore()
    rewritten(stall, table, change)
    return open_folder(stall.folder)


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("steps", lambda frame: frame.with_columns(mark_px=pl.lit(None, pl.Float64)), "steps has mark_px in 60 rows"),
        ("steps", lambda frame: frame.with_columns(mark_px=pl.lit(float("nan"))), "steps has mark_px in 60 rows"),
        ("steps", lambda frame: frame.with_columns(ts=pl.lit(2**62).cast(pl.Datetime("us"))), "steps has ts in 60"),
        ("runs", lambda frame: frame.with_columns(run_id=pl.lit("another")), "runs has run_id in 1 rows"),
        ("runs", lambda frame: frame.head(0), "table runs has no row"),
        ("positions", lambda frame: frame.head(0), "table positions has no row"),
        ("ledger", lambda frame: frame.head(frame.height // 2), "its audits fail: "),
    ],
)
def test_a_value_that_no_run_writes_is_named(stall: Shelf, table: str, change: Change, said: str) -> None:
    run = opened(stall, table, change)
    with pytest.raises(RunError, match="run it again") as caught, run.trusted():
        raise TypeError
    reason = f"table {said}" if said.startswith(table) else said
    assert str(caught.value).startswith(f"{run.path}: {reason}")
    harmless(str(caught.value))


def test_an_error_on_sound_values_is_the_programs(stall: Shelf) -> None:
    run = opened(stall, "steps", lambda frame: frame)
    with pytest.raises(TypeError), run.trusted():
        raise TypeError


def test_a_report_that_breaks_on_hostile_values_blames_the_folder(
    stall: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened(stall, "steps", lambda frame: frame.with_columns(trade_low_px=pl.lit(None, pl.Float64)))

    def broken(*_: object) -> str:
        raise TypeError("'>' not supported")

    monkeypatch.setattr(page, "_rendered", broken)
    assert "table steps has trade_low_px in 60 rows as no run writes it" in refused(1, "report", str(stall.folder))
