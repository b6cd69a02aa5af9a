"""The sample: which span a run takes, which source, and files that are not what the event says."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from backtest.errors import DataError, DataGapError
from backtest.lake.place import Place
from backtest.lake.series import BAR_COLUMNS
from backtest.lake.write import write_day
from backtest.market import tape
from backtest.market.tape import (
    ANY_WINDOW,
    RequestedWindow,
    choose_span,
    common_window,
    find_tape,
    sample_bars,
    spans_of,
)
from tests.fetch.standins import FakeEvent, FakeSample, flat, utc

FIRST = FakeSample("binanceusdm", "BTC", "first.csv", utc("10:00"), utc("14:00"), 240)
SECOND = FakeSample("binanceusdm", "BTC", "second.csv", utc("20:00"), utc("23:00"), 180)
EVENT = FakeEvent("2025-10-10", utc("10:00"), utc("22:00"), utc("08:00"), utc("23:30"), (FIRST, SECOND))
CORE = (EVENT.core_start, EVENT.core_end)
SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tape, "asset", lambda *parts: tmp_path.joinpath(*parts[2:]))
    return tmp_path


def test_the_span_with_most_of_the_core_wins() -> None:
    assert choose_span([SECOND, FIRST], CORE) is FIRST
    assert choose_span([FIRST, SECOND], (utc("13:00"), utc("22:00"))) is SECOND


def test_a_tie_goes_to_the_later_span() -> None:
    core = (utc("12:00"), utc("22:00"))
    assert choose_span([FIRST, SECOND], core) is choose_span([SECOND, FIRST], core) is SECOND
    assert choose_span([FIRST, SECOND], (utc("15:00"), utc("16:00"))) is SECOND


def test_a_time_asked_for_decides_the_span() -> None:
    assert choose_span([FIRST, SECOND], CORE, RequestedWindow(utc("20:00"), None)) is SECOND
    assert choose_span([FIRST, SECOND], CORE, RequestedWindow(None, utc("23:00"))) is SECOND
    assert choose_span([FIRST, SECOND], CORE, RequestedWindow(utc("13:59"), utc("23:00"))) is FIRST


def test_the_venues_own_spans_come_first() -> None:
    other = FakeSample("bybit", "BTC", "bybit.csv", utc("10:00"), utc("11:00"), 60)
    assert spans_of([SECOND, other, FIRST], "BTC", "bybit") == (other,)
    assert spans_of([SECOND, other, FIRST], "BTC", "hyperliquid") == (FIRST, SECOND)
    assert spans_of([SECOND, other, FIRST], "ETH", "bybit") == ()


def test_tape_of_the_sample() -> None:
    tape = find_tape(EVENT, "hyperliquid", "BTC/USDC:USDC", "BTC", ANY_WINDOW)
    assert (tape.venue, tape.start, tape.end) == ("binanceusdm", FIRST.start, FIRST.end)
    assert tape.where == "data/sample/first.csv"
    assert tape.unused((utc("10:00"), utc("14:00"))) == [SECOND]
    both = find_tape(EVENT, "hyperliquid", "BTC/USDC:USDC", "BTC", RequestedWindow(utc("10:00"), utc("21:00")))
    assert both.where == "data/sample/first.csv and data/sample/second.csv"
    assert both.unused((utc("10:00"), utc("21:00"))) == []


def lake_day(venue: str, symbol: str, day: str) -> None:
    start = dt.datetime.fromisoformat(day)
    write_day(flat(start + dt.timedelta(hours=9), 5), Place(venue, symbol, "ohlcv"), start.date())


def test_the_lake_of_the_venue_itself_comes_first() -> None:
    lake_day("binanceusdm", SYMBOL, "2025-10-10")
    lake_day("bybit", SYMBOL, "2025-10-10")
    own = find_tape(EVENT, "bybit", SYMBOL, "BTC", ANY_WINDOW)
    assert (own.venue, own.spans) == ("bybit", ())
    assert (own.start, own.end) == (EVENT.start, EVENT.end)
    assert own.read((utc("09:01"), utc("09:04"))).height == 3


def test_without_it_the_next_venue_of_the_chain_stands_in_under_its_own_symbol() -> None:
    lake_day("okx", SYMBOL, "2025-10-10")
    lake_day("bitmex", "BTC/USD:BTC", "2025-10-10")
    tape = find_tape(EVENT, "hyperliquid", "BTC/USDC:USDC", "BTC", ANY_WINDOW)
    assert (tape.symbol, tape.place.market) == ("BTC/USDC:USDC", ("okx", SYMBOL))
    assert tape.read((utc("09:00"), utc("10:00"))).height == 5
    other = find_tape(EVENT, "bitmex", SYMBOL, "BTC", ANY_WINDOW)
    assert other.place.market == ("bitmex", "BTC/USD:BTC")


def test_a_stretch_of_the_lake_ends_where_a_day_is_missing() -> None:
    long = FakeEvent(EVENT.id, *CORE, utc("2025-10-08"), utc("2025-10-14"), (FIRST, SECOND))
    for day in ("2025-10-08", "2025-10-10", "2025-10-11", "2025-10-13"):
        lake_day("binanceusdm", SYMBOL, day)
    tape = find_tape(long, "binanceusdm", SYMBOL, "BTC", ANY_WINDOW)
    assert (tape.start, tape.end) == (utc("2025-10-10"), utc("2025-10-12"))


def test_own_bars_without_the_core_come_before_the_sample_but_after_another_venue() -> None:
    long = FakeEvent(EVENT.id, *CORE, utc("2025-10-08"), utc("2025-10-14"), (FIRST, SECOND))
    lake_day("bybit", SYMBOL, "2025-10-13")
    assert find_tape(long, "bybit", SYMBOL, "BTC", ANY_WINDOW).venue == "bybit"
    lake_day("okx", SYMBOL, "2025-10-10")
    assert find_tape(long, "bybit", SYMBOL, "BTC", ANY_WINDOW).venue == "okx"


def test_no_bars_at_all() -> None:
    with pytest.raises(DataGapError) as caught:
        find_tape(EVENT, "bybit", "ETH/USDT:USDT", "ETH", ANY_WINDOW)
    assert str(caught.value) == (
        "2025-10-10: no bars of ETH for bybit; coins in the sample: BTC; "
        "run crashbook fetch 2025-10-10 --venue bybit or choose other coins"
    )
    assert caught.value.exit_code == 3


def test_window_is_what_all_share() -> None:
    sol = FakeSample("binanceusdm", "SOL", "sol.csv", utc("11:00"), utc("16:00"), 300)
    event = FakeEvent(EVENT.id, *CORE, utc("11:30"), EVENT.end, (FIRST, SECOND, sol))
    tapes = [find_tape(event, "bybit", coin, coin, ANY_WINDOW) for coin in ("BTC", "SOL")]
    assert common_window(event, tapes, ANY_WINDOW) == (utc("11:30"), utc("14:00"))
    assert common_window(event, tapes, RequestedWindow(utc("09:00"), utc("12:00"))) == (utc("09:00"), utc("12:00"))


def test_an_empty_window_names_what_there_is() -> None:
    tapes = [find_tape(EVENT, "bybit", SYMBOL, "BTC", ANY_WINDOW)]
    with pytest.raises(DataGapError) as caught:
        common_window(EVENT, tapes, RequestedWindow(utc("15:00"), None))
    assert str(caught.value) == (
        "2025-10-10: empty window 2025-10-10T15:00:00 to 2025-10-10T14:00:00; there are bars of "
        "BTC 2025-10-10T10:00:00 to 2025-10-10T14:00:00; change start, end or coins"
    )


HEADER = "ts,open,high,low,close,volume,quote_volume\n"
ROW = "1760090400000,117590.80,117611.70,117585.40,117601.10,497.708,1.0\n"  # 2025-10-10 10:00
ONE = FakeSample("binanceusdm", "BTC", "one.csv", utc("10:00"), utc("10:01"), 1)


def test_text_is_read_exactly(folder: Path) -> None:
    (folder / "one.csv").write_text(HEADER + ROW)
    rows = sample_bars([ONE], utc("10:00"), utc("10:01")).rows()
    assert rows == [(utc("10:00"), 117590.8, 117611.7, 117585.4, 117601.1, 497.708)]
    assert sample_bars([ONE], utc("10:01"), utc("10:05")).rows() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "data/sample/one.csv: no such file; it is part of the program; restore it"),
        ("", "data/sample/one.csv: not a CSV file of bars; restore it"),
        (
            HEADER.replace("low", "lwo") + ROW,
            f"data/sample/one.csv: no column low; allowed: a header with {', '.join(BAR_COLUMNS)}; restore the file",
        ),
        (HEADER + ROW + ROW, "data/sample/one.csv: 2 bars; allowed: the 1 of the event's entry; restore the file"),
    ],
    ids=["absent", "empty", "header", "rows"],
)
def test_a_file_that_is_not_what_the_event_says(folder: Path, text: str | None, message: str) -> None:
    if text is not None:
        (folder / "one.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        sample_bars([ONE], utc("10:00"), utc("10:01"))
    assert str(caught.value) == message


def test_unreadable_numbers_reach_the_checks(folder: Path) -> None:
    (folder / "one.csv").write_text(HEADER + ROW.replace("117611.70", "high"))
    assert sample_bars([ONE], utc("10:00"), utc("10:01"))["high"].to_list() == [None]
    (folder / "one.csv").write_text(HEADER + ROW.replace("1760090400000", "noon"))
    assert sample_bars([ONE], utc("10:00"), utc("10:01"))["ts"].to_list() == [None]
