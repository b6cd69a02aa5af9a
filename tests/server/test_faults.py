"""Each fault does what it says, seen by a plain HTTP client."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server.app import LocalVenues
from tests.server.faults import KINDS, Fault
from tests.server.market import crash_days

NOW = dt.datetime(2025, 10, 12, tzinfo=dt.UTC)
NOW_MS = 1_760_227_200_000
START_MS = 1_760_119_200_000
TAPES = crash_days()
KLINES = "/binance/fapi/v1/klines"
QUERY: dict[str, Any] = {"symbol": "BTCUSDT", "interval": "1m", "startTime": START_MS, "limit": 120}
URLS = {
    "binance": f"{KLINES}?symbol=BTCUSDT&interval=1m&startTime={START_MS}&limit=120",
    "bybit": f"/bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&start={START_MS}&limit=120",
    "okx": f"/okx/api/v5/market/history-candles?instId=BTC-USDT-SWAP&before={START_MS - 1}&limit=120",
}
CANDLES: Any = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": START_MS}}
Serve = Callable[..., LocalVenues]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start the venues with some faults; they stop with the test."""
    with ExitStack() as stack:

        def start(*faults: Fault, archive: Path | None = None) -> LocalVenues:
            return stack.enter_context(LocalVenues(TAPES, faults, now=NOW, archive=archive))

        yield start


def get(venues: LocalVenues, venue: str = "binance") -> requests.Response:
    if venue == "hyperliquid":
        return requests.post(f"{venues.base}/hyperliquid/info", json=CANDLES, timeout=5)
    return requests.get(venues.base + URLS[venue], timeout=5)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Fault("late")
    assert len(KINDS) == 21


def test_faults_strike_the_requests_they_name(serve: Serve) -> None:
    venues = serve(
        Fault("server_error", match="/klines?BTCUSDT", at=(2, 3), status=502),
        Fault("rate_limited", match="*time*", every=2, times=1),
    )
    other = venues.base + URLS["binance"].replace("BTC", "SOL")

    assert [get(venues).status_code for _ in range(4)] == [200, 502, 502, 200]
    assert [requests.get(other, timeout=5).status_code for _ in range(3)] == [200] * 3
    clock = f"{venues.base}/bybit/v5/market/time"
    assert [requests.get(clock, timeout=5).status_code for _ in range(5)] == [200, 429, 200, 200, 200]
    assert venues.faults.fired[0] == ("server_error", "binance", "/fapi/v1/klines?BTCUSDT", 2)


def test_slow_answers_come_late_but_whole(serve: Serve) -> None:
    venues = serve(Fault("slow", at=(1,), delay_s=3600), Fault("slow", at=(2,), delay_s=0.01))

    with pytest.raises(requests.ReadTimeout):
        requests.get(venues.base + URLS["binance"], timeout=(60, 0.2))
    assert len(get(venues).json()) == 120
    assert [kind for kind, *_ in venues.faults.fired] == ["slow", "slow"]


def test_a_slow_answer_does_not_keep_the_server_from_stopping() -> None:
    with LocalVenues(TAPES, [Fault("slow", delay_s=3600)]) as venues, pytest.raises(requests.ReadTimeout):
        requests.get(venues.base + URLS["binance"], timeout=(60, 0.2))
    with pytest.raises(requests.ConnectionError):
        requests.get(venues.base, timeout=5)


@pytest.mark.parametrize("half", [False, True])
def test_reset_breaks_the_connection(serve: Serve, half: bool) -> None:
    venues = serve(Fault("reset", at=(1,), half=half))

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError), match=r"reset|broken"):
        get(venues)
    assert len(get(venues).json()) == 120


def test_truncated_json_is_a_prefix_of_the_right_length(serve: Serve) -> None:
    venues = serve(Fault("truncated_json", at=(1,), keep_frac=0.75))
    cut, whole = get(venues), get(venues)

    assert cut.status_code == 200
    assert whole.content.startswith(cut.content)
    assert int(cut.headers["Content-Length"]) == len(cut.content) == int(len(whole.content) * 0.75)


def test_an_html_page_with_status_200(serve: Serve) -> None:
    answer = get(serve(Fault("html")))

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("venue", "word"),
    [("binance", "-1003"), ("bybit", "10006"), ("okx", "50011"), ("hyperliquid", "null")],
)
def test_429_with_and_without_retry_after(serve: Serve, venue: str, word: str) -> None:
    venues = serve(Fault("rate_limited", at=(1,), retry_after_s=2), Fault("rate_limited", at=(2,)))
    first, second = get(venues, venue), get(venues, venue)

    assert (first.status_code, second.status_code) == (429, 429)
    assert first.headers["Retry-After"] == "2"
    assert "Retry-After" not in second.headers
    assert word in first.text


def test_418_says_how_long(serve: Serve) -> None:
    answer = get(serve(Fault("banned", retry_after_s=120)))

    assert (answer.status_code, answer.headers["Retry-After"]) == (418, "120")
    assert "banned until" in answer.json()["msg"]


def test_blocked_by_country_in_the_words_of_the_venue(serve: Serve) -> None:
    venues = serve(Fault("blocked"))

    assert get(venues, "binance").status_code == 451
    assert "restricted location" in get(venues, "binance").json()["msg"]
    assert {get(venues, venue).status_code for venue in ("bybit", "okx", "hyperliquid")} == {403}
    assert "CloudFront" in get(venues, "bybit").text


def test_errors_in_the_envelope_come_with_status_200(serve: Serve) -> None:
    venues = serve(Fault("envelope_error", "okx", at=(2,), code="50001"), Fault("envelope_error", at=(1,)))

    assert get(venues, "binance").json()["code"] == -1003
    assert get(venues, "bybit").json()["retCode"] == 10006
    assert [get(venues, "okx").json()["code"] for _ in range(2)] == ["50011", "50001"]
    assert get(venues, "hyperliquid").json()["status"] == "err"


def rows_of(answer: requests.Response) -> list[Any]:
    body = answer.json()
    rows: list[Any] = body if isinstance(body, list) else body.get("data") or body["result"]["list"]
    return rows


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "hyperliquid"])
def test_pages_repeated_unordered_and_short(serve: Serve, venue: str) -> None:
    venues = serve(
        Fault("repeated_page", at=(2,)), Fault("unordered_rows", at=(3,)), Fault("short_page", at=(4,), keep_frac=0.25)
    )
    usual, doubled, unordered, short = (rows_of(get(venues, venue)) for _ in range(4))

    assert doubled == usual + usual
    assert unordered == usual[1::2] + usual[::2]
    assert short == usual[: len(usual) // 4]


def test_an_empty_page_keeps_its_envelope(serve: Serve) -> None:
    venues = serve(Fault("empty_page"))

    assert get(venues, "binance").json() == []
    assert get(venues, "bybit").json()["result"]["list"] == []
    assert get(venues, "okx").json() == {"code": "0", "msg": "", "data": []}
    assert get(venues, "hyperliquid").json() == []


def test_a_page_of_before_is_served_again(serve: Serve) -> None:
    venues = serve(Fault("previous_page", at=(2,)))
    address = venues.base + KLINES
    first = requests.get(address, params=QUERY, timeout=5).json()
    again = requests.get(address, params=QUERY | {"startTime": START_MS + 7_200_000}, timeout=5).json()

    assert again == first


@pytest.mark.parametrize(("venue", "time_key"), [("binance", 0), ("bybit", 0), ("hyperliquid", "t")])
def test_an_hour_that_is_never_served(serve: Serve, venue: str, time_key: int | str) -> None:
    venues = serve(Fault("missing_hour", hour_ms=START_MS))
    times = [int(row[time_key]) for row in rows_of(get(venues, venue))]

    assert times
    assert min(times) == START_MS + 3_600_000


def test_a_clock_that_is_wrong(serve: Serve) -> None:
    venues = serve(Fault("clock_skew", skew_s=90))
    answer = requests.get(f"{venues.base}/okx/api/v5/public/time", timeout=5)

    assert answer.json()["data"][0]["ts"] == str(NOW_MS + 90_000)
    assert parsedate_to_datetime(answer.headers["Date"]) == NOW + dt.timedelta(seconds=90)


def test_another_market_than_the_one_asked_for(serve: Serve) -> None:
    names = {"okx": "SOL-USDT-SWAP", "hyperliquid": "SOL", "bybit": "SOLUSDT", "binance": "SOLUSDT"}
    venues = serve(*(Fault("wrong_symbol", venue, other=other) for venue, other in names.items()))
    address = f"{venues.base}/okx/api/v5/public/funding-rate-history?instId=BTC-USDT-SWAP"
    assert {row["instId"] for row in requests.get(address, timeout=5).json()["data"]} == {"SOL-USDT-SWAP"}

    candles = get(venues, "hyperliquid").json()
    assert {row["s"] for row in candles} == {"SOL"}
    assert 100 < float(candles[0]["o"]) < 300
    assert get(venues, "bybit").json()["result"]["symbol"] == "SOLUSDT"
    assert float(get(venues, "binance").json()[0][1]) > 100_000  # nothing in this answer names a market


def test_numbers_change_their_kind_but_not_their_digits(serve: Serve) -> None:
    venues = serve(Fault("numbers_as_numbers", at=(2,)), Fault("numbers_as_strings", at=(3,)))
    usual, bare, quoted = (get(venues).text for _ in range(3))

    assert '"' not in bare
    assert f'"{START_MS}"' in quoted
    assert bare == usual.replace('"', "")
    assert quoted.replace('"', "") == bare
    row = (rows_of(get(venues, "hyperliquid")), rows_of(get(venues, "hyperliquid")))[1][0]
    assert (row["s"], row["i"]) == ("BTC", "1m")
    assert isinstance(row["o"], float)


def test_volume_that_is_null(serve: Serve) -> None:
    venues = serve(Fault("null_volume"))

    assert {row[5] for row in rows_of(get(venues, "binance"))} == {None}
    assert {(row[5], row[6]) for row in rows_of(get(venues, "bybit"))} == {(None, None)}
    assert {row["v"] for row in rows_of(get(venues, "hyperliquid"))} == {None}
    assert rows_of(get(venues, "binance"))[0][4] == "117601.10"


def test_archive_files_whole_by_range_and_with_faults(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "binance").mkdir()
    content = hashlib.sha256(b"archive").digest() * 40
    (tmp_path / "binance" / "a.zip").write_bytes(content)
    (tmp_path.parent / "secret").write_bytes(b"x")
    venues = serve(Fault("truncated_json", "archive", at=(4,)), archive=tmp_path)
    address = f"{venues.config()['archives']['binance']}/a.zip"

    assert requests.get(address, timeout=5).content == content
    part = requests.get(address, headers={"Range": "bytes=100-"}, timeout=5)
    assert (part.status_code, part.content) == (206, content[100:])
    assert part.headers["Content-Range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert requests.get(address, headers={"Range": "bytes=5000-"}, timeout=5).status_code == 416
    assert requests.get(address, timeout=5).content == content[: len(content) // 2]
    outside = requests.Request("GET", f"{venues.base}/archive/../secret").prepare()
    outside.url = f"{venues.base}/archive/%2e%2e/secret"
    with requests.Session() as session:
        assert session.send(outside, timeout=5).status_code == 404
