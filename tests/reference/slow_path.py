"""The mechanism page, section 3: the prices every symbol walks through, on one clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

PREVIOUS_MARK_AGE_S = 3

Prices = dict[str, int]


@dataclass(frozen=True)
class Step:
    """One price of one bar: where the walk came from and where it arrives.

    `start_mark` and `start_trade` equal `mark` and `trade` where no time passes (a jump), so that the only point of
    the segment is the new price.
    """

    number: int
    bar: int
    price: int
    prices_per_bar: int
    start_mark: Prices
    mark: Prices
    start_trade: Prices
    trade: Prices
    previous_mark: Prices
    moved: tuple[Prices, Prices] = ({}, {})  # what the trade prices at both ends are displaced by, none on the tape

    def trade_range(self, symbol: str, low: int, high: int) -> tuple[int, int]:
        """Return the range of a bar's trades as it is displaced on this segment."""
        shifts = [moved.get(symbol, 0) for moved in self.moved]
        return max(min(1, low), low + min(shifts)), high + max(shifts)

    def fraction(self, symbol: str, mark: int) -> Fraction:
        """Return how far along the segment `mark` lies, 0 where the segment is flat."""
        length = self.mark[symbol] - self.start_mark[symbol]
        return Fraction(mark - self.start_mark[symbol], length) if length else Fraction(0)

    def trade_at(self, symbol: str, fraction: Fraction) -> int:
        """Return the trade price in ticks at a fraction of the segment, half to even."""
        return between(self.start_trade[symbol], self.trade[symbol], fraction)

    def marks_walked(self, symbol: str) -> range:
        """Return every mark from the segment's start to its end, both inclusive."""
        start, end = self.start_mark[symbol], self.mark[symbol]
        return range(start, end + 1) if end >= start else range(start, end - 1, -1)


def between(start: int, end: int, fraction: Fraction) -> int:
    """Interpolate and round half to even.

    >>> between(10, 11, Fraction(1, 2)), between(11, 12, Fraction(1, 2)), between(100, 90, Fraction(1, 3))
    (10, 12, 97)
    """
    return round(start + (end - start) * fraction)


def walk_order(mark_bar: list[int], intrabar: str) -> tuple[int, ...]:
    """Return the positions in [open, high, low, close] in the order they are walked.

    The mark bar decides, for the trade bar too. A tie of the two extremes takes the high first.

    >>> walk_order([100, 103, 98, 101], "ohlc"), walk_order([100, 102, 98, 101], "ohlc")
    ((0, 2, 1, 3), (0, 1, 2, 3))
    >>> walk_order([100, 101, 90, 95], "adverse_first"), walk_order([100, 101, 90, 95], "close")
    ((0, 2, 1, 3), (3,))
    """
    open_, high, low, _ = mark_bar
    if intrabar == "close":
        return (3,)
    if intrabar == "adverse_first" or open_ - low < high - open_:
        return (0, 2, 1, 3)
    return (0, 1, 2, 3)


def pieces_of(world: dict[str, Any]) -> int:
    """Return the pieces that the way between two prices of a bar is cut into."""
    return int(world.get("pieces", 1))


def age_on_segment(world: dict[str, Any]) -> Fraction:
    """Return where on a segment its end was 3 seconds ago, never before its start."""
    segment_s = Fraction(world["bar_seconds"], 3 * pieces_of(world))
    return max(Fraction(0), 1 - PREVIOUS_MARK_AGE_S / segment_s)


def seconds_to(step: Step, world: dict[str, Any]) -> Fraction:
    """Return the seconds that pass before a price: none at a bar's first, the whole bar where it has one price."""
    if step.prices_per_bar == 1:
        return Fraction(world["bar_seconds"])
    return Fraction(world["bar_seconds"], step.prices_per_bar - 1) if step.price else Fraction(0)


def end_of(step: Step, world: dict[str, Any]) -> Fraction:
    """Return the end of a step in seconds since the first bar opened."""
    within = Fraction(step.price, step.prices_per_bar - 1) if step.prices_per_bar > 1 else 1
    return (step.bar + within) * world["bar_seconds"]


def on_the_way(bar: list[int], order: tuple[int, ...], price: int, pieces: int) -> int:
    """Return the price of a bar after some pieces of its way, straight between its own prices, half to even.

    >>> [on_the_way([100, 103, 98, 101], (0, 2, 1, 3), price, 2) for price in range(7)]
    [100, 99, 98, 100, 103, 102, 101]
    """
    leg, piece = divmod(price, pieces)
    start = bar[order[leg]]
    return between(start, bar[order[leg + 1]], Fraction(piece, pieces)) if piece else start


def steps(world: dict[str, Any]) -> Iterator[Step]:
    """Yield the steps of a world, counted from 1."""
    symbols, pieces = list(world["symbols"]), pieces_of(world)
    age = age_on_segment(world)
    number = 0
    last_mark: Prices = {}
    last_trade: Prices = {}
    for bar_number, bar in enumerate(world["bars"]):
        order = {symbol: walk_order(bar[symbol]["mark"], world["intrabar"]) for symbol in symbols}
        prices_per_bar = (len(order[symbols[0]]) - 1) * pieces + 1
        for price in range(prices_per_bar):
            number += 1
            mark = {symbol: on_the_way(bar[symbol]["mark"], order[symbol], price, pieces) for symbol in symbols}
            trade = {symbol: on_the_way(bar[symbol]["trade"], order[symbol], price, pieces) for symbol in symbols}
            jump = price == 0
            if jump:
                previous = last_mark or mark
            else:
                previous = {symbol: between(last_mark[symbol], mark[symbol], age) for symbol in symbols}
            yield Step(
                number=number,
                bar=bar_number,
                price=price,
                prices_per_bar=prices_per_bar,
                start_mark=mark if jump else last_mark,
                mark=mark,
                start_trade=trade if jump else last_trade,
                trade=trade,
                previous_mark=previous,
            )
            last_mark, last_trade = mark, trade
