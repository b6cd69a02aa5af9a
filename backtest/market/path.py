"""The market path: trade and mark bars of all symbols on one clock, in integer units, with what is known of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.errors import ConfigError, DataGapError
from backtest.lake.checks import check_bars, gaps_text
from backtest.lake.markets import symbols_of
from backtest.lake.place import Place
from backtest.lake.series import TIMEFRAMES
from backtest.lake.witnesses import suspects_of
from backtest.market.actual_fills import read_actual
from backtest.market.align import on_one_clock
from backtest.market.depth import read_depth
from backtest.market.funding import Settlement, funding_notes, read_settlements
from backtest.market.inputs import InputSeries
from backtest.market.mark_model import model_mark, model_points, read_marks
from backtest.market.notes import known_open_interest, labels, proxy_notes, series_notes, unit_notes, window_notes
from backtest.market.pre_roll import EntryProfile, entry_profile, find_pre_roll
from backtest.market.suspects import UsedSuspect, refuse_suspects, suspect_notes, suspects_used
from backtest.market.tape import RequestedWindow, Tape, common_window, find_tape
from backtest.market.units import in_lots, in_units, instrument_of, refuse_no_value
from backtest.mechanics.exact import Bools, Floats, Ints, rate_e9
from backtest.mechanics.impact import OrderBook
from backtest.mechanics.path import HIGH, LOW, Walk, pieces_of, walk
from backtest.scenario.fields import Scenario
from backtest.times import Window, micros, moment
from backtest.venue.instrument import Instrument

if TYPE_CHECKING:
    import polars as pl

    from backtest.catalogue.events import CrashEvent
    from backtest.venue.profile import VenueProfile


@dataclass(frozen=True, slots=True)
class MarketPath:
    """Everything a replay knows about prices.

    ``open_ts`` (bars) is in microseconds since the epoch, UTC. ``trade`` and ``mark`` (symbols, bars, 4) hold open,
    high, low, close in ticks and mark quanta; ``modelled`` (symbols) says whose marks are a model; ``volume_lots`` and
    ``bridged`` are (symbols, bars). ``funding`` are the settlements by bar and symbol. ``core_bar`` is the first bar at
    or after the start of the core; the bars before it are the pre-roll. ``entry_profiles`` hold, per symbol, prices in
    ticks and the lots traded there in the pre-roll, or None where that is short; ``pre_low`` and ``pre_high``
    (symbols) are its lowest and highest mark, or those of the first bar where there is none. ``coverage`` holds rows
    of the table of that name without the run; ``actual`` the venue's own forced fills, if they were
    imported; ``digest`` is over all of it. ``books`` hold the order book of each symbol, only where ``impact = depth``.
    ``suspects`` are the doubtful values of all series.
    """

    instruments: tuple[Instrument, ...]
    bar_s: int
    open_ts: Ints
    trade: Ints
    mark: Ints
    modelled: tuple[bool, ...]
    volume_lots: Ints
    bridged: Bools
    funding: tuple[Settlement, ...]
    core_bar: int
    entry_profiles: tuple[EntryProfile | None, ...]
    pre_low: Ints
    pre_high: Ints
    coverage: tuple[dict[str, Any], ...]
    labels: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]
    actual: pl.DataFrame
    digest: str
    books: tuple[OrderBook, ...] = ()
    suspects: tuple[UsedSuspect, ...] = ()


def build_market(
    event: CrashEvent, profile: VenueProfile, scenario: Scenario, terms: Sequence[InputSeries] = ()
) -> MarketPath:
    """Read, check and align the bars of a replay and express them in integer units.

    Trade bars come from the lake, else from the committed sample (``find_tape``); bars of another venue are a declared
    proxy. Marks are those of ``read_marks``. ``terms`` are the series that the contracts come from, listed with the
    others.

    Raises
    ------
    DataGapError
        No bars, an empty window, or gaps in it without ``allow_gaps``.
    SuspectError
        Values that nothing around them bears out where the replay walks, without ``allow_suspect``.
    DataError
        Rows that break a rule of ``check_bars``.
    """
    bar_s = TIMEFRAMES[scenario.timeframe]
    requested = _requested_window(scenario, bar_s)
    tapes = [find_tape(event, profile.host, profile.symbol(coin), coin, requested) for coin in scenario.coins]
    window = common_window(event, tapes, requested)
    _refuse_between_bars(scenario, window, bar_s)
    trades = [_read_trades(event, profile, scenario, tape, window) for tape in tapes]
    bars = on_one_clock([each.frame for each in trades], window, bar_s)
    units = tuple(_instrument(profile, tape, prices) for tape, prices in zip(tapes, bars.prices, strict=True))
    trade = np.stack([in_units(bars.prices[s], unit.tick, symbol=unit.symbol) for s, unit in enumerate(units)])
    volume = np.stack([in_lots(bars.volume[s], bars.prices[s], unit) for s, unit in enumerate(units)])
    refuse_no_value(units, trade)
    marks = [
        read_marks(profile.host, tape, unit, window, trade[s], bar_s=bar_s, half_life_s=scenario.mark_half_life_s)
        for s, (tape, unit) in enumerate(zip(tapes, units, strict=True))
    ]
    mark = np.stack([each.bars for each in marks])
    paid = [read_settlements(profile, s, unit, window, bar_s) for s, unit in enumerate(units)]
    pre_roll = find_pre_roll(event, window, bars.open_ts, bar_s)
    actual = read_actual(profile.host, [unit.symbol for unit in units], window)
    before = [float(prices[max(pre_roll.core_bar - 1, 0), -1]) for prices in bars.prices]
    books = []
    if scenario.impact == "depth":
        books = [
            _read_book(profile, tape, unit, prices, window, bars.open_ts, bar_s)
            for tape, unit, prices in zip(tapes, units, bars.prices, strict=True)
        ]
    inputs = (
        *(each.series for each in trades),
        *(each.series for each in marks),
        *(series for each in paid for series in each.series),
        *(pre_roll.series(event, each.frame, each.series, window) for each in trades),
        *known_open_interest(event, profile, scenario, units, before),
        *actual.series,
        *(each.series for each in books),
        *terms,
    )
    profiles = tuple(
        entry_profile(trade[s, : pre_roll.core_bar], volume[s, : pre_roll.core_bar]) if pre_roll.long_enough else None
        for s in range(len(units))
    )
    first = pre_roll.core_bar if all(profile is not None for profile in profiles) else 0
    suspects = suspects_used(inputs, moment(micros(window[0]) + first * bar_s * 1_000_000))
    refuse_suspects(suspects, event.id, allowed=scenario.allow_suspect)
    notes = (
        *proxy_notes(profile, tapes),
        *window_notes(event, scenario, window, tapes),
        *unit_notes(profile, units),
        *series_notes(inputs),
        *suspect_notes(suspects),
        *funding_notes(paid),
    )
    funding = tuple(sorted(row for each in paid for row in each.settlements))
    coverage = tuple(series.row() for series in inputs)
    sources = [(tape.venue, tape.label) for tape in tapes]
    identity = repr((event.id, profile.id, bar_s, units, sources, funding, coverage, notes))
    return MarketPath(
        instruments=units,
        bar_s=bar_s,
        open_ts=bars.open_ts,
        trade=trade,
        mark=mark,
        modelled=tuple(each.modelled for each in marks),
        volume_lots=volume,
        bridged=bars.bridged,
        funding=funding,
        core_bar=pre_roll.core_bar,
        entry_profiles=profiles,
        pre_low=mark[:, : pre_roll.bars_seen, LOW].min(axis=1),
        pre_high=mark[:, : pre_roll.bars_seen, HIGH].max(axis=1),
        coverage=coverage,
        labels=labels(profile, scenario, tapes, [each.series for each in marks]),
        notes=notes,
        actual=actual.fills,
        digest=path_digest(identity, bars.open_ts, trade, mark, volume, bars.bridged),
        books=tuple(each.book for each in books),
        suspects=suspects,
    )


def walk_market(market: MarketPath, intrabar: str, half_life_s: float, first_bar: int = 0, step_s: float = 60) -> Walk:
    """Walk the bars from ``first_bar``: measured marks through their bars, modelled ones through their own points.

    A modelled mark is known at each time, so no extreme is moved within its bar; its trade bar decides the order of
    both. No step is longer than ``step_s``, but for bars of one price.
    """
    trade, pieces = market.trade[:, first_bar:], pieces_of(step_s, market.bar_s)
    path = walk(trade, market.mark[:, first_bar:], intrabar, pieces)
    for s, unit in enumerate(market.instruments):
        if market.modelled[s] and half_life_s:
            points = model_points(
                market.trade[s], intrabar, market.bar_s, half_life_s, unit.mark_per_tick, pieces=pieces
            )[first_bar:]
            path.mark[s] = points[:, -1] if path.parts == 1 else points.ravel()
            path.trade[s] = walk(trade[s : s + 1], trade[s : s + 1], intrabar, pieces).trade[0]
    return path


def with_half_life(market: MarketPath, half_life_s: float) -> MarketPath:
    """Return the market with the modelled marks of another half-life; measured marks stay."""
    mark = market.mark.copy()
    for s, unit in enumerate(market.instruments):
        if market.modelled[s]:
            mark[s] = model_mark(market.trade[s], market.bar_s, half_life_s, unit.mark_per_tick)
    seen = max(market.core_bar, 1) if market.core_bar < len(market.open_ts) else 1
    low, high = mark[:, :seen, LOW].min(axis=1), mark[:, :seen, HIGH].max(axis=1)
    return replace(market, mark=mark, pre_low=low, pre_high=high)


def _requested_window(scenario: Scenario, bar_s: int) -> RequestedWindow:
    for name, time in (("start", scenario.start), ("end", scenario.end)):
        if time is not None and micros(time) % (bar_s * 1_000_000):
            grid = "whole minutes; bars open on the minute" if bar_s == 60 else f"whole multiples of {bar_s} s"
            raise ConfigError(f"{name} = {time.isoformat()}; allowed: {grid}")
    return RequestedWindow(scenario.start, scenario.end, scenario.timeframe)


def _refuse_between_bars(scenario: Scenario, window: Window, bar_s: int) -> None:
    """Refuse a window of the event that does not open and close with bars of the timeframe."""
    for name, time in zip(("start", "end"), window, strict=True):
        if micros(time) % (bar_s * 1_000_000):
            raise ConfigError(
                f"timeframe = {scenario.timeframe}: the window's {name} {time.isoformat()} lies inside a bar; set "
                f"start and end to whole multiples of {bar_s} s, or a shorter timeframe"
            )


@dataclass(frozen=True, slots=True)
class _Trades:
    """Checked trade bars of a coin, and the series they come from."""

    frame: pl.DataFrame
    series: InputSeries


def _read_trades(event: CrashEvent, profile: VenueProfile, scenario: Scenario, tape: Tape, window: Window) -> _Trades:
    """Read and check a coin's bars.

    Gaps in the core and an end too early are refused unless they are to be carried flat; other gaps are carried flat
    and noted. Nothing can be carried into a gap at the start.
    """
    bar_s = TIMEFRAMES[scenario.timeframe]
    frame, facts = check_bars(tape.read(window), tape.symbol, bar_s, tape.where, window)
    late = facts.first is None or facts.first > window[0]
    early = facts.last is not None and facts.last + dt.timedelta(seconds=bar_s) < window[1]
    core = [gap for gap in facts.gaps if gap[0] < event.core_end and gap[1] > event.core_start]
    if late or ((core or early) and not scenario.allow_gaps):
        longest = f"longest {facts.longest_gap_s} s" if len(facts.gaps) > 1 else f"{facts.longest_gap_s} s"
        found = f"{facts.missing} bars missing ({longest}): {gaps_text(facts.gaps)}"
        carry = "" if late else ", carry them flat with --allow-gaps"
        fetch = f"run crashbook fetch {event.id} --venue {profile.host}"
        each = "a minute" if bar_s == 60 else f"every {bar_s} s"
        raise DataGapError(f"{tape.symbol}: {found}; allowed: a bar {each}; {fetch}{carry} or narrow start and end")
    own = tape.venue == profile.host
    series = InputSeries(
        name="ohlcv",
        symbol=tape.symbol,
        source=f"{tape.venue}: {tape.label}",
        label="measured" if own else "proxy",
        expected_rows=(window[1] - window[0]) // dt.timedelta(seconds=bar_s),
        facts=facts,
        note="" if own else f"bars of {tape.venue} stand in for {profile.id}",
        bridged=facts.missing,
        suspects=suspects_of(tape.place, frame),
    )
    return _Trades(frame, series)


@dataclass(frozen=True, slots=True)
class _Book:
    """The order book of a symbol beside its bars, and the series it comes from."""

    book: OrderBook
    series: InputSeries


def _read_book(
    profile: VenueProfile,
    tape: Tape,
    unit: Instrument,
    prices: Floats,
    window: Window,
    open_ts: Ints,
    bar_s: int,
) -> _Book:
    """Return the order book in lots: the venue's own, else that of the venue whose bars are walked."""
    markets = [(profile.host, unit.symbol), *((tape.venue, name) for name in symbols_of(tape.venue, tape.coin))]
    places = [Place(*market, "depth") for market in dict.fromkeys(markets)]
    depth = read_depth(places, unit.symbol, window, open_ts, bar_s)
    distances = tuple(rate_e9(distance) for distance in depth.distances.tolist())
    return _Book(OrderBook(distances, in_lots(depth.base, prices, unit)), depth.series)


def _instrument(profile: VenueProfile, tape: Tape, prices: Floats) -> Instrument:
    tick, lot = profile.instrument(tape.coin)
    return instrument_of(tape.symbol, tape.coin, tick, lot, prices, profile.face(tape.coin))


def path_digest(identity: str, *arrays: Ints | Bools) -> str:
    """Return a digest of a market path: what identifies it, and its arrays."""
    digest = hashlib.sha256(identity.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
