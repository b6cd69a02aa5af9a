"""Work in threads beside the event loop, and waits in them that hear the wish to stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from backtest.fetch.rest.client import Interrupted

T = TypeVar("T")
HEARD_S = 0.1  # how soon Ctrl-C is heard in a wait


def beside(call: Callable[[], T]) -> asyncio.Future[T]:
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


def pause_until(stop: asyncio.Event) -> Callable[[float], None]:
    """Return a wait in seconds, for a thread, that ends with ``Interrupted`` when the user asks to stop."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if stop.is_set():
                raise Interrupted
            time.sleep(min(left, HEARD_S))

    return pause
