"""A doubtful value as messages, tables and ``run.json`` show it: what it is, what was expected, and why."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

LEAST_PX = 1e-12  # stands for zero where figures are compared by their ratio
ABOVE_ZERO = math.nextafter(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A stored value that nothing around it bears out; ``least`` and ``most`` bound what was expected, None: open."""

    ts: dt.datetime
    field: str
    value: float
    least: float | None
    most: float | None
    reason: str

    @property
    def expected(self) -> str:
        """Return the range expected as text.

        Examples
        --------
        >>> noon = dt.datetime.fromisoformat("2025-10-10T12:00")
        >>> Suspect(noon, "low", 500.0, 45_300.25, None, "alone").expected
        'at least 45,300.2'
        """
        return expected_text(self.least, self.most)

    @property
    def severity(self) -> float:
        """Return how many times the value lies beyond what was expected, to tell the worst of several."""
        if self.least is None and self.most is None:
            return 1.0
        bound = self.least if self.least is not None and self.value < self.least else self.most
        pair = sorted(max(abs(each or 0.0), LEAST_PX) for each in (self.value, bound))
        return pair[1] / pair[0]

    def text(self) -> str:
        """Return field, value, time, expected range and reason in one line."""
        stated = f"{self.field} {figure_text(self.value)} at {self.ts.isoformat()}"
        return f"{stated}, expected {self.expected} ({self.reason})"


def expected_text(least: float | None, most: float | None) -> str:
    """Return a range as text, open where a bound is None.

    Examples
    --------
    >>> expected_text(0.5, 2.0), expected_text(None, 116_230.5), expected_text(ABOVE_ZERO, None)
    ('0.5 to 2', 'at most 116,230', 'above 0')
    >>> expected_text(None, None)
    'another figure'
    """
    if least is None and most is None:
        return "another figure"
    if least == ABOVE_ZERO:
        return "above 0"
    if least is not None and most is not None:
        return f"{figure_text(least)} to {figure_text(most)}"
    return f"at least {figure_text(least)}" if least is not None else f"at most {figure_text(most or 0.0)}"


def figure_text(value: float) -> str:
    """Return a figure as stored, without the noise of floats, or six digits of one that is long.

    Examples
    --------
    >>> figure_text(48_888.0), figure_text(0.00001234), figure_text(0.0)
    ('48,888', '1.234e-05', '0')
    """
    return f"{value:,.6g}" if 1e-4 <= abs(value) < 1e6 or not value else f"{value:.6g}"
