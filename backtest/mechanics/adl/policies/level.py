"""One level for everybody: what each pays when all are raised together, none above its own limit.

Participant i pays ``clip((first_i + t * slope_i) / unit, 0, most_i)`` at the level t, and t is where that adds up to
what is wanted. Two families are this one problem. Pro-rata with limits: ``first`` 0, ``slope`` the weights. Water
filling: ``first`` the exposure and ``slope`` the equity in quanta, ``unit`` the value of a lot, and -t the leverage
above which everybody is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf

from backtest.mechanics.exact import LIMIT, Bools, Floats, Ints, exact_sum, least, mul_div
from backtest.mechanics.numeric import np

MARGINS = (1e-9, 1e-5, inf)  # ends this close to the level in floats, relative to it, are ordered by exact fractions
NOBODY = -1


def level_of(first: Floats, slope: Floats, most: Floats, wanted: float) -> float:
    """Return the level at which participants pay what is wanted, in floats: O(n), by halving the ends that may be next.

    The largest end where they hold less than is wanted.

    Examples
    --------
    Weights 3, 1 and 1 with limits 3, 5 and 5 pay 7 of 13: at the level 2 the first has paid its 3, the others 2 each.

    >>> level_of(np.zeros(3), np.array([3.0, 1.0, 1.0]), np.array([3.0, 5.0, 5.0]), 7.0)
    2.0
    """
    if not len(slope):
        return 0.0
    begins, ends = -first / slope, (most - first) / slope
    near = np.concatenate([begins, ends])
    low, high = -inf, inf
    while near.size:
        half = len(near) // 2
        pivot = float(np.partition(near, half)[half])
        paid = float(np.clip(first + pivot * slope, 0.0, most).sum())
        if paid < wanted:
            low, near = pivot, near[near > pivot]
        else:
            high, near = pivot, near[near < pivot]
    if low == -inf or high == inf:  # nothing is wanted, or more than they hold
        return high if low == -inf else low
    active = (begins <= low) & (ends >= high)
    rate = float(slope[active].sum())
    missing = wanted - float(most[ends <= low].sum()) - float(first[active].sum())
    return min(max(missing / rate, low), high) if rate else high


def level_amounts(first: Floats, slope: Floats, most: Floats, wanted: float) -> Floats:
    """Return what each pays at the level of what is wanted, in floats; all of it where they hold less.

    Examples
    --------
    >>> level_amounts(np.zeros(3), np.array([3.0, 1.0, 1.0]), np.array([3.0, 5.0, 5.0]), 7.0).tolist()
    [3.0, 2.0, 2.0]
    """
    if wanted >= float(most.sum()):
        return most.copy()
    return np.clip(first + level_of(first, slope, most, wanted) * slope, 0.0, most)


def level_lots(first: Ints, slope: Ints, most: Ints, unit: int, wanted: int) -> Ints:
    """Return the whole lots that each pays: the floor at the exact level, and the largest remainders one lot more.

    Ties go by place. The level is the exact rational; floats only find where it lies. ``slope`` is above zero, and may
    hold whole numbers of any size (dtype object). Where all hold less than is wanted, each pays all of it.

    Examples
    --------
    Weights 3, 1 and 1 with limits 3, 5 and 5 pay 8 of 13: 3, and 2.5 of each of the others.

    >>> level_lots(np.zeros(3, dtype=np.int64), np.array([3, 1, 1]), np.array([3, 5, 5]), 1, 8).tolist()
    [3, 3, 2]

    Exposures of 40 and 30 with equities of 4 and 6, in lots of 5: the first pays 4 lots until its leverage is 5 as
    that of the other; the fifth is 0.4 of the first and 0.6 of the second.

    >>> level_lots(np.array([40, 30]), np.array([4, 6]), np.array([8, 6]), 5, 5).tolist()
    [4, 1]
    """
    if wanted >= exact_sum(most):
        return most.copy()
    found = _exact_level(_Lines(first, slope, most, unit), wanted)
    pays = np.where(found.full, most, 0)
    if found.active.size:
        share = wanted - exact_sum(pays)
        pays[found.active] = _whole(first[found.active], slope[found.active], unit, share)
    return pays


def level_floors(weights: Ints, most: Ints, wanted: int) -> Ints:
    """Return the floors of what each pays in proportion to its weight, none above its limit.

    Examples
    --------
    >>> level_floors(np.array([3, 1, 1]), np.array([3, 5, 5]), 8).tolist()
    [3, 2, 2]
    """
    none = np.zeros_like(most)
    found = _exact_level(_Lines(none, weights, most, 1), wanted)
    pays = np.where(found.full, most, 0)
    if found.active.size:
        share, rate = wanted - exact_sum(pays), exact_sum(weights[found.active])
        pays[found.active] = mul_div(weights[found.active], share, rate)
    return pays


@dataclass(frozen=True, slots=True)
class _Lines:
    first: Ints
    slope: Ints
    most: Ints
    unit: int

    def floats(self) -> Floats:
        """Return where each line begins, then where each ends."""
        slope = self.slope.astype(np.float64)
        return np.concatenate([-self.first / slope, (self.most * self.unit - self.first) / slope])

    def exact(self, event: int) -> Fraction:
        """Return where a line begins (event i) or ends (event n + i)."""
        i, count = event % len(self.most), len(self.most)
        amount = int(self.most[i]) * self.unit if event >= count else 0
        return Fraction(amount - int(self.first[i]), int(self.slope[i]))


@dataclass(frozen=True, slots=True)
class _Level:
    full: Bools
    active: Ints


def _exact_level(lines: _Lines, wanted: int) -> _Level:
    """Return who pays all and who pays in part at the exact level."""
    times = lines.floats()
    most = lines.most.astype(np.float64) * lines.unit
    guess = level_of(lines.first.astype(np.float64), lines.slope.astype(np.float64), most, float(wanted * lines.unit))
    for margin in MARGINS:
        width = margin * abs(guess) if guess else (inf if margin == inf else 0.0)
        found = _walk(lines, times, wanted, guess, width)
        if found is not None:
            return found
    raise AssertionError("the last margin orders every end exactly")  # pragma: no cover


def _walk(lines: _Lines, times: Floats, wanted: int, guess: float, width: float) -> _Level | None:
    """Return the level if it lies well inside ``width`` of the guess, by walking the ends there in exact order."""
    count = len(lines.most)
    past = times < guess - width
    full, active = past[count:].copy(), past[:count] & ~past[count:]
    near = np.flatnonzero(np.abs(times - guess) <= width) if width < inf else np.arange(2 * count)
    lots, total, rate = (
        exact_sum(column[among]) for column, among in ((lines.most, full), (lines.first, active), (lines.slope, active))
    )
    ordered: list[tuple[Fraction | float, int]] = sorted((lines.exact(event), event) for event in near.tolist())
    for at, event in [*ordered, (inf, NOBODY)]:
        missing = (wanted - lots) * lines.unit - total
        if rate:
            level = Fraction(missing, rate)
            if level <= at:
                inside = width == inf or guess - width / 2 < level < guess + width / 2
                return _Level(full, np.flatnonzero(active)) if inside else None
        elif missing == 0:
            return _Level(full, np.flatnonzero(active))
        if event == NOBODY:
            break
        i = event % count
        begins = event < count
        active[i], full[i] = begins, not begins
        sign = 1 if begins else -1
        total, rate = total + sign * int(lines.first[i]), rate + sign * int(lines.slope[i])
        lots += 0 if begins else int(lines.most[i])
    return None


def _whole(first: Ints, slope: Ints, unit: int, wanted: int) -> Ints:
    """Return whole lots of participants none of whom is at a limit, that add up to what is wanted."""
    rate = exact_sum(slope)
    missing = wanted * unit - exact_sum(first)
    if slope.dtype == object or rate >= LIMIT or int(np.abs(first).max()) + abs(missing) >= LIMIT:
        amounts = first.astype(object) * rate + slope.astype(object) * missing
        whole = amounts // (rate * unit)
        keys = [whole * (rate * unit) - amounts]
    else:
        part, rest = _signed_mul_div(slope, missing, rate)
        amounts = first + part
        whole = amounts // unit
        keys = [whole * unit - amounts, -rest]
    pays: Ints = whole.astype(np.int64)
    return pays + least(wanted - exact_sum(pays), *keys)


def _signed_mul_div(amounts: Ints, numerator: int, denominator: int) -> tuple[Ints, Ints]:
    """Return floor of ``amount * numerator / denominator`` and what is left of the product; any sign of the numerator.

    Examples
    --------
    >>> [column.tolist() for column in _signed_mul_div(np.array([2, 3]), -4, 6)]
    [[-2, -2], [4, 0]]
    """
    whole = mul_div(amounts, abs(numerator), denominator)
    rest = amounts * abs(numerator) - whole * denominator  # both products may wrap at 64 bits, their difference fits
    if numerator >= 0:
        return whole, rest
    up = rest > 0
    return -whole - up, np.where(up, denominator - rest, 0)
