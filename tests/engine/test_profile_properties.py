"""Worlds under the rules of every profile: what a change of a world does to its run.

That both engines agree on them, and what holds in one run, is asserted in ``test_many_worlds`` of the same worlds.
"""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest

from backtest.engine.run import Outcome, simulate
from tests.engine import holds
from tests.engine.drawn_worlds import worlds_under
from tests.engine.holds import records
from tests.engine.profiles import VENUES, World
from tests.reference.adapter import build, run_fast, shape


@pytest.mark.property
@pytest.mark.parametrize("venue", VENUES)
def test_what_holds_under_the_rules_of_a_profile(venue: str) -> None:
    for number, world in enumerate(worlds_under(venue)):
        outcome = simulate(build(world))
        the_order_of_the_rows_does_not_matter(world, outcome, Random(number))
        holds.closing_at_bankruptcy_leaves_nothing_uncovered(world)
        if not any(row.get("cross") for row in world["accounts"]):
            a_cross_account_of_one_position_is_an_isolated_one(world, outcome)
            if not any(rules.get("inverse") for rules in world["symbols"].values()):
                money_in_units_c_times_smaller_is_c_times_as_much(world, (2, 3, 7)[number % 3])


def the_order_of_the_rows_does_not_matter(world: World, outcome: Outcome, shuffled: Random) -> None:
    rows = list(world["accounts"])
    shuffled.shuffle(rows)
    assert records(simulate(build({**world, "accounts": rows}))) == records(outcome)


def a_cross_account_of_one_position_is_an_isolated_one(world: World, outcome: Outcome) -> None:
    book = outcome.world.book
    if len(set(book.account.tolist())) == len(book):
        positions = dataclasses.replace(book, cross=np.ones(len(book), dtype=np.bool_))
        crossed = simulate(dataclasses.replace(outcome.world, book=positions))
        assert records(crossed) == records(outcome)
        assert shape(crossed, world) == shape(outcome, world)


def money_in_units_c_times_smaller_is_c_times_as_much(world: World, c: int) -> None:
    """Scale isolated linear worlds, within c quanta for every slice.

    Left out is what a quantum may decide: equality as a breach, a fund or a vault at its limit, funding, orders sized
    by rounded amounts, scores with a unit of currency in them, losses shared with so much rounded up for each lot. So
    are cross accounts: their maintenance is a sum of rounded ones, and their equity is floored for each position.
    """
    plain = scalable(world)
    outcome, many = simulate(build(plain)), run_fast(scaled(plain, c))
    one = shape(outcome, plain)
    assert [line[:5] + line[6:8] for line in one["liquidations"]] == [
        line[:5] + line[6:8] for line in many["liquidations"]
    ]
    assert [line[:5] for line in one["adl"]] == [line[:5] for line in many["adl"]]
    slices = len(outcome.record.transfers)  # each is rounded once
    for name, before in one["owners"]["accounts"].items():
        after = many["owners"]["accounts"][name]
        assert before["lots"] == after["lots"]
        assert abs(after["cash"] - c * before["cash"]) <= c * slices


def scalable(world: World) -> World:
    profile = world["profile"]
    ranking = "bitmex" if profile["ranking"] in {"binance", "bybit"} else profile["ranking"]
    rounded = profile["liquidation_rule"] in {"reduce_once", "fillable_price", "incremental"}
    liquidation = "full_position" if rounded else profile["liquidation_rule"]
    exhausted = "uncovered" if profile["on_exhausted"] == "socialised_both" else profile["on_exhausted"]
    fund = {**profile["fund"], "takeover": "none"}
    owner = "account" if profile["residual_owner"] == "vault" else profile["residual_owner"]
    profile = {
        **profile, "threshold": "<", "vault": None, "inventory_adl": "none", "ranking": ranking,
        "liquidation_rule": liquidation, "fund": fund, "residual_owner": owner, "on_exhausted": exhausted,
    }  # fmt: skip
    return {**world, "profile": profile, "funding": []}


def scaled(world: World, c: int) -> World:
    profile = world["profile"]
    above = {"first_above": c * profile["first_above"]} if "first_above" in profile else {}
    symbols = {
        name: {
            **rules, "quanta_per_tick_lot": c * rules["quanta_per_tick_lot"],
            "tiers": [[c * floor - (c - 1) * (floor > 0 and not less), rate, c * less]
                      for floor, rate, less in rules["tiers"]],
        }
        for name, rules in world["symbols"].items()
    }  # fmt: skip
    rows = [{**row, "cost": c * row["cost"], "wallet": c * row["wallet"]} for row in world["accounts"]]
    fund = {**profile["fund"], **{key: c * profile["fund"][key] for key in ("start", "floor")}}
    if "pools" in fund:
        fund["pools"] = [{**pool, "start": c * pool["start"]} for pool in fund["pools"]]
    return {**world, "symbols": symbols, "accounts": rows, "profile": {**profile, "fund": fund, **above}}
