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
    waves = s.recorder.waves
    get = {
        name: np.array([wave[name] for wave in waves], dtype=np.int64)
        for name in (
            "wave",
            "step",
            "symbol",
            "side",
            "bankrupts",
            "candidates",
            "wanted",
            "closed",
            "unmatched",
            "notional",
            "candidate_value",
            "winners",
            "skipped",
            "mark",
            "previous",
            "difference",
        )
    }
    to = EXHAUSTION[s.world.rules.on_exhausted].receiver
    unmatched_to = [
        "" if not wave["unmatched"] else (to if wave["source"] == "account" else wave["source"]) for wave in waves
    ]
    return len(waves), {
        "wave_id": get["wave"],
        "step": get["step"],
        "ts": s.ts(get["step"]),
        "symbol": s.symbol(get["symbol"]),
        "bankrupt_side": side_name(get["side"]),
        "source": [wave["source"] for wave in waves],
        "bankrupts": get["bankrupts"],
        "candidates": get["candidates"],
        "lots_wanted": get["wanted"],
        "lots_closed": get["closed"],
        "lots_unmatched": get["unmatched"],
        "unmatched_to": unmatched_to,
        "notional_usd": get["notional"],
        "candidate_usd": get["candidate_value"],
        "winners": get["winners"],
        "skipped": get["skipped"],
        "close_rule": s.world.rules.close_price,
        "mark_px": s.previous(get, "mark"),
        "previous_mark_px": s.previous(get, "previous"),
        "difference_usd": get["difference"],
    }


def adl_queue(s: Shared) -> tuple[int, Columns]:
    """Return the part of each queue that was kept."""
    q = s.recorder.queue.join()
    status = np.select([q["closed"] == q["lots"], q["closed"] > 0, q["skipped"] > 0], [0, 1, 2], 3)
    return len(q["wave"]), {
        "wave_id": q["wave"],
        "step": q["step"],
        "ts": s.ts(q["step"]),
        "symbol": s.symbol(q["symbol"]),
        "rank": q["rank"],
        "account_id": s.world.account[q["row"]],
        "position_id": q["row"],
        "side": side_name(q["side"]),
        "cohort": s.cohort(q["row"]),
        "lots": q["lots"],
        "notional_usd": q["value"],
        "score": q["score"],
        "pnl_usd": q["pnl"],
        "equity_usd": q["equity"],
        "leverage": q["value"] / q["equity"],
        "notional_ahead_usd": q["ahead"],
        "closed_lots": q["closed"],
        "status": named(status, ("closed", "partial", "skipped", "not_reached")),
    }


def adl_fills(s: Shared) -> tuple[int, Columns]:
    """Return every slice of ADL."""
    f, rows = s.recorder.slices.join(), s.recorder.slices.join()["winner_row"]
    symbol, winner, lots = f["symbol"], -f["side"], f["lots"]
    sign = winner * s.kind[symbol]  # of the winner's value
    value = lots * s.each(symbol, f["mark"])
    accounts = s.world.account[np.maximum(f["bankrupt_row"], 0)]
    bankrupt = [
        str(account) if source == ACCOUNT else OWNERS[source]
        for account, source in zip(accounts.tolist(), f["source"].tolist(), strict=True)
    ]
    return len(rows), {
        "fill_id": np.arange(1, len(rows) + 1),
        "wave_id": f["wave"],
        "step": f["step"],
        "ts": s.ts(f["step"]),
        "symbol": s.symbol(symbol),
        "bankrupt": bankrupt,
        "liquidation_id": s.liquidation(f["serial"]),
        "account_id": s.world.account[rows],
        "position_id": rows,
        "side": side_name(winner),
        "cohort": s.cohort(rows),
        "rank": f["rank"],
        "score": f["score"],
        "lots": lots,
        "quantity_base": lots * s.lot[symbol],
        "amount_usd": f["amount"],
        "close_px": s.px_or_null(f["amount"], lots, symbol),
        "mark_px": s.previous(f, "mark"),
        "notional_usd": value,
        "notional_ahead_usd": f["ahead"],
        "bankruptcy_value_usd": f["owed"],
        "difference_usd": -sign * (f["amount"] - f["owed"]),
        "immediate_usd": sign * (f["amount"] - value),
        "realized_usd": sign * (f["amount"] - f["cost"]),
    }


def watch(s: Shared) -> tuple[int, Columns]:
    """Return where watched positions stood at each wave of their symbol."""
    rows = s.recorder.watch
    get = {
        name: np.array([row[name] for row in rows], dtype=np.int64)
        for name in (
            "row",
            "wave",
            "step",
            "symbol",
            "in_queue",
            "rank",
            "ahead",
            "candidates",
            "lots",
            "closed",
            "amount",
            "mark",
        )
    }
    account, out = s.world.account[get["row"]], get["in_queue"] == 0
    queues = {wave["wave"]: wave["candidate_value"] for wave in s.recorder.waves}
    through = get["ahead"] + get["lots"] * s.each(get["symbol"], get["mark"])
    shown = [int(lights(end, queues[wave])) for end, wave in zip(through, get["wave"].tolist(), strict=True)]
    return len(rows), {
        "name": [s.book.names.get(int(a), str(a)) for a in account],
        "account_id": account,
        "position_id": get["row"],
        "symbol": s.symbol(get["symbol"]),
        "side": side_name(s.world.side[get["row"]]),
        "hedged": [int(a) in s.book.hedged for a in account],
        "wave_id": get["wave"],
        "step": get["step"],
        "ts": s.ts(get["step"]),
        "in_queue": ~out,
        "rank": nullable(get["rank"], out),
        "candidates": get["candidates"],
        "notional_ahead_usd": _money_or_null(get["ahead"], out),
        "lights": nullable(np.array(shown, dtype=np.int64), out),
        "score": nullable(np.array([row["score"] for row in rows], dtype=np.float64), out),
        "lots": get["lots"],
        "closed_lots": get["closed"],
        "close_px": s.px_or_null(get["amount"], get["closed"], get["symbol"], get["closed"] == 0),
        "mark_px": s.previous(get, "mark"),
    }


def _money_or_null(quanta: Ints, missing: Bools) -> pa.Array:
    whole = money(quanta)
    return pa.Array.from_buffers(whole.type, len(whole), [bits(~missing), whole.buffers()[1]])
