"""One venue over REST: calls repeated until their answers may be read, markets, pages of a series, margin tiers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from backtest.errors import DataError
from backtest.fetch.budget import OverBudgetError, Spending
from backtest.fetch.redirects import RedirectedError
from backtest.fetch.rest.markets import Market, market_of
from backtest.fetch.rest.responses import (
    Answer,
    Fault,
    classify,
    empty_page_fault,
    server_time,
    wrong_market,
)
from backtest.fetch.rest.rows import lake_rows
from backtest.fetch.rest.session import TornError
from backtest.fetch.rest.stated import STATES_INTERVAL, Question, around, contradiction, lone_time
from backtest.fetch.retry import delays
from backtest.fetch.settings import Settings
from backtest.fetch.threads import Interrupted
from backtest.lake.availability import Availability
from backtest.lake.contract_checks import deductions_fault
from backtest.lake.series import SERIES
from backtest.mechanics.exact import Floats

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]
Stretch = tuple[int, int]  # first and last millisecond
STATISTICS_TIMEFRAME = "5m"
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)  # of values of another kind


class VenueFault(DataError):  # noqa: N818
    """A venue gives no page: asked as often as the settings allow, or refused at once."""

    def __init__(self, venue: str, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"{venue} {fault.reason}")


@dataclass(slots=True)
class Client:
    """One venue's client, with its patience, the answers of the call under way and the clock of the venue."""

    venue: str
    api: Any
    settings: Settings
    draw: Callable[[], float]
    stop: asyncio.Event
    spending: Spending
    on_wait: Callable[[str], None]
    pause: Pause
    answers: list[Answer] = field(default_factory=list)
    requests: int = 0
    retries: list[str] = field(default_factory=list)
    server_clock_s: float | None = None
    listed: Mapping[str, Any] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one call at a time: ``answers`` are those of one

    async def ask(self, call: Callable[[], Awaitable[T]], check: Callable[[T], Fault | None] | None = None) -> T:
        """Make a call until it brings an answer that may be read.

        Raises
        ------
        VenueFault
            The venue refuses, or the last attempt failed too.
        Interrupted
            The user asked to stop.
        """
        async with self.turn:
            return await self._asked(call, check)

    async def _asked(self, call: Callable[[], Awaitable[T]], check: Callable[[T], Fault | None] | None) -> T:
        waits = delays(self.settings.retry, self.draw)
        while True:
            if self.stop.is_set():
                raise Interrupted
            self.answers.clear()
            error: Exception | None = None
            try:
                result = await call()
            except Exception as caught:  # of the client's parser too, upon a strange answer
                error = caught
            fault = _refused(error) or classify(self.answers, error)
            if fault is None and error is None:
                fault = _checked(check, result) if check else None
                if fault is None:
                    self._read_clock()
                    self.answers.clear()  # a page held while the next is read costs more than its memory
                    return result
            assert fault is not None
            wait = next(waits, None)
            if not fault.again or wait is None:
                raise VenueFault(self.venue, _final(fault, wait is None))
            await self._wait(fault, max(wait, fault.wait_s or 0))

    async def _wait(self, fault: Fault, seconds: float) -> None:
        """Wait before a call is made again, and say so where the venue asked for it.

        Raises
        ------
        VenueFault
            It would be longer than the settings allow.
        """
        asked = f" and asks to wait {fault.wait_s:.0f} s" if fault.wait_s else ""
        if (fault.wait_s or 0) > self.settings.retry.patience_s:
            longest = f", longer than {self.settings.retry.patience_s:g} s (retry.patience_s)"
            raise VenueFault(self.venue, replace(fault, reason=f"{fault.reason}{asked}{longest}"))
        if not self.spending.may_wait(seconds):
            reason = f"{fault.reason}{asked}, more than {self.spending.budget.waits_s:g} s in all (budget.waits_s)"
            raise VenueFault(self.venue, replace(fault, reason=reason))
        self.retries.append(fault.reason)
        if fault.wait_s:
            self.on_wait(f"{self.venue} {fault.reason}{asked}; waiting")
        await self.pause(seconds)

    async def market(self, coin: str, symbol: str) -> Market:
        """Return a coin's perpetual: the symbol expected if it is listed, else the nearest of the same coin.

        Raises
        ------
        VenueFault
            The venue lists no perpetual of the coin, or does not answer.
        """
        if not self.listed:
            # loaded anew each time: the library keeps its reading of a bad answer
            with self.spending.listing():
                self.listed = await self.ask(lambda: self.api.load_markets(True), _no_markets)
            gc.freeze()  # the library and its list of markets stay: the collector need not walk them at every page
        try:
            found = market_of(self.listed, coin, symbol)
        except UNREADABLE as error:
            reason = f"lists a market of {coin} that cannot be read ({type(error).__name__})"
            raise VenueFault(self.venue, Fault(reason, again=False)) from error
        if found is None:
            raise VenueFault(self.venue, Fault(f"does not list a perpetual of {coin}", again=False))
        return found

    async def page(self, entry: Availability, market: Market, timeframe: str, since_ms: int, until_ms: int) -> Floats:
        """Return the rows of a series between two times, as the lake has them but with ``ts`` in milliseconds.

        The only bar of a page, of a venue that states no interval, is taken from the page of the bars around it; where
        there are none, its values are nan.

        Parameters
        ----------
        since_ms, until_ms
            First and last millisecond of the range, at most one page of the venue apart.
        """
        rows = await self._page(entry, market, timeframe, since_ms, until_ms)
        series = SERIES[entry.series]
        lone = lone_time(rows[:, 0]) if series.bars and self.venue not in STATES_INTERVAL else None
        if lone is None:
            return rows
        first, last = around(lone, series.bar_s(timeframe) * 1000, entry.page)
        rows = await self._page(entry, market, timeframe, first, last)
        if lone_time(rows[:, 0]) is not None:
            rows[:, 1:] = np.nan
        return rows[(rows[:, 0] >= since_ms) & (rows[:, 0] <= until_ms)]

    async def _page(self, entry: Availability, market: Market, timeframe: str, since_ms: int, until_ms: int) -> Floats:
        params: dict[str, Any] = {entry.since_key: since_ms} if entry.since_key else {}
        if entry.until_key:
            params[entry.until_key] = until_ms + (not entry.until_inclusive)
        if not entry.page_key:
            return await self._rows(entry, market, timeframe, (since_ms, until_ms), params)
        # the venue counts its pages from the newest row back: leaf until one reaches the range's start
        pages: list[Floats] = []
        oldest = float("inf")
        while not pages or (len(pages[-1]) and since_ms < pages[-1][:, 0].min() < oldest):
            oldest = pages[-1][:, 0].min() if pages else oldest
            params[entry.page_key] = len(pages) + 1
            pages.append(await self._rows(entry, market, timeframe, (since_ms, until_ms), params))
        return np.concatenate(pages)

    async def _rows(
        self, entry: Availability, market: Market, timeframe: str, stretch: Stretch, params: Mapping[str, Any]
    ) -> Floats:
        series, leafed = SERIES[entry.series], bool(entry.page_key)
        since_ms = None if leafed else stretch[0]
        asked = Question(
            venue=self.venue,
            bars=series.bars,
            step_ms=series.bar_s(timeframe) * 1000 if series.bars else 0,
            timeframe=timeframe,
            names=market.names,
            inverse=market.inverse,
            since_ms=stretch[0],
            until_ms=stretch[1],
            bounded=bool(entry.until_key) and not leafed,
        )
        method = series.ccxt
        assert method is not None
        step = [timeframe if series.bars else entry.timeframe or STATISTICS_TIMEFRAME] if method.timeframe else []
        limit = entry.page or None

        async def call() -> Any:
            return await getattr(self.api, method.method)(market.symbol, *step, since_ms, limit, params)

        table: Floats | None = None

        def check(rows: Any) -> Fault | None:
            nonlocal table
            answer = self.answers[-1] if self.answers else None
            other = wrong_market(answer, market.names) if answer else None
            table = lake_rows(rows, entry, market)
            other = other or contradiction(answer, table[:, 0], asked)
            return other or (None if rows else empty_page_fault(self.venue, answer))

        self.requests += 1
        await self.ask(call, check)
        assert table is not None
        return table

    async def tiers(self, market: Market) -> list[dict[str, Any]]:
        """Return the margin tiers in force now as rows of the series ``leverage_tiers``, times left out."""
        series = SERIES["leverage_tiers"]
        call = series.ccxt
        assert call is not None
        self.requests += 1
        tiers: list[dict[str, Any]] = []

        def check(rows: Any) -> Fault | None:
            if wrong := deductions_fault(rows):
                return Fault(f"gave tiers that break a rule: {market.symbol}: {wrong}", again=False)
            table = [(number, *(row[name] for name in call.fields)) for number, row in enumerate(rows, 1)]
            tiers[:] = [dict(zip(series.values, tier, strict=True)) for tier in table]
            return None if tiers else Fault("gave no margin tier", again=True)

        await self.ask(lambda: getattr(self.api, call.method)(market.symbol), check)
        return tiers

    def now(self, clock: Callable[[], float]) -> float:
        """Return the earlier of our time and the venue's: a day that is not over at the venue is not over."""
        ours = clock()
        return ours if self.server_clock_s is None else min(ours, self.server_clock_s)

    def _read_clock(self) -> None:
        stamp = server_time(self.answers[-1]) if self.answers else None
        if stamp is not None:
            self.server_clock_s = stamp


def _checked(check: Callable[[T], Fault | None], result: T) -> Fault | None:
    """Return the fault that a check finds, or that it stumbles over."""
    try:
        return check(result)
    except UNREADABLE as error:
        return Fault(f"gave an answer that cannot be read ({type(error).__name__})", again=True)


def pause_of(stop: asyncio.Event) -> Pause:
    """Return a wait in seconds that ends early once ``stop`` is set."""

    async def pause(seconds: float) -> None:
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return

    return pause


def _refused(error: Exception | None) -> Fault | None:
    """Return the fault of a request that this side gave up: over budget, sent elsewhere, torn."""
    if isinstance(error, OverBudgetError):
        return Fault(str(error), again=False, whole_venue=True)
    if isinstance(error, RedirectedError):
        return Fault(str(error), again=False, whole_venue=True)
    return Fault(str(error), again=True) if isinstance(error, TornError) else None


def _no_markets(markets: Mapping[str, Any]) -> Fault | None:
    return None if markets else Fault("gave an empty list of markets", again=True)


def _final(fault: Fault, spent: bool) -> Fault:
    if not fault.again or not spent:
        return fault
    return Fault(f"{fault.reason}, on every attempt", fault.again, fault.wait_s, fault.whole_venue)
