"""A venue's funding rule: its clock, the notional it charges, its caps, and what the times of fetched rates say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from backtest.mechanics.exact import rate_e9
from backtest.toml import Cited, Utc

DAY_S, HOUR_S, MINUTE_S = 86_400, 3600, 60
ALWAYS = dt.date.min
HOURS = "rising hours from 0 to 23, one per interval_s of a day"


@dataclass(frozen=True, slots=True)
class Cap:
    """The largest rate of a settlement, either sign, of a coin (``*``: every coin without its own) from a day on."""

    coin: str
    valid_from: dt.date
    rate_e9: int


@dataclass(frozen=True, slots=True)
class FundingRule:
    """How a venue settles funding; ``hourly_from``: since then a settlement at its cap makes a symbol hourly."""

    interval_s: int
    hours_utc: tuple[int, ...]
    notional: str
    hourly_from: dt.datetime | None
    caps: tuple[Cap, ...]

    def cap(self, coin: str, day: dt.date) -> int | None:
        """Return the cap in force on a day in 1e-9, None where none is known.

        Examples
        --------
        >>> rule = FundingRule(3600, tuple(range(24)), "oracle", None, (Cap("*", ALWAYS, 40_000_000),))
        >>> rule.cap("BTC", dt.date(2025, 10, 10))
        40000000
        """
        own = [cap for cap in self.caps if cap.coin == coin] or [cap for cap in self.caps if cap.coin == "*"]
        past = [cap for cap in own if cap.valid_from <= day]
        return max(past, key=lambda cap: cap.valid_from).rate_e9 if past else None

    def clipped(self, coin: str, day: dt.date, rate: int) -> int:
        """Return a rate in 1e-9 within the cap of its day."""
        cap = self.cap(coin, day)
        return rate if cap is None else max(-cap, min(cap, rate))

    def text(self) -> str:
        """Return interval, notional and caps as a line.

        Examples
        --------
        >>> FundingRule(28800, (0, 8, 16), "mark", None, (Cap("BTC", ALWAYS, 3_000_000),)).text()
        'every 8 h on the mark notional, at most 0.3 % (BTC)'
        """
        caps = ", ".join(
            f"{cap.rate_e9 / 1e7:g} % ({'other coins' if cap.coin == '*' and len(self.caps) > 1 else cap.coin}"
            f"{'' if cap.valid_from == ALWAYS else f' from {cap.valid_from}'})".replace(" (*)", "")
            for cap in self.caps
        )
        most = f", at most {caps}" if caps else ""
        if self.hourly_from:
            most += f"; since {self.hourly_from.isoformat()} hourly after a settlement at the cap"
        return f"every {self.interval_s // HOUR_S} h on the {self.notional} notional{most}"


def compare_clock(
    rule: FundingRule, coin: str, settled: Sequence[tuple[dt.datetime, int]], window: tuple[dt.datetime, dt.datetime]
) -> tuple[list[dt.datetime], list[dt.datetime]]:
    """Return settlements of a window that are not on the venue's clock, and times of the clock without one.

    Parameters
    ----------
    settled
        Times and rates in 1e-9 in order of time; those before the window say whether the symbol is already hourly.
        A settlement is on the clock within the minute that begins at a time of the clock.
    window
        Start and end, exclusive.

    Examples
    --------
    >>> rule = FundingRule(28800, (0, 8, 16), "mark", None, ())
    >>> at = dt.datetime.fromisoformat
    >>> off, absent = compare_clock(rule, "BTC", [(at("2025-10-10T08:00"), 1), (at("2025-10-10T12:00"), 1)],
    ...     (at("2025-10-10T07:00"), at("2025-10-10T17:00")))
    >>> [time.hour for time in off], [time.hour for time in absent]
    ([12], [16])
    """
    hourly = _hourly_after(rule, coin, settled)
    hour = dt.timedelta(hours=1)
    start, end = window
    at = start.replace(minute=0, second=0, microsecond=0)
    at += hour if at < start else dt.timedelta(0)
    clock = []
    while at < end:
        if at.hour in rule.hours_utc or (hourly is not None and at > hourly):
            clock.append(at)
        at += hour
    minutes = {time: time.replace(second=0, microsecond=0) for time, _ in settled if start <= time < end}
    times, there = set(clock), set(minutes.values())
    off = [time for time, minute in minutes.items() if minute not in times]
    return off, [time for time in clock if time not in there]


def _hourly_after(rule: FundingRule, coin: str, settled: Sequence[tuple[dt.datetime, int]]) -> dt.datetime | None:
    """Return the first settlement at its cap that makes the symbol hourly."""
    for time, rate in settled:
        cap = rule.cap(coin, time.date())
        if rule.hourly_from and time >= rule.hourly_from and cap is not None and abs(rate) >= cap:
            return time
    return None


class CapTable(Cited, frozen=True, kw_only=True):
    """A ``[[funding.cap]]`` table of a venue file."""

    coin: str
    cap_frac: Decimal
    valid_from: dt.date = ALWAYS

    def __post_init__(self) -> None:
        if not (self.cap_frac.is_finite() and 0 < self.cap_frac < 1):
            raise ValueError(f"cap_frac = {self.cap_frac}; write a decimal in quotes between 0 and 1")


class FundingTable(Cited, frozen=True, kw_only=True):
    """The ``[funding]`` table of a venue file."""

    interval_s: Annotated[int, Meta(gt=0)]
    hours_utc: Annotated[tuple[Annotated[int, Meta(ge=0, le=23)], ...], Meta(description=HOURS)]
    notional: Literal["mark", "oracle"]
    hourly_from: Utc | None = None
    cap: tuple[CapTable, ...] = ()

    def __post_init__(self) -> None:
        hours = self.hours_utc
        if sorted(set(hours)) != [*hours] or len(hours) * self.interval_s != DAY_S:
            raise ValueError(f"hours_utc = {[*hours]}; write {HOURS}")
        if len({(cap.coin, cap.valid_from) for cap in self.cap}) < len(self.cap):
            raise ValueError("two [[cap]] tables for one coin and day; keep one")

    def rule(self) -> FundingRule:
        """Return the rule with its caps in 1e-9."""
        caps = tuple(Cap(cap.coin, cap.valid_from, rate_e9(cap.cap_frac)) for cap in self.cap)
        return FundingRule(
            interval_s=self.interval_s,
            hours_utc=self.hours_utc,
            notional=self.notional,
            hourly_from=self.hourly_from,
            caps=caps,
        )
