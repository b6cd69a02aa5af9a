"""A coin outside the profile, from the venue's own answers to a run: fetched, replayed, worked out by hand."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backtest.assets import workspace
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.run.run import StoredRun
from tests.cli.conftest import stored
from tests.fetch.venues import NOW, fetched, tapes, wanted
from tests.server.market import DAILY_USD, PX, RULES, market_of
from tests.support.command import call

CRASH = dt.date(2025, 10, 10)
SERIES = ("ohlcv", "mark_ohlcv", "limits", "leverage_tiers")
ASKED = ("replay", "2025-10-10", "--coins", "ADA", "--positions", "300", "--set", "step_s=60", "-q",
         "--set", "open_interest_usd.ADA=50e6", "--set", "liquidity_scale.ADA=1")  # fmt: skip


def fetch_ada(venue: str) -> None:
    """Fetch ADA, which moves as DOGE did, from a local venue through ccxt."""
    with pytest.MonkeyPatch.context() as patch:
        for table in (PX, DAILY_USD, RULES[venue]):
            patch.setitem(table, "ADA", table["DOGE"])
        held = {(venue, f"{coin}/USDT:USDT"): tapes()[venue, f"{coin}/USDT:USDT"] for coin in ("BTC", "DOGE")}
        symbol = "ADA/USDT:USDT"
        held[venue, symbol] = replace(held[venue, "DOGE/USDT:USDT"], market=market_of(venue, symbol), cached={})
        outcome, _ = fetched(wanted([venue], SERIES, coins=["ADA"]), held=held)
    assert not outcome.denied
    assert {row.series for row in outcome.served} == set(SERIES)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a workspace for each venue after ADA was fetched from it."""
    found = {venue: tmp_path_factory.mktemp(venue) for venue in ("bybit", "okx")}
    with pytest.MonkeyPatch.context() as patch:
        for venue, home in found.items():
            patch.setenv("CRASHBOOK_HOME", str(home))
            fetch_ada(venue)
    return found


def bring(homes: dict[str, Path], venue: str) -> None:
    """Put what was fetched from a venue into the workspace."""
    shutil.copytree(homes[venue], workspace(), dirs_exist_ok=True)


def states(venue: str, day: dt.date) -> list[Path]:
    return [Place(venue, "ADA/USDT:USDT", series).file(day) for series in ("limits", "leverage_tiers")]


def seen_on(venue: str, day: dt.date) -> None:
    """Let the answers of the fetch be those of another day."""
    import polars as pl

    from backtest.lake.write import write_day

    for old, series in zip(states(venue, NOW.date()), ("limits", "leverage_tiers"), strict=True):
        frame = pl.read_parquet(old, hive_partitioning=False)
        stamped = frame.with_columns(ts=pl.lit(dt.datetime.combine(day, dt.time())).cast(pl.Datetime("us")))
        old.unlink()
        write_day(stamped, Place(venue, "ADA/USDT:USDT", series), day)


def replayed(venue: str) -> StoredRun:
    amounts = {"open_interest_usd": {"ADA": 50e6}, "liquidity_scale": {"ADA": 1.0}}
    return stored("2025-10-10", venue=venue, coins=("ADA",), positions=300, step_s=60.0, **amounts)


def test_a_coin_outside_the_profile_replays_on_its_own_terms(homes: dict[str, Path]) -> None:
    refused = call(*ASKED, "--venue", "bybit")
    assert refused.exit_code == 2
    assert "unknown coin at bybit 'ADA'" in refused.stderr
    assert "crashbook fetch 2025-10-10 --venue bybit --coins ADA --series leverage_tiers,limits" in refused.stderr
    assert call(*refused.stderr.partition(": crashbook ")[2].split(), "--dry-run").exit_code == 0

    bring(homes, "bybit")
    run = replayed("bybit")
    assert all(audit.passed for audit in run.audits())
    assert run.positions.height == 300
    assert run.liquidations.height > 0
    assert "Margin table of ADA at bybit is dated 2025-10-12, after 2025-10-10." in run.meta.notes
    assert "Margin table of ADA at bybit is that of 2025-10-12 in the lake." in run.meta.notes
    (contract,) = run.meta.contracts
    assert (contract.tick_px, contract.lot) == ("0.00001", "1")
    assert contract.units_from.endswith("limits/venue=bybit/symbol=ADA%2FUSDT%3AUSDT/2025-10-12.parquet")
    assert contract.margin_source.endswith("leverage_tiers/venue=bybit/symbol=ADA%2FUSDT%3AUSDT/2025-10-12.parquet")
    assert [(tier.floor, tier.maintenance_rate, tier.leverage) for tier in contract.tiers] == [
        (0, 0.005, 100),
        (2_000_000, 0.01, 50),
        (10_000_000, 0.025, 20),
    ]
    used = {row["series"]: row["label"] for row in run.coverage.to_dicts() if row["symbol"] == "ADA/USDT:USDT"}
    assert used["limits"] == used["leverage_tiers"] == "measured"
    assert "Margin tables in force on 2025-10-10: ADA of 2025-10-12 (lake)." in run.meta.assumptions

    # the same figures under the day itself are another run, without the warning
    seen_on("bybit", CRASH)
    dated = replayed("bybit")
    assert dated.run_id != run.run_id
    assert not any("after 2025-10-10" in flag for flag in dated.meta.notes)
    assert dated.summary()["liquidated_usd"] == run.summary()["liquidated_usd"]
    plan = call(*ASKED, "--venue", "bybit", "--explain")
    assert f"{dated.run_id}, on disk already" in plan.stdout
    assert "leverage_tiers  ADA/USDT:USDT  measured" in plan.stdout
    assert "ADA of 2025-10-10 (lake)" in plan.stdout


def test_floors_in_contracts_are_those_of_the_first_mark(homes: dict[str, Path]) -> None:
    bring(homes, "okx")
    run = replayed("okx")
    assert all(audit.passed for audit in run.audits())
    (contract,) = run.meta.contracts
    core = dt.datetime.fromisoformat("2025-10-10T20:50")  # walked from here on; what is before is the pre-roll
    bar = read_series(Place("okx", "ADA/USDT:USDT", "mark_ohlcv"), core, core + dt.timedelta(minutes=1))
    mark = Decimal(repr(bar["open"].item()))
    # the second and third tier begin at 10,001 and 50,001 contracts of 1,000 ADA
    floors = [tier.floor for tier in contract.tiers]
    assert floors == [0, round(10_001_000 * mark), round(50_001_000 * mark)]
    assert any("floors are contracts of 1000 ADA, counted at the starting mark" in flag for flag in run.meta.notes)


def record(*args: str) -> dict[str, Any]:
    result = call("position", *args, "--format", "json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout, parse_float=Decimal)
    return rows[0]


def test_a_position_by_hand_takes_the_same_table(homes: dict[str, Path]) -> None:
    ada = ("--venue", "bybit", "--symbol", "ADA", "--side", "long", "--size", "10000000", "--entry", "0.5",
           "--leverage", "10")  # fmt: skip
    refused = call("position", *ada)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.endswith("crashbook fetch EVENT --venue bybit --coins ADA --series leverage_tiers,limits\n")
    bring(homes, "bybit")
    row = record(*ada, "--on", "2025-10-10")
    assert row["margin_table_from"] == "2025-10-12"
    assert row["notes"][0] == "margin table of ADA at bybit is dated 2025-10-12, after 2025-10-10"
    # 1 % of 5,000,000 less 0.5 % of 2,000,000
    assert (row["tier"], row["maintenance_margin_usd"]) == (2, 40_000)
    by_figure = {rule["figure"]: rule for rule in row["rules"]}
    assert by_figure["tier"]["url"].endswith("leverage_tiers/venue=bybit/symbol=ADA%2FUSDT%3AUSDT/2025-10-12.parquet")
    assert by_figure["tier"]["mark"] == "V"
    page = call("position", *ada, "--on", "2025-10-12")
    assert "day     2025-10-12, margin table of 2025-10-12" in page.stdout
    assert "is dated" not in page.stdout


def test_a_position_by_hand_counts_contracts_at_its_mark(homes: dict[str, Path]) -> None:
    bring(homes, "okx")
    ada = ("--venue", "okx", "--symbol", "ADA/USDT:USDT", "--side", "short", "--leverage", "5", "--on", "2025-10-12")
    # tiers follow the size, whatever the price: 10,001 contracts of 1,000 ADA begin the second
    for px in ("0.25", "2"):
        assert record(*ada, "--entry", f"{px}:10000000")["tier"] == 1
        assert record(*ada, "--entry", f"{px}:10001000")["tier"] == 2
    assert record(*ada, "--entry", "0.25:10001000", "--mark", "0.3")["tier"] == 2
    bad = call("position", *ada, "--entry", "0.25:10001000", "--mark", "0")
    assert "mark = 0; allowed: 0.00001 to 1e+12 quote per base" in bad.stderr
