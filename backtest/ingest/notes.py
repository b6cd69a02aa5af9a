"""What a reader must know of a run's market: labels of its inputs, and flags as sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backtest.ingest.coverage import Series, hole_text
from backtest.ingest.lake import Window
from backtest.ingest.sample import Tape
from backtest.instrument import Instrument
from backtest.scenario import Scenario

if TYPE_CHECKING:
    from backtest.events import CrashEvent
    from backtest.venue import VenueProfile

PRE_ROLL = dt.timedelta(hours=6)  # bars of a shorter stretch say little about where positions were opened


def model_text(scenario: Scenario) -> str:
    """Return how a mark without measured bars is made."""
    half_life = scenario.mark_half_life_s
    return f"EMA of the trade price, half-life {half_life:g} s" if half_life else "the trade price itself"


def labels(
    profile: VenueProfile, scenario: Scenario, tapes: Sequence[Tape], marks: Sequence[Series]
) -> dict[str, dict[str, str]]:
    """Return, for prices and for marks, a word (measured, proxy or modelled) and what it stands for."""
    venues = ", ".join(dict.fromkeys(tape.venue for tape in tapes))
    proxies = [tape.coin for tape in tapes if tape.venue != profile.id]
    others = ", ".join(dict.fromkeys(tape.venue for tape in tapes if tape.venue != profile.id))
    stand_in = f"minute bars of {others} stand in for the prices of {profile.id}: {', '.join(proxies)}"
    modelled = [series.symbol for series in marks if series.label == "modelled"]
    borrowed = [series for series in marks if series.label == "proxy"]
    texts = [f"{model_text(scenario)}: {', '.join(modelled)}"] if modelled else []
    texts += [f"{series.note}: {series.symbol}" for series in borrowed]
    return {
        "prices": {
            "badge": "proxy" if proxies else "measured",
            "text": stand_in if proxies else f"minute bars of {venues}",
            "source": venues,
        },
        "mark": {
            "badge": "modelled" if modelled else "proxy" if borrowed else "measured",
            "text": "; ".join(texts) or f"mark price bars of {profile.id}",
        },
    }


def proxy_flags(profile: VenueProfile, tapes: Sequence[Tape]) -> Iterator[str]:
    """Give a sentence for each venue whose prices stand in."""
    for proxy in dict.fromkeys(tape.venue for tape in tapes if tape.venue != profile.id):
        coins = ", ".join(tape.coin for tape in tapes if tape.venue == proxy)
        yield f"Prices of {coins} are those of {proxy}, a declared proxy for {profile.id}."


def window_flags(event: CrashEvent, scenario: Scenario, window: Window, tapes: Sequence[Tape]) -> Iterator[str]:
    """Give sentences on a window that is not the event's own, on a short pre-roll and on unused samples."""
    first, last = (time.isoformat() for time in window)
    if scenario.start is None and scenario.end is None and window != (event.start, event.end):
        shared = "all that the bars of these coins share" if len(tapes) > 1 else "all that the bars of the coin hold"
        wanted = f"{event.start.isoformat()} to {event.end.isoformat()}"
        yield f"The window is {first} to {last}, {shared}; the event's own is {wanted}."
    if window[0] > event.core_start or window[1] < event.core_end:
        core = f"{event.core_start.isoformat()} to {event.core_end.isoformat()}"
        yield f"The window {first} to {last} does not hold the whole core of the event, {core}."
    if window[0] + PRE_ROLL > event.core_start:
        hours = max(event.core_start - window[0], dt.timedelta(0)) / dt.timedelta(hours=1)
        yield f"The pre-roll is short ({hours:.1f} h before the core): entries are spread around the first mark."
    for tape in tapes:
        for span in tape.unused(window):
            other = f"{span.start.isoformat()} to {span.end.isoformat()}"
            yield f"The sample also has {tape.coin} {other}: run it with --set start={span.start.isoformat()}."


def unit_flags(profile: VenueProfile, units: Sequence[Instrument]) -> Iterator[str]:
    """Give sentences on ticks and lots that are not the venue's own."""
    for unit in units:
        tick, lot = profile.instrument(unit.coin)
        if unit.tick != tick:
            yield f"{unit.symbol}: prices are no multiples of the venue's tick {tick:f}; the tick is {unit.tick:f}."
        if unit.lot != lot:
            yield f"{unit.symbol}: lots of {unit.lot:f} instead of the venue's {lot:f} keep every value a whole number."


def series_flags(series: Sequence[Series]) -> Iterator[str]:
    """Give, as sentences, what a reader must know about the rows of a run."""
    for row in series:
        if row.name == "ohlcv" and row.bridged and row.facts:
            holes = hole_text(row.facts.holes)
            yield f"{row.symbol}: {row.bridged} missing bars are carried flat, without volume: {holes}."
        if row.facts and row.facts.duplicates:
            yield f"{row.symbol}: {row.facts.duplicates} rows of {row.name} came twice and were dropped."
    for row in series:
        if row.name == "mark_ohlcv" and row.label == "proxy":
            yield f"{row.symbol}: {row.note}."
    modelled = [row for row in series if row.label == "modelled"]
    for source, note in dict.fromkeys((row.source, row.note) for row in modelled):
        symbols = ", ".join(row.symbol for row in modelled if (row.source, row.note) == (source, note))
        yield f"The mark of {symbols} is modelled ({source}): {note}."
    unpaid = ", ".join(row.symbol for row in series if row.name == "funding" and row.label == "missing")
    if unpaid:
        yield f"There is no funding data in the window: {unpaid}."
