"""What several tables need of a finished run: the joined record, clocks, names and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.engine.columns import chosen
from backtest.engine.records import FUND, NONE, VAULT
from backtest.mechanics.exact import QUANTA_PER_USD, Bools, Ints
from backtest.run.finished import Finished
from backtest.run.tables.arrow import named, nullable

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Mapping[str, Any]


class Shared:
    """What several tables need: joined record, clocks, names and units."""

    def __init__(self, done: Finished) -> None:
        self.done = done
        self.world, self.ledger, self.record = done.outcome.world, done.outcome.ledger, done.outcome.record
        self.book, self.market = done.book, done.market
        self.transfers = self.record.transfers.join()
        breaches = self.record.breaches.join()
        moved = np.flatnonzero(breaches.book_lots + breaches.takeover_lots + breaches.adl_lots)
        self.breaches = chosen(breaches, moved)
        self.liquidation_of = np.zeros(self.record.serial + 1, dtype=np.int64)  # the last place serves NONE
        self.liquidation_of[self.breaches.serial] = np.arange(1, len(moved) + 1)
        units = self.market.instruments
        self.symbols = self.world.symbols
        self.funds, self.vaults = range(len(self.ledger.funds)), range(len(self.ledger.vaults))
        self.lot = np.array([float(unit.lot) for unit in units])
        self.tick = np.array([float(unit.tick) for unit in units])
        self.mark_unit = np.array([float(unit.mark_quantum) for unit in units])
        self.value_signs = self.world.value_signs  # -1: a long of the symbol loses where a lot's worth rises
        self.sign = self.world.position_signs  # of each position's value
        self.face_px = np.array([float(unit.numerator) for unit in self.world.contracts]) * self.mark_unit
        self.mark, self.trade = done.outcome.prices.mark, done.outcome.prices.trade  # as they were walked
        self.step_ts, self.bar_ts = self._clock()
        self.cohorts = np.asarray(done.book.cohort)

    def _clock(self) -> tuple[Ints, Ints]:
        walk, bar_us = self.world.walk, self.world.bar_s * 1_000_000
        bar_ts = self.market.open_ts[self.done.first_bar :][walk.bar]
        within = walk.part * bar_us // walk.segments if walk.parts > 1 else np.full(len(walk.part), bar_us)
        return bar_ts + within, bar_ts

    def mark_then(self, symbol: Ints, step: Ints, number: Ints) -> Ints:
        """Return the marks at the end of rounds of steps, in mark quanta; step 0 has that of the first."""
        out: Ints = self.mark[symbol, np.maximum(step, 1) - 1]
        for rounds in self.record.rounds:
            first, last = np.searchsorted(step, [rounds.step, rounds.step + 1])  # the record is in order of steps
            for earlier in range(1, len(rounds.marks)):
                mine = first + np.flatnonzero(number[first:last] == earlier)
                out[mine] = np.array(rounds.marks[earlier - 1])[symbol[mine]]
        return out

    def ts(self, step: Ints) -> Any:
        """Return the time of steps; step 0 is the opening."""
        return np.where(step > 0, self.step_ts[np.maximum(step, 1) - 1], self.bar_ts[0]).astype("datetime64[us]")

    def each(self, symbol: Ints, marks: Ints) -> Ints:
        """Return the value of a lot of each row's symbol at the row's mark, in quanta."""
        return self.world.values_per_lot(symbol, marks)

    def at(self, marks: Ints) -> Ints:
        """Return the value of a lot of each symbol at marks of shape (symbols, ...)."""
        return np.stack(
            [contract.values_per_lot(row) for contract, row in zip(self.world.contracts, marks, strict=True)]
        )

    def serves(self, owner: Ints, number: Ints) -> pa.Array:
        """Return the symbols that a fund or vault of a number serves; empty for other owners and where it is alone."""
        place, names = np.zeros(len(owner), dtype=np.int64), [""]
        for code, of, count in (
            (FUND, self.ledger.fund_of, len(self.funds)),
            (VAULT, self.ledger.vault_of, len(self.vaults)),
        ):
            if count > 1:
                place = np.where(owner == code, number + len(names), place)
                names += ["+".join(s for s, n in zip(self.symbols, of, strict=True) if n == k) for k in range(count)]
        return named(place, names)

    def px(self, value: Ints, lots: Ints, symbol: Ints) -> Any:
        """Return the price at which lots are worth so many quanta; NaN without lots, or where no price is."""
        with np.errstate(divide="ignore", invalid="ignore"):
            linear = value / (lots * (self.lot[symbol] * QUANTA_PER_USD))
            if (self.value_signs > 0).all():
                return linear
            inverse = np.where(value > 0, self.face_px[symbol] * lots / value, np.nan)
        return np.where(self.value_signs[symbol] > 0, linear, inverse)

    def px_or_null(self, value: Ints, lots: Ints, symbol: Ints, missing: Bools | None = None) -> Any:
        """Return that price, null where there is none."""
        prices = self.px(value, lots, symbol)
        none = (self.value_signs[symbol] < 0) & (value <= 0) if missing is None else missing | np.isnan(prices)
        return nullable(prices, none) if none.any() or missing is not None else prices

    def symbol(self, codes: Ints) -> pa.Array:
        """Return symbol names."""
        return named(codes, self.symbols)

    def cohort(self, rows: Ints) -> pa.Array:
        """Return cohort names of book rows."""
        return named(self.cohorts[rows], self.book.cohorts)

    def liquidation(self, serial: Ints) -> pa.Array:
        """Return liquidation ids, null where there is none."""
        return nullable(self.liquidation_of[serial], serial == NONE)

    def mark_px(self, marks: Ints, symbol: Ints) -> Any:
        """Return marks in mark quanta as prices."""
        return marks * self.mark_unit[symbol]
