"""The file that says how venues are reached: every key is looked at, and what it says reaches the client."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import ConfigError
from backtest.fetch.rest.opening import close_client, open_client
from backtest.fetch.retry import Retry
from backtest.fetch.settings import (
    CLIENT_FIELDS,
    NUMBER,
    SWITCH,
    TABLE,
    TEXT,
    Settings,
    parse_settings,
    read_settings,
)
from tests.fetch.venues import fetched, wanted
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS
from tests.support.hostile import refused

ONE = CRASH_DAYS[:1]
RIGHT = {TEXT: '"x"', NUMBER: "5", SWITCH: "true", TABLE: "{}"}
REFUSED = {
    "[okx]\nrateLimt = 5": "local.toml [okx]: unknown key 'rateLimt'; did you mean rateLimit?",
    "[okx]\napiKey = 'k'": "local.toml [okx]: unknown key 'apiKey'; allowed: urls, hostname, ",
    "[okx]\ntimeout = '5'": "local.toml [okx]: key 'timeout' is '5'; it must be a number",
    "[okx]\ntimeout = true": "local.toml [okx]: key 'timeout' is true; it must be a number",
    "[okx]\ntimeout = 0": "local.toml [okx]: timeout = 0; allowed: milliseconds, above zero",
    "[okx]\ntimeout = inf": "local.toml [okx]: timeout = inf; allowed: milliseconds, above zero",
    "[okx]\nrateLimit = nan": "local.toml [okx]: rateLimit = nan; allowed: milliseconds between requests, above zero",
    "[okx]\nenableRateLimit = 1": "local.toml [okx]: key 'enableRateLimit' is 1; it must be true or false",
    "[okx]\nheaders = 'x'": "local.toml [okx]: key 'headers' is 'x'; it must be a table",
    "[okx.headers]\nX-Name = 5": "local.toml [okx] headers: key 'X-Name' is 5; it must be text in quotes",
    "[okx]\nurls.api.rest = 5": "local.toml [okx] urls api: key 'rest' is 5; it must be text in quotes",
    "[okx]\nurls.apii.rest = 'http://x'": "local.toml [okx] urls: unknown key 'apii'; allowed: api",
    "[okx]\nhttpProxy = 'http://x'\nhttpsProxy = 'http://y'": (
        "local.toml [okx]: httpProxy and httpsProxy exclude each other; give one of proxyUrl, httpProxy, "
    ),
    "[binanse]\ntimeout = 5": "local.toml: unknown table [binanse]; did you mean binance or ",
    "[retri]\nattempts = 5": "local.toml: unknown table [retri]; did you mean retry?",
    "[qqqqqqqqqqqq]": "local.toml: unknown table [qqqqqqqqqqqq]; allowed: venues of ccxt, retry, budget, archives",
    "timeout = 5": "local.toml: key 'timeout' is 5; allowed: tables named after a venue, retry, budget, archives; ",
    "[retry]\nattempt = 5": "local.toml [retry]: unknown key 'attempt'; did you mean attempts?",
    "[retry]\nattempts = 0": "local.toml [retry]: attempts = 0; allowed: at least 1",
    "[retry]\nattempts = 2.5": "local.toml [retry]: key 'attempts' is 2.5; it must be a whole number",
    "[retry]\nfirst_s = -1": "local.toml [retry]: first_s = -1; allowed: at least 0",
    "[retry]\nfirst_s = inf": "local.toml [retry]: key 'first_s' is inf; it must be a finite number",
    "[retry]\npatience_s = 'long'": "local.toml [retry]: key 'patience_s' is 'long'; it must be a finite number",
    "retry = 5": "local.toml: key 'retry' is 5; it must be a table",
    "[archives]\nbinance = 5": "local.toml [archives]: key 'binance' is 5; it must be text in quotes",
    "[archives]\nbinanze = 'x'": "local.toml [archives]: unknown key 'binanze'; did you mean binance?",
    "[okx": "local.toml: not valid TOML: ",
    'a = "\\x"': "local.toml: not valid TOML: ",
}


def written(folder: Path, text: str) -> Path:
    path = folder / "local.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    words = ("fetch", "2025-10-10", "--dry-run", "--exchange-config", str(written(tmp_path, text)))
    assert refused(2, *words).startswith(f"crashbook: {REFUSED[text]}")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    words = ("fetch", "2025-10-10", "--dry-run", "--exchange-config")
    assert "absent.toml: no such file" in refused(2, *words, str(tmp_path / "absent.toml"))
    assert "cannot be read: Is a directory" in refused(2, *words, str(tmp_path))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    assert "bytes.toml: not valid TOML" in refused(2, *words, str(tmp_path / "bytes.toml"))


@pytest.mark.parametrize(
    ("api", "words"),
    [
        ({"rset": "http://127.0.0.1:1"}, "[okx] urls.api: unknown address 'rset'; the client uses rest; correct it"),
        ("http://127.0.0.1:1", "[okx] urls.api: 'http://127.0.0.1:1'; the client needs a table of rest; correct it"),
        ({"rest": {"a": "x"}}, "[okx] urls.api.rest: {'a': 'x'}; the client needs one address; correct it"),
    ],
)
def test_an_address_that_the_client_does_not_use_is_refused(api: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetched(wanted(["okx"], days=ONE), okx={"urls": {"api": api}})
    assert str(caught.value) == words


def test_addresses_in_tables_of_tables_are_compared(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, '[gate.urls.api.public]\nfuturs = "http://127.0.0.1:1"'))
    with pytest.raises(
        ConfigError, match=r"\[gate\] urls.api.public: unknown address 'futurs'; the client uses .*futures"
    ):
        asyncio.run(opened("gate", settings))


async def opened(venue: str, settings: Settings) -> Any:
    client = await open_client(venue, settings, lambda: 0.5, asyncio.Event())
    await close_client(client)
    return client.api


def test_no_file_leaves_every_default() -> None:
    assert read_settings(None) == Settings({}, Retry(), {})


def test_what_is_given_is_what_is_read(tmp_path: Path) -> None:
    text = """
        [kraken]
        timeout = 5000
        [okx]
        rateLimit = 12.5
        urls.api.rest = "http://127.0.0.1:1"
        headers = {X-Name = "x"}
        [retry]
        attempts = 2
        first_s = 3
        [archives]
        binance = "downloads"
    """
    assert read_settings(written(tmp_path, text)) == Settings(
        {
            "kraken": {"timeout": 5000},
            "okx": {"rateLimit": 12.5, "urls": {"api": {"rest": "http://127.0.0.1:1"}}, "headers": {"X-Name": "x"}},
        },
        Retry(attempts=2, first_s=3.0),
        {"binance": "downloads"},
    )


@pytest.mark.parametrize("name", CLIENT_FIELDS)
def test_every_field_that_is_allowed_is_one_of_the_client(name: str, tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, f"[okx]\n{name} = {RIGHT[CLIENT_FIELDS[name]]}"))
    untouched = asyncio.run(opened("okx", Settings()))
    assert hasattr(untouched, name)
    if CLIENT_FIELDS[name] != TABLE:
        assert getattr(asyncio.run(opened("okx", settings)), name) == settings.venues["okx"][name]


def test_the_clients_own_limit_of_requests_stays_on_unless_it_is_switched_off() -> None:
    assert asyncio.run(opened("okx", Settings())).enableRateLimit
    assert not asyncio.run(opened("okx", parse_settings({"okx": {"enableRateLimit": False}}, "test"))).enableRateLimit


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Forward whole-address requests to where they belong and keep their first lines."""
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, lines), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", lines
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, lines: list[str]) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_forward, args=(client, lines), daemon=True).start()


def _forward(client: socket.socket, lines: list[str]) -> None:
    with client:
        head = b""
        while b"\r\n\r\n" not in head:
            part = client.recv(65_536)
            if not part:
                return
            head += part
        first, _, rest = head.partition(b"\r\n")
        method, address, version = first.split(b" ")
        lines.append(head.decode())
        host, _, path = address.removeprefix(b"http://").partition(b"/")
        name, _, port = host.decode().partition(":")
        fields = b"\r\n".join(line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection"))
        with socket.create_connection((name, int(port))) as target:
            target.sendall(b" ".join([method, b"/" + path, version]) + b"\r\nConnection: close\r\n" + fields)
            while answer := target.recv(65_536):
                client.sendall(answer)


@pytest.mark.parametrize("name", ["httpProxy", "aiohttp_proxy"])
def test_requests_pass_through_the_proxy(name: str) -> None:
    with proxy() as (address, lines):
        outcome, server = fetched(wanted(["okx"], days=ONE), okx={name: address})
    assert [day.rows for day in outcome.served] == [1440]
    assert len(lines) == len(server.requests) > 1
    assert all(line.startswith(f"GET {server.base}/okx/") for line in lines)


def test_headers_reach_the_venue() -> None:
    with proxy() as (address, lines):
        fetched(
            wanted(["okx"], days=ONE), okx={"httpProxy": address, "headers": {"X-Name": "crash"}, "userAgent": "book"}
        )
    assert lines
    assert all("\r\nX-Name: crash\r\n" in line and "\r\nUser-Agent: book\r\n" in line for line in lines)


def test_a_proxy_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    retry = {"attempts": 2, "first_s": 0.01}
    outcome, venues = fetched(wanted(["okx"], days=ONE), okx={"httpProxy": address}, retry=retry)
    assert venues.requests == []
    (denial,) = outcome.denied
    assert denial.reason.startswith("cannot be reached (")


@pytest.mark.parametrize("attempts", [1, 3])
def test_the_number_of_attempts_is_that_of_the_file(attempts: int) -> None:
    retry = {"attempts": attempts, "first_s": 0.01}
    outcome, server = fetched(
        wanted(["bybit"], days=ONE), [Fault("server_error", match="kline", status=500)], retry=retry
    )
    assert sum(path.endswith("/kline") for _, path, _ in server.requests) == attempts
    assert [denial.reason for denial in outcome.denied] == ["failed (HTTP 500), on every attempt"]
