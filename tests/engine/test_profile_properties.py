"""Section 9 of the mechanism page under the rules of every profile: what holds in every world."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine.columns import Log
from backtest.engine.records import CAUSES, OWNERS
from backtest.engine.run import Outcome, simulate
from tests.engine.profiles import VENUES, World, drawn
from tests.reference.adapter import build, run_fast, shape

EXAMPLES = 15
Row = dict[str, Any]
pytestmark = [pytest.mark.property, pytest.mark.parametrize("venue", VENUES)]


def rows(log: Log[Any]) -> list[Row]:
    columns = log.columns()
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def replayed(world: World) -> Outcome:
    return simulate(build(world))


def records(outcome: Outcome) -> list[Any]:
    """Return every record as plain lists."""
    record = outcome.record
    joined = [getattr(record, name).columns() for name in ("transfers", "breaches", "slices", "queue")]
    rest = [record.waves, record.watch, record.unmatched, record.skipped]
    return [*[[name, column.tolist()] for table in joined for name, column in table.items()], *rest]


def test_the_order_of_the_rows_does_not_matter(venue: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(drawn(venue), st.randoms(use_true_random=False))
    def holds(world: World, shuffled: Any) -> None:
        expected = records(replayed(world))
        shuffled.shuffle(world["accounts"])
        assert records(replayed(world)) == expected

    holds()


def test_adl_takes_from_the_other_side_and_no_more_than_its_rule_allows(venue: str) -> None:
    @settings(max_examples=2 * EXAMPLES)
    @given(drawn(venue))
    def holds(world: World) -> None:
        outcome = replayed(world)
        book, slices, queue = outcome.world.book, rows(outcome.record.slices), rows(outcome.record.queue)
        for wave in outcome.record.waves:
            mine = [row for row in slices if row["wave"] == wave.wave]
            stood = [row for row in queue if row["wave"] == wave.wave]
            for row in mine:
                place = row["winner_row"]
                assert (int(book.symbol[place]), int(book.side[place])) == (wave.symbol, -wave.side)
                assert row["lots"] > 0
            assert sum(row["lots"] for row in mine) == wave.closed_lots <= wave.wanted_lots
            walked(stood, sum(row["lots"] for row in mine if row["rank"] > 0))

    def walked(stood: list[Row], lots: int) -> None:
        """Assert that a queue was closed from its head, whole, but for the last one and those passed over."""
        assert sum(row["closed_lots"] for row in stood) == lots
        assert all(0 <= row["closed_lots"] <= row["lots"] for row in stood)
        last = max((row["rank"] for row in stood if row["closed_lots"]), default=0)
        before = [row for row in stood if row["rank"] < last and not row["skipped"]]
        assert all(row["closed_lots"] == row["lots"] for row in before)
        assert sum(0 < row["closed_lots"] < row["lots"] for row in stood if not row["skipped"]) <= 1

    holds()


# Who may pay or be paid for what, beside accounts; the profile decides who it is.
COUNTERPARTIES = {
    "book": {"market"}, "takeover": {"fund", "vault"}, "adl": {"account", "fund", "vault"}, "net": {"account"},
    "unwind": {"market"}, "funding": {"rounding"}, "exhausted": {"market", "fund"}, "shortfall": {"fund", "uncovered"},
    "socialised": {"uncovered"},
}  # fmt: skip


def test_who_pays_holds_a_position_or_is_named_by_the_profile(venue: str) -> None:
    @settings(max_examples=2 * EXAMPLES)
    @given(drawn(venue))
    def holds(world: World) -> None:
        profile = world["profile"]
        outcome = replayed(world)
        named = COUNTERPARTIES | {
            "fee": {profile["fee_owner"]}, "residual": {profile["residual_owner"]},
            "difference": {"uncovered", profile["residual_owner"]},
        }  # fmt: skip
        held = outcome.world.book.lots.copy()
        for row in rows(outcome.record.transfers):
            cause, kinds = CAUSES[row["cause"]], (OWNERS[row["taker"]], OWNERS[row["giver"]])
            assert kinds[1] in named[cause], (cause, kinds)
            assert kinds[0] in {"account", "fund", "vault", "market"}
            for kind, place in zip(kinds, (row["taker_row"], row["giver_row"]), strict=True):
                if kind == "account" and row["lots"]:
                    assert held[place] >= abs(row["lots"])
                    held[place] -= abs(row["lots"])
            if cause == "difference":
                paid = kinds[1] if row["cash"] > 0 else kinds[0]
                assert paid == ("uncovered" if row["cash"] > 0 else "account")
        assert (held == outcome.ledger.lots).all()
        if not profile.get("vault"):
            assert outcome.ledger.vault.cash == 0

    holds()


def test_closing_at_bankruptcy_leaves_nothing_uncovered_unless_the_queue_ran_out(venue: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(drawn(venue))
    def holds(world: World) -> None:
        result = run_fast({**world, "profile": {**world["profile"], "close_price": "bankruptcy"}})
        uncovered = result["owners"]["uncovered"]["cash"]
        assert uncovered <= 0
        if not result["unmatched"]:
            assert uncovered == 0

    holds()


def test_positions_and_accounts_are_liquidated_at_or_below_maintenance_alone(venue: str) -> None:
    @settings(max_examples=2 * EXAMPLES)
    @given(drawn(venue))
    def holds(world: World) -> None:
        outcome = replayed(world)
        book, allocation = outcome.world, world["profile"]["cross_allocation"]
        together: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        crossed = outcome.accounts
        for row in rows(outcome.record.breaches):
            owner = -1 if crossed is None else int(crossed.of[row["row"]])
            alone = owner < 0 or allocation == "one_first"
            key = (row["serial"],) if alone else (row["step"], row["round"], owner)
            together[key][0] += row["equity"]
            together[key][1] += row["maintenance"] + row["other_maintenance"]
        for equity, need in together.values():
            assert equity <= need if book.rules.inclusive else equity < need

    holds()


def test_a_cross_account_of_one_position_is_an_isolated_one(venue: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(drawn(venue, accounts=False))
    def holds(world: World) -> None:
        book = build(world)
        positions = dataclasses.replace(book.book, cross=np.ones(len(book.book), dtype=np.bool_))
        crossed = dataclasses.replace(book, book=positions)
        expected, found = simulate(book), simulate(crossed)
        assert records(found) == records(expected)
        assert shape(found, world) == shape(expected, world)

    holds()


def test_money_in_units_c_times_smaller_is_c_times_as_much(venue: str) -> None:
    """Scale isolated linear worlds, within c quanta for every slice.

    Left out is what a quantum may decide: equality as a breach, a fund or a vault at its limit, funding, orders sized
    by rounded amounts, scores with a unit of currency in them, losses shared with so much rounded up for each lot. So
    are cross accounts: their maintenance is a sum of rounded ones, and their equity is floored for each position.
    """

    @settings(max_examples=EXAMPLES)
    @given(drawn(venue, accounts=False), st.sampled_from((2, 3, 7)))
    def holds(world: World, c: int) -> None:
        plain = scalable(world)
        outcome, many = replayed(plain), run_fast(scaled(plain, c))
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

    holds()


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
