"""The summary of a run, fund and vault, and the spread over seeds, added up by hand."""

from __future__ import annotations

import pytest

from tests.sql.conftest import Make, Rows, Tables, at, rows

BTC, ETH = "BTC/USD:USD", "ETH/USD:USD"

STEPS = f"""
    step ts symbol trade_px trade_low_px mark_px vault_usd vault_equity_usd own_vault_equity_usd vault_leverage
    1    20 {BTC}  100      98           100     50        50               50                   0
    2    40 {BTC}  80       70           80      -20       -5               -5                   -
    3    60 {BTC}  90       85           90      10        20               20                   12.5
    1    20 {ETH}  10       10           10      50        50               50                   0
    2    40 {ETH}  10       10           10      -20       -5               -5                   -
    3    60 {ETH}  10       10           10      10        20               20                   12.5
"""
EXCESS = {1: 50, 2: -9, 3: -1}  # of the vault, by step
POSITIONS = f"""
    symbol side  lots
    {BTC}  long  3
    {BTC}  long  4
    {BTC}  short 5
    {ETH}  short 10
"""
LIQUIDATIONS = f"""
    liquidation_id ts symbol side  lots notional_usd closed_usd book_lots takeover_lots adl_lots remaining_lots
    1              25 {BTC}  long  3    270          270        3         0             0        0
    2              30 {BTC}  long  4    340          255        0         3             0        1
    3              40 {ETH}  short 10   175          175        0         0             10       0
"""
WAVES = f"""
    wave_id ts symbol source  lots_closed notional_usd
    1       32 {ETH}  account 0           0
    2       40 {ETH}  account 10          105
    3       40 {BTC}  vault   3           315
"""
FUND = """
    movement_id step ts pool  cause    lots amount_usd cash_usd
    1           0    0  fund  opening  0    0          0
    2           0    0  vault opening  0    50         50
    3           2    40 vault takeover 3    -70        -20
    4           3    60 vault unwind   -1   30         10
    5           3    60 vault unwind   0    -2         8
"""
RUN = {"event_id": "2025-10-10", "venue": "hyperliquid", "ranking": "hyperliquid", "seed": 7, "accounts": 40}


@pytest.fixture
def crash(tables: Make) -> Tables:
    """A run with a vault, two symbols and one wave for an account and one for the vault."""
    return tables(
        runs=[{**RUN, "positions": 50, "start_ts": 0, "end_ts": 60}],
        steps=[{**row, "vault_excess_usd": EXCESS[int(row["step"])]} for row in rows(STEPS)],
        positions=rows(POSITIONS),
        liquidations=rows(LIQUIDATIONS),
        adl_events=rows(WAVES),
        adl_fills=[{"position_id": p, "account_id": 5} for p in (5, 5, 6)],
        fund=rows(FUND),
        ledger=rows("owner amount_usd\nuncovered -4\nuncovered -5\nvenue 9"),
    )


def test_run_summary(crash: Tables) -> None:
    row = crash.frame("run_summary").row(0, named=True)
    expected = {
        **RUN,
        "positions": 50,
        "start_ts": at(0),
        "end_ts": at(60),
        "open_interest_usd": 800,  # seven long lots of BTC at 100 and ten short lots of ETH at 10
        "liquidations": 3,
        "liquidated_long_usd": 525,  # 270 and three of four lots of 340
        "liquidated_short_usd": 175,
        "liquidated_usd": 700,
        "liquidated_long_share_frac": 0.75,
        "first_liquidation_ts": at(25),
        "pool": "vault",
        "pool_start_usd": 50,
        "pool_end_usd": 20,
        "pool_low_usd": -5,
        "pool_low_ts": at(40),
        "fund_start_usd": 0,
        "fund_end_usd": 0,
        "fund_low_usd": 0,
        "vault_start_usd": 50,
        "vault_end_usd": 20,
        "vault_low_usd": -5,
        "vault_least_usd": -5,
        "vault_leverage_max": 12.5,
        "vault_below_maintenance_steps": 2,
        "adl_usd": 420,
        "adl_positions": 2,
        "adl_accounts": 1,
        "adl_waves": 3,
        "first_adl_ts": at(40),  # the first wave closed nothing
        "first_adl_after_s": 15.0,
        "adl_share_frac": 0.6,
        "adl_for_pools_share_frac": 0.75,
        "uncovered_usd": -9,
        "residual_usd": 0,
        "worst_symbol": BTC,
        "worst_move_frac": 0.7 - 1,
        "rest_open_interest_usd": None,
        "rest_liquidated_usd": None,
        "rest_adl_usd": None,
    }
    assert {name: row[name] for name in expected} == expected


def test_the_fund_is_the_pool_where_no_vault_has_money(tables: Make) -> None:
    run = tables(
        steps=rows("step ts fund_equity_usd residual_usd\n1 20 8 0\n2 40 9 -1", symbol=BTC, trade_px=1.0),
        fund=rows("pool cause amount_usd cash_usd\nfund opening 7 7\nvault opening 0 0"),
    )
    # the lowest equity is the opening itself
    columns = "pool pool_start_usd pool_low_usd pool_low_ts pool_end_usd residual_usd"
    assert run.ask("run_summary", columns) == [("fund", 7, 7, at(0), 9, -1)]


def test_fund_balance_keeps_changes_and_both_ends(tables: Make) -> None:
    path = [(1, 50, 50), (2, 50, 50), (3, 40, 50), (4, 40, 45), (5, 40, 45), (6, 40, 45)]
    steps: Rows = [
        {"step": k, "ts": 20 * k, "symbol": symbol, "vault_usd": cash, "vault_equity_usd": equity}
        for k, cash, equity in path
        for symbol in (BTC, ETH)
    ]
    run = tables(steps=steps, fund=rows("pool cause amount_usd cash_usd\nvault opening 50 50"))
    assert run.ask("fund_balance", "step ts pool cash_usd equity_usd") == [
        (0, at(0), "vault", 50, 50),
        (1, at(20), "vault", 50, 50),
        (3, at(60), "vault", 40, 50),
        (4, at(80), "vault", 40, 45),
        (6, at(120), "vault", 40, 45),
    ]


def test_several_vaults_hold_each_by_itself(tables: Make) -> None:
    """The vault of BTC dies while that of ETH gains as much: together they never fall."""
    path = [(1, 50, 50), (2, -5, 105), (3, 0, 100)]
    steps: Rows = [
        {"step": k, "ts": 20 * k, "symbol": symbol, "vault_usd": 100, "vault_equity_usd": 100, "own_vault_usd": own,
         "own_vault_equity_usd": own, "vault_excess_usd": own - 1, "trade_px": 1.0}
        for k, *each in path
        for symbol, own in zip((BTC, ETH), each, strict=True)
    ]  # fmt: skip
    moved = f"pool serves cause amount_usd cash_usd\nvault {BTC} opening 50 50\nvault {ETH} opening 50 50"
    run = tables(steps=steps, fund=rows(moved))
    found = run.ask("fund_balance", "serves step equity_usd")
    assert found == [
        (symbol, k, equity)
        for symbol, equities in ((BTC, (50, 50, -5, 0)), (ETH, (50, 50, 105, 100)))
        for k, equity in enumerate(equities)
    ]
    columns = "vault_start_usd vault_low_usd vault_least_usd vault_below_maintenance_steps"
    assert run.ask("run_summary", columns) == [(100, 100, -5, 2)]


def test_fund_flows(crash: Tables) -> None:
    assert crash.ask("fund_flows", "pool cause movements lots_movements inflow_usd outflow_usd net_usd") == [
        ("fund", "opening", 1, 0, 0, 0, 0),
        ("vault", "opening", 1, 0, 50, 0, 50),
        ("vault", "takeover", 1, 1, 0, 70, -70),
        ("vault", "unwind", 2, 1, 30, 2, 28),
    ]


def test_seed_spread(crash: Tables) -> None:
    crash.con.execute("CREATE TABLE summaries AS FROM run_summary")
    other = "SELECT * REPLACE (adl_usd * 3 AS adl_usd, NULL AS first_adl_after_s) FROM run_summary"
    crash.con.execute(f"INSERT INTO summaries {other}")
    spread = {row[0]: row[1:] for row in crash.ask("seed_spread", "metric p05 median p95 runs")}
    # 420 and 1,260: 5 % of the way up is 462, half way 840
    assert spread["adl_usd"] == pytest.approx((462, 840, 1218, 2))
    assert spread["first_adl_after_s"] == (15.0, 15.0, 15.0, 1)
    assert spread["liquidated_usd"] == (700.0, 700.0, 700.0, 2)


def test_vault_result(tables: Make) -> None:
    run = tables(
        fund=[
            {"movement_id": 1, "pool": "vault", "cause": "opening", "amount_usd": 100},
            {"movement_id": 2, "pool": "vault", "cause": "takeover", "symbol": BTC, "lots": 3},
            {"movement_id": 3, "pool": "vault", "cause": "unwind", "symbol": BTC, "lots": -1},
            {"movement_id": 4, "pool": "fund", "cause": "takeover", "symbol": BTC, "lots": 9},
        ],
        steps=[
            {"step": step, "symbol": symbol, "vault_equity_usd": equity, "lot_value_usd": 5}
            for step, equity in ((1, 100), (2, -40), (3, 70))
            for symbol in (BTC, ETH)
        ],
    )
    columns = "capital_usd low_equity_usd end_equity_usd vault_pnl_usd held_usd"
    assert run.ask("vault_result", columns) == [(100, -40, 70, -30, 10)]
