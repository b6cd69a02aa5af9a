"""Labels of the inputs of a run's market, and notes on them as sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backtest.lake.checks import describe, gaps_text
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.market.funding import NO_RATES
from backtest.market.inputs import InputSeries, from_lake
from backtest.market.mark_model import model_text
from backtest.market.pre_roll import LONG_ENOUGH
from backtest.market.tape import Tape
from backtest.scenario.fields import Scenario
from backtest.scenario.values import per_coin
from backtest.times import Window
from backtest.venue.instrument import Instrument
from backtest.venue.statement import a_side

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.venue.profile import VenueProfile

LATELY = dt.timedelta(hours=1)  # older open interest is not that of the crash


def labels(
    profile: VenueProfile, scenario: Scenario, tapes: Sequence[Tape], marks: Sequence[InputSeries]
) -> dict[str, dict[str, str]]:
    """Return the labels of prices and of marks: measured, proxy or modelled, with a text and the source."""
    venues = ", ".join(dict.fromkeys(tape.venue for tape in tapes))
    proxies = [tape.coin for tape in tapes if tape.venue != profile.host]
    others = ", ".join(dict.fromkeys(tape.venue for tape in tapes if tape.venue != profile.host))
    stand_in = f"{_bars(scenario)} of {others} stand in for the prices of {profile.id}: {', '.join(proxies)}"
    modelled = [series.symbol for series in marks if series.label == "modelled"]
    borrowed = [series for series in marks if series.label == "proxy"]
    texts = [f"{model_text(scenario.mark_half_life_s)}: {', '.join(modelled)}"] if modelled else []
    texts += [f"{series.note}: {series.symbol}" for series in borrowed]
    return {
        "prices": {
            "badge": "proxy" if proxies else "measured",
            "text": stand_in if proxies else f"{_bars(scenario)} of {venues}",
            "source": venues,
        },
        "mark": {
            "badge": "modelled" if modelled else "proxy" if borrowed else "measured",
            "text": "; ".join(texts) or f"mark price bars of {profile.host}",
        },
    }


def _bars(scenario: Scenario) -> str:
    return "minute bars" if scenario.timeframe == "1m" else f"bars of {scenario.timeframe}"


def proxy_notes(profile: VenueProfile, tapes: Sequence[Tape]) -> Iterator[str]:
    """Give a sentence for each venue whose prices stand in."""
    for proxy in dict.fromkeys(tape.venue for tape in tapes if tape.venue != profile.host):
        coins = ", ".join(tape.coin for tape in tapes if tape.venue == proxy)
        yield f"Prices of {coins} are those of {proxy}, a declared proxy for {profile.id}."


def window_notes(event: CrashEvent, scenario: Scenario, window: Window, tapes: Sequence[Tape]) -> Iterator[str]:
    """Give sentences on a window that is not the event's own, on a short pre-roll and on unused samples."""
    first, last = (time.isoformat() for time in window)
    if scenario.start is None and scenario.end is None and window != (event.start, event.end):
        shared = "all that the bars of these coins share" if len(tapes) > 1 else "all that the bars of the coin hold"
        if any(tape.shared != (tape.start, tape.end) for tape in tapes):
            shared = "all that the coins of the sample share"
        wanted = f"{event.start.isoformat()} to {event.end.isoformat()}"
        yield f"The window is {first} to {last}, {shared}; the event's own is {wanted}."
    if window[0] > event.core_start or window[1] < event.core_end:
        core = f"{event.core_start.isoformat()} to {event.core_end.isoformat()}"
        yield f"The window {first} to {last} does not hold the whole core of the event, {core}."
    if window[0] + LONG_ENOUGH > event.core_start:
        hours = max(event.core_start - window[0], dt.timedelta(0)) / dt.timedelta(hours=1)
        yield f"The pre-roll is short ({hours:.1f} h before the core): entries are spread around the first mark."
    for tape in tapes:
        for span in tape.unused(window):
            other = f"{span.start.isoformat()} to {span.end.isoformat()}"
            yield f"The sample also has {tape.coin} {other}: run it with --set start={span.start.isoformat()}."
        if len(tapes) == 1 and (tape.start, tape.end) != tape.shared:
            more = f"{tape.start.isoformat()} to {tape.end.isoformat()}"
            yield f"The sample has more of {tape.coin}, {more}: name start and end to walk it."


def unit_notes(profile: VenueProfile, units: Sequence[Instrument]) -> Iterator[str]:
    """Give sentences on ticks and lots that are not the venue's own."""
    for unit in units:
        tick, lot = profile.instrument(unit.coin)
        if unit.inverse:
            yield (
                f"{unit.symbol}: sizes are contracts of {unit.face:f} USD; traded volume in {unit.coin} counts at the "
                "mean of its bar's four prices."
            )
        if unit.tick != tick:
            yield f"{unit.symbol}: prices are no multiples of the venue's tick {tick:f}; the tick is {unit.tick:f}."
        if unit.lot != lot:
            yield f"{unit.symbol}: lots of {unit.lot:f} instead of the venue's {lot:f} keep every value a whole number."


def known_open_interest(
    event: CrashEvent, profile: VenueProfile, scenario: Scenario, units: Sequence[Instrument], prices: Sequence[float]
) -> Iterator[InputSeries]:
    """Give, for each symbol whose open interest before the core is in the lake, how it compares with that of the run.

    Parameters
    ----------
    prices
        Trade price of each symbol before the core, for venues that publish base units only.
    """
    import polars as pl

    for unit, px in zip(units, prices, strict=True):
        place = Place(profile.host, unit.symbol, "open_interest")
        rows = read_series(place, event.core_start - LATELY, event.core_start)
        known = pl.coalesce("open_interest_usd", pl.col("open_interest_base") * px)
        rows = rows.with_columns(open_interest_usd=known).filter(pl.col("open_interest_usd").is_finite())
        if not rows.height or scenario.positions_file or scenario.open_interest_usd is None:
            continue
        when, usd = rows["ts"][-1], rows["open_interest_usd"][-1]
        used = per_coin(scenario.open_interest_usd, unit.coin, "open_interest_usd")
        side = a_side(usd, profile.open_interest_counts)
        both = f" ({usd:,.0f} of both sides, halved)" if side != usd else ""
        found = f"was {side:,.0f} USD a side{both} at {when.isoformat()}; the book is drawn with {used:,.0f}"
        use = f"--set open_interest_usd.{unit.coin}={side:.6g} takes the measured one"
        yield from_lake(place, describe(rows, 0, 0, None), f"{found}; {use}")


def series_notes(series: Sequence[InputSeries]) -> Iterator[str]:
    """Give sentences on rows that were carried, dropped, borrowed, modelled or missing."""
    for row in series:
        if row.name == "ohlcv" and row.bridged and row.facts:
            gaps = gaps_text(row.facts.gaps)
            yield f"{row.symbol}: {row.bridged} missing bars are carried flat, without volume: {gaps}."
        if row.facts and row.facts.duplicates:
            yield f"{row.symbol}: {row.facts.duplicates} rows of {row.name} came twice and were dropped."
    borrowed = [row for row in series if row.name == "mark_ohlcv" and row.label == "proxy"]
    for note in dict.fromkeys(row.note for row in borrowed):
        yield f"{note[0].upper()}{note[1:]}: {', '.join(row.symbol for row in borrowed if row.note == note)}."
    for row in series:
        if row.name == "open_interest":
            yield f"Open interest of {row.symbol} {row.note}."
    modelled = [row for row in series if row.label == "modelled"]
    for source, note in dict.fromkeys((row.source, row.note) for row in modelled):
        symbols = ", ".join(row.symbol for row in modelled if (row.source, row.note) == (source, note))
        yield f"The mark of {symbols} is modelled ({source}): {note}."
    unpaid = ", ".join(row.symbol for row in series if row.name == "funding" and row.note == NO_RATES)
    if unpaid:
        yield f"There is no funding data in the window: {unpaid}."
