"""Water-filling of factor leverage: the least risk of a further shortfall where one factor moves all coins.

Space: contracts of one coin. Source: Risk-Based Auto-Deleveraging, arXiv 2603.15963, single-factor clipped
water-filling.
"""

from __future__ import annotations

from backtest.mechanics.adl.policies.level import level_amounts
from backtest.mechanics.exact import Floats
from backtest.mechanics.numeric import np


def covariance(prices: Floats, sigma: Floats, correlation: Floats, years: float) -> Floats:
    """Return the covariance of price moves, in dollars squared a unit: prices, volatilities a year, their correlation.

    Examples
    --------
    Prices of 100 and 10 with 20 % and 40 % a year, half correlated, over a quarter: 10 and 2 dollars.

    >>> half = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> covariance(np.array([100.0, 10.0]), np.array([0.2, 0.4]), half, 0.25).round(9).tolist()
    [[100.0, 10.0], [10.0, 4.0]]
    """
    move = prices * sigma * np.sqrt(years)
    return np.outer(move, move) * correlation


def loadings(moves: Floats, coin: int) -> Floats:
    """Return how many dollars each coin moves with the dominant factor for one dollar of a coin: the first eigenvector.

    Examples
    --------
    >>> loadings(np.array([[4.0, 2.0], [2.0, 1.0]]), 0).round(9).tolist()
    [1.0, 0.5]
    """
    first: Floats = np.linalg.eigh(moves)[1][:, -1]
    out: Floats = first / first[coin]
    return out


def factor_exposure(quantities: Floats, loading: Floats) -> Floats:
    """Return what each account holds in units of the coin of loading one, above zero on the side that is closed.

    Examples
    --------
    Three of the coin against four of half its move.

    >>> factor_exposure(np.array([[3.0, -4.0]]), np.array([1.0, 0.5])).tolist()
    [1.0]
    """
    out: Floats = quantities @ loading
    return out


def water_filling(exposure: Floats, equity: Floats, most: Floats, wanted: float) -> Floats:
    """Return what each account closes so that the highest factor leverages, exposure over equity, come to one level.

    ``exposure``, ``most`` and ``wanted`` are in units of the coin closed, which lowers the exposure one to one; nobody
    closes more than it holds, ``most``.

    Examples
    --------
    Exposures of 10 and 6 on equities of 1 and 1: the first alone down to 6, then both alike.

    >>> water_filling(np.array([10.0, 6.0]), np.ones(2), np.array([10.0, 6.0]), 6.0).tolist()
    [5.0, 1.0]
    """
    return level_amounts(exposure, equity, most, wanted)
