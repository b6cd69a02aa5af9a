"""How long to wait before a request is made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Annotated

from msgspec import Meta

from backtest.toml import Table

Seconds = Annotated[float, Meta(ge=0)]


class Retry(Table, frozen=True, kw_only=True):
    """How often and how patiently a request is repeated.

    Attributes
    ----------
    attempts
        Requests made in all, the first one included.
    first_s, factor, longest_s
        The wait before the second request in seconds, its growth from one to the next, and its ceiling.
    patience_s
        Longest wait a server may ask for by ``Retry-After``; beyond it the request is given up.
    """

    attempts: Annotated[int, Meta(ge=1)] = 5
    first_s: Seconds = 1.0
    factor: Seconds = 2.0
    longest_s: Seconds = 60.0
    patience_s: Seconds = 600.0


RETRY = Retry()


def delays(retry: Retry, random: Callable[[], float]) -> Iterator[float]:
    """Give the waits in seconds between the attempts, one fewer than there are attempts.

    Each wait is drawn from the upper half of its step, so that clients who failed together do not return together.

    Parameters
    ----------
    random
        Gives numbers in ``[0, 1)``.

    Examples
    --------
    >>> list(delays(Retry(attempts=5, first_s=2, factor=3, longest_s=20), lambda: 0.5))
    [1.5, 4.5, 13.5, 15.0]
    >>> list(delays(Retry(attempts=1), lambda: 0.5))
    []
    """
    step = retry.first_s
    for _ in range(retry.attempts - 1):
        bounded = min(step, retry.longest_s)
        yield bounded * (1 + random()) / 2
        step = bounded * retry.factor


def retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds a ``Retry-After`` header asks to wait; None where it is absent or unreadable.

    Parameters
    ----------
    header
        Whole seconds or an HTTP date.
    now
        Seconds since the epoch.

    Examples
    --------
    >>> retry_after("120", now=0)
    120.0
    >>> retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=45)
    15.0
    >>> retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=90)
    0.0
    >>> retry_after("soon", now=0) is None
    True
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
