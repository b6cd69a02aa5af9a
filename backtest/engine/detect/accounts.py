"""Cross accounts: equity, maintenance and profit of all positions of an account together, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from backtest.engine.ledger import Ledger
from backtest.mechanics.exact import Bools, Floats, Ints

Column = TypeVar("Column", Ints, Floats)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRows:
    """Positions gathered by book row, closed ones included: lots, sign of their value, cash with funding settled."""

    rows: Ints
    symbol: Ints
    lots: Ints
    signs: Ints
    cash: Ints


@dataclass(frozen=True, slots=True)
class RowFigures:
    """Unsigned value and maintenance of positions, in quanta."""

    value: Ints
    maintenance: Ints


@dataclass(frozen=True, slots=True)
class AccountSums:
    """Equity, maintenance and profit of whole accounts, in quanta."""

    equity: Ints
    maintenance: Ints
    pnl: Ints


@dataclass(frozen=True, slots=True)
class Bearers:
    """Who bears a loss: the first row of every cross account and all isolated rows, ascending; sums in quanta."""

    rows: Ints
    equity: Ints
    gain: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings(HeldRows):
    """The positions of some accounts, one account after the other, gathered once to be read at many marks.

    ``place`` is that of each row's account in ``numbers``, ``at`` the place of each account's first row. Marks have
    the shape (symbols,), (accounts, symbols) or (times, accounts, symbols); answers have that of the marks without
    their symbols.
    """

    accounts: CrossAccounts
    numbers: Ints
    place: Ints
    at: Ints

    def values(self, marks: Ints) -> Ints:
        """Return the unsigned value of each position at marks, in quanta."""
        values = self.accounts.values_per_lot(marks)
        return self.lots * (values[self.symbol] if values.ndim == 1 else values[..., self.place, self.symbol])

    def entry_value(self) -> Ints:
        """Return the entry value of each position."""
        return self.accounts.ledger.entry_value[self.rows]

    def figures(self, marks: Ints) -> RowFigures:
        """Return value and maintenance of each position at marks."""
        value, table = self.values(marks), self.accounts.ledger.world.tier_table
        entry_value = self.entry_value() if table.any_on_entry else value
        return RowFigures(value, table.maintenance(self.symbol, value, entry_value))

    def total(self, column: Column) -> Column:
        """Return the sum of a column over the positions of each account."""
        total: Column = np.add.reduceat(column, self.at, axis=-1)
        return total

    def can_breach(self) -> Bools:
        """Return which accounts have lots left and are not exempt."""
        is_open, exempt = self.total(self.lots) > 0, self.accounts.exempt
        return is_open if exempt is None else is_open & ~exempt[self.numbers]

    def equity(self, value: Ints) -> Ints:
        """Return the equity of each account, from the value of each position."""
        return self.total(self.cash + self.signs * value)

    def sums(self, figures: RowFigures) -> AccountSums:
        """Return the sums of each account, from the figures of each position."""
        pnl = self.signs * (figures.value - self.entry_value())
        return AccountSums(self.equity(figures.value), self.total(figures.maintenance), self.total(pnl))

    def in_breach(self, marks: Ints) -> Bools:
        """Return which accounts are in breach at marks."""
        figures = self.figures(marks)
        surplus = self.total(self.cash + self.signs * figures.value - figures.maintenance)
        low: Bools = surplus <= 0 if self.accounts.ledger.world.rules.inclusive else surplus < 0
        return low & self.can_breach()


class CrossAccounts:
    """The cross accounts of a run.

    ``of`` is the account number of each row (-1: isolated); the rows of account n, by symbol with the long first,
    are ``rows[starts[n]:starts[n + 1]]``; ``within`` is the place of each book row among those of its account.
    ``exempt`` marks the accounts that are never in breach (None: no account). ``sides`` are the rows of cross accounts
    by symbol and side.
    """

    def __init__(self, ledger: Ledger, of: Ints) -> None:
        self.ledger, self.of = ledger, of
        mine = np.flatnonzero(of >= 0)
        self.rows: Ints = mine[np.argsort(of[mine], kind="stable")]
        self.count = int(of.max()) + 1
        self.starts: Ints = np.searchsorted(of[self.rows], np.arange(self.count + 1)).astype(np.int64)
        self._symbols, self._signs = ledger.world.book.symbol[self.rows], ledger.world.position_signs[self.rows]
        self.sides = {pair: block.start + np.flatnonzero(of[block] >= 0) for pair, block in ledger.world.blocks.items()}
        self.within: Ints = np.zeros(len(of), dtype=np.int64)
        self.within[self.rows] = np.arange(len(mine)) - self.starts[of[self.rows]]
        self.ids: Ints = ledger.world.book.account[self.rows[self.starts[:-1]]]
        exempt = ledger.world.book.exempt
        self.exempt: Bools | None = None if exempt is None else exempt[self.rows[self.starts[:-1]]]
        contracts = ledger.world.contracts
        self._linear: Ints | None = None  # the value of a lot per mark quantum, where every contract is linear
        if not any(contract.numerator for contract in contracts):
            self._linear = np.array([contract.quanta_per_mark for contract in contracts], dtype=np.int64)
        self._equities: Ints = np.empty(0, dtype=np.int64)  # of every account at the marks ``_marked``
        self._marked = 0
        self._stale: list[Ints] = []
        ledger.caches.append(self._note)

    def _note(self, rows: Ints) -> None:
        self._stale.append(rows)

    def numbers(self, rows: Ints) -> Ints:
        """Return the accounts of rows, isolated ones left out, ascending."""
        return self.distinct(self.of[rows])

    def distinct(self, *numbers: Ints) -> Ints:
        """Return numbers of accounts once each, ascending; those of isolated rows left out."""
        marked = np.zeros(self.count + 1, dtype=bool)  # -1 marks the last place
        for some in numbers:
            marked[some] = True
        return marked[:-1].nonzero()[0]

    def holdings(self, numbers: Ints) -> Holdings:
        """Gather the positions of accounts as they are now."""
        first = self.starts[numbers]
        size = self.starts[numbers + 1] - first
        at = size.cumsum() - size
        place = np.arange(len(numbers)).repeat(size)
        which = np.arange(len(place)) + (first - at)[place]
        rows = self.rows[which]
        return Holdings(
            rows=rows,
            symbol=self._symbols[which],
            lots=self.ledger.lots[rows],
            signs=self._signs[which],
            cash=self.ledger.settled_cash(rows),
            accounts=self,
            numbers=numbers,
            place=place,
            at=at,
        )

    def values_per_lot(self, marks: Ints) -> Ints:
        """Return the value of a lot at marks, in quanta; the last axis is the symbol."""
        if self._linear is not None:
            return marks * self._linear
        contracts = self.ledger.world.contracts
        return np.stack([contract.values_per_lot(marks[..., k]) for k, contract in enumerate(contracts)], axis=-1)

    def sums(self, numbers: Ints) -> AccountSums:
        """Return the sums of accounts at the present marks."""
        held = self.holdings(numbers)
        return held.sums(held.figures(np.array(self.ledger.marks)))

    def equity(self, numbers: Ints) -> Ints:
        """Return the equity of accounts at the present marks."""
        held = self.holdings(numbers)
        return held.equity(held.values(np.array(self.ledger.marks)))

    def equities(self) -> Ints:
        """Return the equity of every account at the present marks."""
        ledger = self.ledger
        if self._marked != ledger.marked:
            self._marked, self._equities = ledger.marked, np.zeros(self.count, dtype=np.int64)
            signs = ledger.world.value_signs.tolist()
            for (symbol, side), rows in self.sides.items():
                if rows.size:  # an account has one row on a side: no place comes twice
                    value = ledger.lots[rows] * (side * signs[symbol] * ledger.values[symbol])
                    self._equities[self.of[rows]] += ledger.settled_cash(rows) + value
        elif self._stale:
            numbers = self.numbers(np.concatenate(self._stale))
            self._equities[numbers] = self.equity(numbers)
        self._stale.clear()
        return self._equities

    def exposures(self) -> Ints:
        """Return the net value of the positions of every account at the present marks: longs less shorts."""
        out, ledger = np.zeros(self.count, dtype=np.int64), self.ledger
        signs = ledger.world.value_signs.tolist()
        for (symbol, side), rows in self.sides.items():
            if rows.size:
                out[self.of[rows]] += ledger.lots[rows] * (side * signs[symbol] * ledger.values[symbol])
        return out

    def bearers(self, equity: Ints, gain: Ints) -> Bearers:
        """Return who bears a loss, from the equity and gain of each row."""
        alone, first = np.flatnonzero(self.of < 0), self.rows[self.starts[:-1]]
        rows = np.concatenate([alone, first])
        order = np.argsort(rows)

        def total(column: Ints) -> Ints:
            return np.concatenate([column[alone], np.add.reduceat(column[self.rows], self.starts[:-1])])[order]

        return Bearers(rows[order], total(equity), total(gain))
