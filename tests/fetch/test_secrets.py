"""Secrets of the settings reach the host they are for and nothing else: no output, message, file or other host."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtest.assets import lake_folder
from backtest.lake.manifest import read_manifest
from backtest.lake.place import Place
from backtest.lake.read import read_file
from backtest.lake.write import write_day
from backtest.masking import forget_secrets, keep_secret, mask, secrets_kept, secrets_of
from tests.fetch.archives.archive_files import csv, other_name, put_zip
from tests.fetch.standins import flat, utc
from tests.fetch.venues import tapes, wanted
from tests.fetch.wire import Reply, Request, Wire, fetched_over
from tests.server.app import LocalVenues
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS
from tests.support.command import call

EVENT = "2025-10-10"
KEY, PASSWORD, TOKEN, PROXY = "k3y-of-the-mirror", "pa55w0rd-of-me", "t0ken%2Fof-mine", "pr0xy-pa55w0rd"
PLANTED = (KEY, PASSWORD, "t0ken", PROXY)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    forget_secrets()
    yield
    forget_secrets()


def everything(home: Path) -> bytes:
    """Return all bytes below a folder, names included."""
    return b"\n".join(str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in home.rglob("*"))


def leaks(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [word for word in PLANTED if word.encode() in data]


CASES: dict[str, tuple[list[Fault], dict[str, Any]]] = {
    "all is well": ([], {}),
    "refused": ([Fault("blocked", status=451)], {}),
    "a page of HTML": ([Fault("html")], {}),
    "no server": ([], {"urls": {"api": {"fapiPublic": f"http://me:{PASSWORD}@127.0.0.1:9/fapi/v1"}}}),
    "no proxy": ([], {"httpProxy": f"http://me:{PROXY}@127.0.0.1:9"}),
    "an address that is none": ([], {"proxyUrl": f"http://me:{PASSWORD}@[::1/?token={TOKEN}&u="}),
}


@pytest.mark.parametrize("form", ["table", "json", "csv"])
@pytest.mark.parametrize("name", CASES)
def test_no_secret_of_a_fetch_is_printed_or_stored(name: str, form: str, tmp_path: Path) -> None:
    faults, fields = CASES[name]
    shelf = tmp_path / "shelf"
    rows = [(f"{EVENT} 00:00:08", band, 2.0, 2e5) for band in (-1, 1)]
    put_zip(shelf / "binance", other_name("bookDepth", "BTCUSDT", EVENT), csv("bookDepth", rows))
    headers = {"X-Mirror-Key": KEY, "Authorization": f"Bearer {TOKEN}"}
    with LocalVenues(tapes(), faults, archive=shelf) as venues:
        place = venues.base.replace("http://", f"http://me:{PASSWORD}@") + "/archive/binance"
        config = venues.write_config(
            tmp_path / "local.toml",
            binanceusdm={**venues.config()["binanceusdm"], "headers": headers, **fields},
            archives={"binance": place},
            retry={"attempts": 2, "first_s": 0.01},
        )
        words = ("--venue", "binanceusdm", "--only", "--coins", "BTC", "--end", EVENT, "--series", "ohlcv,depth")
        if form != "json":
            words = (*words, "--archive", f"binance={place}")
        result = call("--debug", "fetch", EVENT, *words, "--exchange-config", str(config), "--format", form)
    assert result.exit_code in {0, 3}, result.stderr
    assert ("Traceback" in result.stderr) == (result.exit_code == 3)
    config.unlink()
    assert leaks(result.output + result.stderr) == []
    assert leaks(everything(tmp_path)) == []
    if name == "all is well":
        assert len(read_manifest()) == 2


WRONG = (
    f"[okx]\nheaders = 'X-Key: {KEY}'",
    f"[okx]\nurls = 'https://me:{PASSWORD}@mirror.test'",
    f"[okx.urls.api]\nrest = ['https://me:{PASSWORD}@mirror.test']",
    f"[okx]\ntimeout = 'https://mirror.test/?api_key={TOKEN}'",
    f"[archives]\nbinance = ['https://me:{PASSWORD}@mirror.test']",
    f"[okx.urls]\nwww = 'https://me:{PASSWORD}@mirror.test'",
    f"[okx.headers]\nX-Key = ['{KEY}']",
    f"httpProxy = 'http://me:{PROXY}@proxy.test'",
)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_the_settings_is_told_without_its_secrets(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text, "utf-8")
    for flags in ((), ("--debug",)):
        result = call(*flags, "fetch", EVENT, "--exchange-config", str(tmp_path / "x.toml"))
        assert result.exit_code == 2
        assert "x.toml" in result.stderr
        assert leaks(result.output + result.stderr) == []


def test_wrong_options_are_told_without_their_secrets() -> None:
    for place in (
        f"https://me:{PASSWORD}@mirror.test",
        f"binance=x://me:{PASSWORD}@mirror.test",
        f"binanze=https://m.test/?sig={KEY}",
    ):
        result = call("--debug", "fetch", EVENT, "--venue", "binanceusdm", "--series", "depth", "--archive", place)
        assert result.exit_code == 2
        assert leaks(result.output + result.stderr) == []


@pytest.mark.parametrize("venue", ["binanceusdm", "hyperliquid"])
def test_headers_do_not_follow_a_redirect_and_no_row_comes_from_there(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(request: Request, reply: Reply) -> Reply:
        return Reply(b"", 302, {"Location": f"http://other.test{request.path}"}) if request.page else reply

    wire = Wire(elsewhere)
    outcome = fetched_over(wire, wanted([venue], days=CRASH_DAYS[:1]), monkeypatch, **{
        venue: {"headers": {"X-Mirror-Key": KEY}, "rateLimit": 1, "urls": {"api": _urls(venue)}}
    })  # fmt: skip
    assert outcome.served == []
    assert outcome.denied[0].reason == "redirects to another host, other.test, which is not followed"
    assert {request.headers["X-Mirror-Key"] for request in wire.asked} == {KEY}
    assert sum(request.page for request in wire.asked) == 1  # the client asked its own host, once


def _urls(venue: str) -> dict[str, str]:
    from tests.fetch.wire import BASE
    from tests.server.app import client_config

    urls: dict[str, str] = client_config(BASE)[venue]["urls"]["api"]
    return urls


def test_two_servers_of_which_one_sends_to_the_other(tmp_path: Path) -> None:
    with (
        LocalVenues(tapes()) as other,
        LocalVenues(tapes(), [Fault("redirect", match="klines", other=other.base)]) as first,
    ):
        config = first.write_config(
            tmp_path / "local.toml", retry={"attempts": 2, "first_s": 0.01},
            binanceusdm={**first.config()["binanceusdm"], "headers": {"X-Mirror-Key": KEY}},
            archives={"binance": f"{first.base}/archive"},
        )  # fmt: skip
        words = ("--venue", "binanceusdm", "--only", "--coins", "BTC", "--end", EVENT, "--series", "ohlcv")
        result = call("fetch", EVENT, *words, "--exchange-config", str(config))
        assert first.requests != []
        assert other.requests == []
    assert result.exit_code == 3
    assert "redirects to another host, 127.0.0.1" in result.stderr
    assert not list(lake_folder().rglob("*.parquet"))


def test_sources_are_stored_without_secrets() -> None:
    place, day = Place("bybit", "BTC/USDT:USDT", "ohlcv"), dt.date(2025, 10, 10)
    path = write_day(flat(utc("21:00"), 3), place, day, source=f"https://me:{PASSWORD}@mirror.test")
    assert read_file(path)[1] == "https://***@mirror.test"
    assert [entry["source"] for entry in read_manifest().values()] == ["https://***@mirror.test"]
    assert leaks(everything(lake_folder())) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://me:{PASSWORD}@h:80/x y", "http://***@h:80/x y"),
        (f"socks5h://me:{PASSWORD}@h", "socks5h://***@h"),
        (f"http://{PASSWORD}@h and https://a:b@c", "http://***@h and https://***@c"),
        ("http://me:p@ss@h/x", "http://***@h/x"),
        ("https://h/?day=1&X-Amz-Signature=abc&b=2", "https://h/?day=1&X-Amz-Signature=***&b=2"),
        ("https://h/?API_KEY=abc#x", "https://h/?API_KEY=***#x"),
        ("https://h/?access_token=a%2Fb&symbol=BTC", "https://h/?access_token=***&symbol=BTC"),
        ("Authorization: Basic bWU6cGE1NQ==", "Authorization: Basic ***"),
        ("mail@example.test 12:30 a=b?c", "mail@example.test 12:30 a=b?c"),
        ("basic rules apply, token by token", "basic rules apply, token by token"),
        ("", ""),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert mask(mask(text)) == shown


def test_words_of_the_settings_are_masked_wherever_they_stand() -> None:
    table = {
        "okx": {"headers": {"X-Key": KEY, "User-Agent": "crashbook", "Authorization": "Basic bWU6eA=="}},
        "archives": {"binance": f"https://me:{PASSWORD}@h/x?token={TOKEN}"},
    }
    keep_secret(secrets_of(table))
    for text in (KEY, PASSWORD, "t0ken/of-mine", TOKEN, "Basic bWU6eA=="):
        assert mask(f"<{text}>") == "<***>", text
    assert mask("crashbook 10") == "crashbook 10"
    assert all(len(word) >= 6 for word in secrets_kept())


def test_log_lines_of_libraries_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    keep_secret([KEY])
    call("fetch", EVENT, "--availability")
    record = logging.LogRecord("urllib3", logging.WARNING, __file__, 1, "retry of %s", (f"http://a:{KEY}@h",), None)
    handler = logging.lastResort
    assert handler is not None
    assert leaks(handler.format(record)) == []
