"""Distributions the synthetic book is drawn from: sizes, leverage by notional, shares that add up exactly."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache
from statistics import NormalDist

import numpy as np

from backtest.mechanics.exact import Floats, Ints

Mixture = tuple[tuple[float, float, float], ...]

GOLDEN = (5**0.5 - 1) / 2  # steps of this around a circle of 1 lie evenly, however many they are

LOWEST_LEVERAGE = 0.5  # of a bucket that starts at 0: half of the notional stands against twice its collateral


def bucket_name(row: tuple[float, float, float]) -> str:
    """Return the cohort name of a row of the leverage mixture.

    Examples
    --------
    >>> bucket_name((3.0, 7.0, 0.49)), bucket_name((7.0, 0.0, 0.15))
    ('3-7x', '7x+')
    """
    return f"{row[0]:g}-{row[1]:g}x" if row[1] else f"{row[0]:g}x+"


def apportion(weights: Floats, total: int, low: int, high: int) -> Ints:
    """Share out ``total`` in proportion to the weights with every part in [low, high], by largest remainder.

    What the bounds cut off or add is spread over the other parts in proportion. Ties go to the first.

    Examples
    --------
    7.5 is cut to 5, and 1.25 each grows to 2.5: one of the two takes the odd lot.

    >>> apportion(np.array([6.0, 1.0, 1.0]), 10, 1, 5).tolist()
    [5, 3, 2]
    """
    ascending = np.sort(weights)
    rising, sums = ascending.tolist(), [0.0, *ascending.cumsum().tolist()]
    below, above = math.log(low / ascending[-1]), math.log(high / ascending[0])
    before = math.inf
    for _ in range(100):  # sum(clip(scale x weight)) rises with the scale
        middle = (below + above) / 2
        if middle == before:  # no float is left between the two
            break
        before, scale = middle, math.exp(middle)
        few, many = bisect_left(rising, low / scale), bisect_left(rising, high / scale)
        held = few * low + (len(rising) - many) * high + scale * (sums[many] - sums[few])
        below, above = (middle, above) if held < total else (below, middle)
    parts = np.clip(weights * math.exp(above), low, high)
    whole = parts.astype(np.int64)
    first = np.argsort(whole - parts, kind="stable")
    while left := total - int(whole.sum()):  # a second pass only where floats were off by more than a lot
        room = first[whole[first] < high] if left > 0 else first[whole[first] > low][::-1]
        whole[room[: abs(left)]] += 1 if left > 0 else -1
    return whole


@cache
def _normal_table() -> tuple[Floats, Floats]:
    """Return the normal distribution function on a fine grid: probabilities and quantiles."""
    grid = np.arange(-7 * 512, 1) / 512
    return np.array([NormalDist().cdf(z) for z in grid]), grid


def upper_quantile(survival: Floats) -> Floats:
    """Return the standard normal quantile exceeded with the given probability, within 1e-5.

    Examples
    --------
    >>> upper_quantile(np.array([0.5, 0.025])).round(4).tolist()
    [0.0, 1.96]
    """
    lower = np.interp(np.minimum(survival, 1 - survival), *_normal_table())
    return np.where(survival < 0.5, -lower, lower)


def sizes(
    count: int, sigma: float, alpha: float, tail_frac: float, rng: np.random.Generator, merged: float = 1.0
) -> Floats:
    """Draw relative sizes, rising: a lognormal body, and a Pareto tail spliced on where ``tail_frac`` is left.

    One draw in each of ``count`` strata of probability, so that the seed does not decide how heavy the tail is. With
    ``merged`` above 1 they stand for that many times as many accounts: the largest for one each, smaller ones for more
    and more, as `stratum_edges` has it, so that the share of the largest does not depend on the count.
    """
    if merged == 1:
        return relative_size((np.arange(count, 0, -1) - rng.random(count)) / count, sigma, alpha, tail_frac)
    edges = stratum_edges(count, merged)
    width = np.diff(edges)
    return np.sort(relative_size((edges[1:] - rng.random(count) * width) / edges[-1], sigma, alpha, tail_frac) * width)


def stratum_edges(count: int, merged: float) -> Floats:
    """Return ends of strata, from the largest account on: (exp(b i) - 1) / b with the last at ``merged`` x ``count``.

    Examples
    --------
    Ten strata of 40 accounts: the largest has 1.13 of them, the smallest 9.23.

    >>> np.diff(stratum_edges(10, 4.0)).round(2).tolist()
    [1.13, 1.42, 1.8, 2.27, 2.87, 3.62, 4.58, 5.78, 7.3, 9.23]
    """
    low, high = 1e-9, 60.0
    for _ in range(100):  # (exp(y) - 1) / y rises
        middle = (low + high) / 2
        low, high = (middle, high) if math.expm1(middle) < merged * middle else (low, middle)
    step = high / count
    edges: Floats = np.expm1(step * np.arange(count + 1)) / step
    return edges


def relative_size(survival: Floats, sigma: float, alpha: float, tail_frac: float) -> Floats:
    """Return the relative size that the given share of accounts exceeds.

    Examples
    --------
    The median is one; a hundredth of the accounts in the tail exceeds ten times its start, exp(1.645) at sigma 1.

    >>> relative_size(np.array([0.5, 0.05, 0.0005]), 1.0, 2.0, 0.05).round(2).tolist()
    [1.0, 5.18, 51.8]
    """
    start = np.maximum(survival, tail_frac)
    logs = sigma * upper_quantile(start)
    tail = survival < tail_frac
    logs[tail] -= np.log(survival[tail] / tail_frac) / alpha
    return np.exp(np.minimum(logs, 600.0))


def lowest(row: tuple[float, float, float]) -> float:
    """Return the least leverage drawn in a bucket."""
    return row[0] or min(LOWEST_LEVERAGE, row[1] / 2 or LOWEST_LEVERAGE)


def fill_buckets(lots: Ints, limits: Floats, mix: Mixture) -> Ints:
    """Give each position, in the order walked, a row of the mixture so that shares of notional are met.

    The bucket of highest leverage is filled first, from the positions whose limit reaches it; each boundary is met
    within half a position, each share within one, unless too few positions may carry so much.

    Examples
    --------
    Half of 8 lots above 7x; the second position may not carry that, so the third does.

    >>> mix = ((0.0, 7.0, 0.5), (7.0, 0.0, 0.5))
    >>> fill_buckets(np.array([2, 3, 2, 1]), np.array([20.0, 5.0, 20.0, 20.0]), mix).tolist()
    [1, 0, 1, 0]
    """
    falling = sorted(range(len(mix)), key=lambda k: lowest(mix[k]), reverse=True)
    bucket = np.full(len(lots), falling[-1], dtype=np.int64)
    free, total, target, given = np.ones(len(lots), dtype=np.bool_), int(lots.sum()), 0.0, 0
    for k in falling[:-1]:
        target += mix[k][2] * total
        rows = np.flatnonzero(free & (limits >= lowest(mix[k])))
        middles = np.cumsum(lots[rows]) - lots[rows] / 2
        taken = rows[: np.searchsorted(middles, target - given)] if mix[k][2] else rows[:0]
        bucket[taken], free[taken] = k, False
        given += int(lots[taken].sum())
    return bucket


def leverages(lots: Ints, limits: Floats, bucket: Ints, mix: Mixture, rng: np.random.Generator) -> Floats:
    """Draw leverage log-uniform over notional within each bucket, stratified, never above a position's limit."""
    out, jitter = np.empty(len(lots)), rng.random(len(lots))
    for k, line in enumerate(mix):
        rows = np.flatnonzero(bucket == k)
        quantile = (np.cumsum(lots[rows]) - lots[rows] * jitter[rows]) / max(int(lots[rows].sum()), 1)
        top = np.log(np.minimum(limits[rows], line[1] or np.inf))
        bottom = np.minimum(math.log(lowest(line)), top)
        out[rows] = np.exp(bottom + quantile * (top - bottom))
    return out
