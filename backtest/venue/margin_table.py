"""Dated margin tables of a profile: read, checked, and turned into the engine's schedules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from backtest.errors import ConfigError
from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, half_even, rate_e9
from backtest.mechanics.margin import Tiers, deductions
from backtest.mechanics.margin_stepped import risk_limits
from backtest.scenario.fields import MOST
from backtest.toml import MARKS, Reader, decimal_of, positive, shown

RATES = ("maintenance", "initial", "rate_step")
MOST_STEPS = 1000  # of a risk limit rule
UNITS = ("usd", "coin")


@dataclass(frozen=True, slots=True)
class MarginTable:
    """A dated table of one coin (``*``: any coin without its own): (floor, rate in 1e-9, max leverage).

    ``kind`` is a name in ``SCHEDULES``: whether rates are marginal or each applies to the whole position. ``unit``
    is that of the floors: usd, or coin for an inverse contract.
    """

    coin: str
    valid_from: dt.date
    tiers: tuple[tuple[int, int, float], ...]
    source: str
    mark: str
    note: str
    kind: str = "tiered"
    unit: str = "usd"

    def schedule(self, coin_px: Fraction = Fraction(1)) -> tuple[Tiers, tuple[float, ...]]:
        """Return maintenance tiers in quanta and the largest leverage of each tier.

        Marginal rates have deductions by the recurrence. A risk limit includes its end; above it is the next. Floors
        in coins are counted at ``coin_px``, the first mark of a run, half to even.

        Examples
        --------
        COIN-M's own example: from 50 BTC on 5 % less 1.81 BTC; a coin at 1 USD has 1e6 quanta.

        >>> from backtest.venue.profile import get_venue
        >>> tiers, _ = get_venue("binancecoinm").table("BTC", dt.date(2020, 10, 10))[0].schedule()
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
        return Tiers.of(rows), tuple(limit for _, _, limit in self.tiers)


def read_table(row: Reader, kind: str) -> MarginTable:
    """Read one table of a schedule; rates and floors rise, and no tier liquidates at its own largest leverage."""
    unit = row.choice("unit", UNITS, "usd")
    tiers = _limits(row, unit) if kind == "risk_limits" and "tiers" not in row.table else _tiers(row, unit)
    check_tiers(tiers, row.where)
    table = MarginTable(
        row.get("coin", str), row.get("valid_from", dt.date), tuple(tiers), row.get("source", str),
        row.choice("mark", tuple(MARKS)), row.get("note", str, ""), kind, unit,
    )  # fmt: skip
    row.done()
    return table


def check_tiers(tiers: Sequence[tuple[int | Decimal, int, float]], where: str) -> None:
    """Refuse tiers that do not rise or that liquidate at their own largest leverage."""
    rising = all(a[0] < b[0] and a[1] < b[1] and a[2] >= b[2] for a, b in pairwise(tiers))
    if not tiers or tiers[0][0] != 0 or tiers[-1][0] > MOST or not rising:
        raise ConfigError(f"{where}: tiers must start at 0, with floors and rates rising and leverage not rising")
    # a tier whose largest leverage leaves less than maintenance margin would liquidate at the opening
    if not all(0 < rate < RATE_ONE and limit > 0 and rate * limit <= RATE_ONE for _, rate, limit in tiers):
        raise ConfigError(f"{where}: a tier's rate is between 0 and 1, its leverage above 0 and at most 1 / rate")


def _tiers(row: Reader, unit: str) -> list[tuple[int, int, float]]:
    tiers = []
    for tier in row.get("tiers", list):
        kinds = [type(value) for value in tier] if isinstance(tier, list) else []
        if kinds not in ([int, str, int], [int, str, float]):
            kind = f"[floor in whole {'USD' if unit == 'usd' else 'coins'}, 'rate', largest leverage]"
            raise ConfigError(f"{row.where}: tier {shown(tier)}; write {kind}")
        tiers.append((tier[0], rate_e9(decimal_of(tier[1], row.where)), float(tier[2])))
    return tiers


def _limits(row: Reader, unit: str) -> list[tuple[int, int, float]]:
    """Return the tiers of a risk limit rule: limit and step, maintenance and initial rate, their step."""
    base, step, steps = positive(row, f"base_{unit}"), positive(row, f"step_{unit}"), positive(row, "steps")
    if steps > MOST_STEPS:
        raise ConfigError(f"{row.where}: steps = {steps}; allowed: 1 to {MOST_STEPS}")
    rate, initial, more = (rate_e9(decimal_of(row.get(key, str), row.where)) for key in RATES)
    if min(rate, initial, more) <= 0:
        raise ConfigError(f"{row.where}: {', '.join(RATES)} must be above zero")
    rows = risk_limits(base, step, rate, more, steps)
    return [(floor, own, float(RATE_ONE // (initial + k * more) or 1)) for k, (floor, own) in enumerate(rows)]
