"""Tick, lot and margin table of a coin: which day's file holds, what is refused, and how floors become dollars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from backtest.errors import DataError, UnknownNameError
from backtest.lake.place import Place
from backtest.lake.write import write_day
from backtest.market.terms import Terms, contract_terms, fetch_hint
from backtest.mechanics.margin_stepped import steps_up
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue

CRASH = dt.date(2025, 10, 10)
TIERS = [(0, 0.01, 50), (5_000, 0.02, 25), (10_000, 0.025, 20)]
HINT = "crashbook fetch EVENT --venue {} --coins {} --series leverage_tiers,limits"


def put_tiers(venue: str, coin: str, day: dt.date, tiers: Sequence[Sequence[Any]] = TIERS, quote: str = "USDT") -> None:
    floors = [row[0] for row in tiers]
    frame = pl.DataFrame(
        {
            "ts": [dt.datetime.combine(day, dt.time())] * len(tiers),
            "tier": range(1, len(tiers) + 1),
            "notional_floor": floors,
            "notional_cap": [*floors[1:], None][: len(tiers)],
            "maintenance_frac": [row[1] for row in tiers],
            "max_leverage": [row[2] for row in tiers],
        },
        strict=False,
    )
    write_day(frame, Place(venue, f"{coin}/{quote}:{quote}", "leverage_tiers"), day, source=venue)


def put_limits(
    venue: str, coin: str, day: dt.date, tick: float | None = 0.0001, lot: float | None = 1.0, size: float = 1.0
) -> None:
    frame = pl.DataFrame(
        {
            "ts": [dt.datetime.combine(day, dt.time())],
            "tick_px": [tick],
            "lot_base": [lot],
            "contract_size": [size],
            "quantity_min": [None],
        }
    )
    write_day(frame, Place(venue, f"{coin}/USDT:USDT", "limits"), day, source=venue)


def one(venue: str, coin: str, day: dt.date = CRASH) -> tuple[VenueProfile, Terms]:
    profile, (terms,) = contract_terms(get_venue(venue), [coin], day)
    return profile, terms


def days(*texts: str) -> list[dt.date]:
    return [dt.date.fromisoformat(text) for text in texts]


# which file holds


def test_an_empty_lake_leaves_profile_and_table_as_they_are() -> None:
    profile, terms = one("binanceusdm", "BTC")
    assert profile == get_venue("binanceusdm")
    assert (terms.table, terms.warning) == profile.table("BTC", CRASH)
    assert (terms.rows, terms.notes, terms.listed) == ((), (), False)


def test_a_coin_that_the_profile_lacks_is_listed_by_the_newest_limits() -> None:
    put_limits("bybit", "ADA", dt.date(2025, 10, 10), tick=0.001)
    put_limits("bybit", "ADA", dt.date(2026, 11, 23), tick=0.0001, lot=0.1 + 0.2)
    put_tiers("bybit", "ADA", CRASH)
    profile, terms = one("bybit", "ADA")
    assert profile.instrument("ADA") == (Decimal("0.0001"), Decimal("0.3"))  # the noise of 0.1 + 0.2 is gone
    assert terms.listed
    assert [row.name for row in terms.rows] == ["limits", "leverage_tiers"]
    assert all(row.label == "measured" and row.facts and row.facts.sha256 for row in terms.rows)
    assert terms.notes == (
        "tick and lot of ADA/USDT:USDT are those of 2026-11-23 in the lake: the profile has none",
        "margin table of ADA at bybit is that of 2025-10-10 in the lake",
    )
    assert terms.warning == ""
    source = profile.sources[terms.table.source]
    assert source.url == "data/lake/leverage_tiers/venue=bybit/symbol=ADA%2FUSDT%3AUSDT/2025-10-10.parquet"
    assert terms.table.tiers == ((0, 10_000_000, 50.0), (5_000, 20_000_000, 25.0), (10_000, 25_000_000, 20.0))


@pytest.mark.parametrize(
    ("held", "chosen", "warning"),
    [
        (["2025-10-10"], "2025-10-10", ""),
        (["2024-01-01", "2025-10-09", "2025-10-11"], "2025-10-09", ""),
        (["2024-01-01", "2025-10-11"], "2024-01-01", "over a year before 2025-10-10"),
        (["2026-11-23", "2025-10-12"], "2025-10-12", "after 2025-10-10"),
    ],
)
def test_the_latest_file_not_after_the_day_is_in_force(held: list[str], chosen: str, warning: str) -> None:
    put_limits("bybit", "ADA", CRASH)
    for day in days(*held):
        put_tiers("bybit", "ADA", day)
    _, terms = one("bybit", "ADA")
    assert terms.table.valid_from.isoformat() == chosen
    assert terms.warning == (warning and f"margin table of ADA at bybit is dated {chosen}, {warning}")


@pytest.mark.parametrize(
    ("held", "day", "from_lake", "dated"),
    [
        ("2026-11-23", "2025-10-10", False, "2024-10-24"),  # the profile's is in force, the lake's is not yet
        ("2025-10-10", "2025-10-10", True, "2025-10-10"),
        ("2024-10-23", "2025-10-10", False, "2024-10-24"),  # newer by a day
        ("2024-10-24", "2025-10-10", True, "2024-10-24"),  # of one day the lake's counts
        ("2021-05-19", "2024-08-05", True, "2021-05-19"),
        ("2021-03-01", "2020-03-12", True, "2021-03-01"),  # both after the day: the earlier one
        ("2021-03-19", "2020-03-12", False, "2021-03-18"),
    ],
)
def test_tables_of_profile_and_lake_compete_by_date(held: str, day: str, from_lake: bool, dated: str) -> None:
    put_tiers("binanceusdm", "BTC", dt.date.fromisoformat(held))
    _, terms = one("binanceusdm", "BTC", dt.date.fromisoformat(day))
    assert terms.table.valid_from.isoformat() == dated
    assert bool(terms.rows) == from_lake
    assert (len(terms.table.tiers) == len(TIERS)) == from_lake
    assert not terms.listed


def test_a_table_of_the_coin_beats_the_one_for_any_coin() -> None:
    put_limits("binanceusdm", "ADA", CRASH)
    profile, terms = one("binanceusdm", "ADA")
    assert terms.table == profile.table("*", CRASH)[0]
    assert terms.notes[-1] == "margin table of ADA at binanceusdm is the one for any coin without its own"
    put_tiers("binanceusdm", "ADA", dt.date(2026, 11, 23))
    _, terms = one("binanceusdm", "ADA")
    assert terms.table.coin == "ADA"
    assert "after 2025-10-10" in terms.warning


def test_a_file_that_is_not_in_force_is_not_read() -> None:
    put_tiers("binanceusdm", "BTC", dt.date(2026, 11, 23))
    Place("binanceusdm", "BTC/USDT:USDT", "leverage_tiers").file(dt.date(2026, 11, 23)).write_bytes(b"damaged")
    assert one("binanceusdm", "BTC")[1].table.valid_from == dt.date(2024, 10, 24)


def test_rates_on_the_whole_position_stay_the_venues_schedule() -> None:
    put_tiers("bitmex", "BTC", CRASH)
    table = one("bitmex", "BTC")[1].table
    assert table.kind == "risk_limits"
    tiers, _ = table.schedule()
    assert tiers.deductions.tolist() == [0, 0, 0]
    assert steps_up(tiers)


# floors in contracts


def test_floors_in_contracts_are_counted_at_a_price() -> None:
    put_tiers("okx", "BTC", CRASH, [(0, 0.004, 100), (10_001, 0.01, 50)])
    put_limits("okx", "BTC", CRASH, size=0.01)
    _, terms = one("okx", "BTC")
    assert terms.floors_base == (Decimal(0), Decimal("100.01"))
    assert terms.at(Fraction(117_590)).tiers == ((0, 4_000_000, 100.0), (11_760_176, 10_000_000, 50.0))
    (note,) = terms.notes
    assert note.startswith("margin table of BTC at okx is that of 2025-10-10 in the lake; its floors are contracts of ")
    assert note.endswith("of 0.01 BTC, counted at the starting mark")
    assert {row.name for row in terms.rows} == {"leverage_tiers", "limits"}
    assert terms.at(Fraction(10**30)).tiers[1][0] == int(999e9)  # no position is larger


def test_floors_in_contracts_without_the_size_of_one_are_refused() -> None:
    put_tiers("okx", "BTC", CRASH)
    with pytest.raises(DataError, match=r"floors are in contracts.*--venue okx --coins BTC --series limits$"):
        one("okx", "BTC")


# what is refused


def test_a_coin_that_nobody_lists_names_the_fix() -> None:
    with pytest.raises(UnknownNameError) as caught:
        one("okx", "BTCC")
    assert str(caught.value).startswith("unknown coin at okx 'BTCC'; did you mean BTC?")
    assert str(caught.value).endswith(HINT.format("okx", "BTCC"))
    put_limits("okx", "BTCC", CRASH)
    profile = get_venue("okx")
    bare = VenueProfile(**{name: getattr(profile, name) for name in profile.__slots__} | {"tables": ()})
    with pytest.raises(UnknownNameError) as caught:
        contract_terms(bare, ["BTCC"], CRASH)
    assert str(caught.value).startswith("unknown margin table at okx 'BTCC';")
    assert str(caught.value).endswith(HINT.format("okx", "BTCC"))


@pytest.mark.parametrize("coin", ["", "x\ny", "a" * 300, "\ud800", "../../x", "\0"])
def test_a_strange_name_is_refused_in_one_line(coin: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        one("bybit", coin)
    assert "\n" not in str(caught.value)
    assert "crashbook fetch EVENT --venue bybit --coins" in str(caught.value)
    assert fetch_hint(get_venue("bybit"), "A B", "E").endswith("--coins 'A B' --series leverage_tiers,limits")


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ([(1, 0.01, 50)], r"notional_floor = 1 in tier 1; allowed: 0 in the first"),
        (
            [(0, 0.02, 50), (5_000, 0.01, 25)],
            "maintenance_frac = 0.01 in tier 2; allowed: rates from 0 to 1, each above",
        ),
        ([(0, 0.01, 25), (5_000, 0.02, 50)], "max_leverage = 50 in tier 2; allowed: leverages from 1 on, none above"),
        ([(0, 0.01, 50), (0, 0.02, 25)], "notional_floor = 0 in tier 2; allowed: floors from 0 on, each above"),
        (
            [(0, 0.5, 50)],
            "max_leverage = 50 in tier 1; allowed: at most 1 / maintenance_frac, 2",
        ),  # a percentage taken for a fraction
        ([(0, 0.0, 50)], "between 0 and 1"),
        ([(0, None, 50)], "maintenance_frac = nan in tier 1"),
        ([(0, 0.01, float("inf"))], "max_leverage = inf in tier 1"),
        ([(0, 0.01, float("nan"))], "max_leverage = nan in tier 1"),
        ([], "no rows of 2025-10-10"),
    ],
)
def test_tiers_of_the_lake_are_checked_like_those_of_a_profile(tiers: list[tuple[Any, ...]], message: str) -> None:
    put_tiers("bybit", "BTC", CRASH, tiers)
    with pytest.raises(DataError, match=message) as caught:
        one("bybit", "BTC")
    assert str(caught.value).startswith("data/lake/leverage_tiers/venue=bybit/symbol=BTC%2FUSDT%3AUSDT/2025-10-10.parq")
    assert str(caught.value).endswith("delete the file and fetch it again")


@pytest.mark.parametrize(
    ("tick", "lot", "size"),
    [(None, 1.0, 1.0), (0.1, None, 1.0), (0.0, 1.0, 1.0), (0.1, -1.0, 1.0), (0.1, 1.0, float("nan")), (1e300, 1, 1)],
)
def test_units_of_the_lake_are_numbers_in_range(tick: float | None, lot: float | None, size: float) -> None:
    put_limits("bybit", "ADA", CRASH, tick, lot, size)
    with pytest.raises(DataError, match=r"2025-10-10\.parquet: .*(tick_px|lot_base|contract_size) .*; delete the file"):
        one("bybit", "ADA")


def test_a_damaged_file_is_named() -> None:
    put_tiers("bybit", "BTC", CRASH)
    Place("bybit", "BTC/USDT:USDT", "leverage_tiers").file(CRASH).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"2025-10-10\.parquet: not a whole Parquet file"):
        one("bybit", "BTC")


def test_a_coin_of_the_lake_stays_listed_on_another_day() -> None:
    put_limits("bybit", "ADA", CRASH)
    put_tiers("bybit", "ADA", CRASH)
    profile, _ = one("bybit", "ADA")
    assert profile.on(dt.date(2024, 8, 5)).instrument("ADA") == profile.instrument("ADA")
