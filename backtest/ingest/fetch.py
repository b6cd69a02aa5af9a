"""Fill the lake: walk each target's sources until its days are there, and say what came from where and what did not."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from backtest.assets import lake_folder
from backtest.errors import DataError
from backtest.ingest.coverage import PRICE_LIMIT, check_bars, check_funding
from backtest.ingest.exchange import Client, Interrupted, Market, VenueFault, close_client, open_client
from backtest.ingest.faults import Fault
from backtest.ingest.lake import (
    BAR_COLUMNS,
    BAR_SERIES,
    COLUMNS,
    TIMEFRAMES,
    find_holes,
    read_series,
    schema_of,
    series_folder,
)
from backtest.ingest.paging import DAY_MS, EPOCH, Grid, Harvest, harvest
from backtest.ingest.settings import Settings
from backtest.ingest.sources import ARCHIVE_OF, STATES, Source, Target, requests_for, span_s
from backtest.ingest.store import enter_missing, sweep, write_day
from backtest.mechanics.exact import Floats

if TYPE_CHECKING:
    import polars as pl

SETTLE_S = 60  # the last bar of a day may still change for a moment
T = TypeVar("T")
HEARD_S = 0.1  # how soon Ctrl-C is heard in a wait
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
            session.outcome.served += [_held(target, other, day) for day in days if day not in left]
            if not left:
                return []
        async for day, frame, symbol, dropped, trouble in give(target, source, list(left), session):
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


async def _other_name(target: Target, source: Source, session: _Session) -> Source | None:
    """Return the source under the symbol that the venue lists, where it is not the one expected."""
    if source.route == "archive":
        return None
    market = await (await session.client(source.venue)).market(target.coin, source.symbol)
    return replace(source, symbol=market.symbol) if market.symbol != source.symbol else None


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
    patient = Downloads(retry=session.settings.retry, draw=session.draw, sleep=_pause_until(session.stop))
    show = _meter(target, source, len(days), session)
    place = (source.root, name, source.venue, source.symbol, target.series)
    given = archive_days(*place, days, timeframe=target.timeframe, cache=cache, client=patient)
    for number, asked in enumerate(days):
        if session.stop.is_set():
            raise Interrupted
        try:
            day = await _beside(partial(next, given))
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


def _beside(call: Callable[[], T]) -> asyncio.Future[T]:
    """Run a call in a thread, so that Ctrl-C is heard meanwhile; the end of the program does not wait for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[Any], None], value: Any) -> None:
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(lambda: None if future.done() else give(value))

    def work() -> None:
        try:
            settle(future.set_result, call())
        except Exception as error:  # it belongs to whoever waits
            settle(future.set_exception, error)

    threading.Thread(target=work, name="archive", daemon=True).start()
    return future


def _pause_until(stop: asyncio.Event) -> Callable[[float], None]:
    """Return a wait in seconds, for a thread, that ends with ``Interrupted`` when the user asks to stop."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if stop.is_set():
                raise Interrupted
            time.sleep(min(left, HEARD_S))

    return pause


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
            if not _sound(frame, TIMEFRAMES[target.timeframe]):
                check_bars(frame, source.symbol, TIMEFRAMES[target.timeframe], source.name)
        elif target.series == "funding":
            check_funding(frame, source.symbol, source.name)
    except DataError as error:
        return f"gave rows that break a rule: {error}"
    return ""


def _sound(frame: pl.DataFrame, timeframe_s: int) -> bool:
    """Return whether bars keep every rule of ``check_bars``, which takes ten times as long and says what is wrong."""
    ts, *prices, volume = (frame[name].to_numpy() for name in BAR_COLUMNS)
    opened, high, low, closed = prices
    us = ts.astype("datetime64[us]").astype(np.int64)
    times = not frame["ts"].null_count() and (us % (timeframe_s * 1_000_000) == 0).all() and (np.diff(us) > 0).all()
    # each is false for what is not a number
    rules = (low > 0, low <= opened, low <= closed, opened <= high, closed <= high, high < PRICE_LIMIT)
    return bool(times) and all(rule.all() for rule in (*rules, volume >= 0, volume < np.inf))


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
    holes = find_holes(frame["ts"].to_numpy().view(np.int64), window, step)
    return sum((end - first) // dt.timedelta(seconds=step) for first, end in holes)


def _denial(target: Target, source: Source, days: Sequence[dt.date], reason: str) -> Denied:
    return Denied(target.series, target.coin, source.name, tuple(days), reason)
