"""Which venues are asked for a coin, in order, and the symbols of its perpetuals at each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from backtest.assets import inside, lake_folder
from backtest.lake.availability import load_availability

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent


# the venues asked when those of the event cannot serve, in this order
FIRST_CLASS = (
    "binanceusdm",
    "bybit",
    "okx",
    "hyperliquid",
    "krakenfutures",
    "bitget",
    "gate",
    "kucoinfutures",
    "binancecoinm",
)

PERPETUALS: dict[str, tuple[str, ...]] = {
    "binancecoinm": ("{0}/USD:{0}",),
    "bitmex": ("{0}/USDT:USDT", "{0}/USD:BTC"),
    "dydx": ("{0}/USDC:USDC",),
    "hyperliquid": ("{0}/USDC:USDC",),
    "krakenfutures": ("{0}/USD:USD",),
}

DOLLAR_PERPETUAL = ("{0}/USDT:USDT",)

LONGEST_NAME = 200  # bytes as the lake writes it; file systems allow 255 with quote and settle


def symbols_of(venue: str, coin: str) -> tuple[str, ...]:
    """Return a coin's perpetuals at a venue as unified symbols, the dollar-settled first.

    Examples
    --------
    >>> symbols_of("hyperliquid", "BTC"), symbols_of("bitmex", "ETH")
    (('BTC/USDC:USDC',), ('ETH/USDT:USDT', 'ETH/USD:BTC'))
    """
    return tuple(text.format(coin) for text in PERPETUALS.get(venue, DOLLAR_PERPETUAL))


def known_symbols(venue: str, coin: str) -> tuple[str, ...]:
    """Return a coin's perpetuals at a venue: those expected, then others whose trade bars are in the lake."""
    folder = inside(lake_folder(), "ohlcv", f"venue={quote(venue, safe='')}")
    held = sorted(
        unquote(path.name.removeprefix("symbol=")) for path in folder.glob(f"symbol={quote(coin, safe='')}%2F*")
    )
    return tuple(dict.fromkeys((*symbols_of(venue, coin), *held)))


def chain(event: CrashEvent, venue: str = "") -> tuple[str, ...]:
    """Return the venues to ask: the one named, those of the event, then all others that serve history."""
    served = {key[0] for key in load_availability()}
    rest = [name for name in (*event.venues, *FIRST_CLASS) if name in served]
    return tuple(dict.fromkeys(([venue] if venue else []) + rest))


def is_name(coin: str) -> bool:
    """Return whether a coin's symbols can be names of folders and parts of a line."""
    return bool(coin) and coin.isprintable() and len(quote(coin, safe="")) <= LONGEST_NAME
