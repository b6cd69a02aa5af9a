"""Time a fetch of a year of 1-minute bars against the same bare calls, and a read of three days from a long lake."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

VENUE, SYMBOL, COINS = "binanceusdm", "BTC/USDT:USDT", ("BTC", "ETH", "SOL", "XRP", "DOGE")
FIRST, DAYS = dt.date(2023, 1, 1), 365
PAGE, STEP_MS, DAY_MS = 1000, 60_000, 86_400_000
PAIRS = 5  # the shortest of each counts: what else the machine does can only add
LAKE_FIRST, LAKE_DAYS = dt.date(2024, 1, 1), 731
WINDOW = (dt.datetime(2025, 10, 9), dt.datetime(2025, 10, 12))  # noqa: DTZ001 - naive UTC, as everywhere in the lake
SERIES = {"ohlcv": 1440, "mark_ohlcv": 1440, "open_interest": 288, "funding": 3}  # rows of a day


def dates(days: int) -> list[dt.date]:
    """Return the first days of the year."""
    return [FIRST + dt.timedelta(days=n) for n in range(days)]


def serve(days: int) -> None:
    """Serve the year until standard input ends; print the address first."""
    from tests.server.app import LocalVenues
    from tests.server.market import synthetic

    with LocalVenues({(VENUE, SYMBOL): synthetic(VENUE, SYMBOL, dates(days))}) as venues:
        print(venues.base, flush=True)
        sys.stdin.read()


@contextmanager
def _server(days: int) -> Iterator[str]:
    """Give the address of a server in a process of its own, so that its work is not the client's."""
    code = f"from tests.bench.fetching import serve; serve({days})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


async def bare(fields: dict[str, Any], days: int) -> int:
    """Make the calls of the fetch and nothing else; return the rows."""
    import ccxt.async_support as library

    api = library.binanceusdm(fields)
    start = (FIRST - dt.date(1970, 1, 1)).days * DAY_MS
    end = start + days * DAY_MS
    rows = 0
    for since in range(start, end, PAGE * STEP_MS):
        until = min(since + PAGE * STEP_MS, end) - 1
        rows += len(await api.fetch_ohlcv(SYMBOL, "1m", since, PAGE, {"until": until}))
    api.timeout_on_exit = 0
    await api.close()
    return rows


async def ours(config: dict[str, Any], days: int) -> int:
    """Fetch into an empty lake; return the rows."""
    from backtest.fetch.plan import targets
    from backtest.fetch.run import fetch
    from backtest.fetch.settings import parse_settings

    now = dt.datetime.combine(dates(days)[-1] + dt.timedelta(days=2), dt.time())
    goals = targets(coins=["BTC"], series=["ohlcv"], days=dates(days), venues=[VENUE], now=now, roots={})
    outcome = await fetch(
        goals, parse_settings(config, "here"), clock=time.time, draw=lambda: 0.5, stop=asyncio.Event()
    )
    assert not outcome.repeated
    assert not outcome.denied
    return sum(row.rows for row in outcome.served)


def measure_fetch(base: str, days: int, home: str) -> None:
    """Print seconds of bare calls, of fetches and peak memory in MB of this process, after a run that warms both."""
    from tests.server.app import client_config

    fields = {**client_config(base)[VENUE], "enableRateLimit": False}
    spans: dict[str, list[float]] = {"bare": [], "ours": []}
    for number in range(PAIRS + 1):
        os.environ["CRASHBOOK_HOME"] = f"{home}/{number}"
        for name in ("bare", "ours") if number % 2 else ("ours", "bare"):
            call = bare(fields, days) if name == "bare" else ours({VENUE: fields}, days)
            start = time.perf_counter()
            rows = asyncio.run(call)
            spans[name].append(time.perf_counter() - start)
            assert rows == days * 1440
    print(orjson.dumps([spans["bare"][1:], spans["ours"][1:], _peak()]).decode())


def write_lake(folder: Path) -> None:
    """Write a lake of two years whose files outside the window are not Parquet at all."""
    import polars as pl

    from backtest.lake.place import Place
    from backtest.lake.series import schema_of
    from backtest.lake.write import write_day

    os.environ["CRASHBOOK_HOME"] = str(folder)
    for coin in COINS:
        for series, rows in SERIES.items():
            schema = schema_of(series)
            place = Place(VENUE, f"{coin}/USDT:USDT", series)
            for number in range(LAKE_DAYS):
                day = LAKE_FIRST + dt.timedelta(days=number)
                midnight = dt.datetime.combine(day, dt.time())
                if WINDOW[0] <= midnight < WINDOW[1]:
                    ts = [midnight + n * dt.timedelta(days=1) / rows for n in range(rows)]
                    values = {name: [100.0 + n / 7 for n in range(rows)] for name in list(schema)[1:]}
                    write_day(pl.DataFrame({"ts": ts, **values}, schema=schema), place, day)
                else:
                    path = place.file(day)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"not Parquet")


def measure_read() -> None:
    """Print seconds of imports, seconds of the read, rows, and peak memory in MB of this process."""
    began = time.perf_counter()
    import duckdb  # noqa: F401
    import polars as pl  # noqa: F401
    import pyarrow as pa  # noqa: F401

    from backtest.lake.place import Place
    from backtest.lake.read import read_series

    start = time.perf_counter()
    rows = 0
    for coin in COINS:
        for series in SERIES:
            rows += read_series(Place(VENUE, f"{coin}/USDT:USDT", series), *WINDOW).height
    print(orjson.dumps([start - began, time.perf_counter() - start, rows, _peak()]).decode())


def _peak() -> float:
    # of this process alone: ru_maxrss begins at the peak of the parent
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _child(call: str, home: str = "") -> Any:
    code = f"from tests.bench import fetching; fetching.{call}"
    environment = {**os.environ, "CRASHBOOK_HOME": home}
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, env=environment)
    return orjson.loads(done.stdout)


def fetching(days: int = DAYS) -> None:
    """Time fetches and bare calls in turn, in one process, from a server in another."""
    with tempfile.TemporaryDirectory() as home, _server(days) as base:
        calls, fetches, peak = _child(f"measure_fetch({base!r}, {days}, {home!r})")
    print(f"fetch of {days * 1440:,} 1 m bars to lake   {min(fetches):6.2f} s   bare calls {min(calls):.2f} s   "
          f"ratio {min(fetches) / min(calls):.2f} (limit 1.25)   peak {peak:,.0f} MB")  # fmt: skip


def reading() -> None:
    """Time three days of five symbols and four series, in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        write_lake(Path(home))
        imports, seconds, rows, peak = _child("measure_read()", home)
    expected = 3 * len(COINS) * sum(SERIES.values())
    assert rows == expected, f"{rows} rows of {expected}"
    print(f"3 days x 5 symbols x 4 series of lake {seconds:6.2f} s   (limit 0.5)   "
          f"{rows:,} rows, imports {imports:.2f} s apart, peak {peak:,.0f} MB; all other files unreadable")  # fmt: skip


if __name__ == "__main__":
    fetching()
    reading()
