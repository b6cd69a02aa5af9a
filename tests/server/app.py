"""The local venues as a process of HTTP: one aiohttp server in a thread of its own, on 127.0.0.1 only."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from aiohttp import web

from tests.server import binance, bybit, hyperliquid, okx
from tests.server.archive import serve_file
from tests.server.faults import Fault, Faults, apply
from tests.server.market import Tapes
from tests.server.wire import Answer

HOST = "127.0.0.1"
HANDLERS = {"binance": binance.handle, "bybit": bybit.handle, "okx": okx.handle, "hyperliquid": hyperliquid.handle}
PREFIXES = {
    "binanceusdm": "binance",
    "binancecoinm": "binance",
    "bybit": "bybit",
    "okx": "okx",
    "hyperliquid": "hyperliquid",
}
URLS: dict[str, dict[str, str]] = {
    "binanceusdm": {"fapiPublic": "/binance/fapi/v1", "fapiData": "/binance/fapi/data"},
    "binancecoinm": {"dapiPublic": "/binance/dapi/v1", "dapiData": "/binance/dapi/data"},
    "bybit": {"public": "/bybit"},
    "okx": {"rest": "/okx"},
    "hyperliquid": {"public": "/hyperliquid"},
}


def client_config(base: str) -> dict[str, dict[str, Any]]:
    """Return, per ccxt id, the constructor fields that lead its client to the server at ``base``.

    It has no certificate: without ``verify`` the client need not load those of the system.
    """
    return {
        venue: {"rateLimit": 1, "verify": False, "urls": {"api": {name: base + path for name, path in urls.items()}}}
        for venue, urls in URLS.items()
    }


class LocalVenues:
    """The venues while the ``with`` block lasts.

    Parameters
    ----------
    tapes
        What the venues hold, by (ccxt id, unified symbol).
    faults
        What goes wrong, and when.
    now
        The venues' clock; the wall clock where it is not given. Nothing later is served, and histories that a venue
        keeps for some days only end before it.
    archive
        A folder served under ``/archive``, with ranges.
    port
        0 takes any free port.
    """

    def __init__(
        self,
        tapes: Tapes,
        faults: Iterable[Fault] = (),
        *,
        now: dt.datetime | None = None,
        archive: Path | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.archive = archive
        self.faults = Faults(faults)
        self._now = None if now is None else int(now.replace(tzinfo=now.tzinfo or dt.UTC).timestamp() * 1000)
        self._port = port
        self._tapes: dict[str, dict[str, Any]] = {name: {} for name in HANDLERS}
        for (venue, _), tape in tapes.items():
            self._tapes[PREFIXES[venue]][tape.market.id] = tape
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="local venues", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def base(self) -> str:
        """The address of the server, without a final slash."""
        return f"http://{HOST}:{self._port}"

    def config(self, **overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the tables of an exchange configuration: one per ccxt id, and ``archives``.

        An override replaces or adds fields of its venue: ``config(okx={"timeout": 500})``.
        """
        tables = client_config(self.base)
        if self.archive is not None:
            folders = sorted(path.name for path in self.archive.iterdir() if path.is_dir())
            tables["archives"] = {name: f"{self.base}/archive/{name}" for name in folders}
        for venue, fields in overrides.items():
            tables[venue] = {**tables.get(venue, {}), **fields}
        return tables

    def write_config(self, path: Path, **overrides: Mapping[str, Any]) -> Path:
        """Write ``config`` as TOML."""
        lines = []
        for table, fields in self.config(**overrides).items():
            lines += [f"[{table}]", *_toml(fields), ""]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.1)
        try:
            await runner.setup()
            site = web.TCPSite(runner, HOST, self._port)
            await site.start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await asyncio.sleep(0.002)  # connections accepted at this moment: the clean-up closes only those it knows
        except Exception as error:  # it belongs to the thread that waits for the server
            self._failure = error
        finally:
            self._ready.set()
            await runner.cleanup()
            await asyncio.sleep(0.002)  # transports that are closing

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        venue, _, rest = request.path.lstrip("/").partition("/")
        query: dict[str, Any] = dict(request.query)
        if request.method == "POST":
            try:
                query = orjson.loads(await request.read())
            except orjson.JSONDecodeError:
                query = {}
        path = f"/{rest}"
        self.requests.append((venue, path, query))
        ask = _asker(venue, path, self._tapes.get(venue, {}), self.archive, request.headers.get("Range"))
        return await apply(self.faults, request, (venue, path, query), ask, self._clock())

    def _clock(self) -> int:
        return int(time.time() * 1000) if self._now is None else self._now


def _asker(venue: str, path: str, tapes: Mapping[str, Any], archive: Path | None, wanted: str | None) -> Any:
    def ask(query: Any, now: int) -> Answer:
        if venue == "archive":
            return serve_file(archive, path, wanted)
        handler = HANDLERS.get(venue)
        return (404, b"no such venue") if handler is None else handler(path, query, tapes, now)

    return ask


def _toml(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            lines += _toml(value, f"{prefix}{name}.")
        else:
            lines.append(f"{prefix}{name} = {json.dumps(value)}")
    return lines
