"""Runs of one world under several rules of ADL, funds or vaults: a path that they share is walked once, then copied.

Rules of waves part the paths at the first wave. A larger fund or vault, a lower floor or a later trigger parts them
where the tighter one first decides anything: before that every claim was taken whole and no inventory was deleveraged,
so what has more room did the same, and only the cash that lies in it differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from typing import Any

from backtest.engine.columns import Log
from backtest.engine.exact_range import check_range
from backtest.engine.records import FUND, OWNERS, VAULT
from backtest.engine.replay import Replay
from backtest.engine.run import Outcome, begin, end, walk
from backtest.engine.world import World
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.fund import PoolRule
from backtest.mechanics.rules import Rules

OF_WAVES = ("ranking", "losers", "adl_allocation", "close_price", "max_candidates", "own_queue")  # first used in a wave
COPIES = 32  # at most so many times is a run copied on its way to the first wave
POOLS = (OWNERS[FUND], OWNERS[VAULT])
NEAR = 2  # times the equity up to which the fall of a fund does not count: from here on it may decide something


def branchable(one: World, other: World) -> bool:
    """Return whether two worlds differ at most in rules that are first used in a wave."""
    if any(getattr(one, each.name) is not getattr(other, each.name) for each in fields(World) if each.name != "rules"):
        return False
    return one.feedback is None and replace(one.rules, **_of_waves(other.rules)) == other.rules


def simulate_branches(worlds: Sequence[World]) -> Iterator[Outcome]:
    """Replay worlds that differ at most in rules that are first used in a wave; yield the outcome of each."""
    trunk = Trunk(worlds[0])
    for each in worlds:
        yield trunk.outcome(each)


class Trunk:
    """A run on its way to its first wave, from which worlds go on that differ at most in rules of waves.

    It is walked when the first outcome is asked for, and copied on its way as long as it has had no wave. The run that
    met the wave goes on as that of its own world; the others go on from the last copy.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._saved: Replay | None = None  # the last copy
        self._past: Replay | None = None  # the run that met the wave, until it goes on
        self._whole: Outcome | None = None  # where no wave came

    def outcome(self, world: World) -> Outcome:
        """Return the outcome of a world: that of a run of its own.

        Where no wave came, all have the record and the ledger of one run.
        """
        assert branchable(self.world, world)
        if self._saved is None:
            self._saved = self._walked()
        if self._whole is not None:  # nothing in which they differ was used
            return replace(self._whole, world=world)
        if self._past is not None and world.rules == self._past.world.rules:
            replay, self._past = self._past, None
        else:
            replay = branch(self._saved, world)
        for _ in walk(replay, ahead=False):
            pass
        return end(replay)

    def _walked(self) -> Replay:
        """Walk up to the first wave, or to the end; return the last copy."""
        replay = begin(self.world)
        saved, due = branch(replay, self.world), 0
        for number in walk(replay, ahead=False):
            if replay.waves:
                self._past = replay
                return saved
            if number >= due:
                saved, due = branch(replay, self.world), number + max(self.world.steps // COPIES, 1)
        self._whole = end(replay)
        return saved


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


def can_grow(world: World) -> bool:
    """Return whether runs of a world with larger pools share its path until a pool is short.

    Not so where orders or shares of a loss follow the fund's equity, or where it moves the prices.
    """
    rules = world.rules
    by_equity = rules.liquidation_rule == "fillable_price" or EXHAUSTION[rules.on_exhausted].bearers != "none"
    return world.feedback is None and not by_equity


def is_bound(replay: Replay) -> bool:
    """Return whether anything in a run so far hung on the size of a pool, its floor, its trigger or its stop."""
    rule, ledger = replay.world.rules.drawdown, replay.ledger
    if replay.record.fund_events or any(wave.source in POOLS for wave in replay.record.waves):
        return True
    return rule is not None and any(ledger.equity(fund) <= NEAR * rule.above for fund in ledger.funds)


def grown(replay: Replay, world: World) -> Replay:
    """Return a copy of a run that is not bound, as it would stand in a world whose pools have more room.

    Parameters
    ----------
    replay
        A run for which ``is_bound`` is false, in a world that ``can_grow``.
    world
        The same world with larger funds or vaults, a lower floor, a later trigger or a laxer stop.
    """
    check_range(world)
    before, other = replay.world.rules, branch(replay, world)
    ledger, monitor = other.ledger, other.monitor
    for fund, old, new in zip(ledger.funds, _pools(before), _pools(world.rules), strict=True):
        ledger.endow(fund, new.start - old.start)
        fund.limit = new.limit
        if monitor.fund_peaks:
            monitor.fund_peaks[fund.number].lift(new.start - old.start)
    if before.vault and world.rules.vault:
        pairs = zip(ledger.vaults, before.vault.capitals, world.rules.vault.capitals, strict=True)
        for vault, less, more in pairs:
            ledger.endow(vault, more - less)
    monitor.trigger = world.rules.drawdown
    return other


def _pools(rules: Rules) -> tuple[PoolRule, ...]:
    return rules.pools or (PoolRule(rules.fund_start, rules.inventory_limit),)
