"""Bars of all symbols on one clock, each the last one that opened by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.lake.checks import PRICES
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
    open_ts = np.arange(micros(window[0]), micros(window[1]), timeframe_s * 1_000_000, dtype=np.int64)
    prices, volume, bridged = zip(*(_carried(frame, open_ts) for frame in frames), strict=True)
    return AlignedBars(open_ts=open_ts, prices=np.stack(prices), volume=np.stack(volume), bridged=np.stack(bridged))


def _carried(frame: pl.DataFrame, open_ts: Ints) -> tuple[Floats, Floats, Bools]:
    """Return prices and volume of one symbol at each tick of the clock, and where its bar was missing."""
    held = frame["ts"].to_physical().to_numpy()
    last = np.searchsorted(held, open_ts, side="right") - 1  # the last bar that opened by then
    bridged = held[last] != open_ts
    prices, volume = frame.select(PRICES).to_numpy()[last], frame["volume"].to_numpy()[last]
    return np.where(bridged[:, None], prices[:, -1:], prices), np.where(bridged, 0, volume), bridged
