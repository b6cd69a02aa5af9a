"""Cross accounts: equity, maintenance and profit of all positions of an account together, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.ledger import Ledger
from backtest.engine.mirror import Mirror
from backtest.mechanics.exact import MILLIONTH, Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class RowsOfAccounts:
    """Rows of accounts, one account after the other, and the place of each row's account in what was asked."""

    rows: Ints
    place: Ints


@dataclass(frozen=True, slots=True)
class RowFigures:
    """Cash (funding settled), unsigned value and maintenance of positions, in quanta."""

    cash: Ints
    value: Ints
    maintenance: Ints


@dataclass(frozen=True, slots=True)
class AccountSums:
    """Equity, maintenance and profit of whole accounts, in quanta, and which of them are in breach."""

    equity: Ints
    maintenance: Ints
    pnl: Ints
    in_breach: Bools


@dataclass(frozen=True, slots=True)
class Bearers:
    """Who bears a loss: the first row of every cross account and all isolated rows, ascending; sums in quanta."""

    rows: Ints
    equity: Ints
    gain: Ints


@dataclass(frozen=True, slots=True)
class BreachProbe:
    """The positions of some accounts, gathered once to ask at many marks which of the accounts are in breach.

    ``at`` is the place of each account's first position.
    """

    accounts: CrossAccounts
    place: Ints
    at: Ints
    symbol: Ints
    lots: Ints
    signs: Ints
    cash: Ints
    entry_value: Ints
    is_open: Bools

    @staticmethod
    def of(accounts: CrossAccounts, numbers: Ints) -> BreachProbe:
        """Gather the positions of accounts."""
        ledger, world = accounts.ledger, accounts.ledger.world
        found = accounts.rows_of(numbers)
        rows = found.rows
        symbol = world.book.symbol[rows]
        size = accounts.starts[numbers + 1] - accounts.starts[numbers]
        at, lots = np.cumsum(size) - size, ledger.lots[rows]
        return BreachProbe(
            accounts=accounts,
            place=found.place,
            at=at,
            symbol=symbol,
            lots=lots,
            signs=world.position_signs[rows],
            cash=ledger.settled_cash(rows),
            entry_value=ledger.entry_value[rows],
            is_open=np.add.reduceat(lots, at) > 0 if len(at) else np.empty(0, dtype=bool),
        )

    def in_breach(self, marks: Ints) -> Bools:
        """Return which accounts are in breach at marks of shape (symbols,) or (accounts, symbols)."""
        if not len(self.at):
            return self.is_open
        world, values = self.accounts.ledger.world, self.accounts.values_per_lot(marks)
        value = self.lots * (values[self.symbol] if values.ndim == 1 else values[self.place, self.symbol])
        required = world.tier_table.maintenance(self.symbol, value, self.entry_value)
        surplus = self.cash + self.signs * value - required
        left = np.add.reduceat(surplus, self.at)
        low: Bools = left <= 0 if world.rules.inclusive else left < 0
        return low & self.is_open


class CrossAccounts:
    """The cross accounts of a run.

    ``of`` is the account number of each row (-1: isolated); the rows of account n, by symbol with the long first,
    are ``rows[starts[n]:starts[n + 1]]``.
    """

    def __init__(self, ledger: Ledger, mirror: Mirror, of: Ints) -> None:
        self.ledger, self.mirror, self.of = ledger, mirror, of
        mine = np.flatnonzero(of >= 0)
        self.rows: Ints = mine[np.argsort(of[mine], kind="stable")]
        self.count = int(of.max()) + 1
        self.starts: Ints = np.searchsorted(of[self.rows], np.arange(self.count + 1)).astype(np.int64)
        self.ids: Ints = ledger.world.book.account[self.rows[self.starts[:-1]]]
        self._equities: Floats = np.empty(0)  # of every account at the marks ``_marked``
        self._marked = 0
        self._stale: list[Ints] = []
        ledger.caches.append(self._note)

    def _note(self, rows: Ints) -> None:
        self._stale.append(rows)

    def numbers(self, rows: Ints) -> Ints:
        """Return the accounts of rows, isolated ones left out, ascending."""
        numbers = self.of[rows]
        return np.unique(numbers[numbers >= 0])

    def rows_of(self, numbers: Ints) -> RowsOfAccounts:
        """Return the rows of accounts."""
        first = self.starts[numbers]
        size = self.starts[numbers + 1] - first
        place = np.arange(len(numbers)).repeat(size)
        at = np.arange(len(place)) + (first - (size.cumsum() - size))[place]
        return RowsOfAccounts(self.rows[at], place)

    def values_per_lot(self, marks: Ints) -> Ints:
        """Return the value of a lot at marks, in quanta; the last axis is the symbol."""
        contracts = self.ledger.world.contracts
        if not any(contract.numerator for contract in contracts):
            return marks * np.array([contract.quanta_per_mark for contract in contracts], dtype=np.int64)
        return np.stack([contract.values_per_lot(marks[..., k]) for k, contract in enumerate(contracts)], axis=-1)

    def row_figures(self, rows: Ints, value_per_lot: Ints) -> RowFigures:
        """Return the figures of rows at the value of a lot of each."""
        value, world = self.ledger.lots[rows] * value_per_lot, self.ledger.world
        required = world.tier_table.maintenance(world.book.symbol[rows], value, self.ledger.entry_value[rows])
        return RowFigures(self.ledger.settled_cash(rows), value, required)

    def sums_at(self, numbers: Ints, marks: Ints) -> AccountSums:
        """Return the sums of accounts at marks, of shape (symbols,) or (accounts, symbols)."""
        ledger, world = self.ledger, self.ledger.world
        found = self.rows_of(numbers)
        rows, values, symbols = found.rows, self.values_per_lot(marks), world.book.symbol[found.rows]
        figures = self.row_figures(rows, values[symbols] if values.ndim == 1 else values[found.place, symbols])
        sign = world.position_signs[rows]
        size = self.starts[numbers + 1] - self.starts[numbers]
        at = np.cumsum(size) - size

        def total(column: Ints) -> Ints:
            return np.add.reduceat(column, at) if len(at) else np.empty(0, dtype=np.int64)

        equity, required = total(figures.cash + sign * figures.value), total(figures.maintenance)
        is_open = total((ledger.lots[rows] > 0).astype(np.int64)) > 0
        low = equity <= required if world.rules.inclusive else equity < required
        return AccountSums(equity, required, total(sign * (figures.value - ledger.entry_value[rows])), low & is_open)

    def sums(self, numbers: Ints) -> AccountSums:
        """Return the sums of accounts at the present marks."""
        return self.sums_at(numbers, np.array(self.ledger.marks))

    def exposures(self, numbers: Ints) -> Ints:
        """Return the net value of the positions of accounts at the present marks: longs less shorts, in quanta."""
        found, world = self.rows_of(numbers), self.ledger.world
        value = self.values_per_lot(np.array(self.ledger.marks))[world.book.symbol[found.rows]]
        out = np.zeros(len(numbers), dtype=np.int64)
        np.add.at(out, found.place, world.position_signs[found.rows] * self.ledger.lots[found.rows] * value)
        return out

    def equities(self) -> Floats:
        """Return the equity of every account at the present marks, in floats."""
        ledger, mirror = self.ledger, self.mirror
        if self._marked != ledger.marked:
            mirror.refresh()
            self._marked, self._equities = ledger.marked, np.zeros(self.count)
            signs = ledger.world.value_signs.tolist()
            for (symbol, side), block in ledger.world.blocks.items():
                rows = np.flatnonzero(self.of[block] >= 0) + block.start
                if rows.size:
                    per_lot = side * (signs[symbol] * ledger.values[symbol] - ledger.index[symbol] / MILLIONTH)
                    self._equities[self.of[rows]] += mirror.cash[rows] + mirror.lots[rows] * per_lot
        elif self._stale:
            numbers = self.numbers(np.concatenate(self._stale))
            self._equities[numbers] = self.sums(numbers).equity
        self._stale.clear()
        return self._equities

    def bearers(self, equity: Ints, gain: Ints) -> Bearers:
        """Return who bears a loss, from the equity and gain of each row."""
        alone, first = np.flatnonzero(self.of < 0), self.rows[self.starts[:-1]]
        rows = np.concatenate([alone, first])
        order = np.argsort(rows)

        def total(column: Ints) -> Ints:
            return np.concatenate([column[alone], np.add.reduceat(column[self.rows], self.starts[:-1])])[order]

        return Bearers(rows[order], total(equity), total(gain))
