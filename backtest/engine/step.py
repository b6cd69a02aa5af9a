"""One step: the order of acts, one call each. The rules are in ``mechanics``, the acts next to this file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtest.engine.acts import deleverage, fund_drop, liquidate, takeover
from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.records import Recorder, Rounds
from backtest.engine.state import LONG, SHORT, State, World
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin_stepped import steps_up

FULL_CHECK_EVERY = 256


@dataclass(slots=True)
class Replay:
    """A run in progress: state, ladders per (symbol, side), record."""

    world: World
    state: State
    recorder: Recorder
    ladders: dict[tuple[int, int], Ladder | SteppedLadder]
    funding_at: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)  # step -> (symbol, rate, oracle)

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
    walk(replay)  # 2 to 6
    while state.prices.again(state.flow):  # 7 repeat while impact moves the mark: on the feedback path only
        state.segment += 1
        recorder.round += 1
        walk(replay)
    deleverage.unwind(state, recorder)  # 8 unwinding
    fund_drop.leave(state, recorder)
    state.prices.leave(state.flow)
    record(replay)  # 9 record, check


def walk(replay: Replay) -> None:
    """Run acts 2 to 6 on the segment in progress."""
    state, recorder = replay.state, replay.recorder
    state.marks = state.prices.ends  # 2 marks move
    breaches = liquidate.find(state, replay.ladders, recorder)  # 3 breaches
    changed = [one_round(replay, breaches, at_end=state.prices.gap)]  # 4 to 6 for all in breach, bankrupts' ADL last
    while state.in_round.size and (again := liquidate.find_again(state, recorder, breaches)).rows.size:
        breaches = again  # the next position of cross accounts
        changed.append(one_round(replay, breaches, at_end=True))
    changed += deleverage.pools(state, recorder, state.prices.before)  # 6 ADL of fund and vault inventory
    rows = np.concatenate(changed)
    if rows.size:
        deleverage.reinsert(replay.ladders, state, rows)


def one_round(replay: Replay, breaches: liquidate.Breaches, *, at_end: bool) -> Ints:
    """Run acts 4 to 6 for positions in breach; return the rows that changed."""
    state, recorder = replay.state, replay.recorder
    if not state.found.size:
        return breaches.rows
    state.quiet = 0
    liquidate.to_book(state, recorder, breaches, at_end=at_end)  # 4 orders and book fills
    liquidate.fees(state, recorder, breaches)  # 5a fees
    liquidate.residuals(state, recorder, breaches)  # 5b residual collateral
    if state.crossed is not None:
        state.crossed.stale(breaches.rows)
    takeover.takeovers(state, recorder, breaches)  # 5c take-overs
    if state.crossed is not None:
        state.crossed.stale(breaches.rows)
    winners = deleverage.bankrupts(state, recorder, breaches, state.prices.before)  # 6 ADL
    _write(recorder, state.step, breaches)
    state.mirror.update(state, breaches.rows)
    return np.concatenate([state.found, *winners])


def enter(replay: Replay, number: int) -> None:
    """Move the clock: the step's prices, a new bar's liquidity, the count of quiet steps."""
    state, count = replay.state, len(replay.world.symbols)
    state.prices.enter(number)
    replay.recorder.round = 1
    state.quiet += number - state.step
    state.segment += number - state.step
    last, state.step = state.step, number
    fund_drop.enter(state, last)
    state.flow = [0] * count
    state.breached = state.breached[:0]
    bar = int(replay.world.walk.bar[number - 1])
    if bar != state.bar:
        state.bar = bar
        state.used = [0] * count


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
        mark = state.prices.ends[symbol]
        change = world.contract(symbol).value_per_lot(oracle or mark) * rate * 1_000_000 // 1_000_000_000
        state.index[symbol] += change
        for side in (LONG, SHORT):
            replay.ladders[symbol, side].funded()
        pools = state.fund_for(symbol).lots[symbol], state.vault.lots[symbol], state.market.lots[symbol]
        lots = {side: state.lots[state.blocks[symbol, side]].copy() for side in (LONG, SHORT)}
        replay.recorder.funding.append(
            {"step": state.step, "symbol": symbol, "rate": rate, "mark": mark, "oracle": oracle, "change": change,
             "lots": lots, "pools": pools}
        )  # fmt: skip


def record(replay: Replay) -> None:
    """Write down rounds, and check that cash and lots sum to zero."""
    state, prices = replay.state, replay.state.prices
    if len(prices.walked) > 1 or prices.capped:
        replay.recorder.rounds.append(Rounds(state.step, prices.capped, prices.walked))
    state.check(full=state.step % FULL_CHECK_EVERY == 0)


def _write(recorder: Recorder, number: int, b: liquidate.Breaches) -> None:
    recorder.breaches.add(
        len(b.rows), b.serial, number, b.rows, b.symbol, b.side, b.mark, b.passed, b.length, b.lots, b.equity, b.need,
        b.bankruptcy, b.skipped, b.refused, b.book_lots, b.book_value, b.fee, b.residual, b.taken, b.taken_amount,
        b.taken_by, b.adl_lots, b.adl_amount, b.kept, b.others, recorder.round,
    )  # fmt: skip
