"""Acts 3 to 5b of a step: breaches, book fills, fees, residual collateral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from backtest.engine.ladder import Ladder
from backtest.engine.recorder import ACCOUNT, FUND, MARKET, NONE, ROUNDING, VAULT, VENUE, Recorder
from backtest.engine.state import LONG, SHORT, Owner, State
from backtest.mechanics.exact import Bools, Ints, mul_rate
from backtest.mechanics.fund import Pool
from backtest.mechanics.margin import maintenance
from backtest.mechanics.path import trade_at
from backtest.mechanics.rules import IMPACTS
from backtest.mechanics.steppers import STEPPERS, Distress

OWNER_CODES = {"account": ACCOUNT, "fund": FUND, "vault": VAULT, "venue": VENUE}


@dataclass(slots=True)
class Breaches:
    """Positions in breach in one step, in crossing order; money in quanta.

    ``owed`` is the bankruptcy amount of the lots ``left``; ``passed`` of ``length`` is the crossing's place on
    the segment. ``taken_by`` is an owner code or -1.
    """

    rows: Ints
    symbol: Ints
    side: Ints
    mark: Ints
    passed: Ints
    length: Ints
    lots: Ints
    bankruptcy: Ints
    equity: Ints
    need: Ints
    serial: Ints
    left: Ints
    owed: Ints
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


def find(state: State, ladders: Mapping[tuple[int, int], Ladder], starts: list[int], recorder: Recorder) -> Breaches:
    """Find all breaches on the step's path, in crossing order: fraction of the segment, symbol, account."""
    gap = bool(state.world.walk.gap[state.step - 1])
    found: list[tuple[Ints, ...]] = []
    for (symbol, side), ladder in ladders.items():
        rows, marks = ladder.crossed(starts[symbol], state.marks[symbol], gap)
        if rows.size:
            length = 1 if gap else max(abs(state.marks[symbol] - starts[symbol]), 1)
            passed = np.zeros_like(marks) if gap else np.abs(marks - starts[symbol])
            same = [np.full(len(rows), value, dtype=np.int64) for value in (symbol, side, length)]
            found.append((rows, same[0], same[1], marks, passed, same[2]))
    none = np.empty(0, dtype=np.int64)
    columns = [np.concatenate([none, *(part[k] for part in found)]) for k in range(6)]
    order = _crossing_order(columns[4], columns[5], columns[1], state.world.account[columns[0]])
    return _judge(state, recorder, *(column[order] for column in columns))


def _crossing_order(passed: Ints, length: Ints, symbol: Ints, account: Ints) -> Ints:
    """Order by passed / length exactly, then symbol, then account."""
    fraction = passed / length if len(passed) else passed
    if len(passed) and int(length.max()) >= 2**25:  # two different fractions could share a float
        exact = [Fraction(int(a), int(b)) for a, b in zip(passed, length, strict=True)]
        places = {value: place for place, value in enumerate(sorted(set(exact)))}
        fraction = np.array([places[value] for value in exact], dtype=np.int64)
    return np.lexsort((account, symbol, fraction))


def _judge(
    state: State, recorder: Recorder, rows: Ints, symbol: Ints, side: Ints, mark: Ints, passed: Ints, length: Ints
) -> Breaches:
    """Fix what detection fixes: lots, bankruptcy amount (funding settled), equity and maintenance at the mark."""
    count = len(rows)
    lots = state.lots[rows]
    q_mark = np.array([state.world.q_mark(k) for k in range(len(state.world.symbols))], dtype=np.int64)
    value = lots * mark * q_mark[symbol]
    cash = state.cash[rows] - state.owed_funding(rows)
    need = np.empty(count, dtype=np.int64)
    for k in np.unique(symbol).tolist():
        mine = symbol == k
        need[mine] = maintenance(value[mine], state.world.tiers[k])
    state.breached = np.sort(rows)
    serial = np.arange(recorder.serial, recorder.serial + count)
    recorder.serial += count
    owed = -side * cash

    def zeros() -> Ints:
        return np.zeros(count, dtype=np.int64)

    return Breaches(
        rows, symbol, side, mark, passed, length, lots, owed, cash + side * value, need, serial, lots.copy(),
        owed.copy(), np.zeros(count, dtype=bool), zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), zeros(),
        np.full(count, NONE, dtype=np.int64), zeros(), zeros(), zeros(),
    )  # fmt: skip


def to_book(state: State, recorder: Recorder, breaches: Breaches, trades: Ints) -> None:
    """Send orders to the book, symbol by symbol: sizes, base prices, one shift per side, limits, one bucket.

    ``trades`` of shape (symbols, 2) are the trade prices at the start and end of the step.
    """
    rules = state.world.rules
    stepper = STEPPERS[rules.stepper]
    for symbol in np.unique(breaches.symbol).tolist():
        bucket = state.bucket(symbol)
        mine = np.flatnonzero(breaches.symbol == symbol)
        distress = _distress(state, breaches, symbol, mine)
        if not distress.ordered.any():
            continue
        wanted = stepper.sizes(distress, rules.part)
        fills = stepper.fill(distress, wanted, _prices(state, breaches, symbol, mine, wanted, bucket, trades), bucket)
        state.sent(breaches.rows[mine[(wanted > 0) & distress.first]])
        breaches.refused[mine] = fills.refused
        hit = fills.lots > 0
        if hit.any():
            _fill(state, recorder, breaches, symbol, mine[hit], fills.lots[hit], fills.price[hit])
        breaches.kept[mine[fills.waits]] = breaches.left[mine[fills.waits]]


def _distress(state: State, breaches: Breaches, symbol: int, mine: Ints) -> Distress:
    """Return the positions of a symbol as a stepper sees them."""
    world, rules = state.world, state.world.rules
    first, paused = state.episode(breaches.rows[mine], breaches.passed[mine])
    return Distress(
        side=breaches.side[mine],
        lots=breaches.lots[mine],
        bankruptcy=breaches.bankruptcy[mine],
        worth=breaches.mark[mine] * world.q_mark(symbol),
        ordered=breaches.equity[mine] >= 0,
        first=first,
        paused=paused,
        tiers=world.tiers[symbol],
        inclusive=rules.inclusive,
        q_tick=world.q_tick[symbol],
        fee_e9=rules.fee_e9,
    )


def _prices(state: State, breaches: Breaches, symbol: int, mine: Ints, wanted: Ints, bucket: int, trades: Ints) -> Ints:
    """Return fill prices in ticks: the trade price at the crossing, less one shift per side."""
    start, end = trades[symbol]
    gap = bool(state.world.walk.gap[state.step - 1])
    base = (
        np.full(len(mine), end, dtype=np.int64)
        if gap
        else trade_at(int(start), int(end), breaches.passed[mine], breaches.length[mine])
    )
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
    low, high = int(state.world.trade_low[symbol, bar]), int(state.world.trade_high[symbol, bar])
    volume = Fraction(int(state.world.volume[symbol, bar])) * rules.scale[symbol]
    shift = IMPACTS[rules.impact](first, rules.strength, lots, volume)
    if shift is None:  # liquidity carried without volume: the worst price of the bar
        return np.full(len(base), low if side > 0 else high, dtype=np.int64)
    return np.clip(base - side * shift, low, high)


def _fill(state: State, recorder: Recorder, breaches: Breaches, symbol: int, at: Ints, lots: Ints, price: Ints) -> None:
    rows, side = breaches.rows[at], breaches.side[at]
    settle(state, recorder, rows)
    settle_owner(state, recorder, state.market, symbol)
    value = price * lots * state.world.q_tick[symbol]
    owed = cut(state, breaches, at, lots)
    breaches.book_lots[at] = lots
    breaches.book_value[at] = value
    breaches.book_owed[at] = owed
    cash, moved = side * value, side * lots
    state.cash[rows] += cash
    move_to(state, symbol, state.market, int(cash.sum()), int(moved.sum()))
    state.used[symbol] += int(lots.sum())
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
    surplus = breaches.side[at] * (breaches.book_value[at] - breaches.book_owed[at])
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


def settle(state: State, recorder: Recorder, rows: Ints) -> None:
    """Settle funding of positions whose lots are about to change; ``rounding`` takes the other side."""
    if not state.funded:
        return
    due = state.owed_funding(rows)
    state.settled[rows] = np.asarray(state.index, dtype=np.int64)[state.world.symbol[rows]]
    paying = np.flatnonzero(due)
    if not paying.size:
        return
    rows, due = rows[paying], due[paying]
    state.cash[rows] -= due
    total = int(due.sum())
    state.accounts_cash -= total
    state.rounding_cash += total
    symbols = state.world.symbol[rows]
    recorder.transfer(state.step, "funding", symbols, ACCOUNT, rows, ROUNDING, NONE, np.zeros_like(due), -due)


def settle_owner(state: State, recorder: Recorder, owner: Owner | Pool, symbol: int) -> None:
    """Settle funding of fund, vault or market in one symbol before its lots change."""
    due = owner.lots[symbol] * (state.index[symbol] - owner.index[symbol]) // 1_000_000
    owner.index[symbol] = state.index[symbol]
    if due:
        if isinstance(owner, Owner):
            code, row = MARKET, NONE
            owner.cash -= due
        else:
            code, row = FUND if owner.owner == "fund" else VAULT, owner.number
            owner.receive(symbol, -due)
        state.rounding_cash += due
        recorder.transfer(state.step, "funding", symbol, code, row, ROUNDING, NONE, np.array([0]), np.array([-due]))
