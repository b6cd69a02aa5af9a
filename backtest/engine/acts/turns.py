"""What a wave closes out of turn: compared with the venue's own queue, before anyone is closed."""

from __future__ import annotations

import numpy as np

from backtest.engine.acts.candidates import CandidateReader
from backtest.engine.acts.waves import Wave
from backtest.engine.records import TurnRow
from backtest.engine.replay import Replay
from backtest.mechanics.adl.matching import Matches
from backtest.mechanics.adl.queue import Queue


def compare(replay: Replay, wave: Wave, out: Matches) -> None:
    """Write down what a wave is about to close beyond the place where the venue's own queue would have stopped.

    That queue closes each candidate whole, the last in part, until as many lots are closed; nobody is passed over.
    """
    rules = replay.world.rules
    if rules.own_queue is None:
        return
    ranking, losers = rules.own_queue
    if ranking == "none" or (rules.ranking == "none") or not len(out.lots):
        return
    if (ranking, losers) == (rules.ranking, rules.losers) and rules.allocation.ranked:
        return
    reader = CandidateReader(replay, wave.symbol, -wave.side, ranking)
    count = reader.block.stop - reader.block.start
    queue = Queue(reader.scan, reader.exactly, count, ranking, losers, rules.seed + wave.number)
    in_turn, closed = queue.in_turn(int(out.lots.sum())), np.zeros(count, dtype=np.int64)
    np.add.at(closed, wave.queue.order[out.place], out.lots)
    lots = int(np.maximum(closed - in_turn, 0).sum())
    replay.record.turns.append(
        TurnRow(
            wave=wave.number,
            lots=lots,
            notional=lots * replay.ledger.values[wave.symbol],
            positions=int(np.count_nonzero((closed > 0) & (in_turn == 0))),
        )
    )
