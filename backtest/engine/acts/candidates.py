"""Candidates of ADL whose account bears several positions: equity, profit and maintenance are the account's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backtest.engine.detect.accounts import Accounts
from backtest.engine.state import State
from backtest.mechanics.adl.rankings import OF_ACCOUNTS, Candidates
from backtest.mechanics.exact import Floats, Ints
from backtest.mechanics.margin import maintenance


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """What a wave needs of cross accounts in floats: equity and, where the ranking asks, profit and maintenance."""

    accounts: Accounts
    equity: Floats
    pnl: Floats | None
    need: Floats | None

    def exact(self, rows: Ints, found: Candidates) -> Candidates:
        """Return candidates with their accounts' figures, exactly."""
        owner = self.accounts.of[rows]
        mine = np.flatnonzero(owner >= 0)
        if not mine.size:
            return (
                found
                if self.pnl is None
                else replace(found, account_pnl=found.pnl, account_maintenance=_own_need(found))
            )
        sums = self.accounts.sums(owner[mine])  # an account has one position on a side: no number comes twice
        found.equity[mine] = sums.equity
        if self.pnl is None:
            return found
        pnl, need = found.pnl.copy(), _own_need(found)
        pnl[mine], need[mine] = sums.pnl, sums.need
        return replace(found, account_pnl=pnl, account_maintenance=need)

    def near(self, rows: slice, found: Candidates) -> Candidates:
        """Return candidates with their accounts' figures in floats."""
        owner = self.accounts.of[rows]
        mine = np.flatnonzero(owner >= 0)
        found.equity[mine] = self.equity[owner[mine]]
        if self.pnl is None or self.need is None:
            return found
        pnl, need = found.pnl.copy(), _own_need(found).astype(np.float64)
        pnl[mine], need[mine] = self.pnl[owner[mine]], self.need[owner[mine]]
        return replace(found, account_pnl=pnl, account_maintenance=need)  # type: ignore[arg-type]


def _own_need(found: Candidates) -> Ints:
    return maintenance(found.value.astype(np.int64), found.tiers)


def of_accounts(state: State, block: slice) -> AccountFigures | None:
    """Return the figures of cross accounts at the marks at the end of the step; None where a side has none."""
    accounts = state.crossed
    if accounts is None or not (accounts.of[block] >= 0).any():
        return None
    if state.world.rules.ranking not in OF_ACCOUNTS:
        return AccountFigures(accounts, accounts.equities(), None, None)
    sums = accounts.sums(np.arange(accounts.count))
    return AccountFigures(accounts, accounts.equities(), sums.pnl.astype(float), sums.need.astype(float))
