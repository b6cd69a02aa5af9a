"""Venues as ccxt knows them: clients, methods, page sizes and addresses. Nothing else imports ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from backtest.errors import ConfigError, UnknownNameError
from backtest.lake.series import Series
from backtest.toml import shown

CAUTIOUS_PAGE = 100  # rows asked of a venue whose limit is not known


def client_names() -> list[str]:
    """Return the venues that ccxt has a client for."""
    import ccxt.async_support as library

    return list(library.exchanges)


def client_class(venue: str) -> Any:
    """Return the class of a venue's asynchronous client.

    Raises
    ------
    UnknownNameError
        ccxt has no such venue.
    """
    import ccxt.async_support as library

    if venue not in library.exchanges:
        raise UnknownNameError("venue of ccxt", venue, library.exchanges)
    return getattr(library, venue)


def page_limit(venue: str, series: Series) -> int | None:
    """Return the rows of a page of a series where ccxt has a method for it at a venue, None where it has none.

    Raises
    ------
    UnknownNameError
        ccxt has no such venue.
    """
    api, call = client_class(venue)(), series.ccxt
    if call is None:
        return 0 if series.state else None  # the list of markets holds it
    if not api.has.get(call.capability):
        return None
    offered = ((api.features or {}).get("swap") or {}).get("linear") or {}
    return int((offered.get(call.capability) or {}).get("limit") or CAUTIOUS_PAGE)


def check_addresses(venue: str, fields: Mapping[str, Any]) -> None:
    """Refuse constructor fields with an address that the venue's client does not use.

    Raises
    ------
    ConfigError
        The line names the table, the address and those that the client uses.
    """
    given = fields.get("urls", {}).get("api")
    if given is not None:
        _compare(given, _addresses(venue), f"[{venue}] urls.api")


@cache
def _addresses(venue: str) -> Any:
    """Return the addresses of a venue's client: one, or a table of them."""
    return client_class(venue)().urls["api"]


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
