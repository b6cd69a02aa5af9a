"""The drawdown trigger: when the fall of a fund below its peak switches deleveraging on, and when off again.

Sources: Bybit's documentation of the ADL alert (pnlRatio of a symbol, its trigger and its stop) and OKX's earlier
text (30 % below the peak of 8 hours).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from backtest.mechanics.rule import Rule, declared

_SWITCH = "({trigger}) switches deleveraging on until it is back within the stop ({stop})."
DRAWDOWN_TRIGGERS: Mapping[str, Rule] = declared(
    "drawdown_trigger",
    {
        "none": Rule(
            sentence="No fall of a fund switches deleveraging on.", source="venues that publish no such trigger"
        ),
        "pnl_ratio": Rule(
            sentence=f"A coin that has lost more of its fund's peak of {{window_h:g}} h than its trigger {_SWITCH}",
            source="Bybit, ADL alert: pnlRatio of a symbol, its trigger and its stop",
        ),
        "pool_drawdown": Rule(
            sentence=f"A fund that has fallen by more of its peak of {{window_h:g}} h than the trigger {_SWITCH}",
            source="OKX, earlier text: 30 % below the peak of 8 hours",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class DrawdownTrigger:
    """When the fall of a fund switches deleveraging on, and when off again.

    ``kind``: ``pnl_ratio`` (of each symbol, Bybit) or ``pool_drawdown`` (of the fund's equity, OKX). ``trigger`` and
    ``stop`` are shares of the fund's peak per symbol; above ``above`` quanta the ratio counts at all. The
    peak is that of the last ``window_s`` seconds.
    """

    kind: str
    trigger: tuple[Fraction, ...]
    stop: tuple[Fraction, ...]
    above: int
    window_s: int


@dataclass(slots=True)
class Peak:
    """The largest value of the last ``window`` ticks of a clock; each value holds until the next one is given.

    ``past`` holds (value, last moment it held), values falling.

    Examples
    --------
    Seven holds from the start to 9, three afterwards: at 19 the last ten ticks still saw the seven.

    >>> peak = Peak(10, 7)
    >>> peak.advance(9, 10); peak.set(3)
    >>> peak.advance(18, 19); peak.highest(3), peak.expires_at()
    (7, 19)
    >>> peak.advance(19, 20); peak.highest(3), peak.expires_at()
    (3, None)
    """

    window: int
    now: int
    past: deque[tuple[int, int]] = field(default_factory=deque)

    def advance(self, held_until: int, clock: int) -> None:
        """Move the clock: the present value held until ``held_until``; forget what left the window."""
        while self.past and self.past[-1][0] <= self.now:
            self.past.pop()
        self.past.append((self.now, held_until))
        while self.past and self.past[0][1] < clock - self.window:
            self.past.popleft()

    def set(self, value: int) -> None:
        """Note the value from this moment on."""
        self.now = value

    def lift(self, by: int) -> None:
        """Raise every value of the past and the present, as if more had been there from the start."""
        self.now += by
        self.past = deque((value + by, until) for value, until in self.past)

    def highest(self, value: int) -> int:
        """Return the largest value in the window, the present ``value`` included."""
        return max(value, self.past[0][0]) if self.past else value

    def expires_at(self) -> int | None:
        """Return the last moment at which the peak is still in the window; None if it is the present value."""
        return self.past[0][1] + self.window if self.past and self.past[0][0] > self.now else None


def drawdown_ratio(now: int, peak: int, fund_peak: int) -> Fraction | None:
    """Return (now - peak) / fund's peak, zero or less; None where the fund's peak is not above zero.

    Examples
    --------
    Bybit's example: a pool of 1,000,000 of which a symbol lost 350,000.

    >>> drawdown_ratio(-350_000, 0, 1_000_000)
    Fraction(-7, 20)
    """
    return Fraction(now - peak, fund_peak) if fund_peak > 0 else None


def is_triggered(on: bool, ratio: Fraction | None, balance: int, rule: DrawdownTrigger, symbol: int) -> bool:
    """Return whether the drop has deleveraging on: from below the trigger until above the stop.

    Examples
    --------
    >>> rule = DrawdownTrigger("pnl_ratio", (Fraction("0.3"),), (Fraction("0.25"),), 10_000, 86_400)
    >>> [is_triggered(on, Fraction(r, 100), 650_000, rule, 0) for on, r in ((False, -30), (False, -31), (True, -25))]
    [False, True, True]
    """
    if ratio is None:
        return on
    if on:
        return ratio <= -rule.stop[symbol]
    return balance > rule.above and ratio < -rule.trigger[symbol]


def recovery_amount(now: int, peak: int, fund_peak: int, trigger: Fraction) -> int:
    """Return the quanta that bring a ratio back to the trigger, 0 if it is there.

    Examples
    --------
    >>> recovery_amount(-350_000, 0, 1_000_000, Fraction("0.3"))
    50000
    """
    least = -(trigger.numerator * fund_peak // trigger.denominator)  # the ratio is at the trigger from here on
    return max(0, peak + least - now)
