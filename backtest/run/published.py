"""Published totals for the coins of a run: the sum over those that have a figure of their own, in one window."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backtest.catalogue.facts import Comparison, Fact
from backtest.formatting import coin
from backtest.run.meta import RunMeta

TOTALS = ("liquidated_notional_usd", "adl_notional_usd")


@dataclass(frozen=True, slots=True)
class PublishedTotal:
    """The sum of a figure over coins, each with a published fact of the run's venue in the same window."""

    metric: str
    coins: tuple[str, ...]
    start: dt.datetime
    end: dt.datetime
    usd: float
    rows: tuple[Comparison, ...]

    def of(self, values: dict[str, float | None]) -> float | None:
        """Return the sum of figures by fact, None where one is missing."""
        found = [values.get(row.fact) for row in self.rows]
        return None if None in found else sum(value for value in found if value is not None)


def published_totals(meta: RunMeta) -> tuple[PublishedTotal, ...]:
    """Return users' liquidations and ADL as published for the coins of a run; none where no coin has a figure."""
    facts = {fact.id: fact for fact in meta.event.facts}
    covered = [coin(contract.symbol) for contract in meta.contracts]
    core = core_of(meta.event.compare, facts, meta.venue.id, covered)
    out = []
    for metric in TOTALS:
        windows: dict[tuple[dt.datetime, dt.datetime], list[Comparison]] = {}
        for row in core:
            if row.metric == metric:
                windows.setdefault((row.start, row.end), []).append(row)
        if not windows:
            continue
        (start, end), rows = max(windows.items(), key=lambda item: len(item[1]))
        coins = tuple(each for each in covered if each in {row.coin for row in rows})
        usd = sum(facts[row.fact].value or 0.0 for row in rows)
        out.append(PublishedTotal(metric, coins, start, end, usd, tuple(rows)))
    return tuple(out)


def core_of(
    compare: Sequence[Comparison], facts: dict[str, Fact], venue: str, coins: Collection[str]
) -> list[Comparison]:
    """Return the comparisons of users' liquidations and ADL of one coin with one published value of the venue."""
    out: dict[tuple[str, str, dt.datetime], Comparison] = {}
    for row in compare:
        fact = facts.get(row.fact)
        if fact is None or row.metric not in TOTALS or row.how != "ratio" or row.bound or row.coin not in coins:
            continue
        if fact.value and fact.venue in {"", venue}:
            out.setdefault((row.metric, row.coin, row.start), row)
    return list(out.values())
