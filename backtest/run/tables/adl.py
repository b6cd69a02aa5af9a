"""The tables adl_events, adl_queue, adl_fills and watch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from backtest.engine.records import ACCOUNT, OWNERS
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.lights import lights
from backtest.run.tables.arrow import bits, money, named, nullable, side_name
from backtest.run.tables.shared import Columns, Shared


def adl_events(s: Shared) -> tuple[int, Columns]:
    """Return one row per wave."""
    waves = s.record.waves

    def column(name: str) -> Ints:
        return np.array([getattr(wave, name) for wave in waves], dtype=np.int64)

    step, symbol = column("step"), column("symbol")
    to = EXHAUSTION[s.world.rules.on_exhausted].receiver
    unmatched_to = [
        "" if not wave.unmatched_lots else (to if wave.source == "account" else wave.source) for wave in waves
    ]
    return len(waves), {
        "wave_id": column("wave"),
        "step": step,
        "ts": s.ts(step),
        "symbol": s.symbol(symbol),
        "bankrupt_side": side_name(column("side")),
        "source": [wave.source for wave in waves],
        "bankrupts": column("bankrupts"),
        "candidates": column("candidates"),
        "lots_wanted": column("wanted_lots"),
        "lots_closed": column("closed_lots"),
        "lots_unmatched": column("unmatched_lots"),
        "unmatched_to": unmatched_to,
        "notional_usd": column("notional"),
        "candidate_usd": column("candidate_notional"),
        "winners": column("winners"),
        "skipped": column("skipped"),
        "close_rule": s.world.rules.close_price,
        "mark_px": s.mark_px(column("mark"), symbol),
        "previous_mark_px": s.mark_px(column("previous_mark"), symbol),
        "difference_usd": column("difference"),
    }


def adl_queue(s: Shared) -> tuple[int, Columns]:
    """Return the part of each queue that was kept."""
    q = s.record.queue.join()
    unranked = _unranked(s, len(q.wave))
    status = np.select([q.closed_lots == q.lots, q.closed_lots > 0, q.skipped], [0, 1, 2], 3)
    return len(q.wave), {
        "wave_id": q.wave,
        "step": q.step,
        "ts": s.ts(q.step),
        "symbol": s.symbol(q.symbol),
        "rank": nullable(q.rank, unranked),
        "account_id": s.world.book.account[q.row],
        "position_id": q.row,
        "side": side_name(q.side),
        "cohort": s.cohort(q.row),
        "lots": q.lots,
        "notional_usd": q.notional,
        "score": nullable(q.score, unranked & (not s.world.rules.allocation.exposed)),
        "pnl_usd": q.pnl,
        "equity_usd": q.equity,
        "leverage": q.notional / q.equity,
        "notional_ahead_usd": _money_or_null(q.notional_ahead, unranked),
        "closed_lots": q.closed_lots,
        "status": named(status, ("closed", "partial", "skipped", "not_reached")),
    }


def adl_fills(s: Shared) -> tuple[int, Columns]:
    """Return every slice of ADL."""
    f = s.record.slices.join()
    rows = f.winner_row
    symbol, winner, lots = f.symbol, -f.side, f.lots
    sign = winner * s.value_signs[symbol]  # of the winner's value
    value = lots * s.each(symbol, f.mark)
    unranked = _unranked(s, len(rows)) & (f.rank > 0)
    accounts = s.world.book.account[np.maximum(f.bankrupt_row, 0)]
    bankrupt = [
        str(account) if source == ACCOUNT else OWNERS[source]
        for account, source in zip(accounts.tolist(), f.source.tolist(), strict=True)
    ]
    return len(rows), {
        "fill_id": np.arange(1, len(rows) + 1),
        "wave_id": f.wave,
        "step": f.step,
        "ts": s.ts(f.step),
        "symbol": s.symbol(symbol),
        "bankrupt": bankrupt,
        "liquidation_id": s.liquidation(f.serial),
        "account_id": s.world.book.account[rows],
        "position_id": rows,
        "side": side_name(winner),
        "cohort": s.cohort(rows),
        "rank": nullable(f.rank, unranked),
        "score": nullable(f.score, unranked),
        "lots": lots,
        "quantity_base": lots * s.lot[symbol],
        "amount_usd": f.close_value,
        "close_px": s.px_or_null(f.close_value, lots, symbol),
        "mark_px": s.mark_px(f.mark, symbol),
        "notional_usd": value,
        "notional_ahead_usd": _money_or_null(f.notional_ahead, unranked),
        "bankruptcy_value_usd": f.bankruptcy_value,
        "difference_usd": -sign * (f.close_value - f.bankruptcy_value),
        "immediate_usd": sign * (f.close_value - value),
        "realized_usd": sign * (f.close_value - f.entry_value),
    }


def watch(s: Shared) -> tuple[int, Columns]:
    """Return where watched positions stood at each wave of their symbol."""
    rows = s.record.watch

    def column(name: str) -> Ints:
        return np.array([getattr(row, name) for row in rows], dtype=np.int64)

    position, step, symbol, lots = column("row"), column("step"), column("symbol"), column("lots")
    ahead, closed, wave_id = column("notional_ahead"), column("closed_lots"), column("wave")
    account, out = s.world.book.account[position], column("in_queue") == 0
    unranked = _unranked(s, len(rows)) | out
    queues = {wave.wave: wave.candidate_notional for wave in s.record.waves}
    through = ahead + lots * s.each(symbol, column("mark"))
    shown = [int(lights(end, queues[wave])) for end, wave in zip(through, wave_id.tolist(), strict=True)]
    return len(rows), {
        "name": [s.book.names.get(int(a), str(a)) for a in account],
        "account_id": account,
        "position_id": position,
        "symbol": s.symbol(symbol),
        "side": side_name(s.world.book.side[position]),
        "hedged": [int(a) in s.book.hedged for a in account],
        "wave_id": wave_id,
        "step": step,
        "ts": s.ts(step),
        "in_queue": ~out,
        "rank": nullable(column("rank"), unranked),
        "candidates": column("candidates"),
        "notional_ahead_usd": _money_or_null(ahead, unranked),
        "lights": nullable(np.array(shown, dtype=np.int64), unranked),
        "score": nullable(np.array([row.score for row in rows], dtype=np.float64), unranked),
        "lots": lots,
        "closed_lots": closed,
        "close_px": s.px_or_null(column("close_value"), closed, symbol, closed == 0),
        "mark_px": s.mark_px(column("mark"), symbol),
    }


def _unranked(s: Shared, count: int) -> Bools:
    """Return for every row of a run whether its candidates have no rank."""
    return np.full(count, not s.world.rules.allocation.ranked)


def _money_or_null(quanta: Ints, missing: Bools) -> pa.Array:
    whole = money(quanta)
    return pa.Array.from_buffers(whole.type, len(whole), [bits(~missing), whole.buffers()[1]])
