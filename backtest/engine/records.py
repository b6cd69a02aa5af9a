"""What the engine writes down: transfers, breaches, waves, slices; column chunks, joined once at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backtest.mechanics.exact import Ints

OWNERS = ("account", "fund", "vault", "venue", "market", "rounding", "uncovered", "opening")
ACCOUNT, FUND, VAULT, VENUE, MARKET, ROUNDING, UNCOVERED, OPENING = range(len(OWNERS))
CAUSES = (
    "book",
    "fee",
    "residual",
    "takeover",
    "adl",
    "difference",
    "exhausted",
    "unwind",
    "funding",
    "net",
    "shortfall",
    "socialised",
)
NONE = -1

TRANSFER = ("step", "cause", "symbol", "a", "a_row", "b", "b_row", "lots", "amount", "serial", "round")
BREACH = (
    "serial", "step", "row", "symbol", "side", "mark", "passed", "length", "lots", "equity", "need", "bankruptcy",
    "skipped", "refused", "book_lots", "book_value", "fee", "residual", "taken", "taken_amount", "taken_by",
    "adl_lots", "adl_amount", "kept", "others", "round",
)  # fmt: skip
SLICE = (
    "wave", "step", "symbol", "side", "source", "bankrupt_row", "serial", "winner_row", "rank", "lots", "amount",
    "owed", "mark", "previous_mark", "ahead", "cost", "score",
)  # fmt: skip
QUEUE = (
    "wave", "step", "symbol", "row", "rank", "side", "lots", "value", "pnl", "equity", "ahead", "closed", "skipped",
    "score",
)  # fmt: skip
FLOATS = {"score"}


@dataclass(slots=True)
class Chunks:
    """Columns that grow by chunks; scalars of a chunk are repeated."""

    names: tuple[str, ...]
    parts: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)

    def add(self, count: int, *values: Any) -> None:
        """Append ``count`` rows; every value is an array of that length or a scalar."""
        if count:
            self.parts.append((count, values))

    def join(self) -> dict[str, Any]:
        """Return the columns as arrays."""
        counts = np.array([count for count, _ in self.parts], dtype=np.int64)
        out = {}
        for k, name in enumerate(self.names):
            kind = np.float64 if name in FLOATS else np.int64
            out[name] = _column([values[k] for _, values in self.parts], counts, kind)
        return out


def _column(values: list[Any], counts: Ints, kind: type) -> Any:
    if not values:
        return np.empty(0, dtype=kind)
    if not any(isinstance(value, np.ndarray) for value in values):
        return np.repeat(np.array(values, dtype=kind), counts)
    return np.concatenate(
        [
            value.astype(kind) if isinstance(value, np.ndarray) else np.full(count, value, dtype=kind)
            for value, count in zip(values, counts.tolist(), strict=True)
        ]
    )


@dataclass(frozen=True, slots=True)
class Rounds:
    """A step of several rounds, or cut by their cap: how many, and the marks at the end of each."""

    step: int
    capped: bool
    marks: list[list[int]]


@dataclass(slots=True)
class Recorder:
    """The record of a run. ``rows`` are positions; ``serial`` numbers breaches in order of crossing."""

    transfers: Chunks = field(default_factory=lambda: Chunks(TRANSFER))
    breaches: Chunks = field(default_factory=lambda: Chunks(BREACH))
    slices: Chunks = field(default_factory=lambda: Chunks(SLICE))
    queue: Chunks = field(default_factory=lambda: Chunks(QUEUE))
    waves: list[dict[str, Any]] = field(default_factory=list)
    watch: list[dict[str, Any]] = field(default_factory=list)
    funding: list[dict[str, Any]] = field(default_factory=list)
    pool_events: list[dict[str, Any]] = field(default_factory=list)
    unmatched: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    skipped: list[tuple[int, int, int]] = field(default_factory=list)
    ahead: list[tuple[int, int, int]] = field(default_factory=list)  # bar, symbol, lots a small move would liquidate
    rounds: list[Rounds] = field(default_factory=list)
    round: int = 1  # of the step in progress
    serial: int = 0

    def transfer(
        self, step: int, cause: str, symbol: Any, a: int, a_row: Any, b: int, b_row: Any, lots: Any, amount: Any,
        serial: Any = NONE,
    ) -> None:  # fmt: skip
        """Write down that owner ``a`` got ``lots`` and ``amount`` and owner ``b`` the opposite."""
        count = max((len(v) for v in (a_row, b_row, lots, amount) if isinstance(v, np.ndarray)), default=1)
        code = CAUSES.index(cause)
        self.transfers.add(count, step, code, symbol, a, a_row, b, b_row, lots, amount, serial, self.round)
