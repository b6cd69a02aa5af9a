"""The front of a side: the few positions among which the first candidates of a queue are, while marks stay near.

A score follows the mark. Over a window of marks it has a bound that holds as long as the position is untouched: the
score of a position with the most profit, the most value and the least equity of the window. Positions with the highest
bounds are the front, and a wave looks at them alone. The others are counted: all are candidates, and none of them
stands before a candidate of the front whose score is above their bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backtest.engine.columns import among, distinct
from backtest.engine.exact_range import highest_value_per_lot
from backtest.engine.figures import Figures, is_delicate
from backtest.engine.ledger import Ledger
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.queue import SAMPLE, Part, Scan, pieces
from backtest.mechanics.adl.rankings import ScoredRanking
from backtest.mechanics.exact import MILLIONTH, Floats, Ints

ScanOf = Callable[[Ints, Figures], Scan]  # of places and their figures
SMALLEST = 1 << 14  # positions of a side from which looking at a part of it pays
FOR, AGAINST = 0.015, 0.005  # the window: how far marks may move in favour of the candidates, and against them
FUNDING = 0.0005  # of the value of a lot: how far the funding index may move
AHEAD, SHARE = 4, 32  # the front holds so many times the lots wanted, and this part of all lots of the side


class Front:
    """The front of one symbol and side for a ranking by score, its positions isolated.

    ``inside`` are the places of the front, ascending; ``outside`` are the others, by place, all of them candidates:
    ``others`` in number, with ``others_lots``, no score above ``bound``. ``figures`` are those of the front as it is,
    ``held`` the lots of each place when the front was found, ``changed`` the rows that moves changed since.
    """

    def __init__(self, ledger: Ledger, symbol: int, side: int, rule: ScoredRanking) -> None:
        world = ledger.world
        self.ledger, self.symbol, self.side, self.rule = ledger, symbol, side, rule
        self.block, self.sign = world.blocks[symbol, side], side * world.contracts[symbol].value_sign
        self.highest = highest_value_per_lot(world, symbol)
        self.low = self.high = 0  # the window of values of a lot: nothing is known yet
        self.least_per_lot, self.bound = 0.0, -np.inf
        self.held: Ints = np.empty(0, dtype=np.int64)
        self.figures: Figures
        self.inside, self.outside = self.held, np.empty(0, dtype=bool)
        self.others = self.others_lots = 0
        self.changed: list[Ints] = []
        ledger.caches.append(self.note)

    def note(self, rows: Ints) -> None:
        """Note rows that a move changed."""
        self.changed.append(rows)

    def parts(self, wanted: int, in_breach: Ints, scan_of: ScanOf) -> Iterator[Part]:
        """Yield the front as it stands, if marks are near enough, then the front found anew for the lots wanted."""
        if self._holds():
            self._admit(np.concatenate([in_breach, *self.changed]))
            yield self._part(scan_of)
        self._find(wanted)
        self._admit(in_breach)
        yield self._part(scan_of)

    def _part(self, scan_of: ScanOf) -> Part:
        scan = scan_of(self.inside, self.figures)
        return Part(places=self.inside, others=self.others, lots=self.others_lots, bound=self.bound, scan=scan)

    def _holds(self) -> bool:
        """Return whether value and funding are inside the window."""
        value = self.ledger.values[self.symbol]
        return self.low <= value <= self.high and self._equity_per_lot(value) >= self.least_per_lot

    def _equity_per_lot(self, value: int) -> float:
        return self.sign * value - self.side * (self.ledger.index[self.symbol] / MILLIONTH)

    def _admit(self, rows: Ints) -> None:
        """Move positions into the front that are not as they were when their bounds were found, or in breach."""
        self.changed.clear()
        places = distinct(rows[(rows >= self.block.start) & (rows < self.block.stop)]) - self.block.start
        joining = self.outside[places]
        self._join(places[joining])
        known = places[~joining]
        known = known[among(known, self.inside)]
        self.figures.put(self.inside.searchsorted(known), self._figures(known))

    def _join(self, places: Ints) -> None:
        if places.size:
            self.outside[places] = False
            self.others -= len(places)
            self.others_lots -= int(self.held[places].sum())
            at = np.searchsorted(self.inside, places)
            self.inside = np.insert(self.inside, at, places)
            self.figures = self.figures.with_more(at, self._figures(places))

    def _figures(self, places: Ints) -> Figures:
        return Figures.of(self.ledger, places + self.block.start, self.side)

    def _find(self, wanted: int) -> None:
        """Find the front for a window around the present mark."""
        self.changed.clear()
        value = self.ledger.values[self.symbol]
        down, up = (AGAINST, FOR) if self.sign > 0 else (FOR, AGAINST)
        self.low, self.high = int(value * (1 - down)), min(int(value * (1 + up)), self.highest)
        worst = self.low if self.sign > 0 else self.high
        self.least_per_lot = self._equity_per_lot(worst) - FUNDING * value
        count = self.block.stop - self.block.start
        if not len(self.held):
            self.held, self.outside = np.empty(count, dtype=np.int64), np.empty(count, dtype=bool)
        self.held[:] = self.ledger.lots[self.block]
        lots, stride = int(self.held.sum()), max(count // SAMPLE, 1)
        sample = self._figures(np.arange(0, count, stride))
        scores = self._scores(sample, value, value, self._equity_per_lot(value))
        self.bound = _cut(scores, sample.held, stride, max(AHEAD * wanted, lots // SHARE))
        places, found = [], []
        for piece in pieces(count):
            rows = slice(piece.start + self.block.start, piece.stop + self.block.start)
            figures = Figures.of(self.ledger, rows, self.side)
            bounds = self._scores(figures, self.low, self.high, self.least_per_lot)
            at = np.flatnonzero(bounds > self.bound)
            places.append(piece.start + at)
            found.append(figures.piece(at))
        self.inside, self.figures = np.concatenate(places), Figures.joined(found)
        np.greater(self.held, 0, out=self.outside)
        self.outside[self.inside] = False
        self.others = int(np.count_nonzero(self.outside))
        self.others_lots = lots - int(self.held[self.inside].sum())

    def _scores(self, figures: Figures, low: int, high: int, least_per_lot: float) -> Floats:
        """Return what scores cannot exceed between two values of a lot; inf where a position may be insolvent.

        ``least_per_lot`` is the least of what a lot adds to equity. Closed positions have -inf.
        """
        lots, entry_value, tiers = figures.lots, figures.entry_value, self.ledger.world.tiers[self.symbol]
        value, equity = lots * high, lots * least_per_lot
        equity += figures.cash
        pnl = value - entry_value if self.sign > 0 else entry_value - lots * low
        columns: Any = (self.side, figures.held, entry_value, value, pnl, equity, tiers)
        with np.errstate(divide="ignore", invalid="ignore"):  # closed positions hold nothing
            scores = self.rule.approximate(Candidates(*columns))
        out: Floats = np.maximum(scores, 0.0)  # scores of losers are at most 0, or monotonic as those of winners
        unknown = is_delicate(equity, value)
        unknown |= np.isnan(out)
        np.putmask(out, unknown, np.inf)
        np.putmask(out, figures.held == 0, -np.inf)
        return out


def _cut(scores: Floats, held: Ints, stride: int, lots: int) -> float:
    """Return the score from which on positions hold so many lots, by a sample of one in ``stride``."""
    order = np.argsort(-scores)
    ahead = np.cumsum(held[order]) * stride
    place = int(np.searchsorted(ahead, lots))
    cut = float(scores[order[place]]) if place < len(order) else -np.inf
    return cut if cut < np.inf else -np.inf
