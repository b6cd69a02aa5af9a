"""The market path: trade and mark bars of all symbols on one clock, in integer units, with what is known of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.errors import ConfigError, DataGapError, RangeError
from backtest.ingest.coverage import (
    PRICES,
    Facts,
    check_bars,
    check_funding,
    hole_text,
    micros,
    moment,
    on_one_clock,
)
from backtest.ingest.lake import read_series, series_folder, shown
from backtest.ingest.sample import Tape, Window, common_window, find_tape
from backtest.instrument import Instrument
from backtest.mechanics.exact import LIMIT, Bools, Floats, Ints, half_even_array, rate_e9
from backtest.mechanics.path import HIGH, LOW, walk
from backtest.scenario import Scenario

if TYPE_CHECKING:
    import polars as pl

    from backtest.events import CrashEvent
    from backtest.venue import VenueProfile

BAR_S = 60
PRE_ROLL_S = 6 * 3600  # bars of a shorter stretch say little about where positions were opened
EntryProfile = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class MarketPath:
    """Everything a replay knows about prices.

    ``open_ts`` (bars) is in microseconds since the epoch, UTC. ``trade`` and ``mark`` (symbols, bars, 4) hold open,
    high, low, close in ticks and mark quanta; ``volume_lots`` and ``bridged`` are (symbols, bars). ``funding`` rows
    are (bar, symbol, rate in 1e-9). ``core_bar`` is the first bar at or after the start of the core; the bars before
    it are the pre-roll. ``entry_profiles`` hold, per symbol, prices in ticks and the lots traded there in the
    pre-roll, or None where that is short; ``pre_low`` and ``pre_high`` (symbols) are its lowest and highest mark.
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
class _Series:
    """Rows of one series of one symbol: where from, measured or what else, facts (None: no rows), a note."""

    name: str
    symbol: str
    source: str
    label: str
    expected: int | None
    facts: Facts | None
    note: str = ""
    bridged: int = 0


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
    start, end = _whole_minutes(scenario)
    tapes = [find_tape(event, profile.id, profile.symbol(coin), coin, start, end) for coin in scenario.coins]
    window = common_window(event, tapes, start, end)
    frames, trades = zip(*(_trade_bars(event, profile, scenario, tape, window) for tape in tapes), strict=True)
    open_ts, columns, bridged = on_one_clock(frames, window, BAR_S)
    prices = np.stack([columns[name] for name in PRICES], axis=-1)
    units = tuple(instrument_of(tape.symbol, tape.coin, *profile.instrument(tape.coin), prices[s]) for s, tape in enumerate(tapes))
    trade = np.stack([in_units(prices[s], unit.tick) for s, unit in enumerate(units)])
    volume = np.stack([in_units(columns["volume"][s], unit.lot, ROUND_FLOOR) for s, unit in enumerate(units)])
    mark_bars, marks = zip(*(_mark(profile, scenario, unit, window, trade[s]) for s, unit in enumerate(units)), strict=True)
    mark = np.stack(mark_bars)
    events, fundings = zip(*(_funding(profile, s, unit, window) for s, unit in enumerate(units)), strict=True)
    funding = tuple(sorted(row for rows in events for row in rows))
    core_bar = int(np.searchsorted(open_ts, micros(event.core_start)))
    seen = slice(0, max(core_bar, 1))  # without a pre-roll, the first bar bounds what was seen
    pre_rolls = [_pre_roll(event, series, window, core_bar) for series in trades]
    profiles = tuple(
        entry_profile(trade[s, :core_bar], volume[s, :core_bar]) if series.label != "missing" else None
        for s, series in enumerate(pre_rolls)
    )
    all_series = (*trades, *marks, *fundings, *pre_rolls)
    identity = repr((event.id, profile.id, BAR_S, units, [(tape.venue, tape.where) for tape in tapes], funding))
    return MarketPath(
        instruments=units,
        bar_s=BAR_S,
        open_ts=open_ts,
        trade=trade,
        mark=mark,
        volume_lots=volume,
        bridged=bridged,
        funding=funding,
        core_bar=core_bar,
        entry_profiles=profiles,
        pre_low=mark[:, seen, LOW].min(axis=1),
        pre_high=mark[:, seen, HIGH].max(axis=1),
        coverage=tuple(_coverage_row(series) for series in all_series),
        labels=_labels(profile, scenario, tapes, marks),
        flags=tuple(_flags(event, profile, scenario, window, tapes, units, all_series)),
        digest=_digest(identity, open_ts, trade, mark, volume, bridged),
    )
