"""Published totals of the coins that ran beside this run and the draws, in the published window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from backtest.formatting import coin, exact, usd
from backtest.report import markup as m
from backtest.report.findings import Findings
from backtest.report.tables import Cell, columns, table
from backtest.run.published import PublishedTotal, published_totals

NAMES = {"liquidated_notional_usd": "liquidated", "adl_notional_usd": "closed by ADL"}
BESIDE = columns("""
    name       head  same coins, same minutes
    published  cell  published
    here       cell  this run
""")
DRAWN = columns("""
    median     cell  median of the draws
    low        cell  5 %
    high       cell  95 %
""")


@dataclass(frozen=True, slots=True)
class Total:
    """A published total, the same of this run, and median with 5 and 95 % point over the draws that have it."""

    of: PublishedTotal
    here: float | None
    low: float | None = None
    median: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        """Return what it is, in words."""
        return NAMES[self.of.metric]

    @property
    def published(self) -> float:
        """Return the published total."""
        return self.of.usd


def totals(f: Findings) -> list[Total]:
    """Return liquidations and ADL of the coins that have a published figure."""
    return [Total(total, total.of(_here(f, total)), *_spread(f, total)) for total in published_totals(f.meta)]


def _here(f: Findings, total: PublishedTotal) -> dict[str, float | None]:
    """Return the figure of this run for each coin's fact; the comparison with published figures asks the same."""
    coins = {coin(symbol) for symbol in f.symbols}
    found = {row.fact: f.row(row.query, **row.params(coins)).get(row.metric) for row in total.rows}
    return {fact: None if value is None else float(value) for fact, value in found.items()}


def _spread(f: Findings, total: PublishedTotal) -> tuple[float, ...]:
    draws = f.run.studies.draws
    if draws is None:
        return ()
    sums = [total.of({fact: values[k] for fact, values in draws.compared.items()}) for k in range(len(draws))]
    known = [value for value in sums if value is not None]
    return tuple(np.quantile(known, (0.05, 0.5, 0.95)).tolist()) if known else ()


def totals_table(f: Findings) -> Markup:
    """Show published totals beside those of this run and of the draws."""
    rows = totals(f)
    if not rows:
        return Markup("")
    drawn = DRAWN if f.draws else ()
    return table(map(_row, rows), (BESIDE[0], BESIDE[1], *drawn, BESIDE[2]))


def _row(row: Total) -> dict[str, object]:
    window = f"{', '.join(row.of.coins)}, {row.of.start:%H:%M}–{row.of.end:%H:%M} UTC"
    name = m.fill("{name}<small>{window}</small>", name=row.name, window=window)
    amounts = {key: getattr(row, key) for key in ("published", "here", "low", "median", "high")}
    return {"name": name, **{key: Cell(usd(value), exact(value), value) for key, value in amounts.items()}}
