"""The figures of a run that stand beside published facts: from the engine's record, or by query from a stored run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from backtest.catalogue.events import get_event
from backtest.catalogue.facts import Comparison
from backtest.engine.columns import chosen
from backtest.engine.records import VAULT
from backtest.formatting import coin
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Floats, Ints
from backtest.run.finished import Finished
from backtest.run.run import StoredRun
from backtest.run.tables.liquidation import crossing_ts
from backtest.run.tables.offspring import on_tape
from backtest.run.tables.shared import Shared
from backtest.run.tables.steps import reached_in
from backtest.schema.coins import REST

HALF_AN_HOUR = 1_800_000_000  # microseconds
TOP = 10


def measures(done: Finished, compare: Iterable[Comparison] | None = None) -> dict[str, float]:
    """Return the figure of a run for each published fact compared with it, by the fact's id.

    Computed from the record that the engine leaves, without tables and without a folder; equal to what ``measured``
    asks of the stored run. A fact of a coin that the run does not have, or without a figure, is left out.

    Parameters
    ----------
    done
        The run as it ended.
    compare
        What to compare; by default what the run's event states.
    """
    rows = get_event(done.facts["event_id"]).compare if compare is None else compare
    record, windows = Recorded(done), {}
    out = {}
    for row in rows:
        if not row.covered_by(record.coins):
            continue
        key = (row.coin, row.start, row.end)
        if key not in windows:
            windows[key] = Window(record, row.coins, row.start, row.end)
        value = METRICS[row.metric](windows[key])
        if value is not None:
            out[row.fact] = float(value)
    return out


def measured(run: StoredRun) -> dict[str, float]:
    """Return the same of a stored run, asked by query."""
    covered = {coin(contract.symbol) for contract in run.meta.contracts}
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    out = {}
    for row in run.meta.event.compare:
        if not row.covered_by(covered):
            continue
        params = row.params(covered)
        key = (row.query, *params.values())
        if key not in found:
            found[key] = run.query(row.query, **params).row(0, named=True)
        if found[key][row.metric] is not None:
            out[row.fact] = float(found[key][row.metric])
    return out


class Recorded:
    """The record of a run, joined once: what the windows of its facts cut from."""

    def __init__(self, done: Finished) -> None:
        self.s = Shared(done)
        self.coins = tuple(coin(symbol) for symbol in self.s.symbols)

    @cached_property
    def crossed(self) -> Ints:
        """Return when each liquidation crossed its mark."""
        return crossing_ts(self.s)

    @cached_property
    def closed(self) -> tuple[Floats, Floats]:
        """Return the notional of each liquidation at its mark: all that left the account, and what no book took."""
        b = self.s.breaches
        each, off_book = self.s.each(b.symbol, b.mark), b.takeover_lots + b.adl_lots
        return (b.book_lots + off_book) * each / QUANTA_PER_USD, off_book * each / QUANTA_PER_USD

    @cached_property
    def on_tape(self) -> Bools | None:
        """Return which liquidations the tape has too, None where nothing displaced its marks."""
        return None if np.array_equal(self.s.mark, self.s.world.walk.mark) else on_tape(self.s)

    @cached_property
    def slices(self) -> Any:
        """Return the slices of ADL."""
        return self.s.record.slices.join()

    @cached_property
    def queue(self) -> Any:
        """Return the rows of queues of which something was closed."""
        queue = self.s.record.queue.join()
        return chosen(queue, np.flatnonzero(queue.closed_lots))

    @cached_property
    def low(self) -> Ints:
        """Return the lowest trade of each step, in ticks."""
        return reached_in(self.s).trade_low

    def ts(self, step: Ints) -> Ints:
        """Return the time of steps."""
        ts: Ints = self.s.ts(step).astype(np.int64)
        return ts


class Window:
    """A window of time and some coins of a run, by default all with bars; ``end`` exclusive."""

    def __init__(self, record: Recorded, coins: tuple[str, ...], start: dt.datetime, end: dt.datetime) -> None:
        self.record, self.s = record, record.s
        self.start, self.end = (int(np.datetime64(time, "us").astype(np.int64)) for time in (start, end))
        self.mine = np.array([each in coins if coins else each != REST for each in record.coins])

    def _inside(self, ts: Ints, symbol: Ints) -> Ints:
        inside: Bools = (ts >= self.start) & (ts < self.end) & self.mine[symbol]
        return np.flatnonzero(inside)

    @cached_property
    def liquidations(self) -> Ints:
        """Return the liquidations inside."""
        return self._inside(self.record.crossed, self.s.breaches.symbol)

    @cached_property
    def fills(self) -> Any:
        """Return the slices of ADL inside."""
        slices = self.record.slices
        return chosen(slices, self._inside(self.record.ts(slices.step), slices.symbol))

    @cached_property
    def notional(self) -> Floats:
        """Return the notional of those slices at the step's mark."""
        value: Floats = self.fills.lots * self.s.each(self.fills.symbol, self.fills.mark) / QUANTA_PER_USD
        return value

    @cached_property
    def closes(self) -> Any:
        """Return the rows of queues inside of which something was closed."""
        queue = self.record.queue
        return chosen(queue, self._inside(self.record.ts(queue.step), queue.symbol))

    # -- one figure each, None where the window has none ---------------------------------------------------------

    def liquidated(self) -> float:
        """Return the notional that left accounts in breach."""
        return float(self.record.closed[0][self.liquidations].sum())

    def long_share(self) -> float | None:
        """Return the share of longs in it."""
        closed = self.record.closed[0][self.liquidations]
        return _ratio(closed[self.s.breaches.side[self.liquidations] > 0].sum(), closed.sum())

    def first_liquidation(self) -> int | None:
        """Return when the first liquidation came."""
        return int(self.record.crossed[self.liquidations].min()) if len(self.liquidations) else None

    def first_close(self) -> int | None:
        """Return when the first lots were closed by ADL."""
        return int(self.record.ts(self.fills.step[:1])[0]) if len(self.fills.step) else None

    def onset(self) -> float | None:
        """Return the seconds from the first liquidation to the first ADL."""
        began, first = self.first_liquidation(), self.first_close()
        return None if began is None or first is None else (first - began) / 1e6

    def first_s(self) -> float | None:
        """Return the seconds from the window's start until 1 % of its ADL was closed."""
        if not len(self.fills.step):
            return None
        quanta = self.fills.lots * self.s.each(self.fills.symbol, self.fills.mark)  # in order of steps
        if not quanta.sum():
            return None
        steps, first = np.unique(self.fills.step, return_index=True)
        until = np.add.reduceat(quanta, first).cumsum()
        at = int(np.argmax(100 * until >= until[-1]))
        return float(self.record.ts(steps[at : at + 1])[0] - self.start) / 1e6

    def lows(self) -> tuple[float, float] | None:
        """Return the lowest trade price of the symbol that fell most, and its move from the window's first."""
        at = np.flatnonzero((self.s.bar_ts >= self.start) & (self.s.bar_ts < self.end))
        if not len(at) or not self.mine.any():
            return None
        symbols = np.flatnonzero(self.mine)
        first, low = self.s.trade[symbols, at[0]], self.record.low[symbols][:, at].min(axis=1)
        moves = low * self.s.tick[symbols] / (first * self.s.tick[symbols]) - 1
        worst = int(moves.argmin())
        return float(low[worst] * self.s.tick[symbols[worst]]), float(moves[worst])

    def mean_px(self) -> float | None:
        """Return the price of all lots closed by ADL, of one symbol."""
        symbols = np.unique(self.fills.symbol)
        if len(symbols) != 1:
            return None
        return float(self.s.px(self.fills.close_value.sum(), self.fills.lots.sum(), symbols)[0])

    def realized(self) -> Floats:
        """Return what each slice gained against entry."""
        sign = -self.fills.side * self.s.value_signs[self.fills.symbol]
        gained: Floats = sign * (self.fills.close_value - self.fills.entry_value) / QUANTA_PER_USD
        return gained

    def pnl(self) -> float | None:
        """Return what winners gained by what was closed."""
        return float(self.realized().sum()) if len(self.fills.step) else None

    def median_return(self) -> float | None:
        """Return the median over positions of profit over entry value."""
        gained, entry = self._by(self.fills.winner_row, self.realized(), self.fills.entry_value / QUANTA_PER_USD)
        gained, entry = gained[entry != 0], entry[entry != 0]
        return float(np.median(gained / entry)) if len(entry) else None

    def full_share(self) -> float | None:
        """Return the share of closes that left nothing of the position."""
        return float((self.closes.closed_lots == self.closes.lots).mean()) if len(self.closes.lots) else None

    def closes_share(self) -> float | None:
        """Return the share of the run's closes of these coins that are inside."""
        return _ratio(len(self.closes.lots), int(self.mine[self.record.queue.symbol].sum()))

    def median_leverage(self) -> float | None:
        """Return the median leverage of the positions closed."""
        return float(np.median(self.closes.notional / self.closes.equity)) if len(self.closes.lots) else None

    def vault_share(self) -> float | None:
        """Return the share of closed notional that was the vault's inventory."""
        return _ratio(self.notional[self.fills.source == VAULT].sum(), self.notional.sum())

    def by_account(self) -> Floats:
        """Return the closed notional of each account, ascending."""
        return np.sort(self._by(self.s.world.book.account[self.fills.winner_row], self.notional)[0])

    def gini(self) -> float | None:
        """Return the Gini coefficient of closed notional over accounts."""
        closed, count = self.by_account(), len(self.by_account())
        return _ratio(float((2 * np.arange(1, count + 1) - count - 1) @ closed), count * closed.sum())

    def top10(self) -> float | None:
        """Return the share of the ten largest accounts in the closed notional."""
        closed = self.by_account()
        return _ratio(closed[-TOP:].sum(), closed.sum())

    def largest(self) -> float | None:
        """Return the most that was closed of one position at once."""
        key = self.fills.wave * len(self.s.world.book) + self.fills.winner_row
        return self._most(key)

    def largest_instant(self) -> float | None:
        """Return the most that was closed at one step."""
        return self._most(self.fills.step)

    def off_book_share(self) -> float | None:
        """Return the share of liquidated notional that the order book did not take."""
        closed, off_book = (column[self.liquidations] for column in self.record.closed)
        return _ratio(off_book.sum(), closed.sum())

    def share_in_half_an_hour(self) -> float | None:
        """Return the share of liquidated notional within 30 minutes of the first liquidation."""
        began = self.first_liquidation()
        if began is None:
            return None
        closed, ts = self.record.closed[0][self.liquidations], self.record.crossed[self.liquidations]
        return _ratio(closed[ts < began + HALF_AN_HOUR].sum(), closed.sum())

    def branching(self) -> float | None:
        """Return the share of liquidated notional that only displaced marks reach; None where none is displaced."""
        if self.record.on_tape is None:
            return None
        closed, on_tape = self.record.closed[0][self.liquidations], self.record.on_tape[self.liquidations]
        return _ratio(closed[~on_tape].sum(), closed.sum())

    def vault_pnl(self) -> float | None:
        """Return the vault's equity at the end of the run less its capital."""
        if not self.s.world.rules.vault:
            return None
        t, total, held = self.s.transfers, 0, np.zeros(len(self.s.symbols), dtype=np.int64)
        for owner, sign in ((t.taker, 1), (t.giver, -1)):
            at = np.flatnonzero(owner == VAULT)
            total += sign * int(t.cash[at].sum())
            np.add.at(held, t.symbol[at], sign * t.lots[at])
        return float(total + int((self.s.value_signs * held * self.s.at(self.s.mark[:, -1])).sum())) / QUANTA_PER_USD

    def _most(self, key: Ints) -> float | None:
        return float(self._by(key, self.notional)[0].max()) if len(key) else None

    @staticmethod
    def _by(key: Ints, *values: Floats) -> list[Floats]:
        _, place = np.unique(key, return_inverse=True)
        return [np.bincount(place, weights=each).astype(np.float64, copy=False) for each in values]


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


METRICS: dict[str, Callable[[Window], float | None]] = {
    "liquidated_notional_usd": Window.liquidated,
    "liquidated_long_share_frac": Window.long_share,
    "adl_notional_usd": lambda window: float(window.notional.sum()),
    "adl_onset_s": Window.onset,
    "adl_positions": lambda window: float(len(np.unique(window.fills.winner_row))),
    "price_low": lambda window: (window.lows() or (None, None))[0],
    "price_move_frac": lambda window: (window.lows() or (None, None))[1],
    "adl_mean_px": Window.mean_px,
    "adl_pnl_usd": Window.pnl,
    "adl_profit_frac": lambda window: _ratio(window.pnl() or 0.0, window.notional.sum()),
    "adl_return_median_frac": Window.median_return,
    "adl_leverage_median_x": Window.median_leverage,
    "adl_full_share_frac": Window.full_share,
    "adl_closes_share_frac": Window.closes_share,
    "adl_vault_share_frac": Window.vault_share,
    "adl_gini_frac": Window.gini,
    "adl_top10_share_frac": Window.top10,
    "adl_first_s": Window.first_s,
    "adl_largest_usd": Window.largest,
    "adl_largest_instant_usd": Window.largest_instant,
    "off_book_share_frac": Window.off_book_share,
    "forced_share_30min_frac": Window.share_in_half_an_hour,
    "branching_ratio_x": Window.branching,
    "vault_pnl_usd": Window.vault_pnl,
}
