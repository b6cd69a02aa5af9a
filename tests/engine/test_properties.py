"""What a change of a world does to its run, in worlds drawn and in crowds. Section 9 of the mechanism page.

What holds in one run stands in ``holds`` and is asserted here as well. Each world is asked everything.
"""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import numpy as np
import pytest

from backtest.book.book import assemble
from backtest.engine.run import simulate
from backtest.engine.world import Positions
from tests.engine import holds
from tests.engine.crowds import crowd
from tests.engine.drawn_worlds import worlds_of
from tests.engine.holds import owners, records
from tests.reference.adapter import build, run_fast, shape

World = dict[str, Any]
WITH_A_UNIT = {"binance", "aevo", "bybit", "extended"}  # rankings whose scores have a unit of currency in them


@pytest.mark.property
def test_what_a_change_of_the_world_changes() -> None:
    crowds = [crowd(seed, size=20, unit=1000) for seed in range(8)]
    for number, world in enumerate([*worlds_of("isolated"), *crowds]):
        outcome, random = simulate(build(world)), Random(number)
        holds.check(world, outcome, shape(outcome, world))
        the_order_of_the_books_rows_does_not_matter(world, random)
        holds.closing_at_bankruptcy_leaves_nothing_uncovered(world)
        a_fund_that_takes_nothing_over_changes_no_liquidation_and_no_adl(world, random.randrange(10**12))
        if world["profile"]["ranking"] not in WITH_A_UNIT:
            money_in_units_c_times_smaller_is_c_times_as_much(world, (2, 3, 7)[number % 3])


def the_order_of_the_books_rows_does_not_matter(world: World, shuffled: Random) -> None:
    engine_world = build(world)
    before = engine_world.book
    sheet = {
        "account_id": before.account, "symbol": before.symbol, "side": before.side, "lots": before.lots,
        "entry_value": before.entry_value, "collateral": before.collateral,
        "cohort": np.zeros(len(before), dtype=np.int64),
    }  # fmt: skip
    rows = list(range(len(before)))
    watched = tuple(rows[::3])
    expected = records(simulate(dataclasses.replace(engine_world, watched=watched)))
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
    assert records(simulate(again)) == expected


def money_in_units_c_times_smaller_is_c_times_as_much(world: World, c: int) -> None:
    """Multiply quanta per tick and lot, and every amount, by c.

    Rounding may decide where it stands next to a comparison: equality counts as a breach, a fund or vault at its
    limit, funding, or a score with a unit of currency in it. The property is that of slices, so those are left out.
    """
    profile = {
        **world["profile"], "threshold": "<", "inventory_adl": "none", "vault": None, "on_exhausted": "uncovered",
        "fund": {**world["profile"]["fund"], "takeover": "none", "pools": None, "drop": None},
    }  # fmt: skip
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


def a_fund_that_takes_nothing_over_changes_no_liquidation_and_no_adl(world: World, start: int) -> None:
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
