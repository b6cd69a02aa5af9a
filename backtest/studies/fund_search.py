"""The smallest size of a pool that binds nothing: read off one run whose pool is beyond all need, proven by two more.

A pool that is never short decides nothing by its size: the run is the same for every larger one, but for the cash
that lies in it. So the deepest loss of the pool in one such run says what it would have needed: that loss where it
pays until it is empty or at its floor; of several pools the largest in proportion to their parts; under a drawdown
trigger the size at which no fall reaches the trigger. ``needed`` reads this off the ends of the steps. Inside a step
a pool may stand lower, a margin that a vault keeps and a limit of inventory are not in it, and where impact moves the
mark (``path=feedback``) a pool that is short changes the prices themselves. Therefore what was read is where the
search begins and never the answer: the answer is a size that ran without binding, at most ``TOLERANCE`` times one
that ran and bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from backtest.engine.records import FUND, VAULT
from backtest.mechanics.exact import QUANTA_PER_USD, Floats
from backtest.mechanics.rules import Rules
from backtest.run.tables.shared import Shared

TOLERANCE = 1.05  # ratio of the ends between which a smallest size is known
ABOVE = 1.01  # of what was read off, the size that is tried first
WIDER = 1.25  # ratio of the sizes tried where the first was wrong

Check = Callable[[float], bool]


def needed(s: Shared, rules: Rules) -> float:
    """Return the size in USD that the pools of a finished run would have needed together, by the ends of its steps.

    Parameters
    ----------
    s
        A run whose pools are beyond all need.
    rules
        Those whose pools have the proportions wanted.
    """
    ledger = s.ledger
    in_vaults = bool(rules.vault and rules.vault.capital)
    owner, pools = (VAULT, ledger.vaults) if in_vaults else (FUND, ledger.funds)
    if in_vaults and rules.vault:
        starts = list(rules.vault.capitals)
    else:
        starts = [pool.start for pool in rules.pools] or [rules.fund_start]
    whole, found = sum(starts), 0.0
    for start, pool in zip(starts, pools, strict=True):
        if start <= 0:
            continue
        profit = profits(s, owner, pool.number)
        own = max(0.0, -float(profit.sum(axis=0).min()))
        if not in_vaults:
            own = max(own + rules.fund_floor, triggered_below(s, profit))
        found = max(found, own * whole / start)
    return found / QUANTA_PER_USD


def profits(s: Shared, owner: int, number: int) -> Floats:
    """Return a pool's profit with each symbol after each step, inventory at mark, funding aside, in quanta."""
    t, shape = s.transfers, (len(s.symbols), s.world.steps)
    cash, lots = np.zeros(shape), np.zeros(shape)
    for who, row, sign in ((t.taker, t.taker_row, 1.0), (t.giver, t.giver_row, -1.0)):
        mine = np.flatnonzero((who == owner) & (row == number))
        at = (t.symbol[mine], t.step[mine] - 1)
        np.add.at(cash, at, sign * t.cash[mine])
        np.add.at(lots, at, sign * t.lots[mine])
    found: Floats = cash.cumsum(axis=1) + s.value_signs[:, None] * lots.cumsum(axis=1) * s.at(s.mark)
    return found


def triggered_below(s: Shared, profit: Floats) -> float:
    """Return the start below which a fund's profit by step would reach its drawdown trigger, in quanta; 0 without one.

    The peak is taken since the start, as if the window held all of it: a shorter window needs less.
    """
    rule = s.world.rules.drawdown
    if rule is None:
        return 0.0
    peak, fall = falls(profit, rule.kind)
    triggers = np.array([float(trigger) for trigger in rule.trigger])
    return max(0.0, float((fall / triggers[:, None] - peak).max()))


def falls(profit: Floats, kind: str) -> tuple[Floats, Floats]:
    """Return the peak of a fund's profit after each step, and how far it is below its peak: what a trigger looks at.

    Parameters
    ----------
    profit
        By symbol and step, as ``profits`` returns it.
    kind
        With ``pnl_ratio`` each symbol falls from its own peak, else the fund as a whole, in one row.

    Examples
    --------
    A fund that gains 5 and then loses 4 with one symbol, and loses 1 with another.

    >>> profit = np.array([[5.0, 1.0], [0.0, -1.0]])
    >>> peak, fall = falls(profit, "pnl_ratio")
    >>> peak.tolist(), fall.tolist(), falls(profit, "pool_drawdown")[1].tolist()
    ([5.0, 5.0], [[0.0, 4.0], [0.0, 1.0]], [[0.0, 5.0]])
    """
    whole = profit.sum(axis=0, keepdims=True)
    own = profit if kind == "pnl_ratio" else whole
    peak, top = (np.maximum.accumulate(np.maximum(each, 0.0), axis=1) for each in (whole, own))
    return peak[0], top - own


def sought(first: float, least: float, most: float, binds: Check) -> float:
    """Return a size that does not bind, at most ``TOLERANCE`` times one that does, or ``least`` if that does not.

    Parameters
    ----------
    first
        Where to begin.
    least, most
        The ends of the range; ``most`` is known not to bind.

    Examples
    --------
    Begun near the truth it takes two tries, begun elsewhere a few more.

    >>> asked = []
    >>> def binds(size):
    ...     asked.append(round(size, 2))
    ...     return size < 100
    >>> round(sought(99.5, 10.0, 1000.0, binds), 2), asked
    (100.5, [100.5, 95.71])
    >>> round(sought(40.0, 10.0, 1000.0, binds), 1), sought(1.0, 200.0, 1000.0, binds)
    (101.4, 200.0)
    """
    size = min(max(first * ABOVE, least), most)
    if size < most and binds(size):
        low, high = size, most
        while low * WIDER < most:
            size = low * WIDER
            if not binds(size):
                high = size
                break
            low = size
        return bisected(low, high, lambda middle: not binds(middle), TOLERANCE)
    high, step = size, TOLERANCE
    while high > least:
        size = max(high / step, least)
        if binds(size):
            return bisected(size, high, lambda middle: not binds(middle), TOLERANCE)
        high, step = size, WIDER
    return high


def bisected(low: float, high: float, ok: Check, ratio: float) -> float:
    """Return an end that is ok, at most ``ratio`` times one below it that is not; ``high`` is ok and ``low`` is not.

    Examples
    --------
    >>> round(bisected(1.0, 16.0, lambda size: size >= 5, 1.5), 6)
    5.656854
    """
    while high > low * ratio * (1 + 1e-12):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if ok(middle) else (middle, high)
    return high
