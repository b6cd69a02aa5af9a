"""Acts 3 to 5b of a step: breaches, book fills, fees, residual collateral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.engine.acts.funding import settle, settle_owner
from backtest.engine.detect import cross
from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.records import ACCOUNT, FUND, MARKET, NONE, VAULT, VENUE, Recorder
from backtest.engine.state import LONG, SHORT, Owner, State
from backtest.mechanics.exact import Bools, Ints, mul_rate
from backtest.mechanics.fund import Pool
from backtest.mechanics.impact import IMPACTS
from backtest.mechanics.liquidation.base import LiquidationBatch
from backtest.mechanics.liquidation.rules import LIQUIDATION_RULES
from backtest.mechanics.margin import maintenance
from backtest.mechanics.path import trade_at

OWNER_CODES = {"account": ACCOUNT, "fund": FUND, "vault": VAULT, "venue": VENUE}


@dataclass(slots=True)
class Breaches:
    """Positions in breach in one step, in crossing order; money in quanta.

    ``owed`` is the bankruptcy amount of the lots ``left``; ``passed`` of ``length`` is the crossing's place on
    the segment. ``worth`` is the sign of the position's value. ``others`` is the maintenance of what else the account
    of a cross position holds, where that is liquidated later. ``taken_by`` is an owner code or -1.
    """

    rows: Ints
    symbol: Ints
    side: Ints
    worth: Ints
    mark: Ints
    passed: Ints
    length: Ints
    lots: Ints
    bankruptcy: Ints
    equity: Ints
    need: Ints
    others: Ints
    serial: Ints
    left: Ints
    owed: Ints
    skipped: Bools
    refused: Bools
    book_lots: Ints
    book_value: Ints
    book_owed: Ints
    fee: Ints
    residual: Ints
    taken: Ints
    taken_amount: Ints
    taken_by: Ints
    adl_lots: Ints
    adl_amount: Ints
    kept: Ints


def find(state: State, ladders: Mapping[tuple[int, int], Ladder | SteppedLadder], recorder: Recorder) -> Breaches:
    """Find all breaches on the segment, in crossing order: fraction of the segment, symbol, account, long first."""
    gap, starts = state.prices.gap, state.prices.starts
    found: list[tuple[Ints, ...]] = []
    for (symbol, _), ladder in ladders.items():
        rows, marks = ladder.crossed(starts[symbol], state.marks[symbol], gap)
        if rows.size:
            length = 1 if gap else max(abs(state.marks[symbol] - starts[symbol]), 1)
            passed = np.zeros_like(marks) if gap else np.abs(marks - starts[symbol])
            found.append(_isolated(state, rows, marks, passed, np.full(len(rows), length, dtype=np.int64)))
    state.found = _sorted([part[0] for part in found])
    if state.crossed is not None:
        found += cross.find(state, recorder, starts, gap)
    state.breached = np.union1d(state.breached, state.found) if state.breached.size else state.found
    return judge(state, recorder, found)


def find_again(state: State, recorder: Recorder, before: Breaches) -> Breaches:
    """Find the next positions of cross accounts whose first ones are gone, at the marks at the end of the step."""
    return judge(state, recorder, cross.find_again(state, before.rows[before.kept > 0]))


def _sorted(parts: list[Ints]) -> Ints:
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *parts]))


def _isolated(state: State, rows: Ints, marks: Ints, passed: Ints, length: Ints) -> tuple[Ints, ...]:
    """Return what detection fixes of isolated positions: bankruptcy amount (funding settled), equity, maintenance."""
    symbol = int(state.world.symbol[rows[0]])
    value = state.lots[rows] * state.world.contract(symbol).values_per_lot(marks)
    cash = state.cash[rows] - state.owed_funding(rows)
    sign = state.worth_side[rows]
    need = maintenance(value, state.world.tiers[symbol])
    return rows, marks, passed, length, -sign * cash, cash + sign * value, need, np.zeros_like(need)


def _crossing_order(passed: Ints, length: Ints, symbol: Ints, account: Ints, side: Ints) -> Ints:
    """Order by passed / length exactly, then symbol, account, longs first."""
    fraction = passed / length if len(passed) else passed
    if len(passed) and int(length.max()) >= 2**25:  # two different fractions could share a float
        exact = [Fraction(int(a), int(b)) for a, b in zip(passed, length, strict=True)]
        places = {value: place for place, value in enumerate(sorted(set(exact)))}
        fraction = np.array([places[value] for value in exact], dtype=np.int64)
    return np.lexsort((-side, account, symbol, fraction))


def judge(state: State, recorder: Recorder, found: list[tuple[Ints, ...]]) -> Breaches:
    """Put positions in breach in crossing order; what detection fixed of each is given, funding settled."""
    world, none = state.world, np.empty(0, dtype=np.int64)
    columns = [np.concatenate([none, *(part[k] for part in found)]) for k in range(8)]
    rows = columns[0]
    order = _crossing_order(columns[2], columns[3], world.symbol[rows], world.account[rows], world.side[rows])
    rows, mark, passed, length, owed, equity, need, others = (column[order] for column in columns)
    count = len(rows)
    lots = state.lots[rows]
    serial = np.arange(recorder.serial, recorder.serial + count)
    recorder.serial += count

    def zeros() -> Ints:
        return np.zeros(count, dtype=np.int64)

    return Breaches(
        rows, world.symbol[rows], world.side[rows], state.worth_side[rows], mark, passed, length, lots, owed, equity,
        need, others, serial, lots.copy(), owed.copy(), equity < 0, np.zeros(count, dtype=bool), zeros(), zeros(),
        zeros(), zeros(), zeros(), zeros(), zeros(), np.full(count, NONE, dtype=np.int64), zeros(), zeros(), zeros(),
    )  # fmt: skip


def to_book(state: State, recorder: Recorder, breaches: Breaches, *, at_end: bool) -> None:
    """Send orders to the book, symbol by symbol: sizes, base prices, one shift per side, limits, one bucket.

    ``at_end`` orders are based on the trade price at the end of the segment.
    """
    rules = state.world.rules
    rule = LIQUIDATION_RULES[rules.liquidation_rule]
    for symbol in np.unique(breaches.symbol).tolist():
        bucket = state.bucket(symbol)
        mine = np.flatnonzero(breaches.symbol == symbol)
        batch = _batch(state, breaches, symbol, mine, at_end)
        if not batch.may_order.any() and not rule.per_block:
            continue
        wanted = rule.order_sizes(batch)
        start, end = state.prices.trades[symbol].tolist()
        base = np.full(len(mine), end) if at_end else trade_at(start, end, breaches.passed[mine], breaches.length[mine])
        fills = rule.fill(batch, wanted, _prices(state, breaches, symbol, mine, wanted, bucket, base), bucket)
        state.sent(breaches.rows[mine[(wanted > 0) & batch.first_order]])
        breaches.refused[mine], breaches.skipped[mine] = fills.refused, ~batch.may_order
        hit = fills.lots > 0
        if hit.any():
            _fill(state, recorder, breaches, symbol, mine[hit], fills.lots[hit], fills.price[hit])
        if fills.fund_payment is not None:
            fund_pays(state, recorder, breaches, mine, fills.fund_payment)
        breaches.kept[mine[fills.deferred]] = breaches.left[mine[fills.deferred]]
    if rule.per_block and rules.block is not None:  # of those that go on to ADL, the first; the others wait
        later = np.flatnonzero(breaches.left > breaches.kept)[state.blocks_passed() * rules.block.deleverages :]
        breaches.kept[later] = breaches.left[later]


def fund_pays(state: State, recorder: Recorder, breaches: Breaches, mine: Ints, short: Ints) -> None:
    """Let the fund pay what book fills of a symbol lack to their bankruptcy amount."""
    at = mine[short > 0]
    if at.size:
        amount, symbol = short[short > 0], int(breaches.symbol[at[0]])
        fund = state.fund_for(symbol)
        state.cash[breaches.rows[at]] += amount
        state.accounts_cash += int(amount.sum())
        fund.receive(symbol, -int(amount.sum()))
        recorder.transfer(
            state.step, "shortfall", symbol, ACCOUNT, breaches.rows[at], FUND, fund.number, np.zeros_like(amount),
            amount, breaches.serial[at],
        )  # fmt: skip


def _batch(state: State, breaches: Breaches, symbol: int, mine: Ints, at_end: bool) -> LiquidationBatch:
    """Return the positions of a symbol as a rule sees them."""
    world, rules = state.world, state.world.rules
    passed = breaches.passed[mine]
    first, paused = state.episode(breaches.rows[mine], np.zeros_like(passed) if at_end else passed)
    return LiquidationBatch(
        value_sign=breaches.worth[mine],
        lots=breaches.lots[mine],
        bankruptcy_value=breaches.bankruptcy[mine],
        value_per_lot=world.contract(symbol).values_per_lot(breaches.mark[mine]),
        may_order=_may_order(state, breaches, mine),
        first_order=first,
        in_pause=paused,
        tiers=world.tiers[symbol],
        inclusive=rules.inclusive,
        contract=world.contract(symbol),
        mark_per_tick=world.mark_per_tick[symbol],
        fee_e9=rules.fee_e9,
        other_maintenance=breaches.others[mine],
        block_count=state.blocks_passed(),
        part_terms=rules.part,
        block_terms=rules.block,
        fund_headroom=max(state.pool_equity(state.fund_for(symbol)) - rules.fund_floor, 0),
    )


def _may_order(state: State, breaches: Breaches, mine: Ints) -> Bools:
    """Return who sends an order: those not below zero, or by the venue's number of orders the first to cross."""
    rules = state.world.rules
    if not LIQUIDATION_RULES[rules.liquidation_rule].per_block or rules.block is None:
        return breaches.equity[mine] >= 0
    return mine < state.blocks_passed() * rules.block.orders


def _prices(state: State, breaches: Breaches, symbol: int, mine: Ints, wanted: Ints, bucket: int, base: Ints) -> Ints:
    """Return fill prices in ticks: the trade price at the crossing, less one shift per side."""
    price = base
    for side in (LONG, SHORT):
        alike = breaches.side[mine] == side
        price = np.where(alike, _shifted(state, symbol, side, base, np.where(alike, wanted, 0), bucket), price)
    return price


def _shifted(state: State, symbol: int, side: int, base: Ints, wanted: Ints, bucket: int) -> Ints:
    """Return base prices moved against the liquidated side by the step's shift, inside the bar's trade range."""
    orders = np.flatnonzero(wanted)
    if not orders.size:
        return base
    total = min(int(wanted.sum()), bucket)
    return forced_price(state, symbol, side, base, int(base[orders[0]]), total)


def forced_price(state: State, symbol: int, side: int, base: Ints, first: int, lots: int) -> Ints:
    """Return ``base`` less the impact of ``lots`` ordered at ``first``, clamped to the bar's trade range."""
    rules, bar = state.world.rules, state.bar
    low, high = state.prices.trade_range(symbol, bar)
    scale = rules.scale[symbol]
    volume = Fraction(int(state.world.volume[symbol, bar])) * scale
    shift = IMPACTS[rules.impact].shift(
        first, rules.strength, lots, volume, state.world.bands(symbol, bar, -side, scale)
    )
    if shift is None:  # liquidity carried without volume: the worst price of the bar
        return np.full(len(base), low if side > 0 else high, dtype=np.int64)
    most = high + int(base.max(initial=0))  # more moves no price further, and may leave 64 bits
    return np.clip(base - side * min(shift, most), low, high)


def _fill(state: State, recorder: Recorder, breaches: Breaches, symbol: int, at: Ints, lots: Ints, price: Ints) -> None:
    rows, side = breaches.rows[at], breaches.side[at]
    settle(state, recorder, rows)
    settle_owner(state, recorder, state.market, symbol)
    value = state.world.traded(symbol, price) * lots
    owed = cut(state, breaches, at, lots)
    breaches.book_lots[at] = lots
    breaches.book_value[at] = value
    breaches.book_owed[at] = owed
    cash, moved = breaches.worth[at] * value, side * lots
    state.cash[rows] += cash
    move_to(state, symbol, state.market, int(cash.sum()), int(moved.sum()))
    state.used[symbol] += int(lots.sum())
    state.flow[symbol] -= int(moved.sum())
    recorder.transfer(state.step, "book", symbol, ACCOUNT, rows, MARKET, NONE, -moved, cash, breaches.serial[at])


def move_to(state: State, symbol: int, other: Owner | Pool, cash: int, lots: int) -> None:
    """Move summed cash from ``other`` to accounts and signed lots from accounts to ``other``."""
    state.accounts_cash += cash
    state.accounts_lots[symbol] -= lots
    if isinstance(other, Owner):
        other.cash -= cash
        other.lots[symbol] += lots
    else:
        other.receive(symbol, -cash)


def cut(state: State, breaches: Breaches, at: Ints, lots: Ints) -> Ints:
    """Take lots off positions in breach; return the slice of the bankruptcy amount that leaves with them.

    ``floor(amount x k / Q)`` of what is left, the last slice the rest; cost is cut the same way.
    """
    rows = breaches.rows[at]
    owed = breaches.owed[at].copy()
    cost = state.cost[rows].copy()
    for i in np.flatnonzero(lots < breaches.left[at]).tolist():
        k, left = int(lots[i]), int(breaches.left[at[i]])
        owed[i] = int(owed[i]) * k // left
        cost[i] = int(cost[i]) * k // left
    breaches.left[at] -= lots
    breaches.owed[at] -= owed
    state.lots[rows] -= lots
    state.cost[rows] -= cost
    return owed


def fees(state: State, recorder: Recorder, breaches: Breaches) -> None:
    """Charge the liquidation fee on book fills, at most what the fills left above the bankruptcy amount."""
    rules = state.world.rules
    at = np.flatnonzero(breaches.book_lots)
    if not at.size:
        return
    surplus = breaches.worth[at] * (breaches.book_value[at] - breaches.book_owed[at])
    surplus = np.maximum(surplus, 0)  # below zero where the fund has paid
    breaches.fee[at] = np.minimum(mul_rate(breaches.book_value[at], rules.fee_e9), surplus)
    breaches.residual[at] = surplus - breaches.fee[at]
    _pay(state, recorder, breaches, at, breaches.fee[at], rules.fee_owner, "fee")


def residuals(state: State, recorder: Recorder, breaches: Breaches) -> None:
    """Give collateral left after book fill and fee to the owner the profile names; of those that wait, to none."""
    owner = state.world.rules.residual_owner
    if owner != "account":
        at = np.flatnonzero(np.where(breaches.kept > 0, 0, breaches.residual))
        _pay(state, recorder, breaches, at, breaches.residual[at], owner, "residual")


def _pay(state: State, recorder: Recorder, breaches: Breaches, at: Ints, amount: Ints, owner: str, cause: str) -> None:
    """Move amounts from accounts to ``venue``, ``fund`` or ``vault``."""
    paying = np.flatnonzero(amount)
    if not paying.size:
        return
    at, amount = at[paying], amount[paying]
    rows, symbols = breaches.rows[at], breaches.symbol[at]
    state.cash[rows] -= amount
    number = pay_owner(state, owner, symbols, amount)
    recorder.transfer(
        state.step, cause, symbols, ACCOUNT, rows, OWNER_CODES[owner], number, np.zeros_like(amount), -amount,
        breaches.serial[at],
    )  # fmt: skip


def pay_owner(state: State, owner: str, symbols: Ints, amount: Ints) -> Ints | int:
    """Move amounts from accounts to an owner by name, a fund by symbol; return the owner's numbers in the record."""
    total = int(amount.sum())
    state.accounts_cash -= total
    if owner == "fund":
        for symbol in np.unique(symbols).tolist():
            state.fund_for(symbol).receive(symbol, int(amount[symbols == symbol].sum()))
        return state.fund_rows[symbols]
    if owner == "venue":
        state.venue_cash += total
    else:
        state.vault.cash += total
    return NONE
