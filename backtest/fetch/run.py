"""Fill the lake: walk the sources of each target until its days are there, and keep account of every day."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from backtest.assets import lake_folder
from backtest.durable import sweep
from backtest.errors import DataError
from backtest.fetch.day import FetchedDay, broken_rule, deduplicated, rows_missing, store
from backtest.fetch.outcome import Outcome, Progress, Served
from backtest.fetch.plan import Source, Target
from backtest.fetch.rest.client import VenueFault, close_client
from backtest.fetch.settings import Settings
from backtest.fetch.sources import ARCHIVE_CACHE, Session, days_of
from backtest.fetch.threads import Interrupted
from backtest.lake.manifest import enter_missing
from backtest.lake.read import read_series
from backtest.times import DAY


async def fetch(
    wanted: Sequence[Target],
    settings: Settings,
    *,
    clock: Callable[[], float],
    draw: Callable[[], float],
    stop: asyncio.Event,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Fetch the days that the lake lacks of the targets, source by source, day by day.

    Parameters
    ----------
    clock
        Seconds since the epoch.
    draw
        Numbers in ``[0, 1)`` that spread the waits between repeated requests.
    stop
        Set to finish the request under way and return with ``interrupted``.

    Raises
    ------
    DataError
        The disk refuses.
    """
    session = Session(settings, clock, draw, stop, on_progress)
    sweep(lake_folder() / ARCHIVE_CACHE)
    try:
        for target in wanted:
            _restore(target, target.sources)
            await _fill(target, session)
    except Interrupted:
        session.outcome.interrupted = True
    finally:
        for client in session.clients.values():
            session.outcome.requests += client.requests
            session.outcome.count_repeated(client.venue, client.retries)
            await close_client(client)
        gc.unfreeze()
    return session.outcome


def _restore(target: Target, sources: Sequence[Source]) -> None:
    """Clear away the partial files of a killed process, and enter in the journal the days it had no time to enter."""
    places = dict.fromkeys(target.place(source) for source in sources)
    for place in places:
        sweep(place.folder)
    with suppress(DataError):  # a file that cannot be read is named where it is counted
        enter_missing((place, day) for place in sorted(places) for day in target.days)


async def _fill(target: Target, session: Session) -> None:
    """Ask one source after the other for the days that are still wanted."""
    left = list(target.days)
    for source in target.sources:
        if not left:
            return
        left = _left_after_held(target, source, left, session)
        if not left:
            return
        reason = source.skip or session.refused.get(source.venue if source.route == "rest" else source.root, "")
        if reason:
            session.outcome.deny_all(target, source, left, reason)
            continue
        early = [day for day in left if not source.serves(day)]
        if early:
            session.outcome.deny_all(target, source, early, source.short)
        late = [day for day in left if source.serves(day)]
        left = early + (await _ask(target, source, late, session) if late else [])


def _left_after_held(target: Target, source: Source, days: Sequence[dt.date], session: Session) -> list[dt.date]:
    """Return the days that the lake does not have of a source; enter those it has, and files that cannot be read."""
    missing = target.missing(source, days)
    absent = set(missing)
    for day in days:
        if day in absent:
            continue
        try:
            session.outcome.served.append(_served(target, source, _held(target, source, day), fresh=False))
        except DataError as error:
            session.outcome.deny_all(target, source, [day], str(error))
    return missing


async def _ask(target: Target, source: Source, days: list[dt.date], session: Session) -> list[dt.date]:
    """Store the days that a source gives; return the days it did not give."""
    left, reasons = list(days), dict.fromkeys(days, "has no rows of the day")
    try:
        listed = await _as_listed(target, source, session)
        if listed != source:  # days fetched before lie under the symbol that the venue lists
            source = listed
            _restore(target, [source])
            left = _left_after_held(target, source, days, session)
            if not left:
                return []
        async for fetched in days_of(target, source, list(left), session):
            reason = _store(target, source, fetched, session)
            if reason is None:
                left.remove(fetched.day)
            else:
                reasons[fetched.day] = reason or reasons[fetched.day]
    except VenueFault as error:
        reasons.update(dict.fromkeys(left, error.fault.reason))
        if error.fault.whole_venue:
            session.refused[source.venue] = error.fault.reason
    session.outcome.deny(target, source, {day: reasons[day] for day in left})
    return left


async def _as_listed(target: Target, source: Source, session: Session) -> Source:
    """Return a source under the symbol that its venue lists for the coin."""
    if source.route == "archive":
        return source
    market = await (await session.client(source.venue)).market(target.coin, source.symbol)
    return replace(source, symbol=market.symbol)


def _store(target: Target, source: Source, fetched: FetchedDay, session: Session) -> str | None:
    """Store a day and return None, or return why it must not be stored; empty where it has no rows."""
    place = target.place(source)
    day = deduplicated(fetched, place)
    reason = day.reason or broken_rule(day, place, source.name)
    if reason:
        return reason
    if not day.height:
        return f"{day.dropped} rows of the day, none of which can be read" if day.dropped else ""
    store(day, place, source.name)
    session.outcome.served.append(_served(target, source, day, fresh=True))
    return None


def _held(target: Target, source: Source, day: dt.date) -> FetchedDay:
    """Return a day as the lake has it."""
    place, start = target.place(source), dt.datetime.combine(day, dt.time())
    return FetchedDay(day, frame=read_series(place, start, start + DAY))


def _served(target: Target, source: Source, day: FetchedDay, *, fresh: bool) -> Served:
    return Served(
        series=target.series,
        coin=target.coin,
        source=source.name,
        symbol=source.symbol,
        day=day.day,
        fresh=fresh,
        rows=day.height,
        missing=rows_missing(day, target.place(source)),
        dropped=day.dropped,
        note=day.note,
    )
