"""Section 9 of the mechanism page: what holds in every world."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backtest.book.book import assemble
from backtest.engine.run import Outcome, simulate
from backtest.engine.world import Positions
from tests.engine.crowds import crowd
from tests.reference.adapter import build, run_fast
from tests.reference.worlds_strategy import worlds

World = dict[str, Any]
crowds = st.integers(0, 10**6).map(lambda seed: crowd(seed, size=20, unit=1000))
either = st.one_of(worlds(), crowds)
TABLES = ("transfers", "breaches", "slices", "queue")


def owners(result: World) -> list[World]:
    named = [owner for name, owner in result["owners"].items() if name != "accounts"]
    return [*named, *result["owners"]["accounts"].values()]


def tables(outcome: Outcome) -> list[list[Any]]:
    """Return every record as plain lists."""
    record = outcome.record
    joined: list[dict[str, Any]] = [getattr(record, name).columns() for name in TABLES]
    rest: list[list[Any]] = [record.waves, record.watch, record.unmatched, record.skipped]
    return [*[[name, column.tolist()] for table in joined for name, column in table.items()], *rest]


@pytest.mark.property
@given(either)
def test_cash_and_lots_sum_to_zero(world: World) -> None:
    result = run_fast(world)
    assert sum(owner["cash"] for owner in owners(result)) == 0
    for symbol in world["symbols"]:
        assert sum(owner["lots"][symbol] for owner in owners(result)) == 0


@pytest.mark.property
@given(either, st.randoms(use_true_random=False))
def test_the_order_of_the_books_rows_does_not_matter(world: World, shuffled: Any) -> None:
    engine_world = build(world)
    before = engine_world.book
    sheet = {
        "account_id": before.account, "symbol": before.symbol, "side": before.side, "lots": before.lots,
        "entry_value": before.entry_value, "collateral": before.collateral,
        "cohort": np.zeros(len(before), dtype=np.int64),
    }  # fmt: skip
    rows = list(range(len(before)))
    watched = tuple(rows[::3])
    expected = tables(simulate(dataclasses.replace(engine_world, watched=watched)))
    shuffled.shuffle(rows)
    book = assemble({name: values[rows] for name, values in sheet.items()}, len(world["symbols"]), ["all"], "imported")
    positions = Positions(
        account=book.account_id,
        symbol=book.symbol,
        side=book.side,
        lots=book.lots,
        entry_value=book.entry_value,
        collateral=book.collateral,
    )
    again = dataclasses.replace(engine_world, book=positions, watched=watched)
    assert tables(simulate(again)) == expected


@pytest.mark.property
@given(either)
def test_adl_touches_only_the_opposite_side_of_the_same_symbol(world: World) -> None:
    rows = {row["id"]: row for row in world["accounts"]}
    outcome = simulate(build(world))
    side = {wave.wave: (wave.symbol, wave.side) for wave in outcome.record.waves}
    slices = outcome.record.slices.columns()
    account = outcome.world.book.account
    for wave, winner, bankrupt, lots in zip(
        *(slices[name].tolist() for name in ("wave", "winner_row", "bankrupt_row", "lots")), strict=True
    ):
        symbol, bankrupt_side = side[wave]
        assert lots > 0
        assert (outcome.world.book.symbol[winner], outcome.world.book.side[winner]) == (symbol, -bankrupt_side)
        assert rows[int(account[winner])]["side"] == -bankrupt_side
        if bankrupt >= 0:
            assert (outcome.world.book.symbol[bankrupt], outcome.world.book.side[bankrupt]) == (symbol, bankrupt_side)


@pytest.mark.property
@given(either)
def test_who_pays_held_a_position_or_is_of_the_class_the_profile_names(world: World) -> None:
    result = run_fast(world)
    profile = world["profile"]
    venue, fund = result["owners"]["venue"]["cash"], result["owners"]["fund"]
    assert venue >= 0
    assert venue == 0 or profile["fee_owner"] == "venue"
    if profile["fund"]["takeover"] == "none" and profile["on_exhausted"] == "uncovered":
        assert fund["cash"] >= profile["fund"]["start"]
        assert not any(fund["lots"].values())
    if profile["residual_owner"] != "fund" and profile["fee_owner"] != "fund" and not any(fund["lots"].values()):
        taken = any(row[6] for row in result["liquidations"]) or any(row[4] == "fund" for row in result["unmatched"])
        assert taken or fund["cash"] == profile["fund"]["start"]


@pytest.mark.property
@given(either)
def test_closing_at_bankruptcy_leaves_nothing_uncovered_unless_the_queue_ran_out(world: World) -> None:
    result = run_fast({**world, "profile": {**world["profile"], "close_price": "bankruptcy"}})
    uncovered = result["owners"]["uncovered"]
    assert uncovered["cash"] <= 0
    if all(taker == "fund" for *_, taker in result["unmatched"]):
        assert uncovered["cash"] == 0


@pytest.mark.property
@given(either, st.sampled_from((2, 3, 7)))
def test_money_in_units_c_times_smaller_is_c_times_as_much(world: World, c: int) -> None:
    """Multiply quanta per tick and lot, and every amount, by c.

    Rounding may decide where it stands next to a comparison: equality counts as a breach, a fund or vault at its
    limit, funding, or a score with a unit of currency in it. The property is that of slices, so those are left out.
    """
    profile = {
        **world["profile"], "threshold": "<", "inventory_adl": "none", "vault": None, "on_exhausted": "uncovered",
        "fund": {**world["profile"]["fund"], "takeover": "none", "pools": None, "drop": None},
    }  # fmt: skip
    assume(profile["ranking"] not in {"binance", "aevo", "bybit", "extended"})
    if profile["residual_owner"] == "vault":
        profile["residual_owner"] = "account"
    plain = {**world, "profile": profile, "funding": []}
    above = {"first_above": c * profile["first_above"]} if "first_above" in profile else {}
    scaled = {
        **plain,
        "symbols": {
            name: {
                **rules, "quanta_per_tick_lot": c * rules["quanta_per_tick_lot"],
                "tiers": [[c * floor, rate, c * deduction] for floor, rate, deduction in rules["tiers"]],
            }
            for name, rules in world["symbols"].items()
        },
        "accounts": [{**row, "cost": c * row["cost"], "wallet": c * row["wallet"]} for row in world["accounts"]],
        "profile": {**profile, "fund": {**profile["fund"], "start": c * profile["fund"]["start"]}, **above},
    }  # fmt: skip
    one, many = run_fast(plain), run_fast(scaled)
    assert [row[:5] + row[6:8] for row in one["liquidations"]] == [row[:5] + row[6:8] for row in many["liquidations"]]
    assert [row[:5] for row in one["adl"]] == [row[:5] for row in many["adl"]]
    assert one["skipped"] == many["skipped"]
    slices = 4 * len(one["liquidations"]) + len(one["adl"]) + len(one["unmatched"])
    for before, after in zip(owners(one), owners(many), strict=True):
        assert before["lots"] == after["lots"]
        assert abs(after["cash"] - c * before["cash"]) <= c * slices


@pytest.mark.property
@given(either, st.integers(0, 10**12))
def test_a_fund_that_takes_nothing_over_changes_no_liquidation_and_no_adl(world: World, start: int) -> None:
    """What is left of "a larger fund never means more ADL" in what is built.

    A fund acts only by taking positions over; it pays no cash beside that. Where it takes nothing over, its size
    changes nothing at all.
    """
    profile = {
        **world["profile"], "on_exhausted": "uncovered",
        "fund": {**world["profile"]["fund"], "takeover": "none", "pools": None},
    }  # fmt: skip
    small = run_fast({**world, "profile": profile})
    large = run_fast({**world, "profile": {**profile, "fund": {**profile["fund"], "start": start}}})
    for table in ("liquidations", "adl", "skipped", "unmatched"):
        assert small[table] == large[table]
    assert small["owners"]["accounts"] == large["owners"]["accounts"]
