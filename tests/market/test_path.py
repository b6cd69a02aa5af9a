"""The path: units, the mark model, windows, gaps, funding, labels and digest."""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.assets import asset
from backtest.errors import ConfigError, DataError, DataGapError, RangeError
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from backtest.market.mark_model import model_mark
from backtest.market.path import build_market
from backtest.market.units import in_units, instrument_of
from backtest.mechanics.exact import half_even
from backtest.schema.tables import TABLES
from tests.fetch.standins import FakeEvent, FakeSample, FakeVenue, bars, flat, scenario, utc

COINS = ("BTC", "SOL", "XRP", "DOGE", "LINK")


def span(coin: str, day: str, start: str, end: str, rows: int) -> FakeSample:
    return FakeSample("binanceusdm", coin, f"binanceusdm_{coin}USDT_1m_{day}.csv", utc(start), utc(end), rows)


TARIFF = FakeEvent(
    "2025-10-10",
    utc("20:50"),
    utc("21:30"),
    utc("12:00"),
    utc("2025-10-11T12:00"),
    (
        span("BTC", "2025-10-10", "18:00", "2025-10-11T00:00", 360),
        *(span(coin, "2025-10-10", "20:40", "22:21", 101) for coin in COINS[1:]),
    ),
)
COVID = FakeEvent(
    "2020-03-12",
    utc("2020-03-12T10:00"),
    utc("2020-03-13T03:00"),
    utc("2020-03-11T12:00"),
    utc("2020-03-13T12:00"),
    (
        span("BTC", "2020-03-12", "2020-03-12T10:00", "2020-03-12T14:00", 240),
        span("BTC", "2020-03-13", "2020-03-12T23:30", "2020-03-13T03:30", 240),
    ),
)
SMALL = FakeEvent("small", utc("09:00"), utc("09:05"), utc("09:00"), utc("09:06"))
BTC = "BTC/USDT:USDT"
LOW = 2


def store(frame: pl.DataFrame, series: str = "ohlcv", symbol: str = BTC, venue: str = "binanceusdm") -> None:
    for (day,), rows in frame.group_by(pl.col("ts").dt.date(), maintain_order=True):
        assert isinstance(day, dt.date)
        write_day(rows, Place(venue, symbol, series), day)


# units


@pytest.mark.parametrize("coin", COINS)
def test_sample_prices_are_exact_in_ticks_and_volumes_floored_to_lots(coin: str) -> None:
    with asset("data", "sample", f"binanceusdm_{coin}USDT_1m_2025-10-10.csv").open() as file:
        rows = list(csv.DictReader(file))
    first, last = (dt.datetime.fromtimestamp(int(row["ts"]) / 1000, dt.UTC) for row in (rows[0], rows[-1]))
    whole = {"start": first.replace(tzinfo=None), "end": last.replace(tzinfo=None) + dt.timedelta(minutes=1)}
    path = build_market(TARIFF, FakeVenue(), scenario([coin], **whole))
    unit = path.instruments[0]
    assert len(rows) == path.trade.shape[1]
    for row, ticks, lots in zip(rows, path.trade[0].tolist(), path.volume_lots[0].tolist(), strict=True):
        assert [tick * unit.tick for tick in ticks] == [Decimal(row[name]) for name in ("open", "high", "low", "close")]
        assert lots == int((Decimal(row["volume"]) / unit.lot).to_integral_value(ROUND_FLOOR))


def test_doge_and_link_units() -> None:
    path = build_market(TARIFF, FakeVenue(), scenario(["DOGE", "LINK"]))
    doge, link = path.instruments
    assert (doge.tick, doge.lot, doge.q_tick) == (Decimal("0.00001"), Decimal(1), 10)
    assert (link.tick, link.lot, link.q_tick) == (Decimal("0.001"), Decimal("0.01"), 10)
    assert path.trade[:, 0].tolist() == [[23351, 23372, 23333, 23351], [20580, 20607, 20577, 20594]]
    assert path.volume_lots[:, 0].tolist() == [7556530, 1139857]


@given(
    st.lists(st.decimals("0.00001", 999999, places=5), min_size=1, max_size=20),
    st.sampled_from(["0.1", "0.00001", "0.5", "0.25", "3"]),
)
@pytest.mark.property
def test_units_agree_with_fractions(values: list[Decimal], unit: str) -> None:
    floats = np.array([float(value) for value in values])
    exact = [Fraction(value) / Fraction(unit) for value in values]
    assert in_units(floats, Decimal(unit), ROUND_FLOOR).tolist() == [floor(value) for value in exact]
    assert in_units(floats, Decimal(unit)).tolist() == [half_even(x.numerator, x.denominator) for x in exact]


@given(
    st.lists(st.decimals("0.001", 9999, places=3), min_size=1, max_size=10),
    st.sampled_from(["0.1", "0.5", "0.25", "1", "0.002"]),
)
@pytest.mark.property
def test_tick_divides_prices_and_the_venues_tick(prices: list[Decimal], tick: str) -> None:
    unit = instrument_of("X/USDT:USDT", "X", Decimal(tick), Decimal("0.01"), np.array([float(x) for x in prices]))
    assert Decimal(tick) % unit.tick == 0
    assert all(price % unit.tick == 0 for price in prices)
    assert unit.tick == Decimal(tick) or any(price % Decimal(tick) for price in prices)


def test_a_finer_tape_is_flagged() -> None:
    path = build_market(COVID, FakeVenue(), scenario())
    assert path.instruments[0].tick == Decimal("0.01")
    assert path.trade[0, 0].tolist() == [735851, 736023, 735100, 735870]
    assert f"{BTC}: prices are no multiples of the venue's tick 0.1; the tick is 0.01." in path.notes


def test_prices_with_the_noise_of_floats_are_refused() -> None:
    store(flat(utc("09:00"), 6, price=0.1 + 0.2))
    with pytest.raises(DataError, match=r"price 0\.30000000000000004; allowed: at most 12 digits; round it as publ"):
        build_market(SMALL, FakeVenue(), scenario())


def test_values_beyond_64_bits_are_refused() -> None:
    with pytest.raises(RangeError, match=r"1e\+17 in units of 0\.001 exceeds 2\*\*62"):
        in_units(np.array([1.0, 1e17]), Decimal("0.001"))


# the mark model


def test_mark_of_one_bar_by_hand() -> None:
    # low first (30 below the open, 90 above); half-life 20 s: each third of the minute keeps half of the distance
    # and lags 1/(2 ln 2) of a segment: 970 + 30 x 0.72135 = 991.64; 1090 - 120 x 0.72135 + 21.64 / 2 = 1014.26;
    # 1000 + 90 x 0.72135 - 75.74 / 2 = 1027.05
    bar = np.array([[1000, 1090, 970, 1000]])
    assert model_mark(bar, 60, 20).tolist() == [[1000, 1027, 992, 1027]]
    assert model_mark(bar, 60, 20, mark_per_tick=100).tolist() == [[100000, 102705, 99164, 102705]]


def test_marks_are_rounded_once_half_to_even() -> None:
    for jump, close in ((4, 1004), (12, 1010), (20, 1018)):  # 1003.5, 1010.5 and 1017.5
        assert model_mark(np.array([[1000] * 4, [1000 + jump] * 4]), 60, 20)[1].tolist() == [1000, close, 1000, close]


def test_the_mark_rests_between_bars_and_follows_within() -> None:
    trade = np.array([[1000] * 4, [500] * 4, [900] * 4, [900] * 4])
    mark = model_mark(trade, 60, 30)
    assert mark[1:, 0].tolist() == mark[:-1, 3].tolist()
    assert mark[1].tolist() == [1000, 1000, 625, 625]  # two half-lives on: a quarter of the distance is left


def test_a_half_life_of_zero_is_the_trade_price() -> None:
    trade = np.array([[1000, 1090, 970, 1001], [1005, 1006, 900, 950]])
    assert model_mark(trade, 60, 0).tolist() == trade.tolist()
    assert model_mark(trade, 60, 0, mark_per_tick=10).tolist() == (trade * 10).tolist()


def test_mark_model_agrees_with_small_steps() -> None:
    trade = np.array([[10000, 10900, 9700, 9900], [9800, 9850, 5000, 7000], [7100, 9000, 7050, 8800]])
    orders = [(10000, 9700, 10900, 9900), (9800, 9850, 5000, 7000), (7100, 7050, 9000, 8800)]
    level, per_segment = 10000.0, 20000
    decay = 2.0 ** (-20 / per_segment / 45)
    for bar, order in zip(model_mark(trade, 60, 45).tolist(), orders, strict=True):
        points = [level]
        for start, end in pairwise(order):
            for step in range(per_segment):
                target = start + (end - start) * (step + 0.5) / per_segment
                level = target + (level - target) * decay
            points.append(level)
        expected = [points[0], max(points), min(points), points[-1]]
        assert np.abs(np.array(bar) - expected).max() < 0.51


def test_a_wick_is_not_a_mark() -> None:
    path = build_market(TARIFF, FakeVenue(), scenario(["DOGE", "LINK"]))
    trade_low, mark_low = path.trade[..., LOW].min(axis=1), path.mark[..., LOW].min(axis=1)
    assert trade_low.tolist() == [8385, 8164]
    assert (mark_low > trade_low * 1.1).all()
    raw = build_market(TARIFF, FakeVenue(), scenario(["DOGE", "LINK"], mark_half_life_s=0.0))
    assert raw.mark.tolist() == raw.trade.tolist()
    assert raw.labels["mark"]["text"] == "the trade price itself: DOGE/USDT:USDT, LINK/USDT:USDT"


def test_measured_marks_replace_the_model_and_are_rounded_half_to_even() -> None:
    store(flat(utc("09:00"), 6))
    store(bars(utc("09:00"), [(100.05, 100.15, 99.95, 100.149999, 0)] * 6), "mark_ohlcv")
    path = build_market(SMALL, FakeVenue(), scenario())
    assert path.mark[0].tolist() == [[1000, 1002, 1000, 1001]] * 6
    assert path.labels["mark"] == {"badge": "measured", "text": "mark price bars of binanceusdm"}


def test_marks_with_a_hole_are_not_used() -> None:
    store(flat(utc("09:00"), 6))
    store(flat(utc("09:00"), 5, price=90, volume=0), "mark_ohlcv")
    path = build_market(SMALL, FakeVenue(), scenario())
    assert set(path.mark.ravel().tolist()) == {1000}
    modelled = "is modelled (EMA of the trade price, half-life 30 s): the lake has 5 of the 6 mark bars of binanceusdm."
    assert f"The mark of {BTC} {modelled}" in path.notes


# windows and sources


def test_coins_share_the_intersection_of_their_spans() -> None:
    path = build_market(TARIFF, FakeVenue("hyperliquid", "USDC", "USDC"), scenario(COINS))
    assert path.trade.shape == (5, 101, 4)
    assert path.open_ts[0] == np.datetime64("2025-10-10T20:40", "us").astype(np.int64)
    assert np.diff(path.open_ts).tolist() == [60_000_000] * 100
    assert path.core_bar == 10
    assert path.entry_profiles == (None,) * 5
    window = "The window is 2025-10-10T20:40:00 to 2025-10-10T22:21:00, all that the coins of the sample share"
    assert any(note.startswith(window) for note in path.notes)
    assert any(note.startswith("The pre-roll is short (0.2 h before the core)") for note in path.notes)


def test_leaving_out_coins_does_not_move_the_window() -> None:
    hyperliquid = FakeVenue("hyperliquid", "USDC", "USDC")
    every, alone = (build_market(TARIFF, hyperliquid, scenario(coins)) for coins in (COINS, ["BTC"]))
    assert np.array_equal(alone.open_ts, every.open_ts)
    assert np.array_equal(alone.trade[0], every.trade[0])
    more = "The sample has more of BTC, 2025-10-10T18:00:00 to 2025-10-11T00:00:00: name start and end to walk it."
    assert more in alone.notes
    assert more not in every.notes
    asked = build_market(TARIFF, hyperliquid, scenario(["BTC"], start=utc("18:00")))
    assert asked.trade.shape == (1, 261, 4)
    late = build_market(TARIFF, hyperliquid, scenario(["BTC"], start=utc("22:30")))
    assert late.trade.shape == (1, 90, 4)


def test_bars_of_another_venue_are_a_declared_proxy() -> None:
    path = build_market(TARIFF, FakeVenue("hyperliquid", "USDC", "USDC"), scenario(["BTC", "SOL"]))
    assert path.labels["prices"] == {
        "badge": "proxy",
        "text": "minute bars of binanceusdm stand in for the prices of hyperliquid: BTC, SOL",
        "source": "binanceusdm",
    }
    assert "Prices of BTC, SOL are those of binanceusdm, a declared proxy for hyperliquid." in path.notes
    assert {row["label"] for row in path.coverage if row["series"] == "ohlcv"} == {"proxy"}
    own = build_market(TARIFF, FakeVenue(), scenario(["BTC", "SOL"]))
    assert own.labels["prices"]["badge"] == "measured"
    assert not any("proxy" in note for note in own.notes)


def test_two_spans_of_one_coin() -> None:
    first = build_market(COVID, FakeVenue(), scenario())
    assert first.trade[0, :, LOW].min() == 519917
    other = "The sample also has BTC 2020-03-12T23:30:00 to 2020-03-13T03:30:00: run it with --set start="
    assert f"{other}2020-03-12T23:30:00." in first.notes
    second = build_market(COVID, FakeVenue(), scenario(start=utc("2020-03-12T23:30")))
    assert second.trade.shape == (1, 240, 4)
    assert second.trade[0, :, LOW].min() == 362181


def test_a_window_across_both_spans_needs_the_gap_to_be_allowed() -> None:
    window = {"start": utc("2020-03-12T13:58"), "end": utc("2020-03-12T23:32")}
    with pytest.raises(DataGapError) as caught:
        build_market(COVID, FakeVenue(), scenario(**window))
    assert str(caught.value) == (
        f"{BTC}: 570 bars missing (34200 s): 2020-03-12T14:00:00 to 2020-03-12T23:30:00; allowed: a bar a minute; "
        "run crashbook fetch 2020-03-12 --venue binanceusdm, carry them flat with --allow-gaps or narrow start and end"
    )
    path = build_market(COVID, FakeVenue(), scenario(**window, allow_gaps=True))
    assert path.bridged.sum() == 570
    assert path.trade[0, 2:-2, 0].tolist() == [int(path.trade[0, 1, 3])] * 570


def test_a_window_before_the_bars_is_refused_even_with_gaps_allowed() -> None:
    asked = scenario(["BTC", "SOL"], start=utc("20:30"), end=utc("21:00"), allow_gaps=True)
    with pytest.raises(DataGapError, match=r"SOL/USDT:USDT: 10 bars missing \(600 s\): 2025-10-10T20:30:00 to .*20:40"):
        build_market(TARIFF, FakeVenue(), asked)


def test_times_between_minutes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"start = 2025-10-10T21:00:30; allowed: whole minutes"):
        build_market(TARIFF, FakeVenue(), scenario(start=utc("21:00:30")))


def test_an_unknown_coin_lists_those_of_the_sample() -> None:
    with pytest.raises(DataGapError, match="no bars of ETH for binanceusdm; coins in the sample: BTC, DOGE, LINK, SOL"):
        build_market(TARIFF, FakeVenue(), scenario(["BTC", "ETH"]))


def test_the_lake_replaces_the_sample_and_gives_the_events_window() -> None:
    store(flat(utc("12:00"), 1440, price=117000.5))
    path = build_market(TARIFF, FakeVenue(), scenario(["BTC"]))
    assert path.trade.shape == (1, 1440, 4)
    assert path.labels["prices"]["text"] == "minute bars of binanceusdm"
    assert path.coverage[0]["source"].startswith("binanceusdm: data/lake/ohlcv/venue=binanceusdm/symbol=BTC")
    assert not any(note.startswith("The window") for note in path.notes)
    mixed = build_market(TARIFF, FakeVenue(), scenario(["BTC", "SOL"]))
    assert mixed.trade.shape == (2, 101, 4)


# gaps and bad rows


def test_holes_are_refused_or_carried_flat() -> None:
    whole = bars(utc("09:00"), [(100, 101, 99, 100.5, 5)] * 6)
    store(whole[[0, 1, 4]])
    with pytest.raises(DataGapError) as caught:
        build_market(SMALL, FakeVenue(), scenario())
    assert caught.value.exit_code == 3
    gaps = "2025-10-10T09:02:00 to 2025-10-10T09:04:00, 2025-10-10T09:05:00 to 2025-10-10T09:06:00"
    refusal = f"{BTC}: 3 bars missing (longest 120 s): {gaps}; allowed: a bar a minute; run crashbook fetch small"
    assert refusal in str(caught.value)
    path = build_market(SMALL, FakeVenue(), scenario(allow_gaps=True))
    assert path.bridged[0].tolist() == [False, False, True, True, False, True]
    assert path.trade[0, 2].tolist() == [1005] * 4
    assert path.volume_lots[0].tolist() == [5000, 5000, 0, 0, 5000, 0]
    assert f"{BTC}: 3 missing bars are carried flat, without volume: {gaps}." in path.notes
    row = path.coverage[0]
    assert (row["expected_rows"], row["rows"], row["gaps"], row["longest_gap_s"], row["bridged"]) == (6, 3, 2, 120, 3)


def test_a_hole_of_one_symbol_does_not_touch_the_other() -> None:
    store(flat(utc("09:00"), 6))
    store(flat(utc("09:00"), 6, price=20)[[0, 2, 3, 4, 5]], symbol="SOL/USDT:USDT")
    path = build_market(SMALL, FakeVenue(), scenario(["BTC", "SOL"], allow_gaps=True))
    assert path.bridged.sum(axis=1).tolist() == [0, 1]


def test_a_bad_row_in_the_lake_is_one_line() -> None:
    store(bars(utc("09:00"), [(100, 101, 99, 100.5, 5), (100, 99, 101, 100, 5), *[(100, 100, 100, 100, 1)] * 4]))
    with pytest.raises(DataError) as caught:
        build_market(SMALL, FakeVenue(), scenario())
    assert str(caught.value) == (
        "data/lake/ohlcv/venue=binanceusdm/symbol=BTC%2FUSDT%3AUSDT/1m: BTC/USDT:USDT: a high below the low at "
        "2025-10-10T09:01:00 (1 such row); allowed: low <= high; correct the file or delete it and fetch it again"
    )


def test_duplicates_are_dropped_and_flagged() -> None:
    frame = flat(utc("09:00"), 6)
    store(pl.concat([frame[:3], frame[2:]]))
    path = build_market(SMALL, FakeVenue(), scenario())
    assert path.coverage[0]["duplicates"] == 1
    assert f"{BTC}: 1 rows of ohlcv came twice and were dropped." in path.notes


# funding, pre-roll, coverage, digest


def test_funding_belongs_to_the_bar_it_falls_in() -> None:
    store(flat(utc("09:00"), 6))
    jitter = utc("09:03") + dt.timedelta(milliseconds=7)  # venues stamp late
    store(pl.DataFrame({"ts": [utc("09:00"), jitter, utc("09:06")], "rate": [1e-4, -3.75e-5, 9e-4]}), "funding")
    path = build_market(SMALL, FakeVenue(), scenario())
    assert path.funding == ((0, 0, 100_000, 0, 100_000), (3, 0, -37_500, 0, -37_500))
    off = "has 1 settlement off the venue's clock (every 1 h), the first at 2025-10-10T09:03:00: paid as fetched."
    assert [note for note in path.notes if "unding" in note] == [f"Funding of {BTC} {off}"]


def test_absent_funding_is_flagged() -> None:
    path = build_market(TARIFF, FakeVenue(), scenario(["BTC"]))
    assert path.funding == ()
    assert path.notes[-1] == f"There is no funding data in the window: {BTC}."


@pytest.mark.parametrize(("minutes", "known"), [(360, True), (359, False)])
def test_six_hours_before_the_core_give_an_entry_profile(minutes: int, known: bool) -> None:
    start = utc("09:00") - dt.timedelta(minutes=minutes)
    event = FakeEvent("long", utc("09:00"), utc("09:05"), start, utc("09:06"))
    calm = bars(start, [(100, 104, 96, 100, 2), (110, 110, 110, 110, 3), *[(100, 100, 100, 100, 1)] * (minutes - 2)])
    store(pl.concat([calm, flat(utc("09:00"), 6, price=50)]))
    path = build_market(event, FakeVenue(), scenario(mark_half_life_s=0.0, allow_suspect=True))
    assert path.core_bar == minutes
    assert (path.pre_low.tolist(), path.pre_high.tolist()) == ([960], [1100])
    profile = path.entry_profiles[0]
    assert (profile is not None) == known
    if profile is not None:
        assert profile[0].tolist() == [1000, 1100]
        assert profile[1].tolist() == [2000 + 1000 * 358, 3000]
    row = next(row for row in path.coverage if row["series"] == "pre_roll")
    assert (row["expected_rows"], row["rows"], row["gaps"]) == (480, minutes, 0)


def test_a_window_before_the_core_bounds_entries_by_its_first_bar() -> None:
    path = build_market(TARIFF, FakeVenue(), scenario(["BTC"], end=utc("20:00"), mark_half_life_s=0.0))
    assert path.core_bar == path.trade.shape[1] == 120
    assert [path.pre_high[0], path.pre_low[0]] == path.trade[0, 0, 1:3].tolist()
    assert path.entry_profiles == (None,)


def test_coverage_has_four_series_for_each_symbol() -> None:
    path = build_market(TARIFF, FakeVenue("hyperliquid", "USDC", "USDC"), scenario(["BTC", "SOL"]))
    assert [row["series"] for row in path.coverage] == [
        name for name in ("ohlcv", "mark_ohlcv", "funding", "pre_roll") for _ in range(2)
    ]
    assert all(("run_id", *row) == TABLES["coverage"].names for row in path.coverage)
    labels = {row["series"]: row["label"] for row in path.coverage}
    assert labels == {"ohlcv": "proxy", "mark_ohlcv": "modelled", "funding": "missing", "pre_roll": "proxy"}


def test_equal_inputs_give_equal_bytes_and_one_price_changes_the_digest() -> None:
    def built(last: float):
        store(bars(utc("09:00"), [(100, 101, 99, 100, 5)] * 5 + [(100, 101, 99, last, 5)]))
        return build_market(SMALL, FakeVenue(), scenario())

    once, again, other = built(100), built(100), built(100.1)
    for name in ("open_ts", "trade", "mark", "volume_lots", "bridged", "pre_low", "pre_high"):
        assert getattr(once, name).tobytes() == getattr(again, name).tobytes()
    assert once.digest == again.digest
    assert once.coverage == again.coverage
    assert other.digest != once.digest
    assert other.coverage[0]["sha256"] != once.coverage[0]["sha256"]


def test_arrays_are_int64_and_bars_are_ordered() -> None:
    path = build_market(TARIFF, FakeVenue(), scenario(COINS))
    for array in (path.open_ts, path.trade, path.mark, path.volume_lots, path.pre_low, path.pre_high):
        assert array.dtype == np.int64
    for prices in (path.trade, path.mark):
        opens, highs, lows, closes = np.moveaxis(prices, -1, 0)
        assert (lows <= np.minimum(opens, closes)).all()
        assert (highs >= np.maximum(opens, closes)).all()


def test_marks_of_the_venue_that_stands_in_are_a_declared_proxy() -> None:
    other = replace(SMALL, venues=("bybit", "binanceusdm"))
    venue = FakeVenue(id="bybit")
    store(flat(utc("09:00"), 6))
    store(flat(utc("09:00"), 6, price=101), series="mark_ohlcv")
    path = build_market(other, venue, scenario())
    assert path.mark[0].min() == path.mark[0].max() == 101 * path.instruments[0].mark_per_tick * 10
    assert path.labels["mark"]["badge"] == "proxy"
    assert path.modelled == (False,)
    assert f"Marks of binanceusdm stand in for bybit: {BTC}." in path.notes


def test_a_hole_before_the_core_is_carried_flat_and_flagged_without_being_asked() -> None:
    event = FakeEvent("small", utc("09:04"), utc("09:05"), SMALL.start, SMALL.end)
    store(flat(utc("09:00"), 6)[[0, 1, 3, 4, 5]])
    path = build_market(event, FakeVenue(), scenario())
    assert path.bridged[0].tolist() == [False, False, True, False, False, False]
    assert any("1 missing bars are carried flat" in note for note in path.notes)


def test_measured_open_interest_is_told_beside_that_of_the_book() -> None:
    event = FakeEvent("small", utc("09:02"), utc("09:05"), SMALL.start, SMALL.end)
    store(flat(utc("09:00"), 6))
    rows = {"ts": [utc("09:00"), utc("09:05")], "open_interest_base": [7.0, 9.0], "open_interest_usd": [None, 900.0]}
    store(pl.DataFrame(rows, schema=schema_of("open_interest")), series="open_interest")
    path = build_market(event, FakeVenue(), scenario(open_interest_usd={"BTC": 500.0}))
    assert [row["series"] for row in path.coverage][-1] == "open_interest"
    (note,) = [note for note in path.notes if note.startswith("Open interest")]
    assert note == (
        f"Open interest of {BTC} was 700 USD a side at 2025-10-10T09:00:00; the book is drawn with 500; "
        "--set open_interest_usd.BTC=700 takes the measured one."
    )
    both = build_market(event, FakeVenue(open_interest_counts="both sides"), scenario(open_interest_usd={"BTC": 500.0}))
    (note,) = [note for note in both.notes if note.startswith("Open interest")]
    assert note == (
        f"Open interest of {BTC} was 350 USD a side (700 of both sides, halved) at 2025-10-10T09:00:00; the book is "
        "drawn with 500; --set open_interest_usd.BTC=350 takes the measured one."
    )
    assert both.coverage[-1]["note"] in note
