"""What holds for every SQL file: names, headers, parameters, behaviour on runs where nothing happened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from backtest.assets import asset
from backtest.run.drawn import DRAW_TABLES
from backtest.schema.table import Table
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.files import audit_names, query_names, view_names
from backtest.sql.header import load
from backtest.sql.run import run_audits
from tests.sql.conftest import Make, Tables, rows

BTC = "BTC/USD:USD"

READING = """
    run_summary price_moves price_path liquidations_per_minute liquidations_by_cohort liquidation_price_map
    largest_liquidations cascades liquidity_pressure fund_balance fund_flows loss_waterfall adl_waves
    adl_selection_order adl_haircut_by_rank adl_concentration adl_by_cohort adl_causes adl_first_closed
    adl_bankrupts watch_results closed_by_leverage map_after_waves map_against_liquidations
    forgone_pnl adl_impact_by_symbol hedges watch_ranks open_interest_path funding_flows data_coverage window_metrics
    seed_spread actual_by_minute actual_adl_order actual_accounts actual_account_score actual_account_bands
    actual_methods actual_timing account_outcomes liquidation_price_check position_funding cross_contagion
    multi_coin_breaches fund_timeline adl_in_window forced_sales_in_window vault_result fact_scores
    draw_spread draw_spread_by_symbol draw_vault_spread draw_cliffs
    draw_adl_by_capital draw_drivers draw_adl_by_minute draw_parameters
"""
AUDITS = """
    ledger_sums_to_zero lots_sum_to_zero accounts_match_ledger open_interest_balanced fund_movements_match_balance
    fund_takeover_respects_floor adl_opposite_side_only adl_winners_had_equity adl_follows_rank adl_only_after_pool
    adl_never_exceeds_position liquidation_lots_add_up shortfall_fully_allocated no_liquidation_above_maintenance
    bankruptcy_close_leaves_no_deficit funding_nets_to_zero steps_residual_zero positions_match_ledger
    marks_fresh_at_funding loss_waterfall_sums_to_zero book_fill_inside_range mark_inside_walk
"""
OF_WINDOWS = ("window_metrics", "adl_in_window", "forced_sales_in_window")
ONE_ROW = {"run_summary", "adl_causes", "vault_result", "draw_cliffs", *OF_WINDOWS}
WINDOW = {name: {"start": "2025-10-10T21:00", "end": "2025-10-10T22:00"} for name in OF_WINDOWS}
FILES = sorted(asset("queries").rglob("*.sql"))
COLUMNS = {
    "run_summary": """
        event_id venue symbols ranking seed start_ts end_ts accounts positions open_interest_usd liquidations
        liquidated_long_usd liquidated_short_usd liquidated_usd liquidated_long_share_frac first_liquidation_ts pool
        pool_start_usd pool_end_usd pool_low_usd pool_low_ts fund_start_usd fund_end_usd fund_low_usd vault_start_usd
        vault_end_usd vault_low_usd vault_least_usd vault_leverage_max vault_below_maintenance_steps adl_usd
        adl_positions
        adl_accounts adl_waves first_adl_ts first_adl_after_s
        adl_share_frac adl_for_pools_share_frac uncovered_usd residual_usd worst_symbol worst_move_frac
        rest_open_interest_usd rest_liquidated_usd rest_adl_usd
    """,
    "cascades": "cascade_id start_ts end_ts duration_s steps liquidations liquidated_usd largest_step_usd symbols",
    "loss_waterfall": "stage_no stage amount_usd note",
    "hedges": """
        name symbol side hedged account_id opening_lots closed_lots first_close_ts mean_close_px mean_mark_px
        immediate_usd unhedged_base unhedged_usd unhedged_s waves best_rank lowest_notional_ahead_usd fate
    """,
}
SILENT = """
    adl_waves adl_selection_order adl_haircut_by_rank adl_concentration adl_by_cohort adl_first_closed forgone_pnl
    adl_bankrupts actual_timing
    watch_results map_after_waves
    liquidations_per_minute largest_liquidations cascades liquidity_pressure hedges watch_ranks funding_flows
    actual_by_minute actual_adl_order actual_accounts actual_account_score actual_account_bands actual_methods
    liquidation_price_check position_funding multi_coin_breaches fund_timeline draw_spread fact_scores
    draw_vault_spread draw_spread_by_symbol draw_adl_by_capital draw_drivers draw_adl_by_minute draw_parameters
"""


def quiet_run(make: Make) -> Tables:
    """Return a run of two steps in which nothing was liquidated."""
    step = {"symbol": BTC, "trade_px": 100.0, "mark_px": 100.0, "trade_low_px": 99.0, "trade_high_px": 101.0,
            "mark_low_px": 100.0, "mark_high_px": 100.0}  # fmt: skip
    return make(
        runs=[{"event_id": "calm", "accounts": 1, "positions": 1, "end_ts": 60}],
        steps=[{**step, "step": k, "ts": 20 * (k - 1), "long_lots": 1, "short_lots": 1} for k in (1, 2)],
        accounts=[{"account_id": 1, "opening_cash_usd": 10, "final_cash_usd": 10}],
        positions=rows("account_id side cohort lots final_lots liquidation_px fate\n1 long 3x 1 1 70 open", symbol=BTC),
        fund=[{"movement_id": 1, "pool": "fund", "cause": "opening"}],
        coverage=[{"series": "ohlcv", "symbol": BTC}],
    )


@pytest.fixture(scope="module")
def empty() -> Iterator[Tables]:
    """Return tables without a row, for queries that only read."""
    with closing(Tables()) as made:
        made.con.execute("CREATE TABLE summaries AS FROM run_summary LIMIT 0")
        yield made


@pytest.fixture(scope="module")
def quiet() -> Iterator[Tables]:
    """Return the quiet run with its summary, for queries that only read."""
    with closing(quiet_run(Tables)) as made:
        made.con.execute("CREATE TABLE summaries AS FROM run_summary")
        yield made


@pytest.fixture(scope="module")
def large() -> Iterator[Tables]:
    """Return one row of the largest amounts in every table, for queries that only read."""
    with closing(Tables(**{table.name: [large_row(table)] for table in TABLES.values()})) as made:
        made.con.execute("CREATE TABLE summaries AS FROM run_summary")
        yield made


def test_the_names_are_complete() -> None:
    assert set(query_names()) >= set(READING.split())
    assert set(audit_names()) == set(AUDITS.split())
    assert set(view_names()) == set(VIEWS)


def test_queries_and_audits_do_not_share_names() -> None:
    names = [*query_names(), *audit_names()]
    assert len(names) == len(set(names)) == len(FILES)
    assert not set(names) & (set(TABLES) | set(DRAW_TABLES) | {"rules", "summaries", "published_facts"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_header_is_complete(path: Any) -> None:
    one = load(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = [line.split(":")[0][3:] for line in lines if line.startswith("-- ")][: 5 if one.note else 4]
    assert keys[:4] == ["title", "params", "grain", "units"]
    assert one.grain.startswith("one row")
    assert one.is_audit == (path.parent.name == "audits")
    assert one.title.endswith("?") != one.is_audit
    body = "\n".join(line for line in lines if not line.startswith("--"))
    assert {param.name for param in one.params} == set(re.findall(r"\$(\w+)", body))
    assert not body.rstrip().endswith(";")
    assert "now()" not in body


@pytest.mark.parametrize(("name", "columns"), COLUMNS.items(), ids=str)
def test_views_have_the_agreed_columns(name: str, columns: str, empty: Tables) -> None:
    wanted = columns.split()
    assert empty.frame(name).columns[: len(wanted)] == wanted


@pytest.mark.parametrize("name", sorted([*READING.split(), *AUDITS.split()]))
def test_empty_tables_are_no_error(name: str, empty: Tables) -> None:
    frame = empty.frame(name, **WINDOW.get(name, {}))
    assert frame.height == {"loss_waterfall": 12}.get(name, int(name in ONE_ROW))


@pytest.mark.parametrize("name", sorted(READING.split()))
def test_a_quiet_run_is_no_error(name: str, quiet: Tables) -> None:
    frame = quiet.frame(name, **WINDOW.get(name, {}))
    assert frame.is_empty() == (name in SILENT.split())


TEXT = {
    "symbol": BTC,
    "side": "long",
    "bankrupt_side": "long",
    "pool": "fund",
    "source": "fund",
    "bankrupt": "fund",
    "name": "desk",
}
LARGE = {"money": "999999999999.999999", "money12": "999999999999", "float": 100_000.0, "ts": 60}


def large_row(table: Table) -> dict[str, Any]:
    """Return a row with the largest amounts a run may hold: a trillion lots of 0.000001 BTC."""
    row: dict[str, Any] = {}
    for column in table.columns:
        count = 10**12 if "lots" in column.name and "kept" not in column.name else 1
        row[column.name] = TEXT.get(column.name, "x") if column.kind == "str" else LARGE.get(column.kind, count)
    return {name: 1e6 if name == "quantity_base" else value for name, value in row.items()}


@pytest.mark.parametrize("name", sorted([*READING.split(), *AUDITS.split()]))
def test_large_amounts_do_not_overflow(name: str, large: Tables) -> None:
    assert large.frame(name, **WINDOW.get(name, {})).width > 0


def test_a_quiet_run_passes_all_audits(quiet: Tables) -> None:
    results = run_audits(quiet.con)
    assert [result.name for result in results] == sorted(AUDITS.split())
    assert all(result.passed and result.rows == 0 for result in results)


def test_a_quiet_run_has_a_summary_of_zeros(quiet: Tables) -> None:
    row = quiet.frame("run_summary").row(0, named=True)
    assert row["event_id"] == "calm"
    assert row["open_interest_usd"] == 100
    counted = (
        "liquidations",
        "liquidated_usd",
        "adl_usd",
        "adl_positions",
        "adl_waves",
        "uncovered_usd",
        "residual_usd",
    )
    assert [row[name] for name in counted] == [0] * len(counted)
    assert [row[name] for name in ("first_liquidation_ts", "first_adl_ts", "adl_share_frac")] == [None] * 3
