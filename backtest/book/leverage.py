"""Leverage of accounts: one draw each, from a mixture filled by notional, and delta-neutral shorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from backtest.book.distributions import GOLDEN, Mixture, bucket_name, fill_buckets, leverages, lowest
from backtest.book.watch import WATCH_COHORT
from backtest.errors import ConfigError
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.scenario.fields import Scenario
from backtest.scenario.param import Mix

DELTA_NEUTRAL = "delta_neutral"  # cohort of shorts whose long leg is elsewhere
DELTA_NEUTRAL_LEVERAGE = (0.05, 1.0)  # they carry collateral of about their notional or more
NEUTRAL = -1  # in place of a row of the mixture


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Row of the mixture (``NEUTRAL`` for delta-neutral shorts) and leverage of each account, with notes."""

    bucket: Ints
    leverage: Floats
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mixes:
    """Mixtures of leverage, coin by coin, and the names of their cohorts."""

    longs: tuple[Mixture, ...]
    shorts: tuple[Mixture, ...]
    cohorts: tuple[str, ...]

    @classmethod
    def of(cls, scenario: Scenario, coins: Sequence[str]) -> Self:
        """Return those of a scenario; a side without rows for a coin has those of both sides."""
        longs, shorts = (
            tuple(_mixture(scenario, of_side or {}, coin) for coin in coins)
            for of_side in (scenario.long_leverage_mix, scenario.short_leverage_mix)
        )
        lines = [bucket_name(line) for pair in zip(longs, shorts, strict=True) for mix in pair for line in mix]
        neutral = [DELTA_NEUTRAL] if scenario.delta_neutral_frac else []
        watch = [WATCH_COHORT] if scenario.watch else []
        return cls(longs, shorts, tuple(dict.fromkeys([*lines, *neutral, *watch])))

    def of_side(self, side: int) -> tuple[Mixture, ...]:
        """Return the mixtures of longs or shorts."""
        return self.longs if side > 0 else self.shorts

    def codes(self, mix: Mixture, bucket: Ints) -> Ints:
        """Return places in ``cohorts`` of rows of a mixture, and of ``NEUTRAL``."""
        neutral = self.cohorts.index(DELTA_NEUTRAL) if DELTA_NEUTRAL in self.cohorts else 0
        return np.array([*(self.cohorts.index(bucket_name(line)) for line in mix), neutral], dtype=np.int64)[bucket]


def _mixture(scenario: Scenario, of_side: Mix, coin: str) -> Mixture:
    for table in (of_side, scenario.leverage_mix):
        if found := table.get(coin, table.get("default")):
            return found
    raise ConfigError(f"leverage_mix has no rows for {coin}; give leverage_mix.{coin} or leverage_mix.default")


def draw_leverage(
    where: str,
    notional: Ints,
    limits: Floats,
    factor: Floats | float,
    mix: Mixture,
    rng: np.random.Generator,
    *,
    by_size: np.random.Generator | None = None,
    neutral_frac: float = 0.0,
    eligible: Bools | None = None,
) -> Drawn:
    """Draw the leverage of accounts, each notional over equity at the first mark.

    Parameters
    ----------
    where
        Name of these accounts in notes.
    notional
        Of each account, in any unit that they share.
    limits
        Highest leverage that each may have.
    factor
        Each one's leverage is the draw times this, see ``leverage_exponent``; delta-neutral shorts have the draw.
    by_size
        Generator of the place where the largest account begins, if accounts of all sizes shall be spread evenly over
        the mixture; else their order is random, and the seed decides whether the largest have much or little leverage.
    neutral_frac
        Share of notional of delta-neutral shorts, taken before the mixture from the ``eligible``.
    """
    count = len(notional)
    factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), count)
    walk = _spread_by_size(notional, by_size.random()) if by_size else rng.permutation(count)
    bucket, leverage = np.empty(count, dtype=np.int64), np.empty(count)
    rest, notes = walk, []
    if neutral_frac:
        may = walk if eligible is None else walk[eligible[walk]]
        total = int(notional.sum())
        middles = np.cumsum(notional[may]) - notional[may] / 2
        neutral = may[: np.searchsorted(middles, neutral_frac * total)]
        bucket[neutral] = NEUTRAL
        line = (*DELTA_NEUTRAL_LEVERAGE, 1.0)
        leverage[neutral] = leverages(
            notional[neutral], limits[neutral], np.zeros(len(neutral), dtype=np.int64), (line,), rng
        )
        taken = np.zeros(count, dtype=np.bool_)
        taken[neutral] = True
        rest = walk[~taken[walk]]
        held = int(notional[neutral].sum())
        if total and abs(held - neutral_frac * total) > int(notional.max()):
            notes.append(
                f"{where}: {DELTA_NEUTRAL} holds {held / total:.3f} of notional, not {neutral_frac:.3f}; hedged "
                "accounts are none"
            )
    base = limits[rest] / factors[rest]
    bucket[rest] = fill_buckets(notional[rest], base, mix)
    leverage[rest] = leverages(notional[rest], base, bucket[rest], mix, rng) * factors[rest]
    notes += _misses(where, notional[rest], base, bucket[rest], mix)
    return Drawn(bucket, leverage, tuple(notes))


def _spread_by_size(notional: Ints, start: float) -> Ints:
    """Return an order in which accounts of every size are spread evenly: ranks by steps of the golden section."""
    place = (start + np.arange(len(notional)) * GOLDEN) % 1.0
    falling: Ints = np.argsort(-notional, kind="stable")
    return falling[np.argsort(place, kind="stable")]


def _misses(where: str, notional: Ints, limits: Floats, bucket: Ints, mix: Mixture) -> list[str]:
    """Return notes where limits kept accounts from the shares of the mixture or from their bucket."""
    if not len(notional):
        return []
    total, largest = int(notional.sum()), int(notional.max())
    why = "tier limits and the path since entry allow no more"
    notes = []
    for k, line in enumerate(mix):
        rows = bucket == k
        have, low = int(notional[rows].sum()), int((limits[rows] < lowest(line)).sum())
        if abs(have - line[2] * total) > largest:
            notes.append(f"{where}: {bucket_name(line)} holds {have / total:.3f} of notional, not {line[2]:.3f}; {why}")
        if low:
            notes.append(f"{where}: positions of {bucket_name(line)} with less leverage than that: {low:,}; {why}")
    return notes
