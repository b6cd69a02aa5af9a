"""Figures of one finished run for a comparison: who paid for ADL, how unevenly, and what is left of the pools.

They come straight from the engine's record, as headlines do, so that a draw needs no run folder, and are of the coins
with bars, without the modelled rest of the venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backtest.engine.columns import chosen, distinct, present
from backtest.engine.records import ACCOUNT, CAUSES, Slices
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints
from backtest.run.headlines import covered_of, headlines_of
from backtest.run.tables.shared import Shared
from backtest.studies.cohorts import OUTSIDE, Accounts

ADL = CAUSES.index("adl")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure by which alternatives are compared: its name, unit (usd, count, frac, s), short label and meaning."""

    name: str
    unit: str
    label: str
    text: str


METRICS = (
    Metric("liquidated_usd", "usd", "liquidated", "notional that left accounts in breach, at the breach mark"),
    Metric("adl_usd", "usd", "closed by ADL", "notional closed by ADL, at the mark"),
    Metric("adl_accounts", "count", "accounts with ADL", "accounts in which ADL closed"),
    Metric(
        "wiped_out_accounts",
        "count",
        "accounts wiped out",
        "of these, accounts that hold nothing at the end and were never liquidated",
    ),
    Metric("first_adl_s", "s", "first ADL", "first ADL, since the start of the window"),
    Metric(
        "forgone_mark_usd",
        "usd",
        "forgone against mark",
        "what winners forwent in ADL against the mark; negative: they gained",
    ),
    Metric(
        "forgone_trade_usd", "usd", "forgone against trade", "the same against the traded price at the end of the step"
    ),
    Metric(
        "profit_cut_mark_frac",
        "frac",
        "profit cut at mark",
        "forgone against mark over the profit of the lots closed, at the mark",
    ),
    Metric(
        "profit_cut_trade_frac", "frac", "profit cut at trade", "forgone against the traded price over the profit there"
    ),
    Metric(
        "haircut_mark_mean_frac",
        "frac",
        "mean haircut at mark",
        "forgone against mark over the account's equity, mean of its accounts",
    ),
    Metric("haircut_mark_max_frac", "frac", "largest haircut at mark", "the largest of them"),
    Metric(
        "haircut_trade_mean_frac",
        "frac",
        "mean haircut at trade",
        "forgone against the traded price over equity, mean of its accounts",
    ),
    Metric("haircut_trade_max_frac", "frac", "largest haircut at trade", "the largest of them"),
    Metric(
        "closed_gini_frac",
        "frac",
        "Gini of closed",
        "Gini index of closed notional over the accounts in which ADL closed",
    ),
    Metric("closed_hhi_frac", "frac", "HHI of closed", "Herfindahl index of the same: 1 is one account"),
    Metric(
        "forgone_gini_frac",
        "frac",
        "Gini of forgone",
        "Gini index of what those accounts lost that lost against the traded price",
    ),
    Metric("forgone_hhi_frac", "frac", "HHI of forgone", "Herfindahl index of the same"),
    Metric("hedge_legs_broken", "count", "hedge legs broken", "positions of hedged accounts in which ADL closed"),
    Metric(
        "unhedged_usd", "usd", "left unhedged", "exposure that ADL left without its hedge, at the marks of the waves"
    ),
    Metric(
        "out_of_turn_usd",
        "usd",
        "closed out of turn",
        "closed beyond the place where the venue's own queue would have stopped",
    ),
    Metric(
        "out_of_turn_positions",
        "count",
        "positions out of turn",
        "positions closed that the venue's own queue would not have reached",
    ),
    Metric("over_usd", "usd", "taken beyond bankruptcy", "what ADL took beyond bankruptcy values"),
    Metric("under_usd", "usd", "left short of it", "what ADL left short of bankruptcy values"),
    Metric("overshoot_usd", "usd", "overshoot", "over less under"),
    Metric("pool_low_usd", "usd", "lowest pool", "lowest equity of the fund or vault that has the money"),
    Metric("pool_end_usd", "usd", "pools at the end", "equity of funds and vaults at the end"),
    Metric("uncovered_usd", "usd", "uncovered", "what nobody bears; negative: a loss"),
)
LORENZ = np.linspace(0, 1, 41)  # shares of the accounts at which a Lorenz curve is kept
BY_NAME = {metric.name: metric for metric in METRICS}
Figures = Mapping[str, float | None]


def figures_of(s: Shared, accounts: Accounts) -> Figures:
    """Return the figures of a finished run by name; None of a metric that has no value in it."""
    main, ledger, covered = headlines_of(s), s.ledger, covered_of(s)
    slices = s.record.slices.join()
    slices = slices if covered.all() else chosen(slices, np.flatnonzero(covered[slices.symbol]))
    of = {wave.wave: wave.symbol for wave in s.record.waves}
    turns = [turn for turn in s.record.turns if covered[of[turn.wave]]]
    found: dict[str, float | None] = {
        "liquidated_usd": main.liquidated_usd,
        "adl_usd": main.adl_usd,
        "first_adl_s": main.first_adl_s,
        "pool_low_usd": main.pool_low_usd,
        "pool_end_usd": _usd(sum(ledger.equity(pool) for pool in ledger.pools())),
        "uncovered_usd": main.uncovered_usd,
        "out_of_turn_usd": _usd(sum(turn.notional for turn in turns)) if s.world.rules.own_queue else None,
        "out_of_turn_positions": float(sum(turn.positions for turn in turns)) if s.world.rules.own_queue else None,
    }
    found |= _paid(s, slices, accounts)
    found |= _hedges(s, slices, accounts)
    return {metric.name: found[metric.name] for metric in METRICS}


def lorenz_of(s: Shared, accounts: Accounts) -> Floats:
    """Return the Lorenz curve of closed notional over the accounts in which ADL closed, at ``LORENZ``."""
    f = s.record.slices.join()
    f = chosen(f, np.flatnonzero(covered_of(s)[f.symbol] & (f.rank > 0)))
    closed = accounts.sums(f.winner_row, f.lots * s.each(f.symbol, f.mark))
    return lorenz(closed[closed > 0].astype(np.float64), LORENZ)


def _paid(s: Shared, f: Slices, accounts: Accounts) -> dict[str, float | None]:
    """Return what winners forwent, how it is spread, and how far it is off the bankruptcy values."""
    others = f.rank > 0  # not of bankrupts against their own accounts
    sign = -f.side * s.value_signs[f.symbol]
    mark_value = f.lots * s.each(f.symbol, f.mark)
    trade_value = f.lots * _at_trade(s, f.symbol, f.step)
    excess = -sign * (f.close_value - f.bankruptcy_value)
    closed = accounts.sums(f.winner_row[others], mark_value[others])
    hit = np.flatnonzero(np.bincount(accounts.of[f.winner_row[others]], minlength=accounts.count))
    equity = _equity_at_first(s, accounts)[hit]
    forgone, cuts, haircuts = [], [], []
    for value in (mark_value, trade_value):
        lost = (sign * (value - f.close_value))[others]
        profit = (sign * (value - f.entry_value))[others]
        by_account = accounts.sums(f.winner_row[others], lost)[hit]
        forgone.append(by_account)
        cuts.append(_ratio(int(lost[profit > 0].sum()), int(profit[profit > 0].sum())))
        haircuts.append((by_account / equity)[equity > 0])
    whole = accounts.closed_by_adl(s, hit)
    lost_only = forgone[1][forgone[1] > 0].astype(np.float64)
    return {
        "adl_accounts": float(len(hit)),
        "wiped_out_accounts": float(np.count_nonzero(whole)),
        "forgone_mark_usd": _usd(int(forgone[0].sum())),
        "forgone_trade_usd": _usd(int(forgone[1].sum())),
        "profit_cut_mark_frac": cuts[0],
        "profit_cut_trade_frac": cuts[1],
        "haircut_mark_mean_frac": _mean(haircuts[0]),
        "haircut_mark_max_frac": _max(haircuts[0]),
        "haircut_trade_mean_frac": _mean(haircuts[1]),
        "haircut_trade_max_frac": _max(haircuts[1]),
        "closed_gini_frac": gini(closed[hit].astype(np.float64)),
        "closed_hhi_frac": herfindahl(closed[hit].astype(np.float64)),
        "forgone_gini_frac": gini(lost_only),
        "forgone_hhi_frac": herfindahl(lost_only),
        "over_usd": _usd(int(excess[excess > 0].sum())),
        "under_usd": _usd(-int(excess[excess < 0].sum())),
        "overshoot_usd": _usd(int(excess.sum())),
    }


def _at_trade(s: Shared, symbol: Ints, step: Ints) -> Ints:
    """Return the value of a lot of each symbol at the trade price at the end of a step."""
    out = np.zeros(len(symbol), dtype=np.int64)
    ticks = s.trade[symbol, step - 1]
    for each in present(symbol):
        mine = symbol == each
        out[mine] = s.world.value_at_trade(each, ticks[mine])
    return out


def _equity_at_first(s: Shared, accounts: Accounts) -> Floats:
    """Return each account's equity in the queue of the first wave that closed lots of it; 0 of others."""
    q = s.record.queue  # of its many columns three are read
    closed = np.flatnonzero(q.column("closed_lots") > 0)
    out = np.zeros(accounts.count)
    of = accounts.of[q.column("row")[closed]]
    out[of[::-1]] = q.column("equity")[closed][::-1]  # of several, the first stays
    return out


def _hedges(s: Shared, f: Slices, accounts: Accounts) -> dict[str, float | None]:
    """Return positions of hedged accounts that ADL closed, and the exposure that lost its hedge.

    An account whose other leg is elsewhere loses what ADL closes; one that holds longs and shorts what its net
    notional grows by.
    """
    hedge = accounts.hedge[accounts.of[f.winner_row]]
    legs = distinct(f.winner_row[(hedge > 0) & (f.rank > 0)])
    outside = int((f.lots * s.each(f.symbol, f.mark))[(hedge == OUTSIDE) & (f.rank > 0)].sum())
    inside = _net_growth(s, accounts, distinct(accounts.of[f.winner_row[(hedge > OUTSIDE) & (f.rank > 0)]]))
    return {"hedge_legs_broken": float(len(legs)), "unhedged_usd": _usd(outside + inside)}


def _net_growth(s: Shared, accounts: Accounts, which: Ints) -> int:
    """Return by how much ADL raised the net notional of some accounts, slice by slice, in quanta."""
    if not which.size:
        return 0
    t, book = s.transfers, s.world.book
    mine: Bools = np.zeros(accounts.count, dtype=bool)
    mine[which] = True
    rows = np.flatnonzero(mine[accounts.of])
    held = (accounts.of[rows], book.symbol[rows], book.side[rows] * book.lots[rows])
    entries = [(np.zeros(len(rows), dtype=np.int64), *held, np.zeros(len(rows), dtype=bool))]  # place, then what moves
    for place, (owner, row, sign) in enumerate(((t.taker, t.taker_row, 1), (t.giver, t.giver_row, -1))):
        at = np.flatnonzero((owner == ACCOUNT) & (t.lots != 0))
        at = at[mine[accounts.of[row[at]]]]
        legs = row[at]
        moved = (accounts.of[legs], book.symbol[legs], sign * t.lots[at], (t.cause[at] == ADL) & (sign < 0))
        entries.append((2 * at + place + 1, *moved))
    when, account, symbol, lots, adl = (np.concatenate(column) for column in zip(*entries, strict=True))
    order = np.lexsort((when, account))
    when, account, symbol, lots, adl = (column[order] for column in (when, account, symbol, lots, adl))
    after = np.zeros((len(s.symbols), len(lots)), dtype=np.int64)
    after[symbol, np.arange(len(lots))] = lots
    after = after.cumsum(axis=1)
    first = np.searchsorted(account, account)
    after -= np.where(first > 0, after[:, first - 1], 0)  # of this account alone
    closed = np.flatnonzero(adl)
    values = s.at(s.mark)[:, t.step[(when[closed] - 1) // 2] - 1]
    own = values[symbol[closed], np.arange(len(closed))]
    net = (after[:, closed] * values).sum(axis=0)
    growth = np.abs(net) - np.abs(net - lots[closed] * own)
    return int(growth[growth > 0].sum())


def gini(amounts: Floats) -> float | None:
    """Return the Gini index of amounts that are not negative: 0 all equal, towards 1 all with one; None of nothing.

    Examples
    --------
    >>> gini(np.array([1.0, 1.0])), gini(np.array([0.0, 4.0])), gini(np.array([]))
    (0.0, 0.5, None)
    """
    total = float(amounts.sum())
    if not total:
        return None
    count, ordered = len(amounts), np.sort(amounts)
    places = 2 * np.arange(1, count + 1) - count - 1
    return float((places * ordered).sum() / (count * total))


def lorenz(amounts: Floats, shares: Floats) -> Floats:
    """Return what part of the sum the smallest amounts hold, for shares of their number; not-a-number of nothing.

    Examples
    --------
    Of four amounts the smaller two hold a quarter.

    >>> lorenz(np.array([5.0, 1.0, 1.0, 1.0]), np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.25, 1.0]
    """
    total = float(amounts.sum())
    if not total:
        return np.full(len(shares), np.nan)
    held = np.concatenate([[0.0], np.cumsum(np.sort(amounts))]) / total
    return np.interp(shares, np.linspace(0, 1, len(held)), held)


def herfindahl(amounts: Floats) -> float | None:
    """Return the sum of squared shares: 1 over their number where all are equal, 1 where one has all.

    Examples
    --------
    >>> herfindahl(np.array([1.0, 1.0])), herfindahl(np.array([0.0, 4.0])), herfindahl(np.array([0.0]))
    (0.5, 1.0, None)
    """
    total = float(amounts.sum())
    return float(((amounts / total) ** 2).sum()) if total else None


def _ratio(above: int, below: int) -> float | None:
    return above / below if below else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _max(values: Floats) -> float | None:
    return float(values.max()) if values.size else None


def _usd(quanta: int) -> float:
    return quanta / QUANTA_PER_USD
