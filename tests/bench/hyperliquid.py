"""Hyperliquid's node fills and clearinghouse snapshots at their real size."""

from __future__ import annotations

import datetime as dt
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tests.fetch.hyperliquid.fill_files import BURST, Event, adl_trade, block, market_liquidation, takeover, trade, user

COINS = ("BTC", "ETH", "SOL", "HYPE", "XRP", "@107", "PURR/USDC", "kPEPE")
PER_BLOCK = 140  # fills: an hour of 2025-10-10 is 40,000 blocks and 5 million fills
FORCED = 0.06  # share of forced trades, twice that of the hour of the crash


def write_fills(path: Path, size: int) -> int:
    """Write node fills of ``size`` bytes unpacked and return how many: shared blocks, spot, bad lines included."""
    import pyarrow as pa

    rng, fills, written, number = np.random.default_rng(1), 0, 0, 0
    with pa.CompressedOutputStream(str(path), "lz4") as out:
        while written < size:
            at = BURST + dt.timedelta(milliseconds=80 * number)
            events = []
            for draw, coin, one, two in zip(
                rng.random(PER_BLOCK // 2), rng.integers(0, len(COINS), PER_BLOCK // 2),
                rng.integers(1, 20_000, PER_BLOCK // 2), rng.integers(20_000, 40_000, PER_BLOCK // 2), strict=True,
            ):  # fmt: skip
                fields: dict[str, Any] = {
                    "coin": COINS[coin],
                    "sz": f"{one / 1000:.3f}",
                    "px": f"{100 + two / 1000:.3f}",
                }
                fields |= {"tid": int(one * two), "oid": int(two), "hash": f"0x{one * two:064x}"}
                events += _trade(draw, user(one), user(two), at, fields)
            line = block(events, at, number) + b"\n"
            copies = 2 if number % 1000 == 7 else 1
            bad = b'{"block_time": "2025-10-10T21\n' if number % 1000 == 9 else b""
            out.write(line * copies + bad)
            written += len(line) * copies + len(bad)
            fills, number = fills + len(events) * copies, number + 1
    return fills


def _trade(draw: float, one: str, two: str, at: dt.datetime, fields: dict[str, Any]) -> list[Event]:
    if draw > FORCED:
        return trade(one, two, at, **fields)
    if draw > FORCED / 2:
        return adl_trade(one, two, at, **fields)
    return takeover(one, at, **fields) if draw > FORCED / 4 else market_liquidation(one, two, at, **fields)


def write_snapshot(path: Path, positions: int, markets: int = 150) -> None:
    """Write a snapshot with the keys of the published one."""
    rng = np.random.default_rng(2)
    per = positions // markets
    with path.open("wb") as out:
        out.write(b"[")
        for market in range(markets):
            size = rng.integers(1, 10_000, per // 2) / 100
            rows = [
                {
                    "user": user(int(owner)), "size": float(signed), "notional_size": float(abs(signed) * 101),
                    "funding_pnl": 0.035389, "entry_price": 100.0, "is_cross": True, "leverage": 10,
                    "liquidation_price": 71.49134890249434, "account_value": 1076.000069,
                }
                for owner, signed in zip(
                    rng.permutation(400_000)[: 2 * (per // 2)], np.concatenate([size, -size]), strict=True
                )
            ]  # fmt: skip
            head = {"market_name": f"hyperliquid:C{market}", "snapshot_id": "x", "position_count": len(rows)}
            out.write((b"," if market else b"") + orjson.dumps(head | {"positions": rows}))
        out.write(b"]")


def fills(folder: Path, size: int = 1 << 30) -> None:
    """Time the import of node fills; run it in a process of its own, since it prints the peak of memory."""
    from backtest.fetch.hyperliquid.node_fills import import_fills

    path = folder / "21.lz4"
    count = write_fills(path, size)
    before = _peak()
    began = time.perf_counter()
    report = import_fills([path])
    seconds = time.perf_counter() - began
    print(
        f"node fills, {size / 2**30:.2f} GiB unpacked      {seconds:6.2f} s   {count / seconds:,.0f} fills a second"
        f" (at least 150,000)   {report.kept:,} of {count:,} kept   peak {_peak():,.0f} MB (limit 1,000),"
        f" {before:,.0f} before"
    )


def snapshot(folder: Path, positions: int = 220_000) -> None:
    """Time the import of a clearinghouse snapshot with as many positions as that of 2025-10-10."""
    from backtest.fetch.hyperliquid.snapshot import import_snapshot

    path = folder / "perp_positions_by_market.json"
    write_snapshot(path, positions)
    began = time.perf_counter()
    report = import_snapshot(path, None, folder / "book.parquet")
    seconds = time.perf_counter() - began
    print(
        f"snapshot, {path.stat().st_size / 2**20:,.0f} MiB               {seconds:6.2f} s   "
        f"{positions / seconds:,.0f} positions a second   {report.positions:,} kept   peak {_peak():,.0f} MB"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    {"fills": fills, "snapshot": snapshot}[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
