"""The results that sections share: each query is asked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import polars as pl

from backtest.formatting import NONE, exact
from backtest.run.meta import RunMeta
from backtest.run.run import StoredRun
from backtest.run.summary import named
from backtest.schema.coins import is_rest
from backtest.sql.run import AuditResult

POOL_NAMES = {"fund": "insurance fund", "vault": "vault"}
Row = dict[str, Any]


def covered(rows: list[Row]) -> list[Row]:
    """Return the rows of coins with bars."""
    return [row for row in rows if not is_rest(row["symbol"])]


PADDING = 0.2  # of the crash, on either side of it
LEAST_PADDING = timedelta(minutes=2)
MOST_SHOWN = 0.7  # of the window: a longer crash is shown with all of it


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the window."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """Return its ends, as times of day where it is of one."""
        form = "%H:%M" if self.start.date() == self.end.date() else "%d %b %H:%M"
        return f"{self.start:{form}} to {self.end:{form}} UTC"


@dataclass
class Findings:
    """Queries of one run, remembered, and the values that several sections need."""

    run: StoredRun
    _frames: dict[Any, pl.DataFrame] = field(default_factory=dict)
    _rows: dict[Any, list[Row]] = field(default_factory=dict)

    def frame(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Return the rows of a named query."""
        key = (name, *sorted(params.items()))
        if key not in self._frames:
            self._frames[key] = self.run.query(name, **params)
        return self._frames[key]

    def row(self, name: str, /, **params: Any) -> Row:
        """Return the first row of a named query, or an empty mapping."""
        frame = self.frame(name, **params)
        return frame.row(0, named=True) if len(frame) else {}

    def rows(self, name: str, /, **params: Any) -> list[Row]:
        """Return all rows of a named query as mappings, which nobody changes."""
        key = (name, *sorted(params.items()))
        if key not in self._rows:
            self._rows[key] = self.frame(name, **params).to_dicts()
        return self._rows[key]

    def of_symbol(self, name: str, symbol: str, /, **params: Any) -> pl.DataFrame:
        """Return the rows of a named query that are of one symbol."""
        frame = self.frame(name, **params)
        return frame.filter(frame["symbol"] == symbol)

    @property
    def meta(self) -> RunMeta:
        """Return the contents of ``run.json``."""
        return self.run.meta

    @cached_property
    def summary(self) -> Row:
        """Return the headline numbers."""
        return self.run.summary()

    @cached_property
    def start(self) -> datetime:
        """Return the open of the first bar."""
        start: datetime = self.summary["start_ts"]
        return start

    @cached_property
    def end(self) -> datetime:
        """Return the close of the last bar."""
        end: datetime = self.summary["end_ts"]
        return end

    @property
    def window(self) -> Span:
        """Return the whole window."""
        return Span(self.start, self.end)

    @cached_property
    def crash(self) -> Span | None:
        """Return the part of the window that holds the crash: 98 % of liquidations and of ADL, the low, the first ADL.

        None where there was no liquidation or where the crash fills most of the window.
        """
        minutes = [
            (row["minute_ts"], row["long_usd"] + row["short_usd"]) for row in self.rows("liquidations_per_minute")
        ]
        waves = [(row["ts"], row["notional_usd"]) for row in covered(self.rows("adl_waves"))]
        points = [at for amounts in (minutes, waves) for at in _middle(amounts)]
        if not points:
            return None
        points += [at for at in (self.summary["first_adl_ts"], self.worst["low_ts"], self.moves[0]["low_ts"]) if at]
        first, last = min(points), max(points) + timedelta(minutes=1)
        room = max((last - first) * PADDING, LEAST_PADDING)
        start, end = (_to_minute(at) for at in (first - room, last + room))
        start, end = max(start, self.start), min(end, self.end)
        return Span(start, end) if (end - start) < (self.end - self.start) * MOST_SHOWN else None

    @cached_property
    def moves(self) -> list[Row]:
        """Return price moves, the coin with the most liquidated notional first, the rest of the venue last."""
        weight = {row["symbol"]: row["liquidated_usd"] or 0 for row in self.rows("adl_impact_by_symbol")}
        return sorted(self.rows("price_moves"), key=lambda row: (is_rest(row["symbol"]), -weight.get(row["symbol"], 0)))

    @property
    def symbols(self) -> list[str]:
        """Return the symbols, the main one first."""
        return [row["symbol"] for row in self.moves]

    @property
    def worst(self) -> Row:
        """Return the price move of the coin with bars that fell furthest."""
        return min(covered(self.moves), key=lambda row: row["move_to_low_frac"])

    @property
    def liquidated(self) -> bool:
        """Return whether any position was liquidated."""
        return bool(self.summary["liquidations"])

    @property
    def adl(self) -> bool:
        """Return whether any winner was closed."""
        return bool(self.summary["adl_positions"])

    @property
    def pool(self) -> str:
        """Return the name in prose of the fund or vault that has the money, of several vaults together."""
        if self.summary["pool"] == "vault" and any(self._vaults_served()):
            return "vaults"
        return POOL_NAMES.get(self.summary["pool"] or "", "insurance fund")

    def _vaults_served(self) -> list[str]:
        """Return the symbols that each vault serves, empty where there is one."""
        return [row["serves"] for row in self.rows("fund_flows") if row["pool"] == "vault"]

    @property
    def funded(self) -> bool:
        """Return whether fund or vault had money or a movement."""
        s = self.summary
        return bool(s["pool_start_usd"] or s["pool_end_usd"] or s["pool_low_usd"])

    @cached_property
    def largest_wave(self) -> Row:
        """Return the ADL wave of a coin with bars with the most notional, the one whose queue is shown."""
        waves = covered(self.rows("adl_waves"))
        return max(waves, key=lambda row: (row["notional_usd"], -row["wave_id"])) if waves else {}

    @property
    def seeds(self) -> int:
        """Return the number of seeds that the bands are made of."""
        return len(self.run.studies.seeds.run_ids) if self.run.studies.seeds else 0

    @cached_property
    def seed_spread(self) -> dict[str, Row]:
        """Return the 5th percentile, median and 95th percentile of each headline over seeds, by metric."""
        return {row["metric"]: row for row in self.rows("seed_spread")} if self.seeds > 1 else {}

    @property
    def draws(self) -> int:
        """Return the number of draws that the bands are made of."""
        return len(self.run.studies.draws) if self.run.studies.draws else 0

    @cached_property
    def draw_spread(self) -> dict[str, Row]:
        """Return the 5th percentile, median and 95th percentile of each headline over draws, by metric."""
        return {row["metric"]: row for row in self.rows("draw_spread")} if self.draws else {}

    @cached_property
    def audits(self) -> list[AuditResult]:
        """Return the outcome of every audit."""
        return self.run.audits()

    def base(self, symbol: str, lots: int | None) -> Decimal | None:
        """Return lots as an amount of what the contract counts in, a coin or, of an inverse contract, dollars."""
        unit = next((Decimal(one.lot) for one in self.meta.contracts if one.symbol == symbol), Decimal(1))
        return None if lots is None else unit * lots

    def size(self, symbol: str, lots: int | None) -> str:
        """Return lots in words: amount and what it is of."""
        amount, of = self.base(symbol, lots), self._lot_of.get(symbol, "lots")
        return NONE if amount is None else f"{exact(amount.normalize() if amount else Decimal(0))} {of}"

    @cached_property
    def _lot_of(self) -> dict[str, str]:
        return {one.symbol: one.lot_of for one in self.meta.contracts}

    def coins(self) -> str:
        """Return the coins in words, the main one first, and whether the last stands for the rest of the venue."""
        return named(self.symbols)


def _middle(amounts: list[tuple[datetime, Decimal]]) -> list[datetime]:
    """Return the first and the last moment of the middle 98 % of amounts in order."""
    total, seen, inside = sum(amount for _, amount in amounts), Decimal(0), []
    for at, amount in amounts:
        before, seen = seen, seen + amount
        if seen > total * Decimal("0.01") and before < total * Decimal("0.99"):
            inside.append(at)
    return [inside[0], inside[-1]] if inside else []


def _to_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
