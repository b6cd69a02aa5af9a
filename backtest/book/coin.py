"""One coin as the draws of a book need it: value and least equity of a position, entry prices, moves of entries."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.contract import Contract
from backtest.mechanics.exact import RATE_ONE, Floats, Ints, mul_rate_up
from backtest.mechanics.margin import Tiers, maintenance, tier_of
from backtest.mechanics.margin_stepped import steps_up
from backtest.venue.instrument import Instrument

Profile = tuple[Ints, Floats]  # prices in ticks, volume traded there

REFERENCE_LEVERAGE = 20.0  # highest leverage of a coin whose drawn leverage no exponent changes, where BTC has 40


@dataclass(frozen=True, slots=True, eq=False)
class CoinTerms:
    """What the draws of one coin need."""

    instrument: Instrument
    mark0: int
    contract: Contract
    tiers: Tiers
    limits: tuple[float, ...]
    inclusive: bool
    profile: Profile | None
    low: Ints
    high: Ints
    relative_leverage: float | None = None  # None: the highest of the tiers over the reference

    def value(self, lots: Ints) -> Ints:
        """Return notional at the first mark, in quanta."""
        return lots * self.contract.value_per_lot(self.mark0)

    def leverage_factor(self, exponent: float) -> float:
        """Return what drawn leverage is multiplied by: the coin's highest, relative, to the exponent."""
        own = max(self.limits) / REFERENCE_LEVERAGE if self.relative_leverage is None else self.relative_leverage
        return float(own**exponent)

    def entry_values(self, lots: Ints, ticks: Ints) -> Ints:
        """Return entry values in quanta of positions entered at prices in ticks."""
        return lots * self.contract.values_per_lot(ticks * self.instrument.mark_per_tick)

    def initial_rate_e9(self, lots: Ints) -> Ints:
        """Return initial margin over notional at the highest leverage of each position's tier, in 1e-9."""
        rates = np.array([math.ceil(RATE_ONE / limit) for limit in self.limits], dtype=np.int64)
        return rates[tier_of(self.value(lots), self.tiers)]

    def least_equity(self, lots: Ints, side: int, extremes: Ints, entry_value: Ints) -> Ints:
        """Return the least equity at the first mark: initial margin, and no breach at the worst mark since entry."""
        worst, sign = lots * self.contract.values_per_lot(extremes), side * self.contract.value_sign
        # an entry value that moves towards the first mark ends at most where that is
        most = np.maximum(entry_value, self.value(lots)) + 1
        required = maintenance(self.tiers.notional(worst, most), self.tiers)
        survival = required + int(self.inclusive) - sign * (worst - self.value(lots))
        if sign > 0 and steps_up(self.tiers):  # where a tier above the worst mark begins, a long needs more than there
            for floor, rate in zip(self.tiers.floors.tolist(), self.tiers.rates_e9.tolist(), strict=True):
                passed = (worst < floor) & (floor <= self.value(lots))
                need = -(-floor * rate // RATE_ONE) + int(self.inclusive) - (floor - self.value(lots))
                survival = np.where(passed, np.maximum(survival, need), survival)
        return np.maximum(mul_rate_up(self.value(lots), self.initial_rate_e9(lots)), survival)

    def entries(self, side: int, count: int, spread: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw entry prices in ticks, and the worst mark since each entry for this side."""
        if self.profile is None:
            ticks = self.mark0 / self.instrument.mark_per_tick * np.exp(spread * rng.standard_normal(count))
            return np.maximum(np.rint(ticks), 1.0).astype(np.int64), np.full(count, self.mark0)
        prices, volumes = self.profile
        sums = np.cumsum(volumes)
        bar = np.minimum(np.searchsorted(sums, rng.random(count) * sums[-1], side="right"), len(sums) - 1)
        worst = np.minimum(self.low, self.mark0) if side > 0 else np.maximum(self.high, self.mark0)
        return prices[bar], np.broadcast_to(worst, prices.shape)[bar]

    def within_margin(self, side: int, lots: Ints, entry_value: Ints, equity: Ints) -> Ints:
        """Move entry values towards the first mark until collateral posted is initial margin, and above zero.

        Collateral is equity + sign x (entry value - value), initial margin is rate x entry value: the bound solves for
        the entry value. The sign is that of the position's value: its side, of an inverse contract the other.
        """
        value, rate = self.value(lots), self.initial_rate_e9(lots) / RATE_ONE
        if side * self.contract.value_sign > 0:
            least = np.ceil(np.maximum(value - equity, 0) / np.maximum(1 - rate, 1e-9)).astype(np.int64)
            higher: Ints = np.maximum(entry_value, np.maximum(least, value - equity + 1))
            return higher
        most = np.floor((value + equity) / (1 + rate)).astype(np.int64)
        lower: Ints = np.minimum(entry_value, np.minimum(most, value + equity - 1))
        return lower
