"""What an event file states in tables: samples, published facts, comparisons, the settings of a sensitivity grid."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from backtest.toml import Mark, Table, Utc

FileName = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\Z", description="the name of a file, no folder")
]
Metric = Literal[
    "liquidated_notional_usd", "liquidated_long_share_frac", "adl_notional_usd", "adl_onset_s", "adl_positions",
    "price_low", "price_move_frac",
]  # fmt: skip


class Sample(Table, frozen=True, kw_only=True):
    """A committed file of minute bars; ``end`` is exclusive."""

    venue: str
    coin: str
    file: FileName
    start: Utc
    end: Utc
    rows: int

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError("start is not before end; correct the times")


class WindowPart(Table, frozen=True, kw_only=True):
    """A named part of an event's window; ``end`` is exclusive."""

    name: str
    start: Utc
    end: Utc


class Fact(Table, frozen=True, kw_only=True):
    """A published figure of an event: a value, a range from ``low`` to ``high``, or a time ``at``.

    ``grade``: A measured from primary data, B reported with its method, C reported. ``start`` and ``end`` bound the
    time it is of, if the source says so.
    """

    id: str
    quantity: str
    unit: str
    source: str
    grade: str
    mark: Mark
    venue: str = ""
    coin: str = ""
    side: str = ""
    note: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    start: Utc | None = None
    end: Utc | None = None
    at: Utc | None = None
    conflicts_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.value is None and self.low is None and self.at is None:
            raise ValueError(f"fact '{self.id}' has no value; give value, low and high, or at")


class Comparison(Table, frozen=True, kw_only=True):
    """A figure of a run that stands beside a published fact: as a ratio to it, or as a bar within its range."""

    fact: str
    metric: Metric
    coin: str = ""
    start: Utc
    end: Utc
    how: Literal["ratio", "bar"]
    note: str = ""


class GridSetting(Table, frozen=True, kw_only=True):
    """One run of an event's sensitivity grid: its label and the scenario fields it changes."""

    label: str
    set: dict[str, Any]


def plain(row: msgspec.Struct) -> dict[str, Any]:
    """Return a table as JSON-ready values."""
    out: dict[str, Any] = msgspec.to_builtins(row)
    return {key: value.isoformat() if isinstance(value, dt.datetime) else value for key, value in out.items()}
