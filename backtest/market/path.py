"""The market path: trade and mark bars of all symbols on one clock, in integer units, with what is known of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from backtest.errors import ConfigError, DataError, DataGapError
from backtest.lake.checks import PRICES, check_bars, describe, hole_text
from backtest.lake.markets import symbols_of
from backtest.lake.place import series_folder, shown
from backtest.lake.read import read_series
from backtest.market.actual_fills import read_actual
from backtest.market.align import on_one_clock
from backtest.market.depth import read_depth
from backtest.market.funding import Settlement, funding_flags, read_settlements
from backtest.market.inputs import InputSeries
from backtest.market.notes import (
    PRE_ROLL,
    known_open_interest,
    labels,
    model_text,
    proxy_flags,
    series_flags,
    unit_flags,
    window_flags,
)
from backtest.market.tape import Asked, Tape, common_window, find_tape
from backtest.market.units import in_lots, in_units, instrument_of, refuse_no_value
from backtest.mechanics.exact import Bools, Floats, Ints, half_even_array, rate_e9
from backtest.mechanics.impact import OrderBook
from backtest.mechanics.path import HIGH, LOW, Walk, walk
from backtest.scenario.values import Scenario
from backtest.times import Window, micros
from backtest.venue.instrument import Instrument

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.venue.profile import VenueProfile

BAR_S = 60
EntryProfile = tuple[Ints, Floats]


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
    flags: tuple[str, ...]
    actual: pl.DataFrame
    digest: str
    books: tuple[OrderBook, ...] = ()


def build_market(
    event: CrashEvent, profile: VenueProfile, scenario: Scenario, terms: Sequence[InputSeries] = ()
) -> MarketPath:
    """Read, check and align the bars of a replay and express them in integer units.

    Trade bars come from the lake, else from the committed sample (``find_tape``); bars of another venue are a declared
    proxy. Marks come from the lake where they fill the window: the venue's own, or those of the venue whose trade bars
    stand in; else from ``model_mark``. ``terms`` are rows of coverage of the contracts, told with the others.

    Raises
    ------
    DataGapError
        No bars, an empty window, or holes in it without ``allow_gaps``.
    DataError
        Rows that break a rule of ``check_bars``.
    """
    asked = _whole_minutes(scenario)
    tapes = [find_tape(event, profile.id, profile.symbol(coin), coin, asked) for coin in scenario.coins]
    window = common_window(event, tapes, asked)
    read = [_trade_bars(event, profile, scenario, tape, window) for tape in tapes]
    frames, trades = [frame for frame, _ in read], [series for _, series in read]
    open_ts, columns, bridged = on_one_clock(frames, window, BAR_S)
    prices = np.stack([columns[name] for name in PRICES], axis=-1)
    units = tuple(_instrument(profile, tape, prices[s]) for s, tape in enumerate(tapes))
    trade = np.stack([in_units(prices[s], unit.tick, symbol=unit.symbol) for s, unit in enumerate(units)])
    volume = np.stack([in_lots(columns["volume"][s], prices[s], unit) for s, unit in enumerate(units)])
    refuse_no_value(units, trade)
    marked = [_mark(profile, scenario, tapes[s], unit, window, trade[s]) for s, unit in enumerate(units)]
    mark, marks = np.stack([bars for bars, _ in marked]), [series for _, series in marked]
    paid = [read_settlements(profile, s, unit, window) for s, unit in enumerate(units)]
    funding = tuple(sorted(row for each in paid for row in each.settlements))
    fundings = [series for each in paid for series in each.series]
    core_bar = int(np.searchsorted(open_ts, micros(event.core_start)))
    inside = event.core_start < window[1]
    seen = slice(0, max(core_bar, 1) if inside else 1)  # without a pre-roll, the first bar bounds what was seen
    known = inside and window[0] + PRE_ROLL <= event.core_start
    profiles = tuple(
        entry_profile(trade[s, :core_bar], volume[s, :core_bar]) if known else None for s in range(len(units))
    )
    pre_rolls = [_pre_roll(event, series, frame, window, known) for frame, series in read]
    actual, known_fills = read_actual(profile.id, [unit.symbol for unit in units], window)
    before = [float(each[max(core_bar - 1, 0), -1]) for each in prices]
    held = known_open_interest(event, profile, scenario, units, before)
    if scenario.impact == "depth":
        seen_books = [_book(profile, *each, window, open_ts) for each in zip(tapes, units, prices, strict=True)]
    else:
        seen_books = []
    depths = [series for _, series in seen_books]
    all_series = (*trades, *marks, *fundings, *pre_rolls, *held, *known_fills, *depths, *terms)
    coverage = tuple(series.row() for series in all_series)
    flags = (
        *proxy_flags(profile, tapes),
        *window_flags(event, scenario, window, tapes),
        *unit_flags(profile, units),
        *series_flags(all_series),
        *funding_flags(paid),
    )
    sources = [(tape.venue, tape.where) for tape in tapes]
    identity = repr((event.id, profile.id, BAR_S, units, sources, funding, coverage, flags))
    return MarketPath(
        instruments=units,
        bar_s=BAR_S,
        open_ts=open_ts,
        trade=trade,
        mark=mark,
        modelled=tuple(series.label == "modelled" for series in marks),
        volume_lots=volume,
        bridged=bridged,
        funding=funding,
        core_bar=core_bar,
        entry_profiles=profiles,
        pre_low=mark[:, seen, LOW].min(axis=1),
        pre_high=mark[:, seen, HIGH].max(axis=1),
        coverage=coverage,
        labels=labels(profile, scenario, tapes, marks),
        flags=flags,
        actual=actual,
        digest=_digest(identity, open_ts, trade, mark, volume, bridged),
        books=tuple(book for book, _ in seen_books),
    )


def model_mark(trade: Ints, bar_s: int, half_life_s: float, mark_per_tick: int = 1) -> Ints:
    """Return mark bars modelled from trade bars: an exponential moving average in continuous time.

    A trade wick is not a mark. A venue's mark follows an index and a damped basis, so that one thin book does not
    liquidate its customers; on 10 October 2025 perpetuals traded at half of spot for minutes while marks did not.
    A mark bar is the average at its open, the highest and the lowest of the four points of ``model_points`` and the
    average at its close. A replay walks the points themselves (``walk_market``).

    Parameters
    ----------
    trade
        Open, high, low, close in ticks, shape (bars, 4).
    bar_s, half_life_s
        Seconds; a half-life of 0 makes the mark the trade price.
    mark_per_tick
        Mark quanta per tick.

    Examples
    --------
    A jump from 1000 to 2000 halves its distance every 20 seconds: 1000, 1500, 1750, 1875.

    >>> model_mark(np.array([[1000] * 4, [2000] * 4]), bar_s=60, half_life_s=20).tolist()
    [[1000, 1000, 1000, 1000], [1000, 1875, 1000, 1875]]
    """
    if half_life_s == 0:
        return trade * mark_per_tick
    four = model_points(trade, "ohlc", bar_s, half_life_s, mark_per_tick)
    return np.stack([four[:, 0], four.max(axis=1), four.min(axis=1), four[:, 3]], axis=1)


def model_points(trade: Ints, intrabar: str, bar_s: int, half_life_s: float, mark_per_tick: int = 1) -> Ints:
    """Return the average at 0, T/3, 2T/3 and T of each bar, shape (bars, 4), in mark quanta, half to even.

    The trade price is walked through each bar in the order ``intrabar`` (the trade bar decides; ``close`` as
    ``ohlc``), straight between its four prices. The average follows exactly, starts at the first open, and rests
    between bars, where no time passes.

    Examples
    --------
    >>> model_points(np.array([[1000] * 4, [2000] * 4]), "ohlc", bar_s=60, half_life_s=20)[1].tolist()
    [1000, 1500, 1750, 1875]
    """
    order = "ohlc" if intrabar == "close" else intrabar
    points = walk(trade[None], trade[None], order).trade.reshape(-1, 4)
    if half_life_s == 0:
        return points * mark_per_tick
    decay_rate = math.log(2) * bar_s / 3 / half_life_s
    decay, lag = math.exp(-decay_rate), -math.expm1(-decay_rate) / decay_rate
    before, after = points[:, :-1].astype(np.float64), points[:, 1:].astype(np.float64)
    pulls = after - (after - before) * lag - before * decay
    walked = accumulate(pulls.ravel().tolist(), lambda level, pull: level * decay + pull, initial=float(points[0, 0]))
    levels = np.array(list(walked))
    four = np.stack([levels[:-1:3], levels[1::3], levels[2::3], levels[3::3]], axis=1)
    rounded: Ints = np.rint(four * mark_per_tick).astype(np.int64)
    return rounded


def walk_market(market: MarketPath, intrabar: str, half_life_s: float, first_bar: int = 0) -> Walk:
    """Walk the bars from ``first_bar``: measured marks through their bars, modelled ones through their own points.

    A modelled mark is known at each of the four times, so no extreme is moved within its bar; its trade bar decides
    the order of both.
    """
    trade = market.trade[:, first_bar:]
    path = walk(trade, market.mark[:, first_bar:], intrabar)
    for s, unit in enumerate(market.instruments):
        if market.modelled[s] and half_life_s:
            points = model_points(market.trade[s], intrabar, market.bar_s, half_life_s, unit.mark_per_tick)[first_bar:]
            path.mark[s] = points[:, -1] if path.parts == 1 else points.ravel()
            path.trade[s] = walk(trade[s : s + 1], trade[s : s + 1], intrabar).trade[0]
    return path


def entry_profile(trade: Ints, volume_lots: Ints) -> EntryProfile | None:
    """Return where volume traded: each bar's lots at the mean of its four prices; None where nothing traded.

    Nobody entered at a price of zero.

    Examples
    --------
    >>> prices, lots = entry_profile(np.array([[10, 14, 8, 12], [11, 12, 10, 11]]), np.array([5, 7]))
    >>> prices.tolist(), lots.tolist()
    ([11], [12.0])
    """
    means = half_even_array(trade.sum(axis=1), np.full(len(trade), 4))
    traded = (volume_lots > 0) & (means > 0)
    prices, place = np.unique(means[traded], return_inverse=True)
    lots = np.bincount(place, weights=volume_lots[traded].astype(np.float64)).astype(np.float64)
    return (prices, lots) if len(prices) else None


def _instrument(profile: VenueProfile, tape: Tape, prices: Floats) -> Instrument:
    tick, lot = profile.instrument(tape.coin)
    return instrument_of(tape.symbol, tape.coin, tick, lot, prices, profile.face(tape.coin))


def _whole_minutes(scenario: Scenario) -> Asked:
    for name, time in (("start", scenario.start), ("end", scenario.end)):
        if time is not None and micros(time) % (BAR_S * 1_000_000):
            raise ConfigError(f"{name} = {time.isoformat()}; allowed: whole minutes; bars open on the minute")
    return scenario.start, scenario.end


def _trade_bars(
    event: CrashEvent, profile: VenueProfile, scenario: Scenario, tape: Tape, window: Window
) -> tuple[pl.DataFrame, InputSeries]:
    """Read and check a coin's bars.

    Holes in the core and an end too early are refused unless they are to be carried flat; other holes are carried
    flat and flagged. Nothing can be carried into a hole at the start.
    """
    frame, facts = check_bars(tape.read(window), tape.symbol, BAR_S, tape.where, window)
    late = facts.first is None or facts.first > window[0]
    early = facts.last is not None and facts.last + dt.timedelta(seconds=BAR_S) < window[1]
    core = [hole for hole in facts.holes if hole[0] < event.core_end and hole[1] > event.core_start]
    if late or ((core or early) and not scenario.allow_gaps):
        longest = f"longest {facts.longest_gap_s} s" if len(facts.holes) > 1 else f"{facts.longest_gap_s} s"
        found = f"{facts.missing} bars missing ({longest}): {hole_text(facts.holes)}"
        carry = "" if late else ", carry them flat with --allow-gaps"
        fetch = f"run crashbook fetch {event.id} --venue {profile.id}"
        raise DataGapError(f"{tape.symbol}: {found}; allowed: a bar a minute; {fetch}{carry} or narrow start and end")
    label = "measured" if tape.venue == profile.id else "proxy"
    source = f"{tape.venue}: {tape.where}"
    expected = (window[1] - window[0]) // dt.timedelta(seconds=BAR_S)
    note = f"bars of {tape.venue} stand in for {profile.id}" if label == "proxy" else ""
    return frame, InputSeries("ohlcv", tape.symbol, source, label, expected, facts, note, facts.missing)


def _mark(
    profile: VenueProfile, scenario: Scenario, tape: Tape, unit: Instrument, window: Window, trade: Ints
) -> tuple[Ints, InputSeries]:
    """Return mark bars in mark quanta: measured ones where they fill the window, else the model."""
    places = dict.fromkeys([(profile.id, unit.symbol), *([] if tape.spans else [tape.place])])
    held = []
    for place in places:
        where = shown(series_folder(*place, "mark_ohlcv"))
        rows = read_series(*place, "mark_ohlcv", *window)
        # venues publish no volume for marks: absent or zero, it is not used
        frame, facts = check_bars(rows.with_columns(volume=pl.lit(0.0)), unit.symbol, BAR_S, where, window)
        if frame.height == len(trade):
            own = place[0] == profile.id
            note = "" if own else f"marks of {place[0]} stand in for {profile.id}"
            source, label = f"{place[0]}: {where}", "measured" if own else "proxy"
            series = InputSeries("mark_ohlcv", unit.symbol, source, label, len(trade), facts, note)
            return _in_quanta(frame, unit, where), series
        held.append(f"{frame.height or 'none'} of the {len(trade)} mark bars of {place[0]}")
    note = f"the lake has {' and '.join(held)}"
    series = InputSeries("mark_ohlcv", unit.symbol, model_text(scenario), "modelled", len(trade), None, note)
    return model_mark(trade, BAR_S, scenario.mark_half_life_s, unit.mark_per_tick), series


def _in_quanta(frame: pl.DataFrame, unit: Instrument, where: str) -> Ints:
    bars = in_units(frame.select(PRICES).to_numpy(), unit.mark_quantum, symbol=unit.symbol)
    if unit.inverse and bars.min() < 1:
        least = f"a mark price rounds to zero in steps of {unit.mark_quantum:f}, where an inverse contract has no value"
        raise DataError(f"{where}: {unit.symbol}: {least}; allowed: marks of at least a step; correct the file")
    return bars


def _book(
    profile: VenueProfile, tape: Tape, unit: Instrument, prices: Floats, window: Window, open_ts: Ints
) -> tuple[OrderBook, InputSeries]:
    """Return the order book beside the bars, in lots; the venue's own, else that of the venue whose bars are walked."""
    places = [(profile.id, unit.symbol), *((tape.venue, name) for name in symbols_of(tape.venue, tape.coin))]
    distances, depth, series = read_depth(list(dict.fromkeys(places)), unit.symbol, window, open_ts, BAR_S)
    lots = in_lots(depth, prices, unit)
    return OrderBook(tuple(rate_e9(distance) for distance in distances.tolist()), lots), series


def _pre_roll(event: CrashEvent, trade: InputSeries, frame: pl.DataFrame, window: Window, known: bool) -> InputSeries:
    """Return the bars before the core as a series; ``known`` if entries are drawn from them."""
    before = frame.filter(pl.col("ts") < event.core_start)
    facts = describe(before, 0, BAR_S, (window[0], max(window[0], min(event.core_start, window[1]))))
    note = "entries follow the volume traded here" if known else "short: entries are spread around the first mark"
    label = trade.label if before.height else "missing"
    wanted = event.pre_roll_wanted_s // BAR_S
    return InputSeries("pre_roll", trade.symbol, trade.source, label, wanted, facts, note, facts.missing)


def _digest(identity: str, *arrays: Ints | Bools) -> str:
    digest = hashlib.sha256(identity.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
