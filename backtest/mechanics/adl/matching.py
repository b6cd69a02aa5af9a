"""Matching bankrupt lots, or a pool's inventory, against the ADL queue."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MANY = 16  # bankrupts in a wave from which matching at once pays


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
