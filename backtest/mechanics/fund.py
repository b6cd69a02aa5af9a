"""Insurance fund and liquidator vault: what they may take over, and how their inventory is carried."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pool:
    """A fund or vault: cash, signed lots and take-over amount of its inventory per symbol, in quanta.

    ``index`` is the funding index at the last settlement of each symbol; ``number`` tells the funds of a run apart
    in the record (-1: the vault). ``earned`` is the cash each symbol has brought, ``limit`` that of its gross
    inventory.
    """

    owner: str
    cash: int
    lots: list[int]
    entry_value: list[int]
    index: list[int] = field(default_factory=list)
    number: int = -1
    earned: list[int] = field(default_factory=list)
    limit: int | None = None

    @property
    def holds(self) -> bool:
        """Return whether there is any inventory."""
        return any(self.lots)

    def receive(self, symbol: int, amount: int) -> None:
        """Book cash that a symbol brings."""
        self.cash += amount
        self.earned[symbol] += amount


def lots_within_floor(side: int, lots: int, amount: int, value_per_lot: int, headroom: int) -> int:
    """Return the largest number of lots whose take-over leaves equity at or above the floor.

    Taking k of ``lots`` lots costs ``floor(amount * k / lots)`` and brings k lots at mark. What does not lower
    equity always passes. ``headroom`` is equity less floor.

    Examples
    --------
    Ten lots at 90 each cost 900 but are worth 88 each: 5 quanta of headroom pay for two of them.

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
    Lots worth nothing (a price of zero, a coin beyond all prices) fit as long as the limit is not passed without them.

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


def cut_entry_value(cost: int, lots: int, held: int) -> int:
    """Return the part of a cost that leaves with ``lots`` of ``held`` lots: floor of its absolute value.

    The cost of an inventory is negative where a pool was paid to take positions bankrupt beyond their whole value.

    Examples
    --------
    >>> cut_entry_value(10, 1, 3), cut_entry_value(-10, 1, 3)
    (3, -3)
    """
    return cost * lots // held if cost >= 0 else -(-cost * lots // held)


def absorb(pool: Pool, symbol: int, side: int, lots: int, amount: int) -> None:
    """Add lots taken over (or traded) to the inventory; opposite lots net at average cost.

    Through zero, the closing lots are the first slice of the amount.

    Examples
    --------
    >>> pool = Pool("fund", 0, [10], [1000])
    >>> absorb(pool, 0, -1, 14, 1260)
    >>> pool.lots, pool.entry_value
    ([-4], [360])
    """
    held = pool.lots[symbol]
    if held * side >= 0:
        pool.entry_value[symbol] += amount
    else:
        closing = min(lots, abs(held))
        pool.entry_value[symbol] -= cut_entry_value(pool.entry_value[symbol], closing, abs(held))
        if lots > closing:
            pool.entry_value[symbol] = amount - amount * closing // lots
    pool.lots[symbol] = held + side * lots
