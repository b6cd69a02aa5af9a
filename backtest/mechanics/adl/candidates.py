"""The candidates of a wave in columns: what rankings and allocations read of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import Tiers
from backtest.mechanics.numeric import np


@dataclass(frozen=True, slots=True)
class Candidates:
    """Accounts on the opposite side, in quanta: one row each, ascending account id; floats in the filter.

    ``value`` is lots at mark, ``pnl`` unrealised profit without funding, ``equity`` cash plus signed value, funding
    included. In cross margin ``equity`` is the account's, and so are ``account_pnl`` and ``account_maintenance``
    (None: those of the position). ``account_exposure`` is the net value of all positions of the account, above zero on
    the side of this one (None: the value of the position). ``account`` is its id, where an allocation asks for it.
    """

    side: int
    lots: Ints
    entry_value: Ints
    value: Ints
    pnl: Ints
    equity: Ints
    tiers: Tiers
    account_pnl: Ints | None = None
    account_maintenance: Ints | None = None
    account_exposure: Ints | None = None
    account: Ints | None = None

    def chosen(self, which: Ints | slice) -> Candidates:
        """Return some of them."""
        return self._with(lambda column: column[which])

    def then(self, more: Candidates) -> Candidates:
        """Return these with more behind them."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        pairs = {name: (each, getattr(more, name)) for name, each in columns.items() if each is not None}
        joined: dict[str, Any] = {name: np.concatenate(pair) for name, pair in pairs.items()}
        return replace(self, **joined)

    def one_by_one(self) -> Candidates:
        """Return the same in Python's whole numbers, which are read several times faster where rows are read singly."""
        return self._with(lambda column: column.astype(object))

    def _with(self, change: Callable[[Any], Any]) -> Candidates:
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return replace(self, **{name: change(each) for name, each in columns.items() if each is not None})

    def alike(self) -> Bools:
        """Return which rows hold the same amounts as the one before them."""
        out = np.zeros(len(self.lots), dtype=bool)
        columns = (self.entry_value, self.value, self.pnl, self.equity, self.account_pnl, self.account_maintenance)
        out[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns if column is not None])
        return out

    @property
    def notional(self) -> Ints:
        """Return what the margin schedule counts of each position."""
        return self.tiers.notional(self.value, self.entry_value)

    @property
    def equity_pnl(self) -> Ints:
        """Return the profit contained in the equity: the account's in cross margin."""
        return self.pnl if self.account_pnl is None else self.account_pnl


_COLUMNS = [column.name for column in fields(Candidates) if column.name not in {"side", "tiers"}]
