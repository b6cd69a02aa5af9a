"""Answers of a comparison as rows: spread, difference from the base, winners and losers by class of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backtest.errors import UsageError
from backtest.formatting import count, duration, fixed, percent, usd
from backtest.mechanics.exact import Floats
from backtest.run.drawn import Draws, Headlines
from backtest.run.run import StoredRun
from backtest.studies.cohorts import Group
from backtest.studies.differences import Difference, Spread
from backtest.studies.metrics import BY_NAME
from backtest.studies.paired import Paired

HEADLINES = {"liquidated_usd": "usd", "adl_usd": "usd", "adl_positions": "count", "first_liquidation_s": "s",
             "first_adl_s": "s", "pool_capital_usd": "usd", "pool_low_usd": "usd", "uncovered_usd": "usd"}  # fmt: skip
# Columns of the gains of a group, as metrics of their own.
GAINS = {"gain_usd": "usd", "worse": "count", "better": "count", "lost_usd": "usd", "gained_usd": "usd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """A figure of an alternative over all draws, and its difference from the base within each draw.

    ``kind`` and ``group`` name a class of accounts, empty for all together. ``draws`` have both figures;
    ``lower_frac`` and ``higher_frac`` are the shares of them in which the alternative is below and above the base.
    """

    metric: str
    unit: str
    kind: str
    group: str
    alternative: str
    median: float | None
    low: float | None
    high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    lower_frac: float | None
    higher_frac: float | None
    draws: int

    @property
    def same(self) -> bool:
        """Return whether the alternative equals the base in every draw."""
        return not self.lower_frac and not self.higher_frac

    def plain(self) -> dict[str, Any]:
        """Return the row by column."""
        return asdict(self)


SHOWN_GAINS = ("cohort", "side", "hedge", "margin", "leverage", "size", "owner")
# Metrics whose differences a reader sees; other formats have all.
SHOWN = ("liquidated_usd", "adl_usd", "adl_accounts", "wiped_out_accounts", "first_adl_s", "forgone_mark_usd",
         "forgone_trade_usd", "haircut_mark_max_frac", "haircut_trade_max_frac", "closed_gini_frac",
         "forgone_gini_frac", "hedge_legs_broken", "unhedged_usd", "out_of_turn_usd", "overshoot_usd",
         "pool_end_usd", "uncovered_usd", "adl_positions", "pool_low_usd")  # fmt: skip
_UNITS = {"usd": usd, "frac": percent, "count": count, "s": duration}


def written(row: ComparedRow, value: float | None) -> str:
    """Return a value of a row for a reader."""
    if value is None:
        return "none"
    if row.metric.endswith("hhi_frac"):
        return fixed(value, 4)
    if row.unit == "count" and value != int(value):
        return fixed(value, 1)
    return _UNITS[row.unit](value)


def label_of(metric: str) -> str:
    """Return the short name of a figure.

    Examples
    --------
    >>> label_of("adl_usd"), label_of("adl_positions")
    ('closed by ADL', 'adl positions')
    """
    return BY_NAME[metric].label if metric in BY_NAME else metric.removesuffix("_usd").replace("_", " ")


COLUMNS = tuple(ComparedRow.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Compared:
    """All rows of a comparison: of metrics, then of groups; the first alternative is the base."""

    alternatives: tuple[str, ...]
    draws: int
    rows: tuple[ComparedRow, ...]

    def of(self, metric: str, kind: str = "") -> list[ComparedRow]:
        """Return the rows of a metric, of a kind of group where one is named."""
        return [row for row in self.rows if row.metric == metric and row.kind == kind]


def compared(paired: Paired) -> Compared:
    """Return the rows of a comparison."""
    rows: list[ComparedRow] = []
    for name, values in paired.metrics.items():
        rows += _rows(name, BY_NAME[name].unit, Group("", ""), paired.alternatives, values)
    for group, columns in paired.gains.items():
        for name, unit in GAINS.items():
            if not np.isnan(columns[name]).all():
                rows += _rows(name, unit, group, paired.alternatives, columns[name])
    return Compared(paired.alternatives, len(paired.seeds), tuple(rows))


def _rows(metric: str, unit: str, group: Group, names: Sequence[str], values: Floats) -> list[ComparedRow]:
    out = []
    for name, mine in zip(names, values, strict=True):
        spread, change = Spread.of(mine), Difference.of(mine, values[0])
        out.append(
            ComparedRow(
                metric=metric,
                unit=unit,
                kind=group.kind,
                group=group.name,
                alternative=name,
                median=spread.median,
                low=spread.low,
                high=spread.high,
                difference=change.spread.median,
                difference_low=change.spread.low,
                difference_high=change.spread.high,
                lower_frac=change.lower_frac,
                higher_frac=change.higher_frac,
                draws=change.draws,
            )
        )
    return out


def compared_runs(left: StoredRun, right: StoredRun) -> Compared:
    """Return the headline numbers of two stored runs: draw by draw if their draws are the same, else of the runs.

    Raises
    ------
    UsageError
        If both are the same run.
    """
    if left.run_id == right.run_id:
        raise UsageError(f"both are run {left.run_id}; name two runs of crashbook runs")
    names, ours, theirs = (left.run_id, right.run_id), left.studies.draws, right.studies.draws
    paired = ours is not None and theirs is not None and same_draws(ours, theirs)
    if paired and ours is not None and theirs is not None:
        heads = [[_by_name(draw.headlines) for draw in draws.draws] for draws in (ours, theirs)]
    else:
        heads = [[dict(run.summary())] for run in (left, right)]
    rows: list[ComparedRow] = []
    for name, unit in HEADLINES.items():
        found = [[_number(each.get(name)) for each in mine] for mine in heads]
        values = np.array(found, dtype=np.float64)
        if not np.isnan(values).all():
            rows += _rows(name, unit, Group("", ""), names, values)
    return Compared(names, len(heads[0]) if paired else 0, tuple(rows))


def same_draws(ours: Draws, theirs: Draws) -> bool:
    """Return whether draws have the same seeds, size of book and values of what both drew."""
    if ours.positions != theirs.positions or len(ours) != len(theirs):
        return False
    return all(
        one.seed == other.seed and all(other.values.get(name, value) == value for name, value in one.values.items())
        for one, other in zip(ours.draws, theirs.draws, strict=True)
    )


def _by_name(headlines: Headlines) -> Mapping[str, Any]:
    """Return headline numbers by name."""
    return {name: getattr(headlines, name) for name in HEADLINES}


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
