"""Margin tables on real figures: all of Binance's recorded brackets, and the table in force on the days of crashes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtest.lake.place import Place
from backtest.lake.write import write_day
from backtest.market.terms import contract_terms
from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, rate_e9
from backtest.mechanics.margin import maintenance
from backtest.mechanics.margin_stepped import steps_up
from backtest.venue.margin_table import MarginTable, wrong_tiers
from backtest.venue.reading import get_venue

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "leverage_tiers" / "binance-usdm.json"
SEEN = dt.date(2026, 9, 30)


@pytest.fixture(scope="module")
def brackets() -> dict[str, list[dict[str, Any]]]:
    """Return the tiers of every symbol with ccxt's field names and the venue's own deduction, ``cum``."""
    if not RECORDED.exists():
        pytest.skip("recorded leverage brackets are not beside this repository")
    found: dict[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def table(symbol: str, rows: list[dict[str, Any]]) -> MarginTable:
    tiers = [(int(r["minNotional"]), rate_e9(r["maintenanceMarginRate"]), float(r["maxLeverage"])) for r in rows]
    return MarginTable(symbol, SEEN, tuple(tiers), "recorded", "V", "")


@pytest.mark.golden
def test_the_recurrence_reproduces_every_deduction_of_907_tables(brackets: dict[str, list[dict[str, Any]]]) -> None:
    assert len(brackets) == 907
    wrong, tiers_seen = [], 0
    for symbol, rows in brackets.items():
        assert all(float(row["minNotional"]).is_integer() for row in rows), symbol
        tiers, _ = table(symbol, rows).schedule()
        published = [Decimal(str(row["cum"])) * QUANTA_PER_USD for row in rows]
        tiers_seen += len(rows)
        wrong += [(symbol, k) for k, cum in enumerate(published) if tiers.deductions[k] != cum]
    assert wrong == []
    assert tiers_seen == sum(map(len, brackets.values()))


@pytest.mark.golden
def test_every_recorded_table_keeps_the_rules_of_a_profile_and_is_continuous(
    brackets: dict[str, list[dict[str, Any]]],
) -> None:
    for symbol, rows in brackets.items():
        assert not wrong_tiers(table(symbol, rows).tiers), symbol
        assert all(a["maxNotional"] == b["minNotional"] for a, b in pairwise(rows)), symbol
        tiers, _ = table(symbol, rows).schedule()
        assert not steps_up(tiers), symbol
        # on either side of a floor a quantum of notional adds at most a quantum
        floors = tiers.floors[1:]
        above, below = maintenance(floors, tiers), maintenance(floors - 1, tiers)
        assert np.all((above - below >= 0) & (above - below <= 1)), symbol
        # and at the floor both tiers ask the same to the last quantum
        at = [int(f) * int(r) - int(c) * RATE_ONE for f, r, c in
              zip(floors, tiers.rates_e9[1:], tiers.deductions[1:], strict=True)]  # fmt: skip
        before = [int(f) * int(r) - int(c) * RATE_ONE for f, r, c in
                  zip(floors, tiers.rates_e9[:-1], tiers.deductions[:-1], strict=True)]  # fmt: skip
        assert at == before, symbol


@pytest.mark.golden
def test_recorded_tables_come_out_of_the_lake_as_they_went_in(brackets: dict[str, list[dict[str, Any]]]) -> None:
    perpetuals = [symbol for symbol in sorted(brackets) if symbol.endswith("/USDT:USDT")][::60]
    assert len(perpetuals) > 10
    for symbol in perpetuals:
        rows, ts = brackets[symbol], dt.datetime.combine(SEEN, dt.time())
        frame = pl.DataFrame(
            {
                "ts": [ts] * len(rows),
                "tier": [row["tier"] for row in rows],
                "notional_floor": [row["minNotional"] for row in rows],
                "notional_cap": [row["maxNotional"] for row in rows],
                "maintenance_frac": [row["maintenanceMarginRate"] for row in rows],
                "max_leverage": [row["maxLeverage"] for row in rows],
            }
        )
        write_day(frame, Place("binanceusdm", symbol, "leverage_tiers"), SEEN)
        units = {"ts": [ts], "tick_px": [0.001], "lot_base": [1.0], "contract_size": [1.0], "quantity_min": [1.0]}
        write_day(pl.DataFrame(units), Place("binanceusdm", symbol, "limits"), SEEN)
        coin = symbol.partition("/")[0]
        _, (terms,) = contract_terms(get_venue("binanceusdm"), [coin], SEEN)
        assert terms.table.tiers == table(symbol, rows).tiers
        assert (terms.table.valid_from, terms.warning) == (SEEN, "")


@pytest.mark.golden
@pytest.mark.parametrize(
    ("coin", "day", "dated", "first", "warning"),
    [
        # 2021-03-18: announcement of the venue; 2024-10-24: snapshot c9ae5e1e; 2026-09-30: recorded brackets
        ("BTC", "2021-05-19", "2021-03-18", (50_000, 5_000_000, 100.0), ""),
        ("BTC", "2024-08-05", "2021-03-18", (50_000, 5_000_000, 100.0), "over a year before 2024-08-05"),
        ("BTC", "2025-10-10", "2024-10-24", (50_000, 5_000_000, 100.0), ""),
        ("ETH", "2021-05-19", "2024-10-24", (50_000, 5_000_000, 100.0), "after 2021-05-19"),
        ("ETH", "2024-08-05", "2024-10-24", (50_000, 5_000_000, 100.0), "after 2024-08-05"),
        ("ETH", "2025-10-10", "2024-10-24", (50_000, 5_000_000, 100.0), ""),
        ("XRP", "2025-10-10", "2026-09-30", (40_000, 6_000_000, 75.0), "after 2025-10-10"),
        ("BTC", "2026-10-01", "2026-09-30", (300_000, 5_000_000, 100.0), ""),
    ],
)
def test_the_table_in_force_on_the_days_of_crashes(
    coin: str, day: str, dated: str, first: tuple[int, int, float], warning: str
) -> None:
    _, (terms,) = contract_terms(get_venue("binanceusdm"), [coin], dt.date.fromisoformat(day))
    assert terms.table.valid_from.isoformat() == dated
    assert terms.table.tiers[1] == first
    expected = f"margin table of {coin} at binanceusdm is dated {dated}, {warning}" if warning else ""
    assert terms.warning == expected
