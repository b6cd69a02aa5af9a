"""Severity: which part of a deficit is taken from winners; the rest stays with the fund or is socialised.

Space: a part of the deficit, 0 to 1, so that the budget is ``severity * deficit``. Solvency depends on the severity
alone, and fairness on who pays the budget (arXiv 2512.01112).
"""

from __future__ import annotations

from backtest.errors import ConfigError
from backtest.mechanics.exact import Floats
from backtest.mechanics.numeric import np


def as_venue(taken: Floats, deficit: Floats) -> Floats:
    """Return what a venue's own ADL amounts to, dollars taken over the deficit, at most 1; 0 without a deficit.

    Examples
    --------
    >>> as_venue(np.array([3.0, 20.0, 1.0]), np.array([12.0, 10.0, 0.0])).tolist()
    [0.25, 1.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(deficit > 0, np.clip(taken / deficit, 0.0, 1.0), 0.0)


def match(capacity: Floats, deficit: Floats) -> Floats:
    """Return the most that can be taken: all of the deficit, or what the winners have.

    Examples
    --------
    >>> match(np.array([3.0, 20.0]), np.array([12.0, 10.0])).tolist()
    [0.25, 1.0]
    """
    return as_venue(capacity, deficit)


def static(severity: float, rounds: int) -> Floats:
    """Return one severity for every round.

    Examples
    --------
    >>> static(0.5, 2).tolist()
    [0.5, 0.5]
    """
    _check_part(severity)
    return np.full(rounds, severity)


def backoff(severity: float, factor: float, shocks: Floats, memory: int) -> Floats:
    """Return an exponential back-off: ``severity * factor ** k`` after k shocks in the last ``memory`` rounds.

    ``shocks`` is 1 in a round with a shock. The shock of the round itself is not known before it.

    Examples
    --------
    >>> backoff(0.8, 0.5, np.array([1, 1, 0, 0, 0]), 2).tolist()
    [0.8, 0.4, 0.2, 0.4, 0.8]
    """
    _check_part(severity)
    _check_part(factor)
    before = np.concatenate([[0.0], np.cumsum(shocks)[:-1]])
    gone = np.concatenate([np.zeros(memory), before])[: len(before)]
    out: Floats = severity * factor ** (before - gone)
    return out


def online_gradient(start: float, step: float, needed: Floats, deficit: Floats) -> Floats:
    """Return projected online gradient descent on the loss ``deficit * |severity - needed|`` (arXiv 2602.15182).

    Each round's severity follows from the rounds before it: too little moves it up by ``step * deficit``, too much
    down, and it stays in 0 to 1.

    Examples
    --------
    >>> online_gradient(0.5, 0.1, np.array([1.0, 1.0, 0.0]), np.array([2.0, 9.0, 1.0])).tolist()
    [0.5, 0.7, 1.0]
    """
    _check_part(start)
    out = np.empty(len(needed))
    now = start
    for n, (aim, scale) in enumerate(zip(needed.tolist(), deficit.tolist(), strict=True)):
        out[n] = now
        now = min(max(now - step * scale * float(np.sign(now - aim)), 0.0), 1.0)
    return out


def path_length(needed: Floats) -> float:
    """Return how far the needed severity moves from round to round, in sum.

    Examples
    --------
    >>> path_length(np.array([0.25, 1.0, 0.5]))
    1.25
    """
    return float(np.abs(np.diff(needed)).sum())


def regret_bound(needed: Floats, deficit: Floats) -> float:
    """Return the most that `online_gradient` with `best_step` loses in sum, in dollars (arXiv 2602.15182, Prop. 1).

    ``sqrt((1 + 2 P) * sum of deficit squared)``, P the path length of the needed severity.

    Examples
    --------
    >>> regret_bound(np.array([0.5, 0.5]), np.array([3.0, 4.0])), regret_bound(np.array([0.0, 1.5]), np.array([3, 4.0]))
    (5.0, 10.0)
    """
    return float(np.sqrt((1 + 2 * path_length(needed)) * np.square(deficit).sum()))


def best_step(needed: Floats, deficit: Floats) -> float:
    """Return the step for which the bound holds; it knows the whole path, and so is known only afterwards.

    Examples
    --------
    >>> best_step(np.array([0.5, 0.5]), np.array([3.0, 4.0]))
    0.2
    """
    return float(np.sqrt((1 + 2 * path_length(needed)) / np.square(deficit).sum()))


def socialised(equity: Floats, loss: float) -> Floats:
    """Return what each bears of a loss that nobody's ADL covers: in proportion to positive equity, never more.

    Space: equity dollars.

    Examples
    --------
    >>> socialised(np.array([6.0, 2.0, -1.0]), 4.0).tolist(), socialised(np.array([1.0, 1.0]), 9.0).tolist()
    ([3.0, 1.0, 0.0], [1.0, 1.0])
    """
    bears = np.maximum(equity, 0.0)
    total = float(bears.sum())
    return bears * min(loss / total, 1.0) if total else bears


def _check_part(value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"a severity or factor of {value:g} is no part; it lies between 0 and 1")
