"""Bars of all symbols on one clock, by one ASOF join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backtest.lake.checks import PRICES
from backtest.lake.read import database
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.times import Window, micros

if TYPE_CHECKING:
    import polars as pl


def on_one_clock(
    frames: Sequence[pl.DataFrame], window: Window, timeframe_s: int
) -> tuple[Ints, Mapping[str, Floats], Bools]:
    """Lay the bars of all symbols on one clock that ticks every bar of the window.

    Where a symbol has no bar, the last close is carried flat with zero volume.

    Parameters
    ----------
    frames
        Checked bars, one frame per symbol, each with a bar at the start of the window.

    Returns
    -------
    open_ts
        Opens of the bars, microseconds since the epoch, shape (bars,).
    columns
        open, high, low, close, volume of shape (symbols, bars).
    bridged
        Where a bar was missing, shape (symbols, bars).
    """
    import polars as pl

    open_ts = np.arange(micros(window[0]), micros(window[1]), timeframe_s * 1_000_000, dtype=np.int64)
    bars = pl.concat(frame.with_columns(symbol=pl.lit(number, pl.Int64)) for number, frame in enumerate(frames))
    clock = pl.DataFrame({"ts": open_ts}).select(pl.col("ts").cast(pl.Datetime("us")))
    carried = ", ".join(f"CASE WHEN b.ts = c.ts THEN b.{name} ELSE b.close END AS {name}" for name in PRICES)
    connection = database().cursor()
    connection.register("bars", bars.to_arrow())
    connection.register("clock", clock.to_arrow())
    aligned: pl.DataFrame = connection.sql(
        f"SELECT {carried}, CASE WHEN b.ts = c.ts THEN b.volume ELSE 0 END AS volume, b.ts <> c.ts AS bridged"
        " FROM (SELECT symbol, clock.ts FROM clock CROSS JOIN (SELECT DISTINCT symbol FROM bars)) c"
        " ASOF JOIN bars b ON c.symbol = b.symbol AND c.ts >= b.ts ORDER BY c.symbol, c.ts"
    ).pl()
    connection.close()  # lets go of the two tables
    shape = (len(frames), len(open_ts))
    columns = {name: aligned[name].to_numpy().reshape(shape) for name in (*PRICES, "volume")}
    return open_ts, columns, aligned["bridged"].to_numpy().reshape(shape)
