"""What the slow engine knows about every step and wave, beside its result: the records of the fast one must agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from tests.reference import slow_adl, slow_engine
from tests.reference.slow_adl import SCORES, pnl
from tests.reference.slow_engine import replay
from tests.reference.slow_ledger import FUND, Position
from tests.reference.slow_shares import exposure_of
from tests.reference.slow_state import Claim, State, bankruptcy_amount, mark_value
from tests.reference.slow_vaults import VAULT


@dataclass
class Standing:
    """One candidate at the start of a wave."""

    account: int
    row: Position
    lots: int
    value: int
    pnl: int
    equity: int
    cost: int
    score: Fraction | None
    ahead: int  # value of all candidates before


@dataclass
class SlowWave:
    """One wave: who stood in the queue in which order, and what the queue was walked for."""

    step: int
    symbol: str
    side: int
    worth: int
    source: str
    bankrupts: int
    wanted: int
    mark: int
    previous: int
    queue: list[Standing] = field(default_factory=list)
    slices: list[list[Any]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    unmatched: int = 0
    own: int = 0  # slices against own opposite legs, the first ones
    cost_cut: dict[int, int] = field(default_factory=dict)


@dataclass
class Trace:
    """The result of a slow run and what it did on the way."""

    result: dict[str, Any] = field(default_factory=dict)
    waves: list[SlowWave] = field(default_factory=list)
    breaches: list[tuple[int, Claim, int, int]] = field(default_factory=list)  # step, claim, lots, amount at detection


def trace(world: dict[str, Any]) -> Trace:
    """Replay a world slowly and keep waves and breaches."""
    out = Trace()
    with pytest.MonkeyPatch.context() as patch:
        _watch_waves(patch, out)
        _watch_breaches(patch, out)
        out.result = replay(world)
    return out


def _watch_waves(patch: pytest.MonkeyPatch, out: Trace) -> None:
    bankrupt_wave, inventory_wave, new_wave = slow_adl.bankrupt_wave, slow_adl.inventory_wave, slow_adl.new_wave

    @contextmanager
    def one_wave(state: State, wave: SlowWave) -> Iterator[None]:
        out.waves.append(wave)
        before = [len(rows) for rows in (state.adl, state.skipped, state.unmatched)]
        wave.own = -before[0]
        yield
        adl, skipped, unmatched = (
            rows[start:] for rows, start in zip((state.adl, state.skipped, state.unmatched), before, strict=True)
        )
        wave.slices, wave.skipped = adl, [row[2] for row in skipped]
        wave.unmatched = sum(row[3] for row in unmatched)
        for stand in wave.queue:
            wave.cost_cut[stand.account] = stand.cost - state.ledger.cost[stand.row][wave.symbol]

    def start(state: State, symbol: str, side: int, source: str, count: int, wanted: int) -> SlowWave:
        marks = state.step.mark[symbol], state.step.previous_mark[symbol]
        return SlowWave(state.step.number, symbol, side, state.kind(symbol) * side, source, count, wanted, *marks)

    def bankrupts(state: State, symbol: str, side: int, claims: list[Claim]) -> None:
        wanted = sum(claim.lots for claim in claims)
        with one_wave(state, start(state, symbol, side, "account", len(claims), wanted)):
            bankrupt_wave(state, symbol, side, claims)

    def inventory(state: State, owner: str, symbol: str, wanted: Any) -> None:
        held = state.lots(owner, symbol)
        with one_wave(state, start(state, symbol, 1 if held > 0 else -1, owner.split(maxsplit=1)[0], 1, abs(held))):
            inventory_wave(state, owner, symbol, wanted)

    def queue(state: State, symbol: str, side: int) -> list[Position]:
        order = new_wave(state, symbol, side)
        out.waves[-1].own += len(state.adl)
        ranking, ahead = state.profile["ranking"], 0
        for row in order:
            score = None if ranking == "random" else SCORES[ranking](state, row)
            if state.profile.get("adl_allocation") == "water_filling":
                score = Fraction(exposure_of(state, row), state.equity(row))
            value = abs(state.value(symbol, state.lots(row, symbol)))
            stand = Standing(
                row.account, row, abs(state.lots(row, symbol)), value, pnl(state, row), state.equity(row),
                state.ledger.cost[row][symbol], score, ahead,
            )  # fmt: skip
            out.waves[-1].queue.append(stand)
            ahead += value
        return order

    patch.setattr(slow_adl, "bankrupt_wave", bankrupts)
    patch.setattr(slow_adl, "inventory_wave", inventory)
    patch.setattr(slow_adl, "new_wave", queue)


def _watch_breaches(patch: pytest.MonkeyPatch, out: Trace) -> None:
    breaches, next_claims = slow_engine.breaches, slow_engine.next_claims

    def kept(state: State, claims: list[Claim]) -> list[Claim]:
        for claim in claims:
            assert isinstance(claim.owner, Position)
            if len(state.account(claim)) == 1:
                assert claim.amount == bankruptcy_amount(state.ledger, claim.owner)
            out.breaches.append((state.step.number, claim, claim.lots, claim.amount))
        return claims

    patch.setattr(slow_engine, "breaches", lambda state: kept(state, breaches(state)))
    patch.setattr(slow_engine, "next_claims", lambda state, claims: kept(state, next_claims(state, claims)))


def equity_at_detection(world: dict[str, Any], claim: Claim, lots: int, amount: int) -> int:
    """Return the equity of a position at the mark of its breach."""
    return claim.worth * (mark_value(world, claim.symbol, lots, claim.mark) - amount)


__all__ = ["FUND", "VAULT", "Standing", "Trace", "equity_at_detection", "trace"]
