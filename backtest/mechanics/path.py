"""The walk through a bar: which prices, in which order, with or without time between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import overload

from backtest.mechanics.exact import LIMIT, Bools, Ints, half_even, half_even_array
from backtest.mechanics.numeric import np
from backtest.mechanics.rule import Rule, declared

OPEN, HIGH, LOW, CLOSE = range(4)
PREVIOUS_MARK_S = 3
INTRABAR: Mapping[str, Rule] = declared(
    "intrabar",
    {
        "ohlc": Rule(
            sentence="A bar is walked through open, the extreme nearer the open, the other extreme, close; triggers "
            "use the mark, fills the trade price.",
            source="this engine: bars do not say which extreme came first",
        ),
        "adverse_first": Rule(
            sentence="A bar is walked through open, low, high, close; triggers use the mark, fills the trade price.",
            source="this engine: the order worst for longs, the side a crash liquidates",
        ),
        "close": Rule(
            sentence="A bar is walked through the close alone; triggers use the mark, fills the trade price.",
            source="this engine: one price a bar",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Walk:
    """Prices step by step. Arrays of shape (symbols, steps) unless stated otherwise.

    ``jump`` (steps) is true where no time passes before the price; ``bar`` (steps) is the index of the bar,
    ``part`` (steps) the place inside it, ``parts`` the number of prices a bar is walked through: one, or one more than
    three times the pieces that each of the three ways between its prices is cut into.
    """

    trade: Ints
    mark: Ints
    jump: Bools
    bar: Ints
    part: Ints
    parts: int

    @property
    def segments(self) -> int:
        """Return the equal times that a bar is divided into; a bar of one price counts as three that pass at once."""
        return self.parts - 1 if self.parts > 1 else 3

    def passed(self, step: int) -> int:
        """Return how many of these times pass before the price of a step, counted from 0: none at a jump."""
        return self.segments if self.parts == 1 else int(self.part[step] > 0)


def _high_first(mark: Ints, intrabar: str) -> Bools:
    """Return which bars visit their high before their low; the mark bar decides, a tie takes the high."""
    if intrabar == "adverse_first":  # low first: worst for longs, the side a crash liquidates
        return np.zeros(mark.shape[:2], dtype=bool)
    up = mark[..., HIGH] - mark[..., OPEN]
    down = mark[..., OPEN] - mark[..., LOW]
    return up <= down


def _ordered(bars: Ints, high_first: Bools) -> Ints:
    first = np.where(high_first, bars[..., HIGH], bars[..., LOW])
    second = np.where(high_first, bars[..., LOW], bars[..., HIGH])
    return np.stack([bars[..., OPEN], first, second, bars[..., CLOSE]], axis=-1)


def pieces_of(step_s: float, bar_s: int) -> int:
    """Return the pieces that the way between two prices of a bar is cut into, so that none is longer than a step.

    A bar has three such ways, each a third of it.

    Source: Hyperliquid updates marks about every 3 s (hyperliquid.gitbook.io, oracle page), the default step.

    Examples
    --------
    >>> pieces_of(3, 60), pieces_of(20, 60), pieces_of(3, 1)
    (7, 1, 1)
    """
    return math.ceil(Fraction(bar_s, 3) / Fraction(str(step_s)))


def cut(points: Ints, pieces: int) -> Ints:
    """Return prices on the straight way between points, the points included: each way in equal pieces, half to even.

    Parameters
    ----------
    points
        Shape (..., points).
    pieces
        Pieces of each way.

    Returns
    -------
    numpy.ndarray
        Shape (..., pieces x (points - 1) + 1).

    Examples
    --------
    >>> cut(np.array([0, 10, 7]), 2).tolist(), cut(np.array([0, 10, 7]), 1).tolist()
    ([0, 5, 10, 8, 7], [0, 10, 7])
    """
    if pieces == 1:
        return points
    start, end = points[..., :-1, None], points[..., 1:, None]
    walked = np.arange(pieces)
    between = half_even_array(start * (pieces - walked) + end * walked, np.full(1, pieces, dtype=np.int64))
    return np.concatenate([between.reshape(*points.shape[:-1], -1), points[..., -1:]], axis=-1)


def walk(trade: Ints, mark: Ints, intrabar: str, pieces: int = 1) -> Walk:
    """Walk bars of shape (symbols, bars, 4) in the order ``intrabar`` names.

    ``ohlc``: open, the extreme nearer the open, the other, close. ``adverse_first``: open, low, high, close.
    ``close``: the close alone. Every bar starts with a jump: no time passes between a close and the next open. Each of
    the three ways between a bar's prices takes a third of its time and is walked in ``pieces``.

    Examples
    --------
    >>> bar = np.array([[[100, 103, 99, 101]]])
    >>> walk(bar, bar, "ohlc").mark.tolist(), walk(bar, bar, "close").mark.tolist()
    ([[100, 99, 103, 101]], [[101]])
    >>> walk(bar, bar, "ohlc", 2).mark.tolist()
    [[100, 100, 99, 101, 103, 102, 101]]
    """
    symbols, bars, _ = trade.shape
    if intrabar == "close":
        index = np.arange(bars)
        return Walk(
            np.ascontiguousarray(trade[..., CLOSE]),
            np.ascontiguousarray(mark[..., CLOSE]),
            np.ones(bars, dtype=bool),
            index,
            np.zeros(bars, dtype=np.int64),
            1,
        )
    high_first, parts = _high_first(mark, intrabar), 3 * pieces + 1
    part = np.tile(np.arange(parts), bars)
    return Walk(
        cut(_ordered(trade, high_first), pieces).reshape(symbols, bars * parts),
        cut(_ordered(mark, high_first), pieces).reshape(symbols, bars * parts),
        part == 0,
        np.repeat(np.arange(bars), parts),
        part,
        parts,
    )


def previous_mark(start: int, end: int, jump: bool, bar_s: int, segments: int = 3) -> int:
    """Return the mark three seconds before the end of a step, half to even.

    A segment is one of ``segments`` of a bar; the mark is interpolated on it and never before its start. At a jump it
    is the last mark before it. Source: Hyperliquid closes ADL at the previous mark; marks update about
    every 3 s (hyperliquid.gitbook.io, auto-deleveraging and oracle pages).

    Examples
    --------
    Twenty seconds from 100 to 120: three seconds before the end the mark was 117.

    >>> previous_mark(100, 120, False, 60), previous_mark(100, 120, True, 60)
    (117, 100)
    """
    walked = 0 if jump else max(bar_s - segments * PREVIOUS_MARK_S, 0)
    return half_even(start * bar_s + (end - start) * walked, bar_s)


def trade_at(start: int, end: int, passed: Ints, length: Ints) -> Ints:
    """Return the trade price when ``passed`` of ``length`` mark quanta of the segment are walked, half to even.

    Examples
    --------
    >>> trade_at(1000, 900, np.array([3]), np.array([4])).tolist()
    [925]
    """
    if max(start, end) * int(length.max(initial=1)) >= LIMIT // 2:  # a price that leaps by orders of magnitude
        pairs = zip(passed.tolist(), length.tolist(), strict=True)
        exact = [half_even(start * whole + (end - start) * part, whole) for part, whole in pairs]
        return np.array(exact, dtype=np.int64)
    return half_even_array(start * length + (end - start) * passed, length)


@overload
def freed(capacity: int, part: int, parts: int) -> int: ...
@overload
def freed(capacity: Ints, part: Ints, parts: int) -> Ints: ...
def freed(capacity: int | Ints, part: int | Ints, parts: int) -> int | Ints:
    """Return the lots a bar has freed up to price ``part`` of ``parts``: the capacity in equal steps, exact in sum.

    Examples
    --------
    >>> [freed(10, i, 4) for i in range(4)]
    [2, 5, 7, 10]
    """
    return capacity * (part + 1) // parts
