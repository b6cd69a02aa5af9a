"""Fill the lake: walk each target's sources until its days are there, and say what came from where and what did not."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.ingest.coverage import check_bars, check_funding
from backtest.ingest.exchange import Client, Interrupted, Market, VenueFault, close_client, open_client
from backtest.ingest.faults import Fault
from backtest.ingest.lake import BAR_SERIES, COLUMNS, TIMEFRAMES, find_holes, read_series, schema_of, series_folder
from backtest.ingest.paging import DAY_MS, EPOCH, Grid, Harvest, harvest
from backtest.ingest.settings import Settings
from backtest.ingest.sources import ARCHIVE_OF, STATES, Source, Target, requests_for, span_s
from backtest.ingest.store import enter_missing, sweep, write_day
from backtest.mechanics.exact import Floats

if TYPE_CHECKING:
    import polars as pl

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
    return session.outcome


def _tidy(target: Target) -> None:
    """Clear away what a killed process left, and enter in the journal what it had no time to enter."""
    for source in target.sources:
        sweep(series_folder(source.venue, source.symbol, target.series, target.timeframe))
    places = {(source.venue, source.symbol, target.series) for source in target.sources}
    enter_missing((*place, day, target.timeframe) for place in sorted(places) for day in target.days)


async def _fill(target: Target, session: _Session) -> None:
    """Ask one source after the other for the days that are still wanted."""
    left = list(target.days)
    for source in target.sources:
        if not left:
            return
        missing = target.missing(source, left)
        session.outcome.served += [_held(target, source, day) for day in left if day not in missing]
        reason = source.skip or session.refused.get(source.venue if source.route == "rest" else source.root, "")
        left = missing
        if not left:
            return
        if reason:
            session.outcome.denied.append(_denial(target, source, left, reason))
            continue
        left = await _ask(target, source, left, session)


async def _ask(target: Target, source: Source, days: list[dt.date], session: _Session) -> list[dt.date]:
    """Store what a source gives of some days; return the days it did not give."""
    left, reasons = list(days), dict.fromkeys(days, "has no rows of the day")
    give = _from_archive if source.route == "archive" else _from_states if target.series in STATES else _from_client
    try:
        async for day, frame, symbol, dropped, trouble in give(target, source, days, session):
            reason = trouble or _broken(frame, target, source)
            if reason or frame is None or not frame.height:
                reasons[day] = reason or reasons[day]
                continue
            write_day(frame, source.venue, symbol, target.series, day, timeframe=target.timeframe, source=source.name)
            left.remove(day)
            session.outcome.served.append(_stored(target, source, symbol, day, frame, dropped))
    except VenueFault as error:
        reasons.update(dict.fromkeys(left, error.fault.reason))
        if error.fault.whole_venue:
            session.refused[source.venue] = error.fault.reason
    for reason in dict.fromkeys(reasons[day] for day in left):
        gone = [day for day in left if reasons[day] == reason]
        session.outcome.denied.append(_denial(target, source, gone, reason))
    return left


Given = tuple[dt.date, "pl.DataFrame | None", str, int, str]  # day, rows, symbol, rows dropped, what is wrong


async def _from_client(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Given]:
    assert source.reach is not None
    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    step = TIMEFRAMES[target.timeframe] if target.series in BAR_SERIES else source.reach.step_s
    required = {"ohlcv": 6, "funding": 2, "long_short_ratio": 2, "open_interest": 1}.get(target.series, 5)
    grid = Grid(step * 1000, span_s(target, source.reach) * 1000, tuple(range(required)))
    show = _meter(target, source, requests_for(target, source, days), session)

    async def page(since: int, until: int) -> Floats:
        assert source.reach is not None
        return await client.page(source.reach, market, target.timeframe, since, until)

    async for day in harvest(page, days, grid, show):
        over = (day.day - EPOCH).days * DAY_MS / 1000 + DAY_MS / 1000 + SETTLE_S
        early = "the day is not over by the venue's clock" if client.now(session.clock) < over else ""
        yield day.day, _frame(day, target.series), market.symbol, day.dropped, day.trouble or early


async def _from_states(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Given]:
    import polars as pl

    client = await session.client(source.venue)
    market = await client.market(target.coin, source.symbol)
    rows = await client.tiers(market) if target.series == "leverage_tiers" else [_limits(market)]
    for day in days:
        stamped = [{"ts": dt.datetime.combine(day, dt.time()), **row} for row in rows]
        yield day, pl.DataFrame(stamped, schema=schema_of(target.series)), market.symbol, 0, ""


async def _from_archive(
    target: Target, source: Source, days: Sequence[dt.date], session: _Session
) -> AsyncIterator[Given]:
    from backtest.ingest.archives import archive_days
    from backtest.ingest.download import Client as Downloads
    from backtest.ingest.download import DownloadError

    name, cache = ARCHIVE_OF[source.venue], lake_folder() / TREE
    patient = Downloads(retry=session.settings.retry, draw=session.draw)
    show = _meter(target, source, len(days), session)
    place = (source.root, name, source.venue, source.symbol, target.series)
    given = archive_days(*place, days, timeframe=target.timeframe, cache=cache, client=patient)
    for number, asked in enumerate(days):
        if session.stop.is_set():
            raise Interrupted
        try:  # in a thread, so that Ctrl-C is heard between two files
            day = await asyncio.to_thread(next, given)
        except DownloadError as error:  # nothing else need be asked of the address
            session.refused[source.root] = str(error)
            raise VenueFault(source.name, Fault(str(error), again=False)) from error
        except DataError as error:  # one file is damaged: the others are not
            if getattr(error.__cause__, "errno", None) in FULL:
                raise
            given = archive_days(*place, days[number + 1 :], timeframe=target.timeframe, cache=cache, client=patient)
            yield asked, None, source.symbol, 0, str(error)
            continue
        show(((asked - EPOCH).days + 1) * DAY_MS, 0 if day.frame is None else day.frame.height)
        yield asked, day.frame, source.symbol, 0, day.reason


def _meter(target: Target, source: Source, planned: int, session: _Session) -> Callable[[int, int], None]:
    """Return what is told of every page: the time reached and its rows."""
    done = rows = 0

    def show(reached_ms: int, new_rows: int) -> None:
        nonlocal done, rows
        done, rows = done + 1, rows + new_rows
        reached = dt.datetime.fromtimestamp(reached_ms / 1000, dt.UTC).replace(tzinfo=None)
        session.on_progress(Progress(target, source, done, max(planned, done), reached, rows))

    return show


def _frame(day: Harvest, series: str) -> pl.DataFrame:
    import polars as pl

    names = COLUMNS[series][1:]
    ts = np.rint(day.rows[:, 0] * 1000).astype(np.int64)
    values = {name: day.rows[:, place] for place, name in enumerate(names, 1)}
    frame = pl.DataFrame({"ts": ts.view("datetime64[us]"), **values})
    if np.isnan(day.rows).any():
        frame = frame.with_columns(pl.col(name).fill_nan(None) for name in names)
    return frame


def _limits(market: Market) -> Mapping[str, float | None]:
    return {
        "tick_px": market.tick_px,
        "lot_base": market.lot_base,
        "contract_size": market.contract_size,
        "quantity_min": market.quantity_min,
    }


def _broken(frame: pl.DataFrame | None, target: Target, source: Source) -> str:
    """Return which rule of bars or rates some rows break; a day that no replay could use is not stored."""
    if frame is None:
        return ""
    try:
        if target.series in BAR_SERIES and target.series != "premium_ohlcv":
            check_bars(frame, source.symbol, TIMEFRAMES[target.timeframe], source.name)
        elif target.series == "funding":
            check_funding(frame, source.symbol, source.name)
    except DataError as error:
        return f"gave rows that break a rule: {error}"
    return ""


def _held(target: Target, source: Source, day: dt.date) -> Served:
    start = dt.datetime.combine(day, dt.time())
    place = (source.venue, source.symbol, target.series)
    frame = read_series(*place, start, start + dt.timedelta(days=1), timeframe=target.timeframe)
    return Served(
        target.series, target.coin, source.venue, source.symbol, day, False, frame.height, _missing(target, day, frame)
    )


def _stored(target: Target, source: Source, symbol: str, day: dt.date, frame: pl.DataFrame, dropped: int) -> Served:
    missing = _missing(target, day, frame)
    return Served(target.series, target.coin, source.name, symbol, day, True, frame.height, missing, dropped)


def _missing(target: Target, day: dt.date, frame: pl.DataFrame) -> int:
    """Return how many bars of a day are absent."""
    if target.series not in BAR_SERIES:
        return 0
    start, step = dt.datetime.combine(day, dt.time()), TIMEFRAMES[target.timeframe]
    window = (start, start + dt.timedelta(days=1))
    holes = find_holes(frame["ts"].to_physical().to_numpy(), window, step)
    return sum((end - first) // dt.timedelta(seconds=step) for first, end in holes)


def _denial(target: Target, source: Source, days: Sequence[dt.date], reason: str) -> Denied:
    return Denied(target.series, target.coin, source.name, tuple(days), reason)
