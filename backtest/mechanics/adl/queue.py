"""The ADL queue: who stands in it, in which order, and how bankrupt lots are matched against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from backtest.mechanics.adl.rankings import RANKINGS, Candidates
from backtest.mechanics.exact import Bools, Floats, Ints

NEAR = 1e-12  # floats closer than this are ordered by the exact rational


CHUNK = 1 << 14  # scores are computed in pieces that stay in cache
SAMPLE = 4096  # positions looked at to guess how far down a queue will be walked
MANY = 16  # bankrupts in a wave from which matching at once pays
COARSE = 1e-5  # relative error allowed to the float filter over all positions
Fetch = Callable[[Ints], Candidates]
Scan = Callable[[slice], tuple[Candidates, Bools]]


class Queue:
    """The candidates of one wave in exact order, made as far as it is needed.

    A float filter over all positions of the side finds those in front; only they are read exactly, scored in
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
    """

    def __init__(self, scan: Scan, fetch: Fetch, count: int, ranking: str, losers: str, start: int) -> None:
        self.fetch = fetch
        self.rule = RANKINGS.get(ranking)
        self.coarse: Floats = np.empty(count)
        self.eligible: Bools = np.empty(count, dtype=bool)
        self.late: Bools = np.zeros(count, dtype=bool)
        self.lots = 0  # of all candidates
        for first in range(0, count, CHUNK):
            piece = slice(first, min(first + CHUNK, count))
            self._score(piece, *scan(piece), losers)
        self.size = int(np.count_nonzero(self.eligible))
        if self.rule is None:  # place after the rotation, negated so that larger is earlier
            place = np.cumsum(self.eligible) - 1
            self.coarse[:] = np.where(self.eligible, -((place - start) % max(self.size, 1)), -np.inf)
        self.order: Ints = np.empty(0, dtype=np.int64)
        self.scores: Floats = np.empty(0)
        self.top = fetch(self.order)

    def _score(self, piece: slice, rows: Candidates, eligible: Bools, losers: str) -> None:
        if losers != "ranked":
            losing = rows.pnl < 0
            if losers == "last":
                self.late[piece] = losing
            else:
                eligible &= ~losing
        self.eligible[piece] = eligible
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
        done: list[Ints] = []
        behind = self.eligible & self.late
        parts = [self.eligible ^ behind, behind] if behind.any() else [self.eligible]
        for part in parts:
            found = self._first(part, lots, spare)
            done.append(found)
            lots -= int(self.fetch(found).lots.sum())
            if len(found) < np.count_nonzero(part):
                break
        self.order = np.concatenate(done)
        self.top = self.fetch(self.order)
        self.scores = self._precise(self.order, self.top)
        return self.order

    def _precise(self, places: Ints, rows: Candidates) -> Floats:
        return self.coarse[places] if self.rule is None else self.rule.approximate(rows)

    def _first(self, part: Bools, lots: int, spare: int) -> Ints:
        for cut in self._cuts(part, lots, spare):
            if cut == -np.inf:
                return self._sorted(np.flatnonzero(part))[0]
            chosen = np.flatnonzero(part & (self.coarse >= cut - abs(cut) * COARSE))
            held = self.fetch(chosen).lots
            if len(chosen) <= spare + 1 or int(held.sum()) < lots:
                continue
            ordered, scores = self._sorted(chosen)
            # candidates beyond the cut could belong before the last ones: leave those for later
            ordered = ordered[scores > cut + abs(cut) * 2 * COARSE]
            total = np.cumsum(self.fetch(ordered).lots)
            if int(np.searchsorted(total, lots)) + 1 + spare <= len(ordered):
                return ordered
        raise AssertionError("the last cut lets everyone in")  # pragma: no cover

    def _cuts(self, part: Bools, lots: int, spare: int) -> Iterator[float]:
        """Yield falling score limits that let in more and more candidates, first by a sample; at last everyone."""
        stride = len(self.coarse) // SAMPLE
        if stride > 1:
            places = np.flatnonzero(part[::stride]) * stride
            places = places[np.argsort(-self.coarse[places])]
            held = np.cumsum(self.fetch(places).lots) * stride
            place = int(np.searchsorted(held, lots)) * 5 // 4 + 4 + spare // stride
            while place < len(places):
                yield float(self.coarse[places[place]])
                place *= 4
        yield -np.inf

    def _sorted(self, chosen: Ints) -> tuple[Ints, Floats]:
        """Sort by score, larger first, ties by account id; near floats by the exact rational."""
        scores = self._precise(chosen, self.fetch(chosen))
        rank = np.argsort(-scores, kind="stable")
        ordered, scores = chosen[rank], scores[rank]
        if self.rule is None:
            return ordered, scores
        gap = scores[:-1] - scores[1:]
        near = (gap <= NEAR * np.abs(scores[:-1])) & (scores[:-1] != 0)
        if near.any():
            close = np.zeros(len(ordered), dtype=bool)
            close[:-1] = near
            close[1:] |= near
            self._settle(ordered, np.flatnonzero(close), _runs(near))
        return ordered, scores

    def _settle(self, ordered: Ints, close: Ints, runs: Iterator[tuple[int, int]]) -> None:
        """Put runs of near scores into their exact order; ``close`` are all places in them."""
        assert self.rule is not None
        rows = self.fetch(ordered[close])
        like = rows.alike()  # as the one before: so is its score
        exact: list[Fraction] = []
        for k in range(len(close)):
            exact.append(exact[-1] if like[k] else self.rule.exact(rows, k))
        at = 0
        for first, last in runs:
            size = last + 1 - first
            score = dict(zip(ordered[first : last + 1].tolist(), exact[at : at + size], strict=True))
            ordered[first : last + 1] = sorted(sorted(score), key=score.__getitem__, reverse=True)  # ties stay by place
            at += size

    def ahead(self, place: int) -> tuple[int, int, float]:
        """Return how many candidates stand before one, their notional in quanta, and its score, by counting."""
        coarse = self.coarse[place]
        margin = abs(coarse) * 2 * COARSE
        same = self.eligible & (self.late == self.late[place])
        before = same & (self.coarse > coarse + margin)
        if self.late[place]:
            before |= self.eligible & ~self.late
        own, scores = self._sorted(np.flatnonzero(same & (np.abs(self.coarse - coarse) <= margin)))
        at = int(np.flatnonzero(own == place)[0])
        before[own[:at]] = True
        ahead = np.flatnonzero(before)
        return len(ahead), int(self.fetch(ahead).value.sum()), float(scores[at])


def _runs(near: Bools) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of maximal runs of true adjacent pairs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], near, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


@dataclass(slots=True)
class Matches:
    """Slices of one wave: bankrupt number, place in the queue, lots, close amount, bankruptcy amount."""

    bankrupt: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    lots: list[int] = field(default_factory=list)
    close_value: list[int] = field(default_factory=list)
    bankruptcy_value: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    unmatched: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, bankrupt: int, place: int, lots: int, close_value: int, bankruptcy_value: int) -> None:
        """Append one slice."""
        self.bankrupt.append(bankrupt)
        self.place.append(place)
        self.lots.append(lots)
        self.close_value.append(close_value)
        self.bankruptcy_value.append(bankruptcy_value)


def match(
    bankrupts: list[tuple[int, int]],
    side: int,
    lots: list[int],
    equity: list[int],
    value_per_lot: int,
    price_per_lot: int | None,
    max_candidates: int = 0,
) -> Matches:
    """Match bankrupts in order against the queue with one pointer.

    A winner is closed whole before the next is touched; a candidate whose equity after closing the lots wanted
    would be below zero is passed over for the rest of the wave.

    Parameters
    ----------
    bankrupts
        (lots, bankruptcy amount) of each, in crossing order.
    side
        Side of the bankrupts; the queue stands on the other one.
    lots, equity
        Of the candidates in order; both lists are consumed.
    value_per_lot
        Mark times quanta.
    price_per_lot
        Close price in quanta per lot, None to close at the bankruptcy amount.
    max_candidates
        Candidates that each bankrupt looks at, closed or passed over; 0 for all.

    Examples
    --------
    BitMEX's own example: a short of 20 bankrupt at 650 closes account 2 (10) whole and account 5 for 10 of 20
    (bitmex.com/app/autoDeleveragingExamples).

    >>> out = match([(20, 20 * 650)], -1, [10, 20, 30], [9000] * 3, 640, None)
    >>> out.place, out.lots, out.close_value
    ([0, 1], [10, 10], [6500, 6500])
    """
    if len(bankrupts) > MANY and lots and not max_candidates:
        quick = _match_at_once(bankrupts, side, lots, equity, value_per_lot, price_per_lot)
        if quick is not None:
            return quick
    out = Matches()
    slices: list[tuple[int, int, int, int, int]] = []
    place, size = 0, len(lots)
    for number, (wanted, owed) in enumerate(bankrupts):
        free = max_candidates or size
        while wanted and place < size and free:
            free -= 1
            held = lots[place]
            k = held if held < wanted else wanted
            part = owed * k // wanted
            amount = part if price_per_lot is None else k * price_per_lot
            after = equity[place] - side * (amount - k * value_per_lot)
            if after < 0:
                out.skipped.append(place)
                place += 1
                continue
            slices.append((number, place, k, amount, part))
            wanted -= k
            owed -= part
            equity[place] = after
            lots[place] = held - k
            if held == k:
                place += 1
        if wanted:
            out.unmatched.append((number, wanted, owed))
    if slices:
        out.bankrupt, out.place, out.lots, out.close_value, out.bankruptcy_value = map(list, zip(*slices, strict=True))
    return out


def _match_at_once(
    bankrupts: list[tuple[int, int]],
    side: int,
    lots: list[int],
    equity: list[int],
    value_per_lot: int,
    price_per_lot: int | None,
) -> Matches | None:
    """Match as ``match`` does where nobody is passed over; None where somebody would be.

    Both sides are laid end to end: a slice lies between two neighbouring ends of either.
    """
    wanted, owed = (np.array(column, dtype=np.int64) for column in zip(*bankrupts, strict=True))
    ends, stops = np.cumsum(wanted), np.cumsum(np.array(lots, dtype=np.int64))
    total = min(int(ends[-1]), int(stops[-1]))
    cuts = np.sort(np.concatenate([ends, stops]), kind="stable")  # two ascending runs: merged, not sorted
    cuts = cuts[np.diff(cuts, prepend=0) > 0]
    cuts = cuts[: int(np.searchsorted(cuts, total)) + 1]
    k = np.diff(cuts, prepend=0)
    number, place = np.searchsorted(ends, cuts), np.searchsorted(stops, cuts)
    part = owed[number]
    cut_up = np.flatnonzero(k < wanted[number])  # slices of bankrupts cut by a winner's end: floors, one by one
    parts, last = [], -1
    left = due = 0
    for n, lots_ in zip(number[cut_up].tolist(), k[cut_up].tolist(), strict=True):
        if n != last:
            left, due = bankrupts[n]
            last = n
        taken = due * lots_ // left
        parts.append(taken)
        left, due = left - lots_, due - taken
    part[cut_up] = parts
    amount = part if price_per_lot is None else k * price_per_lot
    gain = np.cumsum(side * (amount - k * value_per_lot))
    first = np.searchsorted(place, place)
    before = np.where(first > 0, gain[first - 1], 0)
    if (np.array(equity, dtype=np.int64)[place] - (gain - before) < 0).any():
        return None
    out = Matches(number.tolist(), place.tolist(), k.tolist(), amount.tolist(), part.tolist())
    for n in range(int(np.searchsorted(ends, total, side="right")), len(bankrupts)):
        out.unmatched.append((n, left, due) if n == last else (n, *bankrupts[n]))
    return out


def match_pool(
    held: int,
    owed: int,
    side: int,
    lots: list[int],
    equity: list[int],
    value_per_lot: int,
    price_per_lot: int | None,
    missing: int | None,
) -> Matches:
    """Match a pool's inventory of one symbol against the queue, up to a gain of ``missing`` quanta (None: all of it).

    ``owed`` is the average take-over amount of the ``held`` lots. The last winner gives the fewest lots that reach
    the gain; lots without a candidate stay with the pool.

    Examples
    --------
    Ten long lots taken over at 100 each, marked at 90: three of them closed at 100 bring the 25 missing.

    >>> match_pool(10, 1000, 1, [8, 8], [500, 500], 90, None, 25).lots
    [3]
    """
    out = Matches()
    place, size = 0, len(lots)
    while held and place < size and (missing is None or missing > 0):
        k = lots[place] if lots[place] < held else held
        part = owed * k // held
        amount = part if price_per_lot is None else k * price_per_lot
        gain = side * (amount - k * value_per_lot)
        if missing is not None and gain >= missing:
            k = _fewest_lots(side, held, owed, k, value_per_lot, missing, price_per_lot)
            part = owed * k // held
            amount = part if price_per_lot is None else k * price_per_lot
            gain = side * (amount - k * value_per_lot)
        if equity[place] - gain < 0:
            out.skipped.append(place)
        else:
            out.add(0, place, k, amount, part)
            held -= k
            owed -= part
            missing = None if missing is None else missing - gain
        place += 1
    return out


def _fewest_lots(side: int, lots: int, owed: int, k: int, value_per_lot: int, missing: int, price: int | None) -> int:
    """Return the fewest of ``k`` lots that gain ``missing`` quanta; all ``k`` gain it, and gain grows with lots."""

    def gain(j: int) -> int:
        amount = owed * j // lots if price is None else j * price
        return side * (amount - j * value_per_lot)

    low, high = 1, k
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if gain(middle) >= missing else (middle + 1, high)
    return low
