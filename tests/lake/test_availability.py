"""How far back public data go: the file agrees with itself and with what ccxt's clients really ask for."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from backtest.errors import ConfigError
from backtest.lake import availability as module
from backtest.lake.availability import (
    Availability,
    availability_table,
    earliest,
    history_text,
    load_absent,
    load_availability,
)
from backtest.lake.series import SERIES

VENUES = (
    "binanceusdm",
    "binancecoinm",
    "bybit",
    "okx",
    "hyperliquid",
    "krakenfutures",
    "bitget",
    "gate",
    "kucoinfutures",
)
CALLS = {name: series.ccxt for name, series in SERIES.items() if series.ccxt}
REST = [entry for entry in load_availability().values() if entry.route == "rest"]
ASKED = [entry for entry in REST if entry.series not in ("limits", "leverage_tiers")]
PAGED = [entry for entry in ASKED if entry.page and not entry.page_key]
INVERSE_ONLY = ("binancecoinm",)
OPEN_ENDED = ("gate-open_interest", "krakenfutures-funding")  # from a time on, and all there is
CLAMPED = {"binanceusdm": 1000, "binancecoinm": 1000, "okx": 300, "krakenfutures": 2000, "bitget": 200, "gate": 1999}
SINCE = 1_704_067_200_000  # 2024-01-01
SPANS = ("limit", "pageSize", "size")
ENDS = (
    ("startTime", "endTime"),
    ("start", "end"),
    ("before", "after"),
    ("begin", "end"),
    ("from", "to"),
    ("startAt", "endAt"),
)


def name(entry: Availability) -> str:
    return f"{entry.venue}-{entry.series}"


@pytest.fixture(scope="module")
def library() -> Any:
    return pytest.importorskip("ccxt")


def client(library: Any, venue: str) -> tuple[Any, list[tuple[Any, Mapping[str, Any]]]]:
    """Return a client with one market, and the list that its requests go to instead of the net."""
    api = getattr(library, venue)()
    inverse = venue in INVERSE_ONLY
    quote, settle = ("USD", "BTC") if inverse else ("USDT", "USDT")
    api.set_markets(
        [
            {
                "id": "THE_ID",
                "symbol": f"BTC/{quote}:{settle}",
                "base": "BTC",
                "quote": quote,
                "settle": settle,
                "baseId": "BTC",
                "quoteId": quote,
                "settleId": settle.lower(),
                "baseName": "BTC",
                "type": "swap",
                "spot": False,
                "swap": True,
                "future": False,
                "option": False,
                "contract": True,
                "active": True,
                "linear": not inverse,
                "inverse": inverse,
                "contractSize": 1.0,
                "precision": {},
                "limits": {},
                "info": {"pair": "BTCUSD", "instFamily": "BTC-USDT", "fundingInterval": "60"},
            }
        ]
    )
    sent: list[tuple[Any, Mapping[str, Any]]] = []
    plain = venue.startswith("binance") or venue in ("hyperliquid", "gate")

    def request(_path: str, kind: Any, _method: str, params: Mapping[str, Any], *_more: Any, **_named: Any) -> Any:
        sent.append((kind, params.get("req", params)))
        return [] if plain else {"result": {"list": []}, "data": [], "candles": [], "rates": [], "instruments": []}

    api.request = request
    return api, sent


def ask(library: Any, entry: Availability, limit: int | None) -> tuple[Any, Mapping[str, Any], int]:
    """Ask for one page from ``SINCE`` as the entry says; return the kind of address, the request and its end."""
    api, sent = client(library, entry.venue)
    until = SINCE + (entry.span_s() or 3600) * 1000 - 1
    params: dict[str, Any] = {entry.since_key: SINCE} if entry.since_key else {}
    if entry.until_key:
        params[entry.until_key] = until + (not entry.until_inclusive)
    if entry.page_key:
        params[entry.page_key] = 1
    step = "1m" if entry.step_s == 60 else "5m"
    middle = [] if entry.series == "funding" else [entry.timeframe or step]
    symbol = next(iter(api.markets))
    getattr(api, CALLS[entry.series].method)(symbol, *middle, SINCE, limit, params)
    assert len(sent) == 1, "one page is one request"
    return (*sent[0], until)


def milliseconds(value: Any) -> int:
    return int(value) * 1000 if int(value) < 10**11 else int(value)


def test_every_entry_has_a_source_and_units_that_fit_its_series() -> None:
    for entry in load_availability().values():
        where = f"{name(entry)}-{entry.route}"
        assert entry.source, where
        assert entry.note or entry.mark in "VS", where
        assert (entry.page == 0) or entry.route == "rest", where
        volumes, interest = {entry.volume_linear, entry.volume_inverse}, {entry.amount_linear, entry.amount_inverse}
        assert (volumes != {""}) == (entry.series == "ohlcv"), where
        assert entry.series != "open_interest" or interest != {""}, where
        assert not (entry.first and entry.last) or entry.first < entry.last, where


def test_every_venue_has_an_entry_or_a_reason_for_every_series_that_is_fetched() -> None:
    wanted = {(venue, series) for venue in VENUES for series in (*CALLS, "limits")}
    listed = {(entry.venue, entry.series) for entry in REST} | set(load_absent())
    assert listed == wanted
    assert not {(entry.venue, entry.series) for entry in REST} & set(load_absent())
    assert all(entry.reason and entry.cell in ("-", "key") for entry in load_absent().values())


@pytest.mark.parametrize("venue", VENUES)
def test_served_and_absent_agree_with_what_ccxt_says_it_has(library: Any, venue: str) -> None:
    has = getattr(library, venue)().has
    for series, call in CALLS.items():
        if (venue, series) in load_absent():
            assert not has.get(call.capability) or load_absent()[venue, series].cell == "key", series
        else:
            assert has.get(call.capability), series


@pytest.mark.parametrize("venue", VENUES)
def test_a_page_is_asked_for_in_full_and_ccxt_would_not_ask_for_more(library: Any, venue: str) -> None:
    for entry in (entry for entry in PAGED if entry.venue == venue):
        request = ask(library, entry, entry.page)[1]
        rows = [int(request[key]) for key in SPANS if key in request]
        assert rows in ([], [entry.page]), name(entry)
        if not entry.series.endswith("ohlcv") or venue not in CLAMPED:
            continue
        limit = 100 if venue == "okx" and entry.series != "ohlcv" else CLAMPED[venue]
        assert entry.page == limit, name(entry)
        more = ask(library, entry, entry.page + 500)[1]
        widest = [int(more[key]) for key in SPANS if key in more]
        ends = [(more[a], more[b]) for a, b in ENDS if a in more and b in more]
        fits = not widest and 0 < (int(ends[0][1]) - int(ends[0][0])) // 60 <= limit
        assert widest == [limit] or fits, name(entry)


@pytest.mark.parametrize("venue", VENUES)
def test_a_request_names_both_ends_of_its_range(library: Any, venue: str) -> None:
    for entry in (entry for entry in PAGED if entry.venue == venue and name(entry) not in OPEN_ENDED):
        _, request, until = ask(library, entry, entry.page)
        ends = [(request[a], request[b]) for a, b in ENDS if a in request and b in request]
        assert len(ends) == 1, request
        start, end = (milliseconds(value) for value in ends[0])
        assert SINCE - 60_000 <= start <= SINCE, name(entry)
        last_row = until + 1 - (entry.step_s or 1) * 1000
        assert last_row <= end <= until + 1 + entry.step_s * 1000, name(entry)


@pytest.mark.parametrize("venue", VENUES)
def test_served_series_need_no_key(library: Any, venue: str) -> None:
    for entry in (entry for entry in ASKED if entry.venue == venue):
        kind = ask(library, entry, entry.page or None)[0]
        assert "private" not in str(kind).lower(), name(entry)


@pytest.mark.parametrize("venue", [venue for venue in VENUES if (venue, "leverage_tiers") not in load_absent()])
def test_tiers_that_are_served_need_no_key(library: Any, venue: str) -> None:
    api, sent = client(library, venue)
    symbol = next(iter(api.markets))
    with contextlib.suppress(library.BaseError):  # the empty answer holds no tiers; what was asked is what counts
        api.fetch_market_leverage_tiers(symbol)
    assert sent
    assert not [kind for kind, _ in sent if "private" in str(kind).lower()]


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm"])
def test_tiers_of_binance_need_a_key(library: Any, venue: str) -> None:
    assert load_absent()[venue, "leverage_tiers"].cell == "key"
    api = client(library, venue)[0]
    del api.request
    with pytest.raises(library.AuthenticationError):
        api.fetch_leverage_tiers()


@pytest.mark.parametrize(
    ("venue", "row", "inverse", "expected"),
    [
        ("binanceusdm", [0, 1, 1, 1, 1, 5, 0, 7], False, 5),
        ("binancecoinm", [0, 1, 1, 1, 1, 5, 0, 7], True, 7),
        ("bybit", [0, 1, 1, 1, 1, 5, 7], False, 5),
        ("bybit", [0, 1, 1, 1, 1, 5, 7], True, 7),
        ("okx", [0, 1, 1, 1, 1, 5, 7, 9], False, 7),
        ("bitget", [0, 1, 1, 1, 1, 5, 7], False, 5),
        ("bitget", [0, 1, 1, 1, 1, 5, 7], True, 7),
        ("kucoinfutures", [1_704_067_200_000, 1, 1, 1, 1, 5, 7], False, 5),
    ],
)
def test_ccxt_reads_the_volume_from_the_field_whose_unit_is_noted(
    library: Any, venue: str, row: list[int], inverse: bool, expected: int
) -> None:
    api = client(library, venue)[0]
    market = dict(next(iter(api.markets.values())), inverse=inverse, linear=not inverse)
    assert api.parse_ohlcv(row, market)[5] == expected


def test_thirty_days_and_three_and_a_half_and_the_listing() -> None:
    now = dt.datetime.fromisoformat("2026-11-23")
    served = load_availability()
    assert earliest(served["binanceusdm", "open_interest", "rest"], now) == now - dt.timedelta(days=30)
    assert earliest(served["bybit", "ohlcv", "rest"], now) is None
    assert earliest(served["bybit", "long_short_ratio", "rest"], now) == dt.datetime.fromisoformat("2020-07-20")
    assert earliest(served["bybit", "limits", "rest"], now) == now
    candles = served["hyperliquid", "ohlcv", "rest"]
    assert now - earliest(candles, now) == dt.timedelta(minutes=5000)  # type: ignore[operator]
    assert candles.span_s() == candles.span_s(60) == 300_000
    assert candles.span_s(3600) == 18_000_000
    assert served["bitget", "long_short_ratio", "rest"].span_s() == 0
    assert served["bybit", "funding", "rest"].span_s() == 200 * 3600


def test_the_table_has_a_row_for_each_venue_and_a_text_in_each_cell() -> None:
    table = availability_table()
    assert [row["venue"] for row in table] == [*VENUES, "bitmex"]
    columns = list(table[0])
    assert columns[0] == "venue"
    assert columns[1:] == [series for series in SERIES if series in columns]
    assert all(list(row) == columns and all(row.values()) for row in table)
    rows = {row["venue"]: row for row in table}
    assert rows["hyperliquid"]["ohlcv"] == "3.5 d"
    assert rows["binancecoinm"]["leverage_tiers"] == "key"
    assert rows["binanceusdm"]["liquidations"] == "archive to 2024-03"
    assert rows["bitmex"]["funding"] == "-"
    assert rows["gate"]["open_interest"] == "all?"
    assert history_text(load_availability()["okx", "funding", "rest"]) == "90 d"


ENTRY = """[[served]]
venue = "okx"
series = ["ohlcv"]
route = "rest"
step_s = 60
page = 300
source = "a page"
mark = "V"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY + "pge = 1\n", "availability.toml [[served]] 1: unknown key 'pge'; did you mean page?"),
        (ENTRY.replace('"V"', '"X"'), "availability.toml [[served]] 1: mark = 'X'; allowed: V, S, D, U"),
        (ENTRY.replace("ohlcv", "candles"), "availability.toml [[served]] 1: series = 'candles'; allowed: "),
        (ENTRY.replace("page = 300\n", ""), "key 'page' is missing; add it as a whole number"),
        (ENTRY + 'volume_linear = "lots"\n', "volume_linear = 'lots'; allowed: base, contracts, quote, ''"),
        (ENTRY + ENTRY, "availability.toml [[served]] 2: okx, ohlcv, rest is given twice; keep one"),
        (
            ENTRY + '[[absent]]\nvenue = "okx"\nseries = ["ohlcv"]\ncell = "-"\nreason = "no"\n',
            "availability.toml [[absent]] 1: okx serves ohlcv; remove one of the two",
        ),
        (ENTRY + "[[more]]\n", "availability.toml: unknown key 'more'"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "availability.toml").write_text(text)
    monkeypatch.setattr(module, "asset", lambda *_parts: tmp_path / "availability.toml")
    with pytest.raises(ConfigError) as caught:
        module._load.__wrapped__()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
