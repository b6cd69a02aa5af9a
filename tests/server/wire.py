"""What the four venues share on the wire: exact decimals as text, pages of encoded rows, windows of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Query = Mapping[str, Any]
BLOCK = 1000
MINUTE_MS = 60_000
PERIODS = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "1d": 1440}


@dataclass(slots=True)
class Page:
    """A list answer: rows already encoded, and the venue's envelope around them.

    ``time_key`` and ``volume_keys`` say where a row holds its time (ms) and volumes; ``names_symbol`` whether the
    envelope or the rows name their market. ``orjson`` is not asked to encode 1,000 rows twice.
    """

    rows: list[bytes]
    prefix: bytes = b"["
    suffix: bytes = b"]"
    time_key: int | str = 0
    volume_keys: tuple[int | str, ...] = ()
    names_symbol: bool = False

    def body(self) -> bytes:
        """Return the body as sent."""
        return self.prefix + b",".join(self.rows) + self.suffix


@dataclass(slots=True)
class Raw:
    """Bytes of a file, with its headers."""

    content: bytes
    headers: dict[str, str]


Answer = tuple[int, Any]
"""HTTP status and a ``Page``, ``Raw``, bare ``bytes``, or an object to send as JSON."""


@dataclass(slots=True)
class Bars:
    """Bars of one price of one market, oldest first.

    ``ts`` is the open time in ms; ``px`` (bars, 4) holds open, high, low, close in units of ``10**-px_decimals``;
    ``volume`` is in base units of ``10**-volume_decimals``.
    """

    ts: Ints
    px: Ints
    volume: Ints
    px_decimals: int
    volume_decimals: int = 0
    step_ms: int = MINUTE_MS
    _longer: dict[int, Bars] = field(default_factory=dict)
    _encoded: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)

    def every(self, minutes: int) -> Bars:
        """Return the bars of a longer period, each from the bars that open within it."""
        if minutes * MINUTE_MS == self.step_ms:
            return self
        if minutes not in self._longer:
            period = minutes * MINUTE_MS
            ts, first = np.unique(self.ts // period * period, return_index=True)
            last = np.append(first[1:], len(self.ts)) - 1
            high = np.maximum.reduceat(self.px[:, 1], first)
            low = np.minimum.reduceat(self.px[:, 2], first)
            px = np.column_stack([self.px[first, 0], high, low, self.px[last, 3]])
            volume = np.add.reduceat(self.volume, first)
            self._longer[minutes] = Bars(ts, px, volume, self.px_decimals, self.volume_decimals, period)
        return self._longer[minutes]

    def rows(self, style: str, encode: Callable[[Bars], list[bytes]], low: int, high: int) -> list[bytes]:
        """Return rows ``[low, high)`` as the venue writes them; each is encoded once, in blocks."""
        found: list[bytes] = []
        for block in range(low // BLOCK, -(-high // BLOCK)):
            start = block * BLOCK
            rows = self._encoded.get((style, block))
            if rows is None:
                rows = self._encoded[style, block] = encode(self.cut(start, start + BLOCK))
            found += rows[max(low - start, 0) : high - start]
        return found

    def cut(self, low: int, high: int) -> Bars:
        """Return the bars ``[low, high)``."""
        part = slice(low, high)
        return Bars(
            self.ts[part], self.px[part], self.volume[part], self.px_decimals, self.volume_decimals, self.step_ms
        )

    def prices(self) -> list[list[str]]:
        """Return opens, highs, lows and closes as text."""
        return [texts(self.px[:, column], self.px_decimals) for column in range(4)]

    def quote_volume(self) -> list[str]:
        """Return close times volume in quote currency as text."""
        return texts(self.px[:, 3] * self.volume, self.px_decimals + self.volume_decimals)


def encoded(payload: Any) -> bytes:
    """Return a payload as the bytes of a body."""
    if isinstance(payload, Page):
        return payload.body()
    if isinstance(payload, Raw):
        return payload.content
    return payload if isinstance(payload, bytes) else orjson.dumps(payload)


def texts(units: Ints | Sequence[int], decimals: int) -> list[str]:
    """Return integers in units of ``10**-decimals`` as decimal text.

    >>> texts([11759080, -5], 2)
    ['117590.80', '-0.05']
    """
    scale = 10**decimals
    whole = units.tolist() if isinstance(units, np.ndarray) else units
    if not decimals:
        return [str(unit) for unit in whole]
    return [f"{'-' if unit < 0 else ''}{abs(unit) // scale}.{abs(unit) % scale:0{decimals}d}" for unit in whole]


def trimmed(words: Sequence[str]) -> list[str]:
    """Return decimal text without idle zeros.

    >>> trimmed(["102806.10", "102806.0", "100"])
    ['102806.1', '102806', '100']
    """
    return [word.rstrip("0").rstrip(".") if "." in word else word for word in words]


def whole(query: Query, name: str) -> int | None:
    """Return an integer parameter, None where it is not given."""
    return int(query[name]) if query.get(name) not in {None, ""} else None


def span(ts: Ints, first: int | None, last: int | None, now: int) -> tuple[int, int]:
    """Return the places of the times in ``[first, last]``, none of them after ``now``."""
    low = 0 if first is None else int(np.searchsorted(ts, first))
    high = int(np.searchsorted(ts, now if last is None else min(last, now), side="right"))
    return low, max(low, high)
