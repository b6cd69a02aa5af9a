"""Spreads over draws, and differences of two alternatives within each draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.mechanics.exact import Floats

QUANTILES = (0.5, 0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 5-95 % band over draws; None where no draw has a figure."""

    median: float | None
    low: float | None
    high: float | None

    @staticmethod
    def of(values: Floats) -> Spread:
        """Return the spread of the figures that there are; not-a-number is none.

        Examples
        --------
        >>> Spread.of(np.array([1.0, 2.0, 3.0, np.nan]))
        Spread(median=2.0, low=1.1, high=2.9)
        """
        known = values[~np.isnan(values)]
        if not known.size:
            return Spread(None, None, None)
        return Spread(*np.quantile(known, QUANTILES).round(9).tolist())


@dataclass(frozen=True, slots=True)
class Difference:
    """An alternative less the base within each draw, and the share of draws in which it is lower and higher.

    Only draws count that have both figures.
    """

    spread: Spread
    lower_frac: float | None
    higher_frac: float | None
    draws: int

    @property
    def none(self) -> bool:
        """Return whether the alternative equals the base in every draw."""
        return not self.lower_frac and not self.higher_frac

    @staticmethod
    def of(values: Floats, base: Floats) -> Difference:
        """Return the differences of two rows of draws.

        Examples
        --------
        >>> found = Difference.of(np.array([1.0, 5.0]), np.array([2.0, 2.0]))
        >>> found.spread.median, found.lower_frac, found.higher_frac
        (1.0, 0.5, 0.5)
        """
        change = values - base
        known = change[~np.isnan(change)]
        if not known.size:
            return Difference(Spread.of(change), None, None, 0)
        lower, higher = float((known < 0).mean()), float((known > 0).mean())
        return Difference(Spread.of(change), lower, higher, len(known))
