"""Bars of other timeframes than a minute, from the lake: walked as they are, with their own clock and volatility."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import polars as pl
import pytest

from backtest.errors import ConfigError, DataGapError
from backtest.lake.place import Place
from backtest.lake.write import write_day
from backtest.run.prepare import Prepared, prepare
from backtest.run.resolve import resolve
from tests.fetch.standins import bars

BTC = "BTC/USDC:USDC"
START = dt.datetime.fromisoformat("2025-10-10T21:00")
SMALL = {"coins": ("BTC",), "positions": 60, "open_interest_usd": 1e7, "start": START}


def store(timeframe: str, step: dt.timedelta, count: int) -> None:
    """Store bars that fall by 10 each, at a venue without any."""
    rows = [(100_000.0 - 10 * k, 100_001.0 - 10 * k, 99_989.0 - 10 * k, 99_990.0 - 10 * k, 5.0) for k in range(count)]
    frame = bars(START, rows).with_columns(
        ts=pl.Series([START + k * step for k in range(count)], dtype=pl.Datetime("us"))
    )
    write_day(frame, Place("hyperliquid", BTC, "ohlcv", "" if timeframe == "1m" else timeframe), START.date())


def prepared(timeframe: str, end: dt.datetime, **more: object) -> Prepared:
    return prepare(resolve("2025-10-10", {**SMALL, "timeframe": timeframe, "end": end, **more}))


def test_bars_of_a_second_are_walked_as_they_are() -> None:
    store("1s", dt.timedelta(seconds=1), 90)
    made = prepared("1s", START + dt.timedelta(seconds=90), step_s=3.0)
    assert (made.market.bar_s, made.world.bar_s, made.world.walk.parts) == (1, 1, 4)
    assert made.world.trade_high.shape == (1, 90)
    assert made.world.walk.trade[0, :4].tolist() == [1_000_000, 1_000_010, 999_890, 999_900]
    assert made.market.labels["prices"]["text"] == "bars of 1s of hyperliquid"


def test_the_volatility_of_a_bar_follows_by_the_root_of_time() -> None:
    store("1s", dt.timedelta(seconds=1), 60)
    store("1m", dt.timedelta(minutes=1), 20)
    store("15m", dt.timedelta(minutes=15), 2)
    second = prepared("1s", START + dt.timedelta(seconds=60)).world.rules.strength
    minute = prepared("1m", START + dt.timedelta(minutes=20)).world.rules.strength
    quarter = prepared("15m", START + dt.timedelta(minutes=30)).world.rules.strength
    assert minute == Fraction(3, 1000)
    assert float(second / minute) == pytest.approx(60**-0.5, abs=1e-9)
    assert float(quarter / minute) == pytest.approx(15**0.5, abs=1e-9)


def test_a_window_that_opens_inside_a_bar_is_refused() -> None:
    store("1h", dt.timedelta(hours=1), 2)
    with pytest.raises(ConfigError, match=r"end = 2025-10-10T22:30:00; allowed: whole multiples of 3600 s"):
        prepared("1h", START + dt.timedelta(minutes=90))
    assert prepared("1h", START + dt.timedelta(hours=2)).world.bar_s == 3600


def test_the_sample_has_bars_of_a_minute_only() -> None:
    with pytest.raises(DataGapError, match=r"no bars of 1s of BTC for hyperliquid in the lake; run crashbook fetch"):
        prepared("1s", START + dt.timedelta(seconds=90))
