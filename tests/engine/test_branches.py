"""Runs that share their path up to the first wave equal runs of their own, record for record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from backtest.engine.branches import branchable, simulate_branches
from backtest.engine.records import Record
from backtest.engine.run import simulate
from tests.engine.crowds import crowd, vaulted
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build

POLICIES: tuple[dict[str, Any], ...] = (
    {"ranking": "bitmex", "losers": "last"},
    {"adl_allocation": "pro_rata"},
    {"ranking": "random", "losers": "ranked"},
    {"ranking": "binance", "own_queue": ("bitmex", "last")},
)


def same_records(one: Record, other: Record) -> None:
    """Compare every record of two runs."""
    for each in fields(Record):
        mine, theirs = getattr(one, each.name), getattr(other, each.name)
        if each.name in {"transfers", "breaches", "slices", "queue"}:
            columns = theirs.columns()
            for name, column in mine.columns().items():
                assert np.array_equal(column, columns[name]), (each.name, name)
        else:
            assert repr(mine) == repr(theirs), each.name


@pytest.mark.parametrize("kind", [crowd, vaulted])
def test_a_shared_path_changes_no_record(kind: Callable[[int], dict[str, Any]]) -> None:
    waves = 0
    for seed in range(6):
        world = build(kind(seed))
        worlds = [replace(world, rules=replace(world.rules, **policy)) for policy in POLICIES]
        for each, outcome in zip(worlds, simulate_branches(worlds), strict=True):
            alone = simulate(each, ahead=False)
            assert outcome.world is each
            assert outcome.ledger.cash.tolist() == alone.ledger.cash.tolist()
            assert outcome.ledger.lots.tolist() == alone.ledger.lots.tolist()
            assert [pool.cash for pool in outcome.ledger.pools()] == [pool.cash for pool in alone.ledger.pools()]
            same_records(outcome.record, alone.record)
            waves += sum(wave.step > 1 for wave in alone.record.waves)
    assert waves > 10


def test_only_rules_of_waves_may_differ() -> None:
    world = build(small([bar(1000), bar(850)], (LONG, SHORT)))
    assert branchable(world, replace(world, rules=replace(world.rules, ranking="okx")))
    assert not branchable(world, replace(world, rules=replace(world.rules, fund_start=1)))
    assert not branchable(world, replace(world, volume=world.volume.copy()))
