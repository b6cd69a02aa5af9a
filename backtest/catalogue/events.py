"""The crash catalogue: windows, samples, published facts and what a run may be compared with."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from backtest.assets import asset
from backtest.catalogue.facts import Comparison, Fact, GridSetting, Sample, WindowPart
from backtest.errors import ConfigError, UnknownNameError, near_matches
from backtest.scenario.reading import check_values
from backtest.toml import Id, Table, Utc, decode, read_once
from backtest.venue.statement import Counts

COUNTS = "open_interest_counts"
NEAREST_DATES = 2  # events offered for a date that none holds
BESIDE = ("why", COUNTS)  # keys of a table of defaults that are no scenario fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashEvent:
    """One crash of the catalogue. Times are naive UTC.

    ``defaults`` hold open interest as published; ``counts`` say, by table of defaults, how it is counted where that is
    not how the venue counts its own.
    """

    id: str
    number: int
    title: str
    aliases: tuple[str, ...]
    grade: str
    summary: str
    notes: tuple[str, ...]
    venues: tuple[str, ...]
    coins: tuple[str, ...]
    core_start: dt.datetime
    core_end: dt.datetime
    start: dt.datetime
    end: dt.datetime
    pre_roll_wanted_s: int
    hours: str
    parts: tuple[WindowPart, ...]
    sample: tuple[Sample, ...]
    facts: tuple[Fact, ...]
    defaults: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Counts]
    why: Mapping[str, Mapping[str, str]]
    compare: tuple[Comparison, ...]
    sensitivity: tuple[GridSetting, ...]

    @property
    def day(self) -> dt.date:
        """Return the day the core starts on; dated rules are looked up for it."""
        return self.core_start.date()

    def default(self, venue: str) -> dict[str, Any]:
        """Return the scenario defaults of the event at a venue: those for any venue, then the venue's own."""
        return {**self.defaults.get("any", {}), **self.defaults.get(venue, {})}

    def open_interest_counts(self, venue: str) -> Counts | None:
        """Return how the default open interest at a venue is counted; None: as the venue counts its own."""
        own = "open_interest_usd" in self.defaults.get(venue, {})
        return self.counts.get(venue if own else "any")

    def reason(self, venue: str, field: str) -> str:
        """Return why a default has its value."""
        return self.why.get(venue, {}).get(field) or self.why.get("any", {}).get(field, "")


def load_events() -> list[CrashEvent]:
    """Read the whole catalogue, in the order of its numbers."""
    paths = sorted(asset("data", "events").glob("*.toml"))
    return sorted((read_once(path, parse_event) for path in paths), key=lambda event: event.number)


def get_event(name: str) -> CrashEvent:
    """Return the event with this id or alias, or whose core or part of a window holds this date.

    Raises
    ------
    UnknownNameError
        With the near events and their titles.

    Examples
    --------
    >>> get_event("luna").id, get_event("2022-05-10").id
    ('2022-05-07', '2022-05-07')
    """
    for path in sorted(asset("data", "events").glob("*.toml")):  # an id starts its file's name
        if path.name.startswith(name) and len(name) == len("2025-10-10"):
            return read_once(path, parse_event)
    events = load_events()
    for event in events:
        if name.lower() in {event.id, *event.aliases}:
            return event
    day = _day_of(name)
    if day is not None and (held := [event for event in events if _holds(event, day)]):
        return held[0]
    hint = "See crashbook events" + "; a date is written 2025-10-10" * bool(re.fullmatch(r"[\d./ -]+", name))
    raise UnknownNameError("event", name, _meanings(events), hint, near=_near(name, day, events))


def _day_of(name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(name)
    except ValueError:
        return None


def _holds(event: CrashEvent, day: dt.date) -> bool:
    spans = [(event.core_start, event.core_end), *((part.start, part.end) for part in event.parts)]
    return any(start.date() <= day <= (end - dt.timedelta(microseconds=1)).date() for start, end in spans)


def _meanings(events: Sequence[CrashEvent]) -> dict[str, str]:
    """Return title and summary of each event by each of its names."""
    return {name: f"{event.title} {event.summary}" for event in events for name in (event.id, *event.aliases)}


def _near(name: str, day: dt.date | None, events: Sequence[CrashEvent]) -> list[str]:
    """Return the events nearest to a date, or those of a like name or title, each with its title."""
    if day is not None:
        near = sorted(events, key=lambda event: abs((event.day - day).days))[:NEAREST_DATES]
    else:
        named = {each: event for event in events for each in (event.id, *event.aliases)}
        found = near_matches(name, list(named)) or near_matches(name, _meanings(events))
        near = [named[each] for each in found]
    return list(dict.fromkeys(f"{event.id} ({event.title})" for event in near))


def window_of_date(name: str) -> dict[str, dt.datetime]:
    """Return start and end of the part of an event's window that holds a date which is not the event's own.

    Examples
    --------
    >>> {key: str(time) for key, time in window_of_date("2020-03-13").items()}
    {'start': '2020-03-12 23:30:00', 'end': '2020-03-13 03:30:00'}
    >>> window_of_date("2020-03-12"), window_of_date("covid")
    ({}, {})
    """
    day = _day_of(name)
    if day is None:
        return {}
    event = get_event(name)
    if day == event.day:
        return {}
    last = dt.timedelta(microseconds=1)  # an end is exclusive
    parts = [part for part in event.parts if part.start.date() <= day <= (part.end - last).date()]
    return {"start": parts[0].start, "end": parts[0].end} if parts else {}


class Window(Table, frozen=True, kw_only=True):
    """``[window]``: the core, and the window around it that a run may use."""

    core_start: Utc
    core_end: Utc
    start: Utc
    end: Utc
    pre_roll_wanted_s: int
    hours: Literal["cited", "suggested"]

    def __post_init__(self) -> None:
        if not self.start <= self.core_start < self.core_end <= self.end:
            raise ValueError("the core must lie inside the window and have a length")


class EventFile(Table, frozen=True, kw_only=True):
    """A file of ``data/events``."""

    id: Id
    number: int
    title: str
    aliases: tuple[str, ...] = ()
    grade: str
    summary: str
    notes: tuple[str, ...] = ()
    venues: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    coins: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    window: Window
    window_part: tuple[WindowPart, ...] = ()
    sample: tuple[Sample, ...] = ()
    fact: tuple[Fact, ...] = ()
    defaults: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    compare: tuple[Comparison, ...] = ()
    sensitivity: tuple[GridSetting, ...] = ()


def parse_event(table: Mapping[str, Any], where: str) -> CrashEvent:
    """Check an event's table and build the event."""
    file, place = decode(table, EventFile, where), f"{where} [defaults]"
    venues = ("any", *file.venues)
    for venue in file.defaults:
        if venue not in venues:
            raise ConfigError(f"{place}: unknown venue '{venue}'; allowed: {', '.join(venues)}")
    defaults = {
        venue: check_values(
            {key: value for key, value in values.items() if key not in BESIDE}, f"{place} [{venue}]", of_user=False
        )
        for venue, values in file.defaults.items()
    }
    counts: dict[str, Counts] = {
        venue: decode(values[COUNTS], Counts, f"{place} [{venue}]", key=COUNTS)  # type: ignore[arg-type]
        for venue, values in file.defaults.items()
        if COUNTS in values
    }
    why = {
        venue: decode(values.get("why", {}), dict[str, str], f"{place} [{venue}]", key="why")
        for venue, values in file.defaults.items()
    }
    grid = [
        GridSetting(label=row.label, set=check_values(row.set, f"{where} [[sensitivity]] {number}", of_user=False))
        for number, row in enumerate(file.sensitivity, 1)
    ]
    return CrashEvent(
        id=file.id,
        number=file.number,
        title=file.title,
        aliases=file.aliases,
        grade=file.grade,
        summary=" ".join(file.summary.split()),
        notes=file.notes,
        venues=file.venues,
        coins=file.coins,
        core_start=file.window.core_start,
        core_end=file.window.core_end,
        start=file.window.start,
        end=file.window.end,
        pre_roll_wanted_s=file.window.pre_roll_wanted_s,
        hours=file.window.hours,
        parts=file.window_part,
        sample=file.sample,
        facts=file.fact,
        defaults=defaults,
        counts=counts,
        why=why,
        compare=file.compare,
        sensitivity=tuple(grid),
    )
