"""The record of a run: columns declared once as dataclasses, grown by chunks, joined at the end."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from backtest.engine.columns import DTYPES, Log
from backtest.mechanics.exact import Bools, Floats, Ints, cut_once

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
    "exit",
)
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """The taker got ``lots`` (signed) and ``cash``, the giver the opposite.

    ``taker`` and ``giver`` are places in ``OWNERS``; their ``_row`` is the book row of an account, the number of a
    fund, else NONE. ``cause`` is a place in ``CAUSES``, ``serial`` that of the breach or NONE.
    """

    step: Ints
    round: Ints
    cause: Ints
    symbol: Ints
    taker: Ints
    taker_row: Ints
    giver: Ints
    giver_row: Ints
    lots: Ints
    cash: Ints
    serial: Ints


@dataclass(slots=True, kw_only=True)
class Breaches:
    """Positions in breach in one round of a step, in crossing order, and what became of them; money in quanta.

    ``passed`` of ``length`` is the crossing's place on the segment. ``equity``, ``maintenance`` and
    ``bankruptcy_value`` are those of detection; ``other_maintenance`` is that of what else the account of a cross
    position holds, where that is liquidated later. ``lots_left`` and ``value_left`` are the lots that no act has
    placed yet and their slice of the bankruptcy value; ``deferred_lots`` wait for the next price.
    ``takeover_by`` is an owner's code or NONE.
    """

    step: Ints
    round: Ints
    serial: Ints
    row: Ints
    symbol: Ints
    side: Ints
    value_sign: Ints
    mark: Ints
    passed: Ints
    length: Ints
    lots: Ints
    bankruptcy_value: Ints
    equity: Ints
    maintenance: Ints
    other_maintenance: Ints
    lots_left: Ints
    value_left: Ints
    skipped: Bools = field(init=False)  # the book
    refused: Bools = field(init=False)  # by the limit
    book_lots: Ints = field(init=False)
    book_value: Ints = field(init=False)
    book_bankruptcy_value: Ints = field(init=False)
    fee: Ints = field(init=False)
    residual: Ints = field(init=False)
    takeover_lots: Ints = field(init=False)
    takeover_value: Ints = field(init=False)
    takeover_by: Ints = field(init=False)
    adl_lots: Ints = field(init=False)
    adl_value: Ints = field(init=False)
    deferred_lots: Ints = field(init=False)

    def __post_init__(self) -> None:
        for name, dtype in _OUTCOMES.items():
            setattr(self, name, np.zeros(len(self.row), dtype=dtype))
        self.skipped = self.equity < 0
        self.takeover_by[:] = NONE

    def __len__(self) -> int:
        return len(self.row)

    def cut(self, at: Ints, lots: Ints) -> Ints:
        """Take lots off those left; return the slice of the bankruptcy value that leaves with them.

        ``floor(value left x lots / lots left)``, the last slice the rest.
        """
        left, whole = self.lots_left[at], self.value_left[at]
        value, part = whole.copy(), (lots < left).nonzero()[0]
        if part.size:
            value[part] = cut_once(lots[part], left[part], whole[part])
        self.lots_left[at] = left - lots
        self.value_left[at] = whole - value
        return value


_OUTCOMES = {column.name: DTYPES[str(column.type)] for column in fields(Breaches) if not column.init}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Slices of ADL: lots of a bankrupt (NONE: a pool) closed against a winner. ``rank`` 0: the own opposite leg."""

    wave: Ints
    step: Ints
    symbol: Ints
    side: Ints
    source: Ints
    bankrupt_row: Ints
    serial: Ints
    winner_row: Ints
    rank: Ints
    lots: Ints
    close_value: Ints
    bankruptcy_value: Ints
    mark: Ints
    previous_mark: Ints
    notional_ahead: Ints
    entry_value: Ints
    score: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRows:
    """The front of each queue as it stood when its ranks froze; ``closed_lots`` by its wave."""

    wave: Ints
    step: Ints
    symbol: Ints
    row: Ints
    rank: Ints
    side: Ints
    lots: Ints
    notional: Ints
    pnl: Ints
    equity: Ints
    notional_ahead: Ints
    closed_lots: Ints
    skipped: Bools
    score: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveRow:
    """One wave of ADL; marks in mark quanta, money in quanta."""

    wave: int
    step: int
    symbol: int
    side: int  # of the bankrupts
    source: str
    bankrupts: int
    candidates: int
    wanted_lots: int
    closed_lots: int
    unmatched_lots: int
    notional: int
    candidate_notional: int
    winners: int
    skipped: int
    mark: int
    previous_mark: int
    difference: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow:
    """What a wave closed out of turn: beyond the place where the venue's own queue would have stopped.

    ``lots`` and their ``notional`` in quanta; ``positions`` that this queue would not have reached.
    """

    wave: int
    lots: int
    notional: int
    positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRow:
    """Where a watched position stood at a wave of its symbol, and what the wave closed of it."""

    row: int
    wave: int
    step: int
    symbol: int
    in_queue: bool
    rank: int
    notional_ahead: int
    candidates: int
    score: float
    lots: int
    closed_lots: int
    close_value: int
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRow:
    """A funding event: how far it moved the index, and the signed lots of owners that are not accounts, by name."""

    step: int
    symbol: int
    rate_e9: int
    mark: int
    oracle: int
    change: int
    owners: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FundRow:
    """An event of a fund, or a claim that a vault refused; ``pool`` is an owner's code, ``number`` which of them.

    ``peak`` and the basis pair are None where no drawdown trigger looks at them.
    """

    step: int
    pool: int = FUND
    number: int
    symbol: int
    event: str
    cause: str
    equity: int
    peak: int | None
    basis: int | None
    basis_peak: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedRow:
    """Lots for which a queue had nobody, and where they went."""

    step: int
    symbol: int
    row: int
    lots: int
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A candidate that was passed over, because it could not pay what its close would have cost it."""

    step: int
    symbol: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadRow:
    """The lots that a small further move would have liquidated at the end of a bar."""

    bar: int
    symbol: int
    lots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsRow:
    """A step of several rounds, or cut by their cap: marks and trade prices at the end of each."""

    step: int
    capped: bool
    marks: list[list[int]]
    trades: list[list[int]]


@dataclass(slots=True)
class Record:
    """The record of a run. ``step`` and ``round`` are those in progress; ``serial`` numbers breaches as they cross."""

    step: int = 0
    round: int = 1
    serial: int = 0
    transfers: Log[Transfers] = field(default_factory=lambda: Log(Transfers))
    breaches: Log[Breaches] = field(default_factory=lambda: Log(Breaches))
    slices: Log[Slices] = field(default_factory=lambda: Log(Slices))
    queue: Log[QueueRows] = field(default_factory=lambda: Log(QueueRows))
    waves: list[WaveRow] = field(default_factory=list)
    turns: list[TurnRow] = field(default_factory=list)
    watch: list[WatchRow] = field(default_factory=list)
    funding: list[FundingRow] = field(default_factory=list)
    fund_events: list[FundRow] = field(default_factory=list)
    unmatched: list[UnmatchedRow] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    ahead: list[AheadRow] = field(default_factory=list)
    rounds: list[RoundsRow] = field(default_factory=list)
