"""The ``steps`` table: the whole path with running balances, derived from the transfers of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.engine.prices import flow_of
from backtest.engine.records import ACCOUNT, CAUSES, FUND, VAULT
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Floats, Ints
from backtest.mechanics.margin import maintenance
from backtest.mechanics.path import freed
from backtest.run.tables.arrow import nullable
from backtest.run.tables.ledger import fund_starts, vault_starts
from backtest.run.tables.shared import Columns, Shared


def steps(s: Shared) -> tuple[int, Columns]:
    """Return the columns of ``steps``: one row per step and symbol, symbols within a step in order."""
    world, walk, first = s.world, s.world.walk, s.done.first_bar
    steps, symbols = world.steps, len(s.symbols)
    shape = (symbols, steps)
    value = s.at(s.mark)  # quanta per lot
    interest = _open_interest(s, shape)
    funds = [pool_path(s, FUND, shape, value, number) for number in s.funds]
    vaults = [pool_path(s, VAULT, shape, value, number) for number in s.vaults]
    margins = [_margin(s, vault, value) for vault in vaults]
    own, own_vault = s.ledger.fund_of, s.ledger.vault_of
    leverage = np.stack([margins[number].leverage for number in own_vault])
    b = s.breaches
    notional = (b.lots - b.deferred_lots) * s.each(b.symbol, b.mark)
    is_long = b.side > 0
    at = (b.symbol, b.step - 1)
    waves = s.record.waves
    wave_symbol = np.array([wave.symbol for wave in waves], dtype=np.int64)
    wave_step = np.array([wave.step - 1 for wave in waves], dtype=np.int64)

    def total(where: tuple[Any, Any], amounts: Any) -> Ints:
        out = np.zeros(shape, dtype=np.int64)
        np.add.at(out, where, amounts)
        return out

    def each(values: Any) -> Any:  # (symbols, steps) -> rows
        return np.ascontiguousarray(np.broadcast_to(values, shape).T).ravel()

    used = total(at, b.book_lots) + _unwound(s, shape)
    reached = reached_in(s)
    rounds, capped = np.ones(steps, dtype=np.int64), np.zeros(steps, dtype=bool)
    for each_step in s.record.rounds:
        rounds[each_step.step - 1], capped[each_step.step - 1] = len(each_step.marks), each_step.capped
    columns = {
        "step": each(np.arange(1, steps + 1)),
        "ts": each(s.step_ts).astype("datetime64[us]"),
        "bar_ts": each(s.bar_ts).astype("datetime64[us]"),
        "symbol": s.symbol(each(np.arange(symbols)[:, None])),
        "jump": each(walk.jump),
        "bridged": each(s.market.bridged[:, first:][:, walk.bar]),
        "trade_px": each(s.trade * s.tick[:, None]),
        "mark_px": each(s.mark * s.mark_unit[:, None]),
        "mark_low_px": each(reached.mark_low * s.mark_unit[:, None]),
        "mark_high_px": each(reached.mark_high * s.mark_unit[:, None]),
        "trade_low_px": each(reached.trade_low * s.tick[:, None]),
        "trade_high_px": each(reached.trade_high * s.tick[:, None]),
        "tape_mark_px": each(walk.mark * s.mark_unit[:, None]),
        "lot_value_usd": each(value),
        "long_lots": each(interest.long),
        "short_lots": each(interest.short),
        "long_oi_usd": each(interest.long * value),
        "short_oi_usd": each(interest.short * value),
        "liquidations": each(total(at, 1)),
        "liquidated_long_usd": each(total(at, np.where(is_long, notional, 0))),
        "liquidated_short_usd": each(total(at, np.where(is_long, 0, notional))),
        "adl_usd": each(total((wave_symbol, wave_step), np.array([wave.notional for wave in waves], dtype=np.int64))),
        "liquidity_left_lots": each(_buckets(s, used)),
        "flow_lots": each(flow_of(s.record, symbols, steps).total),
        "rounds": each(rounds),
        "rounds_capped": each(capped),
        "fund_usd": each(sum(fund.cash for fund in funds)),
        "fund_equity_usd": each(sum(fund.equity for fund in funds)),
        "own_fund_usd": each(np.stack([funds[number].cash for number in own])),
        "own_fund_equity_usd": each(np.stack([funds[number].equity for number in own])),
        "adl_on": each(_adl_on(s, shape)),
        "vault_usd": each(sum(vault.cash for vault in vaults)),
        "vault_equity_usd": each(sum(vault.equity for vault in vaults)),
        "own_vault_usd": each(np.stack([vaults[number].cash for number in own_vault])),
        "own_vault_equity_usd": each(np.stack([vaults[number].equity for number in own_vault])),
        "vault_leverage": nullable(each(leverage), each(leverage < 0)),
        "vault_excess_usd": each(np.stack([margins[number].excess for number in own_vault])),
        "pool_lots": each(sum(pool.lots for pool in (*funds, *vaults))),
        "residual_usd": each(_residual(s, steps)),
    }
    return steps * symbols, columns


@dataclass(frozen=True, slots=True)
class Legs:
    """All legs of one owner; ``at`` is the step from 0, ``row`` the book row of an account or the number of a pool."""

    at: Ints
    symbol: Ints
    row: Ints
    lots: Ints
    cash: Ints


@dataclass(frozen=True, slots=True)
class PoolPath:
    """Cash and equity (steps) and signed lots (symbols, steps) of a fund or a vault after each step."""

    cash: Ints
    equity: Ints
    lots: Ints


@dataclass(frozen=True, slots=True)
class PoolMargin:
    """Leverage of a pool after each step, -1 without equity, and its equity less maintenance; shape (steps)."""

    leverage: Floats
    excess: Ints


def _margin(s: Shared, pool: PoolPath, value: Ints) -> PoolMargin:
    """Return what margin a pool would need as a cross account: by symbol, on the lots of all its claims."""
    notional = np.abs(pool.lots) * value
    required = sum(maintenance(notional[symbol], tiers) for symbol, tiers in enumerate(s.world.tiers))
    equity = np.where(pool.equity > 0, pool.equity, -1)
    leverage = np.where(equity > 0, notional.sum(axis=0) / equity, -1.0)
    return PoolMargin(leverage, pool.equity - required)


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open lots of accounts after each step, shape (symbols, steps)."""

    long: Ints
    short: Ints


@dataclass(frozen=True, slots=True)
class Reached:
    """The range of each step over all its rounds, shape (symbols, steps): marks walked, and trade prices of fills."""

    mark_low: Ints
    mark_high: Ints
    trade_low: Ints
    trade_high: Ints


def reached_in(s: Shared) -> Reached:
    """Return the ranges: from the price before, where time passes since, over the end of every round."""
    world, walk = s.world, s.world.walk
    moved = s.trade - walk.trade  # what a trade price is displaced by, and with it the bar's trade range

    def before(column: Ints) -> Ints:
        return np.where(walk.jump, column, np.concatenate([column[:, :1], column[:, :-1]], axis=1))

    mark_low, mark_high = np.minimum(s.mark, before(s.mark)), np.maximum(s.mark, before(s.mark))
    down, up = np.minimum(moved, before(moved)), np.maximum(moved, before(moved))
    for rounds in s.record.rounds:
        place = rounds.step - 1
        marks, shifts = np.array(rounds.marks), np.array(rounds.trades) - walk.trade[:, place]
        mark_low[:, place] = np.minimum(mark_low[:, place], marks.min(axis=0))
        mark_high[:, place] = np.maximum(mark_high[:, place], marks.max(axis=0))
        down[:, place] = np.minimum(down[:, place], shifts.min(axis=0))
        up[:, place] = np.maximum(up[:, place], shifts.max(axis=0))
    low, high = world.trade_low[:, walk.bar], world.trade_high[:, walk.bar]
    return Reached(mark_low, mark_high, np.maximum(low + down, np.minimum(low, 1)), high + up)


def _legs(s: Shared, owner: int) -> Legs:
    t = s.transfers
    a, b = np.flatnonzero(t.taker == owner), np.flatnonzero(t.giver == owner)
    both = np.concatenate([a, b])
    sign = np.concatenate([np.ones(len(a), dtype=np.int64), -np.ones(len(b), dtype=np.int64)])
    row = np.concatenate([t.taker_row[a], t.giver_row[b]])
    return Legs(t.step[both] - 1, t.symbol[both], row, sign * t.lots[both], sign * t.cash[both])


def _open_interest(s: Shared, shape: tuple[int, int]) -> OpenInterest:
    legs, book = _legs(s, ACCOUNT), s.world.book

    def of(side: int) -> Ints:
        change = np.zeros(shape, dtype=np.int64)
        mine = book.side[legs.row] == side
        np.add.at(change, (legs.symbol[mine], legs.at[mine]), side * legs.lots[mine])
        start = [int(book.lots[book.block(symbol, side)].sum()) for symbol in range(shape[0])]
        lots: Ints = np.array(start, dtype=np.int64)[:, None] + np.cumsum(change, axis=1)
        return lots

    return OpenInterest(of(LONG), of(SHORT))


def _adl_on(s: Shared, shape: tuple[int, int]) -> Any:
    """Return where deleveraging is on at the end of a step."""
    out = np.zeros(shape, dtype=bool)
    if s.world.rules.drawdown:
        starts = fund_starts(s)
        out[[starts[number] <= 0 for number in s.ledger.fund_of]] = True
    for event in s.record.fund_events:
        if event.event in {"adl_on", "adl_off"}:
            out[event.symbol, event.step - 1 :] = event.event == "adl_on"
    return out


def pool_path(s: Shared, owner: int, shape: tuple[int, int], value: Ints, number: int = 0) -> PoolPath:
    """Return cash, equity and lots of a fund or a vault after each step; ``value`` is that of a lot at the marks."""
    start = fund_starts(s)[number] if owner == FUND else (vault_starts(s) or [0])[number]
    legs = _legs(s, owner)
    mine = legs.row == number
    at, symbol, lots = legs.at[mine], legs.symbol[mine], legs.lots[mine]
    paid, change = np.zeros(shape[1], dtype=np.int64), np.zeros(shape, dtype=np.int64)
    np.add.at(paid, at, legs.cash[mine])
    np.add.at(change, (symbol, at), lots)
    balance, held = start + np.cumsum(paid), np.cumsum(change, axis=1)
    moved = np.zeros(shape, dtype=bool)
    moved[symbol[lots != 0], at[lots != 0]] = True
    equity = balance + (s.value_signs[:, None] * held * value).sum(axis=0) - _unsettled(s, held, moved)
    return PoolPath(balance, equity, held)


def _unsettled(s: Shared, held: Ints, moved: Any) -> Ints:
    """Return funding a pool owes since it last settled, per step; a change of lots settles."""
    index = np.zeros(held.shape, dtype=np.int64)
    for event in s.record.funding:
        index[event.symbol, event.step - 1 :] += event.change
    if not index.any() or not held.any():
        return np.zeros(held.shape[1], dtype=np.int64)
    steps = np.arange(held.shape[1])
    last = np.maximum.accumulate(np.where(moved, steps, -1), axis=1)
    settled = np.where(last >= 0, np.take_along_axis(index, np.maximum(last, 0), axis=1), 0)
    due: Ints = (held.astype(object) * (index - settled) // 1_000_000).sum(axis=0).astype(np.int64)
    return due


def _unwound(s: Shared, shape: tuple[int, int]) -> Ints:
    t = s.transfers
    mine = np.flatnonzero(t.cause == CAUSES.index("unwind"))
    out = np.zeros(shape, dtype=np.int64)
    np.add.at(out, (t.symbol[mine], t.step[mine] - 1), np.abs(t.lots[mine]))
    return out


def _buckets(s: Shared, used: Ints) -> Ints:
    """Return the liquidity left in the bar after each step."""
    world, walk, rules = s.world, s.world.walk, s.world.rules
    shares = [scale * rules.participation for scale in rules.scale]
    capacity = np.array(
        [
            [int(v) * share.numerator // share.denominator for v in row]
            for row, share in zip(world.volume.tolist(), shares, strict=True)
        ],
        dtype=np.int64,
    )
    spent = np.cumsum(used, axis=1)
    before = np.where(walk.bar > 0, spent[:, np.maximum(walk.bar * walk.parts - 1, 0)], 0)
    left: Ints = freed(capacity[:, walk.bar], walk.part, walk.parts) - (spent - before)
    return left


def _residual(s: Shared, steps: int) -> Ints:
    """Return the sum of all owners' cash after each step, from opening balances and both legs of every transfer."""
    world, rules = s.world, s.world.rules
    opening = int((world.book.collateral - s.sign * world.book.entry_value).sum()) + rules.fund_start
    opening += rules.vault.capital if rules.vault else 0
    for symbol in range(len(s.symbols)):
        signed = int((world.book.side * world.book.lots)[world.book.symbol == symbol].sum())
        opening += (
            int(s.value_signs[symbol])
            * signed
            * s.world.contracts[symbol].value_per_lot(int(world.walk.mark[symbol, 0]))
        )
    change = np.zeros(steps, dtype=np.int64)
    for owner in range(8):
        legs = _legs(s, owner)
        np.add.at(change, legs.at, legs.cash)
    return opening + s.ledger.opening.cash + np.cumsum(change)
