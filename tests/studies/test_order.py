"""Explaining a real order of closes: counts by hand, and the order of the deleveraging of 2025-10-10."""

from __future__ import annotations

import csv
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.errors import DataError
from backtest.mechanics.adl.matching import match
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.adl.rankings import RANKINGS, Candidates, scored
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import Tiers
from backtest.studies.order import (
    ClosedWave,
    Explained,
    closes_whole_then_one_part,
    explain,
    inversions,
    partial_closes,
    with_equity,
)

USD = 10**6
TIERS = Tiers.of([(0, 50_000_000, 0)])
SAMPLE = Path(__file__).parents[2].parent / "shared" / "reference" / "hyperliquid_2025-10-10_adl_order_sample.csv"
LOT = {"AVAX": "0.01", "CRV": "0.1", "ETH": "0.0001", "OM": "0.1", "TRX": "1", "WLD": "0.1"}


def wave_of(side: int, rows: list[tuple[int, int, int, int]], closed: list[int] | None = None) -> ClosedWave:
    """Return a wave of (lots, cost, value, equity) in USD, closed whole unless said otherwise."""
    lots, cost, value, equity = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    held = Candidates(side, lots, cost * USD, value * USD, side * (value - cost) * USD, equity * USD, TIERS)
    return ClosedWave("a wave", held, lots if closed is None else np.array(closed, dtype=np.int64))


def by_name(waves: list[ClosedWave], losers_last: bool = False, first: int = 3) -> dict[str, Explained]:
    return {row.ranking: row for row in explain(waves, losers_last, first)}


# Longs on a value of 100. PnL % x leverage: 100 % x 1 = 1; 25 % x 2 = 0.5; 100 % x 2 = 2; -20 % x 2 = -0.4, divided
# -0.1.
FOUR = [(1, 50, 100, 100), (1, 80, 100, 50), (1, 50, 100, 50), (1, 125, 100, 50)]


def test_pairs_and_places_by_hand() -> None:
    found = by_name([wave_of(1, FOUR)])
    bitmex = found["bitmex"]
    # The third belongs before the first and the second: two of six pairs.
    assert (bitmex.concordant, bitmex.discordant, bitmex.tied) == (4, 2, 0)
    assert bitmex.tau_b == pytest.approx(1 / 3)
    assert bitmex.concordance == pytest.approx(2 / 3)
    assert (bitmex.adjacent, bitmex.neighbours) == (2, 3)
    assert bitmex.first_places == ((2, 3, 1),)


def test_ties_count_in_tau_b_and_take_places_in_the_real_order() -> None:
    # By effective leverage, 1, 2, 2 and 2; Ethereal separates them by profit (20, 50, -25).
    found = by_name([wave_of(1, FOUR)], first=4)
    assert found["ethereal"].first_places == ((4, 2, 1, 3),)
    assert found["ethereal"].tied == 0
    # Binance's score of a loser is 0: two losers tie. 1 concordant, none discordant: 1 / sqrt(1 x 3) for three pairs.
    rows = [(1, 50, 100, 100), (1, 125, 100, 50), (1, 150, 100, 50)]
    binance = by_name([wave_of(1, rows)])["binance"]
    assert (binance.concordant, binance.discordant, binance.tied) == (2, 0, 1)
    assert binance.tau_b == pytest.approx(2 / 6**0.5)
    assert binance.concordance == 1.0
    assert binance.adjacent == 2
    assert binance.first_places == ((1, 2, 3),)


def test_losers_after_all_winners() -> None:
    # By entry / mark x leverage the losing short (entry 90) of highest leverage stands first.
    rows = [(1, 110, 100, 50), (1, 90, 100, 10)]
    assert by_name([wave_of(-1, rows)])["hyperliquid"].tau_b == -1.0
    assert by_name([wave_of(-1, rows)], losers_last=True)["hyperliquid"].tau_b == 1.0


def test_pairs_are_of_one_wave() -> None:
    one, other = wave_of(1, FOUR[:2]), wave_of(1, [FOUR[2], FOUR[0], FOUR[1]])
    bitmex = by_name([one, other], first=1)["bitmex"]
    assert (bitmex.concordant, bitmex.discordant, bitmex.neighbours) == (4, 0, 3)
    assert bitmex.first_places == ((1,), (1,))
    assert bitmex.tau_b == 1.0


def test_every_scoring_ranking_is_explained_best_first() -> None:
    found = explain([wave_of(1, FOUR)])
    assert {row.ranking for row in found} == {name for name in RANKINGS if scored(name)}
    taus = [row.tau_b for row in found]
    assert taus == sorted(taus, reverse=True)


def test_a_wave_of_one_has_no_order() -> None:
    found = by_name([wave_of(1, FOUR[:1])])["okx"]
    assert np.isnan(found.tau_b)
    assert np.isnan(found.concordance)
    assert found.first_places == ((1,),)


@pytest.mark.parametrize(
    ("rows", "closed", "message"),
    [
        (FOUR, [1, 1, 1], "3 closes of 4 positions"),
        (FOUR, [1, 1, 2, 1], "close 3 in its order"),
        (FOUR, [1, 0, 1, 1], "close 2 in its order"),
        ([(1, 50, 100, 0)], [1], "close 1 in its order"),
        ([(1, 0, 100, 10)], [1], "close 1 in its order"),
    ],
)
def test_waves_that_cannot_be_are_refused(
    rows: list[tuple[int, int, int, int]], closed: list[int], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        explain([wave_of(1, rows, closed)])


def test_positions_without_equity_are_left_out_on_request() -> None:
    rows = [FOUR[0], (1, 50, 100, 0), FOUR[1], (1, 50, 100, -5)]
    kept = with_equity(wave_of(1, rows))
    assert kept.candidates.equity.tolist() == [100 * USD, 50 * USD]
    assert kept.candidates.pnl.tolist() == [50 * USD, 20 * USD]
    assert kept.closed.tolist() == [1, 1]
    assert by_name([kept])["bitmex"].tau_b == 1.0


@pytest.mark.parametrize(
    ("closed", "partial", "holds"),
    [
        ([4, 5, 6], [], True),
        ([4, 5, 1], [3], True),
        ([4, 1, 6], [2], False),
        ([1, 5, 1], [1, 3], False),
    ],
)
def test_structure(closed: list[int], partial: list[int], holds: bool) -> None:
    wave = wave_of(1, [(4, 50, 100, 100), (5, 50, 100, 100), (6, 50, 100, 100)], closed)
    assert partial_closes(wave) == partial
    assert closes_whole_then_one_part(wave) is holds


@pytest.mark.property
@given(st.lists(st.integers(0, 9), max_size=40))
def test_inversions_are_those_of_all_pairs(places: list[int]) -> None:
    slow = sum(places[i] > places[j] for j in range(len(places)) for i in range(j))
    assert inversions(np.array(places, dtype=np.int64)) == slow


# --- 2025-10-10 at Hyperliquid -------------------------------------------------------------------------------------
# Six queues of shorts, each in the order of its fills. The account value is cash plus the unrealised profit over all
# coins; what other coins need as margin is not in the file, nor are the candidates that were not closed. One account
# of 177 comes out below zero there, which no queue could have held: a defect of the reconstruction.


@pytest.fixture(scope="module")
def really_closed() -> list[ClosedWave]:
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE.name} is not here: third-party data that is not shipped with the project")
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    waves = []
    for coin in dict.fromkeys(row["coin"] for row in rows):
        mine = [row for row in rows if row["coin"] == coin]
        assert [int(row["seq"]) for row in mine] == list(range(1, len(mine) + 1))
        assert len({row["time_ms"] for row in mine}) == 1
        waves.append(_wave(coin, mine))
    return waves


def _wave(coin: str, rows: list[dict[str, str]]) -> ClosedWave:
    lots, closed = (_whole(rows, name, 1 / Decimal(LOT[coin])) for name in ("position", "closed"))
    each = int(Decimal(rows[0]["adl_price"]) * Decimal(LOT[coin]) * USD)
    cost = np.array([int(Decimal(r["entry"]) * Decimal(r["position"]) * USD) for r in rows], dtype=np.int64)
    equity = _whole(rows, "cash", Decimal(USD)) + _whole(rows, "total_upnl", Decimal(USD))
    value = lots * each
    return ClosedWave(coin, Candidates(-1, lots, cost, value, cost - value, equity, TIERS), closed)


def _whole(rows: list[dict[str, str]], name: str, units: Decimal) -> Ints:
    numbers = [Decimal(row[name]) * units for row in rows]
    assert all(number == int(number) for number in numbers)
    return np.array([int(number) for number in numbers], dtype=np.int64)


@pytest.fixture(scope="module")
def candidates_closed(really_closed: list[ClosedWave]) -> list[ClosedWave]:
    return [with_equity(wave) for wave in really_closed]


def walked(wave: ClosedWave, ranking: str, bankrupts: int) -> ClosedWave:
    """Return what our own queue walk closes of a wave's positions for as many lots, wanted by several bankrupts."""
    rows = wave.candidates

    def fetch(places: Ints) -> Candidates:
        columns = (rows.lots, rows.entry_value, rows.value, rows.pnl, rows.equity)
        return Candidates(rows.side, *(column[places] for column in columns), TIERS)

    def scan(piece: slice) -> tuple[Candidates, Bools]:
        places = np.arange(len(rows.lots))[piece]
        return fetch(places), np.ones(len(places), dtype=bool)

    wanted = int(wave.closed.sum())
    queue = Queue(scan, fetch, len(rows.lots), ranking, "ranked", 7)
    queue.prefix(wanted, 0)
    each = int(rows.value[0] // rows.lots[0])
    shares = [wanted // bankrupts + (k < wanted % bankrupts) for k in range(bankrupts)]
    claims = [(lots, lots * each) for lots in shares if lots]
    out = match(claims, 1, queue.top.lots.tolist(), queue.top.equity.tolist(), each, each)
    assert (out.skipped, out.unmatched) == ([], [])
    reached = list(dict.fromkeys(out.place))
    closed = np.zeros(len(queue.order), dtype=np.int64)
    np.add.at(closed, out.place, out.lots)
    assert reached == list(range(len(reached)))
    return ClosedWave(wave.name, fetch(queue.order[: len(reached)]), closed[: len(reached)])


@pytest.mark.golden
def test_real_waves_close_whole_positions_and_then_one_part(really_closed: list[ClosedWave]) -> None:
    assert {wave.name: len(wave.closed) for wave in really_closed} == {
        "AVAX": 50, "CRV": 35, "TRX": 10, "WLD": 15, "ETH": 61, "OM": 6
    }  # fmt: skip
    assert sum(int((wave.candidates.equity <= 0).sum()) for wave in really_closed) == 1
    assert all(map(closes_whole_then_one_part, really_closed))
    # The wave ends inside a position, except where the sample stops before it.
    assert {wave.name for wave in really_closed if partial_closes(wave)} == {"AVAX", "TRX", "WLD", "OM"}


@pytest.mark.golden
@pytest.mark.parametrize("ranking", sorted(RANKINGS.keys() - {"none"}))
def test_our_queue_walk_has_the_structure_of_the_real_one(candidates_closed: list[ClosedWave], ranking: str) -> None:
    for wave in candidates_closed:
        for bankrupts in (1, 3, 40):
            ours = walked(wave, ranking, bankrupts)
            assert closes_whole_then_one_part(ours)
            assert int(ours.closed.sum()) == int(wave.closed.sum())


@pytest.mark.golden
def test_no_ranking_explains_the_real_order(candidates_closed: list[ClosedWave]) -> None:
    """Print how well each does; the sample's own README says that no published formula reproduces the order."""
    found = explain(candidates_closed)
    print(f"\n{'ranking':21}{'tau-b':>7}{'concordant':>12}{'adjacent':>10}  places of the first three, per coin")
    for row in found:
        adjacent = Fraction(row.adjacent, row.neighbours)
        places = " ".join("/".join(map(str, three)) for three in row.first_places)
        print(f"{row.ranking:21}{row.tau_b:7.3f}{row.concordance:12.1%}{float(adjacent):10.1%}  {places}")
    print("coins:", " ".join(f"{wave.name} ({len(wave.closed)})" for wave in candidates_closed))
    assert all(row.tau_b < 0.9 for row in found)
