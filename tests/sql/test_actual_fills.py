"""What happened beside what was replayed: minutes, order of deleveraging, and a lake of fills up to the run."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.lake.place import Place
from backtest.lake.series import schema_of
from backtest.lake.write import write_day
from tests.sql.conftest import Make, rows

BTC = "BTC/USDC:USDC"
START = dt.datetime(2025, 10, 10, 21, 16)  # noqa: DTZ001


def test_minutes_of_replay_and_venue_stand_side_by_side(tables: Make) -> None:
    step = {"symbol": BTC, "liquidated_short_usd": 0}
    run = tables(
        steps=[
            {**step, "step": 1, "bar_ts": 0, "liquidated_long_usd": 70, "adl_usd": 0},
            {**step, "step": 2, "bar_ts": 60, "liquidated_long_usd": 5, "adl_usd": 30},
        ],
        actual_liquidations=rows("ts seq notional_usd\n61 1 8\n62 2 9", symbol=BTC),
        actual_adl=rows("ts seq notional_usd\n125 1 40", symbol=BTC),
    )
    frame = run.frame("actual_by_minute")
    columns = ["replayed_liquidated_usd", "actual_liquidated_usd", "replayed_adl_usd", "actual_adl_usd"]
    assert [[float(value) for value in row] for row in frame.select(columns).rows()] == [
        [70, 0, 0, 0],
        [5, 17, 30, 0],
        [0, 0, 0, 40],
    ]


def test_without_fills_what_happened_is_unknown_and_not_zero(tables: Make) -> None:
    step = {"symbol": BTC, "step": 1, "bar_ts": 0, "liquidated_long_usd": 70, "liquidated_short_usd": 0, "adl_usd": 0}
    assert tables(steps=[step]).frame("actual_by_minute")["actual_adl_usd"].to_list() == [None]


def test_deleveraging_is_listed_in_order_of_emission(tables: Make) -> None:
    fills = """
        block_ts seq account side quantity_base px notional_usd start_position_base closed_pnl_usd
        10       2   second  short 1            90 90           -4                  10
        10       1   first   short 2            90 180          -2                  30
        5        9   long    long  1            90 90           1                   -10
    """
    frame = tables(actual_adl=rows(fills, symbol=BTC)).frame("actual_adl_order")
    assert frame["account"].to_list() == ["long", "first", "second"]
    assert frame["entry_px"].to_list() == [100, 105, 100]
    assert frame["closed_frac"].to_list() == [1, 1, 0.25]
    assert frame["from_start_s"].to_list() == [0, 5, 5]


def fill(seq: int, kind: str, quantity: float, px: float, *, minute: int = 0) -> dict[str, object]:
    ts = START + dt.timedelta(minutes=minute)
    known = {"ts": ts, "block_ts": ts, "seq": seq, "kind": kind, "quantity_base": quantity, "px": px, "user": f"u{seq}"}
    rest = {"side": "short", "start_position_base": -quantity, "closed_pnl_usd": 1.5, "fee_usd": 0.0, "dir": ""}
    return {**known, **rest, "liquidated_user": None, "mark_px": None, "method": None}


@pytest.fixture
def imported() -> None:
    first = [fill(1, "adl", 2.0, 105_000.5), fill(0, "liquidation", 0.1, 0.1), fill(2, "adl", 1e-5, 1e5, minute=-300)]
    write_day(pl.DataFrame(first, schema=schema_of("fills")), Place("hyperliquid", BTC, "fills"), START.date())


@pytest.mark.usefixtures("imported")
def test_imported_fills_become_tables_of_the_run_with_exact_money() -> None:
    run = replay("2025-10-10", coins=["BTC"], positions=300, step_s=20.0)
    assert run.actual_adl.select("symbol", "account", "notional_usd").rows() == [(BTC, "u1", pytest.approx(210001))]
    assert run.sql("select sum(notional_usd) as usd from actual_liquidations")["usd"].to_list()[0] * 100 == 1
    assert run.actual_adl["mark_px"].to_list() == [None]
    assert run.actual_adl["method"].to_list() == [""]
    assert run.coverage.filter(series="fills")["rows"].to_list() == [2]
    beside = run.query("actual_by_minute", symbol="BTC").filter(pl.col("minute_ts") == START)
    assert [float(value) for value in beside["actual_adl_usd"]] == [210001]


@pytest.mark.usefixtures("imported")
def test_fills_belong_to_the_identity_of_a_run_but_change_nothing_in_it() -> None:
    known = replay("2025-10-10", coins=["BTC"], positions=300, step_s=20.0)
    start = dt.datetime.combine(START, dt.time())
    write_day(
        pl.DataFrame([fill(1, "adl", 3.0, 1.0)], schema=schema_of("fills")),
        Place("hyperliquid", BTC, "fills"),
        start.date(),
    )
    other = replay("2025-10-10", coins=["BTC"], positions=300, step_s=20.0)
    assert known.run_id != other.run_id
    assert known.adl_fills.drop("run_id").equals(other.adl_fills.drop("run_id"))
