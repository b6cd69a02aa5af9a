"""The ADL queue: who stands in it, in which order, and how bankrupt lots are matched against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.mechanics.rankings import RANKINGS, Candidates

NEAR = 1e-12  # floats closer than this are ordered by the exact rational


class Queue:
    """The candidates of one wave in exact order, made as far as it is needed.

    Parameters
    ----------
    rows
        All candidates, ascending account id.
    ranking
        Name in ``RANKINGS``.
    losers
        ``last`` (after all winners), ``ranked`` (where their score puts them) or ``excluded``.
    start
        For the random ranking: where the walk by account id starts.
    """

    def __init__(self, rows: Candidates, ranking: str, losers: str, start: int) -> None:
        keep = np.flatnonzero(rows.pnl >= 0) if losers == "excluded" else np.arange(len(rows.account))
        self.rows = rows if len(keep) == len(rows.account) else rows.take(keep)
        self.kept = keep
        self.rule = RANKINGS[ranking]
        self.size = len(self.rows.account)
        self.start = start % self.size if self.size else 0
        late = self.rows.pnl < 0 if losers == "last" else np.zeros(self.size, dtype=bool)
        self.late: Bools = late
        self.scores: Floats = self._scores()
        self._parts = [np.flatnonzero(~late), np.flatnonzero(late)] if late.any() else [np.arange(self.size)]
        self.order: Ints = np.empty(0, dtype=np.int64)

    def _scores(self) -> Floats:
        if self.rule is None:  # place after rotation, negated so that larger is earlier
            return -((np.arange(self.size) - self.start) % max(self.size, 1)).astype(float)
        return self.rule.approximate(self.rows)

    def prefix(self, lots: int, spare: int) -> Ints:
        """Return the first candidates in exact order, holding at least ``lots`` lots and ``spare`` candidates more."""
        done: list[Ints] = []
        for part in self._parts:
            found = self._first(part, lots, spare)
            done.append(found)
            lots -= int(self.rows.lots[found].sum())
            if len(found) < len(part):
                break
            spare = max(spare, 0)
        self.order = np.concatenate(done) if done else self.order
        return self.order

    def _first(self, part: Ints, lots: int, spare: int) -> Ints:
        scores = self.scores[part]
        for cut in _cuts(scores):
            chosen = part if cut is None else part[scores >= cut]
            held = self.rows.lots[chosen]
            if cut is not None and (len(chosen) <= spare + 1 or int(held.sum()) < lots):
                continue
            ordered = self._sorted(chosen)
            if cut is not None:  # candidates beyond the cut could tie with the last ones: drop those
                ordered = ordered[self.scores[ordered] > cut + abs(cut) * 4 * NEAR]
            total = np.cumsum(self.rows.lots[ordered])
            enough = int(np.searchsorted(total, lots, side="left")) + 1 + spare
            if cut is None or enough <= len(ordered):
                return ordered
        raise AssertionError("the last cut takes everyone")  # pragma: no cover

    def _sorted(self, chosen: Ints) -> Ints:
        """Sort by score, larger first, ties by account id; near floats by the exact rational."""
        ordered = chosen[np.lexsort((self.rows.account[chosen], -self.scores[chosen]))]
        if self.rule is None:
            return ordered
        scores = self.scores[ordered]
        gap = scores[:-1] - scores[1:]
        near = (gap <= NEAR * np.abs(scores[:-1])) & (scores[:-1] != 0)
        for first, last in _runs(near):
            run = ordered[first : last + 1]
            exact = [(-self.rule.exact(self.rows, int(i)), int(self.rows.account[i]), int(i)) for i in run]
            ordered[first : last + 1] = [i for _, _, i in sorted(exact)]
        return ordered

    def ahead(self, row: int) -> tuple[int, int]:
        """Return how many candidates stand before ``row`` and their notional in quanta, by counting."""
        score = self.scores[row]
        margin = abs(score) * 4 * NEAR
        same = self.late == self.late[row]
        before = (same & (self.scores > score + margin)) | (bool(self.late[row]) & ~self.late)
        near = np.flatnonzero(same & (np.abs(self.scores - score) <= margin))
        if len(near) > 1:
            own = self._sorted(near)
            before[own[: int(np.flatnonzero(own == row)[0])]] = True
        return int(before.sum()), int(self.rows.value[before].sum())


def _cuts(scores: Floats) -> Iterator[float | None]:
    """Yield falling score limits that let in more and more candidates, then None for all."""
    size = len(scores)
    if size > 4096:
        sample = np.sort(scores[:: max(1, size // 4096)])[::-1]
        share = 4
        while share < len(sample):
            yield float(sample[share])
            share *= 4
    yield None


def _runs(near: Bools) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of maximal runs of true adjacent pairs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], near, [False])).astype(np.int8)))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first, last


@dataclass(slots=True)
class Matches:
    """Slices of one wave: bankrupt number, place in the queue, lots, close amount, bankruptcy amount."""

    bankrupt: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    lots: list[int] = field(default_factory=list)
    amount: list[int] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    unmatched: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, bankrupt: int, place: int, lots: int, amount: int, owed: int) -> None:
        """Append one slice."""
        self.bankrupt.append(bankrupt)
        self.place.append(place)
        self.lots.append(lots)
        self.amount.append(amount)
        self.owed.append(owed)


def match(
    bankrupts: list[tuple[int, int]],
    side: int,
    lots: list[int],
    equity: list[int],
    value_per_lot: int,
    price_per_lot: int | None,
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

    Examples
    --------
    BitMEX's own example: a short of 20 bankrupt at 650 closes account 2 (10) whole and account 5 for 10 of 20
    (bitmex.com/app/autoDeleveragingExamples).

    >>> out = match([(20, 20 * 650)], -1, [10, 20, 30], [9000] * 3, 640, None)
    >>> out.place, out.lots, out.amount
    ([0, 1], [10, 10], [6500, 6500])
    """
    out = Matches()
    place, size = 0, len(lots)
    for number, (wanted, owed) in enumerate(bankrupts):
        while wanted and place < size:
            k = lots[place] if lots[place] < wanted else wanted
            part = owed * k // wanted
            amount = part if price_per_lot is None else k * price_per_lot
            after = equity[place] - side * (amount - k * value_per_lot)
            if after < 0:
                out.skipped.append(place)
                place += 1
                continue
            out.add(number, place, k, amount, part)
            wanted -= k
            owed -= part
            equity[place] = after
            lots[place] -= k
            if not lots[place]:
                place += 1
        if wanted:
            out.unmatched.append((number, wanted, owed))
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
        k = min(lots[place], held)
        if missing is not None:
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
    """Return the fewest of ``k`` lots whose close gains ``missing`` quanta, ``k`` if none does; gain grows with lots."""

    def gain(j: int) -> int:
        amount = owed * j // lots if price is None else j * price
        return side * (amount - j * value_per_lot)

    if gain(k) < missing:
        return k
    low, high = 1, k
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if gain(middle) >= missing else (middle + 1, high)
    return low
