"""The mark of a coin: measured bars of the lake where they fill the window, else a model of the trade price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from backtest.errors import DataError
from backtest.lake.checks import PRICES, check_bars
from backtest.lake.place import Place, shown
from backtest.lake.plausible import judge_level
from backtest.lake.read import read_series
from backtest.lake.witnesses import suspects_of
from backtest.market.inputs import InputSeries, from_lake
from backtest.market.tape import Tape
from backtest.market.units import in_units
from backtest.mechanics.exact import Floats, Ints
from backtest.mechanics.path import CLOSE, cut, walk
from backtest.times import Window
from backtest.venue.instrument import Instrument

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class MarkBars:
    """Mark bars of a symbol in mark quanta, shape (bars, 4), and the series they come from."""

    bars: Ints
    series: InputSeries

    @property
    def modelled(self) -> bool:
        """Return whether the bars are a model of the trade price."""
        return self.series.label == "modelled"


def read_marks(
    venue: str, tape: Tape, unit: Instrument, window: Window, trade: Ints, *, bar_s: int, half_life_s: float
) -> MarkBars:
    """Return the mark bars of a coin: the venue's own, else those of the venue whose trades stand in, else the model.

    Parameters
    ----------
    trade
        Trade bars in ticks, shape (bars, 4), which the model follows.
    half_life_s
        Half-life of the model's average in seconds.

    Raises
    ------
    DataError
        Rows break a rule of ``check_bars``, or a mark of an inverse contract rounds to zero.
    """
    import polars as pl

    markets = dict.fromkeys([(venue, unit.symbol), *([] if tape.spans else [tape.place.market])])
    counts = []
    for market in markets:
        place = Place(*market, "mark_ohlcv", tape.place.timeframe)
        where = shown(place.folder)
        rows = read_series(place, *window)
        # venues publish no volume for marks: absent or zero, it is not used
        frame, facts = check_bars(rows.with_columns(volume=pl.lit(0.0)), unit.symbol, bar_s, where, window)
        if frame.height == len(trade):
            own = place.venue == venue
            note = "" if own else f"marks of {place.venue} stand in for {venue}"
            closes: Floats = trade[:, CLOSE].astype(np.float64) * float(unit.tick)
            level = judge_level(frame["ts"].to_physical().to_numpy(), frame["close"].to_numpy(), closes)
            series = from_lake(
                place,
                facts,
                note,
                symbol=unit.symbol,
                stands_in=not own,
                expected_rows=len(trade),
                suspects=(*level, *suspects_of(place, frame)),
            )
            return MarkBars(_in_quanta(frame, unit, where), series)
        counts.append(f"{frame.height or 'none'} of the {len(trade)} mark bars of {place.venue}")
    modelled = InputSeries(
        name="mark_ohlcv",
        symbol=unit.symbol,
        source=model_text(half_life_s),
        label="modelled",
        expected_rows=len(trade),
        note=f"the lake has {' and '.join(counts)}",
    )
    return MarkBars(model_mark(trade, bar_s, half_life_s, unit.mark_per_tick), modelled)


def model_text(half_life_s: float) -> str:
    """Return how a mark without measured bars is made.

    Examples
    --------
    >>> model_text(20)
    'EMA of the trade price, half-life 20 s'
    """
    return f"EMA of the trade price, half-life {half_life_s:g} s" if half_life_s else "the trade price itself"


def model_mark(trade: Ints, bar_s: int, half_life_s: float, mark_per_tick: int = 1) -> Ints:
    """Return mark bars modelled from trade bars: an exponential moving average in continuous time.

    A trade wick is not a mark. A venue's mark follows an index and a damped basis, so that one thin book does not
    liquidate its customers; on 10 October 2025 perpetuals traded at half of spot for minutes while marks did not.
    A mark bar is the average at its open, the highest and the lowest of the four points of ``model_points`` and the
    average at its close. A replay walks the points themselves (``walk_market``).

    Parameters
    ----------
    trade
        Open, high, low, close in ticks, shape (bars, 4).
    bar_s, half_life_s
        Seconds; a half-life of 0 makes the mark the trade price.
    mark_per_tick
        Mark quanta per tick.

    Examples
    --------
    A jump from 1000 to 2000 halves its distance every 20 seconds: 1000, 1500, 1750, 1875.

    >>> model_mark(np.array([[1000] * 4, [2000] * 4]), bar_s=60, half_life_s=20).tolist()
    [[1000, 1000, 1000, 1000], [1000, 1875, 1000, 1875]]
    """
    if half_life_s == 0:
        return trade * mark_per_tick
    four = model_points(trade, "ohlc", bar_s, half_life_s, mark_per_tick)
    return np.stack([four[:, 0], four.max(axis=1), four.min(axis=1), four[:, 3]], axis=1)


def model_points(
    trade: Ints, intrabar: str, bar_s: int, half_life_s: float, mark_per_tick: int = 1, *, pieces: int = 1
) -> Ints:
    """Return the average at 0, T/3, 2T/3 and T of each bar, and at the ends of the pieces of each third.

    The trade price is walked through each bar in the order ``intrabar`` (the trade bar decides; ``close`` as
    ``ohlc``), straight between its four prices. The average follows exactly, starts at the first open, and rests
    between bars, where no time passes.

    Returns
    -------
    numpy.ndarray
        Mark quanta, half to even, shape (bars, 3 x pieces + 1).

    Examples
    --------
    >>> model_points(np.array([[1000] * 4, [2000] * 4]), "ohlc", bar_s=60, half_life_s=20)[1].tolist()
    [1000, 1500, 1750, 1875]
    >>> model_points(np.array([[1000] * 4, [2000] * 4]), "ohlc", bar_s=60, half_life_s=10, pieces=2)[1].tolist()
    [1000, 1500, 1750, 1875, 1938, 1969, 1984]
    """
    order = "ohlc" if intrabar == "close" else intrabar
    points = walk(trade[None], trade[None], order).trade.reshape(-1, 4)
    if half_life_s == 0:
        return cut(points * mark_per_tick, pieces)
    decay_rate = math.log(2) * bar_s / (3 * pieces) / half_life_s
    decay, lag = math.exp(-decay_rate), -math.expm1(-decay_rate) / decay_rate
    exact = _straight(points, pieces)
    before, after = exact[:, :-1], exact[:, 1:]
    pulls = after - (after - before) * lag - before * decay
    walked = accumulate(pulls.ravel().tolist(), lambda level, pull: level * decay + pull, initial=float(points[0, 0]))
    levels = np.array(list(walked))
    bars = np.arange(len(points))[:, None] * 3 * pieces + np.arange(3 * pieces + 1)
    rounded: Ints = np.rint(levels[bars] * mark_per_tick).astype(np.int64)
    return rounded


def _straight(points: Ints, pieces: int) -> Floats:
    """Return the straight way between the points of each bar at the ends of its pieces, unrounded."""
    start, end = points[:, :-1, None].astype(np.float64), points[:, 1:, None].astype(np.float64)
    between = start + (end - start) * (np.arange(pieces) / pieces)
    return np.concatenate([between.reshape(len(points), -1), end[:, -1]], axis=1)


def _in_quanta(frame: pl.DataFrame, unit: Instrument, where: str) -> Ints:
    bars = in_units(frame.select(PRICES).to_numpy(), unit.mark_quantum, symbol=unit.symbol)
    if unit.inverse and bars.min() < 1:
        least = f"a mark price rounds to zero in steps of {unit.mark_quantum:f}, where an inverse contract has no value"
        raise DataError(f"{where}: {unit.symbol}: {least}; allowed: marks of at least a step; correct the file")
    return bars
