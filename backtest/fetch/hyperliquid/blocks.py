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
from typing import Any, NamedTuple

from backtest.times import micros

EARLIEST, LATEST = (micros(dt.datetime.fromisoformat(day)) for day in ("2020-01-01", "2100-01-01"))
DAY_US = 86_400_000_000
LARGEST = 1e15  # of a size or price
LARGEST_USD = 1e12  # what DECIMAL(18,6) of the result tables holds
COIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,47}")


class ForcedFill(NamedTuple):
    """A fill that closed a position by force, its place among the fills of the block, and whether it is marked ADL."""

    place: int
    user: str
    fill: dict[str, Any]
    adl: bool


class Trade(NamedTuple):
    """Fields that the two fills of a deleveraging share, of the winner's side; None for values that are not plain."""

    coin: Any
    tid: Any
    px: Any
    sz: Any
    side: Any
    liquidated_user: str | None


class FillRow(NamedTuple):
    """A row of the series ``fills``, with the coin and the day (since the epoch) that say in which file it belongs."""

    coin: str
    day: int
    ts: int
    block_ts: int
    seq: int
    kind: str
    user: str
    side: str
    quantity_base: float
    px: float
    start_position_base: float
    closed_pnl_usd: float
    fee_usd: float
    dir: str
    liquidated_user: str | None
    mark_px: float | None
    method: str | None


@dataclass(slots=True)
class FillCounts:
    """Counts of an import and of the file being read.

    Attributes
    ----------
    spot, taken, counterparts, shared, unpaired
        As in ``node_fills.FillReport``.
    line, faults, first
        Of the file being read: its line, faults by reason, and the first line of each.
    places
        Fills so far by time of the block, of the file being read: a block may be spread over several lines.
    seen
        Hashes of the kept rows of a block, over all files.
    """

    blocks: int = 0
    fills: int = 0
    spot: int = 0
    taken: int = 0
    counterparts: int = 0
    shared: int = 0
    unpaired: int = 0
    line: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def begin_file(self) -> None:
        """Forget the file read before."""
        self.faults, self.first, self.places = Counter(), {}, {}

    def fault(self, reason: str) -> None:
        """Count a line or fill that cannot be read."""
        self.faults[reason] += 1
        self.first.setdefault(reason, self.line)


def rows_of(block: Any, counts: FillCounts) -> list[FillRow]:
    """Return the rows of one block, in order of emission."""
    try:
        block_us, events = _time_of(block["block_time"]), block["events"]
        if not isinstance(events, list):
            raise TypeError
    except (TypeError, KeyError, ValueError, OverflowError):
        counts.fault("no block with block_time and events")
        return []
    counts.blocks += 1
    counts.fills += len(events)
    forced = _forced_fills(events, counts)
    if not forced:
        return []
    rows = []
    for each in _without_counterparts(forced, counts):
        try:
            rows.append(_row(each, block_us))
        except ValueError as error:
            counts.fault(str(error))
        except (TypeError, KeyError, OverflowError):
            counts.fault("a forced fill lacks a field or has one of another type")
    if not rows:
        return []
    known = hash((block_us, *rows))
    if known in counts.seen:
        counts.shared += 1
        return []
    counts.seen.add(known)
    place = counts.places.get(block_us, 0)
    counts.places[block_us] = place + len(events)
    return [row._replace(seq=row.seq + place) for row in rows] if place else rows


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


def _forced_fills(events: list[Any], counts: FillCounts) -> list[ForcedFill]:
    """Return the fills of perpetuals that closed a position by force."""
    forced: list[ForcedFill] = []
    for place, event in enumerate(events):
        try:
            user, fill = event
            adl, liquidated = _marks(fill["dir"])
            details, coin = fill.get("liquidation"), fill["coin"]
            if coin.startswith("@") or "/" in coin:
                counts.spot += 1
            elif adl or liquidated:
                forced.append(ForcedFill(place, user.lower(), fill, adl))
            elif details:
                if _same(details.get("liquidatedUser"), user):
                    forced.append(ForcedFill(place, user.lower(), fill, adl=False))
                else:
                    counts.taken += 1
        except (TypeError, ValueError, KeyError, AttributeError):
            counts.fault("a fill that is not [user, {coin, dir, ...}]")
    return forced


def _same(name: Any, user: str) -> bool:
    return isinstance(name, str) and name.lower() == user.lower()


def _without_counterparts(forced: list[ForcedFill], counts: FillCounts) -> list[ForcedFill]:
    """Leave out the bankrupt side of every deleveraging trade."""
    if not any(each.adl for each in forced):
        return forced
    winners: Counter[Trade] = Counter()
    kept, liquidated = [], []
    for each in forced:
        against = _liquidation(each.fill).get("liquidatedUser")
        if each.adl and not _same(against, each.user):
            kept.append(each)
            winners[_trade(each.fill, each.fill.get("side"), against)] += 1
        else:
            liquidated.append(each)
    for each in liquidated:
        side = {"A": "B", "B": "A"}.get(str(each.fill.get("side")))
        candidates = (_trade(each.fill, side, user) for user in (each.user, None))
        trade = next((trade for trade in candidates if winners[trade]), None)
        if trade:
            winners[trade] -= 1
        if trade or each.adl:
            counts.counterparts += 1
        else:
            kept.append(each)
    counts.unpaired += winners.total()
    return sorted(kept, key=lambda each: each.place)


def _trade(fill: dict[str, Any], side: Any, against: Any) -> Trade:
    def plain(value: Any) -> Any:
        return value if isinstance(value, (str, int, float)) else None

    return Trade(
        coin=plain(fill.get("coin")),
        tid=plain(fill.get("tid")),
        px=plain(fill.get("px")),
        sz=plain(fill.get("sz")),
        side=plain(side),
        liquidated_user=against.lower() if isinstance(against, str) else None,
    )


def _liquidation(fill: dict[str, Any]) -> dict[str, Any]:
    details = fill.get("liquidation")
    return details if isinstance(details, dict) else {}


def _row(forced: ForcedFill, block_us: int) -> FillRow:
    """Return the row of a fill, its fields checked; a position is long if closing it was a sale.

    Raises
    ------
    ValueError
        With the reason.
    """
    fill = forced.fill
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
    details = _liquidation(fill)
    against, mark, method = details.get("liquidatedUser"), details.get("markPx"), details.get("method")
    return FillRow(
        coin=coin,
        day=time_ms * 1000 // DAY_US,
        ts=time_ms * 1000,
        block_ts=block_us,
        seq=forced.place,
        kind="adl" if forced.adl else "liquidation",
        user=forced.user,
        side="long" if side == "A" else "short",
        quantity_base=quantity,
        px=px,
        start_position_base=_number(fill["startPosition"]),
        closed_pnl_usd=_number(fill["closedPnl"], LARGEST_USD),
        fee_usd=_number(fill["fee"], LARGEST_USD),
        dir=fill["dir"],
        liquidated_user=against.lower() if isinstance(against, str) else None,
        mark_px=None if mark is None else _number(mark),
        method=method if isinstance(method, str) else None,
    )


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
