"""No venue and no archive takes more time, requests, bytes or memory than the settings allow; waits are announced."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from backtest.errors import ConfigError
from backtest.fetch import budget as budgets
from backtest.fetch.archives.download import Client, Refused, download
from backtest.fetch.budget import OverBudgetError, Spending
from backtest.fetch.outcome import Outcome
from backtest.fetch.rest.session import GuardedSession, TornError, read_bounded
from backtest.fetch.settings import Budget, parse_settings
from tests.fetch.venues import VENUES, wanted
from tests.fetch.wire import Reply, Request, Told, Wire, fetched_over
from tests.server.market import CRASH_DAYS

DAY = CRASH_DAYS[:1]
PAGE = Path(__file__).parents[2] / "data" / "README.md"
Change = Callable[[Request, Reply], Reply]
Monkey = pytest.MonkeyPatch


def over(change: Change, monkeypatch: Monkey, venue: str = "bybit", **more: Any) -> tuple[Outcome, Wire]:
    wire = Wire(change)
    return fetched_over(wire, wanted([venue], days=DAY), monkeypatch, **more), wire


def reasons(outcome: Outcome) -> list[str]:
    assert outcome.served == []
    return [denial.reason for denial in outcome.denied]


def honest(request: Request, reply: Reply) -> Reply:
    return reply


def endless_list(request: Request, reply: Reply) -> Reply:
    """Return a list of markets whose every page names a next one."""
    if "instruments" not in request.path or request.venue != "bybit":
        return reply
    body = orjson.loads(Wire().honest(replace(request, query={"category": "linear"})).body)
    body["result"]["nextPageCursor"] = f"page {request.nth}"
    return replace(reply, body=orjson.dumps(body))


def test_a_list_of_markets_without_end_is_given_up(monkeypatch: Monkey) -> None:
    outcome, wire = over(endless_list, monkeypatch, budget={"list_requests": 30})
    assert reasons(outcome) == ["needs more than 30 requests for its list of markets (budget.list_requests)"]
    assert len(wire.asked) == 30


def test_a_list_of_markets_that_is_too_long_is_given_up(monkeypatch: Monkey) -> None:
    outcome, wire = over(endless_list, monkeypatch, budget={"list_bytes": 20_000})
    assert reasons(outcome) == ["gives more than 20,000 bytes for its list of markets (budget.list_bytes)"]
    assert len(wire.asked) < 30


def test_a_list_of_markets_that_takes_too_long_is_given_up(monkeypatch: Monkey) -> None:
    seconds = count(1_760_248_800)
    outcome, _ = over(endless_list, monkeypatch, clock=lambda: next(seconds), budget={"list_deadline_s": 40})
    assert reasons(outcome) == ["takes longer than 40 s for its list of markets (budget.list_deadline_s)"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"requests": 6}, "needs more than 6 requests (budget.requests)"),
        ({"total_bytes": 30_000}, "gives more than 30,000 bytes (budget.total_bytes)"),
        ({"deadline_s": 20}, "takes longer than 20 s (budget.deadline_s)"),
        ({"memory_bytes": 1_000_000}, "fills more than 1,000,000 bytes of memory (budget.memory_bytes)"),
        ({"answer_bytes": 20_000}, "gives an answer of more than 20,000 bytes (budget.answer_bytes)"),
    ],
)
def test_a_venue_is_given_up_at_its_limits(limits: dict[str, float], reason: str, monkeypatch: Monkey) -> None:
    seconds = count(1_760_248_800)
    monkeypatch.setattr(budgets, "resident_bytes", lambda: 2_000_000)
    outcome, _ = over(honest, monkeypatch, clock=lambda: next(seconds), budget=limits)
    assert reasons(outcome) == [reason]


def test_what_is_over_budget_holds_for_every_series_and_the_next_venue_is_asked(monkeypatch: Monkey) -> None:
    wire = Wire(endless_list)
    goals = wanted(["bybit", "okx"], ("ohlcv", "funding"), days=DAY)
    outcome = fetched_over(wire, goals, monkeypatch, budget={"list_requests": 5})
    assert [day.source for day in outcome.served] == ["okx", "okx"]
    assert sum(request.venue == "bybit" for request in wire.asked) == 5


def test_a_budget_within_its_limits_changes_nothing(monkeypatch: Monkey) -> None:
    limits = {"requests": 14, "total_bytes": 1 << 20, "answer_bytes": 200_000, "list_requests": 12}
    outcome, _ = over(honest, monkeypatch, budget=limits)
    assert [(day.rows, day.state) for day in outcome.served] == [(1440, "whole")]


def spending(**limits: Any) -> Spending:
    return Spending(Budget(**limits), lambda: 0.0)


def read(reply: Reply, **limits: Any) -> bytes:
    return asyncio.run(read_bounded(reply, spending(**limits)))


def packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(9, wbits=31)
    for piece in pieces:
        yield pack.compress(piece)
    yield pack.flush()


def test_an_answer_of_200_mb_is_read_to_its_limit_only() -> None:
    piece = b"9" * (1 << 16)
    reply = Reply(pieces=iter([piece] * 3200))
    with pytest.raises(OverBudgetError, match="more than 1,048,576 bytes"):
        read(reply, answer_bytes=1 << 20)
    assert reply.taken == 17


def test_an_answer_that_unpacks_to_more_than_allowed_is_given_up() -> None:
    zeros = Reply(b"".join(packed(iter([bytes(1 << 20)] * 64))), headers={"Content-Encoding": "gzip"})
    assert len(zeros.body) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(OverBudgetError, match="more than 1,048,576 bytes"):
            read(zeros, answer_bytes=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", "GZIP"])
def test_whole_answers_unpack(encoding: str) -> None:
    body = b'{"a": [1, 2]}' * 999
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding.lower(), bytes)
    assert read(Reply(pack(body), headers={"Content-Encoding": encoding})) == body
    assert read(Reply(pack(body), headers={"Content-Encoding": encoding}), answer_bytes=len(body)) == body
    assert read(Reply(b"", headers={"Content-Encoding": encoding})) == b""


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(gzip.compress(bytes(9999))[:-9], headers={"Content-Encoding": "gzip"}), "breaks off"),
        (Reply(b"[1, 2]", headers={"Content-Encoding": "gzip"}), "does not unpack"),
        (Reply(b"[1, 2]", headers={"Content-Encoding": "br"}), "packed as 'br', which was not asked for"),
    ],
)
def test_answers_that_do_not_unpack_are_faults(reply: Reply, reason: str, monkeypatch: Monkey) -> None:
    with pytest.raises(TornError, match=reason):
        read(reply)
    outcome, _ = over(lambda request, right: reply if request.page else right, monkeypatch, retry={"attempts": 2})
    assert reason in reasons(outcome)[0]


def asks_to_wait(seconds: float, times: int) -> Change:
    left = [times]

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page or left[0] <= 0:
            return reply
        left[0] -= 1
        return replace(reply, status=429, body=b"{}", headers={"Retry-After": f"{seconds:g}"})

    return change


def test_a_wait_that_a_server_asks_for_is_announced_and_made(monkeypatch: Monkey) -> None:
    told = Told()
    outcome, _ = over(asks_to_wait(120, 2), monkeypatch, told=told, retry={"attempts": 5, "patience_s": 600})
    assert [(day.rows, day.state) for day in outcome.served] == [(1440, "whole")]
    assert told.announced == ["bybit is asked too often (HTTP 429) and asks to wait 120 s; waiting"] * 2
    assert told.waits == [120, 120]


def test_waits_have_an_end(monkeypatch: Monkey) -> None:
    told = Told()
    limits = {"waits_s": 300}
    outcome, _ = over(asks_to_wait(120, 9), monkeypatch, told=told, retry={"attempts": 9}, budget=limits)
    assert reasons(outcome) == [
        "is asked too often (HTTP 429) and asks to wait 120 s, more than 300 s in all (budget.waits_s)"
    ]
    assert told.waits == [120, 120]
    outcome, _ = over(asks_to_wait(601, 9), monkeypatch, told=told)
    assert "asks to wait 601 s, longer than 2 s (retry.patience_s)" in reasons(outcome)[0]
    assert len(told.waits) == 2


@pytest.mark.parametrize("venue", VENUES)
def test_a_redirect_within_the_host_is_followed_and_counted(venue: str, monkeypatch: Monkey) -> None:
    def elsewhere(request: Request, reply: Reply) -> Reply:
        again = "again" in request.path or "again" in str(request.query)
        if again or not request.page or request.venue == "hyperliquid":
            return reply
        return replace(
            reply,
            status=302,
            headers={"Location": "?" + "&".join(f"{k}={v}" for k, v in {**request.query, "again": 1}.items())},
        )

    outcome, _ = over(elsewhere, monkeypatch, venue)
    assert [(day.rows, day.state) for day in outcome.served] == [(1440, "whole")]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://elsewhere.test/x", "redirects to another host, elsewhere.test, which is not followed"),
        ("http://venues.test:81/x", "redirects to another host, venues.test, which is not followed"),
        ("//elsewhere.test/x", "redirects to another host, elsewhere.test, which is not followed"),
        ("ftp://venues.test/x", "redirects to another host, venues.test, which is not followed"),
        ("http://venues.test:port/x", "redirects to another host, venues.test, which is not followed"),
        ("", "redirects to nowhere"),
        ("?", "redirects without end"),
    ],
)
def test_a_redirect_to_another_host_is_refused(location: str, reason: str, monkeypatch: Monkey) -> None:
    sent = {"Location": location} if location else {}
    outcome, wire = over(lambda request, reply: replace(reply, status=307, headers=sent), monkeypatch)
    assert reasons(outcome) == [reason]
    assert len(wire.asked) <= 4


def test_every_limit_has_a_default_and_a_line_in_the_page() -> None:
    page = PAGE.read_text("utf-8")
    table = page[page.index("| setting | default | meaning |") :].partition("\n\n")[0]
    for name in Budget.__struct_fields__:
        assert f"{name}`" in table, name
    for name, wrong in (("requests", 0), ("deadline_s", 0), ("waits_s", -1), ("answer_bytes", 2.5), ("pauze_s", 1)):
        with pytest.raises(ConfigError, match=name):
            parse_settings({"budget": {name: wrong}}, "x.toml")


def test_the_memory_of_this_process_is_known() -> None:
    assert budgets.resident_bytes() > 10_000_000 or not budgets.STATM.exists()


class Slow:
    """A session of requests whose file never ends, or is somewhere else."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status_code, self.headers, self.raw = status, headers or {}, self
        self.asked: list[str] = []

    def get(self, url: str, **more: Any) -> Slow:
        assert more["allow_redirects"] is False
        self.asked.append(url)
        return self

    def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
        yield from [b"x"] * 500

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *error: object) -> None:
        """Keep it."""


def client_of(session: Slow, **more: Any) -> Client:
    seconds = count()
    return Client(session=session, clock=lambda: next(seconds), sleep=lambda s: None, **more)  # type: ignore[arg-type]


def test_a_file_that_drips_for_ever_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"not here after 50 s \(budget.archive_deadline_s\)"):
        download("http://a.test/x.zip", tmp_path / "x.zip", client_of(Slow(), deadline_s=50))
    assert not (tmp_path / "x.zip").exists()


def test_a_file_of_another_host_is_not_taken(tmp_path: Path) -> None:
    slow = Slow(302, {"Location": "http://b.test/x.zip"})
    with pytest.raises(Refused, match=r"redirects to another host, b\.test, which is not followed"):
        download("http://me:secret@a.test/x.zip", tmp_path / "x.zip", client_of(slow))
    slow = Slow(302, {"Location": "/y.zip"})
    with pytest.raises(Refused, match="redirects without end"):
        download("http://me:secret@a.test/x.zip", tmp_path / "x.zip", client_of(slow))
    assert slow.asked[1:] == ["http://me:secret@a.test/y.zip"] * 3


def test_the_guard_has_the_methods_that_the_client_library_calls() -> None:
    import inspect

    from ccxt.async_support.base.exchange import Exchange

    source = inspect.getsource(Exchange.fetch) + inspect.getsource(Exchange.close)
    assert "await self.session.close()" in source
    assert "session_method = getattr(final_session, method.lower())" in source
    assert {"get", "post", "close", "headers"} <= set(dir(GuardedSession))
