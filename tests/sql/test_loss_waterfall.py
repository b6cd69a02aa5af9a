"""The waterfall, stage by stage, on liquidations small enough to add up by hand."""

from __future__ import annotations

from typing import Any

from tests.sql.conftest import Make, Rows, Tables, rows

BTC = "BTC/USD:USD"


def marks(*prices: float) -> Rows:
    """Return steps of BTC with these marks."""
    return [{"step": k, "symbol": BTC, "mark_px": px} for k, px in enumerate(prices, 1)]


def liquidated(text: str, **more: Any) -> Rows:
    """Return liquidations of BTC longs in step 2 whose residual goes to the account, unless ``more`` says otherwise."""
    found = rows(text, **{"step": 2, "symbol": BTC, "side": "long", **more})
    return [{"returned_usd": row.get("residual_usd", 0), **row} for row in found]


def losses(run: Tables) -> dict[str, float]:
    """Return the stages that are not zero; together they always are."""
    stages = run.ask("loss_waterfall", "stage amount_usd")
    assert sum(amount for _, amount in stages) == 0
    return {stage: float(amount) for stage, amount in stages if amount}


def test_book_vault_and_adl(tables: Make) -> None:
    # The first owes 880 for ten lots: the book pays 534 for six (528 owed), fee 2, 4 back; the vault takes four at 352.
    # The second owes 470 for five lots; all go to winners at that price while the mark is 90.
    run = tables(
        steps=marks(100, 90, 80),
        positions=rows(
            """
            position_id lots collateral_usd
            1           10   120
            2           5    30
            """,
            symbol=BTC,
        ),
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd book_lots book_usd fee_usd residual_usd takeover_lots
            1           10   920          880            6         534      2       4            4
            """,
            takeover_usd=352,
            end_mark_px=90,
        )
        + liquidated(
            "position_id lots notional_usd bankruptcy_value_usd adl_lots adl_usd end_mark_px\n2 5 475 470 5 470 90",
        ),
        adl_fills=[{"lots": 5, "amount_usd": 470, "notional_usd": 450, "immediate_usd": -20}],
        # four lots worth 360 taken at 352, one sold at 78 when the mark is 80, three left at 80
        fund=rows(
            """
            movement_id step cause    lots amount_usd mark_px
            1           0    opening  0    100        -
            2           2    takeover 4    -352       90
            3           3    unwind   -1   78         80
            """,
            pool="vault",
            symbol=BTC,
        ),
        ledger=[{"owner": "venue", "amount_usd": 2}],
    )
    assert losses(run) == {
        "collateral posted": 150,
        "result up to the breach": -105,
        "slippage in the book": -18,
        "move to the end of the step": -33,
        "moves on inventory": -42,
        "fees of the venue": -2,
        "returned to accounts": -4,
        "vault": 34,
        "ADL winners": 20,
    }


def test_what_nobody_could_bear(tables: Make) -> None:
    # A short owes 420 for four lots; three are closed at the mark of 110, one is left over and goes to the market.
    run = tables(
        steps=marks(100, 110),
        positions=[{"position_id": 1, "symbol": BTC, "lots": 4, "collateral_usd": 20}],
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd adl_lots adl_usd
            1           4    412          420            4        420
            """,
            side="short",
            end_mark_px=110,
        ),
        adl_fills=[{"lots": 3, "amount_usd": 330, "notional_usd": 330, "immediate_usd": 0}],
        ledger=[{"owner": "uncovered", "amount_usd": -15}, {"owner": "uncovered", "amount_usd": -5}],
    )
    assert losses(run) == {
        "collateral posted": 20,
        "result up to the breach": -12,
        "move to the end of the step": -28,
        "uncovered": 20,
    }


def test_a_difference_that_stays_with_the_fund(tables: Make) -> None:
    # Two lots owed at 180 are closed at 192 while the mark is 94: 12 to the fund, 4 lost by the winner.
    run = tables(
        steps=marks(100, 94),
        positions=[{"position_id": 1, "symbol": BTC, "lots": 2, "collateral_usd": 20}],
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd adl_lots adl_usd residual_usd
            1           2    190          180            2        180     12
            """,
            returned_usd=0,
            end_mark_px=94,
        ),
        adl_fills=[{"lots": 2, "amount_usd": 192, "notional_usd": 188, "immediate_usd": -4}],
        fund=[{"step": 2, "pool": "fund", "cause": "residual", "symbol": BTC, "amount_usd": 12}],
    )
    assert losses(run) == {
        "collateral posted": 20,
        "result up to the breach": -10,
        "move to the end of the step": -2,
        "insurance fund": -12,
        "ADL winners": 4,
    }


def test_a_position_that_waits(tables: Make) -> None:
    # Four of ten lots leave: 40 of 100 collateral, 364 from the book for 360 owed.
    run = tables(
        steps=marks(100, 90),
        positions=[{"position_id": 1, "symbol": BTC, "lots": 10, "collateral_usd": 100}],
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd book_lots book_usd residual_usd remaining_lots
            1           10   920          900            4         364      4            6
            """,
            end_mark_px=90,
        ),
    )
    assert losses(run) == {
        "collateral posted": 40,
        "result up to the breach": -32,
        "slippage in the book": -4,
        "returned to accounts": -4,
    }


def test_the_slice_of_a_negative_bankruptcy_amount_is_rounded_down_as_by_the_engine(tables: Make) -> None:
    # A third of -0.000001 is -0.000001; the book paid 100, so 100.000001 come back.
    run = tables(
        steps=marks(100, 90),
        positions=[{"position_id": 1, "symbol": BTC, "lots": 3, "collateral_usd": 300}],
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd book_lots book_usd residual_usd remaining_lots
            1           3    300          -0.000001      1         100      100.000001   2
            """,
            end_mark_px=90,
        ),
    )
    assert run.frame("loss_waterfall_sums_to_zero").is_empty()
    assert f"{losses(run)['returned to accounts']:.6f}" == "-100.000001"


def test_inventory_closed_by_adl_and_funding(tables: Make) -> None:
    # The vault sells four lots to winners at its cost of 352 when they are worth 320, and paid 3 of funding before.
    run = tables(
        steps=marks(90, 80),
        positions=[{"position_id": 1, "symbol": BTC, "lots": 4, "collateral_usd": 40}],
        liquidations=liquidated(
            """
            position_id lots notional_usd bankruptcy_value_usd takeover_lots takeover_usd
            1           4    364          352            4             352
            """,
            step=1,
            end_mark_px=90,
        ),
        adl_fills=[{"bankrupt": "vault", "lots": 4, "amount_usd": 352, "notional_usd": 320, "immediate_usd": -32}],
        fund=rows(
            """
            movement_id step cause    lots amount_usd mark_px
            1           0    opening  0    10         -
            2           1    takeover 4    -352       90
            3           2    funding  0    -3         80
            4           2    adl      -4   352        80
            """,
            pool="vault",
            symbol=BTC,
        ),
    )
    assert losses(run) == {
        "collateral posted": 40,
        "result up to the breach": -28,
        "move to the end of the step": -4,
        "moves on inventory": -43,
        "vault": 3,
        "ADL winners": 32,
    }


def test_the_audit_finds_what_is_missing(tables: Make) -> None:
    def sold(residual: float) -> Tables:
        # Two lots owed at 180 are sold for 190; ten go back to the account.
        return tables(
            steps=marks(100),
            positions=[{"position_id": 1, "symbol": BTC, "lots": 2, "collateral_usd": 20}],
            liquidations=liquidated(
                f"""
                position_id lots notional_usd bankruptcy_value_usd book_lots book_usd residual_usd
                1           2    200          180            2         190      {residual}
                """,
                step=1,
            ),
        )

    assert sold(10).ask("loss_waterfall_sums_to_zero", "residual_usd") == []
    assert sold(9).ask("loss_waterfall_sums_to_zero", "residual_usd") == [(1,)]


def test_what_fund_and_vault_are_below_zero_at_the_end_is_uncovered(tables: Make) -> None:
    # The vault had 30 and takes four lots for 352: worth 80 each at the end, it stands at -2 and has paid its 30.
    # The fund of BTC had 5 and pays 9: -4. That of ETH keeps its 100 and pays nothing for it.
    taken = liquidated(
        "position_id lots notional_usd bankruptcy_value_usd takeover_lots takeover_usd\n1 4 364 352 4 352",
        end_mark_px=90,
    )
    sold = liquidated(
        "position_id lots notional_usd bankruptcy_value_usd book_lots book_usd\n2 1 91 95 1 86", returned_usd=0
    )
    eth = "ETH/USD:USD"
    run = tables(
        runs=[{"event_id": "deep"}],
        steps=[*marks(100, 90, 80), {"step": 3, "symbol": eth, "mark_px": 10}],
        positions=rows("position_id lots collateral_usd\n1 4 40\n2 1 0", symbol=BTC),
        liquidations=taken + sold,
        fund=rows("movement_id step cause lots amount_usd mark_px\n1 0 opening 0 30 -\n2 2 takeover 4 -352 90",
                  pool="vault", symbol=BTC)
        + rows("movement_id step cause lots amount_usd mark_px\n3 0 opening 0 5 -\n4 2 shortfall 0 -9 90",
               pool="fund", serves=BTC, symbol=BTC)
        + rows("movement_id cause amount_usd mark_px\n5 opening 100 -", pool="fund", serves=eth),
    )  # fmt: skip
    found = losses(run)
    assert {name: found[name] for name in ("insurance fund", "vault", "uncovered")} == {
        "insurance fund": 5,
        "vault": 30,
        "uncovered": 6,
    }
    assert run.ask("run_summary", "uncovered_usd") == [(-6,)]
