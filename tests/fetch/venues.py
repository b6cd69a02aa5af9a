"""A fetch against the local venues, in this process, and the lake it leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from backtest.assets import lake_folder
from backtest.fetch.outcome import Outcome
from backtest.fetch.plan import Target, targets
from backtest.fetch.run import fetch
from backtest.fetch.settings import parse_settings
from backtest.lake.manifest import read_manifest
from tests.server.app import LocalVenues
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS, Tapes, crash_days

NOW = dt.datetime(2025, 10, 12, 6)  # noqa: DTZ001 - naive UTC, as everywhere in the lake
VENUES = ("binanceusdm", "bybit", "okx", "hyperliquid")
SYMBOLS = {venue: "BTC/USDC:USDC" if venue == "hyperliquid" else "BTC/USDT:USDT" for venue in VENUES}
IMPATIENT = {"attempts": 12, "first_s": 0.01, "patience_s": 2.0}
_TAPES: list[Tapes] = []


def tapes() -> Tapes:
    """Return the crash days of all venues, made once."""
    if not _TAPES:
        _TAPES.append(crash_days())
    return _TAPES[0]


def wanted(
    venues: Sequence[str],
    series: Sequence[str] = ("ohlcv",),
    *,
    coins: Sequence[str] = ("BTC",),
    days: Sequence[dt.date] = CRASH_DAYS,
    now: dt.datetime = NOW,
    roots: dict[str, str] | None = None,
) -> list[Target]:
    """Return targets for some venues in order, no others behind them; without ``roots`` no archives either."""
    goals = targets(coins=coins, series=series, days=days, venues=venues, now=now, roots=roots or {})
    if roots:
        return goals
    return [replace(goal, sources=tuple(each for each in goal.sources if each.route == "rest")) for goal in goals]


def fetched(
    goals: Sequence[Target],
    faults: Iterable[Fault] = (),
    *,
    now: dt.datetime = NOW,
    local: dt.datetime | None = None,
    held: Tapes | None = None,
    retry: dict[str, Any] | None = None,
    stop_after: int = 0,
    **overrides: Any,
) -> tuple[Outcome, LocalVenues]:
    """Fetch from local venues with a script of faults; ``local`` is our clock where it is not that of the venues."""
    stop, pages = asyncio.Event(), 0

    def count(progress: object) -> None:
        nonlocal pages
        pages += 1
        if stop_after and pages >= stop_after:
            stop.set()

    with LocalVenues(held if held is not None else tapes(), faults, now=now) as venues:
        settings = parse_settings({**venues.config(**overrides), "retry": retry or IMPATIENT}, "test")
        seconds = (local or now).replace(tzinfo=dt.UTC).timestamp()
        outcome = asyncio.run(
            fetch(goals, settings, clock=lambda: seconds, draw=lambda: 0.5, stop=stop, on_progress=count)
        )
    return outcome, venues


def lake_digests() -> dict[str, str]:
    """Return the digest of every file in the lake but the journal, and what the journal says of each file."""
    files = {
        path.relative_to(lake_folder()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake_folder().rglob("*"))
        if path.is_file() and path.name != "manifest.jsonl"
    }
    entries = {
        f"journal of {name}": repr({key: value for key, value in entry.items() if key != "fetched_at"})
        for name, entry in sorted(read_manifest().items())
    }
    return {**files, **entries}


def at_venues(names: Iterable[str], alike: Collection[str]) -> list[tuple[str, str]]:
    """Return pairs of venue and name: every name at every venue, those ``alike`` at all of them at one, in turn.

    ``CRASHBOOK_EVERY_VENUE=1`` tries every name at every venue.
    """
    everywhere = "CRASHBOOK_EVERY_VENUE" in os.environ
    turn = cycle(VENUES)
    return [(venue, name) for name in names for venue in ([next(turn)] if name in alike and not everywhere else VENUES)]


def elsewhere(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Work in another workspace from now on."""
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("CRASHBOOK_HOME", str(home))
