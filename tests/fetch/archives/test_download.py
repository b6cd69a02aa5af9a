"""Files from a web address: whole or absent, whatever the server does; and the waits between attempts."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backtest.errors import DataError
from backtest.fetch.archives.download import Client, DownloadError, NotPublished, Refused, Unreachable, download
from backtest.fetch.archives.publishers import ARCHIVES, archive_days
from backtest.fetch.day import FetchedDay
from backtest.fetch.retry import Retry, delays, retry_after
from backtest.lake.place import Place
from tests.fetch.archives.archive_files import csv, kline, klines_name, put_zip, stamp

BODY = bytes(range(256)) * 4096
Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"no") -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def file(body: bytes = BODY) -> Answer:
    return status(200, body=body)


def cut_off(request: BaseHTTPRequestHandler) -> None:
    """Announce the whole body, send half, hang up."""
    status(200, {"Content-Length": str(len(BODY))}, BODY[: len(BODY) // 2])(request)
    request.close_connection = True


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.close()


@dataclass
class Server:
    """Gives the answers of a path one after the other, the last one for ever; 404 for other paths."""

    base: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def serve(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.base + path

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        left = self.answers.get(request.path, [status(404)])
        (left.pop(0) if len(left) > 1 else left[0])(request)


@pytest.fixture
def server() -> Iterator[Server]:
    serving = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            serving.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            pass

    with Quiet(("127.0.0.1", 0), Handler) as http:
        serving.base = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        http.shutdown()
        thread.join()


@dataclass
class Waits:
    """Takes the place of sleep and records what was asked for."""

    seconds: list[float] = field(default_factory=list)

    def client(self, **changes: object) -> Client:
        plain = Client(retry=Retry(attempts=4), draw=lambda: 0.0, sleep=self.seconds.append, clock=lambda: 0.0)
        return replace(plain, **changes)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def test_a_file_arrives_whole_and_progress_is_told(server: Server, tmp_path: Path, waits: Waits) -> None:
    told: list[tuple[str, int, int | None]] = []
    target = tmp_path / "deep" / "x.zip"
    client = waits.client(on_progress=lambda *seen: told.append(seen))
    download(server.serve("/x.zip", file()), target, client)
    assert target.read_bytes() == BODY
    assert told[-1] == ("x.zip", len(BODY), len(BODY))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    assert waits.seconds == []
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("fault", [cut_off, hang_up, status(429), status(418), status(500), status(503)])
def test_what_may_pass_is_asked_again(server: Server, tmp_path: Path, waits: Waits, fault: Answer) -> None:
    target = tmp_path / "x.zip"
    download(server.serve("/x.zip", fault, fault, file()), target, waits.client())
    assert target.read_bytes() == BODY
    assert waits.seconds == [0.5, 1.0]
    assert list(target.parent.glob("*x.zip*")) == [target]


@pytest.mark.parametrize(
    ("fault", "what", "code"),
    [
        (cut_off, "after 4 attempts; try again later", None),
        (status(503), "HTTP 503 after 4 attempts; try again later", 503),
        (status(429), "HTTP 429 after 4 attempts; try again later", 429),
    ],
)
def test_a_fault_that_stays_is_given_up(
    server: Server, tmp_path: Path, waits: Waits, fault: Answer, what: str, code: int | None
) -> None:
    target = tmp_path / "x.zip"
    with pytest.raises(Unreachable) as caught:
        download(server.serve("/x.zip", fault), target, waits.client())
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == code
    assert waits.seconds == [0.5, 1.0, 2.0]
    assert list(tmp_path.glob("*x.zip*")) == []


@pytest.mark.parametrize(
    ("code", "kind", "what"),
    [
        (404, NotPublished, "not published (HTTP 404); check symbol and day"),
        (410, NotPublished, "not published (HTTP 410)"),
        (401, Refused, "the server asks for an account (HTTP 401); use a folder or another address"),
        (403, Refused, "the server refuses (HTTP 403)"),
        (451, Refused, "the server refuses for legal reasons, often by country (HTTP 451)"),
        (400, Refused, "gives an answer that is no file (HTTP 400)"),
        (204, Refused, "gives an answer that is no file (HTTP 204)"),
        (206, Refused, "gives an answer that is no file (HTTP 206)"),
    ],
)
def test_a_refusal_stops_at_once(
    server: Server, tmp_path: Path, waits: Waits, code: int, kind: type[DownloadError], what: str
) -> None:
    with pytest.raises(kind) as caught:
        download(server.serve("/x.zip", status(code, body=b"")), tmp_path / "x.zip", waits.client())
    assert what in str(caught.value)
    assert caught.value.status == code
    assert len(server.asked) == 1
    assert waits.seconds == []


@pytest.mark.parametrize(
    ("header", "waited"),
    [("7", 7.0), ("0", 0.5), ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0), ("soon", 0.5)],
)
def test_the_server_may_ask_to_wait(server: Server, tmp_path: Path, waits: Waits, header: str, waited: float) -> None:
    busy = status(429, {"Retry-After": header})
    download(server.serve("/x.zip", busy, file()), tmp_path / "x.zip", waits.client())
    assert waits.seconds == [waited]


def test_nobody_waits_for_days(server: Server, tmp_path: Path, waits: Waits) -> None:
    url = server.serve("/x.zip", status(503, {"Retry-After": "86400"}))
    with pytest.raises(Unreachable, match="HTTP 503 and asks to wait 86400 s after 1 attempt; try again later"):
        download(url, tmp_path / "x.zip", waits.client())
    assert waits.seconds == []


def test_a_server_that_is_not_there(tmp_path: Path, waits: Waits) -> None:
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1/x\.zip: Connection refused after 4 attempts"):
        download("http://127.0.0.1:1/x.zip", tmp_path / "x.zip", waits.client())


def test_an_address_that_is_none(tmp_path: Path, waits: Waits) -> None:
    with pytest.raises(Refused, match="give a folder or an http address"):
        download("http://[bad/x.zip", tmp_path / "x.zip", waits.client())
    assert waits.seconds == []


def test_bytes_are_not_unpacked_on_the_way(server: Server, tmp_path: Path, waits: Waits) -> None:
    url = server.serve("/x.csv.gz", status(200, {"Content-Encoding": "gzip"}, BODY))
    download(url, tmp_path / "x.csv.gz", waits.client())
    assert (tmp_path / "x.csv.gz").read_bytes() == BODY


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_without_end_is_cut(server: Server, tmp_path: Path, waits: Waits, declared: bool) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if declared:
            request.send_header("Content-Length", str(1 << 40))
        request.end_headers()
        for _ in range(64):
            request.wfile.write(BODY)

    with pytest.raises(Refused, match=r"larger than 3,000,000 bytes \(budget.archive_bytes\); use another address"):
        download(server.serve("/x.zip", endless), tmp_path / "x.zip", waits.client(size_limit_bytes=3_000_000))
    assert list(tmp_path.glob("*x.zip*")) == []


def test_a_check_that_fails_leaves_nothing(server: Server, tmp_path: Path, waits: Waits) -> None:
    def check(partial: Path) -> None:
        assert partial.read_bytes() == BODY
        raise DataError("not what was asked for")

    with pytest.raises(DataError, match="not what was asked for"):
        download(server.serve("/x.zip", file()), tmp_path / "x.zip", waits.client(), check)
    assert list(tmp_path.glob("*x.zip*")) == []


def test_a_full_disk_is_told(server: Server, tmp_path: Path, waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="cannot be written: No space left on device; free space or set CRASHBOOK_HOME"):
        download(server.serve("/x.zip", file()), tmp_path / "x.zip", waits.client())
    assert list(tmp_path.glob("*x.zip*")) == []


def test_a_folder_that_cannot_be_made_is_told(server: Server, tmp_path: Path, waits: Waits) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(DataError, match="cannot be written"):
        download(server.serve("/x.zip", file()), tmp_path / "a" / "x.zip", waits.client())


# --- archives from an address ----------------------------------------------------------------------------------------

DAY = dt.date(2024, 2, 28)
NAME = klines_name("klines", "BTCUSDT", "2024-02-28")
MONTHLY = klines_name("klines", "BTCUSDT", "2024-02")
PLACE = Place("binanceusdm", "BTC/USDT:USDT", "ohlcv", "1m")
ROWS = [kline(stamp("2024-02-28T00:00"), (10, 12, 9, 11), 5.0)]


def publish(server: Server, folder: Path, name: str, *, checksum: bytes | None = None) -> bytes:
    path = put_zip(folder, name, csv("klines", ROWS))
    server.serve(f"/{name}", file(path.read_bytes()))
    server.serve(f"/{name}.CHECKSUM", file(checksum or path.with_name(f"{path.name}.CHECKSUM").read_bytes()))
    return path.read_bytes()


def fetch(server: Server, cache: Path, days: list[dt.date] | None = None) -> list[FetchedDay]:
    given = archive_days(
        server.base + "/",
        ARCHIVES["binance"],
        PLACE,
        days or [DAY],
        cache=cache,
        client=Client(retry=Retry(attempts=2), sleep=lambda _: None),
    )
    return list(given)


def test_a_day_is_fetched_verified_and_kept(server: Server, tmp_path: Path) -> None:
    packed = publish(server, tmp_path, NAME)
    cache = tmp_path / "cache"
    (day,) = fetch(server, cache)
    assert day.frame is not None
    assert day.frame.rows()[0][1:] == (10, 12, 9, 11, 5)
    assert day.files == NAME
    assert (cache / "binance" / NAME).read_bytes() == packed
    assert hashlib.sha256(packed).hexdigest() in (cache / "binance" / f"{NAME}.CHECKSUM").read_text()
    assert server.asked == [f"/{NAME}", f"/{NAME}.CHECKSUM"]
    assert fetch(server, cache)[0].frame is not None
    assert len(server.asked) == 2, "the second time nothing is asked"


def test_a_day_not_published_is_no_fault(server: Server, tmp_path: Path) -> None:
    publish(server, tmp_path, MONTHLY)
    served, absent = fetch(server, tmp_path / "cache", [DAY, dt.date(2024, 2, 29)])
    assert served.files == MONTHLY
    assert absent.frame is None
    assert f"not published: {NAME.replace('28', '29')}" in absent.reason
    assert f"no row of the day in {MONTHLY}" in absent.reason
    assert server.asked.count(f"/{MONTHLY}") == 1


def test_a_file_without_a_checksum_is_used_and_said(server: Server, tmp_path: Path) -> None:
    publish(server, tmp_path, NAME)
    del server.answers[f"/{NAME}.CHECKSUM"]
    (day,) = fetch(server, tmp_path / "cache")
    assert day.frame is not None
    assert day.files == f"{NAME} (no checksum)"


def test_a_wrong_checksum_keeps_no_file(server: Server, tmp_path: Path) -> None:
    publish(server, tmp_path, NAME, checksum=b"0" * 64 + b"  BTCUSDT-1m-2024-02-28.zip")
    with pytest.raises(DataError, match=r"BTCUSDT-1m-2024-02-28.zip: SHA-256 .* is not 000000000000"):
        fetch(server, tmp_path / "cache")
    assert not (tmp_path / "cache" / "binance" / NAME).exists()


def test_a_wrong_file_is_not_fetched_for_every_day(server: Server, tmp_path: Path) -> None:
    publish(server, tmp_path, MONTHLY, checksum=b"0" * 64 + b"  BTCUSDT-1m-2024-02.zip")
    publish(server, tmp_path, NAME)
    publish(server, tmp_path, NAME.replace("28", "27"))
    month = [DAY - dt.timedelta(days=n) for n in range(20)]
    given = archive_days(server.base, ARCHIVES["binance"], PLACE, month, cache=tmp_path / "cache")
    assert "is not 000000000000" in next(given).note
    with pytest.raises(DataError, match="is not 000000000000"):
        next(given)
    assert server.asked.count(f"/{MONTHLY}") == 1


def test_a_web_page_with_status_200_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.serve(f"/{NAME}", file(b"<html>Sign in to the network</html>"))
    with pytest.raises(DataError, match=r"the answer is no \.zip file; check the address"):
        fetch(server, tmp_path / "cache")
    assert not (tmp_path / "cache" / "binance" / NAME).exists()


def test_a_damaged_file_of_the_cache_is_seen(server: Server, tmp_path: Path) -> None:
    publish(server, tmp_path, NAME)
    fetch(server, tmp_path / "cache")
    (tmp_path / "cache" / "binance" / NAME).write_bytes(b"PK damaged")
    with pytest.raises(DataError, match=r"cache/binance/data/futures.*delete it and fetch it again"):
        fetch(server, tmp_path / "cache")


def test_a_refusing_archive_stops_the_fetch(server: Server, tmp_path: Path) -> None:
    server.serve(f"/{NAME}", status(451))
    with pytest.raises(Refused, match="often by country"):
        fetch(server, tmp_path / "cache")
    assert server.asked == [f"/{NAME}"]


# --- waits ------------------------------------------------------------------------------------------------------------


def test_waits_grow_to_their_ceiling_and_stay_in_their_upper_half() -> None:
    retry = Retry(attempts=9, first_s=1.0, factor=2.0, longest_s=10.0)
    assert list(delays(retry, lambda: 0.0)) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0]
    assert max(delays(retry, lambda: 0.999)) < 10.0


@pytest.mark.parametrize("header", [None, "", "-5", "1e3", "soon", "nan", "inf", "Thu, 99 Jan 1970", "١٢", "1.2.3"])
def test_unreadable_retry_after_is_none_or_a_number(header: str | None) -> None:
    waited = retry_after(header, now=0.0)
    assert waited is None or waited == 12.0
