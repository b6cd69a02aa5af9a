"""An ADL wave: the queue it walks, what it closed, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.engine.acts.candidates import of_accounts
from backtest.engine.records import ACCOUNT, FUND, VAULT, Recorder
from backtest.engine.state import State
from backtest.mechanics.adl.close_price import CLOSE_PRICES
from backtest.mechanics.adl.matching import Matches
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.adl.rankings import Candidates
from backtest.mechanics.exact import MILLIONTH, QUANTA_PER_USD, Bools, Ints

DELICATE = 1e-6  # equity below this share of value (plus 1 USD) is read exactly
SOURCES = {ACCOUNT: "account", FUND: "fund", VAULT: "vault"}


@dataclass(frozen=True, slots=True)
class Wave:
    """One walk of the queue: the positions of the side, from row ``first`` of the book, and what it is for."""

    number: int
    symbol: int
    side: int  # of the bankrupts
    sign: int  # of the value of their positions
    source: int
    first: int
    queue: Queue
    previous: int  # mark three seconds earlier
    price: int | None  # close price in quanta per lot, None for the bankruptcy amount


@dataclass(frozen=True, slots=True)
class Slices:
    """What a wave closed, one entry per slice: rows of winners and bankrupts, money in quanta, breach serials."""

    winners: Ints
    bankrupts: Ints
    serial: Ints
    lots: Ints
    amount: Ints
    owed: Ints
    cost: Ints
    own: int = 0  # of the first slices: bankrupts against the opposite position of their own account


@dataclass(frozen=True, slots=True)
class Standing:
    """A watched position in a queue: candidates and notional (quanta) in front of it, and its score."""

    row: int
    in_queue: bool
    ahead: int
    value_ahead: int
    score: float


def close_price(state: State, symbol: int, previous: int) -> int | None:
    """Return the close price of ADL in quanta per lot, None where it is the bankruptcy amount."""
    rule, contract = CLOSE_PRICES[state.world.rules.close_price], state.world.contract(symbol)
    return rule.value_per_lot(contract, state.marks[symbol], previous)


def open_wave(state: State, symbol: int, side: int, source: int, previous: int) -> Wave:
    """Freeze the queue against one bankrupt side: open, solvent positions that are not in breach in this step."""
    rules, block, each = state.world.rules, state.blocks[symbol, -side], state.value_per_lot(symbol)
    tiers, sign = state.world.tiers[symbol], -side * state.kind[symbol]
    ahead = of_accounts(state, block)

    def fetch(places: Ints) -> Candidates:
        rows = places + block.start
        lots, cost = state.lots[rows], state.cost[rows]
        value = lots * each
        equity = state.cash[rows] + sign * value
        if state.funded:
            equity -= state.owed_funding(rows)
        found = Candidates(-side, lots, cost, value, sign * (value - cost), equity, tiers)
        return found if ahead is None else ahead.exact(rows, found)

    def approximate(piece: slice) -> Candidates:
        rows = slice(piece.start + block.start, piece.stop + block.start)
        lots: Any = state.mirror.lots[rows]
        cost: Any = state.mirror.cost[rows]
        value = lots * each
        equity = state.mirror.cash[rows] + lots * (sign * each + side * (state.index[symbol] / MILLIONTH))
        found = Candidates(-side, state.lots[rows], cost, value, sign * (value - cost), equity, tiers)
        found = found if ahead is None else ahead.near(rows, found)
        delicate = np.flatnonzero((found.equity < value * DELICATE + QUANTA_PER_USD) & (lots > 0))
        if delicate.size:
            found.equity[delicate] = fetch(delicate + piece.start).equity
        return found

    def scan(piece: slice) -> tuple[Candidates, Bools]:
        found = approximate(piece) if state.mirror.exact else fetch(np.arange(piece.start, piece.stop))
        eligible = (found.lots > 0) & (found.equity > 0)
        first, last = np.searchsorted(state.breached, [piece.start + block.start, piece.stop + block.start])
        eligible[state.breached[first:last] - (piece.start + block.start)] = False
        return found, eligible

    state.waves += 1
    count = 0 if rules.ranking == "none" else block.stop - block.start
    queue = Queue(scan, fetch, count, rules.ranking, rules.losers, rules.seed + state.waves)
    price = close_price(state, symbol, previous)
    return Wave(state.waves, symbol, side, -sign, source, block.start, queue, previous, price)


def standings(state: State, wave: Wave) -> list[Standing]:
    """Return where each watched position of the side stands, before anyone is closed."""
    out = []
    for row in state.world.watched:
        if state.world.symbol[row] != wave.symbol or state.world.side[row] == wave.side:
            continue
        place = row - wave.first
        counted = wave.queue.ahead(place) if wave.queue.eligible[place] else None
        out.append(Standing(row, counted is not None, *(counted or (0, 0, 0.0))))
    return out


def record(
    state: State,
    recorder: Recorder,
    wave: Wave,
    out: Matches,
    watched: list[Standing],
    slices: Slices,
    *,
    bankrupts: int,
    wanted: int,
    unmatched: int,
) -> None:
    """Write down a wave: its slices, the part of the queue that is kept, those passed over, the watched positions."""
    top, order = wave.queue.top, wave.queue.order
    place = np.array(out.place, dtype=np.int64)
    queued = slice(slices.own, None)
    reached = max([*out.place[-1:], *out.skipped[-1:]], default=-1) + 1
    kept = min(reached + state.world.rules.queue_not_reached, len(order))
    shown, value = order[:kept], top.value[:kept]
    ahead = np.cumsum(value) - value
    score = wave.queue.scores[:kept]
    closed = np.zeros(len(shown), dtype=np.int64)
    np.add.at(closed, place, slices.lots[queued])
    skipped = np.zeros(len(shown), dtype=np.int64)
    skipped[np.array(out.skipped, dtype=np.int64)] = 1
    mark, step, symbol = state.marks[wave.symbol], state.step, wave.symbol
    none = np.zeros(slices.own, dtype=np.int64)
    recorder.slices.add(
        len(slices.lots), wave.number, step, symbol, wave.side, wave.source, slices.bankrupts, slices.serial,
        slices.winners, np.concatenate([none, place + 1]), slices.lots, slices.amount, slices.owed, mark, wave.previous,
        np.concatenate([none, ahead[place]]), slices.cost, np.concatenate([none, score[place]]),
    )  # fmt: skip
    recorder.queue.add(
        len(shown), wave.number, step, symbol, wave.first + shown, np.arange(1, len(shown) + 1), -wave.side,
        top.lots[:kept], value, top.pnl[:kept], top.equity[:kept], ahead, closed, skipped, score,
    )  # fmt: skip
    recorder.skipped += [(step, symbol, wave.first + int(order[i])) for i in out.skipped]
    closed_lots = int(slices.lots.sum())
    recorder.waves.append(
        {
            "wave": wave.number,
            "step": step,
            "symbol": symbol,
            "side": wave.side,
            "source": SOURCES[wave.source],
            "bankrupts": bankrupts,
            "candidates": wave.queue.size,
            "wanted": wanted,
            "closed": closed_lots,
            "unmatched": unmatched,
            "notional": closed_lots * state.value_per_lot(symbol),
            "candidate_value": wave.queue.lots * state.value_per_lot(symbol),
            "winners": len(np.unique(slices.winners)),
            "skipped": len(out.skipped),
            "mark": mark,
            "previous": wave.previous,
            "difference": wave.sign * int((slices.amount - slices.owed).sum()),
        }
    )
    for standing in watched:
        mine = np.flatnonzero(slices.winners == standing.row)
        taken = int(slices.lots[mine].sum())
        recorder.watch.append(
            {
                "row": standing.row,
                "wave": wave.number,
                "step": step,
                "symbol": symbol,
                "in_queue": standing.in_queue,
                "rank": standing.ahead + 1,
                "ahead": standing.value_ahead,
                "candidates": wave.queue.size,
                "score": standing.score,
                "lots": int(state.lots[standing.row]) + taken,
                "closed": taken,
                "amount": int(slices.amount[mine].sum()),
                "mark": mark,
            }
        )
