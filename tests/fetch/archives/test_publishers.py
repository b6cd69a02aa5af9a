"""Rows of every archive file, recomputed by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from backtest.errors import DataError, UsageError
from backtest.fetch.archives.publishers import ARCHIVES, archive_days, archive_of, offers
from backtest.fetch.day import FetchedDay
from backtest.lake.place import Place
from backtest.lake.series import SERIES, schema_of
from tests.fetch.archives.archive_files import (
    csv,
    kline,
    klines_name,
    other_name,
    put_gz,
    put_lz4,
    put_zip,
    stamp,
)

DAY = dt.date(2024, 2, 28)
UM, CM = ("binanceusdm", "BTC/USDT:USDT"), ("binancecoinm", "BTC/USD:BTC")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def place_of(series: str, venue: str, symbol: str, timeframe: str = "1m") -> Place:
    return Place(venue, symbol, series, timeframe if SERIES[series].bars else "")


def days_of(
    root: Path, market: tuple[str, str], series: str, days: list[dt.date], timeframe: str = "1m"
) -> list[FetchedDay]:
    archive = archive_of(market[0])
    assert archive is not None
    return list(archive_days(str(root), archive, place_of(series, *market, timeframe), days, cache=root / "cache"))


def rows_of(root: Path, place: tuple[str, str], series: str, day: dt.date = DAY, **more) -> list[tuple]:
    (given,) = days_of(root, place, series, [day], **more)
    assert given.frame is not None, given.reason
    assert dict(given.frame.schema) == schema_of(series)
    assert tuple(given.frame.columns) == tuple(SERIES[series].columns)
    return given.frame.rows()


TWO_BARS = [((10, 12, 9, 11), 5.0, 55.0), ((11, 11, 8, 8), 2.0, 18.0)]


def two_bars(unit: str = "ms", day: str = "2024-02-28") -> list[tuple]:
    step = 60_000_000 if unit == "us" else 60_000
    first = stamp(f"{day}T00:00", unit)
    return [kline(first + n * step, prices, v, q, step) for n, (prices, v, q) in enumerate(TWO_BARS)]


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("when", ["2024-02-28", "2024-02"])
def test_klines_of_every_form_give_the_same_bars(tmp_path: Path, unit: str, header: bool, when: str) -> None:
    put_zip(tmp_path, klines_name("klines", "BTCUSDT", when), csv("klines", two_bars(unit), header=header))
    assert rows_of(tmp_path, UM, "ohlcv") == [
        (at("2024-02-28T00:00"), 10.0, 12.0, 9.0, 11.0, 5.0),
        (at("2024-02-28T00:01"), 11.0, 11.0, 8.0, 8.0, 2.0),
    ]


def test_coin_margined_klines_count_the_coin_not_contracts(tmp_path: Path) -> None:
    put_zip(tmp_path, klines_name("klines", "BTCUSD_PERP", "2024-02-28", "cm"), csv("klines", two_bars()))
    assert [row[-1] for row in rows_of(tmp_path, CM, "ohlcv")] == [55.0, 18.0]


@pytest.mark.parametrize(
    ("series", "kind", "um", "cm"),
    [
        ("mark_ohlcv", "markPriceKlines", "BTCUSDT", "BTCUSD_PERP"),
        ("index_ohlcv", "indexPriceKlines", "BTCUSDT", "BTCUSD"),
        ("premium_ohlcv", "premiumIndexKlines", "BTCUSDT", "BTCUSD_PERP"),
    ],
)
def test_bars_of_prices_have_no_volume(tmp_path: Path, series: str, kind: str, um: str, cm: str) -> None:
    put_zip(tmp_path, klines_name(kind, um, "2024-02-28"), csv("klines", two_bars()))
    put_zip(tmp_path, klines_name(kind, cm, "2024-02-28", "cm"), csv("klines", two_bars()))
    for place in (UM, CM):
        assert [row[1:] for row in rows_of(tmp_path, place, series)] == [(10, 12, 9, 11, 0), (11, 11, 8, 8, 0)]


def test_five_minute_klines_have_files_of_their_own(tmp_path: Path) -> None:
    name = klines_name("klines", "BTCUSDT", "2024-02-28", timeframe="5m")
    put_zip(tmp_path, name, csv("klines", [kline(stamp("2024-02-28T00:05"), (1, 2, 1, 2), 3.0, step=300_000)]))
    assert rows_of(tmp_path, UM, "ohlcv", timeframe="5m") == [(at("2024-02-28T00:05"), 1, 2, 1, 2, 3)]


@pytest.mark.parametrize("kind", ["klines", "markPriceKlines"])
@pytest.mark.parametrize("unit", ["ms", "us"])
def test_bars_of_another_interval_than_the_name_says_are_refused(kind: str, unit: str, tmp_path: Path) -> None:
    name, day = klines_name(kind, "BTCUSDT", "2024-02-28"), dt.date(2024, 2, 28)
    step = {"ms": 60_000, "us": 60_000_000}[unit]
    series = "ohlcv" if kind == "klines" else "mark_ohlcv"
    for factor, right in ((1, True), (5, False), (0.5, False)):
        put_zip(
            tmp_path,
            name,
            csv("klines", [kline(stamp("2024-02-28T00:05", unit), (1, 2, 1, 2), 3.0, step=int(step * factor))]),
        )
        if right:
            assert len(rows_of(tmp_path, UM, series)) == 1
            continue
        with pytest.raises(DataError, match=r"BTCUSDT-1m-2024-02-28.zip: row 1 opens at .*; allowed: bars of 60 s"):
            days_of(tmp_path, UM, series, [day])


def test_funding_of_a_month_is_given_by_day_at_whole_seconds(tmp_path: Path) -> None:
    times = ["2024-02-27T16:00:00.004", "2024-02-28T00:00:00.001", "2024-02-28T08:00", "2024-02-29T00:00"]
    rates = [0.0004, 0.0001, -0.0002, 0.0003]
    rows = [(stamp(time), 8, rate) for time, rate in zip(times, rates, strict=True)]
    put_zip(tmp_path, other_name("fundingRate", "BTCUSDT", "2024-02"), csv("fundingRate", rows))
    expected = [(at("2024-02-28T00:00"), 0.0001), (at("2024-02-28T08:00"), -0.0002)]
    assert rows_of(tmp_path, UM, "funding") == expected


def metrics(symbol: str, times: list[str], base: float = 100.0) -> bytes:
    rows = [(time, symbol, base + n, 5000.0 + n, 1.5, 1.6, 2.0 + n, 0.9) for n, time in enumerate(times)]
    return csv("metrics", rows)


def test_metrics_of_a_day_begin_in_the_file_of_the_day_before(tmp_path: Path) -> None:
    put_zip(
        tmp_path, other_name("metrics", "BTCUSDT", "2024-02-27"), metrics("BTCUSDT", ["2024-02-28 00:00:00"], base=90.0)
    )
    put_zip(
        tmp_path,
        other_name("metrics", "BTCUSDT", "2024-02-28"),
        metrics("BTCUSDT", ["2024-02-28 00:05:00", "2024-02-28 00:10:00", "2024-02-29 00:00:00"]),
    )
    assert rows_of(tmp_path, UM, "open_interest") == [
        (at("2024-02-28T00:00"), 90.0, 5000.0),
        (at("2024-02-28T00:05"), 100.0, 5000.0),
        (at("2024-02-28T00:10"), 101.0, 5001.0),
    ]
    assert [row[1] for row in rows_of(tmp_path, UM, "long_short_ratio")] == [2.0, 2.0, 3.0]
    first, second = days_of(tmp_path, UM, "open_interest", [DAY, DAY + dt.timedelta(days=1)])
    assert first.files.count(".zip") == 2
    assert second.frame is None
    assert "no BTCUSDT-metrics-2024-02-29.zip" in second.reason


@pytest.mark.parametrize(("place", "symbol", "market"), [(UM, "BTCUSDT", "um"), (CM, "BTCUSD_PERP", "cm")])
def test_metrics_that_name_the_start_are_moved_to_their_snapshot(
    tmp_path: Path, place: tuple[str, str], symbol: str, market: str
) -> None:
    day = dt.date(2026, 6, 26)
    put_zip(tmp_path, other_name("metrics", symbol, "2026-06-26", market), metrics(symbol, ["2026-06-26 00:00:00"]))
    base, usd = (100.0, 5000.0) if market == "um" else (5000.0, 100.0 * 100)
    assert rows_of(tmp_path, place, "open_interest", day) == [(at("2026-06-26T00:05"), base, usd)]


def test_blank_metrics_are_left_out(tmp_path: Path) -> None:
    rows = [("2024-02-28 00:05:00", "BTCUSDT", None, None, 1, 1, 2.5, 1)]
    put_zip(tmp_path, other_name("metrics", "BTCUSDT", "2024-02-28"), csv("metrics", rows))
    assert days_of(tmp_path, UM, "open_interest", [DAY])[0].frame is None
    assert rows_of(tmp_path, UM, "long_short_ratio") == [(at("2024-02-28T00:05"), 2.5)]


TRADES = [  # id, price, quantity, time; out of order, two of one millisecond
    (12, 103.0, 1.0, "2024-02-28T00:00:01.500"),
    (10, 100.0, 2.0, "2024-02-28T00:00:00.100"),
    (11, 105.0, 3.0, "2024-02-28T00:00:00.100"),
    (14, 90.0, 0.0, "2024-02-28T00:01:30"),
    (13, 99.0, 4.0, "2024-02-28T00:00:59.999"),
]


def agg_trades(unit: str = "ms") -> list[tuple]:
    return [(id_, px, q, id_, id_, stamp(time, unit), "true") for id_, px, q, time in TRADES]


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("header", [True, False])
def test_trades_make_bars_in_the_order_of_time_and_id(tmp_path: Path, unit: str, header: bool) -> None:
    name = other_name("aggTrades", "BTCUSDT", "2024-02-28")
    put_zip(tmp_path, name, csv("aggTrades", agg_trades(unit), header=header))
    assert rows_of(tmp_path, UM, "ohlcv") == [
        (at("2024-02-28T00:00"), 100.0, 105.0, 99.0, 99.0, 10.0),
        (at("2024-02-28T00:01"), 90.0, 90.0, 90.0, 90.0, 0.0),
    ]
    assert rows_of(tmp_path, UM, "ohlcv", timeframe="1s") == [
        (at("2024-02-28T00:00:00"), 100.0, 105.0, 100.0, 105.0, 5.0),
        (at("2024-02-28T00:00:01"), 103.0, 103.0, 103.0, 103.0, 1.0),
        (at("2024-02-28T00:00:59"), 99.0, 99.0, 99.0, 99.0, 4.0),
        (at("2024-02-28T00:01:30"), 90.0, 90.0, 90.0, 90.0, 0.0),
    ]


def test_a_bar_split_between_pieces_of_a_file_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_zip(tmp_path, other_name("aggTrades", "BTCUSDT", "2024-02-28"), csv("aggTrades", agg_trades()))
    whole = rows_of(tmp_path, UM, "ohlcv")
    monkeypatch.setattr("backtest.fetch.archives.csv.BLOCK_BYTES", 120)
    assert rows_of(tmp_path, UM, "ohlcv") == whole


def test_coin_margined_trades_count_the_coin(tmp_path: Path) -> None:
    rows = [(1, 50_000.0, 20, 1, 1, stamp("2024-02-28T00:00"), "true")]
    put_zip(tmp_path, other_name("aggTrades", "BTCUSD_PERP", "2024-02-28", "cm"), csv("aggTrades", rows))
    put_zip(tmp_path, other_name("aggTrades", "ETHUSD_PERP", "2024-02-28", "cm"), csv("aggTrades", rows))
    assert rows_of(tmp_path, CM, "ohlcv")[0][-1] == 20 * 100 / 50_000
    assert rows_of(tmp_path, ("binancecoinm", "ETH/USD:ETH"), "ohlcv")[0][-1] == 20 * 10 / 50_000


def test_depth_gives_signed_bands_as_fractions(tmp_path: Path) -> None:
    rows = [("2024-02-28 00:00:07", -5, 120.5, 6e6), ("2024-02-28 00:00:07", 0.2, 1.5, 8e4)]
    put_zip(tmp_path, other_name("bookDepth", "BTCUSDT", "2024-02-28"), csv("bookDepth", rows))
    time = at("2024-02-28T00:00:07")
    assert rows_of(tmp_path, UM, "depth") == [(time, -0.05, 120.5, 6e6), (time, 0.002, 1.5, 8e4)]
    assert not offers(ARCHIVES["binance"], place_of("depth", *CM))


def test_liquidations_name_the_side_closed_and_count_each_once(tmp_path: Path) -> None:
    sell = (stamp("2024-02-28T10:00"), "SELL", "LIMIT", "IOC", 3, 100, 99.5, "FILLED", 1, 2)
    unfilled = (stamp("2024-02-28T10:01"), "BUY", "LIMIT", "IOC", 3, 100, 0, "NEW", 0, 0)
    buy = (stamp("2024-02-28T09:00"), "BUY", "LIMIT", "IOC", 3, 100, 101, "FILLED", 3, 3)
    data = csv("liquidationSnapshot", [sell, sell, unfilled, buy])
    put_zip(tmp_path, other_name("liquidationSnapshot", "BTCUSDT", "2024-02-28"), data)
    put_zip(tmp_path, other_name("liquidationSnapshot", "BTCUSD_PERP", "2024-02-28", "cm"), data)
    times = at("2024-02-28T09:00"), at("2024-02-28T10:00")
    assert rows_of(tmp_path, UM, "liquidations") == [(times[0], "short", 3, 101), (times[1], "long", 2, 99.5)]
    assert [row[2] for row in rows_of(tmp_path, CM, "liquidations")] == [300 / 101, 200 / 99.5]


def bitmex_trade(time: str, symbol: str, price: float, home: float) -> tuple[object, ...]:
    return (time, symbol, "Buy", 100, price, "PlusTick", "an-id", 1, home, 100)


def test_bitmex_trades_make_bars_of_one_symbol(tmp_path: Path) -> None:
    rows = [
        bitmex_trade("2020-03-13D02:16:00.123456000", "XBTUSD", 4000, 0.5),
        bitmex_trade("2020-03-13D02:16:00.123456000", "XBTUSD", 3990, 0.25),
        bitmex_trade("2020-03-13D02:16:00.200000000", "ETHUSD", 90, 7),
        bitmex_trade("2020-03-13D02:16:59.999999999", "XBTUSD", 3999, 0.25),
    ]
    put_gz(tmp_path, "data/trade/20200313.csv.gz", csv("trade", rows))
    day, start = dt.date(2020, 3, 13), at("2020-03-13T02:16")
    assert rows_of(tmp_path, ("bitmex", "BTC/USD:BTC"), "ohlcv", day) == [(start, 4000, 4000, 3990, 3999, 1.0)]
    assert rows_of(tmp_path, ("bitmex", "ETH/USD:BTC"), "ohlcv", day) == [(start, 90, 90, 90, 90, 7)]
    assert rows_of(tmp_path, ("bitmex", "BTC/USD:BTC"), "ohlcv", day, timeframe="1s")[0][1:] == (
        4000, 4000, 3990, 3990, 0.75,
    )  # fmt: skip
    (absent,) = days_of(tmp_path, ("bitmex", "SOL/USDT:USDT"), "ohlcv", [day])
    assert absent.frame is None
    assert absent.reason == "no row of the day in data/trade/20200313.csv.gz"


def context(time: str, coin: str, mark: float, oracle: float, funding: float = 1e-5, interest: float = 50.0) -> tuple:
    return (time, coin, funding, interest, 1, 1, 0, oracle, mark, None, None, None)


def test_hyperliquid_contexts_give_four_series(tmp_path: Path) -> None:
    rows = [
        context("2025-10-10T21:00:00Z", "BTC", 100, 101, 2e-5, 40),
        context("2025-10-10T21:00:00Z", "kPEPE", 7, 7),
        context("2025-10-10T21:01:00Z", "BTC", 90, 95, 3e-5, 30),
        context("2025-10-10T21:05:00Z", "BTC", 80, 85, 4e-5, 20),
    ]
    put_lz4(tmp_path, "asset_ctxs/20251010.csv.lz4", csv("asset_ctxs", rows))
    place, day = ("hyperliquid", "BTC/USDC:USDC"), dt.date(2025, 10, 10)
    times = [at(f"2025-10-10T21:0{minute}") for minute in (0, 1, 5)]
    assert rows_of(tmp_path, place, "mark_ohlcv", day) == [
        (times[0], 100, 100, 90, 90, 0),
        (times[1], 90, 90, 90, 90, 0),
        (times[2], 80, 80, 80, 80, 0),
    ]
    assert [row[4] for row in rows_of(tmp_path, place, "index_ohlcv", day)] == [95, 95, 85]
    assert rows_of(tmp_path, place, "funding", day) == [(times[0], 2e-5)]
    assert [row[1:] for row in rows_of(tmp_path, place, "open_interest", day)] == [(40, 4000), (30, 2700), (20, 1600)]
    assert rows_of(tmp_path, ("hyperliquid", "KPEPE/USDC:USDC"), "mark_ohlcv", day)[0][1] == 7


# --- which file a day comes from -------------------------------------------------------------------------------------


def month_of_bars(tmp_path: Path, volume: float) -> None:
    rows = [kline(stamp(f"2024-02-{day:02d}T12:00"), (1, 1, 1, 1), volume) for day in range(1, 29)]
    put_zip(tmp_path, klines_name("klines", "BTCUSDT", "2024-02"), csv("klines", rows))


def february(days: range) -> list[dt.date]:
    return [dt.date(2024, 2, day) for day in days]


@pytest.mark.parametrize(("days", "volume"), [(range(1, 20), 5.0), (range(1, 21), 9.0)])
def test_the_monthly_file_serves_twenty_days_or_more(tmp_path: Path, days: range, volume: float) -> None:
    month_of_bars(tmp_path, 9.0)
    for day in february(days):
        rows = [kline(stamp(f"{day}T12:00"), (1, 1, 1, 1), 5.0)]
        put_zip(tmp_path, klines_name("klines", "BTCUSDT", day.isoformat()), csv("klines", rows))
    given = days_of(tmp_path, UM, "ohlcv", february(days))
    assert [day.day for day in given] == february(days)
    assert {day.frame["volume"].item() for day in given if day.frame is not None} == {volume}


def test_the_other_file_serves_a_day_that_one_lacks(tmp_path: Path) -> None:
    month_of_bars(tmp_path, 9.0)
    name = klines_name("klines", "BTCUSDT", "2024-02-29")
    put_zip(tmp_path, name, csv("klines", two_bars(day="2024-02-29")))
    given = days_of(tmp_path, UM, "ohlcv", february(range(5, 30)))
    assert all(day.frame is not None for day in given)
    assert given[-1].files == name
    assert given[0].files == klines_name("klines", "BTCUSDT", "2024-02")


def test_a_damaged_file_is_passed_over_while_another_serves(tmp_path: Path) -> None:
    month = put_zip(tmp_path, klines_name("klines", "BTCUSDT", "2024-02"), b"damaged")
    put_zip(tmp_path, klines_name("klines", "BTCUSDT", "2024-02-28"), csv("klines", two_bars()))
    days = february(range(9, 29))
    given = archive_days(
        str(tmp_path), ARCHIVES["binance"], place_of("ohlcv", *UM), days[::-1], cache=tmp_path / "cache"
    )
    first = next(given)
    assert first.files == klines_name("klines", "BTCUSDT", "2024-02-28")
    assert month.name in first.note
    with pytest.raises(DataError, match=month.name):
        next(given)


def test_a_monthly_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from backtest.fetch.archives import binance

    month_of_bars(tmp_path, 9.0)
    read: list[Path] = []
    rows = binance.rows
    monkeypatch.setattr(binance, "rows", lambda path, *a, **k: read.append(path) or rows(path, *a, **k))
    given = days_of(tmp_path, UM, "ohlcv", february(range(3, 9)))
    assert sum(day.frame is not None for day in given) == 6
    assert len(read) == 1


@pytest.mark.parametrize("folder", [".", "some/where", "klines"])
def test_a_flat_folder_is_searched_and_kinds_are_not_mixed_up(tmp_path: Path, folder: str) -> None:
    data = csv("klines", two_bars())
    put_zip(tmp_path, f"markPriceKlines/{'BTCUSDT-1m-2024-02-28.zip'}", csv("klines", two_bars()[:1]))
    put_zip(tmp_path, f"{folder}/BTCUSDT-1m-2024-02-28.zip", data, checksum=False)
    (given,) = days_of(tmp_path, UM, "ohlcv", [DAY])
    assert given.frame is not None
    assert given.frame.height == 2
    assert given.files == klines_name("klines", "BTCUSDT", "2024-02-28") + " (no checksum)"
    assert len(rows_of(tmp_path, UM, "mark_ohlcv")) == 1
    assert days_of(tmp_path, UM, "index_ohlcv", [DAY])[0].frame is None


def test_one_file_is_a_root(tmp_path: Path) -> None:
    path = put_zip(tmp_path, "BTCUSDT-1m-2024-02-28.zip", csv("klines", two_bars()))
    assert len(rows_of(path, UM, "ohlcv")) == 2
    assert days_of(path, UM, "mark_ohlcv", [DAY])[0].frame is None
    path = put_zip(tmp_path, "markPriceKlines/BTCUSDT-1m-2024-02-28.zip", csv("klines", two_bars()))
    assert len(rows_of(path, UM, "mark_ohlcv")) == 2


def test_symbols_in_other_alphabets_have_files(tmp_path: Path) -> None:
    put_zip(tmp_path, "币USDT-1m-2024-02-28.zip", csv("klines", two_bars()), checksum=False)
    assert len(rows_of(tmp_path, ("binanceusdm", "币/USDT:USDT"), "ohlcv")) == 2


@pytest.mark.parametrize("symbol", ["../../x/USDT:USDT", "..", "a b/USDT:USDT", "\0/USDT:USDT", "..\\x/USDT:USDT"])
def test_no_name_leaves_its_folder(symbol: str) -> None:
    for series in SERIES:
        for file in ARCHIVES["binance"].files(place_of(series, "binanceusdm", symbol), DAY):
            name = file.name
            assert name.startswith("data/futures/um/")
            assert set(name.split("/")).isdisjoint({"..", ".", ""})
            assert name.isascii()
            assert " " not in name
            assert "\0" not in name


def test_what_is_offered() -> None:
    binance, bitmex, hyperliquid = (ARCHIVES[name] for name in ("binance", "bitmex", "hyperliquid"))
    offered = {series for series in SERIES if offers(binance, place_of(series, *UM))}
    assert offered == set(SERIES) - {"leverage_tiers", "limits", "fills"}
    assert offers(binance, place_of("ohlcv", *UM, "1s"))
    assert not offers(binance, place_of("mark_ohlcv", *UM, "1s"))
    assert not offers(binance, place_of("ohlcv", "binanceusdm", "BTC/USD:BTC"))
    assert {each for each in SERIES if offers(bitmex, place_of(each, "bitmex", "BTC/USD:BTC"))} == {"ohlcv"}
    contexts = {each for each in SERIES if offers(hyperliquid, place_of(each, "hyperliquid", "BTC/USDC:USDC"))}
    assert contexts == {"mark_ohlcv", "index_ohlcv", "funding", "open_interest"}


def test_an_absent_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no archive at .*; give a folder"):
        days_of(tmp_path / "absent", UM, "ohlcv", [DAY])


def test_every_frame_can_be_written_to_the_lake(tmp_path: Path) -> None:
    from backtest.lake.read import read_series
    from backtest.lake.write import write_day

    put_zip(tmp_path, klines_name("klines", "BTCUSDT", "2024-02-28"), csv("klines", two_bars()))
    (given,) = days_of(tmp_path, UM, "ohlcv", [DAY])
    assert isinstance(given.frame, pl.DataFrame)
    write_day(given.frame, Place(*UM, "ohlcv"), DAY, source=given.files)
    stored = read_series(Place(*UM, "ohlcv"), at("2024-02-28"), at("2024-02-29"))
    assert stored.equals(given.frame)
