"""The title band: event, venue, window, identity, and how well each kind of input is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backtest.formatting import date, plural
from backtest.report.findings import Findings
from backtest.run.meta import Event

BADGES = ("measured", "imported", "proxy", "modelled")


@dataclass(frozen=True, slots=True)
class Badge:
    """One kind of input: its name, its badge with the class of its look, and a sentence."""

    name: str
    badge: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above a page that is not of one event."""

    title: str
    summary: str
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Title:
    """Contents of the title band; ``command`` is what was asked."""

    event: Event | Heading
    facts: dict[str, Any]
    labels: list[Badge]
    notes: tuple[str, ...]
    command: str = "replay"


def title_of(f: Findings) -> Title:
    """Return the title band of a run."""
    meta, s = f.meta, f.summary
    seeds, unit = f.seeds, meta.settlement.unit
    until = f"{f.end:%H:%M}" if f.start.date() == f.end.date() else f"{f.end:%H:%M} on {date(f.end)}"
    facts = {
        "venue": meta.venue.name,
        **({"unit": unit} if unit else {}),
        "window, UTC": f"{date(f.start)}, {f.start:%H:%M} to {until}",
        "symbols": f.coins(),
        "run": meta.run_id,
        plural(max(seeds, 1), "seed"): f"{s['seed']} and {seeds - 1} more" if seeds > 1 else s["seed"],
        "ADL ranking": s["ranking"],
    }
    labels = [
        Badge(
            name=name.replace("_", " "),
            badge=label.badge,
            kind=label.badge if label.badge in BADGES else "other",
            text=label.text,
        )
        for name, label in meta.labels.by_name().items()
    ]
    return Title(event=meta.event, facts=facts, labels=labels, notes=meta.notes)
