"""Suspects of a place of the lake, less those that another series of the same coin bears out.

A mark, an index and the trades of another venue come from other machines than the bar in doubt. Where one of them
goes at least half as far in the same bar, in logarithms, the move was real. They are read for suspects only.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from backtest.assets import inside, lake_folder
from backtest.errors import DataError
from backtest.lake.place import Place
from backtest.lake.plausible import judge_bars, judge_level, judge_open_interest, judge_rates
from backtest.lake.read import read_series
from backtest.lake.suspect import LEAST_PX, Suspect
from backtest.times import DAY

if TYPE_CHECKING:
    import polars as pl

OF_PRICES = ("ohlcv", "mark_ohlcv", "index_ohlcv")
BEARS_OUT = 0.5  # of the way, in logarithms


def suspects_of(place: Place, frame: pl.DataFrame) -> tuple[Suspect, ...]:
    """Return what is doubtful in checked rows of a place and borne out by no other series of the lake.

    Parameters
    ----------
    frame
        Rows with the columns of the series, in order of time and free of nulls.
    """
    if place.series == "funding":
        return judge_rates(frame)
    if place.series == "open_interest":
        return judge_open_interest(frame)
    if place.series not in OF_PRICES:
        return ()
    found = judge_bars(frame, place.bar_s)
    if not any(suspect.field != "volume" for suspect in found):
        return found
    others = tuple(_witnesses(place))
    return tuple(each for each in found if each.field == "volume" or not _borne_out(each, place, frame, others))


def suspect_level(place: Place, marks: pl.DataFrame) -> tuple[Suspect, ...]:
    """Return the first mark if those of the first day lie at a multiple of the market's own trades."""
    if place.series != "mark_ohlcv" or not marks.height:
        return ()
    start = dt.datetime.combine(marks["ts"][0].date(), dt.time())
    try:
        trades = read_series(replace(place, series="ohlcv"), start, start + DAY)
    except DataError:  # named where its own place is counted
        return ()
    both = marks.select("ts", "close").join(trades.select("ts", trade="close"), on="ts", maintain_order="left")
    return judge_level(*(both[name].to_physical().to_numpy() for name in ("ts", "close", "trade")))


def _witnesses(place: Place) -> Iterator[Place]:
    """Give the price series of the same coin in the lake that are not the place itself."""
    coin = quote(place.symbol.partition("/")[0], safe="")
    for series in OF_PRICES:
        for folder in sorted(inside(lake_folder(), series).glob(f"venue=*/symbol={coin}%2F*")):
            venue, symbol = (unquote(part.partition("=")[2]) for part in folder.parts[-2:])
            other = Place(venue, symbol, series, place.timeframe)
            if other.folder != place.folder:
                yield other


def _borne_out(suspect: Suspect, place: Place, frame: pl.DataFrame, others: tuple[Place, ...]) -> bool:
    own = _reach(suspect, frame, place.bar_s)
    for other in others:
        step = dt.timedelta(seconds=place.bar_s)
        try:
            rows = read_series(other, suspect.ts - step, suspect.ts + 2 * step)
        except DataError:  # a damaged file bears nothing out; it is named where it is counted
            continue
        if own and _reach(suspect, rows, place.bar_s) / own >= BEARS_OUT:
            return True
    return False


def _reach(suspect: Suspect, frame: pl.DataFrame, bar_s: int) -> float:
    """Return how far, in logarithms, the bar of a suspect goes from the closes of the bars around it; 0: unknown."""
    step = dt.timedelta(seconds=bar_s)
    prices = {ts: (value, close) for ts, value, close in frame.select("ts", suspect.field, "close").iter_rows()}
    level = [prices[ts][1] for ts in (suspect.ts - step, suspect.ts + step) if ts in prices and prices[ts][1]]
    if suspect.ts not in prices or not level:
        return 0.0
    middle = math.sqrt(level[0] * level[-1])
    return math.log(max(prices[suspect.ts][0], LEAST_PX) / middle)
