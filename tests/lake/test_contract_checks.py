"""Terms that no contract has are refused with venue, coin and field, and nothing of them is stored."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.fetch.day import FetchedDay, broken_rule
from backtest.lake.contract_checks import deductions_fault, limits_fault, tiers_fault
from backtest.lake.inventory import holdings
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from backtest.market.terms import contract_terms
from backtest.venue.reading import get_venue
from tests.fetch.standins import utc
from tests.fetch.venues import NOW, fetched, wanted
from tests.lake.single_faults import SHARED
from tests.server import bybit
from tests.server.market import Market

DAY = utc("00:00")
BTC = "BTC/USDT:USDT"
LIMITS = {"tick_px": 0.1, "lot_base": 0.001, "contract_size": 1.0, "quantity_min": 0.001}
TIERS = [(1, 0.0, 5e4, 0.004, 125.0), (2, 5e4, 25e4, 0.005, 100.0), (3, 25e4, None, 0.01, 50.0)]


def limits(**changes: float | None) -> pl.DataFrame:
    return pl.DataFrame([{"ts": DAY} | LIMITS | changes], schema=schema_of("limits"))


def tiers(row: int = 0, **changes: float | None) -> pl.DataFrame:
    names = [*schema_of("leverage_tiers")][1:]
    rows: list[dict[str, Any]] = [dict(zip(names, tier, strict=True)) for tier in TIERS]
    rows[row] |= changes
    return pl.DataFrame([{"ts": DAY} | each for each in rows], schema=schema_of("leverage_tiers"))


WRONG_LIMITS = [
    ({"tick_px": 0.0}, "tick_px = 0; allowed: 1e-12 to 1e+9"),
    ({"tick_px": -0.1}, "tick_px = -0.1"),
    ({"lot_base": 0.0}, "lot_base = 0"),
    ({"lot_base": float("nan")}, "lot_base = nan"),
    ({"contract_size": float("inf")}, "contract_size = inf"),
    ({"quantity_min": -1.0}, "quantity_min = -1"),
]
WRONG_TIERS = [
    (0, {"notional_floor": 1.0}, "notional_floor = 1 in tier 1; allowed: 0 in the first tier"),
    (1, {"notional_floor": 0.0}, "notional_floor = 0 in tier 2; allowed: floors from 0 on, each above the one before"),
    (2, {"notional_floor": float("nan")}, "notional_floor = nan in tier 3"),
    (1, {"maintenance_frac": 0.5, "max_leverage": 1.0}, "maintenance_frac = 0.01 in tier 3; allowed: rates"),
    (1, {"maintenance_frac": 0.004}, "maintenance_frac = 0.004 in tier 2; allowed: rates from 0 to 1, each above"),
    (2, {"maintenance_frac": 1.5}, "maintenance_frac = 1.5 in tier 3"),
    (0, {"maintenance_frac": -0.1}, "maintenance_frac = -0.1 in tier 1"),
    (0, {"max_leverage": None}, "max_leverage = nan in tier 1"),
    (1, {"max_leverage": 150.0}, "max_leverage = 150 in tier 2; allowed: leverages from 1 on, none above the one"),
    (2, {"maintenance_frac": 0.04}, "max_leverage = 50 in tier 3; allowed: at most 1 / maintenance_frac, 25"),
    (0, {"notional_cap": 6e4}, "notional_cap = 60000 in tier 1; allowed: at most the floor of the next tier, 50000"),
    (1, {"tier": 1}, "tier is not a number of its own"),
]


def test_sound_terms_pass_and_what_a_venue_does_not_state_is_no_fault() -> None:
    assert limits_fault(limits()) == limits_fault(limits(quantity_min=None, lot_base=None)) == ""
    assert tiers_fault(tiers()) == ""


@pytest.mark.parametrize(("changes", "said"), WRONG_LIMITS)
def test_wrong_limits_are_named_when_fetched_counted_and_read(changes: dict[str, float], said: str) -> None:
    assert limits_fault(limits(**changes)).startswith(said)
    place = Place("bybit", BTC, "limits")
    reason = broken_rule(FetchedDay(DAY.date(), frame=limits(**changes)), place, "bybit")
    assert reason.startswith(f"gave rows that break a rule: bybit: {BTC}: {said}")
    write_day(limits(**changes), place, DAY.date())
    (held,) = holdings()
    assert said.partition(";")[0] in held.row()["note"]


@pytest.mark.parametrize(("row", "changes", "said"), WRONG_TIERS)
def test_wrong_tiers_are_named_when_fetched_counted_and_read(row: int, changes: dict[str, Any], said: str) -> None:
    frame = tiers(row, **changes)
    assert tiers_fault(frame).startswith(said)
    place = Place("bybit", BTC, "leverage_tiers")
    reason = broken_rule(FetchedDay(DAY.date(), frame=frame), place, "bybit")
    assert reason.startswith(f"gave rows that break a rule: bybit: {BTC}: {said}")
    write_day(frame, place, DAY.date())
    if "tier" not in changes:  # a second row of one tier contradicts the first
        assert said.partition(";")[0] in holdings()[0].row()["note"]
    with pytest.raises(DataError, match=rf"^data/lake/leverage_tiers/venue=bybit/.*: {BTC}: .*fetch it again$"):
        contract_terms(get_venue("bybit"), ["BTC"], DAY.date())


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of shared data")
def test_no_real_table_is_refused_and_its_deductions_follow() -> None:
    real = json.loads((SHARED / "leverage_tiers" / "binance-usdm.json").read_text("utf-8"))
    assert len(real) > 900
    names = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")
    for rows in real.values():
        table = [(number, *(row[name] for name in names)) for number, row in enumerate(rows, 1)]
        columns = [*schema_of("leverage_tiers")][1:]
        assert tiers_fault(pl.DataFrame(table, schema=columns, orient="row")) == ""
        assert deductions_fault([row | {"info": {"cum": row["cum"]}} for row in rows]) == ""


@pytest.mark.parametrize("key", ["cum", "mmDeduction", "deduction"])
@pytest.mark.parametrize("value", ["51", "nan", "-50", "a lot"])
def test_a_stated_deduction_that_does_not_follow_is_named(key: str, value: str) -> None:
    rows = [{"minNotional": floor, "maintenanceMarginRate": rate, "info": {key: due}}
            for (_, floor, _, rate, _), due in zip(TIERS, ("0", "50", "1300"), strict=True)]  # fmt: skip
    assert deductions_fault(rows) == ""
    rows[1]["info"] = {key: value}
    assert deductions_fault(rows).endswith("in tier 2; allowed: 50, as floors and rates give it")


WRONG_ANSWERS = {
    "tick": "bybit: BTC/USDT:USDT: tick_px = 0; allowed: 1e-12",
    "rate": "bybit: BTC/USDT:USDT: maintenance_frac = 5 in tier 1; allowed: rates from 0 to 1",
    "deduction": "BTC/USDT:USDT: deduction = 1 in tier 2; allowed: ",
}


@pytest.mark.parametrize("wrong", WRONG_ANSWERS)
def test_wrong_terms_of_a_venue_are_denied_in_one_line_and_not_stored(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrong == "tick":
        monkeypatch.setattr(Market, "tick", property(lambda market: "0"))
    first, second, *others = bybit.TIERS
    first = (first[0], "5", *first[2:]) if wrong == "rate" else first
    second = (*second[:4], "1") if wrong == "deduction" else second
    monkeypatch.setattr(bybit, "TIERS", (first, second, *others))
    series = "limits" if wrong == "tick" else "leverage_tiers"
    outcome, _ = fetched(wanted(["bybit"], (series,), now=NOW))
    (denied,) = outcome.denied
    assert (denied.source, outcome.served) == ("bybit", [])
    assert "that break a rule" in denied.reason
    assert WRONG_ANSWERS[wrong] in denied.reason
    assert "\n" not in denied.reason
    assert not list(lake_folder().rglob("*.parquet"))
