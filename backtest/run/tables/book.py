"""The tables runs, coverage, accounts and positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from backtest.book.accounts import MODES, cross_accounts, maintenance_of, margin_modes
from backtest.engine.records import CAUSES
from backtest.mechanics.exact import Bools, Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, breach_test
from backtest.mechanics.margin_stepped import first_breach_mark
from backtest.run.tables.arrow import named, nullable, side_name
from backtest.run.tables.shared import Columns, Shared
from backtest.schema.tables import TABLES

FATES = (
    "open", "liquidated", "deleveraged", "part_liquidated", "part_deleveraged", "both", "netted", "exited",
    "part_exited",
)  # fmt: skip


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
    world, ledger = s.world, s.ledger
    symbol, side, lots = world.book.symbol, world.book.side, world.book.lots
    opening = world.book.collateral - s.sign * world.book.entry_value
    first, last = s.at(world.walk.mark[:, 0])[symbol], s.at(s.mark[:, -1])[symbol]
    value = lots * first
    equity = opening + s.sign * value
    alone = _breach_marks(s, opening, np.arange(len(lots)))
    at_first = _standing(s, opening, equity, value, alone)
    breach, hedged = at_first.breach_mark, at_first.hedged
    with np.errstate(divide="ignore"):
        leverage = at_first.notional / at_first.equity
    return len(lots), {
        "position_id": np.arange(len(lots)),
        "account_id": world.book.account,
        "symbol": s.symbol(symbol),
        "side": side_name(side),
        "cohort": s.cohort(np.arange(len(lots))),
        "margin_mode": named(s.book.cross.astype(np.int64), MODES),
        "lots": lots,
        "quantity_base": lots * s.lot[symbol],
        "entry_value_usd": world.book.entry_value,
        "entry_px": s.px(world.book.entry_value, lots, symbol),
        "collateral_usd": world.book.collateral,
        "leverage": nullable(leverage, at_first.equity <= 0),
        "liquidation_px": nullable(breach * s.mark_unit[symbol], hedged | _never(breach)),
        "isolated_liquidation_px": nullable(alone * s.mark_unit[symbol], _never(alone)),
        "bankruptcy_px": s.px_or_null(-s.sign * at_first.bankruptcy_cash, lots, symbol, hedged),
        "opening_cash_usd": opening,
        "final_lots": ledger.lots,
        "final_cash_usd": ledger.cash,
        "final_equity_usd": ledger.cash + s.sign * ledger.lots * last,
        "fate": _fates(s),
    }


def _breach_marks(s: Shared, cash: Ints, rows: Ints) -> Ints:
    """Return the first mark at which each of some positions, ascending, would be in breach with its cash given."""
    world, signed = s.world, s.sign[rows] * s.world.book.lots[rows]
    marks = np.empty(len(rows), dtype=np.int64)
    for k, tiers in enumerate(world.tiers):
        mine = np.flatnonzero(world.book.symbol[rows] == k)
        first = np.full(len(mine), world.walk.mark[k, 0])
        test = breach_test(cash[mine], world.book.entry_value[rows[mine]], tiers)
        marks[mine] = first_breach_mark(
            test.cash, signed[mine], world.contracts[k], test.tiers, world.rules.inclusive, first
        )
    return marks


def _never(marks: Ints) -> Bools:
    none: Bools = (marks == NEVER_LONG) | (marks == NEVER_SHORT)
    return none


@dataclass(frozen=True, slots=True)
class Standing:
    """Positions at the first step: mark of the breach, cash that a bankrupt has lost, equity and notional behind each.

    Of a cross position they are its account's. ``hedged``: the account holds the other side of the symbol too.
    """

    breach_mark: Ints
    bankruptcy_cash: Ints
    equity: Ints
    notional: Ints
    hedged: Bools


def _standing(s: Shared, opening: Ints, equity: Ints, value: Ints, alone: Ints) -> Standing:
    """Return the standing of every position, from the figures each has alone.

    A cross position's account has the equity of all its positions, and the maintenance of the others is bound: the
    mark of its symbol at which the account is in breach, the other marks as at the first step, is that of an isolated
    position with the rest of the equity as cash. It has none where it is hedged.
    """
    world = s.world
    whole = cross_accounts(world.book.account, s.book.cross)
    hedged = np.zeros(len(opening), dtype=np.bool_)
    if not len(whole.rows):
        return Standing(alone, opening, equity, value, hedged)
    rows, place = whole.rows, whole.place
    own = maintenance_of(world.book.symbol[rows], value[rows], world.book.entry_value[rows], world.tiers)
    together, required = whole.total(equity[rows])[place], whole.total(own)[place]
    rest = opening[rows] + together - equity[rows]
    out = Standing(alone.copy(), opening.copy(), equity.copy(), value.copy(), hedged)
    out.breach_mark[rows] = _breach_marks(s, rest - (required - own), rows)
    out.bankruptcy_cash[rows], out.equity[rows], out.notional[rows] = rest, together, whole.total(value[rows])[place]
    leg = place * len(s.symbols) + world.book.symbol[rows]
    hedged[rows] = np.bincount(leg)[leg] > 1
    return out


def _fates(s: Shared) -> pa.Array:
    """Return what became of each position."""
    count, gone = len(s.world.book.lots), s.ledger.lots == 0
    liquidated, deleveraged = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    liquidated[s.breaches.row] = True
    netted = np.zeros(count, dtype=bool)
    legs = s.transfers.cause == CAUSES.index("net")
    netted[np.concatenate([s.transfers.taker_row[legs], s.transfers.giver_row[legs]])] = True
    left = np.zeros(count, dtype=bool)
    pairs = s.transfers.cause == CAUSES.index("exit")
    left[np.concatenate([s.transfers.taker_row[pairs], s.transfers.giver_row[pairs]])] = True
    deleveraged[s.record.slices.join().winner_row] = True
    both, forced = liquidated & deleveraged, (liquidated & gone, deleveraged & gone, liquidated, deleveraged)
    return named(np.select([both, *forced, netted, left & gone, left], [5, 1, 2, 3, 4, 6, 7, 8], 0), FATES)


def accounts(s: Shared) -> tuple[int, Columns]:
    """Return accounts with their cash before and after."""
    world, ledger, book = s.world, s.ledger, s.book
    ids, first, place, count = np.unique(world.book.account, return_index=True, return_inverse=True, return_counts=True)
    last = s.at(s.mark[:, -1])[world.book.symbol]

    def total(values: Ints) -> Ints:
        out = np.zeros(len(ids), dtype=np.int64)
        np.add.at(out, place, values)
        return out

    names = dict(book.names)
    return len(ids), {
        "account_id": ids,
        "name": [names.get(account, "") for account in ids.tolist()] if names else "",
        "watched": np.isin(ids, np.array(book.watched, dtype=np.int64)),
        "hedged": np.isin(ids, np.array(sorted(book.hedged), dtype=np.int64)),
        "cohort": s.cohort(first),
        "margin_mode": named(margin_modes(world.book.account, s.book.cross)[1], MODES),
        "positions": count,
        "collateral_usd": total(world.book.collateral),
        "opening_cash_usd": total(world.book.collateral - s.sign * world.book.entry_value),
        "final_cash_usd": total(ledger.cash),
        "final_equity_usd": total(ledger.cash + s.sign * ledger.lots * last),
    }
