"""Several funds: which symbols share one, how a sum is divided, and when a fund's drop switches deleveraging on.

Sources: Bybit's documentation of the ADL alert (pnlRatio of a symbol, its trigger and its stop) and OKX's earlier
text (30 % below the peak of 8 hours).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

DRAWDOWN_TRIGGERS = ("none", "pnl_ratio", "pool_drawdown")


@dataclass(frozen=True, slots=True)
class PoolRule:
    """A fund's start and the limit of its gross inventory (None: no limit), in quanta."""

    start: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class DrawdownTrigger:
    """When the fall of a fund switches deleveraging on, and when off again.

    ``kind``: ``pnl_ratio`` (of each symbol, Bybit) or ``pool_drawdown`` (of the fund's equity, OKX). ``trigger`` and
    ``stop`` are shares of the fund's peak per symbol; above ``above`` quanta the ratio counts at all. ``window`` is in
    thirds of a second.
    """

    kind: str
    trigger: tuple[Fraction, ...]
    stop: tuple[Fraction, ...]
    above: int
    window: int


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


def fund_groups(pools: str, coins: Sequence[str]) -> tuple[int, ...]:
    """Return the number of each coin's fund: ``shared``, ``isolated``, or groups such as ``BTC+ETH,SOL+XRP``.

    Coins in no group have a fund each. Funds are numbered by their first coin.

    Examples
    --------
    >>> coins = ["BTC", "SOL", "ETH"]
    >>> fund_groups("shared", coins), fund_groups("isolated", coins), fund_groups("ETH+BTC", coins)
    ((0, 0, 0), (0, 1, 2), (0, 1, 0))
    """
    if pools == "shared":
        return (0,) * len(coins)
    group = {} if pools == "isolated" else {coin: group[0] for group in grouped(pools) for coin in group}
    places: dict[str, int] = {}
    return tuple(places.setdefault(group.get(coin, coin), len(places)) for coin in coins)


def grouped(pools: str) -> list[list[str]]:
    """Return the groups of coins that share a fund, as they are written.

    Examples
    --------
    >>> grouped("BTC+ETH, SOL+XRP"), grouped("shared")
    ([['BTC', 'ETH'], ['SOL', 'XRP']], [])
    """
    if pools in {"shared", "isolated"}:
        return []
    return [[coin.strip() for coin in names.split("+")] for names in pools.split(",")]


def divide(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a sum by weights, exactly: each running part is rounded down. Without weight it is divided equally.

    Examples
    --------
    >>> divide(100, [1, 1, 1]), divide(7, [0, 0])
    ([33, 33, 34], [3, 4])
    """
    weights = weights if any(weights) else [1] * len(weights)
    whole, run, out = sum(weights), 0, []
    for weight in weights:
        out.append(total * (run + weight) // whole - total * run // whole)
        run += weight
    return out
