"""Ranks, lights and what became of hedges."""

from __future__ import annotations

from tests.sql.conftest import Make, at, rows

BTC = "BTC/USD:USD"


def test_watch_ranks(tables: Make) -> None:
    run = tables(
        watch=rows(
            """
            name ts wave_id in_queue rank notional_ahead_usd closed_lots close_px lights
            a    1  1       yes      1    0                  0           -        5
            a    2  2       yes      2    50                 0           -        5
            a    3  3       yes      3    100                0           -        4
            a    4  4       yes      10   450                0           -        1
            a    5  5       no       -    -                  0           -        -
            b    1  1       yes      6    250                3           99       3
            """,
            symbol=BTC,
            candidates=10,
            mark_px=100,
        )
    )
    assert run.ask("watch_ranks", "wave_id in_queue rank lights", name="a") == [
        (1, True, 1, 5),
        (2, True, 2, 5),
        (3, True, 3, 4),
        (4, True, 10, 1),
        (5, False, None, None),
    ]
    columns = "ts name symbol wave_id rank candidates notional_ahead_usd lights closed_lots close_px mark_px"
    assert run.ask("watch_ranks", columns)[1] == (at(1), "b", BTC, 1, 6, 10, 250, 3, 3, 99.0, 100.0)


def test_hedges(tables: Make) -> None:
    # Lots of 0.1 BTC. The desk's five are bought back for 44 while they are worth 40.
    run = tables(
        steps=rows("step ts mark_px lot_value_usd\n1 20 100 10\n2 40 80 8\n3 60 90 9", symbol=BTC),
        accounts=rows(
            """
            account_id name watched hedged
            1          desk yes     yes
            2          bare yes     no
            3          gone yes     yes
            4          calm yes     no
            5          file no      no
            """
        ),
        positions=rows(
            """
            position_id account_id side  fate
            1           1          short part_deleveraged
            2           2          short part_deleveraged
            3           3          long  liquidated
            4           4          long  open
            5           5          long  open
            """,
            symbol=BTC,
            lots=10,
            quantity_base=1.0,
        ),
        watch=rows(
            """
            position_id rank notional_ahead_usd
            1           7    300
            1           3    100
            2           1    0
            """
        ),
        adl_fills=rows(
            """
            position_id ts lots quantity_base amount_usd notional_usd immediate_usd
            1           40 2    0.2           18         16           -2
            1           45 3    0.3           26         24           -2
            2           40 1    0.1           8          8            0
            """
        ),
        liquidations=rows("position_id ts lots notional_usd book_lots\n3 30 10 85 10", symbol=BTC),
    )
    columns = "name side hedged opening_lots closed_lots first_close_ts mean_close_px mean_mark_px immediate_usd fate"
    assert run.ask("hedges", columns) == [
        ("bare", "short", False, 10, 1, at(40), 80.0, 80.0, 0, "part_deleveraged"),
        ("calm", "long", False, 10, 0, None, None, None, 0, "open"),
        ("desk", "short", True, 10, 5, at(40), 88.0, 80.0, -4, "part_deleveraged"),
        ("gone", "long", True, 10, 0, None, None, None, 0, "liquidated"),
    ]
    # Desk: long 0.5 BTC outside, 40 USD, from 40 s to the end at 60 s; the mark ends at 90: plus 5.
    # Gone: short 1 BTC outside, 85 USD, from 30 s on: minus 5.
    columns = "name unhedged_base unhedged_usd unhedged_s waves best_rank lowest_notional_ahead_usd"
    assert run.ask("hedges", columns) == [
        ("bare", 0.0, 0.0, None, 1, 1, 0),
        ("calm", 0.0, 0.0, None, 0, None, None),
        ("desk", 0.5, 40.0, 20.0, 2, 3, 100),
        ("gone", -1.0, -85.0, 30.0, 0, None, None),
    ]
    assert run.ask("hedges", "name liquidated_lots unhedged_pnl_usd") == [
        ("bare", 0, 0.0),
        ("calm", 0, 0.0),
        ("desk", 0, 5.0),
        ("gone", 10, -5.0),
    ]


def test_watch_results(tables: Make) -> None:
    """A short of ten lots, worth 100 at 10 a lot, gains 20 by the last mark of 8; ADL bought four back at 9.5 each."""
    run = tables(
        steps=rows("step mark_px lot_value_usd\n1 100 10\n2 95 9.5\n3 80 8", symbol=BTC),
        accounts=rows("account_id name watched\n1 desk yes\n2 crowd no"),
        positions=rows(
            """
            position_id account_id side  lots leverage opening_cash_usd final_equity_usd
            1           1          short 10   12       150              64
            2           2          short 10   12       150              70
            """,
            symbol=BTC,
        ),
        adl_fills=rows("position_id side lots amount_usd\n1 short 4 38", symbol=BTC),
    )
    columns = "name leverage with_usd without_usd difference_usd"
    assert run.ask("watch_results", columns) == [("desk", 12.0, 14, 20, -6)]


def test_closed_by_leverage_counts_the_crowd(tables: Make) -> None:
    run = tables(
        accounts=rows("account_id watched\n1 no\n2 no\n3 no\n4 yes"),
        positions=rows(
            "position_id account_id side leverage\n1 1 short 5\n2 2 short 6.9\n3 3 short 60\n4 4 short 6",
            symbol=BTC,
            lots=10,
        ),
        adl_fills=rows("position_id lots\n1 4\n1 2\n4 9", symbol=BTC),
        liquidations=rows("position_id\n3", symbol=BTC),
    )
    columns = "side leverage_from leverage_to positions adl_frac liquidated_frac adl_lots_frac"
    assert run.ask("closed_by_leverage", columns, symbol="BTC") == [
        ("short", 5, 7, 2, 0.5, 0.0, 0.3),
        ("short", 50, None, 1, 0.0, 1.0, 0.0),
    ]
