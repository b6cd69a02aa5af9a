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
    hits = _bounds(replay).breaches()
    replay.in_round = hits.numbers
    if not hits.numbers.size:
        return []
    held = hits.holdings
    replay.in_segment = np.sort(np.concatenate([replay.in_segment, held.rows]))
    replay.episodes.go_on(held.rows, hits.passed[held.place])
    netted = hedge_netting.net_accounts(replay, hits)
    if netted.any():
        still = ~netted
        still[netted] = _accounts(replay).holdings(hits.numbers[netted]).in_breach(hits.marks[netted])
        hits = hits.anew(still)
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
    replay.in_round = numbers = numbers[accounts.holdings(numbers).in_breach(marks)]
    at_end = np.broadcast_to(marks, (len(numbers), len(marks)))
    everywhere = np.ones(len(numbers), dtype=np.int64)
    return _allocate(replay, AccountBreaches(accounts.holdings(numbers), everywhere, 1, at_end))


def claims_at_end(replay: Replay, rows: Ints) -> AccountClaims:
    """Return the claims of open rows of cross accounts, at the marks at the end of the step.

    ``rows`` hold all open rows of their accounts.
    """
    accounts = _accounts(replay)
    held = accounts.holdings(accounts.numbers(rows))
    place = held.numbers.searchsorted(accounts.of[rows])
    figures = held.figures(np.array(replay.ledger.marks))
    sums = held.sums(figures)
    at = held.at[place] + accounts.within[rows]
    order = at.argsort()  # account by account, where rows ascend by symbol, long first
    equity = np.empty_like(at)
    equity[order] = equity_shares(sums.equity, figures.maintenance[at[order]], place[order])
    own = figures.value[at] - held.signs[at] * equity
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
    world, held = replay.world, hits.holdings
    figures = held.figures(hits.marks)
    sums = held.sums(figures)
    at = held.lots.nonzero()[0]
    place, sign = held.place[at], held.signs[at]
    value, required = figures.value[at], figures.maintenance[at]
    if world.rules.cross_allocation == "by_maintenance":
        equity, other_maintenance = equity_shares(sums.equity, required, place), np.zeros_like(required)
        first = np.arange(len(at))
    else:
        loss = -sign * (value - held.entry_value()[at])
        key = {"maintenance": required, "loss": loss, "notional": value}[world.rules.cross_order]
        order = np.lexsort((np.arange(len(at)), -key, place))
        first = order[np.unique(place[order], return_index=True)[1]]
        equity, other_maintenance = sums.equity[place], sums.maintenance[place] - required
    everyone = Crossing(
        row=held.rows[at],
        mark=hits.marks[place, held.symbol[at]],
        passed=hits.passed[place],
        length=np.full(len(at), hits.length, dtype=np.int64),
        bankruptcy_value=value - sign * equity,
        equity=equity,
        maintenance=required,
        other_maintenance=other_maintenance,
    )
    return [everyone.chosen(first)]
