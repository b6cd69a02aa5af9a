"""The queue of one wave against plain sorting by exact rationals, with the coarse filter as wrong as it may be."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.mechanics.adl import queue as adl_queue
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.queue import COARSE, Queue
from backtest.mechanics.adl.rankings import RANKINGS, scored
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import Tiers

USD = 10**6
TIERS = Tiers.of([(0, 10_000_000, 0), (10**12, 20_000_000, 10**10)])


class Side:
    """One side of a book whose floats are off by up to ``noise``, and the order it should be closed in."""

    def __init__(self, rows: list[tuple[int, int, int, bool]], side: int, noise: float = 0.0, seed: int = 0) -> None:
        table = np.array(rows, dtype=np.int64).reshape(-1, 4)
        self.lots, self.entry_value, self.equity, eligible = (np.ascontiguousarray(column) for column in table.T)
        self.eligible = (eligible > 0) & (self.equity > 0)
        self.side, self.value = side, self.lots * 100 * USD
        self.wrong = 1 + np.random.default_rng(seed).uniform(-noise, noise, len(rows))

    def fetch(self, places: Ints) -> Candidates:
        value, cost = self.value[places], self.entry_value[places]
        return Candidates(
            self.side, self.lots[places], cost, value, self.side * (value - cost), self.equity[places], TIERS
        )

    def scan(self, piece: slice) -> tuple[Candidates, Bools]:
        exact = self.fetch(np.arange(piece.start, piece.stop))
        equity = exact.equity * self.wrong[piece]
        found = Candidates(exact.side, exact.lots, exact.entry_value, exact.value, exact.pnl, equity, TIERS)  # type: ignore[arg-type]
        return found, self.eligible[piece].copy()

    def queue(self, ranking: str, losers: str, start: int = 0) -> Queue:
        return Queue(self.scan, self.fetch, len(self.lots), ranking, losers, start)

    def order(self, ranking: str, losers: str, start: int = 0) -> list[int]:
        """Return the places in the order of the rule, by sorting whole lists."""
        losing = (self.side * (self.value - self.entry_value) < 0).tolist()
        places = np.flatnonzero(self.eligible).tolist()
        if losers == "excluded":
            places = [place for place in places if not losing[place]]
        if scored(ranking) is None:
            turn = start % len(places) if places else 0
            places = places[turn:] + places[:turn]
        else:
            turns = self.turns(ranking)
            places.sort(key=lambda place: turns[place])
        if losers == "last":
            places.sort(key=lambda place: losing[place])
        return places

    def turns(self, ranking: str) -> list[int]:
        """Return the turn of each position by its exact score; clones have one, and are scored once."""
        table = np.stack([self.lots, self.entry_value, self.equity], axis=1)
        _, first, model = np.unique(table, axis=0, return_index=True, return_inverse=True)
        rule, rows = scored(ranking), self.fetch(first)
        assert rule is not None
        scores = [rule.exact(rows, k) for k in range(len(first))]
        best = sorted(range(len(first)), key=lambda k: -scores[k])
        turn, last = [0] * len(first), 0
        for number, k in enumerate(best):
            last = number if number and scores[k] != scores[best[number - 1]] else last
            turn[k] = last
        return [turn[k] for k in model.reshape(-1).tolist()]


def position(lots: int, entry_usd: int, equity: int, eligible: bool = True) -> tuple[int, int, int, bool]:
    return lots, lots * entry_usd * USD, equity, eligible


def noise_of(ranking: str) -> float:
    """Return how wrong equity may be: the wallet of some scores is equity less PnL, thousands of times smaller."""
    return 1e-10 if ranking in {"binance", "aevo", "bybit"} else COARSE * 0.9


def test_a_long_queue_by_hand() -> None:
    # Marked at 100. PnL % x leverage: 0.25 x (200 / 50) = 1; 1 x (100 / 200) = 0.5; loser -0.2 / (100 / 50) = -0.1;
    # and one at its entry: 0.
    rows = [position(1, 125, 50 * USD), position(1, 50, 200 * USD), position(2, 80, 50 * USD), position(1, 100, USD)]
    side = Side(rows, 1)
    queue = side.queue("bitmex", "ranked")
    assert queue.prefix(100, 5).tolist() == [2, 1, 3, 0]
    assert queue.scores.tolist() == [1.0, 0.5, 0.0, -0.1]
    assert [queue.ahead(place) for place in range(4)] == [
        (3, 400 * USD, -0.1), (1, 200 * USD, 0.5), (0, 0, 1.0), (2, 300 * USD, 0.0)
    ]  # fmt: skip
    assert queue.size == 4
    assert queue.lots == 5


def test_losers_stand_last_or_not_at_all() -> None:
    # By entry / mark x leverage the losing short stands first.
    rows = [position(1, 90, USD), position(1, 110, 50 * USD), position(1, 120, 60 * USD)]
    side = Side(rows, -1)
    assert side.queue("hyperliquid", "ranked").prefix(9, 9).tolist() == [0, 1, 2]
    assert side.queue("hyperliquid", "last").prefix(9, 9).tolist() == [1, 2, 0]
    assert side.queue("hyperliquid", "excluded").prefix(9, 9).tolist() == [1, 2]
    assert side.queue("hyperliquid", "last").ahead(0)[:2] == (2, 200 * USD)


def test_ties_go_by_account_even_where_floats_differ_or_agree() -> None:
    # Three equal scores; then two that differ by less than a float can show.
    big = 3 * 10**15
    rows = [(1, 50 * USD, 10**8, True)] * 3
    assert Side(rows, 1, noise=COARSE * 0.4).queue("bitmex", "last").prefix(3, 0).tolist() == [0, 1, 2]
    near = [(big // 10**8, big // 2, big, True), (big // 10**8, big // 2, big - 1, True)]
    side = Side(near, 1)
    scores = side.queue("bitmex", "last")
    scores.prefix(10**9, 0)
    assert scores.order.tolist() == [1, 0]
    assert abs(scores.scores[0] - scores.scores[1]) <= 1e-12 * scores.scores[0]
    # Eleven times the second position with one quantum more of equity: less leverage, and a higher float.
    lots, cost, equity = 16_001_749, 964_331_703_646_695, 1_383_558_319_016_225
    side = Side([(11 * lots, 11 * cost, 11 * equity + 1, True), (lots, cost, equity, True)], 1)
    queue = side.queue("bitmex", "last")
    assert queue.prefix(10**9, 0).tolist() == [1, 0]
    assert queue.scores[0] < queue.scores[1]
    assert [queue.ahead(place)[0] for place in (0, 1)] == [1, 0]


def test_the_random_queue_starts_at_the_seed_and_goes_round() -> None:
    rows = [position(1, 90, USD, eligible=k != 2) for k in range(5)]
    side = Side(rows, 1)
    assert side.queue("random", "last", start=6).prefix(9, 0).tolist() == [3, 4, 0, 1]
    assert side.queue("random", "last", start=6).ahead(0)[:2] == (2, 200 * USD)


def test_nobody_to_close() -> None:
    for rows in ([], [position(1, 90, 0)], [position(1, 90, USD, eligible=False)]):
        queue = Side(rows, 1).queue("random", "last", start=3)
        assert queue.prefix(5, 5).tolist() == []
        assert (queue.size, queue.lots) == (0, 0)


def test_a_venue_without_a_queue_looks_at_nobody() -> None:
    queue = Side([], 1).queue("none", "last")
    assert 0 not in queue
    queue = Side([position(1, 90, USD), position(1, 90, USD, eligible=False)], 1).queue("none", "last")
    assert [place in queue for place in (0, 1)] == [True, False]


positions = st.tuples(
    st.integers(1, 50), st.integers(1, 6), st.sampled_from((-1, 0, 1)), st.integers(1, 40), st.booleans()
).map(lambda row: (row[0], row[0] * 25 * row[1] * USD + row[2], row[3] * USD // 3, row[4] or row[3] > 10))


@pytest.mark.property
@settings(max_examples=80)
@given(
    st.lists(positions, max_size=60), st.sampled_from((1, -1)), st.sampled_from(sorted(RANKINGS.keys() - {"none"})),
    st.sampled_from(("last", "ranked", "excluded")), st.integers(0, 2000), st.integers(0, 8), st.integers(0, 30),
)  # fmt: skip
def test_any_prefix_and_rank_is_that_of_the_whole_sorted_list(
    rows: list[tuple[int, int, int, bool]], side: int, ranking: str, losers: str, lots: int, spare: int, start: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adl_queue, "SAMPLE", 4)
        patch.setattr(adl_queue, "CHUNK", 7)
        book = Side(rows, side, noise=noise_of(ranking), seed=start)
        expected = book.order(ranking, losers, start)
        queue = book.queue(ranking, losers, start)
        found = queue.prefix(lots, spare).tolist()
        assert found == expected[: len(found)]
        assert queue.size == len(expected)
        assert queue.lots == int(book.lots[expected].sum())
        assert _enough(book.lots[expected].tolist(), lots, spare) <= len(found)
        assert book.queue(ranking, losers, start).in_turn(lots).tolist() == in_turn(book, expected, lots)
        ahead = 0
        for rank, place in enumerate(expected):
            assert queue.ahead(place)[:2] == (rank, ahead)
            ahead += int(book.value[place])


def in_turn(book: Side, order: list[int], wanted: int) -> list[int]:
    """Return the lots that each position gives where an order is closed from its front."""
    held = book.lots.tolist()
    out = [0] * len(held)
    for place in order:
        if not wanted:
            break
        out[place] = min(held[place], wanted)
        wanted -= out[place]
    return out


def _enough(lots: list[int], wanted: int, spare: int) -> int:
    """Return how many of the queue must be known for ``wanted`` lots and ``spare`` candidates more."""
    for count, held in enumerate(np.cumsum(lots).tolist(), 1):
        if held >= wanted:
            return min(count + spare, len(lots))
    return len(lots)


@pytest.mark.property
@pytest.mark.parametrize("ranking", [name for name in sorted(RANKINGS) if scored(name)])
def test_twenty_thousand_candidates_with_clones(ranking: str) -> None:
    rng = np.random.default_rng(5)
    models = [
        position(int(rng.integers(1, 90)), int(rng.integers(60, 140)), int(rng.integers(1, 9000) * USD))
        for _ in range(50)
    ]
    rows = [models[k] for k in rng.integers(0, 50, 20_000)]
    book = Side(rows, -1, noise=noise_of(ranking))
    expected = book.order(ranking, "last")
    queue = book.queue(ranking, "last")
    for lots, spare in ((1, 0), (5_000, 20), (300_000, 3)):
        found = queue.prefix(lots, spare).tolist()
        assert found == expected[: len(found)]
        assert _enough(book.lots[expected].tolist(), lots, spare) <= len(found)
        assert queue.in_turn(lots).tolist() == in_turn(book, expected, lots)
    assert len(queue.prefix(1, 0)) < 20_000
    scores = queue.scores.tolist()
    assert all(isinstance(score, float) for score in scores)
    rows_ = book.fetch(queue.order)
    exact = scored(ranking).exact  # type: ignore[union-attr]
    for k in range(0, len(scores), 97):
        assert abs(Fraction(scores[k]) - exact(rows_, k)) <= abs(exact(rows_, k)) / 10**14
