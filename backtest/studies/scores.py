"""How close the draws of a run are to published facts: a row a fact, and scores over facts of one kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from backtest.catalogue.facts import Comparison, Fact, Kind, ends, kind_of
from backtest.errors import ConfigError

QUANTILES = (0.05, 0.5, 0.95)
FACTOR = 6.3  # true total over the displayed one, where both are known: what a lower bound may hide
CORE = ("liquidated_notional_usd", "adl_notional_usd")
Values = Mapping[str, Sequence[float | None]]  # by fact, a value a draw; None: the draw has no such figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The scores that ``--strict`` asks for; the only place that states them."""

    median_factor: float = 1.3
    inside_frac: float = 0.9
    median_band_width: float = 4.0
    met_frac: float = 0.75


WANTED = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class FactScore:
    """A published fact and the figure of the draws: 5th percentile, median and 95th; None without a figure.

    ``kind``: scored on both sides, as a lower bound, or shown without a verdict. ``published_low`` and
    ``published_high`` are the same unless the fact is a range; a time counts in seconds from the window's start.
    """

    fact: Fact
    entry: Comparison
    kind: Kind
    draws: int
    low: float | None
    value: float | None
    high: float | None
    published_low: float
    published_high: float

    @property
    def core(self) -> bool:
        """Return whether it is of users' liquidations or ADL of one coin."""
        return self.kind == "two_sided" and self.entry.metric in CORE and len(self.entry.coins) == 1

    @property
    def ratio(self) -> float | None:
        """Return the median over the fact, 1 within a range; None without a ratio of one sign, and for times."""
        if self.value is None or self.fact.at is not None:
            return None
        nearest = min(max(self.value, self.published_low), self.published_high)
        return self.value / nearest if self.value * nearest > 0 else None

    @property
    def off(self) -> float:
        """Return the natural logarithm of the ratio without its sign; infinite without a ratio."""
        return math.inf if self.ratio is None else abs(math.log(self.ratio))

    @property
    def inside(self) -> bool:
        """Return whether the band holds the fact; a lower bound is met if it is reached, and not far exceeded."""
        if self.low is None or self.high is None:
            return False
        if self.kind == "lower":
            return self.high >= self.published_low and self.low <= FACTOR * self.published_low
        return self.low <= self.published_high and self.high >= self.published_low

    @property
    def band_width(self) -> float:
        """Return the 95th percentile over the 5th; infinite where they are not of one sign."""
        if self.low is None or self.high is None or self.low * self.high <= 0:
            return math.inf
        ends = abs(self.low), abs(self.high)
        return max(ends) / min(ends)

    @property
    def bars_off(self) -> float | None:
        """Return how many minute bars a time lies after the published one; None of other facts."""
        return None if self.fact.at is None or self.value is None else (self.value - self.published_low) / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSided:
    """Scores over facts scored on both sides: median of the factor that they are off, share inside, band width."""

    facts: int
    median_factor: float | None
    inside_frac: float | None
    median_band_width: float | None

    @staticmethod
    def of(rows: Sequence[FactScore]) -> TwoSided:
        """Return the scores of some facts.

        Examples
        --------
        >>> TwoSided.of([]).facts
        0
        """
        if not rows:
            return TwoSided(facts=0, median_factor=None, inside_frac=None, median_band_width=None)
        return TwoSided(
            facts=len(rows),
            median_factor=_finite(math.exp(median(row.off for row in rows))),
            inside_frac=sum(row.inside for row in rows) / len(rows),
            median_band_width=_finite(median(row.band_width for row in rows)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerBounds:
    """How many lower bounds are met."""

    facts: int
    met: int
    met_frac: float | None

    @staticmethod
    def of(rows: Sequence[FactScore]) -> LowerBounds:
        """Return the score of some lower bounds."""
        met = sum(row.inside for row in rows)
        return LowerBounds(facts=len(rows), met=met, met_frac=met / len(rows) if rows else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The scores of an event, by kind of fact; ``fitted`` and ``held_out`` are parts of ``two_sided``."""

    two_sided_core: TwoSided
    two_sided: TwoSided
    lower_bounds: LowerBounds
    fitted: TwoSided
    held_out: TwoSided

    def misses(self, wanted: Wanted = WANTED) -> list[str]:
        """Return the scores that fall short of those wanted, a sentence each."""
        core, out = self.two_sided_core, []
        if core.facts:
            factor, width = core.median_factor, core.median_band_width
            if factor is None or factor > wanted.median_factor:
                out.append(f"median factor {_x(factor)} above {_x(wanted.median_factor)}")
            if (core.inside_frac or 0.0) < wanted.inside_frac:
                out.append(f"{core.inside_frac or 0.0:.0%} inside the band, below {wanted.inside_frac:.0%}")
            if width is None or width > wanted.median_band_width:
                out.append(f"median band width {_x(width)} above {_x(wanted.median_band_width)}")
        met = self.lower_bounds.met_frac
        if met is not None and met < wanted.met_frac:
            out.append(f"{met:.0%} of lower bounds met, below {wanted.met_frac:.0%}")
        return out


def _x(factor: float | None) -> str:
    return "x—" if factor is None else f"x{factor:.2f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def fact_scores(
    facts: Iterable[Fact],
    compare: Iterable[Comparison],
    values: Values,
    venue: str = "",
    weights: Sequence[float] | None = None,
) -> list[FactScore]:
    """Return a row for each fact that the draws have figures of, in the order of the event.

    Parameters
    ----------
    facts, compare
        What the event states.
    values
        The figures of the draws by fact.
    venue
        Whose rules run; a fact of another venue is shown and not scored.
    weights
        Of the draws; by default all the same.
    """
    by_id = {fact.id: fact for fact in facts}
    out = []
    for entry in compare:
        fact = by_id.get(entry.fact)
        if fact is None or entry.fact not in values:
            continue
        found = [(value, 1.0 if weights is None else weights[k]) for k, value in enumerate(values[entry.fact])]
        known = [(value, weight) for value, weight in found if value is not None and weight > 0]
        low, middle, high = quantiles(known) if known else (None, None, None)
        published = ends(fact, entry)
        out.append(
            FactScore(
                fact=fact,
                entry=entry,
                kind=kind_of(fact, entry, venue),
                draws=len(known),
                low=low,
                value=middle,
                high=high,
                published_low=min(published),
                published_high=max(published),
            )
        )
    return out


def quantiles(weighted: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return 5th percentile, median and 95th percentile of values with weights, interpolated.

    Examples
    --------
    >>> quantiles([(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)])
    (1.1, 2.0, 2.9)
    """
    values, weights = (np.array(column, dtype=np.float64) for column in zip(*sorted(weighted), strict=True))
    middles = np.cumsum(weights) - weights / 2
    places = (middles - middles[0]) / (middles[-1] - middles[0] or 1.0)  # 0 for the least value, 1 for the greatest
    low, middle, high = np.interp(QUANTILES, places, values).round(9).tolist()
    return low, middle, high


def scores_of(rows: Iterable[FactScore]) -> Scores:
    """Return the scores of the facts of an event.

    Raises
    ------
    ConfigError
        Two facts that contradict each other would both be scored.
    """
    all_rows = list(rows)
    two_sided = [row for row in all_rows if row.kind == "two_sided"]
    scored = {row.fact.id for row in all_rows if row.kind != "shown"}
    for row in all_rows:
        clash = scored.intersection(row.fact.conflicts_with) if row.fact.id in scored else None
        if clash:
            raise ConfigError(
                f"facts {row.fact.id} and {min(clash)} contradict each other and are both compared; "
                'compare one of them, or set how = "bar" for one'
            )
    return Scores(
        two_sided_core=TwoSided.of([row for row in two_sided if row.core]),
        two_sided=TwoSided.of(two_sided),
        lower_bounds=LowerBounds.of([row for row in all_rows if row.kind == "lower"]),
        fitted=TwoSided.of([row for row in two_sided if row.entry.use == "fitted"]),
        held_out=TwoSided.of([row for row in two_sided if row.entry.use == "held_out"]),
    )


def row_of(row: FactScore) -> dict[str, Any]:
    """Return a row as JSON takes it."""
    return {
        "fact": row.fact.id,
        "coin": row.entry.coin or None,
        "metric": row.entry.metric,
        "unit": row.fact.unit,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "published_low": row.published_low,
        "published_high": row.published_high,
        "ratio": row.ratio,
        "band_width": _finite(row.band_width),
        "inside": None if row.kind == "shown" and row.fact.at is None else row.inside,
        "bars_off": row.bars_off,
        "kind": row.kind,
        "core": row.core,
        "use": row.entry.use,
        "grade": row.fact.grade,
        "source": row.fact.source,
        "draws": row.draws,
    }
