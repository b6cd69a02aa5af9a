"""What a policy took beside what was needed, round by round, in dollars: overshoot, undershoot, fairness.

Source: arXiv 2602.15182, section 5, and its figures' defects: a net overshoot hides undershoot, and an absolute
fairness regret punishes policies that are fairer than the benchmark. Both are given signed and split here.
"""

from __future__ import annotations

from dataclasses import dataclass

from backtest.mechanics.exact import Floats
from backtest.mechanics.numeric import np


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Dollars taken beyond what was needed: the positive parts and the negative ones, each summed over rounds."""

    overshoot: float
    undershoot: float

    @property
    def net(self) -> float:
        """Return the signed sum, which published headlines call overshoot."""
        return self.overshoot - self.undershoot

    @property
    def regret(self) -> float:
        """Return the absolute sum, the tracking regret."""
        return self.overshoot + self.undershoot


def tracking(taken: Floats, needed: Floats) -> Tracking:
    """Return how a policy's budgets track the needed ones.

    Examples
    --------
    >>> found = tracking(np.array([5.0, 1.0]), np.array([2.0, 2.0]))
    >>> found.overshoot, found.undershoot, found.net, found.regret
    (3.0, 1.0, 2.0, 4.0)
    """
    beyond = taken - needed
    return Tracking(overshoot=float(np.maximum(beyond, 0.0).sum()), undershoot=float(np.maximum(-beyond, 0.0).sum()))


def fairness(largest: Floats, benchmark: Floats, needed: Floats) -> Tracking:
    """Return how far the largest haircut of each round is from the benchmark's, times the needed dollars.

    ``overshoot`` is what is worse than the benchmark, ``undershoot`` what is better, ``regret`` the published figure.

    Examples
    --------
    >>> found = fairness(np.array([0.5, 0.1]), np.array([0.2, 0.2]), np.array([10.0, 10.0]))
    >>> found.overshoot, found.undershoot, found.regret
    (3.0, 1.0, 4.0)
    """
    return tracking(largest * needed, benchmark * needed)


def queue_fairness(capacity: Floats, budget: float) -> Floats:
    """Return the largest haircut of each round of a queue that always begins with the first account.

    ``capacity`` has a row a round and a column an account. In the two-account example of arXiv 2602.15182 it
    alternates between (1, M) and (M, 1), and such a queue loses in every second round.

    Examples
    --------
    >>> queue_fairness(np.array([[1.0, 4.0], [4.0, 1.0]]), 1.0).tolist()
    [1.0, 0.25]
    """
    before = np.cumsum(capacity, axis=1) - capacity
    taken = np.clip(budget - before, 0.0, capacity)
    out: Floats = (taken / capacity).max(axis=1)
    return out
