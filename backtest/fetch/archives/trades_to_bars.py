"""Bars from trades, in bounded memory: each piece is folded by DuckDB, then the folded pieces are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# 'place' orders trades by time, then by id; it is carried along, so that pieces may overlap in time
FOLDED = """
    CREATE TABLE folded (open_us BIGINT, first_place HUGEINT, last_place HUGEINT,
                         open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE)
"""
FOLD_TRADES = """
    INSERT INTO folded
    SELECT us - us % $step_us, min(place), max(place),
           arg_min(px, place), max(px), min(px), arg_max(px, place), sum(base)
    FROM (SELECT epoch_us(ts) AS us, epoch_us(ts)::HUGEINT * (1::HUGEINT << 64) + id AS place, px, base FROM trades)
    GROUP BY ALL
"""
BARS_OF_FOLDED = """
    SELECT make_timestamp(open_us) AS ts, arg_min(open, first_place) AS open, max(high) AS high, min(low) AS low,
           arg_max(close, last_place) AS close, sum(volume) AS volume
    FROM folded GROUP BY open_us ORDER BY open_us
"""


def trade_bars(trades: Iterable[pl.DataFrame], timeframe_s: int) -> pl.DataFrame:
    """Return the bars of trades given in pieces; a bar without a trade is absent.

    Parameters
    ----------
    trades
        Pieces with the columns ts (Datetime), id (trades of one time are in its order), px and base (quantity in the
        coin); their rows may be in any order.
    timeframe_s
        Length of a bar in seconds.

    Examples
    --------
    >>> import datetime as dt
    >>> import polars as pl
    >>> at = dt.datetime.fromisoformat("2025-10-10T21:00:30")
    >>> trades = pl.DataFrame({"ts": [at, at, at], "id": [3, 1, 2], "px": [9.0, 7.0, 8.0], "base": [1.0, 2.0, 4.0]})
    >>> trade_bars([trades], 60).rows()
    [(datetime.datetime(2025, 10, 10, 21, 0), 7.0, 9.0, 7.0, 9.0, 7.0)]
    """
    import duckdb

    # one thread: a sum of floats depends on the order of its terms
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(FOLDED)
        for piece in trades:
            connection.register("trades", piece.select("ts", "id", "px", "base").to_arrow())
            connection.execute(FOLD_TRADES, {"step_us": timeframe_s * 1_000_000})
        bars: pl.DataFrame = connection.sql(BARS_OF_FOLDED).pl()
    return bars
