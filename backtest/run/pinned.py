"""Which priors the published figures pin down: where the draws that come closest to them lie.

A draw's distance is the mean of abs(log10(figure / fact)) over users' liquidations and ADL of a coin, 1 at most.
The closest quarter of the draws is compared with all of them, number by number: if their distributions differ by
more than chance (Kolmogorov-Smirnov, one in twenty), the figures say something about that number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backtest.formatting import coin
from backtest.mechanics.exact import Floats
from backtest.run.drawn import Draws
from backtest.run.meta import RunMeta
from backtest.run.published import core_of

LEAST = 20  # draws: fewer have no closest quarter
CRITICAL = 1.36  # over sqrt(n): the distance of two distributions that chance passes once in twenty


@dataclass(frozen=True, slots=True)
class Pinned:
    """A number whose values near the facts differ from those drawn: 5th and 95th percentile of the closest draws."""

    name: str
    low: float
    high: float


def pinned(draws: Draws, meta: RunMeta) -> tuple[Pinned, ...] | None:
    """Return the numbers that published figures pin down; None where they cannot say: few draws, or no figure."""
    distance = distances(draws, meta)
    if distance is None or len(draws) < LEAST:
        return None
    closest = np.argsort(distance, kind="stable")[: len(draws) // 4]
    out = []
    for field in draws.fields:
        drawn = [draw.values[field.name] for draw in draws.draws]
        if any(isinstance(value, str) for value in drawn):
            continue
        values = np.array(drawn, dtype=np.float64)
        if _apart(values[closest], values) > CRITICAL / math.sqrt(len(closest)):
            low, high = np.quantile(values[closest], (0.05, 0.95)).tolist()
            out.append(Pinned(field.name, low, high))
    return tuple(out)


def distances(draws: Draws, meta: RunMeta) -> Floats | None:
    """Return how far each draw is from users' liquidations and ADL of each coin as published, None without any."""
    facts = {fact.id: fact for fact in meta.event.facts}
    coins = [coin(contract.symbol) for contract in meta.contracts]
    errors = []
    for row in core_of(meta.event.compare, facts, meta.venue.id, coins):
        figures = draws.compared.get(row.fact)
        if figures is not None:
            fact = facts[row.fact].value or 1.0
            errors.append([min(abs(math.log10(figure / fact)), 1.0) if figure else 1.0 for figure in figures])
    return np.mean(errors, axis=0) if errors else None


def _apart(some: Floats, every: Floats) -> float:
    """Return the greatest difference between the distributions of some values and of all.

    Examples
    --------
    >>> _apart(np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    0.5
    """
    places = np.sort(every)
    shares = [np.searchsorted(np.sort(each), places, side="right") / len(each) for each in (some, every)]
    return float(np.abs(shares[0] - shares[1]).max())
