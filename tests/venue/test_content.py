"""The venue profiles as data: seven named strategy points, sources, ladders and published deductions."""

from __future__ import annotations

import copy
import csv
import json
import re
import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backtest.errors import ConfigError
from backtest.venue.reading import get_venue, parse_venue, venue_names

VENUES = Path(__file__).resolve().parents[2] / "data" / "venues"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
IDS = venue_names()
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "LINK")
MARKS = {"V", "S", "D", "U"}
QUANTUM_USD = Decimal("0.000001")
POINTS = {"margin", "liquidation", "fund", "ranking", "close_price", "residual", "fee", "funding", "margin_mode"}

# Sections whose point has a source and a mark, with the prefix of both keys; the loader checks values and choices.
CITED = [
    *((section, "") for section in ("margin", "liquidation", "cross", "fund", "residual", "fee", "funding")),
    *(("adl", prefix) for prefix in ("ranking_", "close_price_")),
]

# Published maintenance deductions in USD by (venue, coin, day of the table).
BINANCE = "Binance leverage brackets of 2024-10-24, freqtrade snapshot c9ae5e1e, column cum"
BYBIT = "bybit.com margin parameters, BTCUSDT, stored copy, column maintenance deduction"
HYPERLIQUID = "Hyperliquid documentation, margin tiers; deduction by its recurrence, whole USD"
ANNOUNCED = "Binance announcement 86cf9aa4 of 2021-03-18; deductions by the recurrence"
DEDUCTIONS: list[tuple[str, str, str, list[int], str]] = [
    (
        "binanceusdm", "BTC", "2021-03-18",
        [0, 50, 1_300, 16_300, 266_300, 1_266_300, 2_516_300, 5_016_300, 25_016_300, 100_016_300],
        ANNOUNCED,
    ),
    (
        "binanceusdm", "BTC", "2024-10-24",
        [0, 50, 950, 11_450, 131_450, 481_450, 2_981_450, 14_481_450, 26_481_450, 41_481_450, 121_481_450, 421_481_450],
        BINANCE,
    ),
    (
        "binanceusdm", "ETH", "2024-10-24",
        [0, 50, 950, 11_450, 131_450, 381_450, 2_006_450, 9_506_450, 17_506_450, 27_506_450, 80_506_450, 280_506_450],
        BINANCE,
    ),
    (
        "binanceusdm", "SOL", "2024-10-24",
        [0, 30, 380, 8_380, 28_380, 228_380, 2_228_380, 4_228_380, 16_728_380, 66_728_380],
        BINANCE,
    ),
    (
        "binanceusdm", "DOGE", "2024-10-24",
        [0, 20, 170, 7_670, 11_670, 51_670, 451_670, 851_670, 3_351_670, 13_351_670],
        BINANCE,
    ),
    (
        "bybit", "BTC", "2024-09-10",
        [
            0, 1_200, 3_020, 4_300, 5_820, 8_460, 15_460, 20_500, 46_000, 66_000,
            80_000, 160_000, 300_000, 452_000, 502_000, 777_000, 837_000, 967_000, 1_107_000, 1_482_000,
        ],
        BYBIT,
    ),
    ("hyperliquid", "BTC", "2025-06-01", [0, 1_875_000], HYPERLIQUID),
    ("hyperliquid", "ETH", "2025-06-01", [0, 1_333_333], HYPERLIQUID),
    ("hyperliquid", "SOL", "2025-06-01", [0, 1_750_000], HYPERLIQUID),
    ("hyperliquid", "XRP", "2025-06-01", [0, 1_000_000], HYPERLIQUID),
    ("hyperliquid", "DOGE", "2025-06-01", [0, 1_000_000], HYPERLIQUID),
]  # fmt: skip

venue = pytest.mark.parametrize("name", IDS)


@cache
def profile(name: str) -> dict[str, Any]:
    return tomllib.loads((VENUES / f"{name}.toml").read_text(encoding="utf-8"))


def tiers_of(t: dict[str, Any]) -> list[list[Any]]:
    """Rows of [floor, rate, leverage]: as written, or by the risk limit rule."""
    if "tiers" in t:
        return list(t["tiers"])
    maintenance, initial, more = (Decimal(t[key]) for key in ("maintenance", "initial", "rate_step"))
    unit = t.get("unit", "usd")
    floors = [0, *(t[f"base_{unit}"] + k * t[f"step_{unit}"] for k in range(t["steps"]))]
    return [[f, str(maintenance + k * more), int(1 / (initial + k * more))] for k, f in enumerate(floors)]


def table(name: str, coin: str, day: str) -> list[list[Any]]:
    found = [
        tiers_of(t)
        for t in profile(name)["margin"]["table"]
        if t["coin"] == coin and t["valid_from"] == date.fromisoformat(day)
    ]
    assert len(found) == 1, f"{name} {coin} {day}: {len(found)} tables"
    return list(found[0])


def deductions_usd(tiers: list[list[Any]]) -> list[Decimal]:
    """Deductions that make maintenance continuous: c_k = c_(k-1) + floor_k (r_k - r_(k-1))."""
    out = [Decimal(0)]
    for (_, low, _), (floor, high, _) in pairwise(tiers):
        out.append(out[-1] + floor * (Decimal(high) - Decimal(low)))
    return out


def tables_of(node: object) -> list[dict[str, Any]]:
    """Every table at any depth."""
    if isinstance(node, list):
        return [t for item in node for t in tables_of(item)]
    if isinstance(node, dict):
        return [node, *(t for item in node.values() for t in tables_of(item))]
    return []


def the_header_names_the_venue_and_its_money(name: str) -> None:
    p = profile(name)
    assert p["id"] == name
    assert p["name"]
    assert isinstance(p["as_of"], date)
    if all("face" in row for row in p["instrument"]):
        assert (p["quote"], p["settle"]) == ("USD", "coin")
    else:
        assert p["quote"] == p["settle"], "linear contracts settle in their quote currency"
        assert p["settle"] in {"USDT", "USDC"}
    assert p["notes"]


def each_strategy_point_has_a_source_and_a_mark(name: str) -> None:
    p, parsed = profile(name), parse_venue(profile(name), f"{name}.toml")
    ids = {s["id"] for s in p["source"]}
    assert all(p[section][f"{prefix}source"] in ids for section, prefix in CITED)
    assert all(p[section][f"{prefix}mark"] in MARKS for section, prefix in CITED)
    assert {"margin", "liquidation", "fund", "ranking", "close_price", "residual", "fee"} <= {
        point.name for point in parsed.points
    }


def every_reference_to_a_source_exists_and_every_source_is_used(name: str) -> None:
    p = profile(name)
    ids = [s["id"] for s in p["source"]]
    assert len(ids) == len(set(ids))
    keys = ("source", "ranking_source", "close_price_source")
    keyed = {t[k] for t in tables_of(p) for k in keys if isinstance(t.get(k), str)}
    assert keyed <= set(ids)
    named = {i for i in ids if f"[{i}]" in (VENUES / f"{name}.toml").read_text(encoding="utf-8")}
    assert keyed | named == set(ids), "a source is referred to by a key or by [its id] in a text"
    for s in p["source"]:
        assert s["url"].startswith(("https://", "http://"))
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", s["read"])
    assert {t[k] for t in tables_of(p) for k in ("mark", "ranking_mark", "close_price_mark") if k in t} <= MARKS


def every_coin_has_an_instrument_and_a_margin_table(name: str) -> None:
    p = profile(name)
    own = [coin for coin in dict.fromkeys(i["coin"] for i in p["instrument"]) if not coin.startswith("XYZ-")]
    assert own == list(COINS)
    contracts = [(i["coin"], "face" in i, i.get("valid_from")) for i in p["instrument"]]
    assert len(contracts) == len(set(contracts)), "two contracts of one coin and day"
    covered = {t["coin"] for t in p["margin"]["table"]}
    assert "*" in covered or set(COINS) <= covered
    keys = [(t["coin"], t.get("unit"), t["valid_from"]) for t in p["margin"]["table"]]
    assert len(keys) == len(set(keys)), "two tables of one coin and day"
    assert all(t["valid_from"] <= p["as_of"] for t in p["margin"]["table"])


def a_table_for_all_other_coins_is_marked_as_unverified_and_says_why(name: str) -> None:
    shared = [t for t in profile(name)["margin"]["table"] if t["coin"] == "*"]
    assert len(shared) == 1
    assert shared[0]["mark"] == "U"
    assert len(shared[0]["note"]) > 40


def ladders_rise_in_floor_and_rate_and_fall_in_leverage(name: str) -> None:
    for t in profile(name)["margin"]["table"]:
        floors, rates, leverages = zip(*tiers_of(t), strict=True)
        assert floors[0] == 0
        assert all(isinstance(x, int) for x in (*floors, *leverages))
        assert all(isinstance(r, str) for r in rates), "rates are strings, so that they are exact"
        exact = [Decimal(r) for r in rates]
        assert list(floors) == sorted(set(floors))
        assert exact == sorted(set(exact))
        assert list(leverages) == sorted(set(leverages), reverse=True)
        assert all(r * 10**9 == int(r * 10**9) for r in exact), "rates are whole numbers of 1e-9"
        # A position opened at the tier's largest leverage is not already in breach.
        assert all(r * lev < 1 for r, lev in zip(exact, leverages, strict=True)), (name, t["coin"])


def one_tick_of_one_lot_is_a_whole_number_of_quanta(name: str) -> None:
    for i in profile(name)["instrument"]:
        value = Decimal(i.get("face", i["tick"])) * Decimal(i["lot"]) / QUANTUM_USD  # of an inverse lot at first
        assert value >= 1
        assert value == int(value), f"{name} {i['coin']}: the loader would have to coarsen the lot"


def the_fund_can_start_and_its_balances_are_dated(name: str) -> None:
    fund = profile(name)["fund"]
    assert fund["start_usd"] >= fund["floor_usd"] >= 0
    assert fund["inventory_stop_usd"] >= 0
    assert fund["quiet_s"] > 0
    assert fund.get("inventory_limit_frac", 1.0) > 0
    balances = fund.get("balance", [])
    moments = [(b["date"], not b.get("before", False)) for b in balances]
    assert moments == sorted(set(moments))
    assert all(b["value"] > 0 and b["unit"] in {"usd", "usdt", "coin"} for b in balances)
    if fund["rule"] == "fund":
        published = {b["value"] for b in balances if b["unit"] == "usd"}
        assert fund["start_usd"] in published or (fund["mark"] == "U" and fund["note"])


def the_vault_belongs_to_the_vault_rule_and_takes_over_below_two_thirds(name: str) -> None:
    p = profile(name)
    assert ("vault" in p) == (p["fund"]["rule"] == "vault") == (name == "hyperliquid")
    if "vault" in p:
        assert p["vault"]["capital_usd"] > 0
        assert (p["vault"]["takeover_num"], p["vault"]["takeover_den"]) == (2, 3)


def funding_settles_on_its_hours(name: str) -> None:
    f = profile(name)["funding"]
    hours = f["hours_utc"]
    assert hours == sorted(set(hours))
    assert len(hours) * f["interval_s"] == 24 * 3600
    assert all(b - a == f["interval_s"] // 3600 for a, b in pairwise(hours))
    caps = {row["coin"]: Decimal(row["cap_frac"]) for row in f.get("cap", [])}
    assert all(0 < cap < 1 for cap in caps.values())
    assert {"BTC", "*"} & set(caps) or (f["mark"] == "U" and "aps" in f["note"])


def what_is_simpler_here_is_said(name: str) -> None:
    p = profile(name)
    points = [s["point"] for s in p["simplified"]]
    assert set(points) <= POINTS
    assert len(points) == len(set(points))
    # No venue liquidates every position whole in one order, and none is isolated only.
    assert {"liquidation", "margin_mode", "fund"} <= set(points)
    assert all(len(s["venue_rule"]) > 20 and len(s["runs_here"]) > 20 for s in p["simplified"])


CHECKS = (
    the_header_names_the_venue_and_its_money,
    each_strategy_point_has_a_source_and_a_mark,
    every_reference_to_a_source_exists_and_every_source_is_used,
    every_coin_has_an_instrument_and_a_margin_table,
    a_table_for_all_other_coins_is_marked_as_unverified_and_says_why,
    ladders_rise_in_floor_and_rate_and_fall_in_leverage,
    one_tick_of_one_lot_is_a_whole_number_of_quanta,
    the_fund_can_start_and_its_balances_are_dated,
    the_vault_belongs_to_the_vault_rule_and_takes_over_below_two_thirds,
    funding_settles_on_its_hours,
    what_is_simpler_here_is_said,
)


@venue
def test_a_profile_is_complete_and_consistent(name: str) -> None:
    for check in CHECKS:
        check(name)


def test_stand_in_rankings_are_declared() -> None:
    own = {
        "binancecoinm": "binance",
        "binanceusdm": "binance",
        "bitmex": "bitmex",
        "dydx": "random",
        "hyperliquid": "hyperliquid",
        "okx": "okx",
        "bybit": "bybit",
        "deribit": "none",
        "drift": "none",
        "xyz": "hyperliquid",
    }
    assert {n: profile(n)["adl"]["ranking"] for n in own} == own
    bybit = profile("bybit")
    assert bybit["adl"]["ranking_mark"] == "U"
    assert "ranking" in {s["point"] for s in bybit["simplified"]}


@pytest.mark.parametrize(
    ("venue", "day", "entry"),
    [
        ("bybit", "2020-03-12", True),
        ("bybit", "2026-05-26", True),
        ("bybit", "2026-05-27", False),
        ("okx", "2025-10-10", False),
    ],
)
def test_bybit_s_maintenance_was_on_the_entry_value(venue: str, day: str, entry: bool) -> None:
    found = get_venue(venue)
    table, _ = found.table("BTC", date.fromisoformat(day))
    assert found.on_entry(date.fromisoformat(day)) is table.on_entry is table.schedule().tiers.on_entry is entry


def test_two_rules_of_one_day_are_refused() -> None:
    table = copy.deepcopy(profile("bybit"))
    table["margin"]["notional"] = [
        {"value": value, "source": "help-liquidation", "mark": "V"} for value in ("mark", "entry")
    ]
    with pytest.raises(ConfigError, match=r"two \[\[margin.notional\]\] tables for one day; keep one"):
        parse_venue(table, "bybit.toml")


def test_thresholds_and_close_prices_of_the_venues() -> None:
    known = {
        "binancecoinm": ("<=", "bankruptcy"),
        "binanceusdm": ("<=", "bankruptcy"),
        "bitmex": ("<", "bankruptcy"),
        "bybit": ("<=", "bankruptcy"),
        "deribit": ("<=", "mark"),
        "drift": ("<", "mark"),
        "dydx": ("<", "bankruptcy"),
        "hyperliquid": ("<", "previous_mark"),
        "okx": ("<=", "mark"),
        "xyz": ("<", "previous_mark"),
    }
    assert {n: (profile(n)["margin"]["threshold"], profile(n)["adl"]["close_price"]) for n in known} == known


@pytest.mark.parametrize(
    ("coin", "day", "base", "slope", "px"),
    [
        ("BTC", "2020-01-01", "0.00525", "0.00005", 8_000),
        ("BTC", "2022-01-11", "0.01", "0.00005", 40_000),
        ("BTC", "2025-01-01", "0.01", "0.00005", 100_000),
        ("ETH", "2020-01-01", "0.00575", "0.000004", 200),
        ("ETH", "2022-01-11", "0.01", "0.000004", 3_000),
        ("ETH", "2025-01-01", "0.01", "0.000004", 3_500),
    ],
)
def test_deribit_meets_the_formula_of_its_maintenance_at_every_floor(
    coin: str, day: str, base: str, slope: str, px: int
) -> None:
    # support.deribit.com: 1 % + 0.005 % x size in BTC, 1 % + 0.0004 % x size in ETH, of the whole value
    tiers = table("deribit", coin, day)
    for (floor, rate, _), less in zip(tiers, deductions_usd(tiers), strict=True):
        assert floor * Decimal(rate) - less == floor * (Decimal(base) + Decimal(slope) * floor / px)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "coin", "day", "published", "source"), DEDUCTIONS, ids=[f"{d[0]}-{d[1]}-{d[2]}" for d in DEDUCTIONS]
)
def test_the_recurrence_gives_the_published_deductions(
    name: str, coin: str, day: str, published: list[int], source: str
) -> None:
    assert [int(c) for c in deductions_usd(table(name, coin, day))] == published, source


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "coin", "day", "notional_usd", "maintenance_usd"),
    [("hyperliquid", "BTC", "2025-06-01", 200_000_000, 3_125_000), ("bybit", "BTC", "2024-09-10", 12_000_000, 114_000)],
)
def test_maintenance_of_the_worked_examples(
    name: str, coin: str, day: str, notional_usd: int, maintenance_usd: int
) -> None:
    tiers = table(name, coin, day)
    k = max(i for i, (floor, _, _) in enumerate(tiers) if floor <= notional_usd)
    assert notional_usd * Decimal(tiers[k][1]) - deductions_usd(tiers)[k] == maintenance_usd


@pytest.mark.golden
@pytest.mark.parametrize("coin", COINS)
def test_the_brackets_of_2026_are_those_recorded(coin: str) -> None:
    recorded = SHARED / "leverage_tiers" / "binance-usdm.json"
    if not recorded.exists():
        pytest.skip("recorded leverage brackets are not beside this repository")
    rows = json.loads(recorded.read_text(encoding="utf-8"))[f"{coin}/USDT:USDT"]
    tiers = table("binanceusdm", coin, "2026-09-30")
    assert [(f, float(r), lev) for f, r, lev in tiers] == [
        (r["minNotional"], r["maintenanceMarginRate"], r["maxLeverage"]) for r in rows
    ]
    assert deductions_usd(tiers) == [Decimal(str(r["cum"])) for r in rows]


@pytest.mark.golden
@pytest.mark.parametrize("coin", [c for c in COINS if c != "ETH"])
def test_prices_and_volumes_of_the_crash_of_2025_lie_on_ticks_and_lots(coin: str) -> None:
    bars = SHARED / "excerpts" / f"binanceusdm_{coin}USDT_1m_2025-10-10.csv"
    if not bars.exists():
        pytest.skip("minute bars are not beside this repository")
    instrument = next(i for i in profile("binanceusdm")["instrument"] if i["coin"] == coin)
    tick, lot = Decimal(instrument["tick"]), Decimal(instrument["lot"])
    with bars.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows
    assert all(Decimal(r[c]) % tick == 0 for r in rows for c in ("open", "high", "low", "close"))
    assert all(Decimal(r["volume"]) % lot == 0 for r in rows)
