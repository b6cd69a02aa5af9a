"""The ADL queue: who stands in it, and in which order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import chain

from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.rankings import ScoredRanking, scored
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.mechanics.numeric import np

NEAR = 1e-12  # floats closer than this are ordered by the exact rational
CHUNK = 1 << 14  # scores are computed in pieces that stay in cache
SAMPLE = 4096  # positions looked at to guess how far down a queue will be walked
COARSE = 1e-5  # relative error allowed to the float filter over all positions
Fetch = Callable[[Ints], Candidates]
Scan = Callable[[slice], tuple[Candidates, Bools]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Positions of a side that a queue looks at, by ascending place (None: all), and what is known of the others.

    All ``others`` are candidates and hold ``lots`` together; the score of none is above ``bound``. ``scan`` reads
    pieces of the places; None: that of the queue does.
    """

    places: Ints | None = None
    others: int = 0
    lots: int = 0
    bound: float = -math.inf
    scan: Scan | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates in exact order, by their index among those looked at, with their scores, and read exactly."""

    seen: Ints
    scores: Floats
    rows: Candidates

    def first(self, count: int) -> Ranked:
        """Return the first of them."""
        return Ranked(self.seen[:count], self.scores[:count], self.rows.chosen(slice(count)))

    def then(self, more: Ranked) -> Ranked:
        """Return these with more behind them."""
        seen, scores = np.concatenate([self.seen, more.seen]), np.concatenate([self.scores, more.scores])
        return Ranked(seen, scores, self.rows.then(more.rows))


class Queue:
    """The candidates of one wave in exact order, made as far as it is needed.

    A float filter over the positions of the side finds those in front; only they are read exactly, scored in
    double precision and, where scores are closer than ``NEAR``, ordered by the exact rational.

    Parameters
    ----------
    scan
        Returns a piece of the side in floats (relative error below ``COARSE``) and who in it is a candidate.
    fetch
        Returns positions exactly, by place (ascending account id).
    count
        Number of positions of the side.
    ranking
        Name in ``RANKINGS``.
    losers
        ``last`` (after all winners), ``ranked`` (where their score puts them) or ``excluded``.
    start
        For the random ranking: where the walk by account id starts, modulo the number of candidates.
    parts
        Parts of the side that may do for a ranking by score, looked at one after the other before the whole side.
    """

    def __init__(
        self, scan: Scan, fetch: Fetch, count: int, ranking: str, losers: str, start: int, parts: Iterable[Part] = ()
    ) -> None:
        self.scan, self.fetch, self.count = scan, fetch, count
        self.rule, self.losers, self.start = scored(ranking), losers, start
        self.order: Ints = np.empty(0, dtype=np.int64)
        self.scores: Floats = np.empty(0)
        self.top: Candidates
        self._parts = chain(parts, (Part(),))
        self._look(next(self._parts))

    def _look(self, part: Part) -> None:
        """Find out who in a part is a candidate, with which score in floats."""
        self.part, count = part, self.count if part.places is None else len(part.places)
        self.coarse: Floats = np.empty(count)
        self.eligible: Bools = np.empty(count, dtype=bool)
        self.late: Bools = np.zeros(count, dtype=bool)
        self.held: Ints = np.empty(count, dtype=np.int64)  # lots of each position
        self.lots = part.lots  # of all candidates
        for piece in pieces(count):
            self._score(piece, *(part.scan or self.scan)(piece))
        self.size = part.others + int(np.count_nonzero(self.eligible))
        if self.rule is None:  # place after the rotation, negated so that larger is earlier
            place = np.cumsum(self.eligible) - 1
            self.coarse[:] = np.where(self.eligible, -((place - self.start) % max(self.size, 1)), -np.inf)

    def _look_at_all(self) -> None:
        if self.part.places is not None:
            self._look(Part())

    def _places(self, seen: Ints) -> Ints:
        """Return the places of positions by their index among those looked at."""
        return seen if self.part.places is None else self.part.places[seen]

    def _score(self, piece: slice, rows: Candidates, eligible: Bools) -> None:
        if self.losers != "ranked":
            losing = rows.pnl < 0
            if self.losers == "last":
                self.late[piece] = losing
            else:
                eligible &= ~losing
        self.eligible[piece], self.held[piece] = eligible, rows.lots
        out = np.flatnonzero(~eligible)
        self.lots += int(rows.lots.sum()) - int(rows.lots[out].sum())
        if self.rule is not None:
            with np.errstate(divide="ignore", invalid="ignore"):  # those that are no candidates may hold nothing
                scores = self.rule.approximate(rows)
            scores[out] = -np.inf
            self.coarse[piece] = scores

    def prefix(self, lots: int, spare: int) -> Ints:
        """Return the first candidates in exact order: at least ``lots`` lots and ``spare`` candidates more, or all.

        ``top`` holds them as they are now, ``scores`` their scores.
        """
        while (found := self._front(lots, spare)) is None:
            self._look(next(self._parts))
        self.order, self.top, self.scores = self._places(found.seen), found.rows, found.scores
        return self.order

    def _front(self, lots: int, spare: int) -> Ranked | None:
        """Return the first candidates; None where the others could be among them."""
        done: list[Ranked] = []
        behind = self.eligible & self.late
        for part in [self.eligible ^ behind, behind] if behind.any() else [self.eligible]:
            found = self._first(part, lots, spare)
            if found is None:
                return None
            done.append(found)
            lots -= int(found.rows.lots.sum())
            if self.part.others or len(found.seen) < np.count_nonzero(part):  # others may stand before losers
                break
        return reduce(Ranked.then, done)

    def in_turn(self, lots: int) -> Ints:
        """Return how many lots of each position the front gives for ``lots``: each candidate whole, the last in part.

        By place, without making ``order``: only candidates whose scores are near that of the last one are ordered
        exactly, as the float of any other tells on which side of it they stand.
        """
        self._look_at_all()
        out = np.zeros(self.count, dtype=np.int64)
        behind = self.eligible & self.late
        for part in (self.eligible ^ behind, behind):
            places = np.flatnonzero(part)
            held = self.held[places]
            if (whole := int(held.sum())) <= lots:
                out[places], lots = held, lots - whole
                continue
            coarse = self.coarse[places]
            rank = np.argsort(-coarse)
            last = coarse[rank[np.searchsorted(np.cumsum(held[rank]), lots)]]
            margin = abs(last) * 4 * COARSE if np.isfinite(last) else np.inf
            before = places[coarse > last + margin]
            out[before] = self.held[before]
            lots -= int(out[before].sum())
            near = self._sorted(places[~(np.abs(coarse - last) > margin)]).seen
            held = self.held[near]
            out[near] = np.clip(lots - (np.cumsum(held) - held), 0, held)
            break
        return out

    def everyone(self) -> None:
        """Make ``order`` all candidates by place, without scores: for an allocation that ranks nobody."""
        self._look_at_all()
        self.order = np.flatnonzero(self.eligible)
        self.top, self.scores = self.fetch(self.order), np.zeros(self.size)

    def keep(self, shown: Ints) -> None:
        """Keep some of the candidates in ``order``, ``top`` and ``scores``, by their index there."""
        self.order, self.scores, self.top = self.order[shown], self.scores[shown], self.top.chosen(shown)

    def _precise(self, seen: Ints, rows: Candidates) -> Floats:
        return self.coarse[seen] if self.rule is None else self.rule.approximate(rows)

    def _first(self, part: Bools, lots: int, spare: int) -> Ranked | None:
        """Return the first of some candidates; None where others of the side could be among them."""
        for cut in self._cuts(part, lots, spare):
            if cut == -np.inf:
                return self._sorted(np.flatnonzero(part))
            chosen = np.flatnonzero(part & (self.coarse >= cut - abs(cut) * COARSE))
            if len(chosen) <= spare + 1 or int(self.held[chosen].sum()) < lots:
                continue
            ranked = self._sorted(chosen)
            # candidates beyond the cut could belong before the last ones: leave those for later
            sure = int(np.count_nonzero(ranked.scores > cut + abs(cut) * 2 * COARSE))
            total = np.cumsum(ranked.rows.lots[:sure])
            if int(np.searchsorted(total, lots)) + 1 + spare <= sure:
                return ranked.first(sure)
        return None

    def _cuts(self, part: Bools, lots: int, spare: int) -> Iterator[float]:
        """Yield falling score limits that let in more and more candidates, first by a sample; at last all looked at."""
        stride = len(self.coarse) // SAMPLE
        if stride > 1:
            places = np.flatnonzero(part[::stride]) * stride
            places = places[np.argsort(-self.coarse[places])]
            held = np.cumsum(self.held[places]) * stride
            place = int(np.searchsorted(held, lots)) * 5 // 4 + 4 + spare // stride
            while place < len(places) and (cut := float(self.coarse[places[place]])) > self.part.bound:
                yield cut
                place *= 4
        yield self.part.bound

    def _sorted(self, chosen: Ints) -> Ranked:
        """Sort ascending candidates by score, larger first, ties by account id; near floats by the exact rational."""
        rows = self.fetch(self._places(chosen))
        scores = self._precise(chosen, rows)
        rank = np.argsort(-scores, kind="stable")
        if self.rule is not None:
            ordered = scores[rank]
            near = (ordered[:-1] - ordered[1:] <= NEAR * np.abs(ordered[:-1])) & (ordered[:-1] != 0)
            if near.any():
                self._settle(self.rule, rows, rank, near)
        return Ranked(chosen[rank], scores[rank], rows.chosen(rank))

    def _settle(self, rule: ScoredRanking, rows: Candidates, rank: Ints, near: Bools) -> None:
        """Put runs of near scores in a rank of rows into their exact order, ties as the rows come."""
        close = np.zeros(len(rank), dtype=bool)
        close[:-1] = near
        close[1:] |= near
        rows = rows.chosen(rank[close])
        like = rows.alike().tolist()  # as the one before: so is its score
        rows = rows.one_by_one()
        ratios: list[tuple[int, int]] = []
        for k, same in enumerate(like):
            ratios.append(ratios[-1] if same else rule.ratio(rows, k))
        bits = 2 * max(below.bit_length() for _, below in ratios)  # unequal ratios differ by more than 2**-bits
        exact = [(above << bits) // below for above, below in ratios]
        at = 0
        for first, last in _runs(near):
            size = last + 1 - first
            score = dict(zip(rank[first : last + 1].tolist(), exact[at : at + size], strict=True))
            rank[first : last + 1] = sorted(sorted(score), key=score.__getitem__, reverse=True)
            at += size

    def __contains__(self, place: int) -> bool:
        """Tell whether the position at a place is a candidate; a venue without a queue looked at none."""
        self._look_at_all()
        return place < len(self.eligible) and bool(self.eligible[place])

    def ahead(self, place: int) -> tuple[int, int, float]:
        """Return how many candidates stand before one, their notional in quanta, and its score, by counting."""
        self._look_at_all()
        coarse = self.coarse[place]
        margin = abs(coarse) * 2 * COARSE
        same = self.eligible & (self.late == self.late[place])
        before = same & (self.coarse > coarse + margin)
        if self.late[place]:
            before |= self.eligible & ~self.late
        own = self._sorted(np.flatnonzero(same & (np.abs(self.coarse - coarse) <= margin)))
        at = int(np.flatnonzero(own.seen == place)[0])
        before[own.seen[:at]] = True
        ahead = np.flatnonzero(before)
        return len(ahead), int(self.fetch(ahead).value.sum()), float(own.scores[at])


def pieces(count: int) -> Iterator[slice]:
    """Yield so many places in pieces that stay in cache."""
    for first in range(0, count, CHUNK):
        yield slice(first, min(first + CHUNK, count))


def _runs(near: Bools) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of maximal runs of true adjacent pairs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], near, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
