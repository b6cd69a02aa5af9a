"""Calls in threads next to the event loop, and waits in them that a wish to stop ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
LATENCY_S = 0.1  # longest time until a wait notices Ctrl-C


class Interrupted(Exception):  # noqa: N818 - not an error: Ctrl-C asked for it
    """The user asked to stop; finished days are in the lake."""


def in_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Return the future result of a call in a thread; neither Ctrl-C nor the end of the program waits for it."""
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
    """Return a wait in seconds, for use in a thread, that raises ``Interrupted`` once ``stop`` is set."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if stop.is_set():
                raise Interrupted
            time.sleep(min(left, LATENCY_S))

    return pause
