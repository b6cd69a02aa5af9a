"""One file from the web: whole or absent, repeated patiently, given up at once where asking again is useless."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backtest.durable import create, draft, make_folder, remove
from backtest.errors import DataError
from backtest.fetch.redirects import REDIRECTS, RedirectedError, followed
from backtest.fetch.retry import RETRY, Retry, delays, retry_after
from backtest.lake.place import shown

if TYPE_CHECKING:
    import requests

Progress = Callable[[str, int, int | None], None]  # file name, bytes so far, bytes in all where known
CHUNK_BYTES = 1 << 18
TIMEOUT_S = (10.0, 60.0)  # to connect, between bytes
SIZE_LIMIT_BYTES = 16 << 30
DEADLINE_S = 7_200.0
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "crashbook"}  # the bytes as published, not packed once more
AGAIN = {418, 429}
ABSENT = {404, 410}
REFUSALS = {401: "asks for an account", 403: "refuses", 451: "refuses for legal reasons, often by country"}


class DownloadError(DataError):
    """A file could not be had; ``status`` is the HTTP status, None where there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class NotPublished(DownloadError):  # noqa: N818
    """The address has no such file."""


class Refused(DownloadError):  # noqa: N818
    """The server will not give the file however often it is asked."""


class Unreachable(DownloadError):  # noqa: N818
    """Every attempt failed."""


@dataclass(frozen=True, slots=True)
class Client:
    """How requests are made and repeated; time and chance are passed in.

    Attributes
    ----------
    session
        None: a session of its own for each file.
    draw
        Gives numbers in ``[0, 1)`` that scatter the waits.
    sleep, clock
        Wait for seconds; seconds since the epoch.
    size_limit_bytes, deadline_s
        Most bytes and seconds of one file.
    on_wait
        Called with a line of text before a wait that the server asks for.
    """

    session: requests.Session | None = None
    retry: Retry = RETRY
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    size_limit_bytes: int = SIZE_LIMIT_BYTES
    deadline_s: float = DEADLINE_S
    on_wait: Callable[[str], None] = lambda text: None
    on_progress: Progress | None = None


CLIENT = Client()


@dataclass(frozen=True, slots=True)
class _Failure:
    """An attempt that may be repeated."""

    reason: str
    status: int | None = None
    wait_s: float | None = None


def download(url: str, target: Path, client: Client, check: Callable[[Path], None] | None = None) -> None:
    """Fetch ``url`` into ``target``, which appears complete, by rename, or not at all.

    Parameters
    ----------
    check
        Looks at the fetched bytes before the rename and raises where they are wrong.

    Raises
    ------
    NotPublished, Refused, Unreachable
        404 and 410; a fault that asking again does not mend; every attempt failed.
    DataError
        The disk refuses, or ``check`` does.
    """
    import requests

    session = client.session or requests.Session()
    try:
        make_folder(target.parent)
        with draft(target) as partial:
            _attempts(session, url, partial, client)
            if check is not None:
                check(partial)
    except requests.RequestException as error:  # an address no attempt could mend
        raise Refused(f"{url}: {_why(error)}; give a folder or an http address") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(f"{shown(target)}: cannot be written: {reason}; free space or set CRASHBOOK_HOME") from error
    finally:
        if client.session is None:
            session.close()


def _attempts(session: requests.Session, url: str, partial: Path, client: Client) -> None:
    waits = delays(client.retry, client.draw)
    for attempt in range(1, client.retry.attempts + 1):
        failure = _attempt(session, url, partial, client)
        if failure is None:
            return
        wait_s = next(waits, None)
        patient = failure.wait_s is None or failure.wait_s <= client.retry.patience_s
        if wait_s is None or not patient:
            asked = "" if patient else f" and asks to wait {failure.wait_s:.0f} s"
            times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            raise Unreachable(f"{url}: {failure.reason}{asked} after {times}; try again later", failure.status)
        if failure.wait_s:
            client.on_wait(
                f"{urlsplit(url).hostname} answers {failure.reason} and asks to wait {failure.wait_s:.0f} s; waiting"
            )
        client.sleep(max(wait_s, failure.wait_s or 0.0))


def _attempt(session: requests.Session, url: str, partial: Path, client: Client) -> _Failure | None:
    """Return None once the bytes are in ``partial``, else why another attempt may help."""
    import requests
    import urllib3

    try:
        with _followed(session, url) as response:
            status = response.status_code
            if status in AGAIN or status >= 500:
                asked = retry_after(response.headers.get("Retry-After"), client.clock())
                return _Failure(f"HTTP {status}", status, asked)
            if status != 200:
                raise _final(url, status)
            _save(response, url, partial, client)
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    ) as error:
        return _Failure(_why(error))
    return None


@contextmanager
def _followed(session: requests.Session, url: str) -> Iterator[requests.Response]:
    """Give the answer of an address, after redirects that stay with its host.

    Raises
    ------
    Refused
        A redirect leads elsewhere: no file of another host is taken for one of this.
    """
    place, hops = url, 0
    while True:
        with session.get(place, stream=True, timeout=TIMEOUT_S, headers=HEADERS, allow_redirects=False) as response:
            if response.status_code not in REDIRECTS:
                yield response
                return
            try:
                target = followed(place, response.headers.get("Location"), hops)
            except RedirectedError as error:
                raise Refused(
                    f"{url}: the server {error}; give the address it leads to", response.status_code
                ) from error
        user = urlsplit(place).netloc.rpartition("@")[0]
        parts = urlsplit(target)
        place = parts._replace(netloc=f"{user}@{parts.netloc}").geturl() if user and "@" not in parts.netloc else target
        hops += 1


def _final(url: str, status: int) -> DownloadError:
    if status in ABSENT:
        return NotPublished(f"{url}: not published (HTTP {status}); check symbol and day", status)
    refusal = REFUSALS.get(status, "gives an answer that is no file")
    return Refused(f"{url}: the server {refusal} (HTTP {status}); use a folder or another address", status)


def _save(response: Any, url: str, partial: Path, client: Client) -> None:
    declared = response.headers.get("Content-Length", "")
    total = int(declared) if declared.isdecimal() else None
    name, done = urlsplit(url).path.rpartition("/")[2], 0
    until_s = client.clock() + client.deadline_s
    remove(partial)  # of an attempt before
    with create(partial) as file:
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            done += len(chunk)
            if max(done, total or 0) > client.size_limit_bytes:
                limit = f"{client.size_limit_bytes:,} bytes"
                raise Refused(f"{url}: larger than {limit} (budget.archive_bytes); use another address", 200)
            if client.clock() > until_s:
                raise Refused(f"{url}: not here after {client.deadline_s:g} s (budget.archive_deadline_s)", 200)
            file.write(chunk)
            if client.on_progress:
                client.on_progress(name, done, total)


def _why(error: Exception) -> str:
    """Return the innermost reason of a failed request on one line."""
    inner: BaseException = error
    while (nested := inner.__cause__ or inner.__context__) is not None:
        inner = nested
    number = inner.errno if isinstance(inner, OSError) else None
    # numbers below zero are those of name resolution: the error's own text is better
    text = os.strerror(number) if number is not None and number > 0 else str(inner)
    return " ".join(text.split()) or type(inner).__name__
