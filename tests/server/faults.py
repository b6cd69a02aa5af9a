"""What goes wrong on the way: a script of faults, each matched to the nth request for a path and a symbol."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

from tests.server import refusals, rows
from tests.server.wire import Answer, Page, Raw, encoded

KINDS = frozenset(rows.CHANGES) | frozenset(refusals.BODIES)
KINDS |= {"slow", "reset", "truncated_json", "clock_skew", "wrong_symbol", "previous_page", "redirect"}
SYMBOL_FIELDS = ("symbol", "pair", "instId", "instFamily", "coin")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and when it strikes.

    ``match`` is a shell pattern, or a part, of ``<path>?<symbol>`` (Hyperliquid's path is ``/info/<type>``); ``at``
    names requests for that path and symbol counted from 1, ``every`` each nth of them, neither all; ``times`` bounds
    how often it strikes. The rest belongs to single kinds: ``delay_s`` (slow), ``keep_frac`` (truncated_json, short
    page), ``half`` (reset after half the body), ``status``, ``retry_after_s`` (None: no header), ``code``
    (envelope_error), ``hour_ms`` (missing_hour), ``skew_s`` (clock_skew), ``other`` (wrong_symbol,
    redirect).
    """

    kind: str
    venue: str = ""
    match: str = ""
    at: tuple[int, ...] = ()
    every: int = 0
    times: int | None = None
    delay_s: float = 0.0
    keep_frac: float = 0.5
    half: bool = False
    status: int = 0
    retry_after_s: float | None = None
    code: str = ""
    hour_ms: int = 0
    skew_s: float = 0.0
    other: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind}: no such fault; allowed: {', '.join(sorted(KINDS))}")

    def strikes(self, venue: str, path: str, symbol: str, nth: int) -> bool:
        """Say whether the nth request for a path and a symbol is hit."""
        name = f"{path}?{symbol}"
        if self.venue not in {"", venue} or not (self.match in name or fnmatchcase(name, self.match)):
            return False
        if self.at or self.every:
            return nth in self.at or bool(self.every and nth % self.every == 0)
        return True


class Faults:
    """The script in use: how often each path was asked for, what has struck, and the last page of each path."""

    def __init__(self, script: Iterable[Fault] = ()) -> None:
        self.script = list(script)
        self.fired: list[tuple[str, str, str, int]] = []
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.last: dict[tuple[str, str, str], Answer] = {}
        self._struck: Counter[int] = Counter()

    def due(self, key: tuple[str, str, str]) -> list[Fault]:
        """Count a request and return the faults that strike it."""
        self.asked[key] += 1
        nth = self.asked[key]
        found = []
        for place, fault in enumerate(self.script):
            spent = fault.times is not None and self._struck[place] >= fault.times
            if not spent and fault.strikes(*key, nth):
                self._struck[place] += 1
                self.fired.append((fault.kind, key[0], f"{key[1]}?{key[2]}", nth))
                found.append(fault)
        return found


async def apply(
    faults: Faults,
    request: web.BaseRequest,
    asked: tuple[str, str, Any],
    ask: Callable[[Any, int], Answer],
    now: int,
) -> web.StreamResponse:
    """Answer a request for (venue, path, query) through the faults that are due."""
    venue, path, query = asked
    key = key_of(venue, path, query)
    due = faults.due(key)
    headers: dict[str, str] = {"Date": formatdate(now / 1000, usegmt=True)}
    for fault in due:
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_s)
        elif fault.kind == "clock_skew":
            now += int(fault.skew_s * 1000)
            headers["Date"] = formatdate(now / 1000, usegmt=True)
    answer = _answer(faults, key, query, due, ask, now, headers)
    body = encoded(answer[1])
    for fault in due:
        if fault.kind == "truncated_json":
            body = body[: int(len(body) * fault.keep_frac)]
        elif fault.kind == "redirect":
            return web.Response(status=302, headers={"Location": f"{fault.other}{request.path_qs}"})
        elif fault.kind == "reset":
            return await _reset(request, body if fault.half else b"")
    return web.Response(status=answer[0], body=body, headers=_headers(answer) | headers)


def key_of(venue: str, path: str, query: Any) -> tuple[str, str, str]:
    """Return venue, path and symbol as faults count them."""
    fields: Mapping[str, Any] = query if isinstance(query, Mapping) else {}
    inner = fields.get("req")
    inner = inner if isinstance(inner, Mapping) else fields
    symbol = next((str(inner[name]) for name in SYMBOL_FIELDS if inner.get(name)), "")
    return venue, f"{path}/{fields.get('type', '')}" if venue == "hyperliquid" else path, symbol


def _answer(
    faults: Faults,
    key: tuple[str, str, str],
    query: Any,
    due: list[Fault],
    ask: Callable[[Any, int], Answer],
    now: int,
    headers: dict[str, str],
) -> Answer:
    for fault in due:
        if fault.kind in refusals.BODIES:
            if fault.retry_after_s is not None:
                headers["Retry-After"] = f"{fault.retry_after_s:g}"
            return refusals.refuse(fault.kind, key[0], fault.status, fault.code, now)
        if fault.kind == "previous_page" and key in faults.last:
            return faults.last[key]
    answer = ask(query, now)
    for fault in due:
        if fault.kind == "wrong_symbol" and isinstance(answer[1], Page) and answer[1].names_symbol:
            answer = ask(_of_another(query, fault.other), now)
    if isinstance(answer[1], Page):
        for fault in due:
            if fault.kind in rows.CHANGES:
                rows.change(fault.kind, answer[1], keep_frac=fault.keep_frac, hour_ms=fault.hour_ms)
        faults.last[key] = answer
    return answer


def _of_another(query: Any, other: str) -> Any:
    """Return the query for another symbol."""
    if isinstance(query.get("req"), Mapping):
        return {**query, "req": _of_another(query["req"], other)}
    return {name: other if name in SYMBOL_FIELDS else value for name, value in query.items()}


def _headers(answer: Answer) -> dict[str, str]:
    payload = answer[1]
    if isinstance(payload, Raw):
        return {"Content-Type": "application/octet-stream"} | payload.headers
    if isinstance(payload, bytes) and payload != b"null":
        return {"Content-Type": "text/html" if payload.lstrip()[:1] == b"<" else "text/plain"}
    return {"Content-Type": "application/json"}


async def _reset(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Close the connection with RST, after half the body where there is one."""
    response = web.StreamResponse()
    if body:
        response.content_length = len(body)
        response.content_type = "application/json"
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await asyncio.sleep(0.05)  # an RST would overtake what is still on its way
    transport = request.transport
    if transport is not None:
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response
