"""Which forced sales the tape has too: against a second run on the tape, and of an account by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from backtest.engine.run import simulate
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import Ints
from backtest.run.finished import Finished
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve
from backtest.run.simulated import simulated
from backtest.run.tables.offspring import on_tape
from backtest.run.tables.shared import Shared

THIN: dict[str, Any] = {"path": "feedback", "liquidity_factor": 0.1, "impact_y": 8.0}
SMALL: dict[str, Any] = {"positions": 400, "step_s": 20.0}
CONTRACTS = (Contract(1), Contract(10))  # quanta a lot and mark quantum


def test_offspring_are_what_a_run_on_the_tape_does_not_have() -> None:
    ready = prepare(resolve("2021-12-04", THIN | SMALL))
    outcome = simulated(ready, ahead=False)
    displaced, plain = (
        Shared(Finished(ready.run_id, ready.market, ready.book, each, ready.first_bar, {}))
        for each in (outcome, simulate(replace(ready.world, feedback=None), ahead=False))
    )
    rows, mine = displaced.breaches.row, on_tape(displaced)
    assert set(rows[mine].tolist()) == set(plain.breaches.row.tolist())
    assert 0 < np.count_nonzero(~mine) < len(mine)
    assert on_tape(plain).all()


def by_hand(tape: list[list[int]], walked: list[list[int]], rows: list[tuple[int, ...]], of: list[int]) -> list[bool]:
    """Return the verdict on liquidations: position, symbol, side, step, mark at the breach; lots are 2."""
    row, symbol, side, step, mark = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))

    def each(symbol: Ints, marks: Ints) -> Ints:
        return np.array([CONTRACTS[k].value_per_lot(m) for k, m in zip(symbol.tolist(), marks.tolist(), strict=True)])

    world = SimpleNamespace(
        feedback=object(), walk=SimpleNamespace(mark=np.array(tape)), steps=len(tape[0]), contracts=CONTRACTS,
        book=SimpleNamespace(cross_account=np.array(of)),
    )  # fmt: skip
    breaches = SimpleNamespace(
        row=row, symbol=symbol, side=side, step=step, mark=mark, lots=0 * row + 2, round=0 * row + 1
    )
    shared = SimpleNamespace(
        world=world, breaches=breaches, mark=np.array(walked), value_signs=np.array([1, 1]), each=each
    )
    return cast(list[bool], on_tape(cast(Any, shared)).tolist())


def test_a_position_alone_asks_for_its_own_mark() -> None:
    tape, walked = [[100, 90, 80], [50, 50, 50]], [[100, 85, 70], [50, 50, 50]]
    longs = [(0, 0, 1, 2, 88), (1, 0, 1, 3, 80), (2, 0, 1, 3, 79)]  # the tape comes to 80 and no further
    shorts = [(3, 0, -1, 3, 100), (4, 0, -1, 3, 101)]
    assert by_hand(tape, walked, longs + shorts, [-1] * 5) == [True, True, False, True, False]


def test_before_anything_is_displaced_the_tape_has_all() -> None:
    tape = [[100, 90, 80], [50, 50, 50]]
    assert by_hand(tape, [[100, 90, 70], [50, 50, 50]], [(0, 0, 1, 2, 60)], [-1]) == [True]  # whatever its mark


def test_an_account_asks_for_all_of_its_marks_at_once() -> None:
    # two lots of each: at the breach worth 2 x 85 + 20 x 45 = 1,070, on the tape 1,180, 1,060 and 1,160
    tape, walked = [[90, 80, 80], [50, 45, 50]], [[90, 85, 80], [50, 45, 45]]
    rows = [(0, 0, 1, 2, 85), (1, 1, 1, 2, 45), (0, 0, 1, 3, 70)]
    assert by_hand(tape, walked, rows, [0, 0]) == [True, True, True]  # the last row follows the first
    apart = [[90, 80, 90], [50, 50, 45]]  # the marks of the breach come one after the other: 1,160 and 1,080
    assert by_hand(apart, walked, rows, [0, 0]) == [False, False, False]
