"""Funding that positions paid between a snapshot and a later time, at the rates that the lake has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

KEY = ("user", "coin")


def funding_paid(held: pl.DataFrame, moves: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Return user, coin and paid_usd, below zero where a position received funding.

    A settlement counts the lots after the fills before it, at the price of the coin's last fill before it, else at the
    snapshot's mark.

    Parameters
    ----------
    held
        user, coin, lots (signed), lot_base and mark_px of the snapshot.
    moves
        Fills as the roll takes them.
    rates
        coin, ts and rate of the settlements between snapshot and the later time.

    Examples
    --------
    Long 2 at a mark of 100, from the first minute on 3 at 110; the second minute charges an eighth.

    >>> import datetime as dt
    >>> import polars as pl
    >>> at = [dt.datetime(2025, 10, 10, 21, minute) for minute in (1, 2)]
    >>> held = pl.DataFrame({"user": ["a"], "coin": ["X"], "lots": [2], "lot_base": [1.0], "mark_px": [100.0]})
    >>> moves = pl.DataFrame({"user": ["a"], "coin": ["X"], "timestamp": at[:1], "lots": [1], "start_lots": [2],
    ...     "px": [110.0], "lot_base": [1.0]})
    >>> funding_paid(held, moves, pl.DataFrame({"coin": ["X"], "ts": at[1:], "rate": [0.125]})).rows()
    [('a', 'X', 41.25)]
    """
    import polars as pl

    found = []
    for (ts,), due in rates.sort("ts").group_by("ts", maintain_order=True):
        before = moves.filter((pl.col("timestamp") < ts) & pl.col("coin").is_in(due["coin"].implode()))
        after = before.group_by(KEY, maintain_order=True).agg(
            lots=(pl.col("start_lots") + pl.col("lots")).last(), lot_base=pl.col("lot_base").last()
        )
        last = before.group_by("coin", maintain_order=True).agg(px=pl.col("px").last())
        marks = held.group_by("coin", maintain_order=True).agg(mark_px=pl.col("mark_px").first())
        still = held.select(*KEY, "lots", "lot_base").join(after, on=KEY, how="anti", maintain_order="left")
        rows = pl.concat([still, after.select(still.columns)]).join(due, on="coin", maintain_order="left")
        rows = rows.join(last, on="coin", how="left", maintain_order="left")
        rows = rows.join(marks, on="coin", how="left", maintain_order="left")
        price = pl.coalesce("px", "mark_px")
        found.append(rows.select(*KEY, paid_usd=pl.col("lots") * pl.col("lot_base") * price * pl.col("rate")))
    if not found:
        return pl.DataFrame(schema={"user": pl.String, "coin": pl.String, "paid_usd": pl.Float64})
    return pl.concat(found).group_by(KEY, maintain_order=True).agg(pl.col("paid_usd").sum())
