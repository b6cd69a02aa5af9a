"""What the venue really did: its public fills of liquidations and deleveraging, laid beside a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backtest.lake.checks import Facts
from backtest.lake.digests import rows_digest
from backtest.lake.place import series_folder, shown
from backtest.lake.read import read_series
from backtest.lake.series import schema_of
from backtest.market.inputs import InputSeries
from backtest.times import Window

if TYPE_CHECKING:
    import polars as pl


def read_actual(venue: str, symbols: Sequence[str], window: Window) -> tuple[pl.DataFrame, list[InputSeries]]:
    """Return the forced fills of a venue in a window, in order of emission, and a row of coverage for each symbol.

    Returns
    -------
    fills
        The columns of the series ``fills`` and ``symbol``; no rows where the lake has none.
    series
        One entry for each symbol that has fills.
    """
    import polars as pl

    frames, series = [], []
    for symbol in symbols:
        rows = read_series(venue, symbol, "fills", *window)
        if rows.height:
            frames.append(rows.with_columns(symbol=pl.lit(symbol)))
            first, last = rows["ts"].min(), rows["ts"].max()
            facts = Facts(rows.height, 0, 0, 0, (), first, last, rows_digest(rows))  # type: ignore[arg-type]
            where = f"{venue}: {shown(series_folder(venue, symbol, 'fills'))}"
            series.append(InputSeries("fills", symbol, where, "measured", None, facts, "not used by the replay"))
    if not frames:
        return pl.DataFrame(schema={**schema_of("fills"), "symbol": pl.String()}), []
    return pl.concat(frames).sort("block_ts", "seq", "symbol", "user"), series
