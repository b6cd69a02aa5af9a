"""Faults within a page: its rows doubled, out of order, absent, or written otherwise; the envelope stays valid."""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from tests.server.market import HOUR_MS
from tests.server.wire import Page

# a quoted decimal, or a bare one that is no part of a word
QUOTED = re.compile(rb'"(-?\d+(?:\.\d+)?)"')
BARE = re.compile(rb'(?<![\w".-])(-?\d+(?:\.\d+)?)(?![\w".])')


def change(kind: str, page: Page, *, keep_frac: float = 0.5, hour_ms: int = 0) -> None:
    """Change the rows of a page in place.

    >>> page = Page([b'[1,"2"]', b'[3,"4"]'])
    >>> change("repeated_page", page)
    >>> page.body()
    b'[[1,"2"],[3,"4"],[1,"2"],[3,"4"]]'
    """
    if kind == "short_page":
        page.rows = page.rows[: int(len(page.rows) * keep_frac)]
    elif kind == "missing_hour":
        page.rows = [row for row in page.rows if not 0 <= time_of(row, page) - hour_ms < HOUR_MS]
    else:
        page.rows = CHANGES[kind](page)


def time_of(row: bytes, page: Page) -> int:
    """Return the time of a row in ms."""
    return int(orjson.loads(row)[page.time_key])


def _without_volume(page: Page) -> list[bytes]:
    def nulled(row: bytes) -> bytes:
        cells = orjson.loads(row)
        for key in page.volume_keys:
            cells[key] = None
        return orjson.dumps(cells)

    return [nulled(row) for row in page.rows]


CHANGES: dict[str, Callable[[Page], list[bytes]]] = {
    "repeated_page": lambda page: page.rows * 2,
    "unordered_rows": lambda page: page.rows[1::2] + page.rows[::2],
    "empty_page": lambda _page: [],
    "short_page": lambda page: page.rows,
    "missing_hour": lambda page: page.rows,
    "numbers_as_numbers": lambda page: [QUOTED.sub(rb"\1", row) for row in page.rows],
    "numbers_as_strings": lambda page: [BARE.sub(rb'"\1"', row) for row in page.rows],
    "null_volume": _without_volume,
}
