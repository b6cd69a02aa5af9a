"""Runs that share their path up to the first wave equal runs of their own, record for record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from backtest.engine.branches import branch, branchable, can_grow, grown, is_bound, simulate_branches
from backtest.engine.records import Record
from backtest.engine.run import begin, end, simulate, walk
from backtest.engine.world import World
from backtest.mechanics.drawdown import DrawdownTrigger
from backtest.mechanics.fund import PoolRule
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
    for seed in range(4):
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


def roomier(world: World, factor: int, floor: int = 0) -> World:
    """Return a world whose funds and vaults start with a multiple, limits following, and whose floor is lower."""
    rules = world.rules

    def more(pool: PoolRule) -> PoolRule:
        return PoolRule(pool.start * factor, None if pool.limit is None else pool.limit * factor)

    vault = rules.vault and replace(rules.vault, capitals=tuple(each * factor for each in rules.vault.capitals))
    limit = None if rules.inventory_limit is None else rules.inventory_limit * factor
    changed = replace(
        rules, fund_start=rules.fund_start * factor, pools=tuple(map(more, rules.pools)), vault=vault,
        inventory_limit=limit, fund_floor=rules.fund_floor - floor,
    )  # fmt: skip
    return replace(world, rules=changed)


def triggered(seed: int) -> dict[str, Any]:
    """Return a crowd whose fund takes positions over and is deleveraged on a fall below its peak."""
    world = crowd(seed, size=60, unit=1000)
    rng, fund = Random(seed), world["profile"]["fund"]
    value = sum(row["cost"] for row in world["accounts"])
    start = value // rng.choice((2, 5, 20))
    fund = {**fund, "takeover": "bankruptcy", "start": start, "floor": 0, "inventory_limit": None}
    world["profile"] = {**world["profile"], "fund": fund}
    world["liquidity"]["participation_e9"] = rng.choice((0, 20_000_000))
    return world


def falling(world: World, seed: int) -> World:
    """Return a world with a drawdown trigger, of the fund or of each symbol."""
    trigger, count = Fraction(Random(seed).choice((1, 3, 8)), 20), len(world.symbols)
    rule = DrawdownTrigger(
        Random(seed).choice(("pnl_ratio", "pool_drawdown")), (trigger,) * count, (trigger / 2,) * count, 1000, 20
    )
    adl = Random(seed).choice(("to_trigger", "none", "below_floor"))
    return replace(world, rules=replace(world.rules, drawdown=rule, inventory_adl=adl))


@pytest.mark.parametrize("kind", [crowd, vaulted, triggered])
def test_a_larger_pool_goes_on_from_where_a_smaller_one_was_bound(kind: Callable[[int], dict[str, Any]]) -> None:
    shared = ends = 0
    for seed in range(8):
        world = build(kind(seed))
        world = falling(world, seed) if kind is triggered else world
        if not can_grow(world):
            continue
        replay, saved = begin(world), None
        for _ in walk(replay, ahead=False):
            if is_bound(replay):
                break
            saved = branch(replay, world)
        if saved is None:
            continue
        bound, started = is_bound(replay), any(pool.holds or pool.cash for pool in saved.ledger.pools())
        for each in (roomier(world, 3), roomier(world, 1, floor=10**6)):
            other = grown(saved, each)
            for _ in walk(other, ahead=False):
                pass
            outcome, alone = end(other), simulate(each, ahead=False)
            assert outcome.ledger.cash.tolist() == alone.ledger.cash.tolist()
            assert [pool.cash for pool in outcome.ledger.pools()] == [pool.cash for pool in alone.ledger.pools()]
            same_records(outcome.record, alone.record)
        shared += bound and started
        ends += not bound
    assert shared
    assert shared + ends > 3
