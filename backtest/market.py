"""The market path: trade and mark bars of all symbols on one clock, in integer units, with what is known of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import polars as pl

from backtest.errors import ConfigError, DataGapError, RangeError
from backtest.ingest.coverage import (
    PRICES,
    Facts,
    Window,
    check_bars,
    check_funding,
    coverage_row,
    hole_text,
    moment,
    micros,
    on_one_clock,
)
from backtest.ingest.lake import day_files, read_series, series_folder, shown
from backtest.ingest.sample import Span, choose_span, sample_rows, spans_of
from backtest.instrument import Instrument
from backtest.mechanics.exact import LIMIT, Bools, Floats, Ints, rate_e9
from backtest.mechanics.path import CLOSE, HIGH, LOW, OPEN
from backtest.scenario import Scenario

BAR_S = 60
PRE_ROLL_S = 6 * 3600  # shorter than this, the bars before the crash say little about where positions were opened
EntryProfile = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class MarketPath:
    """Everything a replay knows about prices.

    ``open_ts`` (bars) is in microseconds since the epoch, UTC. ``trade`` and ``mark`` (symbols, bars, 4) hold open,
    high, low, close in ticks and mark quanta; ``volume_lots`` and ``bridged`` are (symbols, bars). ``funding`` rows
    are (bar, symbol, rate in 1e-9). ``core_bar`` is the first bar at or after the start of the core.
    ``entry_profiles`` hold, per symbol, prices in ticks and the volume traded there before the core, or None where
    that stretch is short; ``pre_low`` and ``pre_high`` (symbols) are the lowest and highest mark of that stretch.
    ``coverage`` holds rows of the table of that name without the run; ``digest`` is over arrays and identities.
    """

    instruments: tuple[Instrument, ...]
    bar_s: int
    open_ts: Ints
    trade: Ints
    mark: Ints
    volume_lots: Ints
    bridged: Bools
    funding: tuple[tuple[int, int, int], ...]
    core_bar: int
    entry_profiles: tuple[EntryProfile | None, ...]
    pre_low: Ints
    pre_high: Ints
    coverage: tuple[dict[str, Any], ...]
    labels: Mapping[str, Mapping[str, str]]
    flags: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class _Tape:
    """Where a coin's trade bars come from: the venue's lake, or spans of the sample."""

    coin: str
    symbol: str
    venue: str
    label: str
    start: dt.datetime
    end: dt.datetime
    spans: tuple[Span, ...]
    lake: str

    @property
    def where(self) -> str:
        return self.lake or "data/sample/" + " and ".join(span.file for span in self.spans)

    @property
    def held(self) -> str:
        return f"{self.coin} {self.start.isoformat()} to {self.end.isoformat()}"


@dataclass(frozen=True, slots=True)
class _Mark:
    """Mark bars of a symbol in mark quanta; ``facts`` is None for the model."""

    bars: Ints
    facts: Facts | None
    note: str


def build_market(event: CrashEvent, profile: VenueProfile, scenario: Scenario) -> MarketPath:
    """Read, check and align the bars of a replay and express them in integer units.

    Trade bars come from the venue's own lake, else from the committed sample; bars of another venue are a declared
    proxy. Marks come from the venue's lake where they fill the window, else from ``model_mark``.

    Raises
    ------
    DataGapError
        No bars, an empty window, or holes in it without ``allow_gaps``.
    DataError
        Rows that break a rule of ``check_bars``.
    """
    tapes = [_tape(event, profile, scenario, coin) for coin in scenario.coins]
    window = _window(event, scenario, tapes)
    checked = [_trade_bars(event, tape, profile, scenario, window) for tape in tapes]
    open_ts, columns, bridged = on_one_clock([frame for frame, _ in checked], window, BAR_S)
    prices = np.stack([columns[name] for name in PRICES], axis=-1)
    instruments = tuple(
        instrument_of(tape.symbol, tape.coin, *profile.instrument(tape.coin), prices[s]) for s, tape in enumerate(tapes)
    )
    trade = np.stack([in_units(prices[s], unit.tick) for s, unit in enumerate(instruments)])
    volume = np.stack([in_units(columns["volume"][s], unit.lot, ROUND_FLOOR) for s, unit in enumerate(instruments)])
    marks = [_mark(unit, profile, scenario, window, trade[s]) for s, unit in enumerate(instruments)]
    mark = np.stack([found.bars for found in marks])
    funding, funding_facts = _funding(profile, instruments, window)
    core_bar = int(np.searchsorted(open_ts, micros(event.core_start)))
    pre = slice(0, max(min(core_bar, len(open_ts)), 1))  # without a pre-roll, the first bar bounds what was seen
    long_enough = micros(event.core_start) - int(open_ts[0]) >= PRE_ROLL_S * 1_000_000 and core_bar < len(open_ts)
    profiles = tuple(
        entry_profile(trade[s, :core_bar], volume[s, :core_bar]) if long_enough else None for s in range(len(tapes))
    )
    facts = [facts for _, facts in checked]
    parts = (open_ts, trade, mark, volume, bridged)
    names = [repr((tape.venue, tape.where, unit)) for tape, unit in zip(tapes, instruments, strict=True)]
    return MarketPath(
        instruments=instruments,
        bar_s=BAR_S,
        open_ts=open_ts,
        trade=trade,
        mark=mark,
        volume_lots=volume,
        bridged=bridged,
        funding=funding,
        core_bar=core_bar,
        entry_profiles=profiles,
        pre_low=mark[:, pre, LOW].min(axis=1),
        pre_high=mark[:, pre, HIGH].max(axis=1),
        coverage=tuple(_coverage(event, profile, scenario, tapes, facts, marks, funding_facts, open_ts, bridged, core_bar)),
        labels=_labels(profile, scenario, tapes, marks),
        flags=tuple(_flags(event, profile, scenario, window, tapes, instruments, facts, marks, funding_facts, profiles)),
        digest=_digest(parts, (event.id, profile.id, str(BAR_S), *names, repr(funding))),
    )
