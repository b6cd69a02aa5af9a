"""Matching bankrupt lots, or a pool's inventory, with the candidates of a wave: who closes whom, for what value."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from backtest.mechanics.exact import Ints, cut_in_turn
from backtest.mechanics.numeric import np

Amounts = list[int] | Ints
MANY = 16  # bankrupts in a wave from which matching at once pays


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a wave has to close: positions of bankrupts in crossing order, or the inventory of one pool.

    Parameters
    ----------
    lots, bankruptcy_values
        Of each bankrupt, in quanta; of a pool its lots and their average take-over value.
    value_sign
        Sign of the value of these positions; the candidates' is the opposite one.
    value_per_lot
        At the mark, in quanta.
    close_value_per_lot
        In quanta; None closes at the bankruptcy value.
    pool
        Whether the lots are a pool's inventory.
    target_gain
        Quanta at whose gain a pool stops; None: it sends all of its lots.
    max_candidates
        Candidates of the queue that one bankrupt is matched with, closed or skipped; 0 for all.
    """

    lots: Amounts
    bankruptcy_values: Amounts
    value_sign: int
    value_per_lot: int
    close_value_per_lot: int | None
    pool: bool = False
    target_gain: int | None = None
    max_candidates: int = 0

    def close_value(self, lots: int, bankruptcy_value: int) -> int:
        """Return what a slice is closed for: its part of the bankruptcy value, or its lots at the close price."""
        return bankruptcy_value if self.close_value_per_lot is None else lots * self.close_value_per_lot


Slice = tuple[int, int, int, int, int]  # a row of ``Matches``


@dataclass(slots=True, kw_only=True)
class Matches:
    """Slices of one wave, columns of equal length, then who was skipped and what is left.

    ``bankrupt`` is a place in the claims, ``place`` one among the candidates. ``unmatched`` rows are bankrupt, lots and
    their bankruptcy value.
    """

    bankrupt: Ints
    place: Ints
    lots: Ints
    close_value: Ints
    bankruptcy_value: Ints
    skipped: list[int] = field(default_factory=list)
    unmatched: list[tuple[int, int, int]] = field(default_factory=list)

    @staticmethod
    def of(slices: list[Slice], skipped: list[int], unmatched: list[tuple[int, int, int]]) -> Matches:
        """Return matches of slices one by one."""
        columns = np.array(slices, dtype=np.int64).reshape(len(slices), len(_COLUMNS)).T
        return Matches(**dict(zip(_COLUMNS, columns, strict=True)), skipped=skipped, unmatched=unmatched)

    def reached(self) -> int:
        """Return the number of candidates up to the last one closed or skipped."""
        return max([*self.place[-1:].tolist(), *self.skipped[-1:]], default=-1) + 1


_COLUMNS = [column.name for column in fields(Matches) if column.type == "Ints"]


def match(claims: Claims, lots: Amounts, equity: Amounts) -> Matches:
    """Match bankrupts in order with candidates in order, by one pointer.

    A candidate is closed whole before the next is touched; one whose equity after closing the lots wanted would be
    below zero is skipped for the rest of the wave.

    Parameters
    ----------
    claims
        Of bankrupts.
    lots, equity
        Of the candidates in order; lists are consumed.

    Examples
    --------
    BitMEX's own example: a short of 20 bankrupt at 650 closes account 2 (10) whole and account 5 for 10 of 20
    (bitmex.com/app/autoDeleveragingExamples).

    >>> short = Claims(lots=[20], bankruptcy_values=[13_000], value_sign=-1, value_per_lot=640,
    ...                close_value_per_lot=None)
    >>> out = match(short, [10, 20, 30], [9000] * 3)
    >>> out.place.tolist(), out.lots.tolist(), out.close_value.tolist()
    ([0, 1], [10, 10], [6500, 6500])
    """
    if len(claims.lots) > MANY and len(lots) and not claims.max_candidates:
        at_once = match_at_once(claims, lots)
        if not _skips(claims, at_once, equity):
            return at_once
    lots, equity = listed(lots), listed(equity)
    place, size = 0, len(lots)
    slices: list[Slice] = []
    skipped: list[int] = []
    unmatched: list[tuple[int, int, int]] = []
    for number, (wanted, due) in enumerate(zip(*map(listed, (claims.lots, claims.bankruptcy_values)), strict=True)):
        visits = claims.max_candidates or size
        while wanted and place < size and visits:
            visits -= 1
            held = lots[place]
            k = held if held < wanted else wanted
            part = due * k // wanted
            amount = claims.close_value(k, part)
            after = equity[place] - claims.value_sign * (amount - k * claims.value_per_lot)
            if after < 0:
                skipped.append(place)
                place += 1
                continue
            slices.append((number, place, k, amount, part))
            wanted -= k
            due -= part
            equity[place] = after
            lots[place] = held - k
            if held == k:
                place += 1
        if wanted:
            unmatched.append((number, wanted, due))
    return Matches.of(slices, skipped, unmatched)


def listed(amounts: Amounts) -> list[int]:
    """Return amounts as a list of whole numbers."""
    return amounts if isinstance(amounts, list) else amounts.tolist()


def _skips(claims: Claims, matches: Matches, equity: Amounts) -> bool:
    """Return whether some slice would leave its candidate below zero."""
    place = matches.place
    loss = np.cumsum(claims.value_sign * (matches.close_value - matches.lots * claims.value_per_lot))
    first = np.searchsorted(place, place)
    before = np.where(first > 0, loss[first - 1], 0)
    return bool((np.asarray(equity, dtype=np.int64)[place] < loss - before).any())


def losses(claims: Claims, matches: Matches, candidates: int) -> Ints:
    """Return what the slices cost each candidate at the mark, in quanta; below zero where it gains."""
    out = np.zeros(candidates, dtype=np.int64)
    loss = claims.value_sign * (matches.close_value - matches.lots * claims.value_per_lot)
    np.add.at(out, matches.place, loss)
    return out


def match_at_once(claims: Claims, lots: Amounts) -> Matches:
    """Match bankrupts in order with candidates in order, whatever it costs them; candidates hold a lot at least.

    Both sides are laid end to end: a slice lies between two neighbouring ends of either.

    Examples
    --------
    >>> pair = Claims(lots=[3, 4], bankruptcy_values=[10, 9], value_sign=1, value_per_lot=3, close_value_per_lot=None)
    >>> out = match_at_once(pair, [5, 1])
    >>> out.bankrupt.tolist(), out.place.tolist(), out.lots.tolist(), out.close_value.tolist(), out.unmatched
    ([0, 1, 1], [0, 0, 1], [3, 2, 1], [10, 4, 2], [(1, 1, 3)])
    """
    if not len(lots):
        rows = zip(*map(listed, (claims.lots, claims.bankruptcy_values)), strict=True)
        return Matches.of([], [], [(number, wanted, due) for number, (wanted, due) in enumerate(rows)])
    wanted, due = (np.asarray(column, dtype=np.int64) for column in (claims.lots, claims.bankruptcy_values))
    ends, stops = np.cumsum(wanted), np.cumsum(np.asarray(lots, dtype=np.int64))
    total = min(int(ends[-1]), int(stops[-1]))
    cuts = np.sort(np.concatenate([ends, stops]), kind="stable")  # two ascending runs: merged, not sorted
    cuts = cuts[np.diff(cuts, prepend=0) > 0]
    cuts = cuts[: int(np.searchsorted(cuts, total)) + 1]
    k = np.diff(cuts, prepend=0)
    number, place = np.searchsorted(ends, cuts), np.searchsorted(stops, cuts)
    part = due[number]
    cut_up = np.flatnonzero(k < wanted[number])  # slices of bankrupts cut by a candidate's end
    part[cut_up] = cut_in_turn(number[cut_up], k[cut_up], wanted[number[cut_up]], part[cut_up])
    amount = part if claims.close_value_per_lot is None else k * claims.close_value_per_lot
    out = Matches(bankrupt=number, place=place, lots=k, close_value=amount, bankruptcy_value=part)
    for n in range(int(np.searchsorted(ends, total, side="right")), len(wanted)):
        mine = slice(int(np.searchsorted(number, n)), None)  # of the first one that is left: the last slices
        taken, paid = int(k[mine].sum()), int(part[mine].sum())
        out.unmatched.append((n, int(wanted[n]) - taken, int(due[n]) - paid))
    return out


def match_pool(claims: Claims, lots: Amounts, equity: Amounts) -> Matches:
    """Match a pool's inventory of one symbol with candidates in order, up to its target gain.

    The last candidate gives the fewest lots that reach the gain; lots without a candidate stay with the pool.

    Examples
    --------
    Ten long lots taken over at 100 each, marked at 90: three of them closed at 100 bring the 25 missing.

    >>> pool = Claims(lots=[10], bankruptcy_values=[1000], value_sign=1, value_per_lot=90, close_value_per_lot=None,
    ...               pool=True, target_gain=25)
    >>> match_pool(pool, [8, 8], [500, 500]).lots.tolist()
    [3]
    """
    slices: list[Slice] = []
    skipped: list[int] = []
    lots, equity = listed(lots), listed(equity)
    held, due, missing = int(claims.lots[0]), int(claims.bankruptcy_values[0]), claims.target_gain
    for place, most in enumerate(lots):
        if not held or (missing is not None and missing <= 0):
            break
        k = most if most < held else held
        if missing is not None:
            k = fewest_lots(claims, held, due, k, missing)
        part = due * k // held
        amount = claims.close_value(k, part)
        gain = claims.value_sign * (amount - k * claims.value_per_lot)
        if equity[place] < gain:
            skipped.append(place)
            continue
        slices.append((0, place, k, amount, part))
        held -= k
        due -= part
        missing = None if missing is None else missing - gain
    return Matches.of(slices, skipped, [])


def fewest_lots(claims: Claims, held: int, due: int, most: int, gain: int) -> int:
    """Return the fewest of ``most`` lots, a slice of ``held`` lots, that gain so many quanta; all where they do not."""

    def gain_of(lots: int) -> int:
        amount = claims.close_value(lots, due * lots // held)
        return claims.value_sign * (amount - lots * claims.value_per_lot)

    if gain_of(most) < gain:
        return most
    low, high = 1, most  # all gain it, and gain grows with lots
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if gain_of(middle) >= gain else (middle + 1, high)
    return low
