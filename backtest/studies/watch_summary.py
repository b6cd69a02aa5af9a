"""What a question over draws is answered with: how often, when, how much, by position and leverage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.run.stored import Band
from backtest.studies.watch_outcome import WatchOutcome

QUANTILES = (0.05, 0.5, 0.95)
Z = 1.6448536269514722  # of 90 %, two-sided
BANDS = (
    "first_liquidation_s", "first_adl_s", "adl_frac", "liquidated_frac", "ahead_usd", "taken_usd", "close_px",
    "mark_px", "trade_px", "against_mark_usd", "against_trade_usd", "against_holding_usd", "unhedged_s", "unhedged_usd",
    "unhedged_pnl_usd",
)  # fmt: skip
WHERE_CLOSED = ("adl_frac", "liquidated_frac")  # shares count where there is one


@dataclass(frozen=True, slots=True)
class Chance:
    """How often something happened in so many draws, and the bounds of its probability (Wilson, 90 %).

    Examples
    --------
    >>> one = Chance.of(3, 16)
    >>> round(one.frac, 4), round(one.low, 3), round(one.high, 3)
    (0.1875, 0.078, 0.388)
    """

    count: int
    draws: int
    low: float
    high: float

    @classmethod
    def of(cls, count: int, draws: int) -> Chance:
        """Return the chance with its bounds."""
        share, slack = count / draws, Z * Z / draws
        middle = (share + slack / 2) / (1 + slack)
        half = Z / (1 + slack) * math.sqrt(share * (1 - share) / draws + slack / (4 * draws))
        return cls(count, draws, max(middle - half, 0.0), min(middle + half, 1.0))

    @property
    def frac(self) -> float:
        """Return the share of the draws."""
        return self.count / self.draws


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSummary:
    """A position at one leverage over all draws; ``bands`` over those draws in which there is the figure."""

    position: str
    leverage: float
    own: bool
    draws: int
    liquidated: Chance
    adl: Chance
    bands: dict[str, Band | None]

    def plain(self) -> dict[str, Any]:
        """Return a flat row: chances with their bounds, bands as three columns."""
        row: dict[str, Any] = {
            "position": self.position, "leverage": self.leverage, "own": self.own, "draws": self.draws,
        }  # fmt: skip
        for name, chance in (("liquidated", self.liquidated), ("adl", self.adl)):
            row |= {
                f"{name}_draws": chance.count, f"p_{name}": chance.frac, f"p_{name}_low": chance.low,
                f"p_{name}_high": chance.high,
            }  # fmt: skip
        for name, band in self.bands.items():
            for end in ("low", "median", "high"):
                row[f"{name}_{end}"] = None if band is None else getattr(band, end)
        return row


def summaries(outcomes: Iterable[WatchOutcome]) -> list[WatchSummary]:
    """Return a row for each position and leverage, my own leverage of a position first."""
    groups: dict[tuple[str, bool, float], list[WatchOutcome]] = {}
    names: dict[str, int] = {}
    for row in outcomes:
        names.setdefault(row.position, len(names))
        groups.setdefault((row.position, not row.own, row.leverage), []).append(row)
    order = sorted(groups, key=lambda key: (names[key[0]], key[1], key[2]))
    return [_summary(groups[key]) for key in order]


def _summary(rows: Sequence[WatchOutcome]) -> WatchSummary:
    first, count = rows[0], len(rows)
    return WatchSummary(
        position=first.position,
        leverage=first.leverage,
        own=first.own,
        draws=count,
        liquidated=Chance.of(sum(row.liquidated_frac > 0 for row in rows), count),
        adl=Chance.of(sum(row.adl_frac > 0 for row in rows), count),
        bands={name: _band([getattr(row, name) for row in rows if _has(row, name)]) for name in BANDS},
    )


def _has(row: WatchOutcome, name: str) -> bool:
    value = getattr(row, name)
    return value is not None and (name not in WHERE_CLOSED or value > 0)


def _band(values: Sequence[float]) -> Band | None:
    if not values:
        return None
    low, median, high = (round(float(value), 6) for value in np.quantile(values, QUANTILES))
    return Band(low=low, median=median, high=high)
