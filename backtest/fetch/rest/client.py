"""The venues' REST interfaces through ccxt's asynchronous clients; nothing else of the program imports ccxt."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from backtest.errors import ConfigError, DataError, UnknownNameError
from backtest.fetch.rest.responses import Answer, Fault, empty_page_fault, judge, server_time, stranger
from backtest.fetch.retry import delays
from backtest.fetch.settings import Settings
from backtest.lake.availability import Reach
from backtest.mechanics.exact import Floats
from backtest.toml import shown

T = TypeVar("T")
METHODS = {
    "ohlcv": ("fetchOHLCV", "fetch_ohlcv"),
    "mark_ohlcv": ("fetchMarkOHLCV", "fetch_mark_ohlcv"),
    "index_ohlcv": ("fetchIndexOHLCV", "fetch_index_ohlcv"),
    "premium_ohlcv": ("fetchPremiumIndexOHLCV", "fetch_premium_index_ohlcv"),
    "funding": ("fetchFundingRateHistory", "fetch_funding_rate_history"),
    "open_interest": ("fetchOpenInterestHistory", "fetch_open_interest_history"),
    "long_short_ratio": ("fetchLongShortRatioHistory", "fetch_long_short_ratio_history"),
    "leverage_tiers": ("fetchMarketLeverageTiers", "fetch_market_leverage_tiers"),
}
STATISTICS_TIMEFRAME = "5m"
NAME_FIELDS = ("symbol", "pair", "instFamily", "instId", "uly", "name", "baseName")
QUOTES = ("USDT", "USDC", "USD")
CAUTIOUS_PAGE = 100  # rows asked of a venue whose limit is not known


class VenueFault(DataError):  # noqa: N818
    """A venue gives no page: asked as often as the settings allow, or refused at once."""

    def __init__(self, venue: str, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"{venue} {fault.reason}")


class Interrupted(Exception):  # noqa: N818 - not an error: what was asked for by Ctrl-C
    """The user asked to stop; what was finished is in the lake."""


@dataclass(frozen=True, slots=True)
class Market:
    """A perpetual as a venue lists it: unified symbol, the venue's own names of it, and its units."""

    symbol: str
    names: frozenset[str]
    inverse: bool
    contract_size: float
    tick_px: float | None
    lot_base: float | None
    quantity_min: float | None


@dataclass(slots=True)
class Client:
    """One venue's client, with its patience, the answers of the call under way and the clock of the venue."""

    venue: str
    api: Any
    settings: Settings
    draw: Callable[[], float]
    stop: asyncio.Event
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
            except Exception as caught:  # whatever the client's parser makes of a strange answer
                error = caught
            fault = judge(self.venue, self.answers, error)
            if fault is None and error is None:
                fault = check(result) if check else None
                if fault is None:
                    self._read_clock()
                    self.answers.clear()  # a page held while the next is read costs more than its memory
                    return result
            assert fault is not None
            wait = next(waits, None)
            if not fault.again or wait is None or (fault.wait_s or 0) > self.settings.retry.patience_s:
                raise VenueFault(self.venue, _final(fault, wait is None))
            self.retries.append(fault.reason)
            await self._pause(max(wait, fault.wait_s or 0))

    async def market(self, coin: str, symbol: str) -> Market:
        """Return a coin's perpetual: the symbol expected if it is listed, else the nearest of the same coin.

        Raises
        ------
        VenueFault
            The venue lists no perpetual of the coin, or does not answer.
        """
        if not self.listed:
            # loaded anew each time: the library keeps what it made of a bad answer
            self.listed = await self.ask(lambda: self.api.load_markets(True), _no_markets)
            gc.freeze()  # the library and its list of markets stay: the collector need not walk them at every page
        listed = self.listed
        found = listed.get(symbol) or min(
            (market for market in listed.values() if market["swap"] and market["base"] == coin),
            key=_preference,
            default=None,
        )
        if found is None:
            raise VenueFault(self.venue, Fault(f"does not list a perpetual of {coin}", again=False))
        return _market(found)

    async def page(self, reach: Reach, market: Market, timeframe: str, since_ms: int, until_ms: int) -> Floats:
        """Return the rows of a series between two times, as the lake has them but with ``ts`` in milliseconds.

        Parameters
        ----------
        since_ms, until_ms
            First and last millisecond of the range, at most one page of the venue apart.
        """
        params: dict[str, Any] = {reach.since_key: since_ms} if reach.since_key else {}
        if reach.until_key:
            params[reach.until_key] = until_ms + (not reach.until_inclusive)
        if not reach.page_key:
            return await self._rows(reach, market, timeframe, since_ms, params)
        # the venue counts its pages from the newest row back: leaf until one reaches the range's start
        pages: list[Floats] = []
        oldest = float("inf")
        while not pages or (len(pages[-1]) and since_ms < pages[-1][:, 0].min() < oldest):
            oldest = pages[-1][:, 0].min() if pages else oldest
            params[reach.page_key] = len(pages) + 1
            pages.append(await self._rows(reach, market, timeframe, None, params))
        return np.concatenate(pages)

    async def _rows(
        self, reach: Reach, market: Market, timeframe: str, since_ms: int | None, params: Mapping[str, Any]
    ) -> Floats:
        series, name = reach.series, METHODS[reach.series][1]
        middle = [] if series == "funding" else [timeframe if series.endswith("ohlcv") else _statistics(reach)]
        limit = reach.page or None

        async def call() -> Any:
            return await getattr(self.api, name)(market.symbol, *middle, since_ms, limit, params)

        def check(rows: Any) -> Fault | None:
            answer = self.answers[-1] if self.answers else None
            other = stranger(answer, market.names) if answer else None
            return other or (None if rows else empty_page_fault(self.venue, answer))

        self.requests += 1
        return _table(await self.ask(call, check), reach, market)

    async def tiers(self, market: Market) -> list[dict[str, Any]]:
        """Return the margin tiers in force now as rows of the series ``leverage_tiers``, times left out."""
        self.requests += 1
        rows = await self.ask(lambda: self.api.fetch_market_leverage_tiers(market.symbol))
        return [
            {
                "tier": number,
                "notional_floor": row["minNotional"],
                "notional_cap": row["maxNotional"],
                "maintenance_frac": row["maintenanceMarginRate"],
                "max_leverage": row["maxLeverage"],
            }
            for number, row in enumerate(rows, 1)
        ]

    def now(self, clock: Callable[[], float]) -> float:
        """Return the earlier of our time and the venue's: a day that is not over at the venue is not over."""
        ours = clock()
        return ours if self.server_clock_s is None else min(ours, self.server_clock_s)

    def _read_clock(self) -> None:
        stamp = server_time(self.answers[-1]) if self.answers else None
        if stamp is not None:
            self.server_clock_s = stamp

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return


def _no_markets(markets: Mapping[str, Any]) -> Fault | None:
    return None if markets else Fault("gave an empty list of markets", again=True)


def _statistics(reach: Reach) -> str:
    return reach.timeframe or STATISTICS_TIMEFRAME


def _final(fault: Fault, spent: bool) -> Fault:
    if not fault.again or not spent:
        return fault
    return Fault(f"{fault.reason}, on every attempt", fault.again, fault.wait_s, fault.whole_venue)


async def open_client(venue: str, settings: Settings, draw: Callable[[], float], stop: asyncio.Event) -> Client:
    """Return a client of a venue with the settings' constructor fields; close it with ``close_client``.

    Raises
    ------
    UnknownNameError
        ccxt has no such venue.
    ConfigError
        The settings name an address that the venue's client does not use.
    """
    import ccxt.async_support as library

    if venue not in library.exchanges:
        raise UnknownNameError("venue of ccxt", venue, library.exchanges)
    base = getattr(library, venue)
    answers: list[Answer] = []

    class Recorder(base):  # type: ignore[misc, valid-type]
        """The client itself; it keeps every answer before the library makes something of it."""

        def on_json_response(self, body: str) -> Any:
            value = super().on_json_response(body)
            if answers:
                last = answers[-1]
                text = body if last.status >= 400 else ""  # of a page the rows are enough
                answers[-1] = Answer(last.status, last.headers, text, value)
            return value

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, headers: Any, body: str, sent: Any, sent_body: Any
        ) -> str:
            answers.append(Answer(code, dict(headers), body, None))
            text: str = super().on_rest_response(code, reason, url, method, headers, body, sent, sent_body)
            return text

    fields = {"enableRateLimit": True, **settings.venues.get(venue, {})}
    _check_addresses(base, fields, venue)
    api = Recorder(fields)
    return Client(venue, api, settings, draw, stop, answers)


async def close_client(client: Client) -> None:
    """Close the connections of a client."""
    client.api.timeout_on_exit = 0  # the library would wait a quarter of a second for each
    await client.api.close()


def capability(venue: str, series: str) -> int | None:
    """Return the rows of a page of a series that a venue's client has a method for, None where it has none.

    Raises
    ------
    UnknownNameError
        ccxt has no such venue.
    """
    import ccxt.async_support as library

    if venue not in library.exchanges:
        raise UnknownNameError("venue of ccxt", venue, library.exchanges)
    api = getattr(library, venue)()
    if series == "limits":
        return 0
    flag = METHODS[series][0] if series in METHODS else ""
    if not api.has.get(flag):
        return None
    offered = ((api.features or {}).get("swap") or {}).get("linear") or {}
    return int((offered.get(flag) or {}).get("limit") or CAUTIOUS_PAGE)


def client_names() -> list[str]:
    """Return the venues that ccxt has a client for."""
    import ccxt.async_support as library

    return list(library.exchanges)


def _check_addresses(base: Any, fields: Mapping[str, Any], venue: str) -> None:
    given = fields.get("urls", {}).get("api")
    if given is not None:
        _compare(given, base().urls["api"], f"[{venue}] urls.api")


def _compare(given: Any, known: Any, where: str) -> None:
    """Refuse an address that a client does not use, and text where it has several addresses."""
    if isinstance(given, dict) != isinstance(known, dict):
        needed = f"a table of {', '.join(sorted(known))}" if isinstance(known, dict) else "one address"
        raise ConfigError(f"{where}: {shown(given)}; the client needs {needed}; correct it")
    if not isinstance(given, dict):
        return
    strays = sorted(set(given) - set(known))
    if strays:
        used = ", ".join(sorted(known))
        raise ConfigError(f"{where}: unknown address '{strays[0]}'; the client uses {used}; correct it")
    for name, value in given.items():
        _compare(value, known[name], f"{where}.{name}")


def _preference(market: Mapping[str, Any]) -> tuple[bool, int, str]:
    quote = market["quote"]
    return not market["linear"], QUOTES.index(quote) if quote in QUOTES else len(QUOTES), market["symbol"]


def _market(entry: Mapping[str, Any]) -> Market:
    info = entry["info"] if isinstance(entry["info"], dict) else {}
    names = {entry["id"], entry.get("baseName"), entry["base"], entry["symbol"]}
    names |= {info[key] for key in NAME_FIELDS if isinstance(info.get(key), str)}
    size = float(entry["contractSize"] or 1)
    precision, least = entry["precision"], entry["limits"]["amount"]["min"]
    amount = precision["amount"]
    return Market(
        symbol=entry["symbol"],
        names=frozenset(name for name in names if name),
        inverse=bool(entry["inverse"]),
        contract_size=size,
        tick_px=precision["price"],
        lot_base=amount * size if amount is not None and not entry["inverse"] else None,
        quantity_min=least,
    )


def _table(rows: list[Any], reach: Reach, market: Market) -> Floats:
    """Return ccxt's rows as an array: ``ts`` in milliseconds, then the columns of the lake; nan for what is unknown."""
    if reach.series.endswith("ohlcv"):
        table = _array(rows, 6)
        if reach.series != "ohlcv":
            table[:, 5] = 0.0  # a mark has no volume, whatever stands in its place
        else:
            table[:, 5] *= _volume_factor(reach, market, table)
        return table
    if reach.series == "funding":
        return _array([(row["timestamp"], row["fundingRate"]) for row in rows], 2)
    if reach.series == "long_short_ratio":
        return _array([(row["timestamp"], _ratio(row, reach)) for row in rows], 2)
    return _open_interest(rows, reach, market)


def _ratio(row: Mapping[str, Any], reach: Reach) -> float | None:
    """Return accounts long over accounts short; where ccxt's own figure is another one, from the venue's fields."""
    if not reach.ratio_long:
        ratio: float | None = row["longShortRatio"]
        return ratio
    long, short = (float(row["info"].get(key) or 0) for key in (reach.ratio_long, reach.ratio_short))
    return long / short if short else None


def _array(rows: list[Any], width: int) -> Floats:
    if rows and len(rows[0]) != width:
        rows = [row[:width] for row in rows]
    with suppress(TypeError):  # a null among the numbers
        return np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width).reshape(-1, width)
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _volume_factor(reach: Reach, market: Market, table: Floats) -> Floats | float:
    """Return what turns a venue's volume into base units; dollars are turned at the mean of the bar's four prices."""
    unit = reach.volume_inverse if market.inverse else reach.volume_linear
    if unit == "contracts" and not market.inverse:
        return market.contract_size
    if unit not in {"contracts", "quote"}:
        return 1.0
    price: Floats = table[:, 1:5].mean(axis=1)
    return (market.contract_size if unit == "contracts" else 1) / price


def _open_interest(rows: list[Any], reach: Reach, market: Market) -> Floats:
    """Return open interest in base units and dollars, each where the venue gives it."""
    got = _array([(row["timestamp"], row["openInterestAmount"], row["openInterestValue"]) for row in rows], 3)
    amount, value = (
        (reach.amount_inverse, reach.value_inverse) if market.inverse else (reach.amount_linear, reach.value_linear)
    )
    table = np.full_like(got, np.nan)
    table[:, 0] = got[:, 0]
    contracts = got[:, 1] * market.contract_size
    if amount == "base" or (amount == "contracts" and not market.inverse):
        table[:, 1] = got[:, 1] if amount == "base" else contracts
    if value == "usd":
        table[:, 2] = got[:, 2]
    elif amount == "contracts" and market.inverse:
        table[:, 2] = contracts
    if value == "base":
        table[:, 1] = got[:, 2]
    return table


def utc_now() -> float:
    """Return the present in seconds since the epoch."""
    return time.time()
