"""One step: the order of acts, one call each. The rules are in ``mechanics``, the acts next to this file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtest.engine import deleverage, liquidate, takeover
from backtest.engine.ladder import Ladder
from backtest.engine.recorder import Recorder
from backtest.engine.state import LONG, SHORT, State, World
from backtest.engine.stepped import SteppedLadder
from backtest.mechanics.exact import Ints
from backtest.mechanics.path import previous_mark
from backtest.mechanics.stepped import steps_up

FULL_CHECK_EVERY = 256


@dataclass(slots=True)
class Replay:
    """A run in progress: state, ladders per (symbol, side), record."""

    world: World
    state: State
    recorder: Recorder
    ladders: dict[tuple[int, int], Ladder | SteppedLadder]
    funding_at: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)  # step -> (symbol, rate, oracle)
    starts: list[int] = field(default_factory=list)  # marks at the start of the step

    @staticmethod
    def begin(world: World) -> Replay:
        """Set up state and ladders before the first step."""
        state = State(world)
        pairs = [(symbol, side) for symbol in range(len(world.symbols)) for side in (LONG, SHORT)]
        ladders = {pair: ladder_of(state, *pair) for pair in pairs}
        funding: dict[int, list[tuple[int, int, int]]] = {}
        for bar, symbol, rate, oracle in world.funding:
            funding.setdefault(bar * world.walk.parts + 1, []).append((symbol, rate, oracle))
        return Replay(world, state, Recorder(), ladders, funding)


def ladder_of(state: State, symbol: int, side: int) -> Ladder | SteppedLadder:
    """Return the ladder of a symbol and side that its margin schedule needs."""
    kind = SteppedLadder if steps_up(state.world.tiers[symbol]) else Ladder
    return kind(state, symbol, side)


def step(replay: Replay, number: int) -> None:
    """Run the acts of one step in the order of the mechanism page, section 4."""
    state, recorder = replay.state, replay.recorder
    enter(replay, number)
    fund_positions(replay)  # 1 funding due
    move_marks(replay)  # 2 marks move
    breaches = liquidate.find(state, replay.ladders, replay.starts, recorder)  # 3 breaches
    before = previous_marks(replay)
    gap = bool(replay.world.walk.gap[number - 1])
    changed = [one_round(replay, breaches, before, at_end=gap)]  # 4 to 6 for all in breach, the bankrupts' ADL last
    while (again := liquidate.find_again(state, recorder, breaches)).rows.size:  # cross accounts, the next position
        breaches = again
        changed.append(one_round(replay, breaches, before, at_end=True))
    changed += deleverage.pools(state, recorder, before)  # 6 ADL of fund and vault inventory
    # 7 repeat while impact moves the mark: only on the feedback path, one round on the tape
    deleverage.unwind(state, recorder, trades(replay))  # 8 unwinding
    record(replay, changed)  # 9 record, check


def one_round(replay: Replay, breaches: liquidate.Breaches, before: list[int], *, at_end: bool) -> Ints:
    """Run acts 4 to 6 for positions in breach; return the rows that changed. ``before`` are the previous marks."""
    state, recorder = replay.state, replay.recorder
    if not state.breached.size:
        return breaches.rows
    state.quiet = 0
    liquidate.to_book(state, recorder, breaches, trades(replay), at_end=at_end)  # 4 orders and book fills
    liquidate.fees(state, recorder, breaches)  # 5a fees
    liquidate.residuals(state, recorder, breaches)  # 5b residual collateral
    if state.crossed is not None:
        state.crossed.stale(breaches.rows)
    takeover.takeovers(state, recorder, breaches)  # 5c take-overs
    if state.crossed is not None:
        state.crossed.stale(breaches.rows)
    winners = deleverage.bankrupts(state, recorder, breaches, before)  # 6 ADL
    _write(recorder, state.step, breaches)
    state.mirror.update(state, breaches.rows)
    return np.concatenate([state.breached, *winners])


def enter(replay: Replay, number: int) -> None:
    """Move the clock: marks at the start, a new bar's liquidity, the count of quiet steps."""
    state, walk = replay.state, replay.world.walk
    replay.starts = [int(mark) for mark in walk.mark[:, max(number - 2, 0)]]
    state.quiet += number - state.step
    state.step = number
    bar = int(walk.bar[number - 1])
    if bar != state.bar:
        state.bar = bar
        state.used = [0] * len(replay.world.symbols)


def fund_positions(replay: Replay) -> None:
    """Move the funding index: floor(value per lot x rate) in 1e-6 quanta, at the oracle price of the event.

    Without one the payment is charged on the first mark walked in the bar.
    """
    due = replay.funding_at.get(replay.state.step)
    if not due:
        return
    state, world = replay.state, replay.world
    state.funded = True
    if state.crossed is not None:
        state.crossed.funded()
    for symbol, rate, oracle in due:
        mark = int(world.walk.mark[symbol, state.step - 1])
        change = world.worth(symbol).one(oracle or mark) * rate * 1_000_000 // 1_000_000_000
        state.index[symbol] += change
        for side in (LONG, SHORT):
            replay.ladders[symbol, side].funded()
        pools = state.fund_for(symbol).lots[symbol], state.vault.lots[symbol], state.market.lots[symbol]
        lots = {side: state.lots[state.blocks[symbol, side]].copy() for side in (LONG, SHORT)}
        replay.recorder.funding.append(
            {"step": state.step, "symbol": symbol, "rate": rate, "mark": mark, "oracle": oracle, "change": change,
             "lots": lots, "pools": pools}
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


def record(replay: Replay, changed: list[Ints]) -> None:
    """Tell ladders and cross accounts which rows changed, and check that cash and lots sum to zero."""
    state = replay.state
    rows = np.concatenate(changed)
    if rows.size:
        deleverage.reinsert(replay.ladders, state, rows)
    state.check(full=state.step % FULL_CHECK_EVERY == 0)


def _write(recorder: Recorder, number: int, b: liquidate.Breaches) -> None:
    recorder.breaches.add(
        len(b.rows), b.serial, number, b.rows, b.symbol, b.side, b.mark, b.passed, b.length, b.lots, b.equity, b.need,
        b.bankruptcy, b.equity < 0, b.refused, b.book_lots, b.book_value, b.fee, b.residual, b.taken, b.taken_amount,
        b.taken_by, b.adl_lots, b.adl_amount, b.kept, b.others,
    )  # fmt: skip
