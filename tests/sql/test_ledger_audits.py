"""Audits of cash, lots, funding and the fund: sound rows pass, the offending ones come back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sql.conftest import Make, Tables, rows

BTC, ETH = "BTC/USD:USD", "ETH/USD:USD"
QUANTUM = Decimal("0.000001")


def test_ledger_sums_to_zero(tables: Make) -> None:
    legs = rows("entry_id amount_usd\n1 5\n1 -5\n2 5\n2 -4.999999")
    assert tables(ledger=legs).ask("ledger_sums_to_zero", "entry_id residual_usd") == [(2, QUANTUM)]


def test_lots_sum_to_zero(tables: Make) -> None:
    # the second entry has three and minus three, but of two symbols
    legs = rows(f"entry_id symbol lots\n1 {BTC} -3\n1 {BTC} 3\n2 {BTC} -3\n2 {ETH} 3")
    assert tables(ledger=legs).ask("lots_sum_to_zero", "entry_id symbol residual_lots") == [(2, BTC, -3), (2, ETH, 3)]


def test_ledger_explains_accounts(tables: Make) -> None:
    run = tables(
        accounts=rows("account_id final_cash_usd\n1 10\n2 7\n3 7\n4 9", opening_cash_usd=10),
        ledger=rows(
            """
            entry_id cause   account_id amount_usd
            0        opening -          40
            1        book    2          -3
            2        book    3          -3
            3        book    3          -1
            """,
            owner="account",
            symbol=BTC,
        ),
    )
    assert run.ask("accounts_match_ledger", "account_id legs_usd difference_usd") == [(3, -4, 1), (4, 0, -1)]


def test_unsettled_funding_is_part_of_final_cash(tables: Make) -> None:
    # A long lot pays 1.5 millionths of a USD at step 2 and again at step 6; three of the accounts settle at step 4.
    # What is paid is rounded down: three long lots pay 4 millionths and three short lots receive 5;
    # after it the one lot left pays 1 and receives 2. Account 4 ends a millionth short.
    run = tables(
        funding=rows(
            """
            step side  amount_usd
            2    long  -0.000015
            2    short 0.000015
            6    long  -0.000015
            6    short 0.000015
            """,
            symbol=BTC,
            lots=10,
        ),
        positions=rows(
            """
            account_id side  lots final_lots
            1          long  3    3
            2          short 3    3
            3          long  3    1
            4          long  3    1
            5          short 3    1
            """,
            symbol=BTC,
        ),
        accounts=rows(
            """
            account_id final_cash_usd
            1          -0.000009
            2          0.000009
            3          -0.000005
            4          -0.000006
            5          0.000007
            """
        ),
        ledger=rows(
            """
            account_id cause   amount_usd lots
            3          funding -0.000004  0
            4          funding -0.000004  0
            5          funding 0.000005   0
            3          adl     0          -2
            4          adl     0          -2
            5          adl     0          2
            """,
            step=4,
            symbol=BTC,
            owner="account",
        ),
    )
    columns = "account_id unsettled_usd difference_usd"
    assert run.ask("accounts_match_ledger", columns) == [(4, -QUANTUM, -QUANTUM)]


def test_funding_settled_at_the_end_is_not_counted_twice(tables: Make) -> None:
    run = tables(
        funding=rows("step side lots amount_usd\n2 long 10 -10", symbol=BTC),
        positions=rows("account_id side lots final_lots\n1 long 3 3", symbol=BTC),
        accounts=[{"account_id": 1, "final_cash_usd": -3}],
        ledger=rows("step owner account_id cause amount_usd\n9 account 1 funding -3", symbol=BTC),
    )
    assert run.ask("accounts_match_ledger", "account_id") == []


def test_open_interest_balanced(tables: Make) -> None:
    run = tables(
        # the market opens short one lot and takes two longs from the book in step 2; the vault takes one in step 3
        ledger=rows(
            """
            step owner   lots
            0    market  -1
            0    account 1
            2    market  2
            2    account -2
            3    vault   1
            3    account -1
            """,
            symbol=BTC,
        ),
        steps=rows(
            """
            step long_lots short_lots pool_lots
            1    10        9          0
            2    8         9          0
            3    7         9          1
            4    7         8          1
            """,
            symbol=BTC,
        ),
    )
    assert run.ask("open_interest_balanced", "step symbol market_lots residual_lots") == [(4, BTC, 1, 1)]


def pool_run(make: Make, cash_after: int = 60, booked: int = -50, pool_lots: int = 2, fund_usd: int = 60) -> Tables:
    """Return a run whose fund opens with 110 and takes two lots over for 50 in step 2; the arguments spoil it."""
    return make(
        fund=rows(
            f"""
            movement_id step cause    lots amount_usd cash_usd
            1           0    opening  0    110        110
            2           2    takeover 2    -50        {cash_after}
            """,
            pool="fund",
            symbol=BTC,
        ),
        ledger=rows(f"step lots amount_usd\n0 0 110\n2 2 {booked}", owner="fund", symbol=BTC),
        steps=rows(f"step fund_usd pool_lots\n1 110 0\n2 {fund_usd} {pool_lots}\n3 {fund_usd} {pool_lots}", symbol=BTC),
    )


@pytest.mark.parametrize(
    ("wrong", "problems"),
    [
        ({}, []),
        ({"cash_after": 61}, [("cash after the movement", 2, 61, 60)]),
        ({"booked": -49}, [("cash in the ledger", 2, -49, -50)]),
        ({"pool_lots": 1}, [("inventory after the step", 2, 1, 2), ("inventory after the step", 3, 1, 2)]),
        ({"fund_usd": 59}, [("cash after the step", 2, 59, 60), ("cash after the step", 3, 59, 60)]),
    ],
)
def test_fund_movements_match_balance(wrong: dict[str, Any], problems: list[Any], tables: Make) -> None:
    run = pool_run(tables, **wrong)
    assert run.ask("fund_movements_match_balance", "problem step recorded expected") == problems


def test_each_of_several_vaults_matches_its_own_balance(tables: Make) -> None:
    symbols, steps = (BTC, ETH), (1, 2)
    own = {(BTC, 1): 30, (ETH, 1): 20, (BTC, 2): 25, (ETH, 2): 25}  # in fact the second pays nothing, the first 5
    run = tables(
        fund=rows(
            f"""
            movement_id step serves cause   amount_usd cash_usd
            1           0    {BTC}  opening 30         30
            2           0    {ETH}  opening 20         20
            3           2    {ETH}  funding 5          25
            """,
            pool="vault",
        ),
        ledger=rows("step amount_usd\n0 50\n2 5", owner="vault"),
        steps=[
            {"step": k, "symbol": symbol, "vault_usd": 50 + 5 * (k == 2), "own_vault_usd": own[symbol, k]}
            for k in steps
            for symbol in symbols
        ],
    )
    found = run.ask("fund_movements_match_balance", "problem step symbol recorded expected")
    assert found == [("own cash after the step", 2, BTC, 25, 30)]


def test_lots_of_a_pool_are_in_the_ledger(tables: Make) -> None:
    run = pool_run(tables)
    run.add("ledger", rows("step owner lots\n3 vault 1", symbol=BTC))
    columns = "problem pool step recorded expected"
    assert run.ask("fund_movements_match_balance", columns) == [("lots in the ledger", "vault", 3, 1, 0)]


@pytest.mark.parametrize(
    ("floor", "offending"), [(None, []), (69, []), (70, []), ("70.5", [(3, 70, -30)]), (100, [(3, 70, -30)])]
)
def test_fund_takeover_respects_floor(floor: Any, offending: list[Any], tables: Make) -> None:
    # Two lots for 180 when they are worth 180, then one more for 130 when it is worth 100.
    run = tables(
        rules=[{"threshold": "<", "fund_floor_usd": floor}],
        liquidations=[{"symbol": BTC, "lots": 1}],
        steps=rows("step mark_px\n1 100\n2 90\n3 100", symbol=BTC),
        fund=rows(
            """
            movement_id step cause    lots amount_usd cash_usd
            1           0    opening  0    80         80
            2           2    takeover 2    -180       -100
            3           3    takeover 1    -130       -230
            """,
            pool="fund",
            symbol=BTC,
        ),
    )
    assert run.ask("fund_takeover_respects_floor", "movement_id equity_usd first_value_usd") == offending


def test_funding_nets_to_zero(tables: Make) -> None:
    run = tables(
        funding=rows("step cohort amount_usd\n1 2x 5\n1 market -5\n2 2x 5\n2 vault -4.999999999999", symbol=BTC)
    )
    assert run.ask("funding_nets_to_zero", "step residual_usd") == [(2, QUANTUM * QUANTUM)]


def test_steps_residual_zero(tables: Make) -> None:
    run = tables(steps=rows("step residual_usd\n1 0\n2 -0.000001", symbol=BTC))
    assert run.ask("steps_residual_zero", "step symbol") == [(2, BTC)]


def test_marks_fresh_at_funding(tables: Make) -> None:
    run = tables(
        steps=rows("step bridged\n1 no\n2 yes", symbol=BTC),
        funding=[{"step": k, "symbol": BTC, "mark_px": 100.0} for k in (1, 2, 2, 3)],
    )
    assert run.ask("marks_fresh_at_funding", "step mark_px bridged") == [(2, 100.0, True), (3, 100.0, None)]


def test_positions_end_as_ledger_says(tables: Make) -> None:
    run = tables(
        positions=rows(
            """
            position_id account_id side  lots final_lots fate
            1           1          long  5    5          open
            2           2          long  5    0          liquidated
            3           3          short 5    2          part_deleveraged
            4           4          short 5    3          part_deleveraged
            5           5          long  5    5          deleveraged
            6           6          long  5    1          liquidated
            """,
            symbol=BTC,
        ),
        ledger=rows("account_id lots\n2 -5\n3 3\n4 3\n6 -4", owner="account", symbol=BTC),
    )
    assert run.ask("positions_match_ledger", "position_id opening_lots final_lots expected_lots fate") == [
        (4, -5, -3, -2, "part_deleveraged"),
        (5, 5, 5, 5, "deleveraged"),
        (6, 5, 1, 1, "liquidated"),
    ]


def test_both_sides_of_an_account_in_a_symbol_are_held_against_the_ledger_as_a_sum(tables: Make) -> None:
    run = tables(
        positions=rows(
            """
            position_id account_id side  lots final_lots fate
            1           1          long  5    2          netted
            2           1          short 3    0          netted
            3           2          long  5    5          open
            4           2          short 3    2          part_liquidated
            5           3          long  5    4          open
            6           3          short 3    2          netted
            """,
            symbol=BTC,
        ),
        ledger=rows("account_id lots\n1 -3\n1 3\n2 2\n3 -1\n3 1", owner="account", symbol=BTC),
    )
    assert run.ask("positions_match_ledger", "position_id opening_lots final_lots expected_lots fate") == [
        (3, 5, 5, 6, "open"),
        (4, -3, -2, -1, "part_liquidated"),
        (5, 5, 4, 4, "open"),
    ]
