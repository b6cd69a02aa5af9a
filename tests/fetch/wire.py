"""The venues without a network: the same answers, handed to the client where its connections would be.

A test changes answers on their way: a function of what was asked and what would be answered. No socket is opened, no
time passes.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from backtest.fetch.budget import Spending
from backtest.fetch.outcome import Outcome
from backtest.fetch.plan import Target
from backtest.fetch.rest import opening
from backtest.fetch.rest.session import GuardedSession
from backtest.fetch.run import fetch
from backtest.fetch.settings import parse_settings
from tests.fetch.venues import IMPATIENT, NOW, tapes
from tests.server.app import HANDLERS, client_config
from tests.server.market import Tapes
from tests.server.wire import encoded

BASE = "http://venues.test"
CHUNK = 1 << 16


@dataclass(frozen=True)
class Request:
    """What was asked: the venue as the server names it, the path, the question, and the how many-eth it is."""

    venue: str
    path: str
    query: dict[str, Any]
    nth: int
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> bool:
        """Return whether rows are asked for, not the list of markets."""
        words = ("kline", "candle", "fundingrate", "history", "interest", "ratio", "hist")
        return any(word in f"{self.path}{self.query.get('type', '')}".lower() for word in words)


@dataclass
class Reply:
    """An answer: its body in pieces, so that an endless one can be told from a long one."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes] | None = None
    taken: int = 0

    @property
    def reason(self) -> str:
        return "OK"

    @property
    def content(self) -> Reply:
        return self

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        pieces = self.pieces or (self.body[at : at + size] for at in range(0, len(self.body), size))
        for piece in pieces:
            self.taken += 1
            yield piece


Change = Callable[[Request, Reply], Reply]


@dataclass
class Wire:
    """What stands for the connections: it asks the venues of ``tests.server`` and lets the answers be changed."""

    change: Change = lambda request, reply: reply
    held: Tapes = field(default_factory=tapes)
    now: dt.datetime = NOW
    asked: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def close(self) -> None:
        """Close nothing."""

    @asynccontextmanager
    async def request(self, method: str, url: Any, *, data: Any = None, **more: Any) -> AsyncIterator[Reply]:
        assert more.pop("allow_redirects") is False
        parts = urlsplit(str(url))
        venue, _, path = parts.path.lstrip("/").partition("/")
        query = orjson.loads(data) if method == "POST" else dict(parse_qsl(parts.query))
        request = Request(venue, f"/{path}", query, len(self.asked), dict(more.get("headers") or {}))
        self.asked.append(request)
        yield self.change(request, self.honest(request))

    def honest(self, request: Request, **changed: Any) -> Reply:
        """Return what the venue answers, to a changed question where parts of it are given."""
        now = int(self.now.replace(tzinfo=dt.UTC).timestamp() * 1000)
        mine = {tape.market.id: tape for (_, _), tape in self.held.items() if self._is_of(tape, request.venue)}
        query = {**request.query, **changed}
        if "req" in request.query:
            query = {**request.query, "req": {**request.query["req"], **changed}}
        status, payload = HANDLERS[request.venue](request.path, query, mine, now)
        return Reply(encoded(payload), status, {"Date": formatdate(now / 1000, usegmt=True)})

    def _is_of(self, tape: Any, venue: str) -> bool:
        return tape.market.venue.startswith(venue)


def wired(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """Put the wire where every client's connections would be."""

    def guarded(session: Any, spending: Spending) -> GuardedSession:
        session.detach()
        return GuardedSession(wire, spending)

    monkeypatch.setattr(opening, "guarded", guarded)


@dataclass
class Told:
    """What a fetch said on the way: the waits it announced, and those it made."""

    announced: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


def fetched_over(
    wire: Wire,
    goals: Sequence[Target],
    monkeypatch: pytest.MonkeyPatch,
    *,
    clock: Callable[[], float] | None = None,
    refetch: bool = False,
    told: Told | None = None,
    **tables: Any,
) -> Outcome:
    """Fetch over a wire; no wait is made, all are written down."""
    told = told if told is not None else Told()
    settings = parse_settings({**client_config(BASE), "retry": IMPATIENT, **tables}, "test")
    seconds = wire.now.replace(tzinfo=dt.UTC).timestamp()

    async def pause(length_s: float) -> None:
        told.waits.append(length_s)

    with monkeypatch.context() as patch:
        wired(patch, wire)
        return asyncio.run(
            fetch(
                goals,
                settings,
                clock=clock or (lambda: seconds),
                draw=lambda: 0.5,
                stop=asyncio.Event(),
                on_wait=told.announced.append,
                pause=pause,
                refetch=refetch,
            )
        )
