"""Min-max: whole lots of which the largest part of anybody's equity is the least.

In one coin a lot costs everybody the same, and the optimum is found by handing out lots one by one (`smallest_parts`;
space: contracts). With several coins an account's lots cost different dollars, which is an integer programme
(`programme`; space: equity dollars), solved by HiGHS: the extra ``lp``, imported when it is asked. Source: the min-max
programme of Autodeleveraging as Online Learning, arXiv 2602.15182, whose published figures come from a greedy fallback.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from backtest.errors import ConfigError
from backtest.mechanics.adl.policies.level import level_floors
from backtest.mechanics.exact import Bools, Floats, Ints, exact_sum
from backtest.mechanics.numeric import np

MISSING = "the min-max programme needs scipy, which is not installed; install the extra: pip install 'crashbook[lp]'"
TWICE = 2  # as many lots as are left are looked at, at most as a rule
SLACK = 1e-9  # beyond the last part in floats, so that none at it is lost
NEAR = 1e-12  # parts closer than this are ordered by the exact fraction


def smallest_parts(equity: Ints, lots: Ints, wanted: int) -> Ints:
    """Return lots handed out one by one, each to whom it leaves the smallest part, lots over equity; ties in order.

    No other whole lots that add up to what is wanted have a smaller largest part. Nobody pays more than it holds.

    Examples
    --------
    Equities 3 and 1: parts of 1/3, 2/3, 1 and 1; the fifth lot would be 4/3 of the first, 2 of the second.

    >>> [smallest_parts(np.array([3, 1]), np.array([9, 9]), wanted).tolist() for wanted in (2, 4, 5)]
    [[2, 0], [3, 1], [4, 1]]
    """
    if wanted >= exact_sum(lots):
        return lots.copy()
    pays = level_floors(equity, lots, wanted)
    left = wanted - exact_sum(pays)
    if not left:
        return pays
    open_ = np.flatnonzero(pays < lots)
    own, paid, room = equity[open_], pays[open_], (lots - pays)[open_]

    def up_to(part: float) -> Floats:
        steps: Floats = np.clip(np.floor(part * own) - paid, 0, room)
        return steps

    following = (paid + 1) / own
    low, last = float(following.min()), float(np.partition(following, left - 1)[left - 1])  # one lot each is enough
    while up_to(last).sum() > TWICE * left and low < (middle := (low + last) / 2) < last:
        low, last = (low, middle) if up_to(middle).sum() >= left else (middle, last)
    steps = up_to(last * (1 + SLACK)).astype(np.int64)
    who = np.repeat(np.arange(len(open_)), steps)
    nth = np.arange(len(who)) - (np.cumsum(steps) - steps)[who] + 1
    part = (paid[who] + nth) / own[who]
    cut = np.partition(part, left - 1)[left - 1]
    near = np.abs(part - cut) <= NEAR * cut
    taken: Bools = (part < cut) & ~near
    exact = sorted((Fraction(int(paid[who[k]] + nth[k]), int(own[who[k]])), int(k)) for k in np.flatnonzero(near))
    taken[[k for _, k in exact[: left - int(taken.sum())]]] = True
    np.add.at(pays, open_[who[taken]], 1)
    return pays


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What the solver found: lots of each position, the largest part of equity, and whether it is proven the least."""

    lots: Ints
    largest: float
    proven: bool


def solver() -> Any:
    """Return ``scipy.optimize``, or say which extra is missing."""
    try:
        from scipy import optimize
    except ImportError:
        raise ConfigError(MISSING) from None
    return optimize


def programme(
    account: Ints, dollars: Floats, lots: Ints, equity: Floats, budget: float, limit_s: float = 30.0
) -> Programme:
    """Return whole lots worth the budget at least, of which the largest part of an account's equity is the least.

    Parameters
    ----------
    account
        Of each position, its number in ``equity``.
    dollars
        That a lot of each position gives up.
    lots
        That each position holds.
    equity
        Of each account, in dollars, above zero.
    budget
        Dollars to be given up in all; more than the positions hold is refused.
    limit_s
        Seconds until the best lots found so far are returned, not proven.

    Examples
    --------
    Equities 30 and 9. Lots of the first account give up 4 or 5 dollars, those of the second 3: eight dollars are least
    felt as 4 and 5 of the first, 0.3 of its equity, and none of the second.

    >>> found = programme(np.array([0, 0, 1]), np.array([4.0, 5.0, 3.0]), np.array([1, 1, 2]), np.array([30.0, 9.0]),
    ...                   8.0)
    >>> found.lots.tolist(), round(found.largest, 9), found.proven
    ([1, 1, 0], 0.3, True)
    """
    optimize = solver()
    from scipy import sparse

    if budget > float(dollars @ lots) * (1 + 1e-12):
        raise ConfigError(f"a budget of {budget:g} is above the {dollars @ lots:g} that the positions give up")
    positions, accounts = len(lots), len(equity)
    given = sparse.csr_array((dollars, (account, np.arange(positions))), shape=(accounts, positions))
    felt = sparse.hstack([given, sparse.csr_array(-equity[:, None])])
    total = sparse.csr_array(np.concatenate([dollars, [0.0]])[None, :])
    found = optimize.milp(
        c=np.concatenate([np.zeros(positions), [1.0]]),
        integrality=np.concatenate([np.ones(positions), [0.0]]),
        bounds=optimize.Bounds(0, np.concatenate([lots, [np.inf]])),
        constraints=optimize.LinearConstraint(
            sparse.vstack([felt, total]),
            np.concatenate([np.full(accounts, -np.inf), [budget]]),
            np.concatenate([np.zeros(accounts), [np.inf]]),
        ),
        options={"mip_rel_gap": 0.0, "time_limit": limit_s},
    )
    if found.x is None:
        raise ConfigError(f"the min-max programme found no lots in {limit_s:g} s; give it more, or fewer positions")
    whole = np.rint(found.x[:positions]).astype(np.int64)
    parts = np.bincount(account, weights=dollars * whole, minlength=accounts) / equity
    return Programme(lots=whole, largest=float(parts.max()), proven=found.status == 0)
