"""Fill the lake: walk each target's sources until its days are there, and say what came from where and what did not."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.fetch.day import Brought, broken, rows_missing, store, tidied
from backtest.fetch.plan import ARCHIVE_OF, Source, Target, requests_for, span_s
from backtest.fetch.rest.client import Client, VenueFault, close_client, open_client
from backtest.fetch.rest.markets import Market
from backtest.fetch.rest.paging import DAY_MS, EPOCH, Grid, harvest
from backtest.fetch.rest.responses import Fault
from backtest.fetch.settings import Settings
from backtest.fetch.threads import Interrupted, in_thread, pause_until
from backtest.lake.manifest import enter_missing
from backtest.lake.place import Place, series_folder
from backtest.lake.read import read_series
from backtest.lake.series import BAR_SERIES, STATES, TIMEFRAMES, schema_of
from backtest.lake.write import sweep
from backtest.mechanics.exact import Floats

SETTLE_S = 60  # the last bar of a day may still change for a moment
TREE = ".archive"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has come with a target: requests done of how many, time reached, rows so far."""

    target: Target
    source: Source
    done: int
    planned: int
    reached: dt.datetime | None
    rows: int


@dataclass(frozen=True, slots=True)
class Served:
    """A day of a series that is in the lake now; ``fresh`` if this call brought it."""

    series: str
    coin: str
    source: str
    symbol: str
    day: dt.date
    fresh: bool
    rows: int = 0
    missing: int = 0
    dropped: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """Days of a series that a source did not give, and why."""

    series: str
    coin: str
    source: str
    days: tuple[dt.date, ...]
    reason: str


@dataclass(slots=True)
class Outcome:
    """What a fetch did: days in the lake, days denied, and how often requests had to be repeated for which reason."""

    served: list[Served] = field(default_factory=list)
    denied: list[Denied] = field(default_factory=list)
    repeated: dict[str, dict[str, int]] = field(default_factory=dict)
    requests: int = 0
    interrupted: bool = False

    def lacking(self, target: Target) -> list[dt.date]:
        """Return the days of a target that no source gave."""
        got = {row.day for row in self.served if (row.series, row.coin) == (target.series, target.coin)}
        return [day for day in target.days if day not in got]


@dataclass(slots=True)
class _Session:
    """What lasts for one fetch: clients by venue, venues that refused altogether, and the user's wish to stop."""

    settings: Settings
    clock: Callable[[], float]
    draw: Callable[[], float]
    stop: asyncio.Event
    on_progress: Callable[[Progress], None]
    outcome: Outcome = field(default_factory=Outcome)
    clients: dict[str, Client] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    async def client(self, venue: str) -> Client:
        if venue not in self.clients:
            self.clients[venue] = await open_client(venue, self.settings, self.draw, self.stop)
        return self.clients[venue]


async def fetch(
    wanted: Sequence[Target],
    settings: Settings,
    *,
    clock: Callable[[], float],
    draw: Callable[[], float],
    stop: asyncio.Event,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Fetch what the lake lacks of the targets, source by source, day by day.

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
    session = _Session(settings, clock, draw, stop, on_progress)
    sweep(lake_folder() / TREE)
    try:
        for target in wanted:
            _tidy(target)
            await _fill(target, session)
    except Interrupted:
        session.outcome.interrupted = True
    finally:
        for client in session.clients.values():
            session.outcome.requests += client.requests
            for reason in client.retries:
                reasons = session.outcome.repeated.setdefault(client.venue, {})
                reasons[reason] = reasons.get(reason, 0) + 1
            await close_client(client)
        gc.unfreeze()
    return session.outcome


def _tidy(target: Target) -> None:
    """Clear away what a killed process left, and enter in the journal what it had no time to enter."""
    for source in target.sources:
        sweep(series_folder(source.venue, source.symbol, target.series, target.timeframe))
    places = {Place(source.venue, source.symbol, target.series, target.timeframe) for source in target.sources}
    with suppress(DataError):  # a file that cannot be read is told where it is counted
        enter_missing((place, day) for place in sorted(places) for day in target.days)


async def _fill(target: Target, session: _Session) -> None:
    """Ask one source after the other for the days that are still wanted."""
    left = list(target.days)
    for source in target.sources:
        if not left:
            return
        missing = target.missing(source, left)
        absent = set(missing)
        _count_held(target, source, [day for day in left if day not in absent], session)
        reason = source.skip or session.refused.get(source.venue if source.route == "rest" else source.root, "")
        left = missing
        if not left:
            return
        if reason:
            session.outcome.denied.append(_denial(target, source, left, reason))
            continue
        early = [day for day in left if not source.serves(day)]
        if early:
            session.outcome.denied.append(_denial(target, source, early, source.short))
        late = [day for day in left if source.serves(day)]
        left = early + (await _ask(target, source, late, session) if late else [])


async def _ask(target: Target, source: Source, days: list[dt.date], session: _Session) -> list[dt.date]:
    """Store what a source gives of some days; return the days it did not give."""
    left, reasons = list(days), dict.fromkeys(days, "has no rows of the day")
    give = _from_archive if source.route == "archive" else _from_states if target.series in STATES else _from_client
    try:
        other = await _other_name(target, source, session)
        if other:  # what it has brought before lies under the name it has at the venue
            _tidy(replace(target, sources=(other,)))
            left = target.missing(other, days)
            absent = set(left)
            _count_held(target, other, [day for day in days if day not in absent], session)
            if not left:
                return []
        async for day in give(target, source, list(left), session):
            day = tidied(day, target.series, target.timeframe)
            reason = day.trouble or broken(day, target.series, target.timeframe, source.name)
            if reason or not day.height:
                reason = reason or (f"{day.dropped} rows of the day, none of which can be read" if day.dropped else "")
                reasons[day.day] = reason or reasons[day.day]
                continue
            store(day, source.venue, target.series, target.timeframe, source.name)
            left.remove(day.day)
            session.outcome.served.append(_stored(target, source, day))
    except VenueFault as error:
        reasons.update(dict.fromkeys(left, error.fault.reason))
        if error.fault.whole_venue:
            session.refused[source.venue] = error.fault.reason
    for reason in dict.fromkeys(reasons[day] for day in left):
        gone = [day for day in left if reasons[day] == reason]
        session.outcome.denied.append(_denial(target, source, gone, reason))
    return left


async def _other_name(target: Target, source: Source, session: _Session) -> Source | None:
    """Return the source under the symbol that the venue lists, where it is not the one expected."""
    if source.route == "archive":
        return None
    market = await (await session.client(source.venue)).market(target.coin, source.symbol)
    return replace(source, symbol=market.symbol) if market.symbol != source.symbol else None


async def _from_client(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Brought]:
    assert source.availability is not None
    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    step = TIMEFRAMES[target.timeframe] if target.series in BAR_SERIES else source.availability.step_s
    required = {"ohlcv": 6, "funding": 2, "long_short_ratio": 2, "open_interest": 1}.get(target.series, 5)
    grid = Grid(step * 1000, span_s(target, source.availability) * 1000, tuple(range(required)))
    show = _meter(target, source, requests_for(target, source, days), session)

    async def page(since: int, until: int) -> Floats:
        assert source.availability is not None
        return await client.page(source.availability, market, target.timeframe, since, until)

    async for day in harvest(page, days, grid, show):
        over = (day.day - EPOCH).days * DAY_MS / 1000 + DAY_MS / 1000 + SETTLE_S
        early = "the day is not over by the venue's clock" if client.now(session.clock) < over else ""
        trouble = day.trouble or early
        yield Brought(day.day, market.symbol, day.rows, dropped=day.dropped, trouble=trouble, note=day.note)


async def _from_states(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Brought]:
    import polars as pl

    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    rows = await client.tiers(market) if target.series == "leverage_tiers" else [_limits(market)]
    for day in days:
        stamped = [{"ts": dt.datetime.combine(day, dt.time()), **row} for row in rows]
        yield Brought(day, market.symbol, frame=pl.DataFrame(stamped, schema=schema_of(target.series)))


async def _from_archive(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Brought]:
    from backtest.fetch.archives.download import Client as Downloads
    from backtest.fetch.archives.download import DownloadError
    from backtest.fetch.archives.publishers import archive_days

    name, cache = ARCHIVE_OF[source.venue], lake_folder() / TREE
    patient = Downloads(retry=session.settings.retry, draw=session.draw, sleep=pause_until(session.stop))
    show = _meter(target, source, len(days), session)
    place = (source.root, name, source.venue, source.symbol, target.series)
    given = archive_days(*place, days, timeframe=target.timeframe, cache=cache, client=patient)
    for number, asked in enumerate(days):
        if session.stop.is_set():
            raise Interrupted
        try:
            day = await in_thread(partial(next, given))
        except DownloadError as error:  # nothing else need be asked of the address
            session.refused[source.root] = str(error)
            raise VenueFault(source.name, Fault(str(error), again=False)) from error
        except DataError as error:  # one file is damaged: the others are not
            if getattr(error.__cause__, "errno", None) in FULL:
                raise
            given = archive_days(*place, days[number + 1 :], timeframe=target.timeframe, cache=cache, client=patient)
            yield Brought(asked, source.symbol, trouble=str(error))
            continue
        show(((asked - EPOCH).days + 1) * DAY_MS, 0 if day.frame is None else day.frame.height)
        absent = "not published" if day.reason.startswith("not published") else day.reason
        yield Brought(asked, source.symbol, frame=day.frame, trouble=absent, note=day.note)


def _meter(target: Target, source: Source, planned: int, session: _Session) -> Callable[[int, int], None]:
    """Return what is told of every page: the time reached and its rows."""
    done = rows = 0

    def show(reached_ms: int, new_rows: int) -> None:
        nonlocal done, rows
        done, rows = done + 1, rows + new_rows
        reached = dt.datetime.fromtimestamp(reached_ms / 1000, dt.UTC).replace(tzinfo=None)
        session.on_progress(Progress(target, source, done, max(planned, done), reached, rows))

    return show


def _limits(market: Market) -> Mapping[str, float | None]:
    return {
        "tick_px": market.tick_px,
        "lot_base": market.lot_base,
        "contract_size": market.contract_size,
        "quantity_min": market.quantity_min,
    }


def _count_held(target: Target, source: Source, days: Sequence[dt.date], session: _Session) -> None:
    """Enter what the lake has; a file that cannot be read is told and left to the user."""
    for day in days:
        try:
            session.outcome.served.append(_held(target, source, day))
        except DataError as error:
            session.outcome.denied.append(_denial(target, source, [day], str(error)))


def _held(target: Target, source: Source, day: dt.date) -> Served:
    start = dt.datetime.combine(day, dt.time())
    place = (source.venue, source.symbol, target.series)
    frame = read_series(*place, start, start + dt.timedelta(days=1), timeframe=target.timeframe)
    missing = rows_missing(Brought(day, source.symbol, frame=frame), source.venue, target.series, target.timeframe)
    return Served(target.series, target.coin, source.name, source.symbol, day, False, frame.height, missing)


def _stored(target: Target, source: Source, day: Brought) -> Served:
    missing = rows_missing(day, source.venue, target.series, target.timeframe)
    return Served(
        target.series, target.coin, source.name, day.symbol, day.day, True, day.height, missing, day.dropped, day.note
    )


def _denial(target: Target, source: Source, days: Sequence[dt.date], reason: str) -> Denied:
    return Denied(target.series, target.coin, source.name, tuple(days), reason)
