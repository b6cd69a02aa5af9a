"""Days of each kind of source: history of a client, its state of now, files of an archive."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.fetch.day import DAY_MS, FetchedDay, start_ms
from backtest.fetch.outcome import Outcome, Progress
from backtest.fetch.plan import Source, Target, requests_for, span_s
from backtest.fetch.rest.client import Client, Pause, VenueFault
from backtest.fetch.rest.opening import open_client
from backtest.fetch.rest.paging import Grid, paged_days
from backtest.fetch.rest.responses import Fault
from backtest.fetch.rest.stated import STATES_INTERVAL, longer_bars
from backtest.fetch.settings import Settings
from backtest.fetch.threads import Interrupted, in_thread, pause_until
from backtest.lake.series import SERIES, schema_of
from backtest.mechanics.exact import Floats

SETTLE_S = 60  # the last bar of a day may still change for a moment
ARCHIVE_CACHE = ".archive"  # in the folder of the lake
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@dataclass(slots=True)
class Session:
    """The state of one fetch: clients by venue, sources that refused altogether, and the user's wish to stop."""

    settings: Settings
    clock: Callable[[], float]
    draw: Callable[[], float]
    stop: asyncio.Event
    on_progress: Callable[[Progress], None]
    on_wait: Callable[[str], None]
    pause: Pause
    refetch: bool = False
    archive_waits_s: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)
    clients: dict[str, Client] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    async def client(self, venue: str) -> Client:
        """Return the client of a venue, opened once."""
        if venue not in self.clients:
            self.clients[venue] = await open_client(
                venue, self.settings, self.draw, self.stop, clock=self.clock, on_wait=self.on_wait, pause=self.pause
            )
        return self.clients[venue]

    def archive_sleep(self) -> Callable[[float], None]:
        """Return how threads that download files wait: in all no longer than the settings allow."""
        pause, most = pause_until(self.stop), self.settings.budget.waits_s

        def sleep(seconds: float) -> None:
            self.archive_waits_s += seconds
            if self.archive_waits_s > most:
                raise DataError(f"archives ask to wait more than {most:g} s in all (budget.waits_s); try again later")
            pause(seconds)

        return sleep


def days_of(target: Target, source: Source, days: Sequence[dt.date], session: Session) -> AsyncIterator[FetchedDay]:
    """Give the days of a source as they come, those it does not have with the reason.

    Raises
    ------
    VenueFault
        The source refuses, or does not answer however often it is asked.
    Interrupted
        The user asked to stop.
    """
    if source.route == "archive":
        return _archive_days(target, source, days, session)
    if SERIES[target.series].state:
        return _state_days(target, source, days, session)
    return _client_days(target, source, days, session)


async def _client_days(
    target: Target, source: Source, days: Sequence[dt.date], session: Session
) -> AsyncIterator[FetchedDay]:
    series, entry = SERIES[target.series], source.availability
    assert entry is not None
    assert series.ccxt is not None
    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    step_s = series.bar_s(target.timeframe) or entry.step_s
    grid = Grid(step_ms=step_s * 1000, span_ms=span_s(target, entry) * 1000, required=series.ccxt.required)
    on_page = _meter(target, source, requests_for(target, source, days), session)

    async def page(since: int, until: int) -> Floats:
        return await client.page(entry, market, target.timeframe, since, until)

    async for fetched in paged_days(page, days, grid, on_page):
        over_s = (start_ms(fetched.day) + DAY_MS) / 1000 + SETTLE_S
        if not fetched.reason and series.bars and fetched.rows is not None and source.venue not in STATES_INTERVAL:
            fetched = replace(fetched, reason=longer_bars(fetched.rows, grid.step_ms))
        if not fetched.reason and client.now(session.clock) < over_s:
            fetched = replace(fetched, reason="the day is not over by the venue's clock")
        yield fetched


async def _state_days(
    target: Target, source: Source, days: Sequence[dt.date], session: Session
) -> AsyncIterator[FetchedDay]:
    import polars as pl

    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    rows = await client.tiers(market) if SERIES[target.series].ccxt else [market.limits()]
    for day in days:
        stamped = [{"ts": dt.datetime.combine(day, dt.time()), **row} for row in rows]
        yield FetchedDay(day, frame=pl.DataFrame(stamped, schema=schema_of(target.series)))


async def _archive_days(
    target: Target, source: Source, days: Sequence[dt.date], session: Session
) -> AsyncIterator[FetchedDay]:
    from backtest.fetch.archives.download import Client as Downloads
    from backtest.fetch.archives.download import DownloadError
    from backtest.fetch.archives.publishers import archive_days, archive_of

    archive = archive_of(source.venue)
    assert archive is not None
    budget = session.settings.budget
    downloads = Downloads(
        retry=session.settings.retry,
        draw=session.draw,
        sleep=session.archive_sleep(),
        size_limit_bytes=budget.archive_bytes,
        deadline_s=budget.archive_deadline_s,
        on_wait=session.on_wait,
    )
    give = partial(
        archive_days, source.root, archive, target.place(source), cache=lake_folder() / ARCHIVE_CACHE, client=downloads
    )
    on_file = _meter(target, source, len(days), session)
    left = give(days)
    for number, day in enumerate(days):
        if session.stop.is_set():
            raise Interrupted
        try:
            fetched = await in_thread(partial(next, left))
        except DownloadError as error:  # nothing else need be asked of the address
            session.refused[source.root] = str(error)
            raise VenueFault(source.name, Fault(str(error), again=False)) from error
        except DataError as error:  # one file is damaged: the others are not
            if getattr(error.__cause__, "errno", None) in DISK_FULL:
                raise
            left = give(days[number + 1 :])
            yield FetchedDay(day, reason=str(error))
            continue
        on_file(start_ms(day) + DAY_MS, fetched.height)
        yield replace(fetched, reason="not published") if fetched.reason.startswith("not published") else fetched


def _meter(target: Target, source: Source, planned: int, session: Session) -> Callable[[int, int], None]:
    """Return the function to call after each page or file with the time reached and its rows."""
    done = rows = 0

    def count(reached_ms: int, new_rows: int) -> None:
        nonlocal done, rows
        done, rows = done + 1, rows + new_rows
        reached = dt.datetime.fromtimestamp(reached_ms / 1000, dt.UTC).replace(tzinfo=None)
        session.on_progress(
            Progress(target=target, source=source, done=done, planned=max(planned, done), reached=reached, rows=rows)
        )

    return count
