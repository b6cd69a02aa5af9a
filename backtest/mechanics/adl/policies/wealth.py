"""Haircuts of winners' wealth: which dollars each gives up of a budget, as the papers state it.

Space: dollars. ``wealth`` is what may be taken of each winner, its positive PnL (PnL dollars) or its equity (equity
dollars): the choice is the caller's, and figures of both do not compare. Each function returns dollars taken, floats
that add up to the budget or to all there is.
"""

from __future__ import annotations

from backtest.errors import ConfigError
from backtest.mechanics.adl.policies.level import level_amounts
from backtest.mechanics.exact import Floats, Ints
from backtest.mechanics.numeric import np


def by_score(wealth: Floats, score: Floats, budget: float) -> Floats:
    """Return what a queue takes: all of the highest score, then of the next; ties by place.

    Examples
    --------
    Worked check of arXiv 2512.01112: PnL 8, 4 and 0.5 in the order 2, 1, 3, budget 7.5; haircuts 0.4375, 1 and 0.

    >>> by_score(np.array([8.0, 4.0, 0.5]), np.array([2.0, 3.0, 1.0]), 7.5).tolist()
    [3.5, 4.0, 0.0]
    """
    return _in_order(wealth, np.argsort(-score, kind="stable"), budget)


def random(wealth: Floats, budget: float, generator: np.random.Generator) -> Floats:
    """Return what a queue in random order takes, all orders being equally likely.

    Examples
    --------
    >>> sorted(random(np.array([2.0, 2.0]), 3.0, np.random.default_rng(1)).tolist())
    [1.0, 2.0]
    """
    return _in_order(wealth, generator.permutation(len(wealth)), budget)


def _in_order(wealth: Floats, order: Ints, budget: float) -> Floats:
    taken = np.zeros(len(wealth))
    before = np.cumsum(wealth[order]) - wealth[order]
    taken[order] = np.clip(budget - before, 0.0, wealth[order])
    return taken


def pro_rata(wealth: Floats, budget: float) -> Floats:
    """Return the same part of everybody's wealth.

    Examples
    --------
    Worked check of arXiv 2512.01112: a budget of 7.5 of 12.5 is a haircut of 0.6.

    >>> pro_rata(np.array([8.0, 4.0, 0.5]), 7.5).round(9).tolist()
    [4.8, 2.4, 0.3]
    """
    total = float(wealth.sum())
    return wealth * min(budget / total, 1.0) if total else wealth.copy()


def leverage_weighted(wealth: Floats, leverage: Floats, budget: float) -> Floats:
    """Return amounts in proportion to leverage x wealth, none beyond the wealth.

    As printed in arXiv 2512.01112 the haircuts do not add up to the budget; here the part above a winner's wealth goes
    to the others.

    Examples
    --------
    Leverages 9 and 1 on 4 and 8: 36 to 8 of a budget of 6 would take 4.9 of the first, which has 4.

    >>> leverage_weighted(np.array([4.0, 8.0]), np.array([9.0, 1.0]), 6.0).tolist()
    [4.0, 2.0]
    """
    return _by_weight(leverage * wealth, wealth, budget)


def capped(wealth: Floats, caps: Floats, budget: float) -> Floats:
    """Return amounts of the same part of everybody's wealth, none beyond its own cap: exact, in O(n log n).

    The one rule that is Sybil-resistant, scale-invariant and monotone, and the least for every strictly convex measure
    of haircuts. ``caps`` are the largest haircuts, 0 to 1. A budget above what the caps allow is refused.

    Examples
    --------
    Caps of 0.1 and 1 on 10 and 10: of a budget of 6 the first bears 1.

    >>> capped(np.array([10.0, 10.0]), np.array([0.1, 1.0]), 6.0).tolist()
    [1.0, 5.0]
    """
    most = wealth * caps
    if budget > float(most.sum()) * (1 + 1e-12):
        raise ConfigError(f"a budget of {budget:g} is above the {most.sum():g} that the caps allow; lower the severity")
    return _by_weight(wealth, most, budget)


def risk_aware(wealth: Floats, caps: Floats, leverage: Floats, budget: float, threshold: float = 0.0) -> Floats:
    """Return amounts by risk weight, (leverage - threshold) above zero, none beyond its cap (RAP, arXiv 2512.01112).

    The haircut is ``min(cap, t * weight)``; wealth without weight pays only what the others cannot.

    Examples
    --------
    Leverages 5, 3 and 1 above a threshold of 1 weigh 4, 2 and 0 on a wealth of 10 each.

    >>> risk_aware(np.array([10.0, 10.0, 10.0]), np.ones(3), np.array([5.0, 3.0, 1.0]), 9.0, threshold=1.0).tolist()
    [6.0, 3.0, 0.0]
    """
    most = wealth * caps
    weights = wealth * np.maximum(leverage - threshold, 0.0)
    taken = _by_weight(weights, most, budget)
    left = max(budget - float(taken.sum()), 0.0)
    return taken + _by_weight(np.where(weights > 0, 0.0, wealth), np.where(weights > 0, 0.0, most), left)


def _by_weight(weights: Floats, most: Floats, budget: float) -> Floats:
    taken = np.zeros(len(most))
    paying = np.flatnonzero((weights > 0) & (most > 0))
    taken[paying] = level_amounts(np.zeros(len(paying)), weights[paying], most[paying], budget)
    return taken


def equity_floor_caps(wealth: Floats, protected: Floats, floor: Floats) -> Floats:
    """Return the largest haircuts of PnL that leave each its least equity: ``1 - (floor - protected cash) / wealth``.

    Examples
    --------
    PnL of 10 with cash of 2 may fall by 7 to an equity of 5; with cash of 9 it may go whole.

    >>> equity_floor_caps(np.array([10.0, 10.0]), np.array([2.0, 9.0]), np.array([5.0, 5.0])).tolist()
    [0.7, 1.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        caps = 1.0 - (floor - protected) / wealth
    return np.clip(np.where(wealth > 0, caps, 0.0), 0.0, 1.0)
