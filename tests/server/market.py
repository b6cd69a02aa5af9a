"""The data behind the local venues: markets, one-minute bars, funding, open interest and account ratios."""

from __future__ import annotations

import csv
import datetime as dt
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng

from backtest.market.mark_model import model_mark
from tests.server.wire import MINUTE_MS, Bars, Ints

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
CRASH_DAYS = (dt.date(2025, 10, 10), dt.date(2025, 10, 11))
COINS = ("BTC", "SOL", "XRP", "DOGE", "LINK")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
FIVE_MINUTES_MS = 300_000
PX = {"BTC": 118_000.0, "ETH": 4_300.0, "SOL": 215.0, "XRP": 2.8, "DOGE": 0.245, "LINK": 21.5}
DAILY_USD = {"BTC": 2e10, "ETH": 2e10, "SOL": 4e9, "XRP": 2e9, "DOGE": 2e9, "LINK": 6e8}

# decimals printed, tick in units of the last of them, decimals of a quantity, contract size
Rules = tuple[int, int, int, str]
RULES: dict[str, dict[str, Rules]] = {
    "binanceusdm": {
        "BTC": (2, 10, 3, "1"),
        "ETH": (2, 1, 3, "1"),
        "SOL": (4, 100, 2, "1"),
        "XRP": (4, 1, 1, "1"),
        "DOGE": (6, 10, 0, "1"),
        "LINK": (3, 1, 2, "1"),
    },
    "binancecoinm": {
        "BTC": (1, 1, 8, "100"),
        "ETH": (2, 1, 8, "10"),
        "SOL": (2, 1, 8, "10"),
        "XRP": (4, 1, 8, "10"),
        "DOGE": (5, 1, 8, "10"),
        "LINK": (3, 1, 8, "10"),
    },
    "bybit": {
        "BTC": (2, 10, 3, "1"),
        "ETH": (2, 1, 2, "1"),
        "SOL": (3, 10, 1, "1"),
        "XRP": (4, 1, 1, "1"),
        "DOGE": (5, 1, 0, "1"),
        "LINK": (3, 1, 1, "1"),
    },
    "okx": {
        "BTC": (1, 1, 4, "0.01"),
        "ETH": (2, 1, 3, "0.1"),
        "SOL": (2, 1, 2, "1"),
        "XRP": (4, 1, 0, "100"),
        "DOGE": (5, 1, 1, "1000"),
        "LINK": (3, 1, 2, "1"),
    },
    "hyperliquid": {
        "BTC": (1, 10, 5, "1"),
        "ETH": (1, 1, 4, "1"),
        "SOL": (2, 1, 2, "1"),
        "XRP": (4, 1, 0, "1"),
        "DOGE": (5, 1, 0, "1"),
        "LINK": (3, 1, 1, "1"),
    },
}
INVERSE_SIZE = {"bybit": "1", "okx": "100"}
IDS = {
    "binanceusdm": "{base}{quote}",
    "binancecoinm": "{base}{quote}_PERP",
    "bybit": "{base}{quote}",
    "okx": "{base}-{quote}-SWAP",
    "hyperliquid": "{base}",
}


@dataclass(frozen=True, slots=True)
class Market:
    """A perpetual of a venue: its names, the tick and the lot, what a contract is worth (base, or USD if inverse)."""

    venue: str
    symbol: str
    px_decimals: int
    tick_units: int
    volume_decimals: int
    contract_size: str

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.split("/")[1].split(":")[0]

    @property
    def settle(self) -> str:
        return self.symbol.split(":")[1]

    @property
    def inverse(self) -> bool:
        return self.base == self.settle

    @property
    def id(self) -> str:
        return IDS[self.venue].format(base=self.base, quote=self.quote)

    @property
    def tick(self) -> str:
        scale = 10**self.px_decimals
        return f"{self.tick_units // scale}.{self.tick_units % scale:0{self.px_decimals}d}"

    @property
    def lot(self) -> str:
        """The smallest step of a quantity as orders give it: contracts if inverse, else base units."""
        if self.inverse or not self.volume_decimals:
            return "1"
        return f"0.{1:0{self.volume_decimals}d}"


def market_of(venue: str, symbol: str) -> Market:
    """Return the market of a unified symbol.

    >>> market_of("okx", "BTC/USD:BTC").id, market_of("binanceusdm", "DOGE/USDT:USDT").tick
    ('BTC-USD-SWAP', '0.000010')
    """
    base = symbol.split("/", maxsplit=1)[0]
    px_decimals, tick, volume_decimals, size = RULES[venue][base]
    if symbol.endswith(f":{base}"):
        volume_decimals, size = 8, INVERSE_SIZE.get(venue, size)
    return Market(venue, symbol, px_decimals, tick, volume_decimals, size)


@dataclass
class Tape:
    """Everything a venue serves of one market; ``seed`` settles what the trade bars do not."""

    market: Market
    trade: Bars
    seed: int
    cached: dict[str, list[bytes]] = field(default_factory=dict)

    @cached_property
    def mark(self) -> Bars:
        return self._damped(half_life_s=30)

    @cached_property
    def index(self) -> Bars:
        return self._damped(half_life_s=90)

    @cached_property
    def premium(self) -> Bars:
        """Mark over index less one, in units of 1e-8."""
        ratio = np.rint((self.mark.px / self.index.px - 1) * 1e8).astype(np.int64)
        px = np.column_stack([ratio[:, 0], ratio.max(axis=1), ratio.min(axis=1), ratio[:, 3]])
        return Bars(self.trade.ts, px, np.zeros_like(self.trade.volume), 8)

    @cached_property
    def funding(self) -> tuple[Ints, Ints]:
        """Times (ms) and rates in units of 1e-8."""
        period = HOUR_MS if self.market.venue == "hyperliquid" else 8 * HOUR_MS
        ts = self._times(period)
        scale = 1250 if self.market.venue == "hyperliquid" else 10_000
        return ts, self._noise("funding").integers(-scale, scale + 1, len(ts))

    @cached_property
    def open_interest(self) -> tuple[Ints, Ints, Ints]:
        """Times (ms), base units of ``10**-volume_decimals``, and the close in price units, every five minutes."""
        ts = self._times(FIVE_MINUTES_MS)
        level = DAILY_USD[self.market.base] / 8 / PX[self.market.base] * 10**self.market.volume_decimals
        walked = np.cumsum(self._noise("open interest").normal(0, 2e-4, len(ts)))
        place = np.clip(np.searchsorted(self.trade.ts, ts), 0, len(self.trade.ts) - 1)
        return ts, np.rint(level * np.exp(walked)).astype(np.int64), self.trade.px[place, 0]

    @cached_property
    def ratio(self) -> tuple[Ints, Ints]:
        """Times (ms) and the share of accounts that are long, in units of 1e-4, every five minutes."""
        ts = self._times(FIVE_MINUTES_MS)
        return ts, 6000 + np.cumsum(self._noise("ratio").integers(-1, 2, len(ts))).clip(-2000, 2000)

    def without(self, start_ms: int, end_ms: int) -> Tape:
        """Return the tape of a venue that was down in ``[start_ms, end_ms)``: no bars, and pages run on behind."""
        kept = np.flatnonzero((self.trade.ts < start_ms) | (self.trade.ts >= end_ms))
        bars = self.trade
        trade = Bars(bars.ts[kept], bars.px[kept], bars.volume[kept], bars.px_decimals, bars.volume_decimals)
        return Tape(self.market, trade, self.seed)

    def _damped(self, half_life_s: float) -> Bars:
        """Average the trade bars; Binance publishes more decimals than it trades in."""
        extra = 2 if self.market.venue.startswith("binance") else 0
        px = model_mark(self.trade.px, 60, half_life_s, 10**extra)
        return Bars(self.trade.ts, px, np.zeros_like(self.trade.volume), self.trade.px_decimals + extra)

    def _times(self, period: int) -> Ints:
        first, last = int(self.trade.ts[0]), int(self.trade.ts[-1])
        return np.arange(-(-first // period) * period, last + 1, period)

    def _noise(self, what: str) -> Generator:
        return default_rng([self.seed, zlib.crc32(what.encode())])


Tapes = dict[tuple[str, str], Tape]


def synthetic(venue: str, symbol: str, days: Sequence[dt.date], seed: int = 1) -> Tape:
    """Return a tape of whole UTC days, each minute present, walked from the coin's usual price."""
    market = market_of(venue, symbol)
    rng = default_rng([seed, zlib.crc32(f"{venue} {symbol}".encode())])
    ts = np.concatenate([_minutes(day) for day in days])
    px, volume = _walk(rng, len(ts), PX[market.base], _volume(market.base))
    return _tape(market, ts, px, volume, seed)


def crash_days(venues: Iterable[str] = RULES) -> Tapes:
    """Return 10 and 11 October 2025 of five coins on every venue.

    The sample's bars within their span, a quiet walk that meets them at both ends outside it. Binance USD-M has the
    sample's own prices, the others theirs moved by a few basis points and rounded to their ticks.
    """
    tapes: Tapes = {}
    for n, coin in enumerate(COINS):
        ts, px, volume = _crash(coin, n)
        for m, venue in enumerate(venues):
            for symbol in _symbols(venue, coin):
                basis = 0.0 if venue == "binanceusdm" else 1e-4 * (m + 1)
                tapes[venue, symbol] = _tape(market_of(venue, symbol), ts, px * (1 + basis), volume / (m + 1), n)
    return tapes


def _symbols(venue: str, coin: str) -> list[str]:
    if venue == "binancecoinm":
        return [f"{coin}/USD:{coin}"]
    if venue == "hyperliquid":
        return [f"{coin}/USDC:USDC"]
    return [f"{coin}/USDT:USDT"] + [f"{coin}/USD:{coin}"] * (coin == "BTC" and venue in INVERSE_SIZE)


@cache
def _crash(coin: str, seed: int) -> tuple[Ints, np.ndarray, np.ndarray]:
    with (SAMPLE / f"binanceusdm_{coin}USDT_1m_2025-10-10.csv").open(encoding="utf-8") as file:
        rows = [[float(cell) for cell in row[:6]] for row in list(csv.reader(file))[1:]]
    known = np.array(rows)
    ts = np.concatenate([_minutes(day) for day in CRASH_DAYS])
    before = int(np.searchsorted(ts, int(known[0, 0])))
    after = before + len(known)
    if not np.array_equal(ts[before:after], known[:, 0].astype(np.int64)):
        raise ValueError(f"sample of {coin}: not whole minutes")
    rng = default_rng(seed)
    calm = _volume(coin)
    # walked backwards in time from the first open, so that both ends meet
    px, volume = _walk(rng, before, float(known[0, 1]), calm)
    early = px[::-1][:, [3, 1, 2, 0]]
    late, late_volume = _walk(rng, len(ts) - after, float(known[-1, 4]), calm)
    return ts, np.vstack([early, known[:, 1:5], late]), np.concatenate([volume, known[:, 5], late_volume])


def _walk(rng: Generator, bars: int, px: float, volume: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (bars, 4) prices from ``px`` on, each bar opening at the last close, and volumes."""
    path = px * np.exp(np.concatenate([[0.0], np.cumsum(rng.normal(0, 2e-4, bars))]))
    opens, closes = path[:-1], path[1:]
    wick = 1 + np.abs(rng.normal(0, 1e-4, (2, bars)))
    prices = np.column_stack([opens, np.maximum(opens, closes) * wick[0], np.minimum(opens, closes) / wick[1], closes])
    return prices, volume * rng.lognormal(0, 0.5, bars)


def _tape(market: Market, ts: Ints, px: np.ndarray, volume: np.ndarray, seed: int) -> Tape:
    units = np.rint(px * 10**market.px_decimals / market.tick_units).astype(np.int64) * market.tick_units
    lots = np.rint(volume * 10**market.volume_decimals).astype(np.int64)
    return Tape(market, Bars(ts, units, lots, market.px_decimals, market.volume_decimals), seed)


def _volume(coin: str) -> float:
    return DAILY_USD[coin] / 1440 / PX[coin]


def _minutes(day: dt.date) -> Ints:
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) * 1000
    return np.arange(start, start + DAY_MS, MINUTE_MS)
