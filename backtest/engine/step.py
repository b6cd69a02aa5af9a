"""One step: the order of acts, one call each. The rules are in ``mechanics``, the acts next to this file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtest.engine import deleverage, drops, liquidate, takeover
from backtest.engine.ladder import Ladder
from backtest.engine.recorder import Recorder
from backtest.engine.state import LONG, SHORT, State, World
from backtest.mechanics.exact import Ints
from backtest.mechanics.path import previous_mark

FULL_CHECK_EVERY = 256


@dataclass(slots=True)
class Replay:
    """A run in progress: state, ladders per (symbol, side), record."""

    world: World
    state: State
    recorder: Recorder
    ladders: dict[tuple[int, int], Ladder]
    funding_at: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # step -> (symbol, rate in 1e-9)
    starts: list[int] = field(default_factory=list)  # marks at the start of the step

    @staticmethod
    def begin(world: World) -> Replay:
        """Set up state and ladders before the first step."""
        state = State(world)
        pairs = [(symbol, side) for symbol in range(len(world.symbols)) for side in (LONG, SHORT)]
        ladders = {pair: Ladder(state, *pair) for pair in pairs}
        funding: dict[int, list[tuple[int, int]]] = {}
        for bar, symbol, rate in world.funding:
            funding.setdefault(bar * world.walk.parts + 1, []).append((symbol, rate))
        return Replay(world, state, Recorder(), ladders, funding)


def step(replay: Replay, number: int) -> None:
    """Run the acts of one step in the order of the mechanism page, section 4."""
    state, recorder = replay.state, replay.recorder
    enter(replay, number)
    fund_positions(replay)  # 1 funding due
    move_marks(replay)  # 2 marks move
    breaches = liquidate.find(state, replay.ladders, replay.starts, recorder)  # 3 breaches
    if breaches.rows.size:
        state.quiet = 0
        liquidate.to_book(state, recorder, breaches, trades(replay))  # 4 orders and book fills
        liquidate.fees(state, recorder, breaches)  # 5a fees
        liquidate.residuals(state, recorder, breaches)  # 5b residual collateral
        takeover.takeovers(state, recorder, breaches)  # 5c take-overs
    before = previous_marks(replay)
    changed = deleverage.bankrupts(state, recorder, breaches, before)  # 6 ADL of bankrupts ...
    changed += deleverage.pools(state, recorder, before)  # ... then of fund and vault inventory
    # 7 repeat while impact moves the mark: only on the feedback path, one round on the tape
    deleverage.unwind(state, recorder, trades(replay))  # 8 unwinding
    drops.leave(state, recorder)
    record(replay, breaches, changed)  # 9 record, check


def enter(replay: Replay, number: int) -> None:
    """Move the clock: marks at the start, a new bar's liquidity, the count of quiet steps."""
    state, walk = replay.state, replay.world.walk
    replay.starts = [int(mark) for mark in walk.mark[:, max(number - 2, 0)]]
    last = state.step
    state.quiet += number - last
    state.step = number
    drops.enter(state, last)
    bar = int(walk.bar[number - 1])
    if bar != state.bar:
        state.bar = bar
        state.used = [0] * len(replay.world.symbols)


def fund_positions(replay: Replay) -> None:
    """Move the funding index: floor(value per lot x rate) in 1e-6 quanta, at the first mark walked in the bar."""
    due = replay.funding_at.get(replay.state.step)
    if not due:
        return
    state, world = replay.state, replay.world
    state.funded = True
    for symbol, rate in due:
        mark = int(world.walk.mark[symbol, state.step - 1])
        change = mark * world.q_mark(symbol) * rate * 1_000_000 // 1_000_000_000
        state.index[symbol] += change
        for side in (LONG, SHORT):
            replay.ladders[symbol, side].funded()
        pools = state.fund_for(symbol).lots[symbol], state.vault.lots[symbol], state.market.lots[symbol]
        lots = {side: state.lots[state.blocks[symbol, side]].copy() for side in (LONG, SHORT)}
        replay.recorder.funding.append(
            {"step": state.step, "symbol": symbol, "rate": rate, "mark": mark, "change": change, "lots": lots,
             "pools": pools}
        )  # fmt: skip


def move_marks(replay: Replay) -> None:
    """Set the marks to those at the end of the step."""
    replay.state.marks = [int(mark) for mark in replay.world.walk.mark[:, replay.state.step - 1]]


def trades(replay: Replay) -> Ints:
    """Return trade prices at the start and end of the step, shape (symbols, 2)."""
    number = replay.state.step
    return replay.world.walk.trade[:, [max(number - 2, 0), number - 1]]


def previous_marks(replay: Replay) -> list[int]:
    """Return the mark of each symbol three seconds before the end of the step."""
    gap = bool(replay.world.walk.gap[replay.state.step - 1])
    pairs = zip(replay.starts, replay.state.marks, strict=True)
    return [previous_mark(start, end, gap, replay.world.bar_s) for start, end in pairs]


def record(replay: Replay, breaches: liquidate.Breaches, changed: list[Ints]) -> None:
    """Write down the breaches, tell the ladders what changed, and check that cash and lots sum to zero."""
    state = replay.state
    if breaches.rows.size:
        _write(replay.recorder, state.step, breaches)
        state.mirror.update(state, breaches.rows)
        changed = [*changed, breaches.rows]
    if changed:
        deleverage.reinsert(replay.ladders, state, np.concatenate(changed))
    state.check(full=state.step % FULL_CHECK_EVERY == 0)


def _write(recorder: Recorder, number: int, b: liquidate.Breaches) -> None:
    recorder.breaches.add(
        len(b.rows), b.serial, number, b.rows, b.symbol, b.side, b.mark, b.passed, b.length, b.lots, b.equity, b.need,
        b.bankruptcy, b.equity < 0, b.refused, b.book_lots, b.book_value, b.fee, b.residual, b.taken, b.taken_amount,
        b.taken_by, b.adl_lots, b.adl_amount, b.kept,
    )  # fmt: skip
