"""Positions in breach as detection fixes them, and the order in which they crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np

from backtest.engine.records import Breaches, Record
from backtest.engine.world import World
from backtest.mechanics.exact import LIMIT, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Positions in breach as detection fixes them, funding settled; columns as in ``Breaches``."""

    row: Ints
    mark: Ints
    passed: Ints
    length: Ints
    bankruptcy_value: Ints
    equity: Ints
    maintenance: Ints
    other_maintenance: Ints

    @staticmethod
    def joined(parts: Sequence[Crossing]) -> Crossing:
        """Return several as one."""
        if len(parts) == 1:
            return parts[0]
        none = np.empty(0, dtype=np.int64)
        return Crossing(**{name: np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in _COLUMNS})

    def chosen(self, which: Ints) -> Crossing:
        """Return some of them, in a given order."""
        return Crossing(**{name: getattr(self, name)[which] for name in _COLUMNS})


_COLUMNS = [column.name for column in fields(Crossing)]


NO_BREACHES = Breaches(
    **{column.name: np.empty(0, dtype=np.int64) for column in fields(Breaches) if column.init}
)  # most steps find none


def crossing_order(passed: Ints, length: Ints, symbol: Ints, account: Ints, side: Ints) -> Ints:
    """Return the order by passed / length exactly, then symbol, account, longs first.

    Examples
    --------
    >>> one = np.array([0, 0])
    >>> crossing_order(np.array([2, 1]), np.array([3, 2]), one, one, one).tolist()
    [1, 0]
    """
    fraction = passed / length if len(passed) else passed
    if len(passed) and int(length.max()) >= 2**25:  # two different fractions could share a float
        exact = [Fraction(int(a), int(b)) for a, b in zip(passed, length, strict=True)]
        places = {value: place for place, value in enumerate(sorted(set(exact)))}
        fraction = np.array([places[value] for value in exact], dtype=np.int64)
    return np.lexsort((-side, account, symbol, fraction))


def _order_by_row(found: Crossing, symbol: Ints, side: Ints, rows: int) -> Ints | None:
    """Return the crossing order by one sort of whole numbers; None where the row does not decide between two alike.

    Rows ascend by symbol, side and account: where all are of one side, that is the order of symbol and account.
    """
    if not (side[1:] == side[:-1]).all() or not (found.length[1:] == found.length[:-1]).all():
        return None
    if int(found.passed.max(initial=0)) >= LIMIT // max(rows, 1):
        return None
    return (found.passed * rows + found.row).argsort()


def breaches_of(world: World, record: Record, lots: Ints, parts: Sequence[Crossing]) -> Breaches:
    """Return breaches in crossing order, numbered; ``lots`` are those of all positions."""
    if not parts:
        return NO_BREACHES
    book, found = world.book, Crossing.joined(parts)
    rows = found.row
    side = book.side[rows]
    symbol = np.zeros_like(side) if len(world.symbols) == 1 else book.symbol[rows]
    order = _order_by_row(found, symbol, side, len(book))
    if order is None:
        order = crossing_order(found.passed, found.length, symbol, book.account[rows], side)
    found = found.chosen(order)
    rows, count, side = found.row, len(rows), side[order]
    serial = np.arange(record.serial, record.serial + count)
    record.serial += count
    return Breaches(
        step=np.full(count, record.step),
        round=np.full(count, record.round),
        serial=serial,
        row=rows,
        symbol=symbol[order],
        side=side,
        value_sign=side if world.position_signs is book.side else world.position_signs[rows],
        mark=found.mark,
        passed=found.passed,
        length=found.length,
        lots=(held := lots[rows]),
        bankruptcy_value=found.bankruptcy_value,
        equity=found.equity,
        maintenance=found.maintenance,
        other_maintenance=found.other_maintenance,
        lots_left=held.copy(),
        value_left=found.bankruptcy_value.copy(),
    )
