"""Dated margin tables of a venue: tiers as written, or by a risk limit rule."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from backtest.errors import ConfigError
from backtest.mechanics.exact import RATE_ONE, quanta, rate_e9
from backtest.mechanics.margin import Tiers, deductions
from backtest.mechanics.stepped import risk_limits
from backtest.params import MOST
from backtest.tomlio import Reader, shown

MARKS = {"V": "primary source", "S": "secondary source", "D": "derived", "U": "not verified"}
RATES = ("maintenance", "initial", "rate_step")
MOST_STEPS = 1000  # of a risk limit rule


@dataclass(frozen=True, slots=True)
class MarginTable:
    """A dated table of one coin (``*``: any coin without its own): (floor in USD, rate in 1e-9, max leverage).

    ``kind`` is a name in ``SCHEDULES``: whether rates are marginal or each applies to the whole position.
    """

    coin: str
    valid_from: dt.date
    tiers: tuple[tuple[int, int, float], ...]
    source: str
    mark: str
    note: str
    kind: str = "tiered"

    def schedule(self) -> tuple[Tiers, tuple[float, ...]]:
        """Return maintenance tiers in quanta and the largest leverage of each tier.

        Marginal rates have deductions by the recurrence. A risk limit includes its end; above it is the next.
        """
        floors = [quanta(floor) for floor, _, _ in self.tiers]
        rates = [rate for _, rate, _ in self.tiers]
        less = deductions(floors, rates)
        if self.kind == "risk_limits":
            floors, less = [floor + (floor > 0) for floor in floors], [0] * len(rates)
        rows = list(zip(floors, rates, less, strict=True))
        return Tiers.of(rows), tuple(limit for _, _, limit in self.tiers)


def read_table(row: Reader, kind: str) -> MarginTable:
    """Read one dated table of a schedule."""
    tiers = _limits(row) if kind == "risk_limits" and "tiers" not in row.table else _tiers(row)
    rising = all(a[0] < b[0] and a[1] < b[1] and a[2] >= b[2] for a, b in pairwise(tiers))
    if not tiers or tiers[0][0] != 0 or tiers[-1][0] > MOST or not rising:
        raise ConfigError(f"{row.where}: tiers must start at 0, with floors and rates rising and leverage not rising")
    # a tier whose largest leverage leaves less than maintenance margin would liquidate at the opening
    if not all(0 < rate < RATE_ONE and limit > 0 and rate * limit <= RATE_ONE for _, rate, limit in tiers):
        raise ConfigError(f"{row.where}: a tier's rate is between 0 and 1, its leverage above 0 and at most 1 / rate")
    table = MarginTable(
        row.get("coin", str), row.get("valid_from", dt.date), tuple(tiers), row.get("source", str),
        row.choice("mark", tuple(MARKS)), row.get("note", str, ""), kind,
    )  # fmt: skip
    row.done()
    return table


def _tiers(row: Reader) -> list[tuple[int, int, float]]:
    tiers = []
    for tier in row.get("tiers", list):
        kinds = [type(value) for value in tier] if isinstance(tier, list) else []
        if kinds not in ([int, str, int], [int, str, float]):
            raise ConfigError(f"{row.where}: tier {shown(tier)}; write [floor in whole USD, 'rate', largest leverage]")
        tiers.append((tier[0], rate_e9(decimal_of(tier[1], row.where)), float(tier[2])))
    return tiers


def _limits(row: Reader) -> list[tuple[int, int, float]]:
    """Return the tiers of a risk limit rule: limit and step in USD, maintenance and initial rate, their step."""
    base, step, steps = positive(row, "base_usd"), positive(row, "step_usd"), positive(row, "steps")
    if steps > MOST_STEPS:
        raise ConfigError(f"{row.where}: steps = {steps}; allowed: 1 to {MOST_STEPS}")
    rate, initial, more = (rate_e9(decimal_of(row.get(key, str), row.where)) for key in RATES)
    if min(rate, initial, more) <= 0:
        raise ConfigError(f"{row.where}: {', '.join(RATES)} must be above zero")
    rows = risk_limits(base, step, rate, more, steps)
    return [(floor, own, float(RATE_ONE // (initial + k * more) or 1)) for k, (floor, own) in enumerate(rows)]


def decimal_of(text: str, where: str) -> Decimal:
    """Return a decimal written as text."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ConfigError(f"{where}: {shown(text)} is not a number; write it as a decimal in quotes")
    return number


def positive(section: Reader, key: str) -> int:
    """Return a whole number above zero."""
    number = section.get(key, int)
    if number <= 0:
        raise ConfigError(f"{section.where}: {key} = {number}; it must be above zero")
    return number
