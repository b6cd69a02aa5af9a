"""A venue's client, opened under guard and closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from backtest.fetch.budget import Spending
from backtest.fetch.rest.ccxt_info import check_addresses, client_class
from backtest.fetch.rest.client import Client, Pause, pause_of
from backtest.fetch.rest.responses import Answer, has_switch, strange_numbers
from backtest.fetch.rest.session import GuardedSession, guarded
from backtest.fetch.settings import Settings


async def open_client(
    venue: str,
    settings: Settings,
    draw: Callable[[], float],
    stop: asyncio.Event,
    *,
    clock: Callable[[], float] = time.time,
    on_wait: Callable[[str], None] = lambda text: None,
    pause: Pause | None = None,
) -> Client:
    """Return a client of a venue with the settings' constructor fields; close it with ``close_client``.

    Parameters
    ----------
    clock
        Seconds since the epoch, for the venue's deadline.
    on_wait
        Called with a line of text before a wait that the venue asks for.
    pause
        How to wait; None: as long as it takes, or until ``stop`` is set.

    Raises
    ------
    UnknownNameError
        ccxt has no such venue.
    ConfigError
        The settings name an address that the venue's client does not use.
    """
    base = client_class(venue)
    answers: list[Answer] = []
    spending = Spending(settings.budget, clock)

    class Recorder(base):  # type: ignore[misc, valid-type]
        """The client itself under guard; it keeps every answer before the library makes something of it."""

        session: Any

        def open(self, lazy: bool = False) -> None:
            new = self.session is None
            super().open(lazy)
            if new and self.session is not None:
                self.session = guarded(self.session, spending)

        def get_socks_proxy_session(self, proxy: str) -> Any:
            session = super().get_socks_proxy_session(proxy)
            if not isinstance(session, GuardedSession):
                session = self.socks_proxy_sessions[proxy] = guarded(session, spending)
            return session

        def on_json_response(self, body: str) -> Any:
            value = None if strange_numbers(body) else super().on_json_response(body)
            if answers:
                last = answers[-1]
                text = body if last.status >= 400 or value is None else ""  # of a page the rows are enough
                answers[-1] = Answer(last.status, last.headers, text, value, has_switch(body))
            return value

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, headers: Any, body: str, sent: Any, sent_body: Any
        ) -> str:
            answers.append(Answer(code, dict(headers), body, None))
            text: str = super().on_rest_response(code, reason, url, method, headers, body, sent, sent_body)
            return text

    fields = {"enableRateLimit": True, **settings.venues.get(venue, {})}
    check_addresses(venue, fields)
    api = Recorder(fields)
    return Client(venue, api, settings, draw, stop, spending, on_wait, pause or pause_of(stop), answers)


async def close_client(client: Client) -> None:
    """Close the connections of a client."""
    client.api.timeout_on_exit = 0  # the library would wait a quarter of a second for each
    await client.api.close()
