"""What a venue states of its rows must be what was asked: interval, close time, category, market, time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from backtest.fetch.rest.responses import Answer
from backtest.fetch.rest.stated import Question, contradiction, longer_bars
from tests.fetch.venues import VENUES, lake_digests, wanted
from tests.fetch.wire import Reply, Request, Wire, fetched_over
from tests.server.market import CRASH_DAYS, DAY_MS

DAY = CRASH_DAYS[:1]
START = 1_760_054_400_000
FIVE = {
    "binance": {"interval": "5m"},
    "bybit": {"interval": "5"},
    "okx": {"bar": "5m"},
    "hyperliquid": {"interval": "5m"},
}
STATED = {
    "binanceusdm": "answered with bars of 300 s in place of 60 s",
    "bybit": "answered with bars 300 s apart in place of 60 s",
    "okx": "answered with bars 300 s apart in place of 60 s",
    "hyperliquid": "answered with bars of 5m in place of 1m",
}
SOME_TRIES = {"retry": {"attempts": 3, "first_s": 0.01}}


def five_minutes(wire: Wire, when: Callable[[Request], bool]) -> None:
    """Let a venue answer with bars of five minutes to some of the requests for bars."""

    def change(request: Request, reply: Reply) -> Reply:
        return wire.honest(request, **FIVE[request.venue]) if request.page and when(request) else reply

    wire.change = change


@pytest.mark.parametrize("venue", VENUES)
def test_five_minute_bars_are_not_stored_as_minutes(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    five_minutes(wire, lambda request: True)
    outcome = fetched_over(wire, wanted([venue], ("ohlcv",), days=DAY), monkeypatch, **SOME_TRIES)
    assert outcome.served == []
    assert [denial.reason for denial in outcome.denied] == [f"{STATED[venue]}, on every attempt"]
    assert lake_digests() == {}


@pytest.mark.parametrize("series", ["mark_ohlcv", "index_ohlcv"])
@pytest.mark.parametrize("venue", VENUES[:3])
def test_nor_are_those_of_marks_and_indices(venue: str, series: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    five_minutes(wire, lambda request: True)
    outcome = fetched_over(wire, wanted([venue], (series,), days=DAY), monkeypatch, **SOME_TRIES)
    assert outcome.served == []
    assert STATED[venue] in outcome.denied[0].reason


@pytest.mark.parametrize("venue", VENUES)
def test_one_page_of_five_minutes_is_asked_for_again(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    five_minutes(wire, lambda request: not any(other.page for other in wire.asked[:-1]))
    outcome = fetched_over(wire, wanted([venue], days=DAY), monkeypatch)
    assert [(day.rows, day.state) for day in outcome.served] == [(1440, "whole")]
    assert outcome.repeated[venue] == {STATED[venue]: 1}


def another_day(request: Request, days: int) -> dict[str, Any]:
    """Return the bounds of a question, moved by some days."""
    inner = request.query.get("req", request.query)
    names = ("startTime", "endTime", "start", "end", "before", "after", "begin")
    kind = type(inner.get("startTime", ""))
    return {name: kind(int(inner[name]) + days * DAY_MS) for name in names if name in inner}


@pytest.mark.parametrize("series", ["ohlcv", "funding"])
@pytest.mark.parametrize("venue", VENUES)
def test_rows_of_another_time_are_no_end_of_the_data(venue: str, series: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    wire.change = lambda request, reply: wire.honest(request, **another_day(request, 1)) if request.page else reply
    outcome = fetched_over(wire, wanted([venue], (series,), days=DAY), monkeypatch, **SOME_TRIES)
    assert outcome.served == []
    assert [denial.reason for denial in outcome.denied] == [
        "gave rows of another time than asked for, on every attempt"
    ]


def stated(venue: str, edit: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return why no bar was stored of a venue whose JSON of bars is edited."""
    wire = Wire()

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page:
            return reply
        body = orjson.loads(reply.body)
        edit(body)
        return replace(reply, body=orjson.dumps(body))

    wire.change = change
    outcome = fetched_over(wire, wanted([venue], days=DAY), monkeypatch, **SOME_TRIES)
    assert outcome.served == []
    return outcome.denied[0].reason.removesuffix(", on every attempt")


def last(name: str | int, value: Any) -> Callable[[Any], None]:
    """Return an edit of one cell of the last row of a list."""
    return lambda body: body[-1].__setitem__(name, value)


EDITS: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "a bar that closes late": (
        "binanceusdm", lambda body: body[3].__setitem__(6, body[3][6] + 240_000),
        "answered with bars of 300 s in place of 60 s",
    ),
    "no close time": ("binanceusdm", lambda body: [row.__delitem__(slice(6, None)) for row in body],
                      "gave bars without a close time"),
    "a close time that is none": ("binanceusdm", last(6, "soon"), "gave bars without a close time"),
    "a bar of another interval": ("hyperliquid", last("i", "5m"), "answered with bars of 5m in place of 1m"),
    "a bar of another coin": ("hyperliquid", last("s", "SOL"), "answered for 'SOL' in place of "),
    "a bar that closes early": ("hyperliquid", last("T", START + 1439 * 60_000 + 29_999),
                                "answered with bars of 30 s in place of 60 s"),
    "no interval": ("hyperliquid", lambda body: [row.pop("i") for row in body],
                    "gave bars that do not state interval, coin and close time"),
    "true for a price": ("hyperliquid", last("o", True), "gave bars with a price that is no number"),
    "another category": ("bybit", lambda body: body["result"].update(category="inverse"),
                         "answered for the category 'inverse' in place of 'linear'"),
    "another symbol": ("bybit", lambda body: body["result"].update(symbol="SOLUSDT"),
                       "answered for 'SOLUSDT' in place of 'BTC'"),
    "no category": ("bybit", lambda body: body["result"].pop("category"),
                    "gave bars that do not state category and symbol"),
    "a symbol that is none": ("bybit", lambda body: body["result"].update(symbol=["BTCUSDT"]),
                              "answered for ['BTCUSDT'] in place of 'BTC'"),
    "a bar cut short": ("okx", lambda body: body["data"][5].pop(), "gave bars of different numbers of cells"),
    "a bar that is none": ("bybit", lambda body: body["result"]["list"].append(None),
                           "gave bars of different numbers of cells"),
    "a bar of no calendar": ("binanceusdm", lambda body: body[5].__setitem__(0, 1e300),
                             "gave bars without a close time"),
    "a bar without a time": ("binanceusdm", lambda body: body[5].__setitem__(0, None),
                             "gave bars without a close time"),
    "a grouped number": ("okx", lambda body: body["data"][5].__setitem__(1, "1_18000.0"), "gave no JSON"),
    "true in a list": ("okx", lambda body: body["data"][5].__setitem__(1, True), "gave no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_what_is_stated_must_be_what_was_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    venue, edit, reason = EDITS[name]
    assert stated(venue, edit, monkeypatch).startswith(reason)


ASKED = Question(
    venue="kucoinfutures", bars=True, step_ms=60_000, timeframe="1m", names=frozenset({"BTC"}), inverse=False,
    since_ms=START, until_ms=START + DAY_MS - 1, bounded=True,
)  # fmt: skip


def times(*minutes: int) -> list[list[float]]:
    return [[START + minute * 60_000, 1.0, 1.0, 1.0, 1.0, 1.0] for minute in minutes]


def at(*minutes: int) -> np.ndarray:
    return np.array([START + minute * 60_000.0 for minute in minutes])


def test_where_a_venue_states_nothing_the_distance_of_its_rows_decides() -> None:
    answer = Answer(200, {}, "", {"data": times(0)})
    assert contradiction(answer, at(0, 1, 5, 10), ASKED) is None
    assert contradiction(answer, at(7), ASKED) is None
    assert contradiction(answer, at(0, 5, 10, 5), ASKED).reason.startswith("answered with bars 300 s apart")  # type: ignore[union-attr]
    assert contradiction(answer, at(0, 5), replace(ASKED, bars=False)) is None


def test_rows_the_client_library_threw_away_are_no_empty_page() -> None:
    assert contradiction(Answer(200, {}, "", {"data": times(0)}), at(), ASKED) is not None
    assert contradiction(Answer(200, {}, "", {"data": []}), at(), ASKED) is None
    assert contradiction(Answer(200, {}, "", {"data": times(0)}), at(), replace(ASKED, bounded=False)) is None


def bars(count: int, wick: float = 0.0) -> np.ndarray:
    """Return minute bars of a walk, each opening at the last close."""
    rng = np.random.default_rng(7)
    path = 100 + np.cumsum(rng.normal(0, 0.1, count + 1))
    high, low = np.maximum(path[1:], path[:-1]) + wick, np.minimum(path[1:], path[:-1]) - wick
    ts = START + 60_000.0 * np.arange(count)
    return np.column_stack([ts, path[:-1], high, low, path[1:], rng.lognormal(3, 1, count)])


@pytest.mark.parametrize("count", [3, 5, 15, 30, 60])
def test_bars_that_contain_the_bars_after_them_are_of_a_longer_interval(count: int) -> None:
    minutes = bars(1440)
    assert longer_bars(minutes, 60_000) == ""
    for start in range(0, 1440, count):
        part = minutes[start : start + count]
        whole = [part[0, 1], part[:, 2].max(), part[:, 3].min(), part[-1, 4], part[:, 5].sum()]
        minutes[start, 1:] = whole
    assert longer_bars(minutes, 60_000) == f"gave bars of {count * 60} s among those of 60 s"
    flat = bars(1440) * [1, 0, 0, 0, 0, 0] + [0, 1, 1, 1, 1, 0]  # a market that does not trade
    assert longer_bars(flat, 60_000) == ""


def test_longer_bars_in_the_place_of_gaps_are_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page:
            return reply
        body = orjson.loads(reply.body)
        longer = {row[0]: row for row in orjson.loads(wire.honest(request, bar="5m").body)["data"]}
        body["data"] = [longer.get(row[0], row) for row in body["data"]]
        return replace(reply, body=orjson.dumps(body))

    wire.change = change
    outcome = fetched_over(wire, wanted(["okx"], days=DAY), monkeypatch)
    assert [denial.reason for denial in outcome.denied] == ["gave bars of 300 s among those of 60 s"]


GAP = START + 700 * 60_000
Keep = Callable[[int], bool]


def kept(reply: Reply, keep: Keep) -> Reply:
    """Return bars of Bybit or OKX without those whose time is not to be kept."""
    body = orjson.loads(reply.body)
    holder, name = (body["result"], "list") if "result" in body else (body, "data")
    holder[name] = [row for row in holder[name] if keep(int(row[0]))]
    return replace(reply, body=orjson.dumps(body))


def gapped(longer: Callable[[Request], bool]) -> Wire:
    """Return a wire whose whole pages lack one bar, and some of whose other pages are of five minutes."""
    wire = Wire()

    def change(request: Request, reply: Reply) -> Reply:
        if not request.page:
            return reply
        if longer(request):
            return wire.honest(request, **FIVE[request.venue])
        return kept(reply, lambda time: time != GAP) if not repeats(wire) else reply

    wire.change = change
    return wire


def repeats(wire: Wire) -> int:
    """Return how many pages were asked for after the page that reaches the gap."""
    reached = [index for index, each in enumerate(wire.asked) if each.page and bounds(each)[1] >= GAP]
    return len(wire.asked) - 1 - reached[0] if reached else 0


def bounds(request: Request) -> tuple[int, int]:
    """Return first and last millisecond that Bybit or OKX is asked for."""
    first, last = ("start", "end") if request.venue == "bybit" else ("before", "after")
    return int(request.query[first]), int(request.query[last])


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_the_only_bar_of_a_page_is_that_of_the_bars_around_it(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched_over(Wire(), wanted([venue], days=DAY), monkeypatch)
    honest = lake_digests()
    wire = gapped(lambda request: repeats(wire) == 1)
    outcome = fetched_over(wire, wanted([venue], days=DAY), monkeypatch, refetch=True)
    assert [(day.rows, day.state) for day in outcome.served] == [(1440, "whole")]
    assert lake_digests() == honest != {}


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_only_bars_of_five_minutes_are_not_stored_as_minutes(venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = gapped(lambda request: bounds(request)[1] - bounds(request)[0] < 3 * 3_600_000)
    outcome = fetched_over(wire, wanted([venue], days=DAY), monkeypatch, **SOME_TRIES)
    assert outcome.served == []
    assert [denial.reason for denial in outcome.denied] == [f"{STATED[venue]}, on every attempt"]


def test_the_first_bar_of_a_listing_is_decided_by_the_bars_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    last_of_page = START + 999 * 60_000
    wire.change = lambda request, reply: kept(reply, lambda time: time >= last_of_page) if request.page else reply
    outcome = fetched_over(wire, wanted(["bybit"], days=DAY), monkeypatch)
    assert [(day.rows, day.dropped) for day in outcome.served] == [(441, 0)]


def test_a_bar_with_none_around_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    trading_ended, alone = START + 880 * 60_000, START + 1140 * 60_000
    wire.change = lambda request, reply: (
        kept(reply, lambda time: time < trading_ended or time == alone) if request.page else reply
    )
    outcome = fetched_over(wire, wanted(["bybit"], days=DAY), monkeypatch)
    assert [(day.rows, day.state, day.dropped) for day in outcome.served] == [(880, "partial", 1)]
