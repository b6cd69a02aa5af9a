"""Who holds cash and lots: owners that are not accounts, and the parties of a move. Only the ledger writes to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backtest.engine.columns import present
from backtest.engine.records import ACCOUNT, NONE
from backtest.mechanics.exact import MILLIONTH, Ints, cut_in_turn, cut_once


@dataclass(slots=True)
class Owner:
    """An owner that is not an account: cash and, by symbol, signed lots and what goes with them; money in quanta.

    ``number`` tells the funds, and the vaults, of a run apart (NONE: there is one such owner). ``entry_value`` is the
    average take-over value of a pool's inventory, ``index`` the funding index at the last settlement, ``earned`` the
    cash that each symbol has earned. ``limit`` is that of the gross inventory (None: no limit).
    """

    code: int
    number: int
    cash: int
    lots: list[int]
    entry_value: list[int]
    index: list[int]
    earned: list[int]
    limit: int | None = None

    @staticmethod
    def begin(code: int, symbols: int, cash: int = 0, *, number: int = NONE, limit: int | None = None) -> Owner:
        """Return an owner without lots."""
        lots, entry_value, index, earned = ([0] * symbols for _ in range(4))
        return Owner(code, number, cash, lots, entry_value, index, earned, limit)

    @property
    def holds(self) -> bool:
        """Return whether there is any inventory."""
        return any(self.lots)


@dataclass(frozen=True, slots=True)
class Rows:
    """Positions by book row; where rows come more than once, ``distinct`` has each once, in the order of settlement."""

    rows: Ints
    distinct: Ints | None = None

    @property
    def once(self) -> Ints:
        """Return each row once, in the order of settlement."""
        return self.rows if self.distinct is None else self.distinct


@dataclass(frozen=True, slots=True)
class EachPool:
    """The fund, or the vault, that serves the symbol of each entry; ``code`` is FUND or VAULT."""

    code: int


Party = Rows | Owner | EachPool


def code_of(party: Party) -> int:
    """Return the place of a party in ``OWNERS``."""
    if isinstance(party, Rows):
        return ACCOUNT
    return party.code


def by_symbol(symbol: int | Ints, count: int) -> Iterator[tuple[int, slice | Ints]]:
    """Yield each symbol, ascending, and its entries."""
    if isinstance(symbol, int):
        yield symbol, slice(0, count)
        return
    for each in present(symbol):
        yield each, (symbol == each).nonzero()[0]


def cut_entry_values(rows: Ints | None, lots: Ints, held: Ints, value: Ints) -> Ints:
    """Return the entry value that leaves with slices of positions: all of it, or cut by floor slice after slice.

    ``held`` and ``value`` are lots and entry value of each row before any slice. ``rows`` None: none comes twice.

    Examples
    --------
    >>> import numpy as np
    >>> rows, whole = np.array([7, 8, 7]), (np.array([10, 5, 10]), np.array([101, 50, 101]))
    >>> cut_entry_values(rows, np.array([3, 5, 7]), *whole).tolist()
    [30, 50, 71]
    """
    out, partial = value.copy(), (lots < held).nonzero()[0]
    cut = lots[partial], held[partial], value[partial]
    out[partial] = cut_once(*cut) if rows is None else cut_in_turn(rows[partial], *cut)
    return out


def funding_due(signed: Ints, change: Ints | int) -> Ints:
    """Return the funding of signed lots for a change of the index in 1e-6 quanta per lot: floor(lots x change / 1e6).

    Examples
    --------
    >>> import numpy as np
    >>> funding_due(np.array([3, -3]), 1_500_000).tolist()
    [4, -5]
    """
    whole = change // MILLIONTH  # twice floor division by one number is faster than divmod
    due: Ints = signed * whole + signed * (change - whole * MILLIONTH) // MILLIONTH
    return due
