"""Act 3 of a step: all positions in breach on a segment, in crossing order."""

from __future__ import annotations

from itertools import product

import numpy as np

from backtest.engine.detect import cross
from backtest.engine.detect.crossing import Crossing, breaches_of
from backtest.engine.detect.nearest import known_bounds
from backtest.engine.records import Breaches
from backtest.engine.replay import NO_ROWS, Replay
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import maintenance


def find(replay: Replay) -> Breaches:
    """Find all breaches on the segment in progress."""
    jump, starts, ends = replay.prices.jump, replay.prices.starts, replay.ledger.marks
    found: list[Crossing] = []
    for symbol, side in product(_within_reach(replay).tolist(), (LONG, SHORT)):
        rows, marks = replay.ladders[symbol, side].crossed(starts[symbol], ends[symbol], jump)
        if rows.size:
            length = 1 if jump else max(abs(ends[symbol] - starts[symbol]), 1)
            passed = np.zeros_like(marks) if jump else np.abs(marks - starts[symbol])
            found.append(_isolated(replay, symbol, side, rows, marks, passed, length))
    replay.in_segment = np.sort(np.concatenate([part.row for part in found])) if found else NO_ROWS
    if replay.accounts is not None:
        found += cross.find(replay)
    replay.in_breach = np.union1d(replay.in_breach, replay.in_segment) if replay.in_breach.size else replay.in_segment
    return breaches_of(replay.world, replay.record, replay.ledger.lots, found)


def _within_reach(replay: Replay) -> Ints:
    """Return the symbols whose segment in progress leaves the bounds of their isolated positions as last found."""
    low, high = known_bounds(replay.ladders)
    ends = np.array(replay.ledger.marks, dtype=np.int64)
    starts = ends if replay.prices.jump else np.array(replay.prices.starts, dtype=np.int64)
    return np.flatnonzero((np.minimum(starts, ends) <= low) | (np.maximum(starts, ends) >= high))


def find_again(replay: Replay, before: Breaches) -> Breaches:
    """Find the next positions of cross accounts whose first ones are gone, at the marks at the end of the step."""
    found = cross.find_again(replay, before.row[before.deferred_lots > 0])
    return breaches_of(replay.world, replay.record, replay.ledger.lots, found)


def _isolated(replay: Replay, symbol: int, side: int, rows: Ints, marks: Ints, passed: Ints, length: int) -> Crossing:
    """Return what detection fixes of isolated positions of one symbol and side."""
    ledger, world = replay.ledger, replay.world
    lots, tiers = ledger.lots[rows], world.tiers[symbol]
    value = lots * world.contracts[symbol].values_per_lot(marks)
    cash, sign = ledger.settled_cash(rows, side * lots), side * world.contracts[symbol].value_sign
    notional = tiers.notional(value, ledger.entry_value[rows]) if tiers.on_entry else value
    return Crossing(
        row=rows,
        mark=marks,
        passed=passed,
        length=np.full(len(rows), length, dtype=np.int64),
        bankruptcy_value=-sign * cash,
        equity=cash + sign * value,
        maintenance=maintenance(notional, tiers),
        other_maintenance=np.zeros(len(rows), dtype=np.int64),
    )
