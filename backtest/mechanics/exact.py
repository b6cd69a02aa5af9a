"""Exact integer arithmetic: the only way money is multiplied by a rate, and the only rounding there is."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from backtest.mechanics.numeric import np

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]
else:  # names alone: a light command reads the rules and never calls one, so that numpy need not be loaded for them
    Ints = Floats = Bools = Any

QUANTA_PER_USD = 1_000_000
RATE_ONE = 1_000_000_000  # rates are integers in 1e-9
LIMIT = 2**62
PIECE = 1 << 15  # amounts summed at once: they stay in cache
FEW = 32  # rows whose slices are cut faster one by one
ROOT = 2**31  # two numbers below it have a product within the limit
MILLIONTH = 1_000_000  # the funding index counts in 1e-6 quanta per lot


def mul_rate(amounts: Ints, rate_e9: Ints | int) -> Ints:
    """Return ``floor(amount * rate / 1e9)`` for arrays without leaving 64 bits.

    Splitting the amount into whole and remaining billions keeps both products below 2**63 for any
    amount of money in range and any rate up to 9.2 (920 %).

    Examples
    --------
    >>> mul_rate(np.array([4_000_000_000_000_001, -1]), 5_000_000).tolist()
    [20000000000000, -1]
    """
    whole: Ints = amounts // RATE_ONE
    rest: Ints = amounts - whole * RATE_ONE
    out: Ints = whole * rate_e9 + rest * rate_e9 // RATE_ONE
    return out


def mul_rate_up(amounts: Ints, rate_e9: Ints | int) -> Ints:
    """Return ``ceil(amount * rate / 1e9)`` for arrays.

    Examples
    --------
    >>> mul_rate_up(np.array([200, 201]), 5_000_000).tolist()
    [1, 2]
    """
    return -mul_rate(-amounts, rate_e9)


def mul_div(amounts: Ints, numerator: int, denominator: int) -> Ints:
    """Return ``floor(amount * numerator / denominator)`` without leaving 64 bits.

    For ``0 <= amount <= denominator < 2**62`` and ``numerator >= 0``: long division, by some bits of the numerator.

    Examples
    --------
    >>> mul_div(np.array([0, 2**61, 2**61 + 1]), 2**60, 2**61 + 1).tolist()
    [0, 1152921504606846975, 1152921504606846976]
    """
    bits = 62 - denominator.bit_length()
    if bits < 1:  # nothing to spare: whole numbers of any size
        return np.array([int(amount) * numerator // denominator for amount in amounts], dtype=np.int64)
    out, rest = np.zeros_like(amounts), np.zeros_like(amounts)
    for place in range((numerator.bit_length() - 1) // bits * bits, -1, -bits):
        digit = (numerator >> place) & ((1 << bits) - 1)
        whole = (rest << bits) + amounts * digit
        part = whole // denominator
        out, rest = (out << bits) + part, whole - part * denominator
    return out


def mul_div_each(amounts: Ints, numerators: Ints, denominators: Ints) -> Ints:
    """Return ``floor(amount * numerator / denominator)`` element by element without leaving 64 bits.

    For ``0 <= numerator <= denominator < ROOT``: the amount is split by the denominator.

    Examples
    --------
    >>> mul_div_each(np.array([2**61 + 1, 7]), np.array([2, 2]), np.array([3, 3])).tolist()
    [1537228672809129302, 4]
    """
    whole = amounts // denominators
    out: Ints = whole * numerators + (amounts - whole * denominators) * numerators // denominators
    return out


def starts(column: Ints) -> Bools:
    """Return which rows of a column differ from the one before.

    Examples
    --------
    >>> starts(np.array([4, 4, 7, 4])).tolist()
    [True, False, True, True]
    """
    first = np.ones(len(column), dtype=bool)
    np.not_equal(column[1:], column[:-1], out=first[1:])
    return first


def cut_in_turn(rows: Ints, lots: Ints, held: Ints, value: Ints) -> Ints:
    """Return the value that leaves with each slice of some rows: floor(value left x lots / lots left), one by one.

    ``held`` and ``value`` are those of each slice's row before any slice; slices of a row are in order. The first
    slices of all rows are cut at once, then the second ones, as long as there are many.

    Examples
    --------
    >>> rows, whole = np.array([7, 8, 7]), (np.array([10, 6, 10]), np.array([101, 50, 101]))
    >>> cut_in_turn(rows, np.array([3, 5, 7]), *whole).tolist()
    [30, 41, 71]
    """
    order, out = rows.argsort(kind="stable"), np.empty_like(value)
    first = starts(rows[order]).nonzero()[0]
    next_, end = first, np.append(first, len(rows))[1:]
    left, rest = held[order[first]], value[order[first]]
    while len(next_) > FEW and int(left.max()) < ROOT:
        at = order[next_]
        out[at] = mul_div_each(rest, lots[at], left)
        left, rest, next_ = left - lots[at], rest - out[at], next_ + 1
        more = (next_ < end).nonzero()[0]
        next_, end, left, rest = next_[more], end[more], left[more], rest[more]
    for begin, stop, lots_left, value_left in zip(*(each.tolist() for each in (next_, end, left, rest)), strict=True):
        at, parts = order[begin:stop], []
        for k in lots[at].tolist():
            part = value_left * k // lots_left
            lots_left, value_left = lots_left - k, value_left - part
            parts.append(part)
        out[at] = parts
    return out


def cut_once(lots: Ints, held: Ints, value: Ints) -> Ints:
    """Return the value that leaves with one slice of each row, as ``cut_in_turn`` does: floor(value x lots / held).

    Examples
    --------
    >>> cut_once(np.array([3, 6]), np.array([10, 6]), np.array([101, 50])).tolist()
    [30, 50]
    """
    if len(lots) > FEW and int(held.max()) < ROOT:
        return mul_div_each(value, lots, held)
    columns = (column.tolist() for column in (value, lots, held))
    return np.array([whole * k // left for whole, k, left in zip(*columns, strict=True)], dtype=np.int64)


def share_up(amounts: Ints, num: int, den: int) -> Ints:
    """Return ``ceil(amount * num / den)`` for a share num / den of at most 1, for arrays without leaving 64 bits.

    Examples
    --------
    >>> share_up(np.array([4_000_000_000_000_000_001, 3, -2]), 2, 3).tolist()
    [2666666666666666668, 2, -1]
    """
    whole: Ints = amounts // den
    out: Ints = whole * num - -(amounts - whole * den) * num // den
    return out


def half_even(numerator: int, denominator: int) -> int:
    """Return ``numerator / denominator`` rounded to the nearest integer, ties to even.

    Examples
    --------
    >>> [half_even(n, 2) for n in (1, 3, 5, -1)]
    [0, 2, 2, 0]
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    floor, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return floor + (twice > denominator or (twice == denominator and floor % 2 == 1))


def half_even_array(numerators: Ints, denominators: Ints) -> Ints:
    """Return ``half_even`` element by element; denominators are positive.

    Examples
    --------
    >>> half_even_array(np.array([1, 3, 5, -1]), np.array([2, 2, 2, 2])).tolist()
    [0, 2, 2, 0]
    """
    floor, rest = np.divmod(numerators, denominators)
    twice = 2 * rest
    out: Ints = floor + ((twice > denominators) | ((twice == denominators) & (floor % 2 == 1)))
    return out


def isqrt_ratio(numerator: int, denominator: int) -> int:
    """Return ``floor(sqrt(numerator / denominator))`` exactly.

    Examples
    --------
    >>> isqrt_ratio(99, 1), isqrt_ratio(1, 4), isqrt_ratio(9, 4)
    (9, 0, 1)
    """
    return math.isqrt(numerator // denominator)


def rate_e9(value: str | float | Decimal) -> int:
    """Return a rate as an integer in 1e-9; decimal strings are read exactly.

    Examples
    --------
    >>> rate_e9("0.0125"), rate_e9(0.004)
    (12500000, 4000000)
    """
    return int((Decimal(str(value)) * RATE_ONE).to_integral_value())


def quanta(usd: str | float | Decimal) -> int:
    """Return an amount of money in quanta of 1e-6, rounded half to even.

    Examples
    --------
    >>> quanta("1.5"), quanta(13.8e9)
    (1500000, 13800000000000000)
    """
    return int((Decimal(str(usd)) * QUANTA_PER_USD).to_integral_value())


def ratio(value: str | float | Decimal) -> Fraction:
    """Return a decimal as an exact fraction.

    Examples
    --------
    >>> ratio("0.1")
    Fraction(1, 10)
    """
    return Fraction(Decimal(str(value)))


def exact_sum(amounts: Ints) -> int:
    """Return the exact sum of an int64 array; numpy's own sum wraps at 2**63 without a word.

    Examples
    --------
    >>> exact_sum(np.array([2**62, 2**62, 2**62])) == 3 * 2**62
    True
    """
    total = 0
    for first in range(0, len(amounts), PIECE):
        piece = amounts[first : first + PIECE]
        if max(int(piece.max()), -int(piece.min())) * len(piece) < LIMIT:
            total += int(piece.sum())
        else:
            total += (int((piece >> 32).sum()) << 32) + int((piece & 0xFFFFFFFF).sum())
    return total


def least(count: int, *keys: Ints) -> Bools:
    """Return which are the first ``count`` in the order of some keys, the first key counting most, ties in order.

    Examples
    --------
    >>> least(2, np.array([1, 0, 1, 1]), np.array([9, 9, 7, 7])).tolist()
    [False, True, True, False]
    """
    out: Bools = np.zeros(len(keys[0]), dtype=bool)
    at = np.arange(len(out))
    for key in keys:
        if not 0 < count < len(at):
            break
        mine = key[at]
        last = np.partition(mine, count - 1)[count - 1]
        before = mine < last
        out[at[before]] = True
        count, at = count - int(np.count_nonzero(before)), at[mine == last]
    out[at[: max(count, 0)]] = True
    return out
