"""The crash catalogue: windows, samples, published facts and what a run may be compared with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backtest.assets import asset
from backtest.errors import ConfigError, UnknownNameError
from backtest.scenario.values import check_values
from backtest.toml import Reader, read_toml

FACT_KEYS = ("id", "what", "unit", "source", "grade")
FACT_MARKS = ("V", "S", "D", "U")
METRICS = (
    "liquidated_notional_usd", "liquidated_long_share_frac", "adl_notional_usd", "adl_onset_s", "adl_positions",
    "price_low", "price_move_frac",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """A committed file of minute bars; ``end`` is exclusive."""

    venue: str
    coin: str
    file: str
    start: dt.datetime
    end: dt.datetime
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashEvent:
    """One crash of the catalogue. Times are naive UTC."""

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
    parts: tuple[Mapping[str, Any], ...]
    sample: tuple[Sample, ...]
    facts: tuple[Mapping[str, Any], ...]
    defaults: Mapping[str, Mapping[str, Any]]
    why: Mapping[str, Mapping[str, str]]
    compare: tuple[Mapping[str, Any], ...]
    sensitivity: tuple[Mapping[str, Any], ...]

    @property
    def day(self) -> dt.date:
        """Return the day the core starts on; dated rules are looked up for it."""
        return self.core_start.date()

    def default(self, venue: str) -> dict[str, Any]:
        """Return the scenario defaults of the event at a venue: those for any venue, then the venue's own."""
        return {**self.defaults.get("any", {}), **self.defaults.get(venue, {})}

    def reason(self, venue: str, field: str) -> str:
        """Return why a default has its value."""
        return self.why.get(venue, {}).get(field) or self.why.get("any", {}).get(field, "")


def load_events() -> list[CrashEvent]:
    """Read the whole catalogue, in the order of its numbers."""
    paths = sorted(asset("data", "events").glob("*.toml"))
    return sorted((parse_event(read_toml(path), path.name) for path in paths), key=lambda event: event.number)


def get_event(name: str) -> CrashEvent:
    """Return the event with this id, date or alias.

    Raises
    ------
    UnknownNameError
        With the near matches and all ids.
    """
    for path in sorted(asset("data", "events").glob("*.toml")):  # an id starts its file's name
        if path.name.startswith(name) and len(name) == len("2025-10-10"):
            return parse_event(read_toml(path), path.name)
    events = load_events()
    for event in events:
        if name.lower() in {event.id, *event.aliases}:
            return event
    known = [name for event in events for name in (event.id, *event.aliases)]
    raise UnknownNameError("event", name, known, "See crashbook events")


def parse_event(table: Mapping[str, Any], where: str) -> CrashEvent:
    """Check an event's table and build the event."""
    top = Reader(table, where)
    window = top.table_of("window")
    defaults, why = _defaults(top.table_of("defaults"))
    event = CrashEvent(
        id=top.get("id", str),
        number=top.get("number", int),
        title=top.get("title", str),
        aliases=top.texts("aliases", []),
        grade=top.get("grade", str),
        summary=" ".join(top.get("summary", str).split()),
        notes=top.texts("notes", []),
        venues=top.texts("venues"),
        coins=top.texts("coins"),
        core_start=window.get("core_start", dt.datetime),
        core_end=window.get("core_end", dt.datetime),
        start=window.get("start", dt.datetime),
        end=window.get("end", dt.datetime),
        pre_roll_wanted_s=window.get("pre_roll_wanted_s", int),
        hours=window.choice("hours", ("cited", "suggested")),
        parts=tuple(_part(row) for row in top.tables("window_part")),
        sample=tuple(_sample(row) for row in top.tables("sample")),
        facts=tuple(_fact(row) for row in top.tables("fact")),
        defaults=defaults,
        why=why,
        compare=tuple(_compare(row) for row in top.tables("compare")),
        sensitivity=tuple(_sensitivity(row) for row in top.tables("sensitivity")),
    )
    window.done()
    top.done()
    if not event.start <= event.core_start < event.core_end <= event.end:
        raise ConfigError(f"{where}: the core must lie inside the window and have a length")
    strays = [name for name in event.defaults if name not in {"any", *event.venues}]
    if strays:
        raise ConfigError(f"{where} [defaults]: unknown venue '{strays[0]}'; allowed: any, {', '.join(event.venues)}")
    return event


def _part(row: Reader) -> dict[str, Any]:
    out = {"name": row.get("name", str), "start": row.get("start", dt.datetime), "end": row.get("end", dt.datetime)}
    row.done()
    return out


def _sample(row: Reader) -> Sample:
    sample = Sample(
        row.get("venue", str), row.get("coin", str), row.get("file", str), row.get("start", dt.datetime),
        row.get("end", dt.datetime), row.get("rows", int),
    )  # fmt: skip
    row.done()
    if not sample.start < sample.end:
        raise ConfigError(f"{row.where}: start is not before end; correct the times")
    return sample


def _fact(row: Reader) -> dict[str, Any]:
    out: dict[str, Any] = {key: row.get(key, str) for key in FACT_KEYS}
    out["mark"] = row.choice("mark", FACT_MARKS)
    for key in ("venue", "coin", "side", "note"):
        out[key] = row.get(key, str, "")
    for key in ("value", "low", "high"):
        out[key] = row.get(key, float, None)
    for key in ("start", "end", "at"):
        out[key] = row.get(key, dt.datetime, None)
    out["conflicts_with"] = row.texts("conflicts_with", [])
    row.done()
    if all(out[key] is None for key in ("value", "low", "at")):
        raise ConfigError(f"{row.where}: fact '{out['id']}' has no value; give value, low and high, or at")
    return out


def _defaults(section: Reader) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]:
    values, why = {}, {}
    for venue in section.table:
        table = section.table_of(venue)
        reasons = table.table_of("why")
        rest = {key: value for key, value in table.table.items() if key != "why"}
        values[venue] = check_values(rest, table.where)
        why[venue] = {key: reasons.get(key, str) for key in reasons.table}
    return values, why


def _compare(row: Reader) -> dict[str, Any]:
    out = {
        "fact": row.get("fact", str), "metric": row.choice("metric", METRICS), "coin": row.get("coin", str, ""),
        "start": row.get("start", dt.datetime), "end": row.get("end", dt.datetime),
        "how": row.choice("how", ("ratio", "bar")), "note": row.get("note", str, ""),
    }  # fmt: skip
    row.done()
    return out


def _sensitivity(row: Reader) -> dict[str, Any]:
    out = {"label": row.get("label", str), "set": check_values(row.get("set", dict), row.where)}
    row.done()
    return out
