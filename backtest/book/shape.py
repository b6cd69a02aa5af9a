"""The shape of a book before any price moves: leverage, sizes, entries, concentration, and a map of liquidations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.book.accounts import cross_accounts, lot_values, maintenance_of, value_signs
from backtest.book.book import PositionBook
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints
from backtest.mechanics.margin import Tiers
from backtest.venue.instrument import Instrument

MOVES = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)
SIDES = {"long": 1, "short": -1}
ALL = "all"
LARGEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Positions of one side and a coin or a cohort; leverage is of their accounts, over notional."""

    side: str
    coin: str
    cohort: str
    positions: int
    notional_usd: float
    side_frac: float
    leverage_p10: float
    leverage_p50: float
    leverage_p90: float
    size_p50_usd: float  # of positions, by number
    entry_gap_frac: float  # mean entry over the first mark, less 1, over notional


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Notional at the first mark of positions in breach once all prices have moved."""

    move_frac: float
    coin: str
    long_usd: float
    long_frac: float
    short_usd: float
    short_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeAccount:
    """One of the largest accounts."""

    account_id: int
    side: str
    cohort: str
    coins: str
    margin_mode: str
    notional_usd: float
    book_frac: float
    leverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """Accounts of a side, or of the whole book: how many, how uneven, how levered."""

    side: str
    accounts: int
    top_ten_frac: float
    gini_frac: float
    leverage_p50: float  # by number of accounts
    leverage_p95: float
    cross_frac: float  # share of notional in cross accounts


class BookShape:
    """Measures of a book at its first marks; leverage of a cross position is that of its account."""

    def __init__(
        self,
        book: PositionBook,
        instruments: Sequence[Instrument],
        tiers: Sequence[Tiers],
        mark0: Ints,
        *,
        inclusive: bool,
    ) -> None:
        self.book, self.instruments, self.tiers = book, instruments, tiers
        self.mark0, self.inclusive = mark0, inclusive
        self.coins = [item.coin for item in instruments]
        self.sign = book.side * value_signs(instruments)[book.symbol]
        self.value = book.lots * lot_values(instruments, mark0)[book.symbol]
        self.notional: Floats = self.value / QUANTA_PER_USD
        whole = cross_accounts(book.account_id, book.cross)
        self.crossed = np.zeros(len(book), dtype=np.bool_)
        self.crossed[whole.rows] = True
        unit = np.arange(len(book))
        unit[whole.rows] = len(book) + whole.place
        _, self.unit = np.unique(unit, return_inverse=True)
        _, self.account = np.unique(book.account_id, return_inverse=True)
        self.leverage = self._leverage(self.unit)[self.unit]

    def by_cohort(self) -> list[Group]:
        """Return one group a side and cohort, without those that hold nothing."""
        found = []
        for name, side in SIDES.items():
            for code, cohort in enumerate(self.book.cohorts):
                found += self._group(name, ALL, cohort, (self.book.side == side) & (self.book.cohort == code))
        return found

    def by_coin(self) -> list[Group]:
        """Return one group a coin and side."""
        found = []
        for k, coin in enumerate(self.coins):
            for name, side in SIDES.items():
                found += self._group(name, coin, ALL, (self.book.side == side) & (self.book.symbol == k))
        return found

    def liquidations(self, moves: Sequence[float] = MOVES) -> list[Move]:
        """Return the notional in breach once all prices have fallen, then risen, together; all coins, then each."""
        found = []
        for move in [-each for each in moves] + list(moves):
            gone = self._in_breach(move)
            for k, coin in enumerate([ALL, *self.coins]):
                mine = np.ones(len(gone), dtype=np.bool_) if coin == ALL else self.book.symbol == k - 1
                usd, share = {}, {}
                for name, side in SIDES.items():
                    held = self.notional[mine & (self.book.side == side)].sum()
                    usd[name] = float(self.notional[mine & gone & (self.book.side == side)].sum())
                    share[name] = usd[name] / held if held else 0.0
                found.append(
                    Move(move_frac=move, coin=coin, long_usd=usd["long"], long_frac=share["long"],
                         short_usd=usd["short"], short_frac=share["short"])
                )  # fmt: skip
        return found

    def largest(self, count: int = LARGEST) -> list[LargeAccount]:
        """Return the largest accounts by notional over all their positions."""
        size, leverage = np.bincount(self.account, self.notional), self._leverage(self.account)
        found = []
        for place in np.argsort(-size, kind="stable")[:count].tolist():
            rows = np.flatnonzero(self.account == place)
            first, sides = rows[np.argmax(self.notional[rows])], set(self.book.side[rows].tolist())
            modes = set(self.crossed[rows].tolist())
            found.append(
                LargeAccount(
                    account_id=int(self.book.account_id[first]),
                    side="both" if len(sides) > 1 else "long" if 1 in sides else "short",
                    cohort=self.book.cohorts[self.book.cohort[first]],
                    coins=" ".join(self.coins[k] for k in sorted(set(self.book.symbol[rows].tolist()))),
                    margin_mode="mixed" if len(modes) > 1 else "cross" if True in modes else "isolated",
                    notional_usd=float(size[place]),
                    book_frac=float(size[place] / self.notional.sum()),
                    leverage=float(leverage[place]),
                )
            )
        return found

    def concentration(self) -> list[Concentration]:
        """Return the concentration of all accounts, and of the notional that they hold on either side."""
        masks = {ALL: np.ones(len(self.book), dtype=np.bool_)}
        masks |= {name: self.book.side == side for name, side in SIDES.items()}
        leverage, found = self._leverage(self.account), []
        for name, mask in masks.items():
            ids = np.unique(self.account[mask])
            size: Floats = np.sort(np.bincount(self.account[mask], self.notional[mask])[ids])
            total = float(size.sum())
            found.append(
                Concentration(
                    side=name,
                    accounts=len(ids),
                    top_ten_frac=float(size[-10:].sum()) / total,
                    gini_frac=gini(size),
                    leverage_p50=float(np.quantile(leverage[ids], 0.5)),
                    leverage_p95=float(np.quantile(leverage[ids], 0.95)),
                    cross_frac=float(self.notional[mask & self.crossed].sum()) / total,
                )
            )
        return found

    def _leverage(self, unit: Ints) -> Floats:
        """Return notional over equity of units of positions."""
        equity = np.bincount(unit, self.book.collateral + self.sign * (self.value - self.book.entry_value))
        with np.errstate(divide="ignore"):
            out: Floats = np.bincount(unit, self.value) / np.maximum(equity, 0)
        return out

    def _in_breach(self, move: float) -> Bools:
        """Return which positions are in breach, with their accounts, once every mark has moved by a share."""
        marks = np.maximum(np.rint(np.asarray(self.mark0) * (1 + move)).astype(np.int64), 1)
        each = [
            item.contract(int(first)).value_per_lot(int(mark))
            for item, first, mark in zip(self.instruments, self.mark0, marks, strict=True)
        ]
        value = self.book.lots * np.array(each, dtype=np.int64)[self.book.symbol]
        equity = self.book.collateral + self.sign * (value - self.book.entry_value)
        need = maintenance_of(self.book.symbol, value, self.book.entry_value, self.tiers)
        left, required = np.bincount(self.unit, equity), np.bincount(self.unit, need)
        gone: Bools = (left <= required) if self.inclusive else (left < required)
        return gone[self.unit]

    def _group(self, side: str, coin: str, cohort: str, mine: Bools) -> list[Group]:
        """Return the group of some positions, or nothing for none."""
        if not mine.any():
            return []
        notional, entry = self.notional[mine], self.book.entry_value[mine] / QUANTA_PER_USD
        inverse = value_signs(self.instruments)[self.book.symbol[mine]] < 0
        gap = np.where(inverse, notional / entry, entry / notional) - 1
        low, middle, high = weighted_quantiles(self.leverage[mine], notional, (0.1, 0.5, 0.9))
        return [
            Group(
                side=side, coin=coin, cohort=cohort, positions=int(mine.sum()), notional_usd=float(notional.sum()),
                side_frac=float(notional.sum() / self.notional[self.book.side == SIDES[side]].sum()),
                leverage_p10=low, leverage_p50=middle, leverage_p90=high, size_p50_usd=float(np.median(notional)),
                entry_gap_frac=float(np.average(gap, weights=notional)),
            )
        ]  # fmt: skip


def gini(sizes: Floats) -> float:
    """Return the Gini coefficient of sizes in rising order.

    Examples
    --------
    >>> gini(np.array([1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    count = len(sizes)
    return float(((2 * np.arange(1, count + 1) - count - 1) * sizes).sum() / (count * sizes.sum()))


def weighted_quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """Return the least value up to which each share of the weights lies.

    Examples
    --------
    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), (0.5, 0.75, 1.0))
    [1.0, 2.0, 3.0]
    """
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    places = np.searchsorted(sums, np.array(shares) * sums[-1] * (1 - 1e-12))
    return [float(each) for each in values[order][np.minimum(places, len(values) - 1)]]
