"""One step: its nine acts in the order of the mechanism page, section 4, one call each."""

from __future__ import annotations

from backtest.engine.acts import deleverage, funding, liquidate, pool_adl, takeover
from backtest.engine.acts.exits import leave
from backtest.engine.acts.unwind import unwind
from backtest.engine.detect import breaches as detection
from backtest.engine.records import Breaches, RoundsRow
from backtest.engine.replay import Replay

FULL_CHECK_EVERY = 256


def step(replay: Replay, number: int) -> None:
    """Run the acts of one step; acts 2 to 6 are those of ``walk``."""
    replay.enter(number)
    funding.fall_due(replay)  # 1 funding due
    walk(replay)  # 2 to 6
    while replay.walks_again():  # 7 repeat while impact moves the mark: on the feedback path only
        walk(replay)
    unwind(replay)  # 8a unwinding
    leave(replay)  # 8b voluntary exits
    record(replay)  # 9 record, check


def walk(replay: Replay) -> None:
    """Run acts 2 to 6 on the segment in progress."""
    replay.ledger.mark_to(replay.prices.ends)  # 2 marks move
    breaches = detection.find(replay)  # 3 breaches
    one_round(replay, breaches, at_end=replay.prices.jump)  # 4 to 6 for all in breach
    while replay.in_round.size and len(again := detection.find_again(replay, breaches)):
        breaches = again  # the next position of cross accounts
        one_round(replay, breaches, at_end=True)
    pool_adl.inventory(replay)  # 6 ADL of fund and vault inventory
    replay.reinsert()


def one_round(replay: Replay, breaches: Breaches, *, at_end: bool) -> None:
    """Run acts 4 to 6 for positions in breach."""
    if not replay.in_segment.size:
        return
    replay.quiet = 0
    liquidate.to_book(replay, breaches, at_end=at_end)  # 4 orders and book fills
    liquidate.fees(replay, breaches)  # 5a fees
    liquidate.residuals(replay, breaches)  # 5b residual collateral
    takeover.takeovers(replay, breaches)  # 5c take-overs
    deleverage.bankrupts(replay, breaches)  # 6 ADL of bankrupts
    replay.record.breaches.append(breaches)


def record(replay: Replay) -> None:
    """End the step: write down rounds and fund events, check that cash and lots sum to zero, let the flow displace."""
    prices = replay.prices
    replay.monitor.leave()
    prices.leave(replay.liquidity.flow)
    if len(prices.walked) > 1 or prices.capped:
        replay.record.rounds.append(
            RoundsRow(step=replay.step, capped=prices.capped, marks=prices.walked, trades=prices.traded)
        )
    replay.ledger.check(full=replay.step % FULL_CHECK_EVERY == 0)
