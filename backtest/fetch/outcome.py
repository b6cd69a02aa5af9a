"""The result of a fetch: how far each source has come, the days it gave, and the days that nobody gave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backtest.fetch.plan import Source, Target


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
        """Return the days of a target that no source gave."""
        got = {row.day for row in self.served if (row.series, row.coin) == (target.series, target.coin)}
        return [day for day in target.days if day not in got]

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
