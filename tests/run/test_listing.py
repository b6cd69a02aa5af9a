"""A list of runs says of each what its tables hold."""

from __future__ import annotations

from backtest.api.replay import replay
from backtest.run.listing import listed


def test_the_sums_of_a_listed_run_are_those_of_its_tables() -> None:
    run = replay("2025-10-10", coins=["BTC"], positions=200, end="2025-10-10T21:30", step_s=20.0, draws=0)
    row = listed(run.path)
    assert (row.run_id, row.event, row.venue, row.seed) == (run.run_id, "2025-10-10", "hyperliquid", 1)
    assert row.positions == run.positions.height
    assert row.liquidated_usd == run.liquidations["closed_usd"].sum() > 0
    assert row.adl_usd == run.adl_events["notional_usd"].sum() > 0


def test_a_run_without_liquidations_has_sums_of_zero() -> None:
    run = replay("2025-10-10", coins=["BTC"], positions=200, end="2025-10-10T20:45", step_s=60.0, draws=0)
    assert (listed(run.path).liquidated_usd, listed(run.path).adl_usd) == (0, 0)
