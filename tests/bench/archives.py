"""Time archive files: a year of monthly 1-minute bars to the lake, and a large file of trades to 1-second bars."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from tests.fetch.archives.archive_files import HEADERS, klines_name, other_name, put_zip, stamp

SYMBOL, YEAR = "BTC/USDT:USDT", 2023
PLACE = ("binanceusdm", SYMBOL, "ohlcv")
TRADES_DAY = dt.date(YEAR, 3, 1)
TRADES_GB = 1.0


def year_of_days() -> list[dt.date]:
    """Return the days of the year."""
    return [dt.date(YEAR, 1, 1) + dt.timedelta(days=n) for n in range(365)]


def write_year(root: Path) -> None:
    """Write twelve monthly zips of 1-minute bars, 525,600 rows."""
    rng = np.random.default_rng(0)
    for month in range(1, 13):
        start = stamp(f"{YEAR}-{month:02d}-01")
        end = stamp(f"{YEAR + month // 12}-{month % 12 + 1:02d}-01")
        opens = np.arange(start, end, 60_000)
        px = np.round(30_000 + rng.normal(0, 10, opens.size).cumsum(), 1)
        volume = np.round(rng.exponential(50, opens.size), 3)
        lines = [
            f"{at},{p},{p + 9.9:.1f},{p - 9.9:.1f},{p},{v},{at + 59_999},{p * v:.5f},1234,{v / 2:.3f},{p * v / 2:.5f},0"
            for at, p, v in zip(opens.tolist(), px.tolist(), volume.tolist(), strict=True)
        ]
        data = "\n".join([HEADERS["klines"], *lines, ""]).encode()
        put_zip(root, klines_name("klines", "BTCUSDT", f"{YEAR}-{month:02d}"), data)


def write_trades(root: Path, gigabytes: float) -> int:
    """Write a daily zip of trades that unpacks to about ``gigabytes``; return how many there are."""
    path = root / other_name("aggTrades", "BTCUSDT", TRADES_DAY.isoformat())
    path.parent.mkdir(parents=True, exist_ok=True)
    start, pieces, size = stamp(TRADES_DAY.isoformat()), int(gigabytes * 16), 1_000_000
    step = 86_400_000 / (pieces * size)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{path.stem}.csv", "w", force_zip64=True) as member,
    ):
        member.write(HEADERS["aggTrades"].encode() + b"\n")
        numbers = np.arange(size)
        lines = [f"{30_000 + n % 977 / 10},{n % 4999 / 1000}" for n in numbers.tolist()]
        for piece in range(pieces):
            ids = (numbers + piece * size).tolist()
            text = "\n".join(
                f"{2_000_000_000 + n},{line},{4_000_000_000 + n},{4_000_000_000 + n},{start + int(n * step)},true"
                for n, line in zip(ids, lines, strict=True)
            )
            member.write(text.encode() + b"\n")
    return pieces * size


def to_lake(root: str, timeframe: str, days: list[dt.date]) -> int:
    """Read days and write them to the lake; return the rows."""
    from backtest.fetch.archives.publishers import ARCHIVES, archive_days
    from backtest.lake.place import Place
    from backtest.lake.write import write_day

    rows = 0
    place = Place(*PLACE, timeframe)
    for given in archive_days(root, ARCHIVES["binance"], place, days, cache=Path(root) / "cache"):
        assert given.frame is not None, given.reason
        write_day(given.frame, place, given.day, source=given.files)
        rows += given.frame.height
    return rows


def measure(root: str, timeframe: str) -> None:
    """Print seconds, rows and peak memory of this process in MB."""
    start = time.perf_counter()
    rows = to_lake(root, timeframe, year_of_days() if timeframe == "1m" else [TRADES_DAY])
    seconds = time.perf_counter() - start
    # of this process alone: ru_maxrss begins at the peak of the parent
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(seconds, rows, int(peak.split()[1]) / 1024)


def _child(root: Path, timeframe: str) -> tuple[float, int, float]:
    code = f"from tests.bench.archives import measure; measure({str(root)!r}, {timeframe!r})"
    environment = {**os.environ, "CRASHBOOK_HOME": str(root / f"home-{timeframe}")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    seconds, rows, peak = done.stdout.split()
    return float(seconds), int(rows), float(peak)


def archives(gigabytes: float = TRADES_GB) -> None:
    """Time both, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_year(root)
        seconds, rows, peak = _child(root, "1m")
        print(
            f"12 monthly zips of 1 m bars to lake   {seconds:6.2f} s   (limit 8)   {rows:,} rows, peak {peak:,.0f} MB"
        )
        trades = write_trades(root, gigabytes)
        path = next(root.rglob("*aggTrades*.zip"))
        with zipfile.ZipFile(path) as archive:
            size = archive.infolist()[0].file_size / 1e9
        seconds, rows, peak = _child(root, "1s")
        print(f"{size:.2f} GB of trades to 1 s bars          {seconds:6.2f} s   "
              f"{trades / seconds / 1e6:.1f} M trades/s, {rows:,} rows, peak {peak:,.0f} MB (limit 1,000)")  # fmt: skip


if __name__ == "__main__":
    archives()
