"""Columns that the values of the run alone decide, in short windows of a fall."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backtest.api.replay import replay

DAY = "2025-10-10"
MINE: dict[str, Any] = {"coin": "BTC", "size_base": 1.0}
LONG = {**MINE, "name": "long", "side": "long", "entry_px": 104_562.0, "leverage": 40.0}
SHORT = {**MINE, "name": "short", "side": "short", "entry_px": 121_000.0, "leverage": 2.0}


def fall(start: str, end: str, watch: dict[str, Any]) -> Any:
    """Return a run of BTC over some minutes."""
    return replay(DAY, coins=("BTC",), positions=500, start=f"{DAY}T{start}", end=f"{DAY}T{end}", watch=[watch])


def test_a_liquidation_on_the_way_to_the_second_price_lies_between_the_first_two() -> None:
    """Equity falls to maintenance between the opening at 103,441.3 and the mark of 20 s later, 103,057.8."""
    found = fall("21:20:00", "21:21:00", LONG).liquidations
    assert found["step"].to_list() == [2]
    start, end = (datetime.fromisoformat(f"{DAY}T21:20:{second}") for second in ("00", "20"))
    assert start < found["ts"][0] < end


def test_a_watched_position_with_a_rank_is_in_the_queue() -> None:
    found = fall("21:15:00", "21:20:00", SHORT).watch
    assert found.height > 0
    assert found["in_queue"].all()
    assert (found["rank"] <= found["candidates"]).all()
    assert found["rank"].null_count() == 0
