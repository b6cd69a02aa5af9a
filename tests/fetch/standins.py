"""Small events, venues, scenarios and bars for tests of the path."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from backtest.lake.series import BAR_COLUMNS
from backtest.scenario.fields import Scenario
from backtest.scenario.values import build
from backtest.venue.funding_rule import Cap, FundingRule
from backtest.venue.statement import Counts

RULES: dict[str, Any] = {
    "mark_half_life_s": 30.0,
    "liquidation_rule": "full_position",
    "first_share_frac": 1.0,
    "first_above_usd": 0.0,
    "first_pause_s": 0,
    "block_s": 1.0,
    "block_share_frac": 1.0,
    "block_least_usd": 0.0,
    "block_most_usd": 1e9,
    "block_orders": 50,
    "block_deleverages": 10,
    "fillable_adjustment": 1.0,
    "fillable_spread": 1.5,
    "max_candidates": 0,
    "adl_allocation": "queue",
    "fund_pools": "shared",
    "fund_start_usd": 0.0,
    "fund_floor_usd": 0.0,
    "fund_shortfall": "divisible",
    "fund_takeover": "none",
    "fund_inventory_limit_usd": 999e9,
    "drawdown_trigger": "none",
    "drawdown_trigger_frac": 0.3,
    "drawdown_stop_frac": 0.25,
    "drawdown_above_usd": 0.0,
    "drawdown_window_s": 28_800,
    "inventory_adl": "none",
    "inventory_stop_usd": 0.0,
    "quiet_s": 600.0,
    "vault_capital_usd": 0.0,
    "vaults": (),
    "vault_margin": "none",
    "residual_owner": "account",
    "fee_rate": 0.0,
    "fee_owner": "venue",
    "ranking": "bitmex",
    "losers": "last",
    "cross_allocation": "by_maintenance",
    "cross_order": "maintenance",
    "close_price": "bankruptcy",
    "on_exhausted": "uncovered",
}


def utc(text: str) -> dt.datetime:
    """Return a naive UTC time; ``21:05`` is of 10 October 2025."""
    return dt.datetime.fromisoformat(text if "-" in text else f"2025-10-10T{text}")


@dataclass(frozen=True)
class FakeSample:
    venue: str
    coin: str
    file: str
    start: dt.datetime
    end: dt.datetime
    rows: int


@dataclass(frozen=True)
class FakeEvent:
    id: str
    core_start: dt.datetime
    core_end: dt.datetime
    start: dt.datetime
    end: dt.datetime
    sample: tuple[FakeSample, ...] = ()
    pre_roll_wanted_s: int = 28_800
    venues: tuple[str, ...] = ("binanceusdm",)


EVERY_HOUR = FundingRule(3600, tuple(range(24)), "mark", None, ())
ON_ORACLE = FundingRule(3600, tuple(range(24)), "oracle", None, (Cap("*", dt.date.min, 40_000_000),))


@dataclass(frozen=True)
class FakeVenue:
    id: str = "binanceusdm"
    quote: str = "USDT"
    settle: str = "USDT"
    funding: FundingRule = EVERY_HOUR
    open_interest_counts: Counts = "one side"

    @property
    def host(self) -> str:
        return self.id

    def symbol(self, coin: str) -> str:
        return f"{coin}/{self.quote}:{self.settle}"

    def face(self, coin: str) -> Decimal:
        return Decimal(0)

    def instrument(self, coin: str) -> tuple[Decimal, Decimal]:
        table = {
            "BTC": ("0.1", "0.001"),
            "SOL": ("0.01", "0.01"),
            "XRP": ("0.0001", "0.1"),
            "DOGE": ("0.00001", "1"),
            "LINK": ("0.001", "0.01"),
        }
        tick, lot = table[coin]
        return Decimal(tick), Decimal(lot)


def scenario(coins: Sequence[str] = ("BTC",), **changes: Any) -> Scenario:
    return build({**RULES, "event": "test", "venue": "test", "coins": tuple(coins), **changes})


def bars(start: dt.datetime, rows: Sequence[Sequence[float]]) -> pl.DataFrame:
    """Return consecutive minute bars from rows of open, high, low, close, volume."""
    columns = list(zip(*rows, strict=True))
    return pl.DataFrame(
        {
            "ts": [start + dt.timedelta(minutes=number) for number in range(len(rows))],
            **{name: [float(x) for x in column] for name, column in zip(BAR_COLUMNS[1:], columns, strict=True)},
        },
        schema_overrides={"ts": pl.Datetime("us")},
    )


def flat(start: dt.datetime, minutes: int, price: float = 100.0, volume: float = 1.0) -> pl.DataFrame:
    """Return flat minute bars."""
    return bars(start, [(price, price, price, price, volume)] * minutes)
