"""From the record of a run to the result tables of ``schema``: units restored, identities named, sums exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from backtest.book.sheet import PositionBook
from backtest.engine.recorder import ACCOUNT, CAUSES, FUND, NONE, OWNERS, VAULT
from backtest.engine.run import Outcome
from backtest.errors import RangeError
from backtest.market import MarketPath
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Ints
from backtest.mechanics.margin import NEVER_LONG, NEVER_SHORT, breach_mark
from backtest.schema import TABLES, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Callable

MONEY_LIMIT = 10**18  # DECIMAL(18,6)
CASCADE_GAP_US = 60_000_000  # a quiet minute ends a cascade
_ARROW: dict[Kind, Any] = {
    "int": pa.int64(), "bool": pa.bool_(), "str": pa.string(), "float": pa.float64(),
    "money": pa.decimal128(18, 6), "money12": pa.decimal128(38, 12), "ts": pa.timestamp("us"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended: where it started from and what was recorded. ``first_bar`` of the market was walked first."""

    run_id: str
    market: MarketPath
    book: PositionBook
    outcome: Outcome
    first_bar: int
    facts: Mapping[str, Any]  # the columns of ``runs`` that say what was run


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, with unit and meaning of each column as metadata."""
    return pa.schema(
        [pa.field(c.name, _ARROW[c.kind], metadata={"unit": c.unit, "doc": c.doc}) for c in table.columns]
    )


def money(quanta: Ints) -> pa.Array:
    """Return quanta as DECIMAL(18,6) without a detour over text.

    Examples
    --------
    >>> money(np.array([1_500_000, -1]))[1].as_py()
    Decimal('-0.000001')
    """
    if len(quanta) and max(abs(int(quanta.max())), abs(int(quanta.min()))) >= MONEY_LIMIT:
        raise RangeError("an amount reaches 1e12 USD, the limit of DECIMAL(18,6); use a smaller open interest")
    wide = np.empty((len(quanta), 2), dtype=np.int64)
    wide[:, 0], wide[:, 1] = quanta, quanta >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 6), len(quanta), [None, pa.py_buffer(wide.tobytes())])


def build(table: Table, rows: int, columns: Mapping[str, Any]) -> pa.Table:
    """Return an Arrow table from arrays, lists or scalars in the order and types of the schema."""
    arrays = []
    for column in table.columns:
        value, kind = columns[column.name], _ARROW[column.kind]
        if isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value)
        elif isinstance(value, np.ndarray):
            arrays.append(money(value) if column.kind == "money" else pa.array(value).cast(kind))
        elif isinstance(value, list):
            arrays.append(pa.array(value, type=kind))
        else:
            arrays.append(pa.repeat(pa.scalar(value, type=kind), rows))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def named(codes: Ints, names: Sequence[str]) -> pa.Array:
    """Return text by code."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, type=pa.string())).cast(
        pa.string()
    )


def nullable(values: Any, missing: Bools) -> pa.Array:
    """Return an array with nulls where ``missing``."""
    return pa.array(values, mask=missing)


def result_tables(done: Finished) -> dict[str, pa.Table]:
    """Return all result tables of a finished run."""
    shared = _Shared(done)
    makers: dict[str, Callable[[_Shared], tuple[int, Mapping[str, Any]]]] = {
        "runs": _runs, "coverage": _coverage, "steps": _steps, "accounts": _accounts, "positions": _positions,
        "liquidations": _liquidations, "fund": _fund, "adl_events": _adl_events, "adl_queue": _adl_queue,
        "adl_fills": _adl_fills, "watch": _watch, "funding": _funding, "ledger": _ledger,
    }  # fmt: skip
    out = {}
    for name, maker in makers.items():
        rows, columns = maker(shared)
        out[name] = build(TABLES[name], rows, {"run_id": done.run_id, **columns})
    return out


class _Shared:
    """What several tables need: joined record, clocks, names and units."""

    def __init__(self, done: Finished) -> None:
        self.done = done
        self.world, self.state, self.recorder = done.outcome.world, done.outcome.state, done.outcome.recorder
        self.book, self.market = done.book, done.market
        self.transfers = self.recorder.transfers.join()
        breaches = self.recorder.breaches.join()
        moved = np.flatnonzero(breaches["book_lots"] + breaches["taken"] + breaches["adl_lots"])
        self.breaches = {name: column[moved] for name, column in breaches.items()}
        self.liquidation_of = np.zeros(self.recorder.serial + 1, dtype=np.int64)  # the last place serves NONE
        self.liquidation_of[self.breaches["serial"]] = np.arange(1, len(moved) + 1)
        units = self.market.instruments
        self.symbols = self.world.symbols
        self.lot = np.array([float(unit.lot) for unit in units])
        self.tick = np.array([float(unit.tick) for unit in units])
        self.mark_unit = np.array([float(unit.mark_quantum) for unit in units])
        self.q_mark = np.array([unit.q_mark for unit in units], dtype=np.int64)
        self.step_ts, self.bar_ts = self._clock()
        self.cohorts = np.asarray(done.book.cohort)

    def _clock(self) -> tuple[Ints, Ints]:
        walk, bar_us = self.world.walk, self.world.bar_s * 1_000_000
        bar_ts = self.market.open_ts[self.done.first_bar :][walk.bar]
        within = walk.part * bar_us // 3 if walk.parts == 4 else np.full(len(walk.part), bar_us)
        return bar_ts + within, bar_ts

    def ts(self, step: Ints) -> Any:
        """Return the time of steps; step 0 is the opening."""
        return np.where(step > 0, self.step_ts[np.maximum(step, 1) - 1], self.bar_ts[0]).astype("datetime64[us]")

    def px(self, value: Ints, lots: Ints, symbol: Ints) -> Any:
        """Return quanta over lots as a price per base unit, correctly rounded; NaN without lots."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return value / (lots * (self.lot[symbol] * QUANTA_PER_USD))

    def symbol(self, codes: Ints) -> pa.Array:
        """Return symbol names."""
        return named(codes, self.symbols)

    def cohort(self, rows: Ints) -> pa.Array:
        """Return cohort names of book rows."""
        return named(self.cohorts[rows], self.book.cohorts)

    def liquidation(self, serial: Ints) -> pa.Array:
        """Return liquidation ids, null where there is none."""
        return nullable(self.liquidation_of[serial], serial == NONE)

    def previous(self, table: dict[str, Any], name: str) -> Any:
        """Return marks in mark quanta as prices."""
        return table[name] * self.mark_unit[table["symbol"]]


def side_name(side: Ints) -> pa.Array:
    """Return long or short."""
    return named((side < 0).astype(np.int64), ("long", "short"))


def _runs(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    market, world = s.market, s.world
    bars = int(world.walk.bar[-1]) + 1
    start, end = s.bar_ts[0], s.bar_ts[-1] + world.bar_s * 1_000_000
    derived = {
        "symbols": ",".join(s.symbols), "start_ts": int(start), "end_ts": int(end), "bar_s": world.bar_s, "bars": bars,
        "steps": world.steps, "accounts": len(np.unique(s.book.account_id)), "positions": len(s.book.lots),
        "price_source": market.labels["prices"].get("source", ""), "price_label": market.labels["prices"]["badge"],
        "mark_label": market.labels["mark"]["text"], "data_sha256": market.digest,
    }  # fmt: skip
    return 1, {**s.done.facts, **derived}


def _coverage(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    rows = s.market.coverage
    names = [column.name for column in TABLES["coverage"].columns if column.name != "run_id"]
    return len(rows), {name: [row[name] for row in rows] for name in names}


def _positions(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    world, state, book = s.world, s.state, s.book
    symbol, side, lots = world.symbol, world.side, world.lots
    opening = world.wallet - side * world.cost
    first = (world.walk.mark[:, 0] * s.q_mark)[symbol]
    last = (world.walk.mark[:, -1] * s.q_mark)[symbol]
    equity = opening + side * lots * first
    breach = np.concatenate(
        [
            breach_mark(opening[rows], (side * lots)[rows], int(s.q_mark[k]), world.tiers[k], world.rules.inclusive)
            for k in range(len(s.symbols))
            for rows in [np.flatnonzero(symbol == k)]
        ]
    )
    with np.errstate(divide="ignore"):
        leverage = lots * first / equity
    return len(lots), {
        "position_id": np.arange(len(lots)), "account_id": world.account, "symbol": s.symbol(symbol),
        "side": side_name(side), "cohort": s.cohort(np.arange(len(lots))), "lots": lots,
        "quantity_base": lots * s.lot[symbol], "cost_usd": world.cost, "entry_px": s.px(world.cost, lots, symbol),
        "collateral_usd": world.wallet, "leverage": nullable(leverage, equity <= 0),
        "liquidation_px": nullable(
            breach * s.mark_unit[symbol], (breach == NEVER_LONG) | (breach == NEVER_SHORT)
        ),
        "bankruptcy_px": s.px(-side * opening, lots, symbol), "opening_cash_usd": opening, "final_lots": state.lots,
        "final_cash_usd": state.cash, "final_equity_usd": state.cash + side * state.lots * last,
        "fate": _fates(s),
    }  # fmt: skip


FATES = ("open", "liquidated", "deleveraged", "part_liquidated", "part_deleveraged", "both")


def _fates(s: _Shared) -> pa.Array:
    """Return what became of each position."""
    count, gone = len(s.world.lots), s.state.lots == 0
    liquidated, deleveraged = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    liquidated[s.breaches["row"]] = True
    deleveraged[s.recorder.slices.join()["winner_row"]] = True
    code = np.select(
        [liquidated & deleveraged, liquidated & gone, deleveraged & gone, liquidated, deleveraged], [5, 1, 2, 3, 4], 0
    )
    return named(code, FATES)


def _accounts(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    world, state, book = s.world, s.state, s.book
    ids, first, place, count = np.unique(world.account, return_index=True, return_inverse=True, return_counts=True)
    last = (world.walk.mark[:, -1] * s.q_mark)[world.symbol]

    def total(values: Ints) -> Ints:
        out = np.zeros(len(ids), dtype=np.int64)
        np.add.at(out, place, values)
        return out

    names = dict(book.names)
    return len(ids), {
        "account_id": ids, "name": [names.get(account, "") for account in ids.tolist()] if names else "",
        "cohort": s.cohort(first), "margin_mode": "isolated", "positions": count,
        "wallet_usd": total(world.wallet), "opening_cash_usd": total(world.wallet - world.side * world.cost),
        "final_cash_usd": total(state.cash), "final_equity_usd": total(state.cash + world.side * state.lots * last),
    }  # fmt: skip


def _liquidations(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    b, rows = s.breaches, s.breaches["row"]
    symbol, side, lots = b["symbol"], b["side"], b["lots"]
    start = s.step_ts[np.maximum(b["step"] - 2, 0)]
    end = s.step_ts[b["step"] - 1]
    gap = s.world.walk.gap[b["step"] - 1]
    ts = np.where(gap, end, start + (end - start) * b["passed"] // np.maximum(b["length"], 1))
    order_ts = np.maximum.accumulate(end) if len(end) else end
    cascade = 1 + np.cumsum(np.diff(order_ts, prepend=order_ts[:1]) > CASCADE_GAP_US)
    closed = b["book_lots"] + b["taken"] + b["adl_lots"]
    owners = ("account", "fund", "vault")
    taken_by = np.where(b["taken_by"] == FUND, 1, np.where(b["taken_by"] == VAULT, 2, 0))
    return len(rows), {
        "liquidation_id": np.arange(1, len(rows) + 1), "cascade_id": cascade, "step": b["step"],
        "ts": ts.astype("datetime64[us]"), "symbol": s.symbol(symbol), "account_id": s.world.account[rows],
        "position_id": rows, "side": side_name(side), "cohort": s.cohort(rows), "lots": lots,
        "quantity_base": lots * s.lot[symbol], "mark_px": b["mark"] * s.mark_unit[symbol], "equity_usd": b["equity"],
        "maintenance_usd": b["need"], "notional_usd": lots * b["mark"] * s.q_mark[symbol],
        "closed_usd": closed * b["mark"] * s.q_mark[symbol], "bankruptcy_usd": b["bankruptcy"], "bankruptcy_px": s.px(b["bankruptcy"], lots, symbol),
        "skipped_book": b["skipped"].astype(bool), "refused": b["refused"].astype(bool), "book_lots": b["book_lots"],
        "book_usd": b["book_value"],
        "book_px": nullable(s.px(b["book_value"], b["book_lots"], symbol), b["book_lots"] == 0),
        "fee_usd": b["fee"], "residual_usd": b["residual"],
        "residual_owner": s.world.rules.residual_owner if s.world.rules.residual_owner in owners else "",
        "takeover_lots": b["taken"], "takeover_usd": b["taken_amount"],
        "takeover_by": named(taken_by, ("", "fund", "vault")), "adl_lots": b["adl_lots"], "adl_usd": b["adl_amount"],
        "kept_lots": lots - closed,
    }  # fmt: skip


def _fund(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    """Derive every movement of fund and vault from the transfers, with running balances."""
    t = s.transfers
    mine_a, mine_b = np.isin(t["a"], (FUND, VAULT)), np.isin(t["b"], (FUND, VAULT))
    at = np.flatnonzero(mine_a | mine_b)
    as_a = mine_a[at]
    pool = np.where(as_a, t["a"][at], t["b"][at])
    sign = np.where(as_a, 1, -1)
    rules = s.world.rules
    opening = [(FUND, rules.fund_start)] + ([(VAULT, rules.vault.capital)] if rules.vault else [])
    head = len(opening)
    pools = np.concatenate([np.array([code for code, _ in opening], dtype=np.int64), pool])
    amount = np.concatenate([np.array([cash for _, cash in opening], dtype=np.int64), sign * t["amount"][at]])
    cash = np.zeros(len(pools), dtype=np.int64)
    for code in (FUND, VAULT):
        own = pools == code
        cash[own] = np.cumsum(amount[own])
    zeros = np.zeros(head, dtype=np.int64)
    step = np.concatenate([zeros, t["step"][at]])
    causes = ("opening", *CAUSES)
    return len(pools), {
        "movement_id": np.arange(1, len(pools) + 1), "step": step, "ts": s.ts(step),
        "pool": named((pools == VAULT).astype(np.int64), ("fund", "vault")),
        "cause": named(np.concatenate([zeros, t["cause"][at] + 1]), causes),
        "symbol": named(np.concatenate([zeros, t["symbol"][at] + 1]), ("", *s.symbols)),
        "liquidation_id": s.liquidation(np.concatenate([zeros + NONE, t["serial"][at]])),
        "lots": np.concatenate([zeros, sign * t["lots"][at]]), "amount_usd": amount, "cash_usd": cash,
    }  # fmt: skip


def _adl_events(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    waves = s.recorder.waves
    get = {name: np.array([wave[name] for wave in waves], dtype=np.int64) for name in (
        "wave", "step", "symbol", "side", "bankrupts", "candidates", "wanted", "closed", "unmatched", "notional",
        "candidate_value", "winners", "skipped", "mark", "previous", "difference",
    )}  # fmt: skip
    to = {"uncovered": "market", "fund_negative": "fund"}[s.world.rules.on_exhausted]
    unmatched_to = [
        "" if not wave["unmatched"] else (to if wave["source"] == "account" else wave["source"]) for wave in waves
    ]
    return len(waves), {
        "wave_id": get["wave"], "step": get["step"], "ts": s.ts(get["step"]), "symbol": s.symbol(get["symbol"]),
        "bankrupt_side": side_name(get["side"]), "source": [wave["source"] for wave in waves],
        "bankrupts": get["bankrupts"], "candidates": get["candidates"], "lots_wanted": get["wanted"],
        "lots_closed": get["closed"], "lots_unmatched": get["unmatched"], "unmatched_to": unmatched_to,
        "notional_usd": get["notional"], "candidate_usd": get["candidate_value"], "winners": get["winners"],
        "skipped": get["skipped"], "close_rule": s.world.rules.close_price, "mark_px": s.previous(get, "mark"),
        "previous_mark_px": s.previous(get, "previous"), "difference_usd": get["difference"],
    }  # fmt: skip


def _adl_queue(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    q = s.recorder.queue.join()
    status = np.select([q["closed"] == q["lots"], q["closed"] > 0, q["skipped"] > 0], [0, 1, 2], 3)
    return len(q["wave"]), {
        "wave_id": q["wave"], "step": q["step"], "ts": s.ts(q["step"]), "symbol": s.symbol(q["symbol"]),
        "rank": q["rank"], "account_id": s.world.account[q["row"]], "position_id": q["row"],
        "side": side_name(q["side"]), "cohort": s.cohort(q["row"]), "lots": q["lots"], "notional_usd": q["value"],
        "score": q["score"], "pnl_usd": q["pnl"], "equity_usd": q["equity"], "leverage": q["value"] / q["equity"],
        "notional_ahead_usd": q["ahead"], "closed_lots": q["closed"],
        "status": named(status, ("closed", "partial", "skipped", "spared")),
    }  # fmt: skip


def _adl_fills(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    f, rows = s.recorder.slices.join(), s.recorder.slices.join()["winner_row"]
    symbol, winner, lots = f["symbol"], -f["side"], f["lots"]
    value = lots * f["mark"] * s.q_mark[symbol]
    accounts = s.world.account[np.maximum(f["bankrupt_row"], 0)]
    bankrupt = [
        str(account) if source == ACCOUNT else OWNERS[source]
        for account, source in zip(accounts.tolist(), f["source"].tolist(), strict=True)
    ]
    return len(rows), {
        "fill_id": np.arange(1, len(rows) + 1), "wave_id": f["wave"], "step": f["step"], "ts": s.ts(f["step"]),
        "symbol": s.symbol(symbol), "bankrupt": bankrupt, "liquidation_id": s.liquidation(f["serial"]),
        "account_id": s.world.account[rows], "position_id": rows, "side": side_name(winner), "cohort": s.cohort(rows),
        "rank": f["rank"], "score": f["score"], "lots": lots, "quantity_base": lots * s.lot[symbol],
        "amount_usd": f["amount"], "close_px": s.px(f["amount"], lots, symbol), "mark_px": s.previous(f, "mark"),
        "notional_usd": value, "notional_ahead_usd": f["ahead"], "bankrupt_usd": f["owed"],
        "difference_usd": f["side"] * (f["amount"] - f["owed"]), "immediate_usd": winner * (f["amount"] - value),
        "realized_usd": winner * (f["amount"] - f["cost"]),
    }  # fmt: skip


def _watch(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    rows = s.recorder.watch
    get = {name: np.array([row[name] for row in rows], dtype=np.int64) for name in (
        "row", "wave", "step", "symbol", "in_queue", "rank", "ahead", "candidates", "lots", "closed", "amount", "mark",
    )}  # fmt: skip
    account, out = s.world.account[get["row"]], get["in_queue"] == 0
    return len(rows), {
        "name": [s.book.names.get(int(a), str(a)) for a in account], "account_id": account, "position_id": get["row"],
        "symbol": s.symbol(get["symbol"]), "side": side_name(s.world.side[get["row"]]),
        "hedged": [int(a) in s.book.hedged for a in account], "wave_id": get["wave"], "step": get["step"],
        "ts": s.ts(get["step"]), "in_queue": ~out, "rank": nullable(get["rank"], out),
        "candidates": get["candidates"],
        "notional_ahead_usd": _money_or_null(get["ahead"], out),
        "score": nullable(np.array([row["score"] for row in rows], dtype=np.float64), out), "lots": get["lots"],
        "closed_lots": get["closed"],
        "close_px": nullable(s.px(get["amount"], get["closed"], get["symbol"]), get["closed"] == 0),
        "mark_px": s.previous(get, "mark"),
    }  # fmt: skip


def _money_or_null(quanta: Ints, missing: Bools) -> pa.Array:
    values = money(quanta).to_pylist()
    return pa.array([None if gone else v for v, gone in zip(values, missing, strict=True)], type=pa.decimal128(18, 6))


def _funding(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    """Accrued funding per event, symbol, side and cohort in 1e-6 quanta; the events of a symbol sum to zero."""
    from decimal import Decimal

    rows: list[tuple[Any, ...]] = []
    for event in s.recorder.funding:
        symbol = event["symbol"]
        for side, lots in event["lots"].items():
            block = s.state.blocks[symbol, side]
            for code in range(len(s.book.cohorts)):
                held = int(lots[s.cohorts[block] == code].sum())
                if held:
                    rows.append((event, "long" if side > 0 else "short", s.book.cohorts[code], side * held))
        for name, held in zip(("fund", "vault", "market"), event["pools"], strict=True):
            if held:
                rows.append((event, "long" if held > 0 else "short", name, held))
    step = np.array([event["step"] for event, *_ in rows], dtype=np.int64)
    marks = [event["mark"] * float(s.mark_unit[event["symbol"]]) for event, *_ in rows]
    return len(rows), {
        "step": step, "ts": s.ts(step), "symbol": [s.symbols[event["symbol"]] for event, *_ in rows],
        "side": [side for _, side, _, _ in rows], "cohort": [cohort for _, _, cohort, _ in rows],
        "rate": [event["rate"] / 1e9 for event, *_ in rows], "mark_px": marks, "lots": [abs(held) for *_, held in rows],
        "amount_usd": [Decimal(-held * event["change"]).scaleb(-12) for event, _, _, held in rows],
    }  # fmt: skip


def _ledger(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    """Write every transfer as two legs, after one opening entry that lists what each owner starts with."""
    t, count = s.transfers, len(s.transfers["step"])
    head = _opening(s)
    both = np.repeat(np.arange(count), 2)
    first = np.arange(2 * count) % 2 == 0
    owner = np.where(first, t["a"][both], t["b"][both])
    row = np.where(first, t["a_row"][both], t["b_row"][both])
    sign = np.where(first, 1, -1)

    def joined(name: str, values: Ints) -> Ints:
        return np.concatenate([np.array([leg[name] for leg in head], dtype=np.int64), values])

    step = joined("step", t["step"][both])
    account_row = joined("row", row)
    return len(step), {
        "entry_id": joined("entry", both + 1), "step": step, "ts": s.ts(step),
        "cause": named(joined("cause", t["cause"][both] + 1), ("opening", *CAUSES)),
        "symbol": named(joined("symbol", t["symbol"][both]) + 1, ("", *s.symbols)),
        "owner": named(joined("owner", owner), OWNERS),
        "account_id": nullable(s.world.account[np.maximum(account_row, 0)], account_row == NONE),
        "lots": joined("lots", sign * t["lots"][both]), "amount_usd": joined("amount", sign * t["amount"][both]),
    }  # fmt: skip


def _opening(s: _Shared) -> list[dict[str, int]]:
    world, rules = s.world, s.world.rules
    legs = []
    total = rules.fund_start + (rules.vault.capital if rules.vault else 0)
    for symbol in range(len(s.symbols)):
        mine = world.symbol == symbol
        lots = int((world.side * world.lots)[mine].sum())
        cash = int((world.wallet - world.side * world.cost)[mine].sum())
        market = lots * int(world.walk.mark[symbol, 0]) * int(s.q_mark[symbol])
        total += cash + market
        legs += [
            {"owner": OWNERS.index("account"), "symbol": symbol, "lots": lots, "amount": cash},
            {"owner": OWNERS.index("market"), "symbol": symbol, "lots": -lots, "amount": market},
        ]
    legs.append({"owner": FUND, "symbol": NONE, "lots": 0, "amount": rules.fund_start})
    if rules.vault:
        legs.append({"owner": VAULT, "symbol": NONE, "lots": 0, "amount": rules.vault.capital})
    legs.append({"owner": OWNERS.index("opening"), "symbol": NONE, "lots": 0, "amount": -total})
    return [{"entry": 0, "step": 0, "cause": 0, "row": NONE, **leg} for leg in legs]


def _steps(s: _Shared) -> tuple[int, Mapping[str, Any]]:
    from backtest.steps import step_columns

    return step_columns(s)
