"""One side of one coin while a book is drawn: positions alone first, then those of cross accounts."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from backtest.book.coin import CoinTerms
from backtest.book.distributions import apportion, sizes
from backtest.errors import RangeError
from backtest.mechanics.exact import LIMIT, Floats, Ints
from backtest.scenario.fields import Scenario

SIDES = (1, -1)
LEVERAGE = 4  # last key of the generators that spread leverage over sizes
MANY = 100_000  # positions from which on every account of a book with cross accounts stands for itself


def account_sizes(scenario: Scenario, count: int, rng: np.random.Generator, *, crossed: bool) -> Floats:
    """Draw relative sizes of accounts, rising; those of a small book with cross accounts stand for those of a large."""
    merged = max(1.0, MANY / scenario.positions) if crossed else 1.0
    return sizes(count, scenario.size_sigma, scenario.size_alpha, scenario.size_tail_frac, rng, merged)


def stream_of(*keys: int) -> np.random.Generator:
    """Return the generator of one part of a draw."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(keys)))


class Side:
    """Positions of one side of a coin while they are drawn.

    Attributes
    ----------
    total, crossed
        Lots of the side, and those of them in cross accounts.
    account, lots, entered, worst, cohort
        Account id, size, entry value of one lot in quanta, worst mark since entry, and cohort of each position.
    leverage
        Of positions alone; a cross account has one for all its positions.
    notes
        What a reader must know about them.
    """

    def __init__(self, symbol: int, coin: CoinTerms, side: int, total: int, crossed: int) -> None:
        self.symbol, self.coin, self.side, self.total, self.crossed = symbol, coin, side, total, crossed
        self.name = coin.instrument.coin
        self.where = f"{self.name} {'long' if side > 0 else 'short'}"
        self.key = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        self.account, self.lots, self.entered, self.worst, self.cohort = (np.empty(0, dtype=np.int64),) * 5
        self.leverage: Floats = np.empty(0)
        self.notes: list[str] = []

    def share_out(self, scenario: Scenario, weights: Floats, lots: int) -> Ints:
        """Share out lots by weights, none above ``size_cap_frac`` of the side unless they are too few for that."""
        cap_frac, count = scenario.size_cap_frac, len(weights)
        cap = max(math.floor(cap_frac * self.total), -(-lots // count))
        if cap > cap_frac * self.total:
            least_cap = f"the least that {count} can hold, {cap / self.total:.3g}"
            self.notes.append(f"{self.where}: the largest share is not size_cap_frac {cap_frac:g} but {least_cap}")
        return apportion(weights, lots, 1, cap)

    def add(self, scenario: Scenario, lots: Ints, account: Ints, rng: np.random.Generator) -> None:
        """Add positions of these sizes and accounts, with entries drawn."""
        coin, item = self.coin, self.coin.instrument
        entries, worst = coin.entries(self.side, len(lots), scenario.entry_spread_frac, rng)
        ends = [int(end) * item.mark_per_tick for end in (entries.min(), entries.max())]
        marks = [*ends, int(worst.min()), int(worst.max()), coin.mark0]
        if self.total * max(map(coin.contract.value_per_lot, marks)) >= LIMIT:
            fix = "lower open_interest_usd or entry_spread_frac"
            at = "lowest" if item.inverse else "highest"
            raise RangeError(f"{self.where}: open interest at the {at} entry is too large for 64-bit integers; {fix}")
        entered = coin.contract.values_per_lot(entries * item.mark_per_tick)
        self.account = np.concatenate([self.account, account])
        self.lots = np.concatenate([self.lots, lots])
        self.entered = np.concatenate([self.entered, entered])
        self.worst = np.concatenate([self.worst, worst])

    def of_cross(self, values: Ints) -> Ints:
        """Return the values, one a position, of those in cross accounts."""
        return values[len(self.leverage) :]

    def value(self) -> Ints:
        """Return notional at the first mark, in quanta."""
        return self.coin.value(self.lots)

    def least(self) -> Ints:
        """Return the least equity of each position at the first mark, in quanta."""
        return self.coin.least_equity(self.lots, self.side, self.worst, self.lots * self.entered)

    def equity(self) -> Ints:
        """Return the equity of each position: by its leverage where it is alone, else the least."""
        equity, alone = self.least(), len(self.leverage)
        own = np.ceil(self.value()[:alone] / self.leverage).astype(np.int64)
        equity[:alone] = np.maximum(equity[:alone], own)
        return equity

    def columns(self, equity: Ints) -> dict[str, Ints]:
        """Return the rows of the book, entries moved so that collateral is initial margin at least."""
        sign, count = self.side * self.coin.contract.value_sign, len(self.lots)
        entry_value = self.coin.within_margin(self.side, self.lots, self.lots * self.entered, equity)
        return {
            "account_id": self.account,
            "symbol": np.full(count, self.symbol),
            "side": np.full(count, self.side),
            "lots": self.lots,
            "entry_value": entry_value,
            "collateral": equity + sign * (entry_value - self.value()),
            "cohort": self.cohort,
            "cross": (np.arange(count) >= len(self.leverage)).astype(np.int64),
        }
