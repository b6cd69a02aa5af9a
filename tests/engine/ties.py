"""The ties that a run met, by name: what tiny worlds have to meet, counted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from backtest.engine.records import FUND
from backtest.engine.run import Outcome
from tests.engine.holds import Row, rows
from tests.reference.slow_state import margin_of, mark_value

World = dict[str, Any]


def ties(world: World, outcome: Outcome) -> set[str]:
    """Return the ties of one run."""
    breaches = rows(outcome.record.breaches)
    return {
        *_in_time(breaches),
        *_of_money(world, breaches),
        *_not_reached(world, outcome, breaches),
        *_in_queues(outcome),
        *_of_funds(world, outcome, breaches),
    }


def _in_time(breaches: list[Row]) -> Iterator[str]:
    for n, a in enumerate(breaches):
        for b in breaches[:n]:
            if (a["step"], a["round"], a["passed"] * b["length"]) == (b["step"], b["round"], b["passed"] * a["length"]):
                where = "walked" if a["passed"] else "at once"
                if a["symbol"] != b["symbol"]:
                    yield f"two symbols, {where}"
                elif a["side"] != b["side"]:
                    yield f"both sides, {where}"
                elif a["mark"] == b["mark"]:
                    yield f"equal breach marks, {where}"


def _of_money(world: World, breaches: list[Row]) -> Iterator[str]:
    for row in breaches:
        name = list(world["symbols"])[row["symbol"]]
        floors = [tier[0] for tier in world["symbols"][name]["tiers"][1:]]
        if row["equity"] == row["maintenance"]:
            yield "equity at maintenance"
        if row["equity"] in {0, -1}:
            yield "equity of zero" if row["equity"] == 0 else "equity a quantum below zero"
        if mark_value(world, name, row["lots"], row["mark"]) in floors:
            yield "mark at the floor of a tier"
        if row["refused"]:
            yield "order beyond its limit"
        if row["book_lots"] and row["book_value"] == row["book_bankruptcy_value"]:
            yield "order at its limit"
        if row["equity"] >= 0:
            depth = world["bars"][0][name]["volume_lots"]
            if row["book_lots"] in {row["lots"], row["lots"] - 1} and depth:
                yield "book of the size" if row["book_lots"] == row["lots"] else "book a lot short"
            elif not depth:
                yield "empty book"


def _not_reached(world: World, outcome: Outcome, breaches: list[Row]) -> Iterator[str]:
    """Equity exactly at maintenance at the end of a bar, where this is no breach."""
    book, names = outcome.world.book, list(world["symbols"])
    touched = {row["row"] for row in breaches}
    for place in range(len(book)):
        name, side = names[int(book.symbol[place])], int(book.side[place])
        if book.cross[place] or place in touched or world["profile"]["threshold"] == "<=":
            continue
        for bar in world["bars"]:
            value = mark_value(world, name, int(book.lots[place]), bar[name]["mark"][3])
            equity = int(book.collateral[place]) + side * (value - int(book.entry_value[place]))
            if equity == margin_of(world, name, value, int(book.entry_value[place])):
                yield "equity at maintenance, no breach"


def _in_queues(outcome: Outcome) -> Iterator[str]:
    queue, rules = rows(outcome.record.queue), outcome.world.rules
    for a, b in pairwise(queue):
        if a["wave"] == b["wave"] and a["lots"] == b["lots"]:
            yield "equal sizes"
        decides = rules.adl_allocation == "queue" and a["closed_lots"] != b["closed_lots"]
        if decides and (a["wave"], a["score"]) == (b["wave"], b["score"]):
            yield f"equal scores: {rules.ranking}"
    book = outcome.world.book
    for wave in outcome.record.waves:
        sizes = book.lots[(book.symbol == wave.symbol) & (book.side == -wave.side)]
        if rules.adl_allocation != "queue" and 0 < wave.winners < wave.candidates and (sizes == sizes[0]).all():
            yield "equal shares"
    for row in queue:
        if row["pnl"] == 0:
            yield "no profit"
        if row["skipped"]:
            yield "skipped"
    for place in {int(row["winner_row"]) for row in rows(outcome.record.slices)}:
        if outcome.ledger.lots[place] == 0 and outcome.ledger.cash[place] == 0:
            yield "winner left with nothing"


def _of_funds(world: World, outcome: Outcome, breaches: list[Row]) -> Iterator[str]:
    """Compare what the first take-over asked of a fund with what it had."""
    fund = world["profile"]["fund"]
    if fund["takeover"] == "none" or not breaches:
        return
    wanted = taken = 0
    for row in breaches:
        if row["step"] == breaches[0]["step"] and not row["deferred_lots"]:
            name = list(world["symbols"])[row["symbol"]]
            each = mark_value(world, name, 1, int(outcome.prices.mark[row["symbol"], row["step"] - 1]))
            left = row["bankruptcy_value"] - row["book_bankruptcy_value"]
            wanted += row["value_sign"] * (left - each * (row["lots"] - row["book_lots"]))
            if row["takeover_by"] == FUND:
                taken += row["value_sign"] * (row["takeover_value"] - each * row["takeover_lots"])
    money = fund["start"] - fund["floor"]
    if wanted > 0:
        yield {0: "fund exactly enough", 1: "fund a quantum short"}.get(wanted - money, "fund")
        if not money:
            yield "fund without money"
    if 0 < taken == money < wanted:
        yield "fund exactly enough for a part"
