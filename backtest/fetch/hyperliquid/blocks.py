"""One block of Hyperliquid's node fills: which fills are forced closes, and the rows they make.

A trade is two fills, one of each party. One row is the fill of the party whose position was closed by force, and the
two kinds share no trade:

``adl``
    The fill marked ``Auto-Deleveraging``: a winner's position, closed against ``liquidated_user``. The other fill of
    that trade is marked ``Liquidated ...`` and belongs to the bankrupt party, mostly the liquidator vault; it is no
    row, since counting it among the liquidations counts every deleveraged lot twice.
``liquidation``
    Any other fill of a party being liquidated: marked ``Liquidated ...`` (``method`` backstop: the vault took the
    position over) or made by the user that its own ``liquidation`` names (``market``: the order book took it). The
    fill of the party that took the lots is no row.

The two fills of a deleveraging are recognised inside their block by coin, trade id, price, size, opposite side and
the user being liquidated. Emission order is ``(block_ts, seq)``; ``seq`` counts the fills of a block from 0, all
coins and kinds together, so it does not depend on which files were imported, or in which order.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from backtest.times import micros

Leg = tuple[int, str, dict[str, Any], bool]  # place in the block, user, fill, whether it is a deleveraging
Row = tuple[Any, ...]  # coin, day, then the columns of the series

EARLIEST, LATEST = (micros(dt.datetime.fromisoformat(day)) for day in ("2020-01-01", "2100-01-01"))
DAY_US = 86_400_000_000
LARGEST = 1e15  # of a size or price
LARGEST_USD = 1e12  # what DECIMAL(18,6) of the result tables holds
COIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,47}")


@dataclass(slots=True)
class Tally:
    """Counts of an import, and what it remembers of the blocks it kept fills of."""

    blocks: int = 0
    fills: int = 0
    spot: int = 0
    taken: int = 0
    counterparts: int = 0
    shared: int = 0
    unpaired: int = 0
    line: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # of the file being read, as is what follows
    first: dict[str, int] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)  # block time -> fills of it so far
    seen: set[int] = field(default_factory=set)  # hashes of the kept rows of a block, over all files

    def fault(self, reason: str) -> None:
        """Count a line or fill that cannot be read."""
        self.faults[reason] += 1
        self.first.setdefault(reason, self.line)


def rows_of(block: Any, tally: Tally) -> list[Row]:
    """Return the rows of one block, in order of emission."""
    try:
        block_us, events = _time_of(block["block_time"]), block["events"]
        if not isinstance(events, list):
            raise TypeError
    except (TypeError, KeyError, ValueError, OverflowError):
        tally.fault("no block with block_time and events")
        return []
    tally.blocks += 1
    tally.fills += len(events)
    legs = _forced(events, tally)
    if not legs:
        return []
    rows = []
    for leg in _without_counterparts(legs, tally):
        try:
            rows.append(_row(*leg, block_us))
        except ValueError as error:
            tally.fault(str(error))
        except (TypeError, KeyError, OverflowError):
            tally.fault("a forced fill lacks a field or has one of another type")
    if not rows:
        return []
    known = hash((block_us, *rows))
    if known in tally.seen:
        tally.shared += 1
        return []
    tally.seen.add(known)
    place = tally.places.get(block_us, 0)  # above zero where a block is spread over several lines
    tally.places[block_us] = place + len(events)
    return [(*row[:4], row[4] + place, *row[5:]) for row in rows] if place else rows


def _time_of(text: str) -> int:
    """Return microseconds since the epoch of an ISO time; finer digits are cut.

    Examples
    --------
    >>> _time_of("2025-10-10T21:16:04.831874687") - _time_of("2025-10-10T21:16:04+00:00")
    831874
    """
    time = dt.datetime.fromisoformat(text)
    us = micros(time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time)
    if not EARLIEST <= us < LATEST:
        raise ValueError(text)
    return us


@lru_cache(64)
def _marks(direction: str) -> tuple[bool, bool]:
    """Return whether a direction is a deleveraging, and whether it is a liquidation."""
    return "Auto-Deleveraging" in direction, "Liquidated" in direction


def _forced(events: list[Any], tally: Tally) -> list[Leg]:
    """Return the fills of perpetuals that closed a position by force."""
    legs: list[Leg] = []
    for place, event in enumerate(events):
        try:
            user, fill = event
            adl, liquidated = _marks(fill["dir"])
            about, coin = fill.get("liquidation"), fill["coin"]
            if coin.startswith("@") or "/" in coin:
                tally.spot += 1
            elif adl or liquidated:
                legs.append((place, user.lower(), fill, adl))
            elif about:
                if _same(about.get("liquidatedUser"), user):
                    legs.append((place, user.lower(), fill, False))
                else:
                    tally.taken += 1
        except (TypeError, ValueError, KeyError, AttributeError):
            tally.fault("a fill that is not [user, {coin, dir, ...}]")
    return legs


def _same(name: Any, user: str) -> bool:
    return isinstance(name, str) and name.lower() == user.lower()


def _without_counterparts(legs: list[Leg], tally: Tally) -> list[Leg]:
    """Leave out the bankrupt side of every deleveraging trade."""
    if not any(adl for *_, adl in legs):
        return legs
    winners: Counter[Row] = Counter()
    kept, liquidated = [], []
    for leg in legs:
        _, user, fill, adl = leg
        against = _about(fill).get("liquidatedUser")
        if adl and not _same(against, user):
            kept.append(leg)
            winners[_trade(fill, fill.get("side"), against)] += 1
        else:
            liquidated.append(leg)
    for leg in liquidated:
        _, user, fill, adl = leg
        side = {"A": "B", "B": "A"}.get(str(fill.get("side")))
        trade = next((key for key in (_trade(fill, side, user), _trade(fill, side, None)) if winners[key]), None)
        if trade:
            winners[trade] -= 1
        if trade or adl:
            tally.counterparts += 1
        else:
            kept.append(leg)
    tally.unpaired += winners.total()
    return sorted(kept, key=lambda leg: leg[0])


def _trade(fill: dict[str, Any], side: Any, against: Any) -> Row:
    """Return what the two fills of a trade share, seen from the winner's side."""
    values = (*(fill.get(name) for name in ("coin", "tid", "px", "sz")), side)
    against = against.lower() if isinstance(against, str) else None
    return (*(value if isinstance(value, (str, int, float)) else None for value in values), against)


def _about(fill: dict[str, Any]) -> dict[str, Any]:
    about = fill.get("liquidation")
    return about if isinstance(about, dict) else {}


def _row(place: int, user: str, fill: dict[str, Any], adl: bool, block_us: int) -> Row:
    """Return a row, its fields checked; a position is long if closing it was a sale.

    Raises
    ------
    ValueError
        With the reason.
    """
    coin, time_ms, side = fill["coin"], fill["time"], fill["side"]
    if not COIN.fullmatch(coin):
        raise ValueError("a coin that is no name of a market")
    if type(time_ms) is not int or not EARLIEST <= time_ms * 1000 < LATEST:
        raise ValueError("a time that is not milliseconds since the epoch, or out of range")
    if side not in {"A", "B"}:
        raise ValueError("a side that is neither A nor B")
    quantity, px = _number(fill["sz"]), _number(fill["px"])
    if quantity <= 0 or px <= 0:
        raise ValueError("a size or price that is not above zero")
    if quantity * px >= LARGEST_USD:
        raise ValueError("a fill worth 1e12 USD or more")
    about = _about(fill)
    against, mark, method = about.get("liquidatedUser"), about.get("markPx"), about.get("method")
    return (
        coin, time_ms * 1000 // DAY_US,
        time_ms * 1000, block_us, place, "adl" if adl else "liquidation", user, "long" if side == "A" else "short",
        quantity, px, _number(fill["startPosition"]),
        _number(fill["closedPnl"], LARGEST_USD), _number(fill["fee"], LARGEST_USD), fill["dir"],
        against.lower() if isinstance(against, str) else None,
        None if mark is None else _number(mark),
        method if isinstance(method, str) else None,
    )  # fmt: skip


def _number(value: Any, limit: float = LARGEST) -> float:
    kind = type(value)
    try:
        number = float(value) if kind is float or kind is int or (kind is str and "_" not in value) else None
    except (ValueError, OverflowError):
        number = None
    if number is None:
        raise ValueError("a number that cannot be read")
    if not abs(number) < limit:
        raise ValueError("a number that is not finite or out of range")
    return number
