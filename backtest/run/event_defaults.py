"""What an event sets at a venue: its defaults with open interest a side, and the part of a vault its coins have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backtest.catalogue.events import CrashEvent
from backtest.scenario.fields import BY_NAME
from backtest.scenario.values import OPEN_INTEREST
from backtest.venue.profile import VenueProfile
from backtest.venue.reading import get_venue
from backtest.venue.statement import a_side


def event_defaults(event: CrashEvent, venue: VenueProfile, book_of: str | None) -> dict[str, Any]:
    """Return the event's defaults at a venue, open interest of one side in USD.

    With ``book_of`` those that are no rule are another venue's.
    """
    own = _default(event, venue)
    if book_of is None:
        return own
    other = _default(event, get_venue(book_of))
    rules = {name: value for name, value in own.items() if BY_NAME[name].rule}
    return {**{name: value for name, value in other.items() if not BY_NAME[name].rule}, **rules}


def halved(event: CrashEvent, venue: VenueProfile) -> bool:
    """Return whether the event's open interest at a venue is published of both sides, so that a side has half."""
    published = "open_interest_usd" in event.default(venue.id)
    return published and (event.open_interest_counts(venue.id) or venue.open_interest_counts) == "both sides"


def _default(event: CrashEvent, venue: VenueProfile) -> dict[str, Any]:
    default = event.default(venue.id)
    if halved(event, venue):
        for name in OPEN_INTEREST:
            if (usd := default.get(name)) is not None:
                default[name] = (
                    {coin: a_side(value, "both sides") for coin, value in usd.items()}
                    if isinstance(usd, Mapping)
                    else a_side(usd, "both sides")
                )
    return default


def covered_frac(open_interest: Any, coin_set: Sequence[str], coins: Sequence[str]) -> float | None:
    """Return the share of a coin set's open interest that some coins have.

    Parameters
    ----------
    open_interest
        USD a side by coin, one number for each, or None.

    Returns
    -------
    float or None
        None where the open interest of the set is not known, or no coin is of the set.

    Examples
    --------
    >>> covered_frac({"BTC": 2.25, "SOL": 0.75}, ("BTC", "SOL"), ("BTC", "ETH"))
    0.75
    >>> covered_frac({"BTC": 2.25}, ("BTC", "SOL"), ("BTC",)) is None
    True
    """
    known = open_interest if isinstance(open_interest, Mapping) else dict.fromkeys(coin_set, open_interest)
    sizes = {coin: float(known.get(coin) or 0) for coin in coin_set}
    if not all(sizes.values()):
        return None
    return sum(sizes[coin] for coin in coin_set if coin in coins) / sum(sizes.values()) or None
