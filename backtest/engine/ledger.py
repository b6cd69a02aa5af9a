"""The ledger: the only code that writes cash, lots and entry values, of accounts and of all other owners.

It has one verb, ``move``: settle the funding of both sides where lots change hands, post both sides, keep the totals,
write the transfer down, and tell the caches which positions changed. That cash and lots of all owners sum to zero is
therefore the property of one method; ``check`` proves it after every step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backtest.engine.columns import present
from backtest.engine.owners import EachPool, Owner, Party, Rows, by_symbol, code_of, cut_entry_values, funding_due
from backtest.engine.records import (
    CAUSES,
    FUND,
    MARKET,
    NONE,
    OPENING,
    ROUNDING,
    UNCOVERED,
    VAULT,
    VENUE,
    Record,
)
from backtest.engine.world import LONG, SHORT, World
from backtest.errors import ConservationError
from backtest.mechanics.exact import MILLIONTH, Bools, Ints, exact_sum
from backtest.mechanics.fund import PoolRule, net_entries

_NO_LOTS: Ints = np.zeros(0, dtype=np.int64)
CHUNK = 1 << 15  # positions settled at once at the end of a run


class Ledger:
    """Cash, lots and entry values of every owner, valued at ``marks``.

    ``cash``, ``lots`` (unsigned) and ``entry_value`` are the accounts', by book row; ``settled`` is the funding index
    at which each position last settled (``has_settled``: whether it has), ``index`` the present one by symbol, in 1e-6
    quanta per lot; ``funded``: any funding has moved an index. ``values`` are those of a lot of each symbol at its
    mark; ``marked`` counts how often marks moved. ``accounts_cash`` and ``accounts_lots`` are totals, kept move by
    move. ``caches`` are called with the rows that each move changed.
    """

    def __init__(self, world: World, record: Record) -> None:
        book, rules, count = world.book, world.rules, len(world.symbols)
        self.world, self.record = world, record
        self.caches: list[Callable[[Ints], None]] = []
        self.lots: Ints = book.lots.copy()
        self.entry_value: Ints = book.entry_value.copy()
        self.side: Ints = book.side.astype(np.int8)  # small: read row by row
        self.cash: Ints = world.position_signs * book.entry_value
        np.subtract(book.collateral, self.cash, out=self.cash)
        self.settled: Ints = np.zeros(len(book), dtype=np.int64)
        self.has_settled: Bools = np.zeros(len(book), dtype=bool)
        self.index, self.funded = [0] * count, False
        self.accounts_cash = exact_sum(self.cash)
        self.accounts_lots = [
            sum(side * int(book.lots[world.blocks[symbol, side]].sum()) for side in (LONG, SHORT))
            for symbol in range(count)
        ]
        self.marked = 0
        self.mark_to([int(mark) for mark in world.walk.mark[:, 0]])
        pools = rules.pools or (PoolRule(rules.fund_start, rules.inventory_limit),)
        self.fund_of = list(rules.fund_of) or [0] * count  # symbol -> number of its fund
        self.funds = [
            Owner.begin(FUND, count, pool.start, number=number, limit=pool.limit) for number, pool in enumerate(pools)
        ]
        self.vault_of = list(rules.vault.of if rules.vault else ()) or [0] * count  # symbol -> number of its vault
        self.vaults = [
            Owner.begin(VAULT, count, capital, number=number)
            for number, capital in enumerate(rules.vault.capitals if rules.vault else (0,))
        ]
        self.market, self.venue, self.rounding, self.uncovered, self.opening = (
            Owner.begin(code, count) for code in (MARKET, VENUE, ROUNDING, UNCOVERED, OPENING)
        )
        self.market.lots = [-lots for lots in self.accounts_lots]
        for symbol, sign in enumerate(world.value_signs.tolist()):
            self.market.cash -= sign * self.market.lots[symbol] * self.values[symbol]
        self.opening.cash = -self.total_cash()

    # -- the one verb --------------------------------------------------------------------------------------------

    def move(
        self,
        cause: str,
        *,
        symbol: int | Ints,
        taker: Party,
        giver: Party,
        cash: Ints,
        lots: Ints | None = None,
        serial: Ints | int = NONE,
    ) -> Ints:
        """Move cash and lots of a symbol from one side to the other, entry by entry.

        Lots of accounts only ever leave: a position never grows. Entry value leaves with them, floor(entry value x
        lots / lots held), the last of them with all that is left.

        Parameters
        ----------
        cause
            One of ``CAUSES``.
        symbol
            Of all entries, or of each.
        taker, giver
            Positions by row, another owner, or the fund or vault of each symbol. Where lots move, funding of both is
            settled first, the taker's before the giver's.
        cash, lots
            What the taker gets and the giver loses by entry: quanta, and signed lots (None: cash alone moves).
        serial
            Of the breach each entry belongs to.

        Returns
        -------
        Ints
            The entry values that left the giver's positions, by entry; nothing of another owner.
        """
        if not len(cash):
            return _NO_LOTS
        if len(self.index) == 1:
            symbol = 0
        if lots is not None:
            self._settle(taker, symbol)
            self._settle(giver, symbol)
        self._post(taker, symbol, 1, lots, cash)
        entry_values = self._post(giver, symbol, -1, lots, cash)
        self.record.transfers.add(
            len(cash),
            step=self.record.step,
            round=self.record.round,
            cause=CAUSES.index(cause),
            symbol=symbol,
            taker=code_of(taker),
            taker_row=self._row(taker, symbol),
            giver=code_of(giver),
            giver_row=self._row(giver, symbol),
            lots=0 if lots is None else lots,
            cash=cash,
            serial=serial,
        )
        for party in (taker, giver):
            if isinstance(party, Rows):
                for note in self.caches:
                    note(party.once)
        return entry_values

    def owner(self, name: str) -> Party:
        """Return who gets what a rule gives to ``fund``, ``vault`` or ``venue``."""
        parties: dict[str, Party] = {"fund": EachPool(FUND), "vault": EachPool(VAULT), "venue": self.venue}
        return parties[name]

    def _row(self, party: Party, symbol: int | Ints) -> Ints | int:
        if isinstance(party, Rows):
            return party.rows
        if isinstance(party, Owner):
            return party.number
        return np.asarray(self.fund_of if party.code == FUND else self.vault_of, dtype=np.int64)[symbol]

    def _post(self, party: Party, symbol: int | Ints, sign: int, lots: Ints | None, cash: Ints) -> Ints:
        """Add to one side what it gets, ``sign`` times lots and cash; return the entry values that leave positions."""
        if isinstance(party, Rows):
            return self._post_rows(party, symbol, sign * cash, None if lots is None else sign * lots, by_slice=sign < 0)
        for each, mine in by_symbol(symbol, len(cash)):
            owner = party if isinstance(party, Owner) else self.pool_for(party.code, each)
            amount = sign * int(cash[mine].sum())
            owner.cash += amount
            owner.earned[each] += amount
            if lots is None:
                continue
            if owner.code in {FUND, VAULT}:
                self._post_inventory(owner, each, (sign * lots[mine]).tolist(), (sign * cash[mine]).tolist())
            else:
                owner.lots[each] += sign * int(lots[mine].sum())
        return _NO_LOTS

    def _post_inventory(self, pool: Owner, symbol: int, lots: list[int], cash: list[int]) -> None:
        """Add lots to a pool's inventory, entry by entry; opposite ones net at average entry value."""
        value_sign, held, value = int(self.world.value_signs[symbol]), pool.lots[symbol], pool.entry_value[symbol]
        pool.lots[symbol], pool.entry_value[symbol] = net_entries(held, value, lots, cash, value_sign)

    def _post_rows(self, party: Rows, symbol: int | Ints, cash: Ints, lots: Ints | None, *, by_slice: bool) -> Ints:
        """Post to positions; return the entry value of each slice where it is asked for."""
        rows = party.rows
        self.accounts_cash += int(cash.sum())
        if party.distinct is None:
            self.cash[rows] += cash
        else:
            np.add.at(self.cash, rows, cash)
        if lots is None:
            return _NO_LOTS
        for each, mine in by_symbol(symbol, len(cash)):
            self.accounts_lots[each] += int(lots[mine].sum())
        gone, held = -self.side[rows] * lots, self.lots[rows]
        if party.distinct is None:
            self.lots[rows] = left = held - gone
        else:
            np.subtract.at(self.lots, rows, gone)
            left = self.lots[rows]
        if not by_slice:  # a position that closes whole keeps nothing, whatever its slices
            self.entry_value[rows[left == 0]] = 0
            partly = left.nonzero()[0]
            if not partly.size:
                return _NO_LOTS
            rows, gone, held = rows[partly], gone[partly], held[partly]
        entry = cut_entry_values(None if party.distinct is None else rows, gone, held, self.entry_value[rows])
        if party.distinct is None:
            self.entry_value[rows] -= entry
        else:
            np.subtract.at(self.entry_value, rows, entry)
        return entry

    # -- funding -------------------------------------------------------------------------------------------------

    def move_index(self, symbol: int, change: int) -> None:
        """Let funding fall due: move the index of a symbol by 1e-6 quanta per lot."""
        self.index[symbol] += change
        self.funded = True

    def unsettled(self, rows: Ints, signed: Ints | None = None) -> Ints:
        """Return the unsettled funding of positions in quanta: floor(signed lots x index change / 1e6).

        ``signed``: their lots by side, where these are at hand.
        """
        if signed is None:
            signed = self.side[rows] * self.lots[rows]
        if len(self.index) == 1:  # mostly all have settled at no index yet
            due, at = funding_due(signed, self.index[0]), self.has_settled[rows].nonzero()[0]
            if at.size:
                due[at] = funding_due(signed[at], self.index[0] - self.settled[rows[at]])
            return due
        return funding_due(signed, np.array(self.index)[self.world.book.symbol[rows]] - self.settled[rows])

    def settled_cash(self, rows: Ints, signed: Ints | None = None) -> Ints:
        """Return the cash of positions less their unsettled funding; ``signed`` as in ``unsettled``."""
        return self.cash[rows] - self.unsettled(rows, signed) if self.funded else self.cash[rows]

    def settle(self, rows: Ints) -> None:
        """Settle the funding of positions; ``rounding`` takes the other side."""
        if not self.funded:
            return
        due, symbol = self.unsettled(rows), 0 if len(self.index) == 1 else self.world.book.symbol[rows]
        self.settled[rows], self.has_settled[rows] = np.array(self.index)[symbol], True
        if np.count_nonzero(due) < len(due):
            paying = due.nonzero()[0]
            rows, due, symbol = rows[paying], due[paying], 0 if isinstance(symbol, int) else symbol[paying]
        self.move("funding", symbol=symbol, taker=Rows(rows), giver=self.rounding, cash=-due)

    def settle_owner(self, owner: Owner, symbol: int) -> None:
        """Settle the funding of fund, vault or market in one symbol."""
        due = self.owner_unsettled(owner, symbol)
        owner.index[symbol] = self.index[symbol]
        if due:
            self.move("funding", symbol=symbol, taker=owner, giver=self.rounding, cash=np.array([-due], dtype=np.int64))

    def owner_unsettled(self, owner: Owner, symbol: int) -> int:
        """Return the unsettled funding of an owner's lots of a symbol, in quanta."""
        return owner.lots[symbol] * (self.index[symbol] - owner.index[symbol]) // MILLIONTH

    def _settle(self, party: Party, symbol: int | Ints) -> None:
        if isinstance(party, Rows):
            self.settle(party.once)
            return
        for each in [symbol] if isinstance(symbol, int) else present(symbol):
            self.settle_owner(party if isinstance(party, Owner) else self.pool_for(party.code, each), each)

    def settle_all(self) -> None:
        """Settle what is open at the end of a run, so that every owner's cash is up to date."""
        if not self.funded:
            return
        for first in range(0, len(self.lots), CHUNK):
            self.settle(first + (self.lots[first : first + CHUNK]).nonzero()[0])
        for owner in (*self.pools(), self.market):
            for symbol in range(len(self.index)):
                self.settle_owner(owner, symbol)

    # -- values at the marks -------------------------------------------------------------------------------------

    def mark_to(self, marks: list[int]) -> None:
        """Value everything at new marks."""
        self.marks, self.marked = marks, self.marked + 1
        self.values = [each.value_per_lot(mark) for each, mark in zip(self.world.contracts, marks, strict=True)]

    def lot_values(self, symbol: Ints) -> Ints:
        """Return the value of a lot of each symbol at its mark, in quanta."""
        return np.array(self.values, dtype=np.int64)[symbol]

    def row_equity(self, rows: Ints | slice = slice(None)) -> Ints:
        """Return cash (funding settled) plus signed value of positions, one by one."""
        rows = np.arange(len(self.lots))[rows] if isinstance(rows, slice) else rows
        value = self.lots[rows] * self.lot_values(self.world.book.symbol[rows])
        equity: Ints = self.settled_cash(rows) + self.world.position_signs[rows] * value
        return equity

    def fund_for(self, symbol: int) -> Owner:
        """Return the fund that serves a symbol."""
        return self.funds[self.fund_of[symbol]]

    def pool_for(self, code: int, symbol: int) -> Owner:
        """Return the fund or the vault that serves a symbol."""
        return self.vaults[self.vault_of[symbol]] if code == VAULT else self.fund_for(symbol)

    def pools(self) -> list[Owner]:
        """Return the funds, then the vaults."""
        return [*self.funds, *self.vaults]

    def equity(self, owner: Owner) -> int:
        """Return cash plus inventory at the marks, unsettled funding included."""
        return owner.cash + sum(self.inventory_value(owner, symbol) for symbol, lots in enumerate(owner.lots) if lots)

    def inventory_value(self, owner: Owner, symbol: int) -> int:
        """Return the signed value of an owner's lots of a symbol, less their unsettled funding."""
        value_sign = int(self.world.value_signs[symbol])
        return value_sign * owner.lots[symbol] * self.values[symbol] - self.owner_unsettled(owner, symbol)

    def gross_inventory(self, owner: Owner) -> int:
        """Return the sum of |lots| at the marks over all symbols."""
        return sum(abs(lots) * value for lots, value in zip(owner.lots, self.values, strict=True))

    def endow(self, pool: Owner, more: int) -> None:
        """Let a pool have begun with more, from where the money of the beginning came."""
        pool.cash += more
        self.opening.cash -= more

    def _owners(self) -> list[Owner]:
        return [*self.pools(), self.market, self.venue, self.rounding, self.uncovered, self.opening]

    def total_cash(self) -> int:
        """Return the sum of all owners' cash; 0."""
        return self.accounts_cash + sum([owner.cash for owner in self._owners()])

    def check(self, *, full: bool = False) -> None:
        """Raise ``ConservationError`` if cash or lots do not sum to zero, or (``full``) totals differ from arrays."""
        at = f"step {self.record.step}"
        if residual := self.total_cash():
            raise ConservationError(f"{at}: cash of all owners sums to {residual} quanta instead of 0")
        parts = zip(self.accounts_lots, *(owner.lots for owner in self._owners()), strict=True)
        if any(totals := [sum(lots) for lots in parts]):
            symbol = next(k for k, total in enumerate(totals) if total)
            raise ConservationError(f"{at}: lots of {self.world.symbols[symbol]} sum to {totals[symbol]}, not 0")
        if not full:
            return
        if excess := int(self.cash.sum()) - self.accounts_cash:  # money is within 2**62: no sum wraps
            raise ConservationError(f"{at}: owner accounts holds {excess} quanta more than its total")
        for symbol, name in enumerate(self.world.symbols):
            held = {side: int(self.lots[self.world.blocks[symbol, side]].sum()) for side in (LONG, SHORT)}
            if held[LONG] - held[SHORT] != self.accounts_lots[symbol]:
                raise ConservationError(f"{at}: lots of {name} in accounts do not match their total")
