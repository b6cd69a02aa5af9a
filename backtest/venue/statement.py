"""Statements of a venue profile with their sources: strategy points, pages cited, simplifications."""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from backtest.toml import Cited, Mark, Table, Utc

Counts = Literal["one side", "both sides"]


def a_side(open_interest: float, counts: Counts) -> float:
    """Return published open interest as that of one side: half of what counts both.

    Examples
    --------
    >>> a_side(13.8e9, "both sides"), a_side(16e9, "one side")
    (6900000000.0, 16000000000.0)
    """
    return open_interest / 2 if counts == "both sides" else open_interest


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One strategy point as the profile states it: value, source and confidence mark."""

    name: str
    value: str
    source: str
    mark: Mark
    note: str


class Source(Table, frozen=True, kw_only=True):
    """A page that a profile cites, when it was read, and how far it is verified."""

    id: str
    url: str
    read: str
    mark: Mark
    note: str = ""


class Closure(Cited, frozen=True, kw_only=True):
    """``[closed]``: when a venue ended trading (UTC); its profile is historic since."""

    at: Utc

    def text(self) -> str:
        """Return the time as a line.

        Examples
        --------
        >>> from datetime import datetime
        >>> Closure(at=datetime(2026, 9, 23, 4), source="blog", mark="S").text()
        'historic: closed on 2026-09-23 at 04:00 UTC'
        """
        return f"historic: closed on {self.at:%Y-%m-%d} at {self.at:%H:%M} UTC"


class MarginNotional(Cited, frozen=True, kw_only=True):
    """``[[margin.notional]]``: what maintenance margin is a rate of since a day, the value at the mark or at entry."""

    value: Literal["mark", "entry"]
    valid_from: dt.date = dt.date.min

    def text(self) -> str:
        """Return the rule as a line.

        Examples
        --------
        >>> MarginNotional(value="entry", source="help", mark="V").text()
        'on the entry value'
        """
        on = "on the entry value" if self.value == "entry" else "on the value at the mark"
        return on if self.valid_from == dt.date.min else f"{on} from {self.valid_from}"


class Simplification(Table, frozen=True, kw_only=True):
    """A rule of the venue that is simpler here, and what runs instead."""

    point: str
    venue_rule: str
    runs_here: str
