"""Runs of one world under several rules of ADL: the path up to the first wave is walked once, then copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

from backtest.engine.columns import Log
from backtest.engine.replay import Replay
from backtest.engine.run import Outcome, begin, end, walk
from backtest.engine.world import World
from backtest.mechanics.rules import Rules

OF_WAVES = ("ranking", "losers", "adl_allocation", "close_price", "max_candidates", "own_queue")  # first used in a wave
COPIES = 32  # at most so many times is a run copied on its way to the first wave


def branchable(one: World, other: World) -> bool:
    """Return whether two worlds differ at most in rules that are first used in a wave."""
    if any(getattr(one, each.name) is not getattr(other, each.name) for each in fields(World) if each.name != "rules"):
        return False
    return one.feedback is None and replace(one.rules, **_of_waves(other.rules)) == other.rules


def simulate_branches(worlds: Sequence[World]) -> Iterator[Outcome]:
    """Replay worlds that differ at most in rules that are first used in a wave; yield the outcome of each.

    Each is that of a run of its own; where no wave came, all have the record and the ledger of the first.

    The first one is copied on its way, as long as it has had no wave; the others go on from the last copy.
    """
    first = worlds[0]
    assert all(branchable(first, each) for each in worlds)
    replay = begin(first)
    saved, due = branch(replay, first), 0
    for number in walk(replay, ahead=False):
        if not replay.waves and number >= due:
            saved, due = branch(replay, first), number + max(first.steps // COPIES, 1)
    whole = end(replay)
    yield whole
    for each in worlds[1:]:
        if not replay.waves:  # nothing in which they differ was used
            yield replace(whole, world=each)
            continue
        other = branch(saved, each)
        for _ in walk(other, ahead=False):
            pass
        yield end(other)


def branch(replay: Replay, world: World) -> Replay:
    """Return a copy of a run in progress that goes on in another world; what never changes is shared."""
    shared: dict[int, Any] = {id(replay.world): world}
    for value in (world.walk, world.book, world.trade_low, world.trade_high, world.volume, world.funding):
        shared[id(value)] = value
    walked = [getattr(world.walk, each.name) for each in fields(world.walk)]
    for column in (*vars(world.book).values(), *walked, *world.tiers):
        shared[id(column)] = column
    record = replay.record
    for log in (record.transfers, record.breaches, record.slices, record.queue):
        copied: Log[Any] = Log(log.kind)
        copied.chunks = list(log.chunks)
        shared[id(log)] = copied
    return deepcopy(replay, shared)


def _of_waves(rules: Rules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in OF_WAVES}
