"""What holds in every run, whatever its rules: one run, many properties. Section 9 of the mechanism page.

``check`` asserts all of them on the outcome of one run, so that no property needs a run of its own.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from backtest.engine.acts.drawdown import FundMonitor
from backtest.engine.columns import Log
from backtest.engine.records import CAUSES, OWNERS
from backtest.engine.run import Outcome
from tests.reference.adapter import run_fast

World = dict[str, Any]
Row = dict[str, Any]


def rows(log: Log[Any]) -> list[Row]:
    """Return the rows of a table of the record."""
    columns = log.columns()
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]


def records(outcome: Outcome) -> list[Any]:
    """Return every record as plain lists."""
    record = outcome.record
    joined = [getattr(record, name).columns() for name in ("transfers", "breaches", "slices", "queue")]
    rest = [record.waves, record.watch, record.unmatched, record.skipped]
    return [*[[name, column.tolist()] for table in joined for name, column in table.items()], *rest]


def owners(result: World) -> list[World]:
    """Return what each owner has at the end, accounts last."""
    named = [owner for name, owner in result["owners"].items() if name != "accounts"]
    return [*named, *result["owners"]["accounts"].values()]


def check(world: World, outcome: Outcome, result: World) -> None:
    """Assert every property on one run: its world, its outcome, and the outcome in the format of the worlds."""
    outcome.ledger.check(full=True)
    cash_and_lots_sum_to_zero(world, result)
    every_score_is_a_number(outcome)
    adl_takes_from_the_other_side_in_the_order_of_the_queue(world, outcome)
    who_pays_holds_a_position_or_is_named_by_the_rules(world, outcome)
    liquidated_at_or_below_maintenance_alone(world, outcome)
    a_fund_that_takes_nothing_keeps_its_money(world, result)
    equity_of_a_fund_is_its_start_and_what_its_symbols_brought(outcome)
    a_liquidation_row_accounts_for_lots_that_moved(world, result)
    if world["profile"]["close_price"] == "bankruptcy":
        nothing_is_uncovered_unless_the_queue_ran_out(result)


def cash_and_lots_sum_to_zero(world: World, result: World) -> None:
    assert sum(owner["cash"] for owner in owners(result)) == 0
    for symbol in world["symbols"]:
        assert sum(owner["lots"][symbol] for owner in owners(result)) == 0


def every_score_is_a_number(outcome: Outcome) -> None:
    for table in (outcome.record.slices, outcome.record.queue):
        assert np.isfinite(table.join().score).all()


def adl_takes_from_the_other_side_in_the_order_of_the_queue(world: World, outcome: Outcome) -> None:
    """Assert it of every wave; a queue is closed from its head, whole, but for the last one and those passed over."""
    book, slices, queue = outcome.world.book, defaultdict(list), defaultdict(list)
    for row in rows(outcome.record.slices):
        slices[row["wave"]].append(row)
    for row in rows(outcome.record.queue):
        queue[row["wave"]].append(row)
    for wave in outcome.record.waves:
        mine, stood = slices[wave.wave], queue[wave.wave]
        for row in mine:
            place, bankrupt = row["winner_row"], row["bankrupt_row"]
            assert (int(book.symbol[place]), int(book.side[place])) == (wave.symbol, -wave.side)
            assert bankrupt < 0 or (int(book.symbol[bankrupt]), int(book.side[bankrupt])) == (wave.symbol, wave.side)
            assert row["lots"] > 0
        assert sum(row["lots"] for row in mine) == wave.closed_lots <= wave.wanted_lots
        assert sum(row["closed_lots"] for row in stood) == sum(row["lots"] for row in mine if row["rank"] > 0)
        assert all(0 <= row["closed_lots"] <= row["lots"] for row in stood)
        if world["profile"].get("adl_allocation", "queue") == "queue":
            last = max((row["rank"] for row in stood if row["closed_lots"]), default=0)
            before = [row for row in stood if row["rank"] < last and not row["skipped"]]
            assert all(row["closed_lots"] == row["lots"] for row in before)
            assert sum(0 < row["closed_lots"] < row["lots"] for row in stood if not row["skipped"]) <= 1


# Who may pay or be paid for what, beside accounts; the profile decides who it is.
COUNTERPARTIES = {
    "book": {"market"}, "takeover": {"fund", "vault"}, "adl": {"account", "fund", "vault"}, "net": {"account"},
    "unwind": {"market"}, "funding": {"rounding"}, "exhausted": {"market", "fund"}, "shortfall": {"fund", "uncovered"},
    "socialised": {"uncovered"}, "exit": {"account"},
}  # fmt: skip


def who_pays_holds_a_position_or_is_named_by_the_rules(world: World, outcome: Outcome) -> None:
    profile = world["profile"]
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
        assert sum(vault.cash for vault in outcome.ledger.vaults) == 0


def liquidated_at_or_below_maintenance_alone(world: World, outcome: Outcome) -> None:
    """Assert it of positions, and of accounts where they are liquidated as a whole."""
    allocation = world["profile"].get("cross_allocation", "by_maintenance")
    together: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows(outcome.record.breaches):
        owner = -1 if outcome.accounts is None else int(outcome.accounts.of[row["row"]])
        alone = owner < 0 or allocation == "one_first"
        key = (row["serial"],) if alone else (row["step"], row["round"], owner)
        together[key][0] += row["equity"]
        together[key][1] += row["maintenance"] + row["other_maintenance"]
    for equity, need in together.values():
        assert equity <= need if outcome.world.rules.inclusive else equity < need


def a_fund_that_takes_nothing_keeps_its_money(world: World, result: World) -> None:
    profile = world["profile"]
    venue, fund = result["owners"]["venue"]["cash"], result["owners"]["fund"]
    assert venue >= 0
    assert venue == 0 or profile["fee_owner"] == "venue"
    pays = profile.get("liquidation_rule") == "fillable_price"  # for fills below bankruptcy
    if profile["fund"]["takeover"] == "none" and profile["on_exhausted"] == "uncovered" and not pays:
        assert fund["cash"] >= profile["fund"]["start"]
        assert not any(fund["lots"].values())
    earns = "fund" in {profile["residual_owner"], profile["fee_owner"]} or any(fund["lots"].values())
    if not earns and not pays and not profile["on_exhausted"].startswith("socialised"):
        taken = any(row[6] for row in result["liquidations"]) or any(row[4] == "fund" for row in result["unmatched"])
        assert taken or fund["cash"] == profile["fund"]["start"]


def equity_of_a_fund_is_its_start_and_what_its_symbols_brought(outcome: Outcome) -> None:
    ledger = outcome.ledger
    monitor = FundMonitor(ledger)
    starts = [pool.start for pool in ledger.world.rules.pools] or [ledger.world.rules.fund_start]
    for fund, start in zip(ledger.funds, starts, strict=True):
        mine = [symbol for symbol, number in enumerate(ledger.fund_of) if number == fund.number]
        assert ledger.equity(fund) == start + sum(monitor.profit(symbol) for symbol in mine)
        assert not any(lots for symbol, lots in enumerate(fund.lots) if symbol not in mine)


def a_liquidation_row_accounts_for_lots_that_moved(world: World, result: World) -> None:
    held = {(row["id"], row["symbol"], row["side"]): row["lots"] for row in world["accounts"]}
    for _, number, symbol, side, lots_book, _, lots_takeover, lots_adl, residual, fee in result["liquidations"]:
        lots = lots_book + lots_takeover + lots_adl
        assert 0 < lots <= held[number, symbol, side]
        held[number, symbol, side] -= lots
        assert min(lots_book, lots_takeover, lots_adl, residual, fee) >= 0
    if world["profile"]["on_exhausted"] in {"uncovered", "fund_negative"}:  # somebody takes what has no candidate
        closed = sum(line[4] for line in result["adl"] if line[2] not in {"fund", "vault"})
        assert sum(line[7] for line in result["liquidations"]) == closed + sum(line[3] for line in result["unmatched"])


def nothing_is_uncovered_unless_the_queue_ran_out(result: World) -> None:
    """Assert it of a run that closes at the bankruptcy price."""
    uncovered = result["owners"]["uncovered"]
    assert uncovered["cash"] <= 0
    assert not any(uncovered["lots"].values())
    if not result["unmatched"]:
        assert uncovered["cash"] == 0


def closing_at_bankruptcy_leaves_nothing_uncovered(world: World) -> None:
    """Assert it of a world that closes at another price; of one that closes at this price ``check`` asserts it."""
    if world["profile"]["close_price"] != "bankruptcy":
        result = run_fast({**world, "profile": {**world["profile"], "close_price": "bankruptcy"}})
        nothing_is_uncovered_unless_the_queue_ran_out(result)
