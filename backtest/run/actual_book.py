"""A replay of a true book: the fields of its scenario, from the book and the bars that the lake has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backtest.book.actual.write import NAME, book_path, read_head
from backtest.catalogue.events import get_event
from backtest.errors import BookError
from backtest.lake.place import Place
from backtest.lake.read import read_series
from backtest.schema.coins import coin_name
from backtest.venue.reading import get_venue, venue_names

VENUE = "hyperliquid"


def venue_of(coins: Sequence[str]) -> str:
    """Return the venue whose rules hold for coins of Hyperliquid: a builder's own profile, if all are of that builder.

    Examples
    --------
    >>> venue_of(["XYZ-SILVER", "XYZ-GOLD"]), venue_of(["BTC", "XYZ-SILVER"]), venue_of(["FLX-OIL"])
    ('xyz', 'hyperliquid', 'hyperliquid')
    """
    builders = {coin.partition("-")[0].lower() if "-" in coin else VENUE for coin in coins}
    own = builders.pop() if len(builders) == 1 else VENUE
    return own if own in venue_names() and get_venue(own).host == VENUE else VENUE


def fields_of(event: str, book: str) -> dict[str, Any]:
    """Return the fields of a replay of a true book: its file, coins, start, and the venue's own bars of a second.

    The market takes the other side of what is missing. A bar of a second is walked through its close: what happens
    inside a second has no order.

    Parameters
    ----------
    book
        ``reservoir``, or the path of a book that ``crashbook book roll`` wrote.

    Raises
    ------
    BookError
        There is no such book, or a coin of it has no bars from its time on.
    """
    crash = get_event(event)
    path = book_path(crash.id, book) if book == NAME else Path(book)
    at, held = read_head(path)
    end = max(crash.core_end, at + dt.timedelta(minutes=1))
    lacking = [coin for coin in map(coin_name, held) if not has_bars(coin, at, end)]
    if lacking:
        few = ", ".join(lacking[:5])
        fix = f"fetch them, or roll the book again: crashbook book roll --from {crash.id}"
        raise BookError(f"{path.name}: the lake has no bars of a second from {at} to {end} of {few}; {fix}")
    coins = tuple(map(coin_name, held))
    return {
        "venue": venue_of(coins),
        "coins": coins,
        "positions_file": str(path),
        "timeframe": "1s",
        "intrabar": "close",
        "start": at,
        "end": end,
        "balance_with_market": True,
        "liquidity_scale": dict.fromkeys(coins, 1.0),  # volumes are the venue's own
    }


def has_bars(coin: str, start: dt.datetime, end: dt.datetime) -> bool:
    """Return whether a coin has bars at the start and the end of a window; what is missing between is seen later."""
    place, second = Place(VENUE, f"{coin}/USDC:USDC", "ohlcv", "1s"), dt.timedelta(seconds=1)
    return all(read_series(place, time, time + second).height for time in (start, end - second))
