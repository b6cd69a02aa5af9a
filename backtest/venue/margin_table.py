"""Dated margin tables of a venue: read, checked, and turned into the engine's schedules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, half_even, rate_e9
from backtest.mechanics.margin import Tiers, deductions
from backtest.mechanics.margin_stepped import risk_limits
from backtest.scenario.fields import MOST
from backtest.toml import Cited, Mark

MOST_STEPS = 1000  # of a risk limit rule
TIER = "[floor in whole USD or coins, 'rate', largest leverage]"
Positive = Annotated[int, Meta(gt=0)]


class Tier(NamedTuple):
    """A tier as a venue states it, from a floor in whole units on: rate in 1e-9, largest leverage."""

    floor: int
    rate_e9: int
    leverage: float


class MarginSchedule(NamedTuple):
    """A margin table as the engine takes it: maintenance tiers in quanta, and the largest leverage of each tier."""

    tiers: Tiers
    leverage_limits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MarginTable:
    """A dated table of one coin (``*``: any coin without its own): (floor, rate in 1e-9, max leverage).

    ``kind`` is a name in ``SCHEDULES``: whether rates are marginal or each applies to the whole position. ``unit``
    of the floors: usd, or coin for an inverse contract. ``on_entry``: a position's notional is its entry value.
    """

    coin: str
    valid_from: dt.date
    tiers: tuple[Tier, ...]
    source: str
    mark: Mark
    note: str
    kind: str = "tiered"
    unit: Literal["usd", "coin"] = "usd"
    on_entry: bool = False

    def schedule(self, coin_px: Fraction = Fraction(1)) -> MarginSchedule:
        """Return maintenance tiers in quanta and the largest leverage of each tier.

        Marginal rates have deductions by the recurrence. A risk limit includes its end; above it is the next. Floors
        in coins are counted at ``coin_px``, the first mark of a run, half to even.

        Examples
        --------
        COIN-M's own example: from 50 BTC on 5 % less 1.81 BTC; a coin at 1 USD has 1e6 quanta.

        >>> from backtest.venue.reading import get_venue
        >>> tiers = get_venue("binancecoinm").table("BTC", dt.date(2020, 10, 10))[0].schedule().tiers
        >>> tiers.floors[4], tiers.deductions[4]
        (np.int64(50000000), np.int64(1810000))
        """
        each = (coin_px if self.unit == "coin" else 1) * Fraction(QUANTA_PER_USD)
        floors = [half_even(floor * each.numerator, each.denominator) for floor, _, _ in self.tiers]
        rates = [rate for _, rate, _ in self.tiers]
        less = deductions(floors, rates)
        if self.kind == "risk_limits":
            floors, less = [floor + (floor > 0) for floor in floors], [0] * len(rates)
        rows = list(zip(floors, rates, less, strict=True))
        return MarginSchedule(Tiers.of(rows, on_entry=self.on_entry), tuple(limit for _, _, limit in self.tiers))


class TierTable(Cited, frozen=True, kw_only=True):
    """A ``[[margin.table]]`` of a venue file: tiers, or a risk limit rule by base, step and their number."""

    coin: str
    valid_from: dt.date
    unit: Literal["usd", "coin"] = "usd"
    tiers: tuple[Annotated[tuple[int, Decimal, float], Meta(description=TIER)], ...] | None = None
    base_usd: Positive | None = None
    base_coin: Positive | None = None
    step_usd: Positive | None = None
    step_coin: Positive | None = None
    steps: Annotated[int, Meta(ge=1, le=MOST_STEPS)] | None = None
    maintenance: Decimal | None = None
    initial: Decimal | None = None
    rate_step: Decimal | None = None

    def __post_init__(self) -> None:
        unit = self.unit
        rule = (f"base_{unit}", f"step_{unit}", "steps", "maintenance", "initial", "rate_step")
        absent = [key for key in rule if getattr(self, key) is None]
        if self.tiers is None and absent:
            raise ValueError(f"key '{absent[0]}' is missing; give tiers, or {', '.join(rule)}")
        if self.tiers is not None and len(absent) < len(rule):
            raise ValueError("tiers and a risk limit rule are both given; keep one")
        stated = (self.maintenance, self.initial, self.rate_step)
        rates = stated if self.tiers is None else [rate for _, rate, _ in self.tiers]
        for rate in rates:
            if rate is None or not rate.is_finite() or not 0 < rate < 1:
                raise ValueError(f"rate {rate} is not between 0 and 1; write it as a decimal in quotes")
        if wrong := wrong_tiers(self._tiers()):
            raise ValueError(wrong)

    def _tiers(self) -> list[Tier]:
        if self.tiers is not None:
            return [Tier(floor, rate_e9(rate), limit) for floor, rate, limit in self.tiers]
        base, step = getattr(self, f"base_{self.unit}"), getattr(self, f"step_{self.unit}")
        rate, initial, more = (rate_e9(getattr(self, name)) for name in ("maintenance", "initial", "rate_step"))
        rows = risk_limits(base, step, rate, more, self.steps or 0)
        return [Tier(floor, own, float(RATE_ONE // (initial + k * more) or 1)) for k, (floor, own) in enumerate(rows)]

    def table(self, kind: str) -> MarginTable:
        """Return the table of a margin schedule."""
        return MarginTable(
            coin=self.coin,
            valid_from=self.valid_from,
            tiers=tuple(self._tiers()),
            source=self.source,
            mark=self.mark,
            note=self.note,
            kind=kind,
            unit=self.unit,
        )


def wrong_tiers(tiers: Sequence[tuple[int | Decimal, int, float]]) -> str:
    """Return the fault of tiers, empty if none: they rise, and no tier liquidates at its own largest leverage.

    Examples
    --------
    >>> wrong_tiers([(0, 5_000_000, 100.0), (2_000_000, 10_000_000, 50.0)])
    ''
    >>> wrong_tiers([(0, 5_000_000, 300.0)])
    "a tier's rate is between 0 and 1, its leverage above 0 and at most 1 / rate"
    """
    rising = all(a[0] < b[0] and a[1] < b[1] and a[2] >= b[2] for a, b in pairwise(tiers))
    if not tiers or tiers[0][0] != 0 or tiers[-1][0] > MOST or not rising:
        return "tiers must start at 0, with floors and rates rising and leverage not rising"
    # a tier whose largest leverage leaves less than maintenance margin would liquidate at the opening
    if not all(0 < rate < RATE_ONE and limit > 0 and rate * limit <= RATE_ONE for _, rate, limit in tiers):
        return "a tier's rate is between 0 and 1, its leverage above 0 and at most 1 / rate"
    return ""
