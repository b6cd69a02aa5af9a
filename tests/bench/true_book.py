"""Rolling a true book forward at its real size: 2.8 million fills of 60,000 accounts in 160 coins."""

from __future__ import annotations

import datetime as dt
import resource
import time

import numpy as np
import polars as pl

from backtest.book.actual.roll import roll

FILLS, USERS, COINS = 2_800_000, 60_000, 160


def fills() -> pl.DataFrame:
    """Return fills of which a few accounts have most, each with the position before it."""
    rng = np.random.default_rng(1)
    user = np.minimum((rng.pareto(0.7, FILLS) * 3).astype(int), USERS - 1)
    coin = np.minimum((rng.pareto(0.9, FILLS) * 2).astype(int), COINS - 1)
    lots = rng.integers(1, 1000, FILLS) * rng.choice([-1, 1], FILLS)
    order = np.argsort(user * COINS + coin, kind="stable")
    key, sums = (user * COINS + coin)[order], np.cumsum(lots[order])
    first = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(np.append(first, FILLS))
    start = np.empty(FILLS, dtype=np.int64)
    start[order] = sums - lots[order] - np.repeat((sums - lots[order])[first], counts)
    at = np.datetime64(dt.datetime(2025, 10, 10), "us") + np.arange(FILLS) * np.timedelta64(900, "us")  # noqa: DTZ001
    return pl.DataFrame({
        "user": np.array([f"0x{number:040x}" for number in range(USERS)])[user],
        "coin": np.array([f"C{number}" for number in range(COINS)])[coin],
        "timestamp": at, "lots": lots, "start_lots": start, "px": 100 + rng.normal(size=FILLS),
        "lot_base": np.ones(FILLS), "realized_usd": np.zeros(FILLS), "fee_usd": np.zeros(FILLS),
    })  # fmt: skip


def main() -> None:
    """Print seconds and memory of a roll."""
    moves = fills()
    none = pl.DataFrame(schema={"user": pl.String, "coin": pl.String, "lots": pl.Int64, "entry_px": pl.Float64})
    start = time.perf_counter()
    rolled = roll(none, moves)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  roll of {rolled.fills:,} fills  {seconds:6.2f} s (limit 30)   {peak:,.0f} MB (limit 2,000)")


if __name__ == "__main__":
    main()
