"""A fuzzer of the client: answers changed at random, by the thousand: ``python -m tests.fetch.mutated --cases 10000``.

Each case asks one venue for one page or its list of markets and spoils the answers on their way, once or for good. The
client may give rows, or say in one line why not; it never fails otherwise, and no row that it would store differs from
the row that the venue has for that time. Values that some market could have are not changed: nothing on the wire tells
them from true ones. The seed is printed; the same seed makes the same cases.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson
import pytest

from backtest.fetch.day import FetchedDay, broken_rule, deduplicated, frame_of
from backtest.fetch.rest.client import Client, VenueFault
from backtest.fetch.rest.opening import close_client, open_client
from backtest.fetch.rest.paging import Grid, paged_days
from backtest.fetch.rest.stated import STATES_INTERVAL, longer_bars
from backtest.fetch.settings import parse_settings
from backtest.lake.availability import load_availability
from backtest.lake.place import Place
from backtest.lake.series import SERIES
from backtest.mechanics.exact import Floats
from tests.fetch.venues import SYMBOLS, VENUES
from tests.fetch.wire import BASE, Reply, Request, Wire, wired
from tests.server.app import client_config
from tests.server.market import CRASH_DAYS

DAY = CRASH_DAYS[0]
CASES_IN_CI, SEED_IN_CI = 20, 2  # of which some give whole days, some a part, some a refusal
SERIES_ASKED = ("ohlcv", "funding")
LISTS_FRAC = 0.05  # of the cases spoil the list of markets
NONSENSE: tuple[Any, ...] = (
    None, "", " ", "abc", "NaN", "Infinity", "-1e999", "1e999", -1, "-5", [], {}, [[]], True, False, "5_0.0", "0x10",
    10**400, 1e300, "1,000", "\u0000", "\ud83d\ude00", "١٢", {"a": {"b": []}},
)  # fmt: skip
# a nonsense value that a cell may hold unharmed: an unread cell, or a number written otherwise
WORDS = ("linear", "inverse", "spot", "1m", "5m", "BTC", "SOLUSDT", "SOL", "ETH-USDT-SWAP", "0", "-1", "51001")


@dataclass
class Spoiler:
    """How answers are spoiled: with which random numbers, how many of them, and what was done."""

    rng: random.Random
    times: int
    of_list: bool
    deeds: list[str] = field(default_factory=list)

    def __call__(self, request: Request, reply: Reply, wire: Wire) -> Reply:
        if len(self.deeds) >= self.times or request.page == self.of_list:
            return reply
        name = self.rng.choice([*DEEDS])
        self.deeds.append(name)
        return DEEDS[name](self.rng, request, reply, wire)


def _bytes(change: Callable[[random.Random, bytes], bytes]) -> Callable[..., Reply]:
    return lambda rng, request, reply, wire: replace(reply, body=change(rng, reply.body))


def _json(change: Callable[[random.Random, Any], None]) -> Callable[..., Reply]:
    def changed(rng: random.Random, request: Request, reply: Reply, wire: Wire) -> Reply:
        body = orjson.loads(reply.body)
        change(rng, body)
        try:
            return replace(reply, body=orjson.dumps(body))
        except (TypeError, orjson.JSONEncodeError):  # a number beyond 64 bits
            import json

            return replace(reply, body=json.dumps(body, ensure_ascii=True).encode())

    return changed


def _rows(body: Any) -> list[Any]:
    """Return the longest list of an answer."""
    found: list[list[Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, list):
            found.append(value)
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(each)

    walk(body)
    return max(found, key=len, default=[])


def _cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def _noise(rng: random.Random, body: bytes) -> bytes:
    """Change bytes that are no part of a number or a name."""
    out = bytearray(body)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(out))
        if out[at] in b'[]{},:"':
            out[at] = rng.choice(b'[]{},:" \\\x00\xff')
    return bytes(out)


def _splice(rng: random.Random, body: bytes) -> bytes:
    """Lose a piece; where whole JSON is left, its length would tell, below the client."""
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    try:
        orjson.loads(body[:start] + body[end:])
    except orjson.JSONDecodeError:
        return body[:start] + body[end:]
    return body


def _cell(rng: random.Random, body: Any) -> None:
    """Put nonsense into a cell of a row."""
    rows = _rows(body)
    row = rng.choice(rows) if rows else None
    if isinstance(row, list) and row:
        row[rng.randrange(min(len(row), 6))] = rng.choice(NONSENSE)
    elif isinstance(row, dict) and row:
        row[rng.choice([*row])] = rng.choice(NONSENSE)


def _key(rng: random.Random, body: Any) -> None:
    """Take a key away anywhere, or put a word or nonsense into its place."""
    tables: list[dict[str, Any]] = []

    def walk(value: Any, depth: int = 0) -> None:
        if isinstance(value, dict) and value:
            tables.append(value)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for each in [*inner][:20] if depth < 4 else ():
            walk(each, depth + 1)

    walk(body)
    if not tables:
        return
    table = rng.choice(tables)
    key = rng.choice([*table])
    if rng.random() < 0.4:
        del table[key]
    elif key not in _VALUES:
        table[key] = rng.choice([*NONSENSE, *WORDS])


_VALUES = {"o", "h", "l", "c", "v", "fundingRate", "realizedRate", "time", "fundingTime", "fundingRateTimestamp", "t"}


def _row(rng: random.Random, body: Any) -> None:
    """Double, drop, move or cut rows."""
    rows = _rows(body)
    if not rows:
        return
    deed, at = rng.randrange(6), rng.randrange(len(rows))
    if deed == 0:
        rows.extend(rows[at:])
    elif deed == 1:
        del rows[at:]
    elif deed == 2:
        rng.shuffle(rows)
    elif deed == 3:
        rows[at] = rng.choice(NONSENSE)
    elif deed == 4:
        del rows[::2]
    elif isinstance(rows[at], list):
        del rows[at][rng.randrange(len(rows[at])) :]


def _late(rng: random.Random, body: Any) -> None:
    """Move the times of rows, all of them or one."""
    rows = _rows(body)
    bars = bool(rows) and (isinstance(rows[0], list) or "t" in rows[0])  # funding has times of its own
    shift = rng.choice([1, 500, 30_000, 86_400_000, -86_400_000, 10**12] if bars else [86_400_000, -86_400_000])
    for row in rows if rng.random() < 0.5 else rows[:1]:
        key = 0 if isinstance(row, list) else next((name for name in ("t", "time", "fundingTime") if name in row), None)
        if key is not None and row:
            row[key] = type(row[key])(int(row[key]) + shift)


def _other(rng: random.Random, request: Request, reply: Reply, wire: Wire) -> Reply:
    """Answer another question: of another interval, market or time."""
    names = {"binance": "SOLUSDT", "bybit": "SOLUSDT", "okx": "SOL-USDT-SWAP", "hyperliquid": "SOL"}
    intervals = {
        "binance": ("interval", "5m"),
        "bybit": ("interval", "5"),
        "okx": ("bar", "5m"),
        "hyperliquid": ("interval", "5m"),
    }
    deed = rng.randrange(3)
    if deed == 0:
        key, value = intervals[request.venue]
        return wire.honest(request, **{key: value})
    if deed == 1 and request.venue in {"bybit", "hyperliquid"}:  # bars of the others name no market
        return wire.honest(request, **{"coin" if request.venue == "hyperliquid" else "symbol": names[request.venue]})
    inner = request.query.get("req", request.query)
    days = rng.choice([-1, 1, 2]) * 86_400_000
    bounds = [name for name in ("startTime", "endTime", "start", "end", "before", "after") if name in inner]
    return wire.honest(request, **{name: type(inner[name])(int(inner[name]) + days) for name in bounds})


def _status(rng: random.Random, request: Request, reply: Reply, wire: Wire) -> Reply:
    status = rng.choice([200, 204, 301, 307, 400, 401, 403, 404, 418, 429, 451, 500, 503, 599])
    headers = {**reply.headers, "Retry-After": rng.choice(["1", "-1", "soon", "1e9", "", "99999999999999999999"])}
    body = rng.choice([reply.body, b"", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b"[" * 5000])
    return replace(reply, status=status, headers=headers, body=body)


def _headers(rng: random.Random, request: Request, reply: Reply, wire: Wire) -> Reply:
    names = ("Date", "Content-Encoding", "Retry-After", "Location", "Content-Type")
    values = ("", "gzip", "deflate", "br", "never", "Fri, 40 Oct 99999 99:00:00 GMT", "text/html", "\u00ff")
    return replace(reply, headers={**reply.headers, rng.choice(names): rng.choice(values)})


DEEDS: Mapping[str, Callable[..., Reply]] = {
    "cut": _bytes(_cut),
    "noise": _bytes(_noise),
    "splice": _bytes(_splice),
    "cell": _json(_cell),
    "key": _json(_key),
    "row": _json(_row),
    "late": _json(_late),
    "other": _other,
    "status": _status,
    "headers": _headers,
}


async def opened(venue: str) -> Client:
    """Return a client of a venue over the wire that waits for nothing."""

    async def no_pause(seconds: float) -> None:
        return

    settings = parse_settings({**client_config(BASE), "retry": {"attempts": 3, "first_s": 0.01}}, "test")
    return await open_client(venue, settings, lambda: 0.5, asyncio.Event(), pause=no_pause)


async def asked(client: Client, series: str) -> list[FetchedDay]:
    """Ask a venue for the day as a fetch does.

    Raises
    ------
    VenueFault
        The venue gives no page.
    """
    market = await client.market("BTC", SYMBOLS[client.venue])
    entry, row = load_availability()[client.venue, series, "rest"], SERIES[series]
    assert row.ccxt is not None
    step_s = row.bar_s("1m") or entry.step_s
    grid = Grid(step_ms=step_s * 1000, span_ms=(entry.span_s(step_s) or 86_400) * 1000, required=row.ccxt.required)

    async def page(since: int, until: int) -> Floats:
        return await client.page(entry, market, "1m", since, until)

    return [day async for day in paged_days(page, [DAY], grid, lambda reached, rows: None)]


class Remembering(Wire):
    """A wire that makes each honest answer once."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Reply] = {}

    def honest(self, request: Request, **changed: Any) -> Reply:
        key = f"{request.venue} {request.path} {request.query} {changed}"
        if key not in self.made:
            self.made[key] = super().honest(request, **changed)
        return replace(self.made[key])


def wrong_row(days: list[FetchedDay], venue: str, series: str, true: Floats) -> str:
    """Return a row that would be stored though the venue has another one, empty if there is none."""
    if all(day.rows is not None and np.array_equal(day.rows, true) for day in days):
        return ""
    place = Place(venue, SYMBOLS[venue], series, "1m" if SERIES[series].bars else "")
    known = {tuple(row) for row in frame_of(FetchedDay(DAY, rows=true), series).rows()}
    for given in days:
        day = deduplicated(given, place)
        bars = SERIES[series].bars and venue not in STATES_INTERVAL and day.rows is not None
        if day.reason or broken_rule(day, place, venue) or not day.height:
            continue
        if bars and day.rows is not None and longer_bars(day.rows, 60_000):
            continue
        wrong = [row for row in frame_of(day, series).rows() if row not in known]
        if wrong:
            return f"{len(wrong)} rows such as {wrong[0]}"
    return ""


def run(cases: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Try so many cases; return how often each thing happened.

    Raises
    ------
    AssertionError
        A case failed otherwise than by a fault of the venue, or would store a wrong row.
    """
    wire = Remembering()
    wired(monkeypatch, wire)
    return asyncio.run(_run(cases, seed, wire))


async def _run(cases: int, seed: int, wire: Wire) -> Counter[str]:
    happened: Counter[str] = Counter()
    clients = {venue: await opened(venue) for venue in VENUES}
    true: dict[tuple[str, str], Floats] = {}
    for venue, client in clients.items():
        for name in SERIES_ASKED:
            (day,) = await asked(client, name)
            assert day.rows is not None
            true[venue, name] = day.rows
    for number in range(cases):
        rng = random.Random(f"{seed} {number}")
        venue, name = rng.choice(VENUES), rng.choice(SERIES_ASKED)
        spoiler = Spoiler(rng, rng.choice([1, 1, 2, 99]), rng.random() < LISTS_FRAC)
        wire.change = lambda request, reply, spoiler=spoiler: spoiler(request, reply, wire)  # type: ignore[misc]
        wire.asked.clear()
        client = await opened(venue) if spoiler.of_list else clients[venue]
        outcome = await _case(client, name, true[venue, name], f"seed {seed} case {number}: {venue} {name}", spoiler)
        happened[outcome] += 1
        if spoiler.of_list:
            await close_client(client)
    for client in clients.values():
        await close_client(client)
    return happened


async def _case(client: Client, series: str, true: Floats, label: str, spoiler: Spoiler) -> str:
    """Try one case and return what came of it."""
    try:
        days = await asked(client, series)
    except VenueFault as fault:
        if not str(fault).isprintable():
            raise AssertionError(f"{label} {spoiler.deeds}: {fault!r} is no line") from fault
        return "refused"
    except Exception as error:
        raise AssertionError(f"{label} {spoiler.deeds}: {type(error).__name__}: {error}") from error
    wrong = wrong_row(days, client.venue, series, true)
    assert not wrong, f"{label} {spoiler.deeds}: {wrong}"
    rows = days[0].rows
    return "whole" if rows is not None and len(rows) == len(true) and not days[0].reason else "partial"


def main() -> None:
    """Run as many cases as asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fetch.mutated", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=dt.datetime.now(dt.UTC).microsecond)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        happened = run(options.cases, options.seed, patch)
    print(f"{options.cases} cases in {time.process_time() - began:.0f} CPU s: {dict(happened)}")


if __name__ == "__main__":
    main()
