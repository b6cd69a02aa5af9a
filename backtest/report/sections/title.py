"""The title band: event, venue, window, identity, and how well each kind of input is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backtest.formatting import date, plural
from backtest.report.findings import Findings, Row
from backtest.venue.settlement import unit_of_account

INPUTS = ("prices", "open_interest", "book", "mark", "liquidity")
BADGES = ("measured", "imported", "proxy", "modelled")


@dataclass(frozen=True, slots=True)
class Label:
    """One kind of input: its name, its badge with the class of its look, and a sentence."""

    name: str
    badge: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Title:
    """Contents of the title band."""

    event: Row
    facts: dict[str, Any]
    labels: list[Label]
    notes: list[str]


def title_of(f: Findings) -> Title:
    """Return the title band of a run."""
    meta, s = f.meta, f.summary
    seeds = meta.get("seeds") or []
    until = f"{f.end:%H:%M}" if f.start.date() == f.end.date() else f"{f.end:%H:%M} on {date(f.end)}"
    unit = unit_of_account(meta.get("settlement"))
    facts = {
        "venue": meta["venue"]["name"],
        **({"unit": unit} if unit else {}),
        "window, UTC": f"{date(f.start)}, {f.start:%H:%M} to {until}",
        "symbols": f.coins(),
        "run": meta["run_id"],
        plural(max(len(seeds), 1), "seed"): f"{s['seed']} and {len(seeds) - 1} more" if len(seeds) > 1 else s["seed"],
        "ADL ranking": s["ranking"],
    }
    labels = [_label(name, **meta["labels"][name]) for name in INPUTS if name in meta["labels"]]
    return Title(event=meta["event"], facts=facts, labels=labels, notes=meta.get("flags") or [])


def _label(name: str, badge: str, text: str) -> Label:
    return Label(name.replace("_", " "), badge, badge if badge in BADGES else "other", text)
