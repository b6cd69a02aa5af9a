"""The result of a fetch: how far each source has come, the days it gave, and the days that nobody gave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backtest.fetch.plan import Source, Target
from backtest.lake.states import DayState

REASONS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has come with a target: requests done of how many, time reached, rows so far."""

    target: Target
    source: Source
    done: int
    planned: int
    reached: dt.datetime | None
    rows: int


@dataclass(frozen=True, slots=True)
class Served:
    """A day of a series that is in the lake now.

    Attributes
    ----------
    fresh
        Whether this fetch stored it.
    missing, dropped
        Rows that the clock of the series expects and that are absent; rows that could not be read.
    state
        Whether it is whole, partial or disputed.
    """

    series: str
    coin: str
    source: str
    symbol: str
    day: dt.date
    fresh: bool
    rows: int = 0
    missing: int = 0
    dropped: int = 0
    note: str = ""
    state: DayState = "whole"


@dataclass(frozen=True, slots=True)
class Hole:
    """Days of a series that are not whole in the lake after all sources were asked, for one reason."""

    series: str
    coin: str
    days: tuple[dt.date, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Days of a series that a source did not give, and why."""

    series: str
    coin: str
    source: str
    days: tuple[dt.date, ...]
    reason: str


@dataclass(slots=True)
class Outcome:
    """Days in the lake, days denied, and how often requests had to be repeated, by venue and reason."""

    served: list[Served] = field(default_factory=list)
    denied: list[Denied] = field(default_factory=list)
    repeated: dict[str, dict[str, int]] = field(default_factory=dict)
    requests: int = 0
    interrupted: bool = False

    def lacking(self, target: Target) -> list[dt.date]:
        """Return the days of a target that no source gave whole."""
        whole = {row.day for row in self._of(target) if row.state == "whole"}
        return [day for day in target.days if day not in whole]

    def holes(self, target: Target) -> list[Hole]:
        """Return the days of a target that no source gave whole, those of one reason together."""
        reasons = {day: self._why(target, day) for day in self.lacking(target)}
        return [
            Hole(target.series, target.coin, tuple(day for day, other in reasons.items() if other == reason), reason)
            for reason in dict.fromkeys(reasons.values())
        ]

    def _of(self, target: Target) -> list[Served]:
        return [row for row in self.served if (row.series, row.coin) == (target.series, target.coin)]

    def _why(self, target: Target, day: dt.date) -> str:
        """Return what the sources gave of a day, the fullest first, else why they gave nothing, those asked first."""
        given = sorted((row for row in self._of(target) if row.day == day), key=lambda row: row.missing)
        if given:
            best = given[0]
            rows = f", {best.missing} rows missing" if best.missing else f", {best.note}" if best.note else ""
            return f"{best.state} from {best.source}{rows}"
        mine = [each for each in self.denied if (each.series, each.coin) == (target.series, target.coin)]
        skipped = {source.name for source in target.sources if source.skip}
        denials = sorted((each for each in mine if day in each.days), key=lambda each: each.source in skipped)
        texts = [f"{each.source}: {each.reason}" for each in denials]
        more = f" and {len(texts) - REASONS_SHOWN} more" if len(texts) > REASONS_SHOWN else ""
        return "; ".join(texts[:REASONS_SHOWN]) + more or "no source has it"

    def deny(self, target: Target, source: Source, reasons: Mapping[dt.date, str]) -> None:
        """Enter days that a source did not give by day and reason; days of one reason are one entry."""
        for reason in dict.fromkeys(reasons.values()):
            days = [day for day, other in reasons.items() if other == reason]
            self.deny_all(target, source, days, reason)

    def deny_all(self, target: Target, source: Source, days: Sequence[dt.date], reason: str) -> None:
        """Enter days that a source did not give for one reason."""
        self.denied.append(
            Denied(series=target.series, coin=target.coin, source=source.name, days=tuple(days), reason=reason)
        )

    def count_repeated(self, venue: str, reasons: Sequence[str]) -> None:
        """Count the reasons for which a venue was asked again."""
        for reason in reasons:
            counts = self.repeated.setdefault(venue, {})
            counts[reason] = counts.get(reason, 0) + 1
