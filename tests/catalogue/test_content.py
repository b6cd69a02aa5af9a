"""The committed catalogue and sample, read as plain TOML and CSV: complete, consistent and equal to each other."""

import csv
import re
import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "data" / "events"
SAMPLE = ROOT / "data" / "sample"
EXCERPTS = ROOT.parent / "shared" / "data" / "excerpts"
IMPACT = ROOT.parent / "shared" / "reference" / "hyperliquid_2025-10-10_impact_by_coin.csv"
FILES = sorted(EVENTS.glob("*.toml"))
CSVS = sorted(SAMPLE.glob("*.csv"))


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROFILES = {"binanceusdm", "bybit", "okx", "bitmex", "hyperliquid", "dydx", "xyz"}
OTHER_VENUES = {"binance", "bitstamp", "coinbase", "deribit", "drift", "ftx", "htx", "lighter", "paradex"}
QUANTITIES = words(
    """
    adl_fills adl_fills_share adl_full_share adl_gini adl_liquidation_correlation adl_notional adl_onset_s
    adl_partial_share adl_pnl adl_price adl_price_ratio adl_profit_share adl_profitable_share adl_return
    adl_share_from_vault adl_top_ten_share adl_users bankruptcies bid_depth branching_ratio claims coin_count
    compensation depth_change event_time forced_notional forced_share_30_minutes fund_balance fund_change
    inherited_loss largest_adl largest_order leverage_cap liquidated_notional liquidated_peak_hour liquidated_pnl
    liquidated_share_long liquidated_traders liquidation_count liquidation_rate loss manipulation_capital
    manipulation_wallets mean_leverage median_leverage negative_equity negative_equity_accounts off_book_share
    open_interest open_interest_change open_interest_share outage over_utilisation p95_leverage pending_liquidation
    price price_high price_low price_move regret_share traded_notional vault_inventory vault_pnl
    """
)
UNITS = {"usd", "usdt", "frac", "coin", "count", "s", "x", "px", "bps", "utc"}
METRIC_OF = {  # what a run measures -> the published quantities it may stand beside
    "liquidated_notional_usd": {"liquidated_notional", "liquidated_peak_hour"},
    "liquidated_long_share_frac": {"liquidated_share_long"},
    "adl_notional_usd": {"adl_notional"},
    "adl_onset_s": {"adl_onset_s"},
    "adl_positions": {"adl_fills"},
    "adl_closes_share_frac": {"adl_fills_share"},
    "price_low": {"price_low"},
    "price_move_frac": {"price_move"},
    "adl_mean_px": {"adl_price"},
    "adl_pnl_usd": {"adl_pnl"},
    "adl_profit_frac": {"adl_profit_share"},
    "adl_return_median_frac": {"adl_return"},
    "adl_leverage_median_x": {"median_leverage"},
    "adl_full_share_frac": {"adl_full_share"},
    "adl_vault_share_frac": {"adl_share_from_vault"},
    "adl_gini_frac": {"adl_gini"},
    "adl_top10_share_frac": {"adl_top_ten_share"},
    "adl_first_s": {"event_time"},
    "adl_largest_usd": {"largest_adl"},
    "off_book_share_frac": {"off_book_share"},
    "forced_share_30min_frac": {"forced_share_30_minutes"},
    "branching_ratio_x": {"branching_ratio"},
    "vault_pnl_usd": {"vault_pnl"},
}
TOP_KEYS = words(
    "id number title aliases grade summary notes venues coins window window_part sample fact defaults compare "
    "sensitivity"
)
REQUIRED = TOP_KEYS - {"window_part", "sample", "defaults", "compare", "sensitivity"}
FACT_KEYS = words("id quantity value low high at unit venue coin side start end source grade mark note conflicts_with")
DEFAULT_KEYS = words(
    "open_interest_usd venue_open_interest_usd liquidity_scale participation_frac mark_half_life_s leverage_mix "
    "vault_capital_usd vaults"
)
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FACT_ID = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
SOURCE = re.compile(r"https?://\S+|URL not kept|SSRN \d+|data/sample/\S+\.csv")

# day of the catalogue -> number; 19 is there for its sample, those after it came later
NUMBERS = {
    "2020-03-12": 1,
    "2020-05-10": 2,
    "2021-04-18": 3,
    "2021-05-19": 4,
    "2022-05-07": 5,
    "2022-06-12": 6,
    "2022-11-08": 7,
    "2023-11-17": 8,
    "2024-08-05": 9,
    "2025-02-02": 10,
    "2025-03-12": 11,
    "2025-09-22": 12,
    "2025-10-10": 13,
    "2025-11-04": 14,
    "2026-01-19": 15,
    "2026-01-29": 16,
    "2026-02-05": 17,
    "2026-06-03": 18,
    "2021-12-04": 19,
    "2024-12-09": 20,
    "2025-04-07": 21,
    "2025-11-21": 22,
    "2026-01-30": 23,
}

Event = dict[str, Any]
each_event = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
each_csv = pytest.mark.parametrize("path", CSVS, ids=lambda p: p.stem)


@cache
def load(path: Path) -> Event:
    event: Event = tomllib.loads(path.read_text(encoding="utf-8"))
    return event


@cache
def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="", encoding="ascii") as f:
        return [{k: float(v) for k, v in r.items()} for r in csv.DictReader(f)]


def utc(ts_ms: float) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).replace(tzinfo=None)


def by_id(event_id: str) -> Event:
    (event,) = [load(p) for p in FILES if load(p)["id"] == event_id]
    return event


def fact(event: Event, fact_id: str) -> dict[str, Any]:
    facts: list[dict[str, Any]] = [f for f in event["fact"] if f["id"] == fact_id]
    (found,) = facts
    return found


def test_events_with_the_numbers_of_the_catalogue() -> None:
    assert {load(p)["id"]: load(p)["number"] for p in FILES} == NUMBERS
    assert len(FILES) == len(NUMBERS)


def test_ids_and_aliases_name_one_event_each() -> None:
    names = [n for p in FILES for n in (load(p)["id"], *load(p)["aliases"])]
    assert sorted(names) == sorted(set(names))
    assert all(SLUG.fullmatch(n) for n in names)


def head(path: Path) -> None:
    e = load(path)
    assert e.keys() <= TOP_KEYS
    assert e.keys() >= REQUIRED
    slug = path.stem.removeprefix(e["id"] + "-")
    assert slug != path.stem
    assert SLUG.fullmatch(slug)
    assert re.fullmatch(r"[ABC](/[ABC])?", e["grade"])
    assert len(e["summary"].split()) > 20
    assert e["notes"]
    assert set(e["venues"]) <= PROFILES
    assert len(set(e["venues"])) == len(e["venues"]) > 0
    assert len(set(e["coins"])) == len(e["coins"]) > 0


def listed_venues_existed(path: Path) -> None:
    e = load(path)
    born = {"bybit": "2020-03-25", "hyperliquid": "2023-06-01", "dydx": "2023-10-26"}
    assert all(born.get(v, "") <= e["id"] for v in e["venues"])


def windows_are_ordered(path: Path) -> None:
    e = load(path)
    w = e["window"]
    assert w.keys() == {"core_start", "core_end", "start", "end", "pre_roll_wanted_s", "hours"}
    assert w["start"] < w["core_start"] < w["core_end"] <= w["end"]
    assert w["hours"] in {"cited", "suggested"}
    # rolling eight-hour fund triggers need this much path before the core
    assert w["pre_roll_wanted_s"] >= 8 * 3600
    assert w["core_start"] - w["start"] >= timedelta(seconds=w["pre_roll_wanted_s"])
    spans = [*e.get("window_part", []), *e.get("sample", []), *e.get("compare", [])]
    assert all(w["start"] <= s["start"] < s["end"] <= w["end"] for s in spans)
    parts = [p["name"] for p in e.get("window_part", [])]
    assert len(set(parts)) == len(parts)


def facts_carry_their_evidence(path: Path) -> None:
    facts = load(path)["fact"]
    ids = [f["id"] for f in facts]
    assert len(set(ids)) == len(ids) > 0
    for f in facts:
        assert f.keys() <= FACT_KEYS, f["id"]
        assert FACT_ID.fullmatch(f["id"])
        assert f["quantity"] in QUANTITIES, f["id"]
        assert f["unit"] in UNITS, f["id"]
        assert f["grade"] in {"A", "B", "C"}, f["id"]
        assert f["mark"] in {"V", "S", "D", "U"}, f["id"]
        assert SOURCE.fullmatch(f["source"]), f["id"]
        assert f.get("venue", "okx") in PROFILES | OTHER_VENUES, f["id"]
        assert f.get("side", "long") in {"long", "short"}, f["id"]
        assert f.get("coin", "BTC").isupper(), f["id"]
        assert f.get("start", datetime.min) < f.get("end", datetime.max), f["id"]  # noqa: DTZ901


def facts_hold_a_value_a_range_or_a_time(path: Path) -> None:
    for f in load(path)["fact"]:
        given = f.keys() & {"value", "low", "high", "at"}
        if f["unit"] == "utc":
            assert given == {"at"}, f["id"]
            assert isinstance(f["at"], datetime)
        elif "value" in f:
            assert given == {"value"}, f["id"]
        else:
            assert given == {"low", "high"}, f["id"]
            assert f["low"] < f["high"], f["id"]
        if f["unit"] in {"coin", "px"}:
            assert "coin" in f, f["id"]
        if f["quantity"] in {"liquidated_share_long", "price_move", "open_interest_share"}:
            assert f["unit"] == "frac", f["id"]
            assert all(-1 < f[k] < 1 for k in given), f["id"]


def conflicts_are_mutual(path: Path) -> None:
    facts = {f["id"]: f for f in load(path)["fact"]}
    for f in facts.values():
        for other in f.get("conflicts_with", []):
            assert other != f["id"]
            assert f["id"] in facts[other]["conflicts_with"], (f["id"], other)


def a_figure_without_a_page_is_never_more_than_grade_c(path: Path) -> None:
    e = load(path)
    homeless = [f for f in e["fact"] if f["source"] == "URL not kept"]
    assert all(f["grade"] == "C" for f in homeless)
    assert any("URL not kept" in n for n in e["notes"]) == bool(homeless)


def figures_read_off_the_sample_are_in_the_sample(path: Path) -> None:
    for f in load(path)["fact"]:
        if not f["source"].startswith("data/sample/"):
            continue
        assert f["mark"] == "D"
        bars = rows(ROOT / f["source"])
        lowest = min(bars, key=lambda b: b["low"])
        seen: dict[str, float | datetime] = {
            "price": bars[0]["open"],
            "price_low": lowest["low"],
            "price_high": max(b["high"] for b in bars),
            "price_move": round(lowest["low"] / bars[0]["open"] - 1, 4),
            "event_time": utc(lowest["ts"]),
        }
        assert f.get("value", f.get("at")) == seen[f["quantity"]], f["id"]
        if f["quantity"] == "price_low":
            assert f["start"] == utc(lowest["ts"]), f["id"]


def sample_spans_equal_the_files(path: Path) -> None:
    e = load(path)
    for s in e.get("sample", []):
        assert s.keys() == {"venue", "coin", "file", "start", "end", "rows"}
        assert s["file"].startswith(f"{s['venue']}_{s['coin']}USDT_1m_")
        bars = rows(SAMPLE / s["file"])
        assert s["rows"] == len(bars)
        assert s["start"] == utc(bars[0]["ts"])
        assert s["end"] == utc(bars[-1]["ts"]) + timedelta(seconds=60)
    if "sample" in e:
        assert e["coins"] == list(dict.fromkeys(s["coin"] for s in e["sample"]))


def test_every_sample_file_belongs_to_one_event() -> None:
    named = [s["file"] for p in FILES for s in load(p).get("sample", [])]
    assert sorted(named) == [p.name for p in CSVS]
    assert [s["file"][-14:-4] for s in by_id("2020-03-12")["sample"]] == ["2020-03-12", "2020-03-13"]


def defaults_are_explained(path: Path) -> None:
    e = load(path)
    for venue, table in e.get("defaults", {}).items():
        assert venue == "any" or venue in e["venues"]
        values = {k: v for k, v in table.items() if k not in {"why", "open_interest_counts"}}
        assert table.get("open_interest_counts", "one side") in {"one side", "both sides"}
        assert (venue == "any") == ("open_interest_counts" in table)  # of no venue, so it must say how it counts
        assert values.keys() <= DEFAULT_KEYS
        assert values.keys() == table["why"].keys()
        assert all(re.search(r"measured|derived|declared|fitted to this event|\[U\]", w) for w in table["why"].values())
        for key in values.keys() & {"open_interest_usd", "liquidity_scale"}:
            assert list(values[key]) == [coin for coin in e["coins"] if coin in values[key]]
            unknown, why = set(e["coins"]) - set(values[key]), table["why"]["open_interest_usd"]
            assert all(re.search(rf"No source for .*\b{coin}\b", why) for coin in unknown)
            assert all(v > 0 for v in values[key].values())


@pytest.mark.parametrize("event_id", ["2020-03-12", "2021-12-04", "2024-08-05", "2025-10-10"])
def test_sampled_events_run_at_every_listed_venue(event_id: str) -> None:
    e = by_id(event_id)
    d = e["defaults"]
    assert e["sample"]
    for venue in e["venues"]:
        merged = d["any"] | d.get(venue, {})
        assert set(merged["open_interest_usd"]) == set(e["coins"])
        assert set(merged["liquidity_scale"]) == set(e["coins"])


def test_the_vaults_of_october_are_those_that_acted_with_all_open_interest_of_a_side() -> None:
    first, others = by_id("2025-10-10")["defaults"]["hyperliquid"]["vaults"]
    assert first["coins"] == ["BTC", "ETH", "SOL", "XRP"]
    assert others["coins"] == "*"
    assert (
        first["open_interest_usd"] + others["open_interest_usd"] == 13.8e9 / 2
    )  # the published total is of both sides


def comparisons_point_at_comparable_facts(path: Path) -> None:
    e = load(path)
    for c in e.get("compare", []):
        assert c.keys() - {"coin", "use", "bound"} == {"fact", "metric", "start", "end", "how", "note"}
        f = fact(e, c["fact"])
        assert f["quantity"] in METRIC_OF[c["metric"]]
        coins = c.get("coin", e["coins"][0]).split("+")
        assert f.get("coin", c.get("coin")) == c.get("coin")
        assert set(coins) & set(e["coins"])
        assert c["how"] in {"ratio", "bar"}
        if c["how"] == "ratio":
            assert all(f[end] != 0 for end in ("value", "low", "high") if end in f)


def test_only_the_fitted_event_publishes_a_sensitivity_grid() -> None:
    with_grid = [load(p)["id"] for p in FILES if "sensitivity" in load(p)]
    assert with_grid == ["2025-10-10"]
    grid = by_id("2025-10-10")["sensitivity"]
    varied = {k for g in grid for k in g["set"]}
    assert varied == words(
        "vault_capital_usd vaults vault_margin liquidity_factor mark_half_life_s step_s leverage_exponent "
        "delta_neutral_frac positions_per_account hedged_frac cross_frac"
    )
    assert sorted(g["set"]["mark_half_life_s"] for g in grid if "mark_half_life_s" in g["set"]) == [0, 10, 30]
    assert len({g["label"] for g in grid}) == len(grid)


def test_hyperliquid_users_liquidations_are_half_of_what_the_rows_hold_beside_adl() -> None:
    e = by_id("2025-10-10")
    value = {f["id"]: f["value"] for f in e["fact"] if "value" in f}
    rows_beside = value["liquidated_gross"] - value["adl_notional"]
    assert value["liquidated_users"] == rows_beside / 2 == 1_703_965_747
    assert value["liquidation_fills_users"] == (value["liquidation_fills_gross"] - value["adl_fills"]) / 2 == 14_327
    assert value["forced_notional"] == value["liquidated_gross"] + value["adl_notional"]
    for coin in ("btc", "eth", "sol", "xrp", "doge"):
        gross, adl = value[f"liquidated_gross_{coin}"], value[f"adl_notional_{coin}"]
        assert abs(value[f"liquidated_users_{coin}"] - (gross - adl) / 2) <= 0.5
        assert gross >= 2 * adl  # the gross figure holds the other side of every close
    assert "even in number in 87 of 87 coins" in fact(e, "liquidated_users")["note"]
    compared = [c["fact"] for c in e["compare"] if c["metric"] == "liquidated_notional_usd"]
    assert compared == [f"liquidated_users_{coin}" for coin in ("btc", "sol", "xrp", "doge", "link")]


@pytest.mark.skipif(not IMPACT.exists(), reason="the publisher's table is not part of the project")
def test_hyperliquid_rows_without_adl_are_even_in_every_coin() -> None:
    e = by_id("2025-10-10")
    with IMPACT.open(newline="", encoding="utf-8") as file:
        coins = {row["ticker"]: row for row in csv.DictReader(file)}
    assert len(coins) == 87
    assert all((int(row["liq_events"]) - int(row["adl_events"])) % 2 == 0 for row in coins.values())
    for coin in ("BTC", "ETH", "SOL", "XRP", "DOGE"):
        users = (float(coins[coin]["liq_notional"]) - float(coins[coin]["adl_notional"])) / 2
        assert fact(e, f"liquidated_users_{coin.lower()}")["value"] == pytest.approx(users, abs=0.6)


def test_hyperliquid_s_two_vaults_deleveraged_a_minute_apart() -> None:
    e = by_id("2025-10-10")
    others, majors = (fact(e, f"first_adl_{name}")["at"] for name in ("others", "majors"))
    assert (others, majors - others) == (fact(e, "first_adl")["at"], timedelta(seconds=62))


def test_adl_by_minute_is_of_all_fills() -> None:
    e = by_id("2025-10-10")
    minutes = [f for f in e["fact"] if f["quantity"] == "adl_fills_share"]
    fills = [int(f["note"].split(" ")[0].replace(",", "")) for f in minutes]
    assert [f["value"] for f in minutes] == [round(n / fact(e, "adl_fills")["value"], 4) for n in fills]
    assert [(f["end"] - f["start"]).total_seconds() for f in minutes] == [60] * 5
    assert sum(f["value"] for f in minutes) == pytest.approx(0.989, abs=5e-4)  # the rest is after 21:21


def test_figures_of_an_unreviewed_paper_are_of_grade_c() -> None:
    paper = [f for f in by_id("2025-10-10")["fact"] if f["source"].endswith("2608.03616")]
    assert {f["id"]: f.get("value", (f.get("low"), f.get("high"))) for f in paper} == {
        "off_book_share": 0.63, "forced_share_30_minutes": 0.88,
        "branching_ratio_phase_1": 0.195, "branching_ratio_phase_2": 0.14, "branching_ratio_phase_3": 0.032,
        "branching_ratio": (0.032, 0.195),
    }  # fmt: skip
    assert all(f["grade"] == "C" and "not reviewed" in f["note"] for f in paper)


def test_binance_s_fund_fell_by_a_hundredth_in_may_2021() -> None:
    value = {f["id"]: f["value"] for f in by_id("2021-05-19")["fact"] if f["id"].startswith("fund_binance")}
    assert value["fund_binance_after"] - value["fund_binance_before"] == value["fund_binance_change"]
    assert value["fund_binance_change"] / value["fund_binance_before"] == pytest.approx(-0.0107, abs=1e-4)


def test_hyperliquid_open_interest_is_the_declared_allocation() -> None:
    e = by_id("2025-10-10")
    value = {f["id"]: f["value"] for f in e["fact"] if "value" in f}
    given = e["defaults"]["hyperliquid"]["open_interest_usd"]
    for coin in ("BTC", "SOL", "XRP", "DOGE"):
        share = value[f"liquidated_gross_{coin.lower()}"] / value["liquidated_gross"]
        assert given[coin] == pytest.approx(value["oi_hyperliquid_before"] * share, rel=0.01)
    share = value["adl_notional_link"] / value["adl_notional"]
    assert given["LINK"] == pytest.approx(value["oi_hyperliquid_before"] * share, rel=0.01)


def test_binance_open_interest_of_the_other_coins_follows_the_calm_minutes() -> None:
    e = by_id("2025-10-10")
    given = e["defaults"]["binanceusdm"]["open_interest_usd"]
    start, end = datetime.fromisoformat("2025-10-10T20:40"), datetime.fromisoformat("2025-10-10T20:50")

    def calm(coin: str) -> float:
        bars = rows(SAMPLE / f"binanceusdm_{coin}USDT_1m_2025-10-10.csv")
        return sum(b["quote_volume"] for b in bars if start <= utc(b["ts"]) < end)

    assert given["BTC"] == fact(e, "oi_binance_before")["value"]
    for coin in ("SOL", "XRP", "DOGE", "LINK"):
        assert given[coin] == pytest.approx(given["BTC"] * calm(coin) / calm("BTC"), rel=0.01)


def sample_bars_are_sane(path: Path) -> None:
    bars = rows(path)
    assert [b["ts"] - a["ts"] for a, b in pairwise(bars)] == [60_000] * (len(bars) - 1)
    for b in bars:
        assert 0 < b["low"] <= min(b["open"], b["close"])
        assert max(b["open"], b["close"]) <= b["high"]
        assert b["volume"] > 0
        if "quote_volume" in b:
            assert b["low"] <= b["quote_volume"] / b["volume"] <= b["high"]
            assert 0 <= b["taker_buy_volume"] <= b["volume"]


def sample_readme_states_rows_low_and_high(path: Path) -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    (line,) = [x for x in readme.splitlines() if f"`{path.name}`" in x]
    n, low, high = (float(c.replace(",", "")) for c in line.strip("|").split("|")[-3:])
    bars = rows(path)
    assert (n, low, high) == (len(bars), min(b["low"] for b in bars), max(b["high"] for b in bars))


def sample_is_carried_byte_for_byte(path: Path) -> None:
    if not EXCERPTS.is_dir():
        return  # the excerpts the sample was carried from are not beside this checkout
    assert path.read_bytes() == (EXCERPTS / path.name).read_bytes()


OF_EVENTS = (
    head,
    listed_venues_existed,
    windows_are_ordered,
    facts_carry_their_evidence,
    facts_hold_a_value_a_range_or_a_time,
    conflicts_are_mutual,
    a_figure_without_a_page_is_never_more_than_grade_c,
    figures_read_off_the_sample_are_in_the_sample,
    sample_spans_equal_the_files,
    defaults_are_explained,
    comparisons_point_at_comparable_facts,
)


@each_event
def test_an_event_is_complete_and_consistent(path: Path) -> None:
    for check in OF_EVENTS:
        check(path)


OF_SAMPLES = (
    sample_bars_are_sane,
    sample_readme_states_rows_low_and_high,
    sample_is_carried_byte_for_byte,
)


@each_csv
def test_a_sample_is_sane_and_documented(path: Path) -> None:
    for check in OF_SAMPLES:
        check(path)
