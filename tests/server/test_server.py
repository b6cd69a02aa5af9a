"""The real ccxt client against every endpoint of the local venues; what it reads is what the tapes hold."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.server import binance, bybit, hyperliquid, okx
from tests.server.app import LocalVenues
from tests.server.market import DAY_MS, Tape, crash_days, synthetic
from tests.server.wire import Bars

NOW = dt.datetime(2025, 10, 12, tzinfo=dt.UTC)
NOW_MS = 1_760_227_200_000
START_MS = 1_760_119_200_000  # 2025-10-10 18:00, the first bar of the sample
MIDNIGHT_MS = 1_760_054_400_000
SYMBOLS = {
    "binanceusdm": "BTC/USDT:USDT",
    "binancecoinm": "BTC/USD:BTC",
    "bybit": "BTC/USDT:USDT",
    "okx": "BTC/USDT:USDT",
    "hyperliquid": "BTC/USDC:USDC",
}
TAPES = crash_days()
ROOT = Path(__file__).parents[2]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def venues() -> Iterator[LocalVenues]:
    with LocalVenues(TAPES, now=NOW) as served:
        yield served


@pytest.fixture(scope="module")
def ask(venues: LocalVenues) -> Iterator[Ask]:
    """Call a method of a venue's client, its markets loaded."""
    import ccxt.async_support as ccxt

    clients: dict[str, Any] = {}
    with asyncio.Runner() as runner:

        def call(venue: str, method: str, *args: Any) -> Any:
            if venue not in clients:
                clients[venue] = getattr(ccxt, venue)(venues.config()[venue])
                runner.run(clients[venue].load_markets())
            return runner.run(getattr(clients[venue], method)(*args))

        yield call
        for client in clients.values():
            runner.run(client.close())


def candles(bars: Bars, start_ms: int, count: int, *, volumes: bool = True) -> list[list[float]]:
    """Return rows as ccxt gives them."""
    low = int(np.searchsorted(bars.ts, start_ms))
    part = bars.cut(low, low + count)
    px = part.px / 10**bars.px_decimals
    volume = part.volume / 10**bars.volume_decimals
    return [
        [int(t), *map(float, row), *([float(v)] if volumes else [])]
        for t, row, v in zip(part.ts, px, volume, strict=True)
    ]


@pytest.mark.parametrize(("venue", "symbol"), list(SYMBOLS.items()))
def test_a_client_finds_the_markets_with_tick_and_lot(ask: Ask, venue: str, symbol: str) -> None:
    markets, rules = ask(venue, "load_markets"), TAPES[venue, symbol].market

    assert sorted(markets) == sorted(name for owner, name in TAPES if owner == venue)
    assert markets[symbol]["id"] == ("0" if venue == "hyperliquid" else rules.id)
    assert markets[symbol]["precision"]["price"] == float(rules.tick)
    assert markets[symbol]["contractSize"] == float(rules.contract_size)
    assert markets[symbol]["active"]


@pytest.mark.parametrize("venue", SYMBOLS)
def test_trade_candles_equal_the_tape(ask: Ask, venue: str) -> None:
    rows = ask(venue, "fetch_ohlcv", SYMBOLS[venue], "1m", START_MS, 250)
    assert rows == candles(TAPES[venue, SYMBOLS[venue]].trade, START_MS, 250)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_volume_of_an_inverse_market_is_in_coins(ask: Ask, venue: str) -> None:
    rows = ask(venue, "fetch_ohlcv", "BTC/USD:BTC", "1m", START_MS, 50)
    assert rows == candles(TAPES[venue, "BTC/USD:BTC"].trade, START_MS, 50)


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm", "bybit", "okx"])
@pytest.mark.parametrize("price", ["mark", "index"])
def test_mark_and_index_candles_equal_the_tape(ask: Ask, venue: str, price: str) -> None:
    rows = ask(venue, "fetch_ohlcv", SYMBOLS[venue], "1m", START_MS, 100, {"price": price})

    bars = getattr(TAPES[venue, SYMBOLS[venue]], price)
    assert [row[:5] for row in rows] == candles(bars, START_MS, 100, volumes=False)
    assert {row[5] for row in rows} <= {0.0, None}


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm", "bybit"])
def test_premium_candles_equal_the_tape(ask: Ask, venue: str) -> None:
    bars = TAPES[venue, SYMBOLS[venue]].premium
    rows = ask(venue, "fetch_ohlcv", SYMBOLS[venue], "1m", START_MS, 20, {"price": "premiumIndex"})
    assert [row[:5] for row in rows] == candles(bars, START_MS, 20, volumes=False)


def test_longer_candles_are_made_of_minutes(ask: Ask) -> None:
    minutes = ask("binanceusdm", "fetch_ohlcv", "BTC/USDT:USDT", "1m", START_MS, 60)
    hour = ask("binanceusdm", "fetch_ohlcv", "BTC/USDT:USDT", "1h", START_MS, 1)[0]

    assert hour[:2] == minutes[0][:2]
    assert hour[2] == max(row[2] for row in minutes)
    assert hour[3] == min(row[3] for row in minutes)
    assert hour[4] == minutes[-1][4]
    assert hour[5] == pytest.approx(sum(row[5] for row in minutes))


@pytest.mark.parametrize("venue", SYMBOLS)
def test_funding_equals_the_tape_but_for_late_stamps(ask: Ask, venue: str) -> None:
    ts, rates = TAPES[venue, SYMBOLS[venue]].funding
    # where the newest come first, a page of 4 is the first 4 only if the range ends with them
    bound = {"bybit": {"until": int(ts[3])}, "okx": {"after": int(ts[4])}}.get(venue, {})
    rows = ask(venue, "fetch_funding_rate_history", SYMBOLS[venue], MIDNIGHT_MS, 4, bound)

    assert [row["timestamp"] // 1000 for row in rows] == (ts[:4] // 1000).tolist()
    assert [row["fundingRate"] for row in rows] == (rates[:4] / 1e8).tolist()
    assert {row["symbol"] for row in rows} == {SYMBOLS[venue]}


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm", "bybit", "okx"])
def test_open_interest_equals_the_tape(ask: Ask, venue: str) -> None:
    tape = TAPES[venue, SYMBOLS[venue]]
    until = {"until": START_MS + 9 * 300_000}
    rows = ask(venue, "fetch_open_interest_history", SYMBOLS[venue], "5m", START_MS, 10, until)

    ts, base, px = tape.open_interest
    low = int(np.searchsorted(ts, START_MS))
    assert [row["timestamp"] for row in rows] == ts[low : low + 10].tolist()
    coins = [units / 10**tape.market.volume_decimals for units in base[low : low + 10].tolist()]
    field = {"binancecoinm": "openInterestValue", "okx": "baseVolume"}.get(venue, "openInterestAmount")
    assert [row[field] for row in rows] == coins
    if venue == "binancecoinm":
        usd = coins[0] * px[low] / 10**tape.market.px_decimals
        assert rows[0]["openInterestAmount"] == usd // 100


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm", "bybit", "okx"])
def test_account_ratios_equal_the_tape(ask: Ask, venue: str) -> None:
    last = START_MS + 9 * 300_000
    params = {"startTime": START_MS, "endTime": last} if venue == "bybit" else {"until": last}
    period = "5min" if venue == "bybit" else "5m"
    rows = ask(venue, "fetch_long_short_ratio_history", SYMBOLS[venue], period, START_MS, 10, params)

    ts, longs = TAPES[venue, SYMBOLS[venue]].ratio
    low = int(np.searchsorted(ts, START_MS))
    assert sorted(row["timestamp"] for row in rows) == ts[low : low + 10].tolist()
    found = {row["timestamp"]: row["longShortRatio"] for row in rows}
    assert found[START_MS] == pytest.approx(longs[low] / (10_000 - longs[low]), abs=1e-4)


def test_leverage_tiers_of_the_venues_that_publish_them(ask: Ask) -> None:
    for venue, rates in (("bybit", [0.005, 0.01, 0.025]), ("okx", [0.004, 0.01, 0.025])):
        tiers = ask(venue, "fetch_market_leverage_tiers", "BTC/USDT:USDT")
        assert [tier["maintenanceMarginRate"] for tier in tiers] == rates
        assert [tier["tier"] for tier in tiers] == [1, 2, 3]
    assert sorted(ask("bybit", "fetch_leverage_tiers")) == sorted(
        symbol for venue, symbol in TAPES if venue == "bybit" and symbol.endswith("USDT")
    )


@pytest.mark.parametrize("venue", SYMBOLS)
def test_server_time_is_the_clock_given(ask: Ask, venue: str) -> None:
    assert ask(venue, "fetch_time") == NOW_MS


def test_ranges_and_limits_of_each_venue() -> None:
    def ask_binance(path: str, **query: Any) -> list[bytes]:
        rows: list[bytes] = binance.handle(path, query, by_id("binanceusdm"), NOW_MS)[1].rows
        return rows

    query = {"symbol": "BTCUSDT", "interval": "1m"}
    assert len(ask_binance("/fapi/v1/klines", **query)) == 500
    both = ask_binance("/fapi/v1/klines", **query, startTime=START_MS, endTime=START_MS + 120_000)
    assert len(both) == 3  # both ends belong to the range
    assert binance.handle("/fapi/v1/klines", query | {"limit": "1501"}, by_id("binanceusdm"), NOW_MS)[0] == 400

    linear = {"symbol": "BTCUSDT", "category": "linear", "interval": "1"}
    newest = bybit.handle("/v5/market/kline", linear | {"start": START_MS, "limit": 5}, by_id("bybit"), NOW_MS)[1].rows
    assert newest[-1].startswith(b'["%d"' % START_MS)  # newest first, and a start alone counts on from it
    assert newest[0].startswith(b'["%d"' % (START_MS + 240_000))
    lone = bybit.handle("/v5/market/funding/history", linear | {"startTime": START_MS}, by_id("bybit"), NOW_MS)[1]
    assert lone["retCode"] == 10001

    swap = {"instId": "BTC-USDT-SWAP", "before": START_MS, "after": START_MS + 180_000}
    rows = okx.handle("/api/v5/market/history-candles", swap, by_id("okx"), NOW_MS)[1].rows
    assert len(rows) == 2  # neither end belongs to it
    wide = {"instId": "BTC-USDT-SWAP", "limit": 1000}
    assert len(okx.handle("/api/v5/market/history-candles", wide, by_id("okx"), NOW_MS)[1].rows) == 300
    assert len(okx.handle("/api/v5/market/history-mark-price-candles", wide, by_id("okx"), NOW_MS)[1].rows) == 100


def test_histories_end_where_the_venue_stops_keeping_them() -> None:
    later = NOW_MS + 40 * DAY_MS
    old = {"symbol": "BTCUSDT", "period": "5m", "startTime": START_MS}
    status, body = binance.handle("/fapi/data/openInterestHist", old, by_id("binanceusdm"), later)
    assert (status, body["code"], body["msg"]) == (400, -1130, "parameter 'startTime' is invalid.")

    question = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": MIDNIGHT_MS}}
    kept = hyperliquid.handle("/info", question, by_id("hyperliquid"), MIDNIGHT_MS + 5100 * 60_000)[1].rows
    assert b'"t":%d' % (MIDNIGHT_MS + 100 * 60_000) in kept[0]
    assert hyperliquid.handle("/info", question, by_id("hyperliquid"), later)[1].rows == []

    week = {"instId": "BTC-USDT-SWAP", "begin": MIDNIGHT_MS}
    stats = "/api/v5/rubik/stat/contracts/open-interest-history"
    assert okx.handle(stats, week, by_id("okx"), later)[1].rows == []


def test_funding_of_hyperliquid_comes_500_at_a_time_oldest_first() -> None:
    days = [dt.date(2025, 9, 1) + dt.timedelta(days=n) for n in range(30)]
    tapes = {"BTC": synthetic("hyperliquid", "BTC/USDC:USDC", days)}
    answer = hyperliquid.handle("/info", {"type": "fundingHistory", "coin": "BTC", "startTime": 0}, tapes, NOW_MS)

    assert len(answer[1].rows) == 500
    assert answer[1].rows[0].endswith(b'"time":1756684800056}')  # 1 September, 56 ms late


def test_a_symbol_no_venue_knows_is_refused_in_its_own_words() -> None:
    bad = {"symbol": "NOPE", "instId": "NOPE", "category": "linear", "interval": "1m"}
    assert binance.handle("/fapi/v1/klines", bad, {}, 0) == (400, {"code": -1121, "msg": "Invalid symbol."})
    status, body = bybit.handle("/v5/market/kline", bad, {}, 0)
    assert (status, body["retCode"]) == (200, 10001)
    status, body = okx.handle("/api/v5/market/candles", bad, {}, 0)
    assert (status, body["code"]) == (200, "51001")
    question = {"type": "candleSnapshot", "req": {"coin": "NOPE", "interval": "1m", "startTime": 0}}
    assert hyperliquid.handle("/info", question, {}, 0) == (500, b"null")
    assert hyperliquid.handle("/info", {"type": "candleSnapshot"}, {}, 0)[0] == 422
    assert binance.handle("/fapi/v1/leverageBracket", {}, {}, 0)[0] == 404


def test_an_hour_cut_out_of_a_tape_is_passed_over_by_full_pages() -> None:
    tape = TAPES["binanceusdm", "BTC/USDT:USDT"].without(START_MS, START_MS + 3_600_000)
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": START_MS - 60_000, "limit": "2"}
    rows = binance.handle("/fapi/v1/klines", query, {"BTCUSDT": tape}, NOW_MS)[1].rows

    assert [int(row[1:14]) for row in rows] == [START_MS - 60_000, START_MS + 3_600_000]


def test_the_crash_days_join_the_sample_at_both_ends() -> None:
    bars = TAPES["binanceusdm", "SOL/USDT:USDT"].trade
    first = int(np.searchsorted(bars.ts, 1_760_128_800_000))

    assert len(bars.ts) == 2880
    assert bars.prices()[0][first] == "207.2000"
    assert bars.prices()[3][first - 1] == "207.2000"
    assert bars.prices()[0][first + 101] == bars.prices()[3][first + 100]
    assert (bars.px[:, 1] >= bars.px.max(axis=1)).all()
    assert (bars.px[:, 2] <= bars.px.min(axis=1)).all()


def test_the_log_and_the_configuration_written(venues: LocalVenues, tmp_path: Path) -> None:
    requests.get(f"{venues.base}/binance/fapi/v1/time", params={"a": "1"}, timeout=5)
    assert venues.requests[-1] == ("binance", "/fapi/v1/time", {"a": "1"})

    tables = tomllib.loads(venues.write_config(tmp_path / "x.toml", okx={"timeout": 500}).read_text(encoding="utf-8"))
    assert tables["okx"]["timeout"] == 500
    assert tables["okx"]["urls"]["api"]["rest"] == f"{venues.base}/okx"
    assert tables["binanceusdm"]["rateLimit"] == 1


def test_the_server_of_the_command_line_stops_with_a_connection_open(tmp_path: Path) -> None:
    config = tmp_path / "venues.toml"
    command = [sys.executable, "-m", "tests.server", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        base = server.stdout.readline().strip()
        answer = requests.get(f"{base}/bybit/v5/market/time", timeout=5).json()
        with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2]))):  # nobody's request under way
            os.kill(server.pid, signal.SIGINT)
            assert server.wait(timeout=60) == 0
        assert server.stdout.read() + server.stderr.read() == ""
    assert answer["retCode"] == 0
    assert base in config.read_text(encoding="utf-8")


def by_id(venue: str) -> dict[str, Tape]:
    return {tape.market.id: tape for (owner, _), tape in TAPES.items() if owner == venue}
