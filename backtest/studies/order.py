"""How well each ADL ranking explains the order in which positions were really closed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.errors import DataError
from backtest.mechanics.adl.rankings import RANKINGS, Candidates, Exact, ScoredRanking
from backtest.mechanics.exact import Ints


@dataclass(frozen=True, slots=True)
class ClosedWave:
    """One walk of a queue as it happened: its positions in the order they were closed, and the lots closed of each.

    The candidates are the positions before the wave, at its mark. A venue publishes whom it closed, not whom it
    passed by: the order is explained among the closed only.
    """

    name: str
    candidates: Candidates
    closed: Ints


@dataclass(frozen=True, slots=True)
class Explained:
    """What one ranking makes of the real order, over all waves; pairs are always of one wave.

    ``concordant`` pairs are closed as the ranking has it, ``discordant`` the other way round, ``tied`` have one score.
    ``adjacent`` counts the neighbours in the real order that the ranking does not reverse, out of ``neighbours``.
    ``first_places`` are the places (from 1, ties in the real order) that the ranking gives to those closed first, wave
    by wave.
    """

    ranking: str
    concordant: int
    discordant: int
    tied: int
    adjacent: int
    neighbours: int
    first_places: tuple[tuple[int, ...], ...]

    @property
    def tau_b(self) -> float:
        """Kendall's tau-b: 1 for the same order, -1 for the reverse, about 0 for a random one; NaN without an order."""
        ordered = self.concordant + self.discordant
        if not ordered:
            return math.nan
        return (self.concordant - self.discordant) / math.sqrt(ordered * (ordered + self.tied))

    @property
    def concordance(self) -> float:
        """Share of the pairs with two scores that are concordant; NaN without any."""
        ordered = self.concordant + self.discordant
        return self.concordant / ordered if ordered else math.nan


def explain(waves: Sequence[ClosedWave], losers_last: bool = False, first: int = 3) -> list[Explained]:
    """Compare the real order of waves with every ranking that scores, the best by tau-b first.

    A random order, dYdX's, is left out: it explains nothing.

    Parameters
    ----------
    waves
        Walks of queues, each of one symbol and side; positions without equity have no score (``with_equity``).
    losers_last
        Whether losing positions stand after all winners and not where their score puts them.
    first
        How many of the positions closed first are looked up in the ranking.
    """
    for wave in waves:
        _check(wave)
    found = []
    for name, rule in RANKINGS.items():
        if isinstance(rule, ScoredRanking):
            keys = [_places(wave.candidates, rule.exact, losers_last) for wave in waves]
            found.append(_explained(name, keys, first))
    return sorted(found, key=lambda row: (math.isnan(row.tau_b), -row.tau_b, row.ranking))


def _check(wave: ClosedWave) -> None:
    rows = wave.candidates
    if not len(wave.closed) == len(rows.lots) > 0:
        raise DataError(
            f"{wave.name}: {len(wave.closed)} closes of {len(rows.lots)} positions; allowed: one each, at least one"
        )
    allowed = (rows.lots > 0) & (rows.entry_value > 0) & (rows.value > 0) & (rows.equity > 0)
    wrong = np.flatnonzero(~allowed | (wave.closed < 1) | (wave.closed > rows.lots))
    if wrong.size:
        raise DataError(
            f"{wave.name}: close {int(wrong[0]) + 1} in its order; allowed: cost, value and equity above zero, "
            f"and from one lot to all {int(rows.lots[wrong[0]])} closed"
        )


def _places(rows: Candidates, exact: Exact, losers_last: bool) -> Ints:
    """Return the place of each position in the ranking's order, from 0; equal scores share one."""
    keys = [(losers_last and bool(rows.pnl[i] < 0), -exact(rows, i)) for i in range(len(rows.lots))]
    place: dict[tuple[bool, Fraction], int] = {key: k for k, key in enumerate(sorted(set(keys)))}
    return np.array([place[key] for key in keys], dtype=np.int64)


def _explained(name: str, waves: list[Ints], first: int) -> Explained:
    pairs = sum(len(places) * (len(places) - 1) // 2 for places in waves)
    tied = sum(_tied_pairs(places) for places in waves)
    discordant = sum(inversions(places) for places in waves)
    return Explained(
        ranking=name,
        concordant=pairs - tied - discordant,
        discordant=discordant,
        tied=tied,
        adjacent=sum(int((places[1:] >= places[:-1]).sum()) for places in waves),
        neighbours=sum(len(places) - 1 for places in waves),
        first_places=tuple(_first_places(places, first) for places in waves),
    )


def _first_places(places: Ints, first: int) -> tuple[int, ...]:
    order = np.argsort(places, kind="stable")
    at = np.empty(len(places), dtype=np.int64)
    at[order] = np.arange(1, len(places) + 1)
    return tuple(at[:first].tolist())


def _tied_pairs(places: Ints) -> int:
    counts = np.unique(places, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def inversions(places: Ints) -> int:
    """Return how many pairs stand in falling order, by merging sorted halves.

    Examples
    --------
    >>> inversions(np.array([2, 0, 1, 1])), inversions(np.array([0, 0, 5]))
    (3, 0)
    """
    return _merged(np.asarray(places, dtype=np.int64))[1]


def _merged(places: Ints) -> tuple[Ints, int]:
    """Return the places sorted, and the number of pairs that were in falling order."""
    if len(places) < 2:
        return places, 0
    middle = len(places) // 2
    left, found_left = _merged(places[:middle])
    right, found_right = _merged(places[middle:])
    across = len(left) * len(right) - int(np.searchsorted(left, right, side="right").sum())
    # a stable sort of two sorted runs is a merge
    return np.sort(np.concatenate((left, right)), kind="stable"), found_left + found_right + across


def with_equity(wave: ClosedWave) -> ClosedWave:
    """Return a wave without the positions whose equity is not above zero: no ranking gives them a score.

    A venue's queue holds none; a book put together from outside may.
    """
    rows, solvent = wave.candidates, np.flatnonzero(wave.candidates.equity > 0)
    lots, cost, value, pnl, equity = (
        column[solvent] for column in (rows.lots, rows.entry_value, rows.value, rows.pnl, rows.equity)
    )
    kept = Candidates(rows.side, lots, cost, value, pnl, equity, rows.tiers)
    return ClosedWave(wave.name, kept, wave.closed[solvent])


def partial_closes(wave: ClosedWave) -> list[int]:
    """Return which closes of a wave, from 1 in its order, left lots open."""
    return (np.flatnonzero(wave.closed < wave.candidates.lots) + 1).tolist()


def closes_whole_then_one_part(wave: ClosedWave) -> bool:
    """Return whether a wave is one walk of a queue: every close is whole but the last, which may be partial.

    Examples
    --------
    >>> from backtest.mechanics.margin import Tiers
    >>> held = np.array([5, 3, 9])
    >>> rows = Candidates(1, held, held, held, held, held, Tiers.of([(0, 50_000_000, 0)]))
    >>> [closes_whole_then_one_part(ClosedWave("", rows, np.array(closed))) for closed in ([5, 3, 2], [5, 1, 9])]
    [True, False]
    """
    return partial_closes(wave) in ([], [len(wave.closed)])
