"""Bars of several symbols on one clock."""

from __future__ import annotations

import numpy as np
import polars as pl

from backtest.market.align import on_one_clock
from tests.fetch.standins import bars, utc


def test_one_clock_carries_the_last_close() -> None:
    full = bars(utc("21:00"), [(10, 12, 9, 11, 5), (11, 11, 10, 10, 6), (10, 13, 10, 13, 7)])
    holed = full[[0, 2]].with_columns(pl.col("open", "high", "low", "close") * 2)
    aligned = on_one_clock([full, holed], (utc("21:00"), utc("21:04")), 60)
    assert np.diff(aligned.open_ts).tolist() == [60_000_000] * 3
    assert aligned.open_ts[0] == np.datetime64("2025-10-10T21:00", "us").astype(np.int64)
    assert aligned.bridged.tolist() == [[False, False, False, True], [False, True, False, True]]
    assert aligned.prices[:, :, 0].tolist() == [[10, 11, 10, 13], [20, 22, 20, 26]]
    assert aligned.prices[:, :, 1].tolist() == [[12, 11, 13, 13], [24, 22, 26, 26]]
    assert aligned.prices[:, :, 2].tolist() == [[9, 10, 10, 13], [18, 22, 20, 26]]
    assert aligned.volume.tolist() == [[5, 6, 7, 0], [5, 0, 7, 0]]
