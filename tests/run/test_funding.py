"""Funding: clock, caps and notional of a venue; fetched rates of real days; rates at the edge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtest.errors import DataError
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from backtest.market.path import MarketPath, build_market
from backtest.market.tape import RequestedWindow, find_tape
from backtest.run.execute import execute
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.run import StoredRun
from backtest.venue.funding_rule import ALWAYS, Cap, FundingRule, compare_clock
from backtest.venue.reading import get_venue, venue_names
from tests.fetch.standins import ON_ORACLE, FakeEvent, FakeVenue, bars, flat, scenario, utc
from tests.support.hostile import START, audited, refused, store, tape

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "funding"
SMALL = FakeEvent("small", utc("09:00"), utc("09:05"), utc("09:00"), utc("12:00"))
BTC, HL = "BTC/USDT:USDT", "BTC/USDC:USDC"
HOURS: dict[str, Any] = {"step_s": 60.0}  # of windows of hours
ON_INDEX = FakeVenue("hyperliquid", "USDC", "USDC", ON_ORACLE)
EIGHT = FundingRule(28_800, (0, 8, 16), "mark", utc("2025-05-02T08:00"), (Cap("BTC", ALWAYS, 3_000_000),))


def put(frame: pl.DataFrame, venue: str, symbol: str, series: str) -> None:
    """Write rows of any number of days into the lake."""
    for (day,), rows in frame.group_by(pl.col("ts").dt.date(), maintain_order=True):
        assert isinstance(day, dt.date)
        write_day(rows, Place(venue, symbol, series), day)


def rates(rows: dict[str, float]) -> pl.DataFrame:
    """Return rates by time; ``21:05`` is of 10 October 2025."""
    data = {"ts": [utc(text) for text in rows], "rate": list(rows.values())}
    return pl.DataFrame(data, schema=schema_of("funding"))


def path_of(venue: FakeVenue, rows: dict[str, float], index: pl.DataFrame | None = None) -> MarketPath:
    """Build three hours of flat marks of 100 with rates and perhaps index bars."""
    symbol = venue.symbol("BTC")
    put(flat(utc("09:00"), 180), venue.id, symbol, "ohlcv")
    put(rates(rows), venue.id, symbol, "funding")
    if index is not None:
        put(index, venue.id, symbol, "index_ohlcv")
    return build_market(SMALL, venue, scenario())


def flags_of(path: MarketPath) -> list[str]:
    return [note for note in path.notes if "unding" in note]


# rules


def test_a_cap_is_that_of_the_coin_before_that_of_all_and_the_newest_of_its_day() -> None:
    caps = (Cap("*", ALWAYS, 40), Cap("BTC", dt.date(2025, 1, 1), 30), Cap("BTC", dt.date(2025, 6, 1), 20))
    rule = FundingRule(3600, tuple(range(24)), "mark", None, caps)
    assert [rule.cap("BTC", dt.date(2025, month, 1)) for month in (1, 5, 6, 7)] == [30, 30, 20, 20]
    assert rule.cap("BTC", dt.date(2024, 12, 31)) is None
    assert rule.cap("SOL", dt.date(2025, 1, 1)) == 40
    assert [rule.clipped("SOL", dt.date(2025, 1, 1), rate) for rate in (41, 40, -40, -41)] == [40, 40, -40, -40]
    assert EIGHT.clipped("SOL", dt.date(2025, 1, 1), 10**9) == 10**9


@pytest.mark.parametrize(
    ("rate", "day", "absent"),
    [
        (-3_000_000, "2025-10-10", [9, 10, 11, 12, 13, 14, 15]),  # hourly after a settlement at the floor
        (3_000_001, "2025-10-10", [9, 10, 11, 12, 13, 14, 15]),
        (2_999_999, "2025-10-10", []),
        (-3_000_000, "2025-05-01", []),  # before the rule
    ],
)
def test_binance_settles_hourly_after_a_settlement_at_its_cap(rate: int, day: str, absent: list[int]) -> None:
    known = [(utc(f"{day}T08:00"), rate), (utc(f"{day}T16:00"), 1)]
    off, missing = compare_clock(EIGHT, "BTC", known, (utc(f"{day}T08:00"), utc(f"{day}T16:30")))
    assert (off, [time.hour for time in missing]) == ([], absent)


def test_the_settlement_before_the_window_makes_it_hourly_too() -> None:
    known = [(utc("08:00"), -3_000_000), (utc("09:00"), 1), (utc("10:00"), 1), (utc("10:30"), 1)]
    assert compare_clock(EIGHT, "BTC", known, (utc("08:30"), utc("11:00"))) == ([utc("10:30")], [])
    assert compare_clock(EIGHT, "BTC", known[1:], (utc("08:30"), utc("11:00")))[0] == [
        utc("09:00"), utc("10:00"), utc("10:30"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", venue_names())
def test_profiles_state_their_rule(name: str) -> None:
    rule = get_venue(name).funding
    assert rule.interval_s == (3600 if name in {"hyperliquid", "dydx", "drift", "xyz"} else 28_800)
    assert rule.notional == ("oracle" if name in {"hyperliquid", "dydx", "drift", "xyz"} else "mark")
    assert (rule.hourly_from is not None) == (name == "binanceusdm")
    caps = {
        "binanceusdm": 3,
        "bitmex": 3.75,
        "bybit": 5,
        "dydx": 6,
        "hyperliquid": 40,
        "okx": 3.75,
        "deribit": 5,
        "drift": 5,
        "xyz": 40,
    }
    assert rule.cap("BTC", dt.date(2025, 10, 10)) == (caps[name] * 1_000_000 if name in caps else None)
    assert (rule.cap("LINK", dt.date(2025, 10, 10)) is None) == (
        name in {"binanceusdm", "binancecoinm", "bitmex", "bybit", "dydx"}
    )


# from the lake to settlements


def test_the_oracle_price_of_the_minute_is_charged_and_the_mark_where_there_is_none() -> None:
    index = bars(utc("09:00"), [(101.26, 150, 90, 140, 0)]).vstack(bars(utc("10:01"), [(1, 1, 1, 1, 0)]))
    path = path_of(ON_INDEX, {"09:00": 0.01, "10:00": -0.01, "11:00": 0.02}, index)
    assert [tuple(row) for row in path.funding] == [
        (0, 0, 10_000_000, 1013, 10_000_000),  # 101.26 in steps of 0.1
        (60, 0, -10_000_000, 0, -10_000_000),
        (120, 0, 20_000_000, 0, 20_000_000),
    ]
    assert flags_of(path) == [f"Funding of {HL} has index prices at 1 of 3 settlements, else the mark is charged."]
    rows = {row["series"]: row for row in path.coverage}
    assert (rows["index_ohlcv"]["label"], rows["index_ohlcv"]["rows"]) == ("measured", 2)
    assert rows["funding"]["note"] == "charged on the oracle price 1 times, else on the mark"


def test_a_venue_that_charges_the_mark_reads_no_index() -> None:
    path = path_of(FakeVenue(), {"09:00": 0.01, "10:00": 0.01, "11:00": 0.01}, flat(utc("09:00"), 180, price=5))
    assert [row.oracle for row in path.funding] == [0, 0, 0]
    assert (flags_of(path), "index_ohlcv" in {row["series"] for row in path.coverage}) == ([], False)


def test_rates_beyond_the_cap_are_clipped_and_flagged() -> None:
    path = path_of(ON_INDEX, {"09:00": 0.04, "10:00": -0.5, "11:00": 0.9}, flat(utc("09:00"), 180))
    assert [(row.rate_e9, row.fetched_e9) for row in path.funding] == [
        (40_000_000, 40_000_000), (-40_000_000, -500_000_000), (40_000_000, 900_000_000),
    ]  # fmt: skip
    clip = "is clipped to the venue's cap at 2 settlements, the first at 2025-10-10T10:00:00 from -50 % to -4 %."
    assert flags_of(path) == [f"Funding of {HL} {clip}"]


def test_what_differs_from_the_clock_is_flagged_and_paid() -> None:
    path = path_of(FakeVenue(), {"09:00": 0.01, "10:29": 0.01, "10:30:59": 0.02})
    assert [row.bar for row in path.funding] == [0, 89, 90]
    clock = "the venue's clock (every 1 h), the first"
    assert flags_of(path) == [
        f"Funding of {BTC} has 2 settlements off {clock} at 2025-10-10T10:29:00: paid as fetched.",
        f"Funding of {BTC} has no rate at 2 times of {clock} 2025-10-10T10:00:00: none paid.",
    ]


def test_rates_outside_the_window_are_not_paid() -> None:
    path = path_of(FakeVenue(), {"08:59:59": 0.9, "09:00": 0.01, "10:00": 0.01, "11:00": 0.01, "12:00": 0.9})
    assert [(row.bar, row.rate_e9) for row in path.funding] == [(0, 10**7), (60, 10**7), (120, 10**7)]


def test_rates_of_a_symbol_that_is_not_simulated_are_not_paid() -> None:
    put(rates({"09:00": 0.9}), "binanceusdm", "SOL/USDT:USDT", "funding")
    path = path_of(FakeVenue(), {"09:00": 0.01})
    assert [(row.bar, row.symbol, row.rate_e9) for row in path.funding] == [(0, 0, 10**7)]


def test_a_settlement_given_twice_is_paid_once_and_two_rates_are_refused() -> None:
    twice = {"09:00": 0.01, "09:00:00.007": 0.01, "10:00": 0.01, "11:00": 0.01}
    path = path_of(FakeVenue(), twice)
    assert [row.bar for row in path.funding] == [0, 60, 120]
    assert flags_of(path) == [f"{BTC}: 1 rows of funding came twice and were dropped."]
    with pytest.raises(DataError, match="two different rows for one time at 2025-10-10T09:00:00"):
        path_of(FakeVenue(), {"09:00": 0.01, "09:00:30": 0.02})


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (flat(utc("09:00"), 180, price=0.04), "an index price rounds to zero in steps of 0.1"),
        (flat(utc("09:00"), 180, price=-1.0), "a price below zero"),
        (flat(utc("09:00"), 180, price=float("nan")), "a price that is not a number"),
        (flat(utc("09:00"), 180, price=1e12), "a price out of range"),
    ],
)
def test_spoilt_index_prices_are_refused(index: pl.DataFrame, said: str) -> None:
    with pytest.raises(DataError) as caught:
        path_of(ON_INDEX, {"09:00": 0.01}, index)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_settlement_due_is_not_missing_data() -> None:
    put(flat(utc("09:00"), 180), "binanceusdm", BTC, "ohlcv")
    path = build_market(SMALL, FakeVenue(funding=EIGHT), scenario())
    assert (flags_of(path), path.funding) == ([], ())
    notes = [row["note"] for row in path.coverage if row["series"] == "funding"]
    assert notes == ["no settlement is due in the window"]


# whole replays


def oracle_tape(prices: Sequence[float]) -> None:
    """Put index bars of Hyperliquid into the lake, one price an hour from 18:00."""
    frames = [flat(utc("18:00") + dt.timedelta(hours=hour), 60, price=price) for hour, price in enumerate(prices)]
    put(pl.concat(frames), "hyperliquid", HL, "index_ohlcv")


def crash(**fields: Any) -> StoredRun:
    """Replay BTC on 10 October 2025, all that the sample has of it, at Hyperliquid with 300 positions."""
    window = {"start": utc("18:00"), "end": utc("18:00") + dt.timedelta(hours=6)}
    given = {"venue": "hyperliquid", "coins": ("BTC",), "positions": 200, **HOURS, **window, **fields}
    return execute(prepare(resolve("2025-10-10", given)))


@pytest.mark.parametrize("signs", [(-1,) * 6, (1, -1) * 3], ids=["shorts-pay", "in-turn"])
def test_four_per_cent_an_hour_all_the_time_leaves_nothing_over(signs: tuple[int, ...]) -> None:
    put(rates({f"{18 + hour}:00": 0.04 * sign for hour, sign in enumerate(signs)}), "hyperliquid", HL, "funding")
    oracle_tape([121_000, 90_000, 116_000, 1e6, 112_000, 1])
    run = crash()
    assert all(audit.passed for audit in run.audits())
    assert set(run.steps["residual_usd"]) == {Decimal(0)}
    funding = run.funding.sort("step")
    assert set(funding["notional_basis"]) == {"oracle"}
    assert not any(funding["clipped"])
    per_event = funding.group_by("step", maintain_order=True).agg(
        pl.col("amount_usd").sum(), pl.col("notional_px").first()
    )
    assert set(per_event["amount_usd"]) == {Decimal(0)}
    assert per_event["notional_px"].to_list() == [121_000, 90_000, 116_000, 1e6, 112_000, 1][6 - per_event.height :]
    paid = {side: rows["amount_usd"].sum() for (side,), rows in funding.filter(rate=0.04 * signs[0]).group_by("side")}
    assert (paid["long"] < 0 < paid["short"]) == (signs[0] > 0)
    said = next(line for line in run.meta.assumptions if line.startswith("Funding"))
    assert said.startswith(
        f"Funding: {per_event.height} settlements of fetched rates, charged on the oracle price; longs"
    )


def test_the_table_shows_what_was_clipped_and_charged_on_the_mark() -> None:
    put(rates({f"{hour}:00": 0.05 if hour < 21 else 0.01 for hour in range(18, 24)}), "hyperliquid", HL, "funding")
    oracle_tape([121_000, 121_500.5])
    run = crash()
    rows = run.funding.unique("step").sort("step").select("rate", "fetched_rate", "clipped", "notional_basis").rows()
    assert rows[:3] == [(0.04, 0.05, True, "oracle")] * 2 + [(0.04, 0.05, True, "mark")]
    assert rows[-1] == (0.01, 0.01, False, "mark")
    marks = run.funding.filter(pl.col("notional_basis") == "mark")
    assert marks["notional_px"].to_list() == marks["mark_px"].to_list()
    flows = run.query("funding_flows").filter(side="long", symbol=HL)
    assert (flows["on_oracle"].max(), flows["clipped"].max(), flows["events"].max()) == (2, 3, 6)
    position = run.positions.filter(side="long").sort("lots")["account_id"][-1]
    asked = run.query("position_funding", account_id=position)
    first = asked.row(0, named=True)
    per_lot = Decimal(str(first["amount_usd"])) / first["lots"]
    lot = Decimal(repr(round(first["quantity_base"] / first["lots"], 9)))
    assert per_lot == -(lot * 121_000 * Decimal("0.04"))
    assert first["total_usd"] == first["amount_usd"]


def test_rates_at_every_minute_run_and_are_flagged() -> None:
    store(tape())
    schema = schema_of("funding")
    minutes = [START + dt.timedelta(minutes=k) for k in range(15)]
    store(pl.DataFrame({"ts": minutes, "rate": [-0.9] * 15}, schema=schema), "funding")
    run = audited()
    assert run.funding["step"].n_unique() == 15
    assert set(run.funding.group_by("step").agg(pl.col("amount_usd").sum())["amount_usd"]) == {Decimal(0)}
    assert any("clipped to the venue's cap at 15 settlements" in note for note in run.meta.notes)
    assert any("15 settlements off the venue's clock" in note for note in run.meta.notes)


def test_funding_beyond_the_tables_is_refused_in_one_line() -> None:
    put(rates({f"{hour}:00": 0.04 for hour in range(18, 24)}), "hyperliquid", HL, "funding")
    oracle_tape([9e11] * 6)
    line = refused(1, "replay", "2025-10-10", "--coins", "BTC", "--positions", "200", "-q")
    assert "times the exact range of" in line


# fetched rates of real days


def fetched(venue: str, name: str) -> pl.DataFrame:
    if not SHARED.is_dir():
        pytest.skip("the shared rates are not here")
    frame = pl.read_parquet(SHARED / venue / f"{name}.parquet")
    return frame.select(pl.from_epoch("ts", "ms").cast(pl.Datetime("us")), rate="funding_rate")


def checked(run: StoredRun, known: pl.DataFrame) -> pl.DataFrame:
    """Compare a run's funding with the rates it was given, from scratch; return what each side received in all."""
    assert all(audit.passed for audit in run.audits())
    events = run.funding.group_by("ts", "symbol", "rate", "notional_px").agg(
        longs=pl.col("amount_usd").filter(pl.col("side") == "long").sum(),
        shorts=pl.col("amount_usd").filter(pl.col("side") == "short").sum(),
        lots=pl.col("lots").filter(pl.col("side") == "long").sum(),
    )
    given = dict(known.select(pl.col("ts").dt.truncate("1m"), "rate").rows())
    first = run.positions.row(0, named=True)
    lot = Decimal(repr(round(first["quantity_base"] / first["lots"], 9)))
    for row in events.iter_rows(named=True):
        rate = Decimal(repr(given[row["ts"]])).quantize(Decimal("1e-9"), ROUND_HALF_EVEN)
        assert Decimal(repr(row["rate"])) == rate
        # a lot's payment is floored to a millionth of a quantum, which is 1e-12 USD
        price = Decimal(repr(round(row["notional_px"], 6)))
        per_lot = (lot * price * rate * 10**12).to_integral_value(ROUND_FLOOR)
        assert row["longs"] == -per_lot * row["lots"] / 10**12
        assert row["longs"] + row["shorts"] == 0
        assert (row["longs"] < 0) == (rate > 0)
    return events.sort("ts")


@pytest.mark.parametrize(("coin", "rate", "payer"), [("BTC", 0.0001, "long"), ("SOL", -0.00302761, "short")])
def test_binance_on_the_night_of_10_october_2025(coin: str, rate: float, payer: str) -> None:
    # After the crash SOL's shorts paid its longs 0.303 %, thirty times what BTC's longs paid its shorts.
    symbol, known = f"{coin}/USDT:USDT", fetched("binance-usdm", f"{coin}USDT")
    profile, start, end = get_venue("binanceusdm"), utc("21:00"), utc("22:20")
    event = resolve("2025-10-10", {"venue": "binanceusdm", "coins": (coin,)}).event
    crash_bars = find_tape(event, "binanceusdm", symbol, coin, RequestedWindow(start, end)).read((start, end))
    quiet = flat(end, 130, price=crash_bars["close"][-1])  # until 00:30 the sample has no bars: the last close stands
    put(pl.concat([crash_bars.select(quiet.columns), quiet]), "binanceusdm", symbol, "ohlcv")
    put(known.filter(pl.col("ts").is_between(utc("16:00"), utc("2025-10-11T08:01"))), "binanceusdm", symbol, "funding")
    chosen = {
        "venue": "binanceusdm",
        "coins": (coin,),
        "positions": 200,
        "start": start,
        "end": utc("2025-10-11T00:30"),
        **HOURS,
    }
    run = execute(prepare(resolve("2025-10-10", chosen)))
    events = checked(run, known)
    assert events.select("ts", "rate").rows() == [(utc("2025-10-11T00:00"), rate)]
    paid = {"long": -events["longs"][0], "short": -events["shorts"][0]}
    notional = float(events["lots"][0]) * events["notional_px"][0] * float(profile.instrument(coin)[1])
    assert float(paid[payer]) == pytest.approx(notional * abs(rate), rel=1e-6)
    assert not any("unding" in note for note in run.meta.notes)


def test_hyperliquid_pays_hourly_on_the_oracle_price() -> None:
    # The rates at hand end in July 2025: the night of 2 February 2025 stands for the venue's clock and notional.
    known = fetched("hyperliquid", "BTC").filter(
        pl.col("ts").is_between(utc("2025-02-02T20:00"), utc("2025-02-03T06:00"))
    )
    start = utc("2025-02-02T20:00")
    put(flat(start, 600, price=97_000.0, volume=10.0), "hyperliquid", HL, "ohlcv")
    put(flat(start, 540, price=96_543.21), "hyperliquid", HL, "index_ohlcv")  # none at the last settlement
    put(known, "hyperliquid", HL, "funding")
    chosen = {"venue": "hyperliquid", "coins": ("BTC",), "positions": 150, "start": start,
              "end": start + dt.timedelta(hours=10), "open_interest_usd": 1e9, **HOURS}  # fmt: skip
    run = execute(prepare(resolve("2025-02-02", chosen)))
    events = checked(run, known)
    assert [time.hour for time in events["ts"]] == [20, 21, 22, 23, 0, 1, 2, 3, 4, 5]
    basis = run.funding.unique("ts").sort("ts")
    assert basis["notional_basis"].to_list() == ["oracle"] * 9 + ["mark"]
    assert basis["notional_px"].to_list() == pytest.approx([96_543.0] * 9 + [97_000.0], abs=1)
    assert [note for note in run.meta.notes if "unding" in note] == [
        f"Funding of {HL} has index prices at 9 of 10 settlements, else the mark is charged."
    ]
