"""Four venues that misbehave: the lake is that of a quiet day, or the summary says why not; never an untold hole."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.lake.place import Place
from backtest.lake.read import read_series
from tests.fetch.venues import (
    IMPATIENT,
    NOW,
    SYMBOLS,
    VENUES,
    at_venues,
    elsewhere,
    fetched,
    lake_digests,
    tapes,
    wanted,
)
from tests.server.faults import Fault
from tests.server.market import CRASH_DAYS, HOUR_MS

START_MS = 1_760_054_400_000
FIRST_DAY = CRASH_DAYS[:1]
PAGES = {"binanceusdm": "klines", "bybit": "kline", "okx": "history-candles", "hyperliquid": "candleSnapshot"}
WITH_VOLUME = {"binanceusdm": "fapi/v1/klines", "bybit": "market/kline", "okx": "history-candles", "hyperliquid": ""}
QUIET: dict[str, dict[str, str]] = {}
PASSING = {
    "slow": [Fault("slow", delay_s=0.05)],
    "reset": [Fault("reset", at=(1,))],
    "reset after half the body": [Fault("reset", at=(1,), half=True)],
    "half a JSON text": [Fault("truncated_json", at=(1,))],
    "an HTML page with status 200": [Fault("html", at=(1,))],
    "an HTML page twice": [Fault("html", at=(1, 2))],
    "429": [Fault("rate_limited", at=(1, 2))],
    "429 with Retry-After": [Fault("rate_limited", at=(1,), retry_after_s=0.2)],
    "418": [Fault("banned", at=(1,), retry_after_s=0.1)],
    "bursts of 5xx": [
        Fault("server_error", at=(1,), status=500),
        Fault("server_error", at=(2,), status=502),
        Fault("server_error", at=(3,), status=503),
    ],
    "repeated rows": [Fault("repeated_page")],
    "unordered rows": [Fault("unordered_rows")],
    "an empty page": [Fault("empty_page", at=(1,))],
    "pages that end early": [Fault("short_page", every=2)],
    "the page before": [Fault("previous_page", at=(2,))],
    "an error in the envelope": [Fault("envelope_error", at=(1,))],
    "numbers in place of texts": [Fault("numbers_as_numbers")],
    "texts in place of numbers": [Fault("numbers_as_strings")],
    "null volume": [Fault("null_volume", at=(1,))],
    "a clock that runs ahead": [Fault("clock_skew", skew_s=7200)],
    "a clock that is behind": [Fault("clock_skew", skew_s=-7200)],
}


def quiet(venue: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the lake that an undisturbed fetch of the venue leaves."""
    if venue not in QUIET:
        with monkeypatch.context() as patch:
            elsewhere(patch, home / "quiet")
            fetched(wanted([venue], ("ohlcv", "funding")))
            QUIET[venue] = lake_digests()
    return QUIET[venue]


ONE_PAGE = {"pages that end early", "the page before"}  # Hyperliquid serves both days in one
# faults of the wire and of the clock: no parser of a venue sees them
ON_THE_WIRE = {
    *("slow", "reset", "reset after half the body", "half a JSON text", "an HTML page with status 200"),
    *("an HTML page twice", "429 with Retry-After", "418", "bursts of 5xx", "HTML", "5xx"),
    *("a clock that runs ahead", "a clock that is behind"),
}


@pytest.mark.parametrize(
    ("venue", "fault"),
    [
        (venue, fault)
        for venue, fault in at_venues(PASSING, ON_THE_WIRE)
        if (venue, fault in ONE_PAGE) != ("hyperliquid", True)
    ],
)
def test_a_fault_that_passes_leaves_the_lake_of_a_quiet_day(
    venue: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = quiet(venue, tmp_path, monkeypatch)
    outcome, server = fetched(wanted([venue], ("ohlcv", "funding")), PASSING[fault])
    assert server.faults.fired
    assert lake_digests() == expected
    assert outcome.denied == []
    assert sum(day.missing + day.dropped for day in outcome.served) == 0


@pytest.mark.parametrize("venue", VENUES)
def test_an_answer_for_another_market_is_not_taken(venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"binanceusdm": "SOLUSDT", "bybit": "SOLUSDT", "okx": "SOL-USDT-SWAP", "hyperliquid": "SOL"}
    expected = quiet(venue, tmp_path, monkeypatch)
    outcome, server = fetched(
        wanted([venue], ("ohlcv", "funding")), [Fault("wrong_symbol", at=(1,), other=names[venue])]
    )
    assert server.faults.fired
    assert lake_digests() == expected
    assert "answered for" in " ".join(reason for reasons in outcome.repeated.values() for reason in reasons)


LASTING = {
    "HTML": ([Fault("html")], "gave no JSON with status 200"),
    "half a JSON text": ([Fault("truncated_json")], "gave no JSON with status 200"),
    "5xx": ([Fault("server_error", status=503)], "failed (HTTP 503), on every attempt"),
    "429": ([Fault("rate_limited")], "is asked too often"),
    "429 for longer than we wait": ([Fault("rate_limited", retry_after_s=3600)], "is asked too often"),
    "451": ([Fault("blocked", status=451)], "refuses this country (HTTP 451)"),
    "403": ([Fault("blocked", status=403)], "refuses this address or country (HTTP 403)"),
    "reset": ([Fault("reset")], "cannot be reached"),
    "an error in the envelope": ([Fault("envelope_error")], ""),
}


@pytest.mark.parametrize(("venue", "fault"), at_venues(LASTING, ON_THE_WIRE))
def test_a_fault_that_lasts_is_told_and_the_next_venue_is_asked(venue: str, fault: str) -> None:
    script, reason = LASTING[fault]
    backup = "okx" if venue != "okx" else "bybit"
    own = [replace(each, venue=server_name(venue)) for each in script]
    retry = {**IMPATIENT, "attempts": 2}
    outcome, server = fetched(wanted([venue, backup], days=FIRST_DAY), own, retry=retry)
    assert [(denial.source, denial.days) for denial in outcome.denied] == [(venue, FIRST_DAY)]
    assert reason in outcome.denied[0].reason
    assert [(day.source, day.rows) for day in outcome.served] == [(backup, 1440)]
    assert not any(f"venue={venue}" in name for name in lake_digests())
    if fault in {"451", "403"}:
        asked = [str(query) for name, _, query in server.requests if name == server_name(venue)]
        assert len(asked) == len(set(asked))  # not again, and nothing but the list of markets
        assert not any(PAGES[venue] in path for name, path, _ in server.requests if name == server_name(venue))


def server_name(venue: str) -> str:
    return "binance" if venue == "binanceusdm" else venue


@pytest.mark.parametrize("venue", VENUES)
def test_a_refusal_holds_for_every_series_of_the_venue(venue: str) -> None:
    outcome, server = fetched(
        wanted([venue], ("ohlcv", "funding"), coins=("BTC", "SOL")), [Fault("blocked", status=451)]
    )
    assert {denial.reason for denial in outcome.denied} == {"refuses this country (HTTP 451)"}
    assert len(outcome.denied) == 4
    asked = [path + str(query) for _, path, query in server.requests]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("venue", VENUES)
def test_an_hour_the_venue_does_not_have_is_a_gap_that_is_counted(venue: str) -> None:
    hour = START_MS + 5 * HOUR_MS
    goals = wanted([venue], days=FIRST_DAY)
    outcome, _ = fetched(goals, [Fault("missing_hour", match=PAGES[venue], hour_ms=hour)])
    assert [(day.rows, day.missing) for day in outcome.served] == [(1380, 60)]
    start = dt.datetime.combine(FIRST_DAY[0], dt.time())
    rows = read_series(Place(venue, SYMBOLS[venue], "ohlcv"), start, start + dt.timedelta(days=1))
    absent = start + dt.timedelta(hours=5)
    assert rows.filter((rows["ts"] >= absent) & (rows["ts"] < absent + dt.timedelta(hours=1))).height == 0
    again, server = fetched(goals)
    assert [day.fresh for day in again.served] == [False]
    assert server.requests == []


@pytest.mark.parametrize("venue", VENUES)
def test_rows_whose_volume_stays_null_are_left_out_and_counted(venue: str) -> None:
    outcome, _ = fetched(wanted([venue], days=FIRST_DAY), [Fault("null_volume", match=PAGES[venue])])
    assert outcome.served == []
    assert [denial.reason for denial in outcome.denied] == ["1440 rows of the day, none of which can be read"]


@pytest.mark.parametrize("venue", VENUES)
def test_a_day_that_is_not_over_at_the_venue_is_not_stored(venue: str) -> None:
    late = dt.datetime(2025, 10, 11, 23, 50)  # noqa: DTZ001
    goals = wanted([venue], now=NOW)
    outcome, _ = fetched(goals, now=late, local=NOW)
    assert [day.day for day in outcome.served] == [CRASH_DAYS[0]]
    assert [(denial.days, denial.reason) for denial in outcome.denied] == [
        ((CRASH_DAYS[1],), "the day is not over by the venue's clock")
    ]


@pytest.mark.parametrize("venue", VENUES)
def test_an_unknown_coin_is_told_and_not_asked_for_twice(venue: str) -> None:
    outcome, server = fetched(wanted([venue], coins=("NOSUCH",)))
    assert [denial.reason for denial in outcome.denied] == ["does not list a perpetual of NOSUCH"]
    assert not any(PAGES[venue] in path for _, path, _ in server.requests)


def test_nothing_is_asked_of_a_lake_that_is_full() -> None:
    goals = wanted(["binanceusdm"])
    first, _ = fetched(goals)
    second, server = fetched(goals)
    assert [day.fresh for day in first.served] == [True, True]
    assert [(day.fresh, day.rows) for day in second.served] == [(False, 1440), (False, 1440)]
    assert server.requests == []


def test_only_missing_days_are_asked_for() -> None:
    fetched(wanted(["bybit"], days=CRASH_DAYS[1:]))
    _, server = fetched(wanted(["bybit"]))
    asked = [query for _, path, query in server.requests if path.endswith("/kline")]
    assert {int(query["start"]) < START_MS + 24 * HOUR_MS for query in asked} == {True}
    assert len(asked) == 2


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_stored_is_what_the_venue_holds(venue: str) -> None:
    fetched(wanted([venue]))
    tape = tapes()[venue, SYMBOLS[venue]].trade
    start = dt.datetime.combine(CRASH_DAYS[0], dt.time())
    rows = read_series(Place(venue, SYMBOLS[venue], "ohlcv"), start, start + dt.timedelta(days=2))
    assert rows["ts"].dt.timestamp("ms").to_list() == tape.ts.tolist()
    scale = 10**tape.px_decimals
    held = rows.select("open", "high", "low", "close").to_numpy()
    assert (held * scale).round().astype(int).tolist() == tape.px.tolist()
    assert (rows["volume"].to_numpy() * 10**tape.volume_decimals).round().astype(int).tolist() == tape.volume.tolist()
