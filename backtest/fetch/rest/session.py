"""The connections of a venue's client under guard: answers are read bounded, and redirects stay with their host.

The client library reads answers whole and follows redirects anywhere, with every header it was given. Here an answer
is read in pieces, unpacked piece by piece, and given up once it is larger than allowed; a redirect to another host is
a refusal, so that neither a header leaves nor a row comes from there.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backtest.fetch.budget import Spending
from backtest.fetch.redirects import REDIRECTS, followed
from backtest.masking import mask

CHUNK_BYTES = 1 << 16
EITHER_HEADER = 32 + zlib.MAX_WBITS  # of gzip or of zlib


class TornError(Exception):
    """An answer does not unpack, or breaks off."""


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as the client library wants it."""

    status: int
    reason: str | None
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """Return the bytes of the body."""
        return self.body

    async def text(self, errors: str = "strict") -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", errors)


def guarded(session: Any, spending: Spending) -> GuardedSession:
    """Return a session over the same connections that leaves answers packed: their size is known as they come."""
    from aiohttp import ClientSession

    connector, trust = session.connector, session.trust_env
    session.detach()
    return GuardedSession(ClientSession(connector=connector, trust_env=trust, auto_decompress=False), spending)


class GuardedSession:
    """A session of aiohttp, with the few methods that the client library calls."""

    def __init__(self, inner: Any, spending: Spending) -> None:
        self._inner, self._spending = inner, spending

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers of every request."""
        headers: Mapping[str, str] = self._inner.headers
        return headers

    async def close(self) -> None:
        """Close the connections."""
        await self._inner.close()

    def get(self, url: Any, **more: Any) -> AbstractAsyncContextManager[Received]:
        """Ask with GET."""
        return self._asked("GET", str(url), more)

    def post(self, url: Any, **more: Any) -> AbstractAsyncContextManager[Received]:
        """Ask with POST."""
        return self._asked("POST", str(url), more)

    @asynccontextmanager
    async def _asked(self, method: str, url: str, more: dict[str, Any]) -> AsyncIterator[Received]:
        from yarl import URL

        hops = 0
        while True:
            self._spending.request()
            address = URL(url, encoded=True)
            async with self._inner.request(method, address, allow_redirects=False, **more) as response:
                if response.status not in REDIRECTS:
                    body = await read_bounded(response, self._spending)
                    yield Received(response.status, response.reason, response.headers, body)
                    return
                url = followed(url, response.headers.get("Location"), hops)
                hops += 1


async def read_bounded(response: Any, spending: Spending) -> bytes:
    """Return the body of an answer, unpacked, no larger than the budget allows.

    Raises
    ------
    OverBudgetError
        It is larger, or the venue's budget is spent; what has come so far is thrown away.
    TornError
        It does not unpack, or breaks off.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "deflate"}:
        raise TornError(f"gave an answer packed as {ascii(encoding)[:40]}, which was not asked for")
    unpack = None if encoding == "identity" else zlib.decompressobj(EITHER_HEADER)
    pieces: list[bytes] = []
    size, room = 0, spending.budget.answer_bytes + 1
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        try:
            piece = chunk if unpack is None else unpack.decompress(chunk, room - size)
        except zlib.error as error:
            raise TornError(f"gave an answer that does not unpack ({mask(str(error))})") from error
        size += len(piece)
        spending.receive(max(len(piece), len(chunk)), size)
        pieces.append(piece)
    if unpack is not None and pieces and not unpack.eof:
        raise TornError("gave a packed answer that breaks off")
    spending.remember()
    return b"".join(pieces)
