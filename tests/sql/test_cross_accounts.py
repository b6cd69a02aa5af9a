"""Queries about accounts: what cross margin changed, who lost several coins at once; how positions stand by account."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from backtest.api.replay import replay
from backtest.api.run import Run
from tests.sql.conftest import Make, rows

BTC, SOL = "BTC/USD:USD", "SOL/USD:USD"


def test_dragged_and_carried_positions_are_told_from_those_lost_by_their_own_price(tables: Make) -> None:
    """BTC falls 100, 95, 90. 1 is lost at 95 though it would stand until 93; 2 falls by itself; 3 and 4 stand at 92."""
    run = tables(
        steps=rows("step mark_px\n1 100\n2 95\n3 90", symbol=BTC),
        positions=rows(
            """
            position_id account_id margin_mode lots isolated_liquidation_px fate
            1           1          cross       1    93                      liquidated
            2           2          cross       2    95                      part_liquidated
            3           3          cross       3    92                      open
            4           4          cross       4    92                      deleveraged
            5           5          isolated    5    80                      open
            6           6          cross       6    -                       liquidated
            """,
            symbol=BTC,
            side="long",
        ),
        liquidations=rows("position_id step closed_usd\n1 2 95\n2 2 95\n2 3 90\n6 3 540", symbol=BTC, side="long"),
    )
    columns = "margin_mode accounts positions liquidated contagion contagion_usd supported supported_usd opening_usd"
    assert run.ask("cross_contagion", columns) == [
        ("cross", 5, 5, 3, 2, Decimal(635), 1, Decimal(300), Decimal(1600)),
        ("isolated", 1, 1, 0, 0, Decimal(0), 0, Decimal(0), Decimal(500)),
    ]


def test_a_short_is_judged_by_the_highest_mark_so_far(tables: Make) -> None:
    run = tables(
        steps=rows("step mark_px\n1 100\n2 104\n3 110", symbol=BTC),
        positions=rows(
            "position_id account_id lots isolated_liquidation_px\n1 1 1 105\n2 2 1 104", symbol=BTC, side="short",
            margin_mode="cross", fate="liquidated",
        ),
        liquidations=rows("position_id step closed_usd\n1 2 104\n2 2 104", symbol=BTC, side="short"),
    )  # fmt: skip
    assert run.ask("cross_contagion", "liquidated contagion contagion_usd") == [(2, 1, Decimal(104))]


def test_accounts_that_lost_several_coins_in_one_step_largest_first(tables: Make) -> None:
    run = tables(
        accounts=rows("account_id margin_mode positions\n1 cross 3\n2 mixed 2\n3 cross 2"),
        liquidations=rows(
            """
            account_id step ts symbol      side  notional_usd
            1          4    60 BTC/USD:USD long  100
            1          4    61 SOL/USD:USD short 50
            2          5    80 BTC/USD:USD long  10
            2          6    90 SOL/USD:USD long  10
            3          6    90 BTC/USD:USD long  200
            3          6    90 SOL/USD:USD long  1
            """
        ),
    )
    columns = "account_id margin_mode coins symbols sides notional_usd positions_held step"
    found = [
        (3, "cross", 2, f"{BTC}, {SOL}", "long", Decimal(201), 2, 6),
        (1, "cross", 2, f"{BTC}, {SOL}", "long and short", Decimal(150), 3, 4),
    ]
    assert run.ask("multi_coin_breaches", columns) == found
    assert run.ask("multi_coin_breaches", columns, limit=1) == found[:1]


BOOK = """account,symbol,side,quantity_base,entry_px,collateral_usd,margin_mode
1,BTC,long,1,121000,12000,cross
1,SOL,short,100,220,,cross
2,BTC,short,1,121000,60000,cross
3,SOL,long,100,220,9000,isolated
4,BTC,long,1,121000,40000,cross
4,BTC,short,1,121000,40000,cross
4,SOL,long,10,220,900,isolated
5,SOL,short,10,220,900,
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run over a book with cross, isolated and mixed accounts, and one with both legs of BTC."""
    frame = pl.read_csv(BOOK.encode(), infer_schema=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRASHBOOK_HOME", str(tmp_path_factory.mktemp("cross")))
        return replay("2025-10-10", positions=frame, coins=("BTC", "SOL"), step_s=20.0)


def test_accounts_and_positions_say_how_they_are_margined(run: Run) -> None:
    modes = run.sql("SELECT account_id, margin_mode FROM accounts ORDER BY account_id").rows()
    assert modes == [(1, "cross"), (2, "cross"), (3, "isolated"), (4, "mixed"), (5, "isolated")]
    counts = run.sql("SELECT margin_mode, count(*) FROM positions GROUP BY 1 ORDER BY 1").rows()
    assert counts == [("cross", 5), ("isolated", 3)]


def test_the_price_of_a_cross_position_is_where_its_account_is_in_breach(run: Run) -> None:
    """Account 1: the SOL short posts nothing and is short of margin alone; the account stands on 12,000 of BTC."""
    found = run.sql(
        "SELECT p.symbol, p.side, p.liquidation_px, p.isolated_liquidation_px, p.bankruptcy_px, p.leverage, s.mark_px "
        "FROM positions p JOIN (SELECT symbol, arg_min(mark_px, step) AS mark_px FROM steps GROUP BY symbol) s "
        "USING (symbol) WHERE account_id = 1 ORDER BY symbol"
    ).rows()
    (_, _, btc_px, btc_alone, btc_zero, leverage, btc), (_, _, sol_px, sol_alone, sol_zero, same, sol) = found
    equity = 12_000 + btc - 121_000 + 100 * (220 - sol)
    assert leverage == same == pytest.approx((btc + 100 * sol) / equity)
    assert btc_zero == pytest.approx(btc - equity)
    assert sol_zero == pytest.approx(sol + equity / 100)
    assert btc_zero < btc_px < btc
    assert sol < sol_px < sol_zero
    assert sol_alone < 220  # by itself it is in breach below its entry
    assert btc_alone != btc_px
    legs = "SELECT count(liquidation_px), count(bankruptcy_px), count(isolated_liquidation_px) FROM positions"
    assert run.sql(f"{legs} WHERE account_id = 4 AND margin_mode = 'cross'").rows() == [(0, 0, 2)]


def test_a_single_cross_position_and_an_isolated_one_have_one_price(run: Run) -> None:
    differ = "coalesce(liquidation_px, 0) <> coalesce(isolated_liquidation_px, 0)"
    assert run.sql(f"SELECT count(*) FROM positions WHERE {differ} AND account_id IN (2, 3, 5)").item() == 0


def test_the_run_says_that_contagion_is_simulated_only_where_it_is(run: Run) -> None:
    assert not any("Cross-margin contagion" in line for line in run.meta.not_simulated)
    plain = replay("2025-10-10", positions=200, coins=("BTC", "SOL"), cross_frac=0.0, step_s=20.0)
    assert any("Cross-margin contagion" in line for line in plain.meta.not_simulated)
    said = [line for line in run.meta.assumptions if line.startswith("Of a cross account in breach")]
    assert len(said) == 1
    assert not any(line.startswith("Of a cross account") for line in plain.meta.assumptions)
