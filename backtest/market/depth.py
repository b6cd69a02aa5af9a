"""The order book beside the bars: cumulative depth by distance from the price, one snapshot for each bar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import DataError, DataGapError
from backtest.lake.checks import facts_of
from backtest.lake.place import Place, shown
from backtest.lake.read import read_series
from backtest.market.inputs import InputSeries, from_lake
from backtest.mechanics.exact import Floats, Ints
from backtest.times import Window, moment

if TYPE_CHECKING:
    import polars as pl

OLDEST = dt.timedelta(minutes=5)  # a book seen longer before a bar opened is not that of the bar


@dataclass(frozen=True, slots=True)
class BarDepth:
    """Depth of the order book beside each bar.

    ``distances`` (bands) are from the price, as fractions of it, ascending; ``base`` (bars, 2, bands) holds base units
    up to each distance, bids, then asks.
    """

    distances: Floats
    base: Floats


@dataclass(frozen=True, slots=True)
class DepthRead(BarDepth):
    """Depth beside the bars, and the series it comes from."""

    series: InputSeries


def read_depth(places: Sequence[Place], symbol: str, window: Window, open_ts: Ints, bar_s: int) -> DepthRead:
    """Read the depth of a symbol at the first place whose snapshots cover every bar of the window.

    A bar has the last snapshot before it closes, at most five minutes older than its open. Bands are those that all
    these snapshots have on both sides.

    Parameters
    ----------
    places
        Where snapshots may lie, those of the venue that is replayed first.
    open_ts
        Opens of the bars, microseconds since the epoch.

    Raises
    ------
    DataGapError
        No place covers the window.
    """
    reasons = []
    for place in places:
        frame = read_series(place, window[0] - OLDEST, window[1])
        found = _by_bar(_checked(frame, place), open_ts, bar_s) if frame.height else "none"
        if not isinstance(found, str):
            own = place == places[0]
            note = "" if own else f"the order book of {place.venue} stands in for {places[0].venue}"
            series = from_lake(place, facts_of(frame), note, symbol=symbol, stands_in=not own)
            return DepthRead(found.distances, found.base, series)
        reasons.append(f"{place.venue}: {found}")
    raise DataGapError(
        f"{symbol}: impact = depth needs snapshots of the order book for every bar; the lake has {'; '.join(reasons)}; "
        "fetch them with --series depth (from archives: --archive binance=FOLDER) or set impact=sqrt"
    )


def _checked(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    import polars as pl

    band, base = pl.col("band_frac"), pl.col("depth_base")
    bad = pl.col("ts").is_null() | ~(band.is_finite() & (band != 0) & (band.abs() <= 1)) | ~(base.is_finite())
    wrong = frame.filter((bad | (base < 0)).fill_null(value=True))
    if wrong.height:
        raise DataError(
            f"{shown(place.folder)}: {place.symbol}: {wrong.height} rows of depth that are no band with its size, the "
            f"first at {wrong['ts'][0]}; allowed: bands of -1 to 1 without 0, sizes of zero or more; delete it and "
            "fetch again"
        )
    return frame


def _by_bar(frame: pl.DataFrame, open_ts: Ints, bar_s: int) -> BarDepth | str:
    """Return the depth beside each bar, or, as text, the snapshots that are missing."""
    times, place = np.unique(frame["ts"].to_physical().to_numpy(), return_inverse=True)
    last = np.searchsorted(times, open_ts + bar_s * 1_000_000) - 1
    old = (last < 0) | (times[np.maximum(last, 0)] < open_ts - OLDEST // dt.timedelta(microseconds=1))
    if old.any():
        first = moment(int(open_ts[int(old.argmax())])).isoformat()
        return f"none within five minutes of {int(old.sum())} of {len(open_ts)} bars, the first {first}"
    bands, column = np.unique(np.round(frame["band_frac"].to_numpy(), 9), return_inverse=True)
    table = np.full((len(times), len(bands)), np.nan)
    table[place, column] = frame["depth_base"].to_numpy()
    table = table[last]
    whole = bands[~np.isnan(table).any(axis=0)]
    distances: Floats = np.array([band for band in whole.tolist() if band > 0 and -band in whole], dtype=np.float64)
    if not distances.size:
        return "no band that every snapshot has on both sides"
    sides = [table[:, np.searchsorted(bands, sign * distances)] for sign in (-1, 1)]
    return BarDepth(distances, np.maximum.accumulate(np.stack(sides, axis=1), axis=2))
