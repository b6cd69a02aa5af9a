"""The ladder against a rescan of every position, and by hand where a rung's mark can be worked out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from backtest.engine.detect import isolated, isolated_stepped
from backtest.engine.detect.crossing import crossing_order
from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.ledger import Ledger
from backtest.engine.records import Record
from backtest.engine.run import simulate
from backtest.engine.world import Positions, World
from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, Tiers, breach_mark, deductions, in_breach
from tests.bench.accounts import cross_world
from tests.bench.engine_world import engine_world

FIVE = Tiers.of([(0, 50_000_000, 0)])
Q = 100  # quanta per mark quantum and lot


def book_ledger(
    side: list[int], lots: list[int], cost: list[int], wallet: list[int], tiers: Tiers = FIVE, inclusive: bool = False
) -> Ledger:
    """Return a ledger at mark 1,000,000 with these positions, longs first."""
    base = engine_world(2, bars=2)
    columns = {"side": side, "lots": lots, "entry_value": cost, "collateral": wallet}
    arrays: dict[str, Any] = {name: np.array(values, dtype=np.int64) for name, values in columns.items()}
    zeros = np.zeros(len(side), dtype=np.int64)
    book = Positions(account=np.arange(len(side)), symbol=zeros, **arrays)
    rules = dataclasses.replace(base.rules, inclusive=inclusive)
    return ledger_of(dataclasses.replace(base, tiers=(tiers,), book=book, funding=(), rules=rules))


def ledger_of(world: World) -> Ledger:
    return Ledger(world, Record())


# A long of 10 lots with entry value 1,000,000 and wallet 100,000: at 947 equity is 47,000, below 5 % of 947,000, which
# is 47,350; at 948 it is 48,000, above 47,400. A short with the same has 52,000 against 52,400 at 1048, and 53,000
# against 52,350 at 1047.
LONG = ([1], [10], [1_000_000], [100_000])
SHORT = ([-1], [10], [1_000_000], [100_000])


def test_rungs_by_hand() -> None:
    long, short = Ladder(book_ledger(*LONG), 0, 1), Ladder(book_ledger(*SHORT), 0, -1)
    assert 947 <= long.bound() <= 950
    assert 1045 <= short.bound() <= 1048
    assert long.crossed(1000, 948, False)[0].tolist() == []
    rows, marks = long.crossed(948, 900, False)
    assert (rows.tolist(), marks.tolist()) == ([0], [947])
    assert long.crossed(900, 800, False)[0].tolist() == []  # taken off
    rows, marks = short.crossed(1000, 1100, False)
    assert (rows.tolist(), marks.tolist()) == ([0], [1048])


def test_at_a_gap_the_mark_is_the_new_one_and_at_the_start_the_start() -> None:
    assert Ladder(book_ledger(*LONG), 0, 1).crossed(1000, 900, True)[1].tolist() == [900]
    assert Ladder(book_ledger(*LONG), 0, 1).crossed(930, 990, False)[1].tolist() == [930]
    assert Ladder(book_ledger(*LONG), 0, 1).crossed(930, 990, True)[1].tolist() == []
    assert Ladder(book_ledger(*SHORT), 0, -1).crossed(1100, 1010, False)[1].tolist() == [1100]


def test_equality_breaches_only_where_the_venue_says_so() -> None:
    # Wallet 50,000 at the entry: equity 50,000 is exactly 5 %.
    exact = ([1], [10], [1_000_000], [50_000])
    assert Ladder(book_ledger(*exact, inclusive=True), 0, 1).crossed(1000, 1000, True)[0].tolist() == [0]
    assert Ladder(book_ledger(*exact), 0, 1).crossed(1000, 1000, True)[0].tolist() == []


def test_a_position_that_cannot_breach_has_no_rung_in_reach() -> None:
    unlevered = book_ledger([1], [10], [1_000_000], [1_000_001])
    assert breach_mark(unlevered.cash, np.array([10]), Contract(Q), FIVE, False).tolist() == [NEVER_LONG]
    assert Ladder(unlevered, 0, 1).crossed(1000, 1, True)[0].tolist() == []
    empty = Ladder(unlevered, 0, -1)
    assert empty.bound() > 10**15
    assert empty.crossed(1, 10**9, True)[0].tolist() == []


def test_funding_moves_the_rung_by_what_was_paid() -> None:
    # 200 quanta per lot paid: cash falls by 2,000. At 949 equity is 47,000, below 47,450; at 950 48,000 > 47,500.
    ledger = book_ledger(*LONG)
    rungs = Ladder(ledger, 0, 1)
    ledger.index[0], ledger.funded = 200 * 10**6, True
    rungs.index_moved()
    assert rungs.bound() >= 949
    rows, marks = rungs.crossed(1000, 949, False)
    assert (rows.tolist(), marks.tolist()) == ([0], [949])


def test_touched_positions_are_judged_one_by_one_and_resorted_when_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "MAX_EXTRAS", 2)
    ledger = book_ledger([1] * 4, [10] * 4, [1_000_000] * 4, [100_000, 110_000, 120_000, 130_000])
    rungs = Ladder(ledger, 0, 1)
    ledger.cash[:2] += 50_000
    rungs.reinsert(np.array([0, 1]))
    assert rungs.extras.tolist() == [0, 1]
    # 150,000: first breach at 894; 120,000 untouched: at 926.
    assert rungs.extra_marks[0] == 894
    assert rungs.crossed(1000, 920, False)[1].tolist() == [926]
    ledger.lots[2] = 0  # that one is liquidated
    ledger.cash[3] += 50_000
    rungs.reinsert(np.array([3]))
    assert rungs.extras.tolist() == []  # three are too many: all sorted anew
    assert sorted(rungs.crossed(1000, 880, False)[0].tolist()) == [0, 1]
    assert rungs.crossed(880, 800, False)[0].tolist() == [3]


def test_funding_that_carries_a_rung_over_two_close_tiers() -> None:
    # Breach at 0.2 % a hair below the first floor. The second floor is a millionth higher, so that with funding of
    # 0.09 % of the mark the rung lies in the third tier, where it moves 1 / (1 - 0.7) times as fast.
    floor = 10**12
    floors, rates = [0, floor, floor + 10**6], [2_000_000, 300_000_000, 700_000_000]
    tiers = Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))
    least = floor - 10**6
    ledger = book_ledger([1], [10_000], [10**12], [10**12 - least + least * 2 // 1000], tiers)
    rungs = Ladder(ledger, 0, 1)
    ledger.index[0], ledger.funded = 90_000 * 10**6, True
    rungs.index_moved()
    true = int(breach_mark(ledger.settled_cash(np.array([0])), np.array([10_000]), Contract(Q), tiers, False)[0])
    assert true == 1_002_995
    assert rungs.bound() >= true
    assert rungs.crossed(true + 1, true, True)[0].tolist() == [0]


def test_funding_of_old_days_after_the_price_has_collapsed() -> None:
    # Funding of 900 marks per lot fell due at a mark of 1,000,000; a position that would have been liquidated at 500
    # then breaks at 1989, two tiers and a factor of four higher.
    floors, rates = [0, 550 * 10**6, 1150 * 10**6], [2_000_000, 3_000_000, 700_000_000]
    tiers = Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))
    ledger = book_ledger([1], [10_000], [10**9], [10**9 - 499 * 10**6], tiers)
    rungs = Ladder(ledger, 0, 1)
    ledger.index[0], ledger.funded = 90_000 * 10**6, True
    rungs.index_moved()
    true = int(breach_mark(ledger.settled_cash(np.array([0])), np.array([10_000]), Contract(Q), tiers, False)[0])
    assert true == 1989
    assert rungs.bound() >= true
    assert rungs.crossed(10**6, true, True)[0].tolist() == [0]


def crowd_of(seed: int, spread: float) -> World:
    """Return 400 positions, many of which break near the floors of their tiers; floors lie ``spread`` apart."""
    rng, pick = np.random.default_rng(seed), Random(seed)
    base = engine_world(400, bars=2, seed=seed)
    lots = np.full(400, int(np.median(base.book.lots)), dtype=np.int64)
    if seed % 3 == 0:
        lots = base.book.lots
    first = int(np.median(lots)) * 10**6 * Q * pick.randint(30, 120) // 100
    floors = [0, *sorted({int(first * (1 + spread * pick.random() * k)) for k in range(1, pick.choice((2, 4, 8)))})]
    rates = [rate * 10**6 for rate in sorted(pick.sample(range(2, 700), len(floors)))]
    cost = lots * np.rint(10**6 * np.exp(rng.normal(0, 0.02, 400))).astype(np.int64) * Q
    wallet = (cost * rng.choice([0.5, 0.2, 0.1, 0.05, 0.03], 400)).astype(np.int64)
    tiers = Tiers.of(list(zip(floors, rates, deductions(floors, rates), strict=True)))
    rules = dataclasses.replace(base.rules, inclusive=pick.random() < 0.5)
    book = dataclasses.replace(base.book, lots=lots, entry_value=cost, collateral=wallet)
    return dataclasses.replace(base, tiers=(tiers,), book=book, rules=rules, funding=())


@pytest.mark.property
@pytest.mark.parametrize("spread", [1e-6, 1e-4, 1e-2, 0.3])
def test_ladder_takes_off_exactly_those_a_rescan_finds(spread: float) -> None:
    found = 0
    for seed in range(8):
        found += rescan_agrees(crowd_of(seed, spread), Random(seed))
    assert found > 1000


def rescan_agrees(world: World, pick: Random, *, stepped: bool = False) -> int:
    """Walk random gaps with random funding and touches; return how many breaches were compared."""
    ledger = ledger_of(world)
    ledger.funded = True
    reach = 0, 2 * 10**6  # of the walk below
    ladders = {side: SteppedLadder(ledger, 0, side, reach) if stepped else Ladder(ledger, 0, side) for side in (1, -1)}
    everyone, mark, found = np.arange(len(world.book)), 10**6, 0
    for _ in range(40):
        if pick.random() < 0.5:
            ledger.index[0] += int(pick.uniform(-9e-4, 9e-4) * mark * Q * 10**6)
            ledger.mark_to([mark])
            for rungs in ladders.values():
                rungs.index_moved()
        if pick.random() < 0.5:
            touch(ledger, ladders, everyone[ledger.lots > 0][:: pick.randint(5, 60)])
        mark = max(1000, int(mark * (1 + pick.gauss(0, pick.choice((0.00001, 0.0005, 0.01))))))
        cash = ledger.settled_cash(everyone)
        marks = np.full(len(everyone), mark)
        bad = in_breach(cash, world.book.side * ledger.lots, marks, Contract(Q), world.tiers[0], world.rules.inclusive)
        for side, rungs in ladders.items():
            expected = everyone[bad & (world.book.side == side) & (ledger.lots > 0)]
            low, high = rungs.bounds()
            assert not expected.size or not low < mark < high
            rows, _ = rungs.crossed(mark, mark, True)
            assert sorted(rows.tolist()) == expected.tolist()
            found += len(rows)
            ledger.lots[rows] = 0
    return found


def touch(ledger: Ledger, ladders: Mapping[int, Ladder | SteppedLadder], rows: Ints) -> None:
    """Change cash and half of the lots of some positions, as ADL does."""
    ledger.settled[rows], ledger.has_settled[rows] = ledger.index[0], True
    ledger.cash[rows] += ledger.world.book.side[rows] * (ledger.lots[rows] // 2) * 10**6 * Q
    ledger.lots[rows] -= ledger.lots[rows] // 2
    for side, rungs in ladders.items():
        rungs.reinsert(rows[ledger.world.book.side[rows] == side])


def test_crossing_order_is_exact_where_floats_would_tie() -> None:
    # 1/3 of a long segment and one part in 10**17 more: the same float, different fractions.
    third, length = 10**17, 3 * 10**17
    assert third / length == (third + 1) / length
    passed, lengths = np.array([third + 1, third, 1]), np.array([length, length, 3])
    order = crossing_order(passed, lengths, np.array([0, 1, 0]), np.array([5, 6, 9]), np.ones(3))
    assert order.tolist() == [2, 1, 0]  # 1/3 twice by symbol, then the longer one
    assert Fraction(third + 1, length) > Fraction(1, 3)


def test_equal_fractions_go_by_symbol_then_account() -> None:
    passed, lengths = np.array([1, 2, 3, 0]), np.array([2, 4, 6, 7])
    order = crossing_order(passed, lengths, np.array([1, 0, 0, 1]), np.array([1, 8, 3, 2]), np.ones(4))
    assert order.tolist() == [3, 2, 1, 0]


def test_steps_without_an_event_are_passed_over_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a world twice, passing over steps and not: the records are the same."""
    from backtest.engine import run

    world = engine_world(2000, bars=60, seed=3)
    quick = simulate(world)
    monkeypatch.setattr(run, "_next", lambda replay, number: number)
    slow = simulate(world)
    for name in ("transfers", "breaches", "slices", "queue"):
        a, b = getattr(quick.record, name).columns(), getattr(slow.record, name).columns()
        assert all((a[column] == b[column]).all() for column in a)
    assert quick.record.waves == slow.record.waves
    assert quick.ledger.cash.tolist() == slow.ledger.cash.tolist()


def test_accounts_cross_at_the_same_places_however_many_halvings_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    from backtest.engine.detect import account_bounds

    world = cross_world(300, bars=60)
    together = simulate(world).record.breaches.columns()
    monkeypatch.setattr(account_bounds, "PROBES", 1)
    one_by_one = simulate(world).record.breaches.columns()
    assert len(set(together["passed"].tolist())) > 3
    assert all((together[column] == one_by_one[column]).all() for column in together)


# --- schedules that step -------------------------------------------------------------------------------------------
# One per cent of the whole position up to 950,000 and five above. A long of 10 lots that is bankrupt at 920,000 has
# 40,000 of 48,000 at 960 and 31,000 of 47,550 at 951; at 950 its 30,000 are more than 9,500, at 929 its 9,000 less
# than 9,290.
STEP = Tiers.of([(0, 10_000_000, 0), (950_001, 50_000_000, 0)])


def stepped_ladder(mark: int, wallet: int = 80_000) -> SteppedLadder:
    ledger = book_ledger([1], [10], [1_000_000], [wallet], STEP)
    ledger.mark_to([mark])
    rungs = SteppedLadder(ledger, 0, 1, (0, 10**6))
    rungs.build(mark)
    return rungs


def test_a_fall_leaves_a_breach_and_enters_the_next_one() -> None:
    rungs = stepped_ladder(990)
    assert rungs.bounds()[0] == 968  # 48,000 of 48,400; at 969 49,000 of 48,450
    assert [part.tolist() for part in rungs.crossed(990, 900, False)] == [[0], [968]]
    below = stepped_ladder(940)
    assert below.bounds() == (929, 951)
    assert [part.tolist() for part in below.crossed(940, 900, False)] == [[0], [929]]


def test_a_rise_breaches_where_a_higher_rate_begins() -> None:
    rungs = stepped_ladder(940)
    assert rungs.crossed(940, 950, False)[0].tolist() == []
    assert [part.tolist() for part in rungs.crossed(950, 980, False)] == [[0], [951]]


def test_a_gap_over_a_breach_leaves_it_behind() -> None:
    rungs = stepped_ladder(990)
    assert rungs.crossed(990, 940, True)[0].tolist() == []  # 951 to 968 were passed over
    assert rungs.bounds() == (929, 951)
    assert [part.tolist() for part in rungs.crossed(940, 960, False)] == [[0], [951]]
    again = stepped_ladder(940)
    assert again.crossed(940, 990, True)[0].tolist() == []
    assert again.bounds()[0] == 968
    assert [part.tolist() for part in stepped_ladder(990).crossed(990, 925, True)] == [[0], [925]]


def test_in_breach_at_the_start_of_a_segment() -> None:
    assert [part.tolist() for part in stepped_ladder(960).crossed(960, 940, False)] == [[0], [960]]
    assert [part.tolist() for part in stepped_ladder(960).crossed(960, 960, False)] == [[0], [960]]


def test_funding_opens_a_breach_that_was_none() -> None:
    # With 92,000 the long is safe at 951 (43,000 of 47,550 ... 50,449 at 951.8): 100 quanta a lot more and it is not.
    rungs = stepped_ladder(940, wallet=98_000)
    assert rungs.bounds() == (911, NEVER_SHORT)  # 48,000 at 950, 49,000 at 951 of 47,550
    rungs.ledger.index[0], rungs.ledger.funded = 200 * 10**6, True
    rungs.index_moved()
    assert rungs.bounds() == (913, 951)  # 2,000 less: 47,000 of 47,550


@pytest.mark.property
@pytest.mark.parametrize("extras", [3, 4096])
def test_stepped_ladder_takes_off_exactly_those_a_rescan_finds(monkeypatch: pytest.MonkeyPatch, extras: int) -> None:
    monkeypatch.setattr(isolated_stepped, "MAX_EXTRAS", extras)
    found = 0
    for seed in range(10):
        world = crowd_of(seed, 0.1)
        rows = zip(world.tiers[0].floors.tolist(), (5_000_000 * 3**k for k in range(9)), strict=False)
        whole = Tiers.of([(floor, min(rate, 600_000_000), 0) for floor, rate in rows])
        found += rescan_agrees(dataclasses.replace(world, tiers=(whole,)), Random(seed), stepped=True)
    assert found > 500
