"""The front of a side: bounds that no score exceeds, and waves that look at the front alone end as all others do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine.acts import front as module
from backtest.engine.acts import waves
from backtest.engine.acts.front import Front
from backtest.engine.figures import Figures
from backtest.engine.ledger import Ledger
from backtest.engine.records import Record
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.queue import Part, Queue
from backtest.mechanics.adl.rankings import RANKINGS, scored
from backtest.mechanics.margin import Tiers
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build, run_fast
from tests.reference.exact_worlds import all_cases

TIERS = Tiers.of([(0, 50_000_000, 0)])
SCORED = [name for name in RANKINGS if scored(name) is not None]


def front_of(book: list[dict[str, Any]], side: int, ranking: str) -> Front:
    rule, ledger = scored(ranking), Ledger(build(small([bar(1000)], book)), Record())
    assert rule is not None
    return Front(ledger, 0, side, rule)


def nothing_read(places: Any, figures: Figures) -> Any:
    assert len(places) == len(figures.lots)


positions = st.tuples(st.integers(1, 40), st.integers(400, 2500), st.integers(20, 4000))


@settings(max_examples=40, deadline=None)
@given(st.lists(positions, min_size=1, max_size=8), st.sampled_from((1, -1)), st.sampled_from(SCORED), st.data())
def test_no_score_within_the_window_is_above_its_bound(
    drawn: list[tuple[int, int, int]], side: int, ranking: str, data: st.DataObject
) -> None:
    like, other = (LONG, SHORT) if side > 0 else (SHORT, LONG)
    book = [
        {**like, "id": k, "lots": lots, "cost": lots * px * 100, "wallet": wallet * 1000}
        for k, (lots, px, wallet) in enumerate(drawn)
    ]
    against = {**other, "id": 99, "lots": sum(lots for lots, *_ in drawn), "wallet": 10**9}
    front = front_of([*book, against], side, ranking)
    ledger, rows = front.ledger, np.arange(front.block.start, front.block.stop)
    value = ledger.values[0]
    low, high = value * 97 // 100, value * 102 // 100
    worst = low if side > 0 else high
    bounds = front._scores(Figures.of(ledger, rows, side), low, high, float(side * worst))
    each = data.draw(st.integers(low, high), label="value of a lot")
    lots, cost = ledger.lots[rows], ledger.entry_value[rows]
    equity = ledger.cash[rows] + side * lots * each
    pnl = side * (lots * each - cost)
    there = Candidates(side, lots, cost, lots * each, pnl, equity, ledger.world.tiers[0])
    solvent = equity > 0
    for k in np.flatnonzero(solvent).tolist():
        assert float(front.rule.exact(there, k)) <= bounds[k] * (1 + 1e-9)
    assert np.isinf(bounds[~solvent]).all()


def test_positions_that_a_move_changed_and_those_in_breach_join_the_front() -> None:
    # Leverages 5, 4, 3.3 and so on: two hold four times the lots wanted. Two more join, as one has changed and the
    # other is in breach.
    book = [
        {**SHORT, "id": 10 + k, "lots": 10_000, "cost": 10**9, "wallet": 200_000_000 + 50_000_000 * k} for k in range(8)
    ]
    front = front_of([{**LONG, "id": 1, "lots": 80_000, "cost": 8 * 10**9, "wallet": 10**10}, *book], -1, "ethereal")
    nobody = np.empty(0, dtype=np.int64)
    first = next(front.parts(5_000, nobody, nothing_read))
    assert first.places is not None
    assert (first.places.tolist(), first.others, first.lots) == ([0, 1], 6, 60_000)
    front.note(np.array([front.block.start + 6, 0]))
    second = next(front.parts(5_000, np.array([front.block.start + 7]), nothing_read))
    assert second.places is not None
    assert (second.places.tolist(), second.others, second.lots) == ([0, 1, 6, 7], 4, 40_000)
    assert second.bound == first.bound


def test_others_between_winners_and_losers_make_the_queue_look_further() -> None:
    # Shorts of 10 lots at 100, scores 2 x 100 / 1100 = 0.18, 0.17, a loser and 2.5 x 60 / 1060 = 0.14, which is the
    # only one of the others.
    lots, equity = np.full(4, 10), np.array([500, 500, 500, 400])
    pnl = np.array([100, 95, -50, 60])

    def fetch(places: Any) -> Candidates:
        value = np.full(len(lots[places]), 1000)
        return Candidates(-1, lots[places], value + pnl[places], value, pnl[places], equity[places], TIERS)

    def scan(places: Any) -> Any:
        return fetch(places), np.ones(len(lots[places]), dtype=bool)

    part = Part(places=np.array([0, 1, 2]), others=1, lots=10, bound=0.16)
    queue = Queue(scan, fetch, 4, "bitmex", "last", 0, iter((part,)))
    assert (queue.size, queue.lots, queue.part) == (4, 40, part)
    assert queue.prefix(5, 0).tolist() == [0, 1]
    assert queue.part == part
    assert queue.prefix(25, 0).tolist() == [0, 1, 3, 2]
    assert queue.part == Part()
    assert (queue.size, queue.lots) == (4, 40)


@pytest.mark.parametrize("share", [1, 1000])
def test_exact_worlds_are_the_same_where_waves_look_at_fronts(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    met: Counter[bool] = Counter()
    look = Queue._look

    def counted(queue: Queue, part: Part) -> None:
        met[part.others > 0] += 1
        look(queue, part)

    monkeypatch.setattr(waves, "SMALLEST", 1)
    monkeypatch.setattr(module, "SHARE", share)
    monkeypatch.setattr(Queue, "_look", counted)
    for case in all_cases()[::10]:
        assert run_fast(case["world"]) == case["result"], case["name"]
    assert met[False]
    assert met[True] or share == 1
