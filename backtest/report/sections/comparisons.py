"""The run's figures next to published facts of the event: which may be compared, and how far they are apart."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from markupsafe import Markup

from backtest.catalogue.facts import Comparison, Fact
from backtest.formatting import Number, coin
from backtest.report import markup as m
from backtest.report.findings import Findings, Row

WITHIN = 2.0  # a ratio up to this, or down to its inverse, counts as near


@dataclass(frozen=True, slots=True)
class Ratios:
    """The run's figure over a fact; over a range, over both its ends."""

    low: float
    high: float

    @property
    def near(self) -> bool:
        """Return whether the run is within a factor of two of the fact."""
        return self.low <= WITHIN and self.high >= 1 / WITHIN


@dataclass(frozen=True, slots=True)
class Compared:
    """A published fact next to the run's own figure over the same window.

    Parameters
    ----------
    fact
        The published figure as the event file states it.
    entry
        How the event file compares it: metric, coin, window, ``how``.
    value
        The figure of this run.
    conflicts
        Facts that contradict this one.
    several
        The figure of every draw, without draws of every seed; empty where there is one run.
    missing
        Why the run has no figure.
    foreign
        Why a fact of another venue says nothing about this run.
    """

    fact: Fact
    entry: Comparison
    value: Number | None
    conflicts: tuple[Fact, ...]
    several: tuple[float, ...] = ()
    missing: Markup | str = ""
    foreign: str = ""

    @property
    def derived(self) -> bool:
        """Return whether the fact was worked out from published figures."""
        return self.fact.mark == "D"

    @property
    def figure(self) -> Number | None:
        """Return the figure of the replay: the median over draws or seeds, with one run its value."""
        return statistics.median(self.several) if len(self.several) > 1 else self.value

    @property
    def ratios(self) -> Ratios | None:
        """Return the run's figure over the fact, none where there is no verdict."""
        ends = [float(end) for end in ends_of(self.fact) if end]
        if self.entry.how != "ratio" or self.foreign or not self.figure or not ends:
            return None
        found = [float(self.figure) / end for end in ends]
        return Ratios(min(found), max(found)) if min(found) > 0 else None


def ends_of(fact: Fact) -> tuple[float | None, ...]:
    """Return the value of a fact, or both ends of its range."""
    return (fact.low, fact.high) if fact.value is None else (fact.value,)


def comparisons(f: Findings) -> list[Compared]:
    """Evaluate what the event says may be compared, for the coins of this run; facts of other venues come last."""
    facts = {fact.id: fact for fact in f.meta.event.facts}
    covered = {coin(symbol) for symbol in f.symbols}
    several = _several(f)
    made = []
    for entry in f.meta.event.compare:
        fact = facts.get(entry.fact)
        if fact is None or not entry.covered_by(covered):
            continue
        row = f.row(entry.query, **entry.params(covered))
        missing = _missing(f, entry, row)
        made.append(
            Compared(
                fact=fact,
                entry=entry,
                value=None if missing else row.get(entry.metric),
                conflicts=tuple(facts[name] for name in fact.conflicts_with if name in facts),
                several=() if missing else several.get(fact.id, ()),
                missing=missing,
                foreign=_foreign(f, fact),
            )
        )
    return sorted(made, key=lambda one: bool(one.foreign))


def _several(f: Findings) -> dict[str, tuple[float, ...]]:
    """Return the figures of all draws by fact, without draws those of all seeds."""
    studies = f.run.studies
    if studies.draws:
        known = studies.draws.compared.items()
        return {fact: tuple(value for value in values if value is not None) for fact, values in known}
    return studies.seeds.compared if studies.seeds else {}


def _foreign(f: Findings, fact: Fact) -> str:
    here, there = f.meta.venue.id, fact.venue
    return f"a figure of {there}; this run has the rules of {here}" if there and there != here else ""


def _missing(f: Findings, entry: Comparison, row: Row) -> Markup | str:
    began, metric = f.summary["first_adl_ts"], entry.metric
    if metric == "adl_onset_s" and began and began < entry.start:
        # The first ADL of the window is then not the first of all.
        return m.fill("before the window, {time}", time=m.clock(began))
    if row.get(metric) is not None:
        return ""
    if metric == "branching_ratio_x":
        return "not modelled: forced sales displaced no price"
    if metric == "vault_pnl_usd":
        return "the venue has no vault"
    if metric.startswith("adl"):
        return "no ADL in the window"
    return "no trade in the window" if metric.startswith("price") else "no liquidation in the window"
