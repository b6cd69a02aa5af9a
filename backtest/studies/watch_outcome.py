"""What became of copies of my positions in one draw, from the record that the engine leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.engine.columns import chosen
from backtest.engine.records import WatchRow
from backtest.mechanics.exact import MILLIONTH, QUANTA_PER_USD, Floats, Ints
from backtest.run.finished import Finished
from backtest.run.tables.liquidation import crossing_ts
from backtest.run.tables.shared import Shared
from backtest.studies.watch_copies import Copy


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOutcome:
    """A copy of a position in one draw; dollars are those of the position in full, gains plus.

    ``liquidated_frac`` and ``adl_frac`` are shares of its lots at the first mark that a liquidation and ADL took;
    times are seconds since the window began. ``ahead_usd`` stood ahead of it in the wave that came nearest to it, and
    ``taken_usd`` is what that wave took: below the cut-off the second is the smaller. Prices are means over what ADL
    closed, ``trade_px`` the traded price at that time. ``against_mark_usd`` and ``against_trade_usd`` compare the
    closes by ADL with these, ``against_holding_usd`` everything with holding to the end of the window, margin aside.
    A hedged position leaves its outside leg alone for ``unhedged_s``; ``unhedged_usd`` is the signed delta of that at
    the mark of the closes, ``unhedged_pnl_usd`` its result to the end.
    """

    draw: int
    seed: int
    position: str
    leverage: float
    own: bool
    liquidated_frac: float
    adl_frac: float
    first_liquidation_s: float | None
    first_adl_s: float | None
    waves: int
    ahead_usd: float | None
    taken_usd: float | None
    close_px: float | None
    mark_px: float | None
    trade_px: float | None
    against_mark_usd: float | None
    against_trade_usd: float | None
    against_holding_usd: float
    unhedged_s: float | None
    unhedged_usd: float | None
    unhedged_pnl_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlace:
    """Where a copy stood at one wave of its symbol, the other copies left out; dollars of the crowd, not scaled."""

    draw: int
    position: str
    leverage: float
    own: bool
    symbol: str
    s: float
    in_queue: bool
    ahead_usd: float | None
    taken_usd: float
    candidates_usd: float
    closed_frac: float
    close_px: float | None
    mark_px: float
    trade_px: float


class Recorded:
    """The record of a run that holds copies, joined once; ``rows`` are the book rows of each copy."""

    def __init__(self, done: Finished, copies: Sequence[Copy]) -> None:
        self.s = Shared(done)
        self.copies = copies
        ids = {name: number for number, name in done.book.names.items()}
        account = self.s.world.book.account
        # rows of a cross account ascend by symbol and side, as its watch tables may not
        self.rows = [np.flatnonzero(account == ids[copy.watches[0].name]) for copy in copies]
        self.watched = np.concatenate(self.rows)
        slices, breaches = self.s.record.slices.join(), self.s.breaches
        self.slices = chosen(slices, np.flatnonzero(np.isin(slices.winner_row, self.watched)))
        at = np.flatnonzero(np.isin(breaches.row, self.watched))
        self.breaches, self.crossed = chosen(breaches, at), crossing_ts(self.s)[at]
        self.ranked = self.s.world.rules.allocation.ranked
        self.by_wave: dict[int, list[WatchRow]] = {}
        for row in self.s.record.watch:
            self.by_wave.setdefault(row.wave, []).append(row)
        self.traded = self._traded()

    def _traded(self) -> list[Ints]:
        """Return the value of a lot at the traded price of each step, by symbol, in quanta."""
        world = self.s.world
        return [world.value_at_trade(symbol, ticks) for symbol, ticks in enumerate(self.s.trade)]

    def seconds(self, ts: int) -> float:
        """Return seconds since the window began."""
        return (ts - int(self.s.bar_ts[0])) / 1e6

    def factors(self, number: int) -> Floats:
        """Return by book row of a copy how many times larger it is in full."""
        copy, world = self.copies[number], self.s.world
        names = {
            (self.s.symbols[int(world.book.symbol[row])], int(world.book.side[row])): row for row in self.rows[number]
        }
        out = np.ones(len(self.rows[number]))
        for watch, factor in zip(copy.watches, copy.factors, strict=True):
            side = 1 if watch.side == "long" else -1
            row = next(
                row for (symbol, each), row in names.items()
                if each == side and watch.coin in {symbol, symbol.split("/", 1)[0]}
            )  # fmt: skip
            out[np.flatnonzero(self.rows[number] == row)[0]] = factor
        return out

    def others(self, number: int) -> set[int]:
        """Return the book rows that would not be there without the other copies; my other positions would."""
        mine = self.copies[number]
        out: set[int] = set()
        for other, rows in zip(self.copies, self.rows, strict=True):
            if other is not mine and (not other.own or other.position == mine.position):
                out.update(rows.tolist())
        return out


def outcomes_of(
    done: Finished, copies: Sequence[Copy], draw: int, seed: int
) -> tuple[list[WatchOutcome], list[WatchPlace]]:
    """Return what became of each copy, and where it stood at each wave of its symbols."""
    record = Recorded(done, copies)
    outcomes, places = [], []
    for number in range(len(copies)):
        stood = _places(record, number, draw)
        outcomes.append(_outcome(record, number, stood, draw, seed))
        places += stood
    return outcomes, places


def _places(record: Recorded, number: int, draw: int) -> list[WatchPlace]:
    s, copy, others = record.s, record.copies[number], record.others(number)
    mine, out = set(record.rows[number].tolist()), []
    for wave in s.record.waves:
        rows = record.by_wave.get(wave.wave, [])
        for row in rows:
            if row.row not in mine:
                continue
            value = s.world.contracts[row.symbol].value_per_lot(row.mark)
            ahead = taken = 0
            for other in rows:
                if other.row in others and other.in_queue:
                    ahead += other.lots * value if other.rank < row.rank else 0
                    taken += other.closed_lots * value
            closed, at, unit = row.closed_lots, row.step - 1, np.array([row.symbol])
            px = s.px(np.array([row.close_value]), np.array([closed]), unit)[0] if closed else None
            traded = s.px(record.traded[row.symbol][at : at + 1], np.ones(1, dtype=np.int64), unit)[0]
            out.append(
                WatchPlace(
                    draw=draw,
                    position=copy.position,
                    leverage=copy.leverage,
                    own=copy.own,
                    symbol=s.symbols[row.symbol],
                    s=record.seconds(int(s.step_ts[at])),
                    in_queue=row.in_queue,
                    ahead_usd=(row.notional_ahead - ahead) / QUANTA_PER_USD if row.in_queue and record.ranked else None,
                    taken_usd=(wave.notional - taken) / QUANTA_PER_USD,
                    candidates_usd=wave.candidate_notional / QUANTA_PER_USD,
                    closed_frac=closed / int(s.world.book.lots[row.row]),
                    close_px=None if px is None or np.isnan(px) else float(px),
                    mark_px=float(row.mark * s.mark_unit[row.symbol]),
                    trade_px=float(traded),
                )
            )
    return out


@dataclass(frozen=True, slots=True)
class _Closed:
    """What ADL closed of a copy, by slice, and what a liquidation did; quanta of the position in full."""

    lots: Floats
    close: Floats
    mark: Floats
    trade: Floats
    gain_sign: Ints
    liquidated_lots: Floats
    liquidated: Floats
    first_adl: int | None
    first_liquidation: int | None


def _closed(record: Recorded, rows: Ints, factor: dict[int, float]) -> _Closed:
    s = record.s
    fills = chosen(record.slices, np.flatnonzero(np.isin(record.slices.winner_row, rows)))
    at = np.flatnonzero(np.isin(record.breaches.row, rows))
    b = chosen(record.breaches, at)
    gone = b.book_lots + b.takeover_lots + b.adl_lots
    full = np.array([factor[row] for row in fills.winner_row.tolist()])
    full_b = np.array([factor[row] for row in b.row.tolist()])
    traded = np.array(
        [
            record.traded[symbol][step - 1]
            for symbol, step in zip(fills.symbol.tolist(), fills.step.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    return _Closed(
        lots=fills.lots * full,
        close=fills.close_value * full,
        mark=fills.lots * s.each(fills.symbol, fills.mark) * full,
        trade=fills.lots * traded * full,
        gain_sign=s.sign[fills.winner_row],
        liquidated_lots=gone * full_b,
        liquidated=gone * s.each(b.symbol, b.mark) * full_b,
        first_adl=int(s.step_ts[fills.step - 1].min()) if len(fills.step) else None,
        first_liquidation=int(record.crossed[at].min()) if len(at) else None,
    )


def _outcome(record: Recorded, number: int, stood: Sequence[WatchPlace], draw: int, seed: int) -> WatchOutcome:
    s, copy, rows = record.s, record.copies[number], record.rows[number]
    full = record.factors(number)
    closed = _closed(record, rows, dict(zip(rows.tolist(), full.tolist(), strict=True)))
    book = s.world.book
    lots, last = book.lots[rows] * full, s.at(s.mark[:, -1])[book.symbol[rows]]
    ranked = [place for place in stood if place.ahead_usd is not None]
    nearest = max(ranked, key=lambda place: place.taken_usd - (place.ahead_usd or 0.0), default=None)
    any_adl, one = len(closed.lots) > 0, len(rows) == 1
    gain = closed.gain_sign * closed.close
    begun = [ts for ts in (closed.first_adl, closed.first_liquidation) if ts is not None]
    alone = copy.watches[0].hedged and bool(begun)
    return WatchOutcome(
        draw=draw,
        seed=seed,
        position=copy.position,
        leverage=copy.leverage,
        own=copy.own,
        liquidated_frac=float(closed.liquidated_lots.sum() / lots.sum()),
        adl_frac=float(closed.lots.sum() / lots.sum()),
        first_liquidation_s=None if closed.first_liquidation is None else record.seconds(closed.first_liquidation),
        first_adl_s=None if closed.first_adl is None else record.seconds(closed.first_adl),
        waves=len(stood),
        ahead_usd=None if nearest is None else nearest.ahead_usd,
        taken_usd=None if nearest is None else nearest.taken_usd,
        close_px=_px(record, rows, closed.close, closed.lots) if any_adl and one else None,
        mark_px=_px(record, rows, closed.mark, closed.lots) if any_adl and one else None,
        trade_px=_px(record, rows, closed.trade, closed.lots) if any_adl and one else None,
        against_mark_usd=_usd(gain - closed.gain_sign * closed.mark) if any_adl else None,
        against_trade_usd=_usd(gain - closed.gain_sign * closed.trade) if any_adl else None,
        against_holding_usd=_usd(full * _against_holding(s, rows, last)),
        unhedged_s=(int(s.step_ts[-1]) - min(begun)) / 1e6 if alone else None,
        unhedged_usd=_unhedged(record, rows, full)[0] if alone else None,
        unhedged_pnl_usd=_unhedged(record, rows, full)[1] if alone else None,
    )


def _usd(quanta: Floats) -> float:
    return float(quanta.sum()) / QUANTA_PER_USD


def _px(record: Recorded, rows: Ints, value: Floats, lots: Floats) -> float | None:
    """Return the mean price of closed lots of the one position of a copy."""
    s = record.s
    total, count = np.array([value.sum()]), np.array([lots.sum()])
    px = float(s.px(total, count, s.world.book.symbol[rows])[0])
    return None if np.isnan(px) else px


def _against_holding(s: Shared, rows: Ints, last: Ints) -> Ints:
    """Return final equity less that of the position held to the last mark, funding paid on all of it, by row."""
    book, ledger = s.world.book, s.ledger
    sign, lots = s.sign[rows], book.lots[rows]
    index = np.asarray(ledger.index, dtype=np.int64)[book.symbol[rows]]
    held = book.collateral[rows] - sign * book.entry_value[rows] + sign * lots * last
    held -= book.side[rows] * lots * index // MILLIONTH
    found: Ints = ledger.cash[rows] + sign * ledger.lots[rows] * last - held
    return found


def _unhedged(record: Recorded, rows: Ints, full: Floats) -> tuple[float, float]:
    """Return signed delta and result to the last mark of the outside legs of what was closed, in USD."""
    s, delta, result = record.s, 0.0, 0.0
    for row, factor in zip(rows.tolist(), full.tolist(), strict=True):
        closed = _closed(record, np.array([row]), {row: factor})
        symbol = int(s.world.book.symbol[row])
        gone = float(closed.lots.sum() + closed.liquidated_lots.sum())
        at_mark = float(closed.mark.sum() + closed.liquidated.sum())
        last = int(s.at(s.mark[:, -1])[symbol])
        delta -= float(s.world.book.side[row]) * at_mark
        result -= float(s.sign[row]) * (gone * last - at_mark)
    return delta / QUANTA_PER_USD, result / QUANTA_PER_USD
