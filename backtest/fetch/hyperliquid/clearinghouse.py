"""The JSON of a clearinghouse snapshot as a stream of rows; nothing but one position is held at a time."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from backtest.errors import BookError

T = TypeVar("T")
OnProgress = Callable[[Path, int, int], None]  # file, bytes read, bytes in it
Events = Iterator[tuple[str, Any]]

SIDES = {"long": 1, "l": 1, "buy": 1, "b": 1, "short": -1, "s": -1, "sell": -1, "a": -1}
OPENING = {"start_map", "start_array"}
CLOSING = {"end_map", "end_array"}
LARGEST = 1e15  # of a size, a price or an amount: a thousand times what the engine holds
SMALLEST_USD = 1e-6
LONGEST_NAME = 128
PROGRESS_ROWS = 50_000


class PositionRow(NamedTuple):
    """A position; ``place`` and ``market`` count positions and markets of the file, ``side`` is 1 or -1."""

    place: int
    market: int
    account: str
    side: int
    quantity_base: float
    entry_px: float
    notional_usd: float
    account_value_usd: float | None
    is_cross: int


class AccountValueRow(NamedTuple):
    """The account value of a user; ``place`` counts the entries of the file."""

    place: int
    account: str
    account_value_usd: float


@dataclass(slots=True)
class SnapshotCounts:
    """Positions read of a snapshot, names of the markets by their place in the file, and faults by reason."""

    read: int = 0
    names: dict[int, str] = field(default_factory=dict)
    values_unread: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def stream(path: Path, rows_of: Callable[[Events], Iterator[T]], on_progress: OnProgress | None) -> Iterator[T]:
    """Yield the rows of a JSON file without holding it."""
    import ijson

    where = path.name
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            for number, row in enumerate(rows_of(ijson.basic_parse(source, use_float=True, buf_size=1 << 20)), 1):
                yield row
                if on_progress and number % PROGRESS_ROWS == 0:
                    on_progress(path, source.tell(), size)
    except OSError as error:
        raise BookError(f"{where}: cannot be read: {error.strerror}; give the path of a snapshot") from None
    except (ijson.JSONError, UnicodeError) as error:
        reason = re.split(r"\n|\\n", str(error).removeprefix("b'"), maxsplit=1)[0].rstrip(". ")
        raise BookError(f"{where}: not a whole JSON file: {reason}; fetch it again") from None
    except _WrongShapeError as error:
        raise BookError(f"{where}: not a snapshot: {error}") from None


class _WrongShapeError(Exception):
    """The JSON is whole but no snapshot."""


def _elements(events: Events, expected: str) -> Iterator[tuple[str, Any]]:
    """Yield the first event of each element of the list at the top."""
    event, _ = next(events)
    if event != "start_array":
        raise _WrongShapeError(f"it is no list; give {expected}")
    yield from _inner(events)
    if next(events, None) is not None:  # reads to the end, so that a truncated file is seen
        raise _WrongShapeError(f"something follows the list; give {expected}")


def _inner(events: Events) -> Iterator[tuple[str, Any]]:
    for event, value in events:
        if event == "end_array":
            return
        yield event, value


def _skip(events: Events, event: str) -> None:
    """Pass over a value whose first event was read."""
    depth = int(event in OPENING)
    while depth:
        event, _ = next(events)
        depth += (event in OPENING) - (event in CLOSING)


def _flat(events: Events) -> dict[str, Any]:
    """Return the plain values of an object whose first event was read."""
    row, key = {}, ""
    for event, value in events:
        if event == "map_key":
            key = value
        elif event == "end_map":
            break
        elif event in OPENING:
            _skip(events, event)
        else:
            row[key] = value
    return row


def position_rows(events: Events, counts: SnapshotCounts) -> Iterator[PositionRow]:
    """Yield the rows of ``positions``; the name of a market may follow its positions."""
    expected = 'a list of {"market_name", "positions": [...]}'
    for market, (event, _) in enumerate(_elements(events, expected)):
        if event != "start_map":
            raise _WrongShapeError(f"element {market + 1} is no market; give {expected}")
        key = ""
        for event, value in events:
            if event == "end_map":
                break
            if event == "map_key":
                key = value
            elif key == "market_name" and event == "string":
                counts.names[market] = value
            elif key == "positions" and event == "start_array":
                yield from _positions_of(events, market, counts)
            else:
                _skip(events, event)


def _positions_of(events: Events, market: int, counts: SnapshotCounts) -> Iterator[PositionRow]:
    for event, _ in _inner(events):
        counts.read += 1
        if event != "start_map":
            _skip(events, event)
            counts.faults["not an object"] += 1
            continue
        row = _flat(events)
        try:
            size = _number(row, "size")
            side = _side(size, row.get("side"))
            entry_px, notional = _number(row, "entry_price"), abs(_number(row, "notional_size"))
            value = _number(row, "account_value") if row.get("account_value") is not None else None
            if min(abs(size) * entry_px, notional) < SMALLEST_USD:
                raise ValueError("worth less than 1e-6 USD at entry_price or by notional_size")
            yield PositionRow(
                place=counts.read,
                market=market,
                account=_user(row),
                side=side,
                quantity_base=abs(size),
                entry_px=entry_px,
                notional_usd=notional,
                account_value_usd=value,
                is_cross=int(row.get("is_cross") is not False),
            )
        except ValueError as error:
            counts.faults[str(error)] += 1


def value_rows(events: Events, counts: SnapshotCounts) -> Iterator[AccountValueRow]:
    """Yield the rows of ``account_values``; entries that cannot be read are as if absent."""
    for place, (event, _) in enumerate(_elements(events, 'a list of {"user", "account_value"}')):
        row = _flat(events) if event == "start_map" else {}
        if event != "start_map":
            _skip(events, event)
        try:
            yield AccountValueRow(place, account=_user(row), account_value_usd=_number(row, "account_value"))
        except ValueError:
            counts.values_unread += 1


def _number(row: Mapping[str, Any], name: str) -> float:
    """Return a number, which may be written as text.

    Examples
    --------
    >>> _number({"size": "-14.0"}, "size")
    -14.0
    """
    value: Any = row.get(name)
    kind = type(value)
    try:
        number = float(value) if kind is float or kind is int or (kind is str and "_" not in value) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) < LARGEST:
        raise ValueError(f"{name} missing, no number or out of range")
    return number


def _side(size: float, side: Any) -> int:
    if size < 0 or side is None:
        return -1 if size < 0 else 1
    known = SIDES.get(side.lower()) if isinstance(side, str) else None
    if known is None:
        raise ValueError("side neither long nor short")
    return known


def _user(row: Mapping[str, Any]) -> str:
    user = row.get("user")
    text = user.strip().lower() if isinstance(user, str) else ""
    if not text or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ValueError(f"user missing, unprintable or longer than {LONGEST_NAME} characters")
    return text
