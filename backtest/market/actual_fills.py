"""Public fills of liquidations and deleveraging of the venue, to compare with those of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.lake.checks import facts_of
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.lake.series import schema_of
from backtest.market.inputs import InputSeries, from_lake
from backtest.times import Window

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class ActualFills:
    """The forced fills of a venue in a window.

    ``fills`` have the columns of the series ``fills`` and ``symbol``, in order of emission; ``series`` has an entry for
    each symbol with fills.
    """

    fills: pl.DataFrame
    series: tuple[InputSeries, ...]


def read_actual(venue: str, symbols: Sequence[str], window: Window) -> ActualFills:
    """Return the forced fills of a venue in a window; no rows where the lake has none."""
    import polars as pl

    frames, series = [], []
    for symbol in symbols:
        place = Place(venue, symbol, "fills")
        rows = read_series(place, *window)
        if rows.height:
            frames.append(rows.with_columns(symbol=pl.lit(symbol)))
            series.append(from_lake(place, facts_of(rows), "not used by the replay"))
    if not frames:
        return ActualFills(pl.DataFrame(schema={**schema_of("fills"), "symbol": pl.String()}), ())
    return ActualFills(pl.concat(frames).sort("block_ts", "seq", "symbol", "user"), tuple(series))
