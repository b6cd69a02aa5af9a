"""Fill the lake: walk the sources of each target until its days are there, and keep account of every day."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from backtest.assets import lake_folder
from backtest.durable import sweep
from backtest.errors import DataError
from backtest.fetch.day import FetchedDay, broken_rule, deduplicated, rows_missing, store
from backtest.fetch.outcome import Outcome, Progress, Served
from backtest.fetch.plan import Source, Target
from backtest.fetch.rest.client import Pause, VenueFault, pause_of
from backtest.fetch.rest.opening import close_client
from backtest.fetch.settings import Settings
from backtest.fetch.settle import HeldDay, asked_times, held_day, settle
from backtest.fetch.sources import ARCHIVE_CACHE, Session, days_of
from backtest.fetch.threads import Interrupted
from backtest.lake.cloud import publish, refresh
from backtest.lake.manifest import enter_missing
from backtest.lake.states import DayState
from backtest.times import EPOCH


async def fetch(
    wanted: Sequence[Target],
    settings: Settings,
    *,
    clock: Callable[[], float],
    draw: Callable[[], float],
    stop: asyncio.Event,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_wait: Callable[[str], None] = lambda text: None,
    pause: Pause | None = None,
    refetch: bool = False,
) -> Outcome:
    """Fetch the days that the lake lacks of the targets, or has in part, source by source, day by day.

    A day that a source gives in part is stored, and the next source is asked for it too. A source that gave a part is
    asked again after the pause of the settings.

    Parameters
    ----------
    clock
        Seconds since the epoch.
    draw
        Numbers in ``[0, 1)`` that spread the waits between repeated requests.
    stop
        Set to finish the request under way and return with ``interrupted``.
    on_wait
        Called with a line of text before a wait that a server asks for.
    pause
        How to wait between requests; None: as long as it takes, or until ``stop`` is set.
    refetch
        Ask also for the days that are whole, and at once; a day of which two answers differ is disputed.

    Raises
    ------
    DataError
        The disk refuses.
    CrashbookError
        The lake is at an address that does not take what was fetched.
    """
    session = Session(
        settings, clock, draw, stop, on_progress, on_wait=on_wait, pause=pause or pause_of(stop), refetch=refetch
    )
    refresh()
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
        publish()
    return session.outcome


def _restore(target: Target, sources: Sequence[Source]) -> None:
    """Clear away the partial files of a killed process, and enter in the journal the days it had no time to enter."""
    places = dict.fromkeys(target.place(source) for source in sources)
    for place in places:
        sweep(place.folder)
    with suppress(DataError):  # a file that cannot be read is named where it is counted
        enter_missing((place, day) for place in sorted(places) for day in target.days)


async def _fill(target: Target, session: Session) -> None:
    """Ask one source after the other for the days that are not whole yet."""
    left = list(target.days)
    for source in target.sources:
        if not left:
            return
        whole = await _from_source(target, source, left, session)
        left = [day for day in left if day not in whole]


@dataclass(frozen=True, slots=True)
class Stock:
    """Days of a source as the lake has them, and those that the source is to be asked for."""

    held: dict[dt.date, HeldDay]
    ask: list[dt.date]

    def whole(self) -> set[dt.date]:
        """Return the days that are whole already."""
        return {day for day, each in self.held.items() if each.state == "whole"}


def _take_stock(target: Target, source: Source, days: Sequence[dt.date], session: Session) -> Stock:
    """Return what the lake has of a source; days not to be asked for now are entered, as are damaged files."""
    missing = target.missing(source, days)
    absent, place = set(missing), target.place(source)
    held: dict[dt.date, HeldDay] = {}
    for day in days:
        if day in absent:
            continue
        try:
            held[day] = held_day(place, day)
        except DataError as error:
            session.outcome.deny_all(target, source, [day], str(error))
    notes = _not_now(held, target, source, session)
    for day, note in notes.items():
        session.outcome.served.append(_of_lake(target, source, held[day], note))
    return Stock(held, [day for day in days if day in absent or (day in held and day not in notes)])


def _not_now(held: dict[dt.date, HeldDay], target: Target, source: Source, session: Session) -> dict[dt.date, str]:
    """Return the days not to be asked for, with a note: whole, disputed, or given in part a moment ago."""
    if session.refetch:
        return {}
    notes = {day: "" for day, each in held.items() if each.state != "partial"}
    if len(notes) == len(held):
        return notes
    mine = [day for day, each in held.items() if each.state == "partial" and each.standing.source == source.name]
    for day, asked_at in asked_times(target.place(source), mine).items():
        again = (asked_at - EPOCH).total_seconds() + session.settings.budget.pause_s
        if session.clock() < again:
            notes[day] = f"asked again from {EPOCH + dt.timedelta(seconds=again):%Y-%m-%d %H:%M} UTC on"
    return notes


async def _from_source(target: Target, source: Source, days: Sequence[dt.date], session: Session) -> set[dt.date]:
    """Return the days that are whole, in the lake already or now that the source was asked."""
    stock = _take_stock(target, source, days, session)
    reason = source.skip or session.refused.get(source.venue if source.route == "rest" else source.root, "")
    early = stock.ask if reason else [day for day in stock.ask if not source.serves(day)]
    if early:
        session.outcome.deny_all(target, source, early, reason or source.short)
        _enter_held(target, source, early, stock, session)
    late = [day for day in stock.ask if day not in set(early)]
    return stock.whole() | (await _ask(target, source, replace(stock, ask=late), session) if late else set())


async def _ask(target: Target, source: Source, stock: Stock, session: Session) -> set[dt.date]:
    """Store the days that a source gives; return those that are whole."""
    whole: set[dt.date] = set()
    left, reasons = list(stock.ask), dict.fromkeys(stock.ask, "has no rows of the day")
    try:
        listed = await _as_listed(target, source, session)
        if listed != source:  # days fetched before lie under the symbol that the venue lists
            source = listed
            _restore(target, [source])
            stock = _take_stock(target, source, stock.ask, session)
            whole |= stock.whole()
            left = list(stock.ask)
        async for fetched in days_of(target, source, list(left), session):
            given = _store(target, source, fetched, stock.held.get(fetched.day), session)
            if isinstance(given, str):
                reasons[fetched.day] = given or reasons[fetched.day]
                continue
            left.remove(fetched.day)
            session.outcome.served.append(given)
            whole.discard(given.day)
            if given.state == "whole":
                whole.add(given.day)
    except VenueFault as error:
        reasons.update(dict.fromkeys(left, error.fault.reason))
        if error.fault.whole_venue:
            session.refused[source.venue] = error.fault.reason
    session.outcome.deny(target, source, {day: reasons[day] for day in left})
    _enter_held(target, source, left, stock, session)
    return whole


async def _as_listed(target: Target, source: Source, session: Session) -> Source:
    """Return a source under the symbol that its venue lists for the coin."""
    if source.route == "archive":
        return source
    market = await (await session.client(source.venue)).market(target.coin, source.symbol)
    return replace(source, symbol=market.symbol)


def _store(target: Target, source: Source, fetched: FetchedDay, held: HeldDay | None, session: Session) -> Served | str:
    """Store a day and return its entry, or return why it must not be stored; empty where it has no rows."""
    place = target.place(source)
    day = deduplicated(fetched, place)
    reason = day.reason or broken_rule(day, place, source.name)
    if reason:
        return reason
    if not day.height:
        return f"{day.dropped} rows of the day, none of which can be read" if day.dropped else ""
    kept = settle(held, day, place, source.name)
    asked_at = dt.datetime.fromtimestamp(session.clock(), dt.UTC)
    store(kept.fetched, place, kept.standing, asked_at)
    assert kept.standing.state is not None
    note = "; ".join(filter(None, (day.note, kept.note)))
    return _served(target, source, kept.fetched, state=kept.standing.state, note=note, fresh=kept.fetched is day)


def _enter_held(target: Target, source: Source, days: Sequence[dt.date], stock: Stock, session: Session) -> None:
    """Enter the days that a source was asked for in vain and that the lake has of before."""
    for day in days:
        if day in stock.held:
            session.outcome.served.append(_of_lake(target, source, stock.held[day], ""))


def _of_lake(target: Target, source: Source, held: HeldDay, note: str) -> Served:
    return _served(target, source, held.fetched, state=held.state, note=note, fresh=False)


def _served(target: Target, source: Source, day: FetchedDay, *, state: DayState, note: str, fresh: bool) -> Served:
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
        note=note,
        state=state,
    )
