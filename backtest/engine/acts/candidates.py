"""The figures by which a queue ranks its candidates; where an account bears several positions, they are its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backtest.engine.columns import among
from backtest.engine.detect.accounts import AccountSums, CrossAccounts
from backtest.engine.figures import Figures, is_delicate
from backtest.engine.replay import Replay
from backtest.mechanics.adl.candidates import Candidates
from backtest.mechanics.adl.queue import Scan
from backtest.mechanics.adl.rankings import OF_ACCOUNTS
from backtest.mechanics.exact import MILLIONTH, Bools, Ints
from backtest.mechanics.margin import maintenance


class CandidateReader:
    """Reads the positions of one side of a symbol at the marks at the end of the step, by place in the side.

    ``ranking`` decides which figures of cross accounts are read.
    """

    def __init__(self, replay: Replay, symbol: int, side: int, ranking: str) -> None:
        self.replay, self.ledger = replay, replay.ledger
        self.symbol, self.side = symbol, side
        self.block = replay.world.blocks[symbol, side]
        self.sign = side * replay.world.contracts[symbol].value_sign
        self.tiers, self.value_per_lot = replay.world.tiers[symbol], replay.ledger.values[symbol]
        self.accounts = AccountFigures.of_side(replay, self.block, ranking)
        self.named = replay.world.rules.allocation.named
        first, last = replay.in_breach.searchsorted([self.block.start, self.block.stop]).tolist()
        self.in_breach = replay.in_breach[first:last] - self.block.start

    def exactly(self, places: Ints) -> Candidates:
        """Return positions in exact integers."""
        rows, ledger = places + self.block.start, self.ledger
        lots = ledger.lots[rows]
        value = lots * self.value_per_lot
        equity = ledger.settled_cash(rows) + self.sign * value
        found = self._candidates(lots, ledger.entry_value[rows], value, equity)
        if self.named:
            found = replace(found, account=self.replay.world.book.account[rows])
        return found if self.accounts is None else self.accounts.exact(rows, found)

    def scan(self, piece: slice) -> tuple[Candidates, Bools]:
        """Return a piece of the side in floats, and who in it is a candidate: open, solvent and not in breach."""
        rows = slice(piece.start + self.block.start, piece.stop + self.block.start)
        return self._judged(np.arange(piece.start, piece.stop), Figures.of(self.ledger, rows, self.side))

    def scan_of(self, places: Ints, figures: Figures) -> Scan:
        """Return the same of pieces of some places whose figures are known."""
        return lambda piece: self._judged(places[piece], figures.piece(piece))

    def _judged(self, places: Ints, figures: Figures) -> tuple[Candidates, Bools]:
        found = self._nearly(places, figures) if self.replay.in_floats else self.exactly(places)
        eligible = (found.lots > 0) & (found.equity > 0)
        if self.in_breach.size:
            eligible[places.searchsorted(self.in_breach[among(self.in_breach, places)])] = False
        return found, eligible

    def _nearly(self, places: Ints, figures: Figures) -> Candidates:
        rows, lots = places + self.block.start, figures.lots
        value: Any = lots * self.value_per_lot
        per_lot = self.sign * self.value_per_lot - self.side * (self.ledger.index[self.symbol] / MILLIONTH)
        entry_value: Any = figures.entry_value
        equity: Any = lots * per_lot
        equity += figures.cash
        found = self._candidates(figures.held, entry_value, value, equity)
        found = found if self.accounts is None else self.accounts.near(rows, found)
        delicate = np.flatnonzero(is_delicate(equity, value) & (lots > 0))
        if delicate.size:
            found.equity[delicate] = self.exactly(places[delicate]).equity
        return found

    def _candidates(self, lots: Ints, entry_value: Ints, value: Ints, equity: Ints) -> Candidates:
        return Candidates(
            side=self.side,
            lots=lots,
            entry_value=entry_value,
            value=value,
            pnl=value - entry_value if self.sign > 0 else entry_value - value,
            equity=equity,
            tiers=self.tiers,
        )


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What a wave needs of every cross account, exactly: equity and, where they are read, sums and net values."""

    accounts: CrossAccounts
    equity: Ints
    sums: AccountSums | None = None
    exposure: Ints | None = None

    @staticmethod
    def of_side(replay: Replay, block: slice, ranking: str) -> AccountFigures | None:
        """Return the figures at the marks at the end of the step; None where a side has no cross account."""
        accounts = replay.accounts
        if accounts is None or not (accounts.of[block] >= 0).any():
            return None
        exposure = accounts.exposures() if replay.world.rules.allocation.exposed else None
        sums = accounts.sums(np.arange(accounts.count)) if ranking in OF_ACCOUNTS else None
        return AccountFigures(accounts, accounts.equities(), sums, exposure)

    def exact(self, rows: Ints, found: Candidates) -> Candidates:
        """Return candidates with their accounts' figures, exactly."""
        owner = self.accounts.of[rows]
        mine = np.flatnonzero(owner >= 0)
        owner = owner[mine]
        found.equity[mine] = self.equity[owner]
        if self.exposure is not None:
            exposure = found.value.copy()
            exposure[mine] = self.accounts.ledger.world.position_signs[rows[mine]] * self.exposure[owner]
            found = replace(found, account_exposure=exposure)
        if self.sums is None:
            return found
        pnl, required = found.pnl.copy(), _own(found)
        pnl[mine], required[mine] = self.sums.pnl[owner], self.sums.maintenance[owner]
        return replace(found, account_pnl=pnl, account_maintenance=required)

    def near(self, rows: Ints, found: Candidates) -> Candidates:
        """Return candidates in floats with their accounts' figures."""
        owner = self.accounts.of[rows]
        mine = np.flatnonzero(owner >= 0)
        owner = owner[mine]
        found.equity[mine] = self.equity[owner]
        if self.sums is None:
            return found
        pnl, required = found.pnl.copy(), _own(found).astype(np.float64)
        pnl[mine], required[mine] = self.sums.pnl[owner], self.sums.maintenance[owner]
        return replace(found, account_pnl=pnl, account_maintenance=required)  # type: ignore[arg-type]


def _own(found: Candidates) -> Ints:
    return maintenance(found.notional.astype(np.int64), found.tiers)
