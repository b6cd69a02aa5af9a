"""Whole lots of a wave by share: which candidates pay, and how many each, without an order among them.

Space: contracts of the wave's coin. Each function takes the candidates, who of them may pay, and the lots wanted; it
returns lots of each that add up to what is wanted, or all that those hold. Weights are whole numbers, so that the lots
are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.policies.level import level_lots
from backtest.mechanics.adl.policies.min_max import smallest_parts
from backtest.mechanics.exact import LIMIT, Bools, Floats, Ints, exact_sum, least, mul_div
from backtest.mechanics.numeric import np

CAP = Fraction(1, 2)  # of its position, that capped pro-rata takes of a candidate in a round at most
THOUSANDTHS = 1000
MOST_LEVERAGE = 1000  # a weight counts no more; the equity of a candidate may be a single quantum

Share = Callable[[Candidates, Bools, int], Ints]
Level = Callable[[Candidates], Floats]


def largest_remainder(lots: Ints, wanted: int) -> Ints:
    """Return how many lots each pays of the lots wanted: in proportion to its own, whole, never more than it holds.

    Each pays the floor of its share; what is left goes, one lot each, to the largest remainders, ties in order.

    Examples
    --------
    Seven of 5, 3 and 2: shares 3.5, 2.1 and 1.4. Two of three equal ones. More than there are.

    >>> largest_remainder(np.array([5, 3, 2]), 7).tolist(), largest_remainder(np.array([4, 4, 4]), 2).tolist()
    ([4, 2, 1], [1, 1, 0])
    >>> largest_remainder(np.array([5, 3]), 9).tolist()
    [5, 3]
    """
    total = exact_sum(lots)
    if wanted >= total:
        return lots
    pays = mul_div(lots, wanted, total)
    remainder = lots * wanted - pays * total  # both products may wrap at 64 bits, their difference fits
    return pays + least(wanted - exact_sum(pays), -remainder)


def by_order(lots: Ints, order: Ints, wanted: int) -> Ints:
    """Return the lots that each pays in an order: each whole, the last in part.

    Examples
    --------
    >>> by_order(np.array([10, 20, 30]), np.array([2, 0, 1]), 35).tolist()
    [5, 0, 30]
    """
    pays = np.zeros_like(lots)
    before = np.cumsum(lots[order]) - lots[order]
    pays[order] = np.clip(wanted - before, 0, lots[order])
    return pays


def weighted(weights: Ints, lots: Ints, wanted: int) -> Ints:
    """Return the lots that each pays in proportion to its weight, none more than it holds; ties in order.

    Candidates of weight zero pay only what the others do not hold, in proportion to their lots.

    Examples
    --------
    Six lots by weights 3, 1 and 0: the first holds 3 only, the second pays the rest. Ten: the third pays one.

    >>> lots = np.array([3, 6, 6])
    >>> [weighted(np.array([3, 1, 0]), lots, wanted).tolist() for wanted in (4, 6, 10)]
    [[3, 1, 0], [3, 3, 0], [3, 6, 1]]
    """
    pays = np.zeros_like(lots)
    paying = np.flatnonzero((weights > 0) & (lots > 0))
    pays[paying] = level_lots(np.zeros_like(lots[paying]), weights[paying], lots[paying], 1, wanted)
    left = wanted - exact_sum(pays)
    if left:
        pays += largest_remainder(np.where(weights > 0, 0, lots), left)
    return pays


def by_lots(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots in proportion to lots: to notional, as all stand at one mark."""
    return largest_remainder(np.where(among, rows.lots, 0), wanted)


def capped_lots(lots: Ints, wanted: int) -> Ints:
    """Return lots in proportion to lots, at most the part ``CAP`` of each, rounded down; what is left goes round again.

    In the next round the part is of what each still holds. Where the cap leaves nobody a lot, all pay by the largest
    remainder.

    Examples
    --------
    Five of 8, 4, 1 and 1: the caps are 4, 2, 0 and 0, the shares 10/3 and 5/3. Nine: after the caps three of 4, 2, 1
    and 1 are left, again by halves. Thirteen: four single lots are left in the end, three of them wanted.

    >>> [capped_lots(np.array([8, 4, 1, 1]), wanted).tolist() for wanted in (5, 9, 13)]
    [[3, 2, 0, 0], [6, 3, 0, 0], [8, 4, 1, 0]]
    """
    pays = np.zeros_like(lots)
    while True:
        left = lots - pays
        most = left * CAP.numerator // CAP.denominator
        room = exact_sum(most)
        if not room:
            return pays + largest_remainder(left, wanted)
        if wanted <= room:
            paying = np.flatnonzero(most)
            none = np.zeros_like(paying)
            pays[paying] += level_lots(none, left[paying], most[paying], 1, wanted)
            return pays
        pays, wanted = pays + most, wanted - room


def by_capped_lots(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots in proportion to lots, at most ``CAP`` of each in a round."""
    return capped_lots(np.where(among, rows.lots, 0), wanted)


def by_pnl(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots in proportion to the unrealised profit of the positions."""
    return weighted(np.maximum(rows.pnl, 0), np.where(among, rows.lots, 0), wanted)


def by_equity(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots in proportion to equity, the account's in cross margin."""
    return weighted(rows.equity, np.where(among, rows.lots, 0), wanted)


def by_leverage(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots in proportion to lots x leverage: value over equity in whole thousandths, from 0.001x to 1,000x."""
    lots = np.where(among, rows.lots, 0)
    return weighted(leverage_weights(lots, rows.value, rows.equity), lots, wanted)


def by_min_max(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots of which the largest part of anybody's equity is the least: one by one, to the smallest part."""
    pays = np.zeros_like(rows.lots)
    paying = np.flatnonzero(among)
    pays[paying] = smallest_parts(rows.equity[paying], rows.lots[paying], wanted)
    return pays


def leverage_weights(lots: Ints, value: Ints, equity: Ints) -> Ints:
    """Return lots x leverage in thousandths; whole numbers of any size where 64 bits do not hold them.

    Examples
    --------
    Leverages of 2.5x, of 1,500x counted as 1,000x, and of less than 0.001x counted as that.

    >>> leverage_weights(np.array([2, 2, 2]), np.array([50, 3000, 1]), np.array([20, 2, 5000])).tolist()
    [5000, 2000000, 2]
    """
    most = MOST_LEVERAGE * THOUSANDTHS
    whole = value // equity
    rest = value - whole * equity
    if int(rest.max(initial=0)) >= LIMIT // THOUSANDTHS:
        rest = rest.astype(object)
    rest = rest * THOUSANDTHS // equity
    leverage = np.where(whole >= MOST_LEVERAGE, most, np.clip(whole, 0, MOST_LEVERAGE) * THOUSANDTHS + rest)
    leverage = np.maximum(leverage.astype(np.int64), 1)
    large = int(lots.max(initial=0)) * most >= LIMIT
    weights: Ints = (lots.astype(object) if large else lots) * leverage
    return weights


def by_factor_leverage(rows: Candidates, among: Bools, wanted: int) -> Ints:
    """Return lots by water-filling: the highest factor leverages are lowered to one level, as far as positions go.

    Factor leverage is the net value of the account's positions on the side of this one, every coin moving by the same
    part of its price, over its equity; of an isolated position its value over its equity. A hedged account has little
    or less than none, and is reached last.
    """
    pays = np.zeros_like(rows.lots)
    paying = np.flatnonzero(among)
    if paying.size:
        value_per_lot = int(rows.value[paying[0]]) // int(rows.lots[paying[0]])
        exposure = exposure_of(rows)
        pays[paying] = level_lots(exposure[paying], rows.equity[paying], rows.lots[paying], value_per_lot, wanted)
    return pays


def factor_leverage(rows: Candidates) -> Floats:
    """Return the factor leverage of each candidate as it is before anybody pays."""
    return exposure_of(rows) / rows.equity


def exposure_of(rows: Candidates) -> Ints:
    """Return the net value of each account on the side of its position, or the value of an isolated position."""
    return rows.value if rows.account_exposure is None else rows.account_exposure
