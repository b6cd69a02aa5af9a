"""Insurance funds and the liquidator vault: their take-overs, their inventory, and how several divide a sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backtest.mechanics.rule import Rule, declared

INVENTORY_ADL: Mapping[str, Rule] = declared(
    "inventory_adl",
    {
        "none": Rule(
            sentence="The fund's inventory never enters the ADL queue.",
            source="venues that publish no deleveraging of their fund",
        ),
        "below_floor": Rule(
            sentence="A fund below its floor sends its inventory into the ADL queue until its equity reaches the stop.",
            source="BitMEX, blog on its fund: deleveraging begins when the fund of a contract is exhausted",
        ),
        "to_trigger": Rule(
            sentence="While deleveraging is on, inventory of the coin goes to ADL until the trigger is reached.",
            source="Bybit, ADL alert; OKX, earlier text",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class PoolRule:
    """A fund's start and the limit of its gross inventory (None: no limit), in quanta."""

    start: int
    limit: int | None = None


def lots_within_floor(side: int, lots: int, amount: int, value_per_lot: int, headroom: int) -> int:
    """Return the largest number of lots whose take-over leaves equity at or above the floor.

    Taking k of ``lots`` lots costs ``floor(amount * k / lots)`` and brings k lots at mark. What does not lower
    equity always passes. ``headroom`` is equity less floor.

    Examples
    --------
    Ten lots taken over at 90 each have a value of 88 each: 5 quanta of headroom pay for two of them.

    >>> lots_within_floor(1, 10, 900, 88, 5), lots_within_floor(1, 10, 900, 95, 0)
    (2, 10)
    """
    loss = side * (amount - lots * value_per_lot)
    if loss <= 0:
        return lots
    headroom = max(headroom, 0)
    if side > 0:  # floor(k * loss / lots) <= headroom
        return min(lots, -(-(headroom + 1) * lots // loss) - 1)
    return min(lots, headroom * lots // loss)  # ceil(k * loss / lots) <= headroom


def lots_within_limit(side: int, lots: int, held: int, value_per_lot: int, gross: int, limit: int | None) -> int:
    """Return the largest number of lots that keeps gross inventory within its limit.

    What does not raise ``|lots|`` of the symbol always passes, so an opposite take-over may go through zero
    to the same size on the other side. ``gross`` is the gross inventory at mark over all symbols.

    Examples
    --------
    Lots of no value (a price of zero, a coin beyond all prices) fit as long as the limit is not passed without them.

    >>> lots_within_limit(1, 10, 0, 100, 0, 450), lots_within_limit(-1, 10, 3, 100, 300, 300)
    (4, 6)
    >>> lots_within_limit(1, 10, 0, 0, 450, 450), lots_within_limit(1, 10, 0, 0, 451, 450)
    (10, 0)
    """
    if limit is None:
        return lots
    own = abs(held) if held * side < 0 else 0  # lots that close first
    room = limit - (gross - own * value_per_lot)
    if value_per_lot:
        return min(lots, max(2 * own, own + max(room, 0) // value_per_lot))
    return lots if room >= 0 else min(lots, 2 * own)


def cut_entry_value(entry_value: int, lots: int, held: int) -> int:
    """Return the part of an entry value that leaves with ``lots`` of ``held`` lots: floor of its absolute value.

    The entry value of an inventory is negative where a pool was paid to take positions bankrupt beyond their value.

    Examples
    --------
    >>> cut_entry_value(10, 1, 3), cut_entry_value(-10, 1, 3)
    (3, -3)
    """
    return entry_value * lots // held if entry_value >= 0 else -(-entry_value * lots // held)


def net_inventory(held: int, entry_value: int, side: int, lots: int, amount: int) -> tuple[int, int]:
    """Return signed lots and entry value of an inventory after lots are added; opposite ones net at average value.

    Through zero, the closing lots are the first slice of the amount.

    Examples
    --------
    >>> net_inventory(10, 1000, -1, 14, 1260)
    (-4, 360)
    """
    if held * side >= 0:
        entry_value += amount
    else:
        closing = min(lots, abs(held))
        entry_value -= cut_entry_value(entry_value, closing, abs(held))
        if lots > closing:
            entry_value = amount - amount * closing // lots
    return held + side * lots, entry_value


def net_entries(
    held: int, entry_value: int, lots: Sequence[int], cash: Sequence[int], value_sign: int
) -> tuple[int, int]:
    """Return signed lots and entry value of an inventory after entries of signed lots and the cash that came with each.

    Where all entries close, as in ADL of an inventory, the loop is short.

    Examples
    --------
    >>> net_entries(10, 1000, [-3, -4], [330, 440], 1), net_entries(10, 1000, [-14], [1260], 1)
    ((3, 300), (-4, 360))
    """
    sign, left = (1 if held > 0 else -1), abs(held)
    if abs(sum(lots)) <= left and all(sign * end < 0 for end in (min(lots, default=0), max(lots, default=0))):
        below, value = entry_value < 0, abs(entry_value)
        for k in lots if sign < 0 else [-k for k in lots]:
            value -= value * k // left
            left -= k
        return sign * left, -value if below else value
    for k, paid in zip(lots, cash, strict=True):
        side = 1 if k > 0 else -1
        held, entry_value = net_inventory(held, entry_value, side, abs(k), -paid * side * value_sign)
    return held, entry_value


def fund_groups(pools: str, coins: Sequence[str]) -> tuple[int, ...]:
    """Return the number of each coin's fund: ``shared``, ``isolated``, or groups such as ``BTC+ETH,SOL+XRP``.

    Coins in no group have a fund each. Funds are numbered by their first coin.

    Examples
    --------
    >>> coins = ["BTC", "SOL", "ETH"]
    >>> fund_groups("shared", coins), fund_groups("isolated", coins), fund_groups("ETH+BTC", coins)
    ((0, 0, 0), (0, 1, 2), (0, 1, 0))
    """
    if pools == "shared":
        return (0,) * len(coins)
    group = {} if pools == "isolated" else {coin: group[0] for group in grouped(pools) for coin in group}
    places: dict[str, int] = {}
    return tuple(places.setdefault(group.get(coin, coin), len(places)) for coin in coins)


def grouped(pools: str) -> list[list[str]]:
    """Return the groups of coins that share a fund, as they are written.

    Examples
    --------
    >>> grouped("BTC+ETH, SOL+XRP"), grouped("shared")
    ([['BTC', 'ETH'], ['SOL', 'XRP']], [])
    """
    if pools in {"shared", "isolated"}:
        return []
    return [[coin.strip() for coin in names.split("+")] for names in pools.split(",")]


def divide(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a sum by weights, exactly: each running part is rounded down. Without weight it is divided equally.

    Examples
    --------
    >>> divide(100, [1, 1, 1]), divide(7, [0, 0])
    ([33, 33, 34], [3, 4])
    """
    weights = weights if any(weights) else [1] * len(weights)
    whole, run, out = sum(weights), 0, []
    for weight in weights:
        out.append(total * (run + weight) // whole - total * run // whole)
        run += weight
    return out
