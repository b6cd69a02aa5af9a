"""The tables runs, coverage, accounts and positions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from backtest.mechanics.exact import Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT
from backtest.mechanics.stepped import first_breach_mark
from backtest.schema import TABLES
from backtest.tables.arrow import named, nullable, side_name
from backtest.tables.shared import Columns, Shared

FATES = ("open", "liquidated", "deleveraged", "part_liquidated", "part_deleveraged", "both")


def runs(s: Shared) -> tuple[int, Columns]:
    """Return what was run."""
    market, world = s.market, s.world
    bars = int(world.walk.bar[-1]) + 1
    start, end = s.bar_ts[0], s.bar_ts[-1] + world.bar_s * 1_000_000
    derived = {
        "symbols": ",".join(s.symbols),
        "start_ts": int(start),
        "end_ts": int(end),
        "bar_s": world.bar_s,
        "bars": bars,
        "steps": world.steps,
        "accounts": len(np.unique(s.book.account_id)),
        "positions": len(s.book.lots),
        "price_source": market.labels["prices"].get("source", ""),
        "price_label": market.labels["prices"]["badge"],
        "mark_label": market.labels["mark"]["text"],
        "data_sha256": market.digest,
    }
    return 1, {**s.done.facts, **derived}


def coverage(s: Shared) -> tuple[int, Columns]:
    """Return what data the window wanted and what was there."""
    rows = s.market.coverage
    names = [column.name for column in TABLES["coverage"].columns if column.name != "run_id"]
    return len(rows), {name: [row[name] for row in rows] for name in names}


def positions(s: Shared) -> tuple[int, Columns]:
    """Return the book and what became of it."""
    world, state = s.world, s.state
    symbol, side, lots = world.symbol, world.side, world.lots
    opening = world.wallet - side * world.cost
    first = (world.walk.mark[:, 0] * s.q_mark)[symbol]
    last = (world.walk.mark[:, -1] * s.q_mark)[symbol]
    equity = opening + side * lots * first
    breach = np.concatenate(
        [
            first_breach_mark(
                opening[rows],
                (side * lots)[rows],
                world.worth(k),
                world.tiers[k],
                world.rules.inclusive,
                np.full(len(rows), world.walk.mark[k, 0]),
            )
            for k in range(len(s.symbols))
            for rows in [np.flatnonzero(symbol == k)]
        ]
    )
    with np.errstate(divide="ignore"):
        leverage = lots * first / equity
    return len(lots), {
        "position_id": np.arange(len(lots)),
        "account_id": world.account,
        "symbol": s.symbol(symbol),
        "side": side_name(side),
        "cohort": s.cohort(np.arange(len(lots))),
        "lots": lots,
        "quantity_base": lots * s.lot[symbol],
        "cost_usd": world.cost,
        "entry_px": s.px(world.cost, lots, symbol),
        "collateral_usd": world.wallet,
        "leverage": nullable(leverage, equity <= 0),
        "liquidation_px": nullable(breach * s.mark_unit[symbol], (breach == NEVER_LONG) | (breach == NEVER_SHORT)),
        "bankruptcy_px": s.px(-side * opening, lots, symbol),
        "opening_cash_usd": opening,
        "final_lots": state.lots,
        "final_cash_usd": state.cash,
        "final_equity_usd": state.cash + side * state.lots * last,
        "fate": _fates(s),
    }


def _fates(s: Shared) -> pa.Array:
    """Return what became of each position."""
    count, gone = len(s.world.lots), s.state.lots == 0
    liquidated, deleveraged = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    liquidated[s.breaches["row"]] = True
    deleveraged[s.recorder.slices.join()["winner_row"]] = True
    code = np.select(
        [liquidated & deleveraged, liquidated & gone, deleveraged & gone, liquidated, deleveraged], [5, 1, 2, 3, 4], 0
    )
    return named(code, FATES)


def accounts(s: Shared) -> tuple[int, Columns]:
    """Return accounts with their cash before and after."""
    world, state, book = s.world, s.state, s.book
    ids, first, place, count = np.unique(world.account, return_index=True, return_inverse=True, return_counts=True)
    last = (world.walk.mark[:, -1] * s.q_mark)[world.symbol]

    def total(values: Ints) -> Ints:
        out = np.zeros(len(ids), dtype=np.int64)
        np.add.at(out, place, values)
        return out

    names = dict(book.names)
    return len(ids), {
        "account_id": ids,
        "name": [names.get(account, "") for account in ids.tolist()] if names else "",
        "cohort": s.cohort(first),
        "margin_mode": "isolated",
        "positions": count,
        "wallet_usd": total(world.wallet),
        "opening_cash_usd": total(world.wallet - world.side * world.cost),
        "final_cash_usd": total(state.cash),
        "final_equity_usd": total(state.cash + world.side * state.lots * last),
    }
