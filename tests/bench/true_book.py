"""The true book at its real size: ``python -m tests.bench.true_book [roll | replay]``, both by default.

``roll`` applies 2.8 million fills of 60,000 accounts in 160 coins. ``replay`` runs 219,838 positions in 160 coins over
2,400 bars of a second, from the command to the run folder, in a process of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from backtest.book.actual.roll import roll
from tests.bench.__main__ import child

FILLS, USERS, COINS = 2_800_000, 60_000, 160
POSITIONS, ACCOUNTS = 219_838, 66_000
EVENT = "2025-10-10"
START = dt.datetime(2025, 10, 10, 20, 50)  # noqa: DTZ001
BARS, FALL = 2400, slice(1500, 1920)  # seconds of the core, and those of the fall
OPEN_INTEREST_USD = 6.9e9  # of a side
TURNOVER = 2000  # bars in which the open interest is traded once


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
        "user": _address(user), "coin": np.array([f"C{number}" for number in range(COINS)])[coin],
        "timestamp": at, "lots": lots, "start_lots": start, "px": 100 + rng.normal(size=FILLS),
        "lot_base": np.ones(FILLS), "realized_usd": np.zeros(FILLS), "fee_usd": np.zeros(FILLS),
    })  # fmt: skip


def _address(numbers: np.ndarray) -> np.ndarray:
    return np.array([f"0x{number:040x}" for number in range(USERS + ACCOUNTS)])[numbers]


def coins() -> list[str]:
    """Return names: bitcoin, and others that no profile lists."""
    return ["BTC", *(f"B{number:03d}" for number in range(1, COINS))]


def prices(rng: np.random.Generator) -> np.ndarray:
    """Return the price of each coin and second: a common fall, deeper in small coins, half of it back, own noise."""
    first = np.concatenate(([118_000.0], np.exp(rng.uniform(-1, 6, COINS - 1))))
    fall = np.concatenate(([0.12], rng.uniform(0.15, 0.6, COINS - 1)))
    done = np.clip((np.arange(BARS) - FALL.start) / (FALL.stop - FALL.start), 0, 1)
    back = np.clip((np.arange(BARS) - FALL.stop) / 400, 0, 1) / 2
    noise = np.cumsum(rng.normal(0, 0.0002, (COINS, BARS)), axis=1)
    return np.round(first[:, None] * (1 - fall[:, None] * (done - back)) * np.exp(noise - noise[:, :1]), 4)


def book(rng: np.random.Generator, first: np.ndarray) -> pl.DataFrame:
    """Return a balanced book: few accounts have most positions, a tenth are isolated, collateral by account."""
    coin = np.minimum((rng.pareto(0.9, POSITIONS * 2) * 2).astype(int), COINS - 1)
    user = np.minimum((rng.pareto(1.2, POSITIONS * 2) * ACCOUNTS / 4).astype(int), ACCOUNTS - 1)
    keys = rng.permutation(np.unique(user * COINS + coin))
    if len(keys) < POSITIONS:  # the other coins of accounts in order
        rest = np.setdiff1d(np.arange(ACCOUNTS * COINS), keys, assume_unique=True)
        keys = np.concatenate((keys, rng.choice(rest, POSITIONS - len(keys), replace=False)))
    user, coin = np.divmod(np.sort(keys[:POSITIONS]), COINS)
    long = rng.random(POSITIONS) < 0.5
    usd = rng.lognormal(7, 2.2, POSITIONS)
    usd *= OPEN_INTEREST_USD / usd[long].sum()
    usd = np.minimum(usd, 2e8)
    leverage = np.exp(rng.uniform(np.log(0.5), np.log(25), ACCOUNTS))[user]
    size = np.ceil(usd / first[coin] * 100) / 100
    entry = np.round(first[coin] * rng.uniform(0.98, 1.02, POSITIONS), 6)
    loss = np.where(long, 1, -1) * size * (entry - first[coin])
    return pl.DataFrame({
        "account": _address(user), "symbol": np.array(coins())[coin], "side": np.where(long, "long", "short"),
        "quantity_base": size, "entry_px": entry, "collateral_usd": np.round(size * first[coin] / leverage + loss, 6),
        "margin_mode": np.where(rng.random(POSITIONS) < 0.1, "isolated", "cross"),
        "cohort": np.where(rng.random(POSITIONS) < 0.05, "unified", "standard"), "name": _address(user),
    })  # fmt: skip


def venue() -> None:
    """Write bars and units into the lake of the workspace, and the book with what is known of its positions."""
    from backtest.book.actual.true_book import ORIGIN, TrueBook
    from backtest.book.actual.write import book_path, write_book
    from backtest.fetch.reservoir.to_lake import store_fills, store_tiers, store_units
    from backtest.lake.place import Place
    from backtest.lake.write import write_day

    rng = np.random.default_rng(1)
    tape, now = prices(rng), dt.datetime.now(dt.UTC)
    rows = book(rng, tape[:, 0])
    usd = rows.group_by("symbol").agg((pl.col("quantity_base") * pl.col("entry_px")).sum())
    held = dict(usd.rows())
    ts = [START + dt.timedelta(seconds=second) for second in range(BARS)]
    for name, px in zip(coins(), tape, strict=True):
        before = np.concatenate((px[:1], px[:-1]))
        volume = np.full(BARS, held.get(name, 0) / 2 / px[0] / TURNOVER)
        volume[FALL] *= 5
        frame = pl.DataFrame({
            "ts": ts, "open": before, "high": np.maximum(before, px), "low": np.minimum(before, px), "close": px,
            "volume": volume,
        })  # fmt: skip
        write_day(frame, Place("hyperliquid", f"{name}/USDC:USDC", "ohlcv", "1s"), START.date())
    others = [name for name in coins() if name != "BTC"]
    list(store_units(dict.fromkeys(others, 2), (), START.date(), now))
    many = pl.DataFrame({"market": others * 20}).with_columns(leverage=pl.lit(10))
    list(store_tiers(many, (), START.date(), now))
    blank = pl.lit(None, dtype=pl.Float64)
    known = rows.with_columns(
        mark_px=pl.col("entry_px"), liquidation_px=pl.col("entry_px") * 0.9, model_liquidation_px=blank,
        account_value_usd=pl.col("collateral_usd"), account_mode="cohort", leverage_type="margin_mode",
        snapshot_quantity_base="quantity_base", left_out=pl.lit(""),
    ).select(ORIGIN)  # fmt: skip
    fell = rows.filter(pl.col("side") == "long").head(POSITIONS // 8)
    trade = {"timestamp": START + dt.timedelta(seconds=FALL.start + 200), "side": "sell", "direction": "Close Long",
             "realized_pnl": 0.0, "fee": 0.0, "crossed": True, "is_liquidation": True, "liquidation_mark_px": None,
             "liquidation_method": "market"}  # fmt: skip
    closed = fell.select(
        pl.col("symbol").alias("coin"), pl.col("account").alias("address"), pl.col("entry_px").alias("price"),
        pl.col("quantity_base").alias("size"), pl.col("quantity_base").alias("start_position"),
        *(pl.lit(value).alias(name) for name, value in trade.items()), trade_id=pl.int_range(pl.len()),
    )  # fmt: skip
    list(store_fills(closed, None, now))
    write_book(TrueBook(rows, known, {}, pl.DataFrame(), {}), book_path(EVENT), START)


def time_roll() -> None:
    """Print seconds and memory of a roll."""
    moves = fills()
    none = pl.DataFrame(schema={"user": pl.String, "coin": pl.String, "lots": pl.Int64, "entry_px": pl.Float64})
    start = time.perf_counter()
    rolled = roll(none, moves)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  roll of {rolled.fills:,} fills  {seconds:6.2f} s (limit 30)   {peak:,.0f} MB (limit 2,000)")


def time_replay() -> None:
    """Print seconds and memory of a replay in a process of its own, and what engine and tables took of it."""
    with tempfile.TemporaryDirectory() as home:
        child([sys.executable, "-m", "tests.bench.true_book", "venue"], home)
        words = ["backtest", "replay", EVENT, "--book", "reservoir", "--quiet"]
        seconds, peak, _ = child([sys.executable, "-m", *words], home)
        (log,) = (Path(home) / "runs").glob("*/log.jsonl")
        last = json.loads(log.read_text("utf-8").splitlines()[-1])
    print(f"  replay of {POSITIONS:,} positions, {COINS} coins, {BARS:,} steps  {seconds:6.2f} s (limit 60)   "
          f"{peak:,.0f} MB (limit 3,000)")  # fmt: skip
    print(f"    of which engine {last['engine_s']:.1f} s, tables {last['tables_s']:.1f} s")


PARTS = {"roll": time_roll, "replay": time_replay, "venue": venue}

if __name__ == "__main__":
    for part in sys.argv[1:] or ["roll", "replay"]:
        PARTS[part]()
