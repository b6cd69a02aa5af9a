"""What a wave closes out of turn, against the venue's own queue, by hand.

Of two shorts of 10 lots the one with the small wallet stands first. A long of 10 lots goes bankrupt at 850.
"""

from __future__ import annotations

import dataclasses

import pytest

from backtest.engine.records import TurnRow
from backtest.engine.run import Outcome, simulate
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build

BOOK = (
    LONG,
    {**LONG, "id": 3, "wallet": 2_000_000},
    {**SHORT, "wallet": 150_000},
    {**SHORT, "id": 4, "wallet": 900_000},
)


def replayed(own: tuple[str, str] | None, **rules: str) -> Outcome:
    """Replay the book under changed rules, compared with a queue."""
    world = build(small([bar(1000), bar(850)], BOOK))
    return simulate(dataclasses.replace(world, rules=dataclasses.replace(world.rules, own_queue=own, **rules)))


def test_half_of_what_all_pay_is_out_of_turn() -> None:
    found = replayed(("bitmex", "excluded"), adl_allocation="pro_rata")
    assert found.record.waves[0].closed_lots == 10
    assert found.record.turns == [TurnRow(wave=1, lots=5, notional=5 * 850 * 100, positions=1)]


def test_another_queue_of_the_same_order_is_in_turn() -> None:
    found = replayed(("ethereal", "excluded"))
    assert found.record.turns == [TurnRow(wave=1, lots=0, notional=0, positions=0)]


@pytest.mark.parametrize("own", [("bitmex", "excluded"), ("none", "last"), None])
def test_the_venue_s_own_queue_is_compared_with_nothing(own: tuple[str, str] | None) -> None:
    assert replayed(own).record.turns == []


def test_the_comparison_changes_no_result() -> None:
    alone, compared = replayed(None, adl_allocation="pro_rata"), replayed(("bybit", "last"), adl_allocation="pro_rata")
    assert alone.ledger.cash.tolist() == compared.ledger.cash.tolist()
    assert alone.record.waves == compared.record.waves
