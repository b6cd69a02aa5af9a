"""The plan: which sources are asked in which order, for which days, in how many requests, and why others are not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from backtest.catalogue.events import get_event
from backtest.errors import UnknownNameError, UsageError
from backtest.fetch.plan import Source, Target, requests_for, targets
from backtest.lake.markets import FIRST_CLASS, chain, symbols_of
from backtest.lake.place import Place
from backtest.lake.series import DEFAULT_SERIES
from backtest.times import days_between
from tests.fetch.venues import fetched, wanted
from tests.server.market import CRASH_DAYS

ROOTS = {"binance": "https://archive.test"}
LATER = dt.datetime.fromisoformat("2026-11-23T12:00")
BEFORE, ON = (CRASH_DAYS[:1], CRASH_DAYS[1:])


def goals(**asked: Any) -> list[Target]:
    """Return the targets of trade bars of BTC at Bybit on the crash days, except for what is asked otherwise."""
    usual = {"coins": ["BTC"], "series": ["ohlcv"], "days": CRASH_DAYS, "venues": ["bybit"], "now": LATER, "roots": {}}
    return targets(**{**usual, **asked})


def plan(
    series: str, venues: tuple[str, ...], now: dt.datetime = LATER, coin: str = "BTC", **more: object
) -> list[tuple[str, str]]:
    """Return name and reason of the sources of one series."""
    (goal,) = goals(coins=[coin], series=[series], venues=venues, now=now, **{"roots": ROOTS, **more})
    return [(source.name, source.skip) for source in goal.sources]


def test_the_venues_of_the_event_come_first_and_each_once() -> None:
    event = get_event("2025-10-10")
    order = chain(event)
    assert order[:5] == ("hyperliquid", "binanceusdm", "bybit", "okx", "bitmex")
    assert set(order) == {*FIRST_CLASS, "bitmex"}
    assert len(set(order)) == len(order)
    assert chain(event, "gate") == ("gate", *(name for name in order if name != "gate"))
    assert chain(event, "deribit") == ("deribit", *order)


def test_clients_come_before_archives_unless_one_was_named() -> None:
    venues = ("binanceusdm", "bybit")
    assert plan("ohlcv", venues) == [("binanceusdm", ""), ("binanceusdm archive", ""), ("bybit", "")]
    assert plan("ohlcv", venues, archives_first=True) == [
        ("binanceusdm archive", ""), ("binanceusdm", ""), ("bybit", ""),
    ]  # fmt: skip


def test_what_is_too_old_is_passed_over() -> None:
    assert plan("ohlcv", ("hyperliquid",)) == [("hyperliquid", "serves the last 3.47 days only")]
    assert plan("open_interest", ("binanceusdm",)) == [
        ("binanceusdm", "serves the last 30 days only"), ("binanceusdm archive", ""),
    ]  # fmt: skip
    assert plan("open_interest", ("binanceusdm",), dt.datetime.fromisoformat("2025-10-20")) == [
        ("binanceusdm", ""), ("binanceusdm archive", ""),
    ]  # fmt: skip


def test_an_archive_without_a_place_says_how_to_give_one() -> None:
    assert plan("mark_ohlcv", ("hyperliquid",)) == [
        ("hyperliquid archive", "asks for an account; give its files with --archive hyperliquid=FOLDER")
    ]


def test_an_archive_that_began_later_is_passed_over() -> None:
    days = [dt.date(2019, 6, 1)]
    (goal,) = goals(series=["mark_ohlcv"], days=days, venues=["binanceusdm"], roots=ROOTS)
    assert goal.sources[-1].skip == "begins on 2020-01-01"


def test_bars_of_a_second_come_from_archives_of_trades_only() -> None:
    (goal,) = goals(venues=["bybit", "bitmex"], roots={"bitmex": "x"}, timeframe="1s")
    assert [(source.venue, source.route, bool(source.skip)) for source in goal.sources] == [
        ("bybit", "rest", True), ("bitmex", "archive", False), ("bitmex", "archive", False),
    ]  # fmt: skip


def test_states_are_of_today_and_of_the_first_venue() -> None:
    found = goals(coins=["BTC", "SOL"], series=DEFAULT_SERIES, venues=["bybit", "okx"])
    assert [(goal.series, goal.coin) for goal in found] == [
        (name, coin) for name in DEFAULT_SERIES for coin in ("BTC", "SOL")
    ]
    states = [goal for goal in found if goal.series in {"limits", "leverage_tiers"}]
    assert {goal.days for goal in states} == {(LATER.date(),)}
    assert {source.venue for goal in states for source in goal.sources} == {"bybit"}


def test_days_that_are_not_over_are_left_out() -> None:
    midnight = dt.datetime.fromisoformat("2025-10-11T00:00")
    just_before = midnight - dt.timedelta(microseconds=1)
    (goal,) = goals(now=midnight)
    assert goal.days == BEFORE
    with pytest.raises(UsageError, match="2025-10-10 is not over; allowed: whole UTC days up to 2025-10-09"):
        goals(now=just_before)
    assert len(goals(series=["limits"], now=just_before)) == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="no series 'ohlvc' to fetch; allowed: ohlcv, "):
        goals(series=["ohlcv", "ohlvc"])
    for series in ("ohlcv", "depth", "limits"):
        with pytest.raises(UnknownNameError, match="unknown venue of ccxt 'binanse'; did you mean binance"):
            goals(series=[series], venues=["binanse"])


def test_a_venue_outside_the_table_is_asked_for_what_its_client_has() -> None:
    assert plan("ohlcv", ("deribit",)) == [("deribit", "")]
    assert plan("depth", ("deribit",)) == [("deribit", "serves no history over REST")]
    (goal,) = goals(venues=["deribit"])
    assert goal.sources[0].availability is not None
    assert goal.sources[0].availability.mark == "U"


def test_symbols_are_those_of_the_dollar_perpetual() -> None:
    assert symbols_of("binanceusdm", "SOL") == ("SOL/USDT:USDT",)
    assert symbols_of("binancecoinm", "SOL") == ("SOL/USD:SOL",)
    assert symbols_of("krakenfutures", "SOL") == ("SOL/USD:USD",)
    assert symbols_of("bitmex", "BTC") == ("BTC/USDT:USDT", "BTC/USD:BTC")


def test_days_of_a_window() -> None:
    at = dt.datetime.fromisoformat
    assert days_between(at("2025-10-10T23:59:59.999999"), at("2025-10-11T00:00")) == BEFORE
    assert days_between(at("2025-10-10"), at("2025-10-11T00:00:00.000001")) == CRASH_DAYS
    assert days_between(at("2024-02-28"), at("2024-03-01")) == (dt.date(2024, 2, 28), dt.date(2024, 2, 29))


@pytest.mark.parametrize(
    ("venue", "series", "requests"),
    [
        # two days have 2,880 bars, 576 steps of five minutes, 48 hours
        ("binanceusdm", "ohlcv", 3),
        ("okx", "ohlcv", 10),
        ("hyperliquid", "ohlcv", 1),
        ("binanceusdm", "open_interest", 2),
        ("binanceusdm", "limits", 0),
        ("bybit", "leverage_tiers", 1),
    ],
)
def test_requests_are_counted_from_the_pages(venue: str, series: str, requests: int) -> None:
    now = dt.datetime.fromisoformat("2025-10-12T06:00")
    (goal,) = goals(series=[series], venues=[venue], now=now)
    assert requests_for(goal, goal.sources[0], goal.days) == requests
    assert requests_for(goal, goal.sources[0], ()) == 0


def test_days_apart_are_requests_apart() -> None:
    days = tuple(dt.date(2025, 10, day) for day in (1, 3, 5))
    (goal,) = goals(days=days, venues=["binanceusdm"])
    assert requests_for(goal, goal.sources[0], days) == 3 * 2


def test_an_archive_is_one_file_a_day_and_a_source_passed_over_none() -> None:
    goal = Target("depth", "BTC", "1m", CRASH_DAYS, ())
    assert requests_for(goal, Source("binanceusdm", "BTC/USDT:USDT", "archive", root="x"), CRASH_DAYS) == 2
    assert requests_for(goal, Source("binanceusdm", "BTC/USDT:USDT", "archive", root="x", skip="no"), CRASH_DAYS) == 0


def test_what_the_lake_has_is_not_missing() -> None:
    source = Source("bybit", "BTC/USDT:USDT", "rest")
    goal = Target("ohlcv", "BTC", "1m", CRASH_DAYS, (source,))
    assert goal.missing(source, CRASH_DAYS) == [*CRASH_DAYS]
    path = Place("bybit", "BTC/USDT:USDT", "ohlcv").file(CRASH_DAYS[0])
    path.parent.mkdir(parents=True)
    path.touch()
    assert goal.missing(source, CRASH_DAYS) == [*ON]
    assert goal.missing(source, BEFORE) == []
    path.unlink()
    Path(path.parent / f".{path.name}.1.partial").touch()
    assert goal.missing(source, BEFORE) == [*BEFORE]


@pytest.mark.parametrize(
    ("venue", "series", "now", "why"),
    [
        ("binanceusdm", "open_interest", "2025-11-09T12:00", "serves the last 30 days only"),
        ("hyperliquid", "ohlcv", "2025-10-14T00:00", "serves the last 3.47 days only"),
    ],
)
def test_a_day_that_is_partly_too_old_is_left_to_the_next_source(venue: str, series: str, now: str, why: str) -> None:
    time = dt.datetime.fromisoformat(now)
    planned = wanted([venue], [series], now=time)
    (source,) = planned[0].sources
    assert [source.serves(day) for day in CRASH_DAYS] == [False, True]
    assert requests_for(planned[0], source, CRASH_DAYS) == 1
    outcome, _ = fetched(planned, now=time)
    assert [(day.day, day.missing) for day in outcome.served] == [(ON[0], 0)]
    assert [(denial.days, denial.reason) for denial in outcome.denied] == [(BEFORE, why)]


def test_a_day_from_its_first_minute_on_is_served() -> None:
    time = dt.datetime.fromisoformat("2025-11-09T00:00")
    (source,) = wanted(["binanceusdm"], ["open_interest"], now=time)[0].sources
    assert (source.since, source.skip) == (CRASH_DAYS[0], "")
