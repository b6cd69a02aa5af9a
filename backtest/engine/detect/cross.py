"""Cross accounts in breach: their hedges net first, then their equity is allocated to their positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.acts import hedge_netting
from backtest.engine.detect.account_bounds import AccountBounds, AccountBreaches
from backtest.engine.detect.accounts import CrossAccounts
from backtest.engine.detect.crossing import Crossing
from backtest.engine.replay import Replay
from backtest.mechanics.cross_margin import equity_shares
from backtest.mechanics.exact import Ints


@dataclass(frozen=True, slots=True)
class AccountClaims:
    """Of rows of cross accounts: the account's equity and maintenance, the row's own bankruptcy value; in quanta."""

    equity: Ints
    maintenance: Ints
    bankruptcy_value: Ints


def find(replay: Replay) -> list[Crossing]:
    """Return the positions of cross accounts in breach that are liquidated now, after their hedges have netted."""
    accounts = _accounts(replay)
    hits = _bounds(replay).breaches()
    replay.in_round = hits.numbers
    if not hits.numbers.size:
        return []
    found = accounts.rows_of(hits.numbers)
    replay.in_segment = np.union1d(replay.in_segment, found.rows)
    replay.episodes.go_on(found.rows, hits.passed[found.place])
    netted = hedge_netting.net_accounts(replay, accounts, hits, found)
    if netted.any():
        still = ~netted
        still[netted] = accounts.sums_at(hits.numbers[netted], hits.marks[netted]).in_breach
        hits = hits.chosen(still)
        replay.in_round = hits.numbers
    return _allocate(replay, hits)


def find_again(replay: Replay, deferred: Ints) -> list[Crossing]:
    """Return the next positions of accounts whose first ones are gone: decided once more, at the end of the step.

    ``deferred`` are rows that wait; their accounts wait with them.
    """
    if not replay.in_round.size or replay.world.rules.cross_allocation != "one_first":
        return []
    accounts, marks = _accounts(replay), np.array(replay.ledger.marks)
    numbers = np.setdiff1d(replay.in_round, accounts.of[deferred])
    numbers = numbers[accounts.sums_at(numbers, marks).in_breach]
    replay.in_round = numbers
    at_end = np.broadcast_to(marks, (len(numbers), len(marks)))
    return _allocate(replay, AccountBreaches(numbers, np.ones(len(numbers), dtype=np.int64), 1, at_end))


def claims_at_end(replay: Replay, rows: Ints) -> AccountClaims:
    """Return the claims of open rows of cross accounts, at the marks at the end of the step.

    ``rows`` hold all open rows of their accounts.
    """
    accounts, ledger = _accounts(replay), replay.ledger
    numbers, place = np.unique(accounts.of[rows], return_inverse=True)
    sums = accounts.sums(numbers)
    figures = accounts.row_figures(rows, ledger.lot_values(replay.world.book.symbol[rows]))
    equity = np.empty_like(figures.maintenance)
    order = np.lexsort((rows, place))  # rows of a book ascend by symbol, long first
    equity[order] = equity_shares(sums.equity, figures.maintenance[order], place[order])
    own = figures.value - replay.world.position_signs[rows] * equity
    return AccountClaims(sums.equity[place], sums.maintenance[place], own)


def _accounts(replay: Replay) -> CrossAccounts:
    assert replay.accounts is not None
    return replay.accounts


def _bounds(replay: Replay) -> AccountBounds:
    assert replay.bounds is not None
    return replay.bounds


def _allocate(replay: Replay, hits: AccountBreaches) -> list[Crossing]:
    """Return the positions that are liquidated, each with its share of the account's equity."""
    if not hits.numbers.size:
        return []
    accounts, ledger, world = _accounts(replay), replay.ledger, replay.world
    sums, found = accounts.sums_at(hits.numbers, hits.marks), accounts.rows_of(hits.numbers)
    is_open = ledger.lots[found.rows] > 0
    rows, place = found.rows[is_open], found.place[is_open]
    marks = hits.marks[place, world.book.symbol[rows]]
    figures = accounts.row_figures(rows, world.values_per_lot(world.book.symbol[rows], marks))
    value, required, sign = figures.value, figures.maintenance, world.position_signs[rows]
    if world.rules.cross_allocation == "by_maintenance":
        equity, other_maintenance = equity_shares(sums.equity, required, place), np.zeros_like(required)
        first = np.arange(len(rows))
    else:
        loss = -sign * (value - ledger.entry_value[rows])
        key = {"maintenance": required, "loss": loss, "notional": value}[world.rules.cross_order]
        order = np.lexsort((np.arange(len(rows)), -key, place))
        first = order[np.unique(place[order], return_index=True)[1]]
        equity, other_maintenance = sums.equity[place], sums.maintenance[place] - required
    everyone = Crossing(
        row=rows,
        mark=marks,
        passed=hits.passed[place],
        length=np.full(len(rows), hits.length, dtype=np.int64),
        bankruptcy_value=value - sign * equity,
        equity=equity,
        maintenance=required,
        other_maintenance=other_maintenance,
    )
    return [everyone.chosen(first)]
