"""The tables liquidations, fund and fund_events."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backtest.engine.records import CAUSES, FUND, NONE, OWNERS, UNCOVERED, VAULT
from backtest.mechanics.exact import Ints
from backtest.run.tables.arrow import named, nullable, side_name
from backtest.run.tables.ledger import fund_starts, vault_starts
from backtest.run.tables.offspring import on_tape
from backtest.run.tables.shared import Columns, Shared

CASCADE_GAP_US = 60_000_000  # a quiet minute ends a cascade


def liquidations(s: Shared) -> tuple[int, Columns]:
    """Return every liquidation in order of crossing."""
    b, rows = s.breaches, s.breaches.row
    symbol, side, lots = b.symbol, b.side, b.lots
    end = s.step_ts[b.step - 1]
    order_ts = np.maximum.accumulate(end) if len(end) else end
    cascade = 1 + np.cumsum(np.diff(order_ts, prepend=order_ts[:1]) > CASCADE_GAP_US)
    closed = b.book_lots + b.takeover_lots + b.adl_lots
    taken_by = np.where(b.takeover_by == FUND, 1, np.where(b.takeover_by == VAULT, 2, 0))
    each, end_mark = s.each(symbol, b.mark), s.mark_then(symbol, b.step, b.round)
    return len(rows), {
        "liquidation_id": np.arange(1, len(rows) + 1),
        "cascade_id": cascade,
        "step": b.step,
        "round": b.round,
        "ts": crossing_ts(s).astype("datetime64[us]"),
        "symbol": s.symbol(symbol),
        "account_id": s.world.book.account[rows],
        "position_id": rows,
        "side": side_name(side),
        "cohort": s.cohort(rows),
        "lots": lots,
        "quantity_base": lots * s.lot[symbol],
        "mark_px": b.mark * s.mark_unit[symbol],
        "end_mark_px": end_mark * s.mark_unit[symbol],
        "equity_usd": b.equity,
        "maintenance_usd": b.maintenance + b.other_maintenance,
        "notional_usd": lots * each,
        "closed_usd": closed * each,
        "end_notional_usd": lots * s.each(symbol, end_mark),
        "bankruptcy_value_usd": b.bankruptcy_value,
        "bankruptcy_px": s.px_or_null(b.bankruptcy_value, lots, symbol),
        "skipped_book": b.skipped,
        "refused": b.refused,
        "book_lots": b.book_lots,
        "book_usd": b.book_value,
        "book_px": s.px_or_null(b.book_value, b.book_lots, symbol, b.book_lots == 0),
        "fee_usd": b.fee,
        "residual_usd": b.residual,
        "returned_usd": b.residual - _passed_on(s),
        "takeover_lots": b.takeover_lots,
        "takeover_usd": b.takeover_value,
        "takeover_by": named(taken_by, ("", "fund", "vault")),
        "adl_lots": b.adl_lots,
        "adl_usd": b.adl_value,
        "remaining_lots": lots - closed,
        "on_tape": on_tape(s),
    }


def crossing_ts(s: Shared) -> Ints:
    """Return when each liquidation crossed its mark, interpolated in the step where time passes in it."""
    b = s.breaches
    start, end = s.step_ts[np.maximum(b.step - 2, 0)], s.step_ts[b.step - 1]
    gap = s.world.walk.jump[b.step - 1] | (b.round > 1)  # no time passes
    ts: Ints = np.where(gap, end, start + (end - start) * b.passed // np.maximum(b.length, 1))
    return ts


def _passed_on(s: Shared) -> Ints:
    """Return what each liquidation left to a fund or vault by the rule for residuals, differences of ADL included."""
    t, of = s.transfers, s.liquidation_of
    gain = (t.cause == CAUSES.index("difference")) & (t.giver != UNCOVERED)
    at = np.flatnonzero(gain | (t.cause == CAUSES.index("residual")))
    out = np.zeros(len(s.breaches.row) + 1, dtype=np.int64)
    np.subtract.at(out, of[t.serial[at]], t.cash[at])
    return out[1:]


def fund(s: Shared) -> tuple[int, Columns]:
    """Derive every movement of funds and vaults from the transfers, with running balances."""
    t = s.transfers
    mine_a, mine_b = np.isin(t.taker, (FUND, VAULT)), np.isin(t.giver, (FUND, VAULT))
    at = np.flatnonzero(mine_a | mine_b)
    as_a = mine_a[at]
    pool = np.where(as_a, t.taker[at], t.giver[at])
    number = np.where(as_a, t.taker_row[at], t.giver_row[at])
    sign = np.where(as_a, 1, -1)
    opening = [(FUND, number, start) for number, start in enumerate(fund_starts(s))]
    opening += [(VAULT, number, start) for number, start in enumerate(vault_starts(s))]
    head = len(opening)
    first = np.array(opening, dtype=np.int64)
    pools, numbers = np.concatenate([first[:, 0], pool]), np.concatenate([first[:, 1], number])
    amount = np.concatenate([first[:, 2], sign * t.cash[at]])
    cash = np.zeros(len(pools), dtype=np.int64)
    for code, each in {(code, number) for code, number, _ in opening}:
        own = (pools == code) & (numbers == each)
        cash[own] = np.cumsum(amount[own])
    zeros = np.zeros(head, dtype=np.int64)
    symbol, moved = t.symbol[at], sign * t.lots[at]
    marks = s.mark_then(symbol, t.step[at], t.round[at])
    step = np.concatenate([zeros, t.step[at]])
    causes = ("opening", *CAUSES)
    return len(pools), {
        "movement_id": np.arange(1, len(pools) + 1),
        "step": step,
        "ts": s.ts(step),
        "pool": named((pools == VAULT).astype(np.int64), ("fund", "vault")),
        "serves": s.serves(pools, numbers),
        "cause": named(np.concatenate([zeros, t.cause[at] + 1]), causes),
        "symbol": named(np.concatenate([zeros, t.symbol[at] + 1]), ("", *s.symbols)),
        "liquidation_id": s.liquidation(np.concatenate([zeros + NONE, t.serial[at]])),
        "lots": np.concatenate([zeros, moved]),
        "mark_px": nullable(
            np.concatenate([np.zeros(head), marks * s.mark_unit[symbol]]), np.arange(len(pools)) < head
        ),
        "inventory_change_usd": np.concatenate([zeros, s.value_signs[symbol] * moved * s.each(symbol, marks)]),
        "amount_usd": amount,
        "cash_usd": cash,
    }


def fund_events(s: Shared) -> tuple[int, Columns]:
    """Return when deleveraging was on, when a fund was empty, and what each fund and vault first refused."""
    events = s.record.fund_events

    def column(values: Iterable[int | None]) -> Ints:
        return np.array([value or 0 for value in values], dtype=np.int64)

    step, peak = column(event.step for event in events), column(event.peak for event in events)
    basis, basis_peak = column(event.basis for event in events), column(event.basis_peak for event in events)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (basis - basis_peak) / peak
    return len(events), {
        "event_id": np.arange(1, len(events) + 1),
        "step": step,
        "ts": s.ts(step),
        "pool": [OWNERS[event.pool] for event in events],
        "serves": s.serves(column(event.pool for event in events), column(event.number for event in events)),
        "symbol": named(column(event.symbol for event in events) + 1, ("", *s.symbols)),
        "event": [event.event for event in events],
        "cause": [event.cause for event in events],
        "equity_usd": column(event.equity for event in events),
        "peak_usd": peak,
        "basis_usd": basis,
        "basis_peak_usd": basis_peak,
        "drawdown_ratio": nullable(ratio, peak <= 0),
    }
