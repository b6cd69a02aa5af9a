"""Answers as venues sent them, a second source of truth: the client makes of each row what a plain reading gives.

The local venues were written beside the client; these answers were not. They are real answers of the venues' REST
interfaces, kept outside this repository; without them the tests are skipped. The row of a kline of Binance is public in
its documentation and is always read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from backtest.fetch.rest.client import VenueFault
from backtest.fetch.rest.opening import close_client, open_client
from backtest.fetch.rest.responses import Answer
from backtest.fetch.rest.stated import Question, contradiction
from backtest.fetch.settings import parse_settings
from backtest.lake.availability import load_availability
from backtest.mechanics.exact import Floats
from tests.fetch.wire import BASE, Reply, Request, Wire, wired
from tests.server.app import client_config

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "exchange_responses"
Monkey = pytest.MonkeyPatch
Rows = list[list[float]]


def recorded(name: str) -> bytes:
    """Return a recorded answer; the test is skipped where it is not at hand."""
    path = RECORDED / name
    if not path.is_file():
        pytest.skip(f"no recorded answers of venues at ../shared/data/exchange_responses ({name})")
    return path.read_bytes()


@dataclass(frozen=True)
class Case:
    """A recorded answer: of which venue, series, coin and file, and its rows by a plain reading of the JSON."""

    venue: str
    series: str
    file: str
    plain: Callable[[Any], Rows]
    coin: str = "BTC"
    timeframe: str = "1m"


def bar(row: Sequence[str], volume: float) -> list[float]:
    return [float(row[0]), *map(float, row[1:5]), volume]


def pairs(rows: Sequence[dict[str, Any]], time: str, value: str) -> Rows:
    return [[float(row[time]), float(row[value])] for row in rows]


def kraken(row: dict[str, Any], volume: float) -> list[float]:
    return [float(row["time"]), *(float(row[name]) for name in ("open", "high", "low", "close")), volume]


OKX = Case(
    venue="okx",
    series="ohlcv",
    file="okx/http_get_candlesticks_full.json",
    plain=lambda body: [bar(row, float(row[6])) for row in body["data"]],
)
CASES = (
    OKX,
    Case(
        venue="okx",
        series="funding",
        file="okx/http_get_funding_rate_history.json",
        # the rate that was paid, not the one forecast before the settlement
        plain=lambda body: pairs(body["data"], "fundingTime", "realizedRate"),
    ),
    Case(
        venue="bybit",
        series="ohlcv",
        file="bybit/http_get_klines_linear.json",
        plain=lambda body: [bar(row, float(row[5])) for row in body["result"]["list"]],
    ),
    Case(
        venue="bybit",
        series="funding",
        file="bybit/http_get_funding_history.json",
        plain=lambda body: pairs(body["result"]["list"], "fundingRateTimestamp", "fundingRate"),
    ),
    Case(
        venue="hyperliquid",
        series="funding",
        file="hyperliquid/http_funding_history.json",
        plain=lambda body: pairs(body, "time", "fundingRate"),
    ),
    Case(
        venue="krakenfutures",
        series="mark_ohlcv",
        file="kraken/http_futures_candles_mark.json",
        plain=lambda body: [kraken(row, 0.0) for row in body["candles"]],
        coin="ETH",
        timeframe="1h",
    ),
    Case(
        venue="krakenfutures",
        series="ohlcv",
        file="kraken/http_futures_candles_trade.json",
        plain=lambda body: [kraken(row, float(row["volume"])) for row in body["candles"]],
        coin="ETH",
        timeframe="1h",
    ),
)
KRAKEN = {
    "public": f"{BASE}/kraken/derivatives/api/",
    "charts": f"{BASE}/kraken/api/charts/",
    "history": f"{BASE}/kraken/api/history/",
}


def with_neighbour(body: bytes) -> bytes:
    """Return a recorded answer of Bybit with a second bar, a minute after its only one: such a bar is asked for so."""
    answer = orjson.loads(body)
    ((time, *cells),) = answer["result"]["list"]
    answer["result"]["list"].insert(0, [str(int(time) + 60_000), *cells])
    return orjson.dumps(answer)


def asked(case: Case, body: bytes, monkeypatch: Monkey) -> Floats:
    """Return the rows that the client makes of an answer, in order of time, times in milliseconds."""
    times = [int(row[0]) for row in case.plain(orjson.loads(body))]

    class Given(Wire):
        def honest(self, request: Request, **changed: Any) -> Reply:
            if request.venue == "kraken":
                listed = request.path.endswith("instruments")
                return Reply(recorded("kraken/http_futures_instruments.json") if listed else body)
            return super().honest(request, **changed)

    pages = 0

    def change(request: Request, reply: Reply) -> Reply:
        nonlocal pages
        pages += request.page
        return (Reply(body) if pages == 1 else Reply(with_neighbour(body))) if request.page else reply

    async def ask() -> Floats:
        tables = {**client_config(BASE), "krakenfutures": {"rateLimit": 1, "urls": {"api": KRAKEN}}}
        settings = parse_settings({**tables, "retry": {"attempts": 1}}, "test")
        client = await open_client(case.venue, settings, lambda: 0.5, asyncio.Event())
        try:
            market = await client.market(case.coin, "")
            entry = load_availability()[case.venue, case.series, "rest"]
            return await client.page(entry, market, case.timeframe, min(times), max(times))
        finally:
            await close_client(client)

    with monkeypatch.context() as patch:
        wired(patch, Given(change))
        rows = asyncio.run(ask())
    return rows[np.argsort(rows[:, 0])]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_every_recorded_row_is_read_as_a_plain_reading_reads_it(case: Case, monkeypatch: Monkey) -> None:
    body = recorded(case.file)
    assert asked(case, body, monkeypatch).tolist() == sorted(case.plain(orjson.loads(body)))


def test_a_recorded_volume_is_the_same_in_contracts_and_in_coins() -> None:
    for row in orjson.loads(recorded(OKX.file))["data"]:
        assert float(row[6]) == pytest.approx(float(row[5]) * 0.01)


@pytest.mark.parametrize("case", CASES[-2:], ids=lambda case: case.file)
def test_recorded_bars_of_an_hour_are_not_taken_for_minutes(case: Case, monkeypatch: Monkey) -> None:
    with pytest.raises(VenueFault, match="answered with bars 3600 s apart in place of 60 s"):
        asked(replace(case, timeframe="1m"), recorded(case.file), monkeypatch)


WEEK = [1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815", 1499644799999,
        "2434.19055334", 308, "1756.87402397", "28.46694368", "0"]  # fmt: skip


def question(venue: str, step_ms: int, timeframe: str, name: str, time: int) -> Question:
    return Question(
        venue=venue, bars=True, step_ms=step_ms, timeframe=timeframe, names=frozenset({name}), inverse=False,
        since_ms=time, until_ms=time + step_ms, bounded=True,
    )  # fmt: skip


def test_the_published_bar_of_a_week_closes_a_week_later() -> None:
    answer = Answer(200, {}, "", [WEEK])
    week_ms = 7 * 86_400_000
    assert (
        contradiction(answer, np.array([1499040000000.0]), question("binanceusdm", week_ms, "1w", "ETHBTC", WEEK[0]))
        is None
    )
    fault = contradiction(answer, np.array([1499040000000.0]), question("binanceusdm", 60_000, "1m", "ETHBTC", WEEK[0]))
    assert fault is not None
    assert fault.reason == "answered with bars of 604800 s in place of 60 s"
    path = RECORDED / "binance" / "spot__http_json__klines_response.json"
    assert not path.is_file() or orjson.loads(path.read_bytes()) == [WEEK]


@pytest.mark.parametrize("file", ["closed", "open"])
def test_recorded_bars_of_binance_state_interval_and_close_as_the_check_reads_them(file: str) -> None:
    bar = orjson.loads(recorded(f"binance/futures__market_data_json__kline_stream_{file}.json"))["k"]
    row = [bar["t"], bar["o"], bar["h"], bar["l"], bar["c"], bar["v"], bar["T"]]
    assert bar["i"] == "1m"
    assert (
        contradiction(
            Answer(200, {}, "", [row]),
            np.array([float(row[0])]),
            question("binanceusdm", 60_000, "1m", "BTC", bar["t"]),
        )
        is None
    )


def test_a_recorded_bar_of_five_minutes_of_bybit_spans_five_minutes() -> None:
    (bar,) = orjson.loads(recorded("bybit/ws_kline.json"))["data"]
    assert bar["end"] - bar["start"] + 1 == int(bar["interval"]) * 60_000
