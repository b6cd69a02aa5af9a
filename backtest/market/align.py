"""Bars of all symbols on one clock, by one ASOF join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.lake.checks import PRICES
from backtest.lake.read import database
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.times import Window, micros

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class AlignedBars:
    """Bars of all symbols on one clock.

    ``open_ts`` (bars) are the opens in microseconds since the epoch; ``prices`` (symbols, bars, 4) hold open, high, low
    and close; ``volume`` and ``bridged`` are (symbols, bars), the second true where a bar was missing.
    """

    open_ts: Ints
    prices: Floats
    volume: Floats
    bridged: Bools


def on_one_clock(frames: Sequence[pl.DataFrame], window: Window, timeframe_s: int) -> AlignedBars:
    """Lay the bars of all symbols on one clock that ticks every bar of the window.

    Where a symbol has no bar, the last close is carried flat with zero volume.

    Parameters
    ----------
    frames
        Checked bars, one frame per symbol, each with a bar at the start of the window.
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
    return AlignedBars(
        open_ts=open_ts,
        prices=np.stack([aligned[name].to_numpy().reshape(shape) for name in PRICES], axis=-1),
        volume=aligned["volume"].to_numpy().reshape(shape),
        bridged=aligned["bridged"].to_numpy().reshape(shape),
    )
