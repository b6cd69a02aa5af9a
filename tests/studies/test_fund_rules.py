"""Floor, trigger and stop of a fund: right at their edges by runs of their own, or a reason why none prevents ADL."""

from __future__ import annotations

from typing import Any

import pytest

from backtest.catalogue.priors import read_priors
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.studies.fund_rows import rule_rows
from backtest.studies.fund_rules import fund_rules
from backtest.studies.fund_runs import tried
from backtest.studies.fund_size import FundRequest, fund_size
from backtest.studies.pool import Pool
from tests.support.plain import HOT_MINUTES

GIVEN = {"coins": ("BTC",), "step_s": 60.0, "positions": 200, "end": HOT_MINUTES["end"]}


def rules(**fields: Any) -> dict[str, dict[str, Any]]:
    """Return what is found of one small book of 10 October 2025, by rule."""
    given = {**GIVEN, **fields}
    found = fund_size(FundRequest(event="2025-10-10", given=given, priors=read_priors(), draws=0, workers=1))
    return {row["rule"]: row for row in rule_rows(found)}


def adl(row: dict[str, Any], less: float = 0.0, **fields: Any) -> float:
    """Return the ADL of a run of its own with what replays a value, or with a value that is tighter."""
    changes = {name: float(value) - less for name, _, value in (each.partition("=") for each in row["set"])}
    return tried(prepare(resolve("2025-10-10", {**GIVEN, **fields, **changes}))).adl_usd


def test_a_trigger_has_no_adl_and_the_next_tighter_one_has_some() -> None:
    fields: dict[str, Any] = {"venue": "okx", "fund_start_usd": 60e6}
    found = rules(**fields)
    row = found["trigger"]
    assert row["value"] > row["given"]
    assert row["set"] == [f"drawdown_trigger_frac={row['value']}"]
    assert adl(row, **fields) == 0
    assert adl(row, 0.005, **fields) > 0
    for name, most in (("floor", "−"), ("stop", "30.0")):
        assert (found[name]["value"], found[name]["set"], found[name]["remain"]) == (None, [], 1)
        assert {*found[name]["causes_usd"]} == {"fund_drawdown"}
        assert found[name]["why"].startswith(f"even at {most}")
        assert found[name]["why"].isprintable(), "data hold plain blanks"
    assert found["stop"]["why"].endswith("a stop says when ADL ends, not whether it begins")


def test_a_trigger_below_the_stop_takes_the_stop_with_it() -> None:
    fields: dict[str, Any] = {"venue": "bybit", "fund_start_usd": 2e9, "liquidity_factor": 0.05}
    found = rules(**fields)
    row = found["trigger"]
    assert 0 < row["value"] < 0.25
    assert [each.partition("=")[0] for each in row["set"]] == ["drawdown_trigger_frac", "drawdown_stop_frac"]
    assert adl(row, **fields) == 0
    assert adl(row, 0.005, **fields) > 0
    assert found["stop"]["value"] == 0, "no trigger is reached, so any stop will do"
    floor = found["floor"]
    assert 0 < floor["value"] < 2e9
    assert adl(floor, **fields) == 0
    assert adl(floor, -20e6, **fields) > 0


def test_a_floor_below_zero_is_credit_and_a_stop_below_it_leaves_the_inventory_alone() -> None:
    fields: dict[str, Any] = {"venue": "bitmex", "fund_start_usd": 10e6, "liquidity_factor": 0.05}
    found = rules(**fields)
    for name in ("floor", "stop"):
        row = found[name]
        assert row["value"] < 0
        assert adl(row, **fields) == 0
        assert adl(row, -1e5, **fields) > 0
    assert found["trigger"]["why"] == "no fall of the fund switches ADL on (drawdown_trigger = none)"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "a vault has none: below zero all of its inventory goes to ADL"),
        ({"vault_margin": "maintenance"}, "a vault has none: below the margin that it keeps all of its inventory"),
        ({"venue": "okx", "fund_takeover": "none"}, "the fund takes no position over, whatever its floor"),
    ],
)
def test_what_a_venue_does_not_have_is_said_in_a_line(fields: dict[str, Any], why: str) -> None:
    prepared = prepare(resolve("2025-10-10", {**GIVEN, **fields}))
    floor, *others = fund_rules(prepared, Pool.of(prepared), 1e9)
    assert (floor.field, floor.without[: len(why)]) == ("", why)
    if not fields.get("venue"):
        assert {each.without for each in others} == {floor.without}
