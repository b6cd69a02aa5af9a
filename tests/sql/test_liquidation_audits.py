"""Audits of liquidations and ADL: sound rows pass, the offending ones come back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.conftest import Make, rows

BTC, ETH = "BTC/USD:USD", "ETH/USD:USD"
(WAVE,) = rows("wave_id step bankrupt_side source close_rule\n1 1 long account bankruptcy", symbol=BTC)


def test_liquidation_lots_add_up(tables: Make) -> None:
    run = tables(
        liquidations=rows(
            """
            liquidation_id lots book_lots takeover_lots adl_lots remaining_lots notional_usd closed_usd
            1              10   4         3             2        1         200          180
            2              10   4         3             3        1         200          180
            3              10   7         3             -1       1         200          180
            4              10   4         3             2        1         200          200
            """
        )
    )
    assert run.ask("liquidation_lots_add_up", "liquidation_id") == [(2,), (3,), (4,)]


def test_book_fill_inside_range(tables: Make) -> None:
    coin = "BTC/USD:BTC"
    fills = [(1, BTC, 99, 1), (1, BTC, 101.0001, 1), (2, BTC, 98.9999, 1), (1, BTC, 50, 0), (3, BTC, 100, 1)]
    fills += [(1, coin, 98.99999, 1), (1, coin, 98.9, 1)]  # a price from a value in quanta is known to a millionth
    run = tables(
        steps=[
            {"step": step, "symbol": symbol, "trade_low_px": 99, "trade_high_px": 101}
            for step, symbol in ((1, BTC), (2, BTC), (1, coin))
        ],
        liquidations=[
            {"liquidation_id": number, "step": step, "symbol": symbol, "book_px": price, "book_lots": lots}
            for number, (step, symbol, price, lots) in enumerate(fills, 1)
        ],
    )
    assert run.ask("book_fill_inside_range", "liquidation_id") == [(2,), (3,), (5,), (7,)]


def test_mark_inside_walk(tables: Make) -> None:
    run = tables(
        steps=rows(
            """
            step jump mark_px mark_low_px mark_high_px
            1    yes  100     100         100
            2    no   90      90          100
            3    yes  80      80          80
            4    no   85      82          85
            """,
            symbol=BTC,
        ),
        liquidations=rows(
            "liquidation_id step mark_px end_mark_px\n1 2 95 90\n2 2 101 90\n3 2 95 89\n4 3 80 80\n5 3 85 80",
            symbol=BTC,
        ),
        adl_events=rows("wave_id step mark_px\n1 2 90\n2 2 88", symbol=BTC),
        fund=rows("movement_id step cause mark_px\n1 0 opening -\n2 2 takeover 90\n3 3 takeover 90", symbol=BTC),
    )
    assert run.ask("mark_inside_walk", "what id") == [
        ("ADL wave", 2),
        ("breach", 2),
        ("breach", 5),
        ("end of the round", 3),
        ("movement of a pool", 3),
        ("price before", 4),
    ]


@pytest.mark.parametrize(("threshold", "offending"), [("<", [(2,), (3,)]), ("<=", [(3,)]), (None, [(3,)])])
def test_no_liquidation_above_maintenance(threshold: str | None, offending: list[Any], tables: Make) -> None:
    run = tables(
        rules=[{"threshold": threshold}] if threshold else [],
        liquidations=rows("liquidation_id equity_usd\n1 2\n2 3\n3 4", maintenance_usd=3),
    )
    assert run.ask("no_liquidation_above_maintenance", "liquidation_id") == offending


def test_a_cross_position_bears_its_part_of_the_equity_to_a_quantum_per_other_position(tables: Make) -> None:
    equity = "1 1 3.000002\n2 2 3.000003\n3 3 3.000001\n4 4 2.999999"
    run = tables(
        rules=[{"threshold": "<"}],
        accounts=rows("account_id positions\n1 3\n2 3\n3 1\n4 1"),
        positions=rows("position_id account_id\n1 1\n2 2\n3 3\n4 4", margin_mode="cross"),
        liquidations=[
            {**row, "account_id": row["position_id"], "maintenance_usd": 3}
            for row in rows(f"liquidation_id position_id equity_usd\n{equity}")
        ],
    )
    assert run.ask("no_liquidation_above_maintenance", "liquidation_id") == [(2,), (3,)]


def test_adl_opposite_side_only(tables: Make) -> None:
    run = tables(
        adl_events=[WAVE],
        adl_fills=rows(
            f"""
            fill_id wave_id symbol account_id side  rank
            1       1       {BTC}  1          short 1
            2       1       {BTC}  2          long  2
            3       1       {ETH}  3          short 3
            4       1       {BTC}  9          short 4
            5       2       {BTC}  5          short 5
            6       1       {BTC}  9          short 0
            7       1       {BTC}  6          short 0
            """,
            bankrupt="9",
        ),
    )
    assert run.ask("adl_opposite_side_only", "fill_id") == [(2,), (3,), (4,), (5,), (7,)]


def test_adl_winners_had_equity(tables: Make) -> None:
    run = tables(adl_queue=rows("rank closed_lots equity_usd\n1 4 1\n2 4 0\n3 0 -1"))
    assert run.ask("adl_winners_had_equity", "rank") == [(2,)]


@pytest.mark.parametrize(
    ("queue", "problems"),
    [
        ("1 closed 4\n2 skipped 0\n3 partial 1\n4 not_reached 0", []),
        ("1 closed 4\n3 closed 4\n4 not_reached 0", [(3, "a rank in front is missing or doubled")]),
        ("1 not_reached 0\n2 closed 4", [(1, "not reached in front of a winner")]),
        ("1 closed 3", [(1, "closed, but not whole")]),
        ("1 partial 4", [(1, "partial, but none or all was closed")]),
        ("1 partial 3\n2 closed 4", [(1, "closed in part in front of a winner")]),
        ("1 closed 4\n2 not_reached 1", [(2, "not reached, but closed")]),
        ("1 unheard 0", [(1, "unknown status")]),
    ],
)
def test_adl_follows_rank(queue: str, problems: list[Any], tables: Make) -> None:
    run = tables(
        runs=[{"ranking": "binance", "allocation": "queue"}],
        adl_events=[WAVE],
        adl_queue=rows(f"rank status closed_lots\n{queue}", wave_id=1, lots=4),
    )
    assert run.ask("adl_follows_rank", "rank problem") == problems


@pytest.mark.parametrize(
    ("ranking", "pnl", "problems"),
    [("binance", 1, [(2, "scores higher than the one in front")]), ("binance", -1, []), ("random", 1, [])],
)
def test_scores_fall_along_the_ranks(ranking: str, pnl: int, problems: list[Any], tables: Make) -> None:
    run = tables(
        runs=[{"ranking": ranking, "allocation": "queue"}],
        adl_queue=rows(f"rank score pnl_usd\n1 3 1\n2 5 {pnl}", wave_id=1, lots=4, closed_lots=4, status="closed"),
    )
    assert run.ask("adl_follows_rank", "rank problem") == problems


@pytest.mark.parametrize(
    ("allocation", "closed", "sound"),
    [
        ("pro_rata", (5, 5), True),
        ("pro_rata", (6, 4), True),  # within a lot of their shares
        ("pro_rata", (8, 2), False),
        ("capped_pro_rata", (7, 3), True),  # within two
        ("capped_pro_rata", (8, 2), False),
        ("pro_rata_equity", (8, 2), True),
        ("pro_rata_equity", (5, 5), False),
        ("water_filling", (8, 2), True),  # in proportion to nothing
    ],
)
def test_shares_are_in_proportion(allocation: str, closed: tuple[int, int], sound: bool, tables: Make) -> None:
    each = {"wave_id": 1, "rank": None, "lots": 10, "pnl_usd": 1, "status": "partial"}
    queue = [
        {**each, "account_id": account, "equity_usd": equity, "closed_lots": lots}
        for account, equity, lots in zip((1, 2), (400, 100), closed, strict=True)
    ]
    run = tables(runs=[{"allocation": allocation}], adl_events=[WAVE], adl_queue=queue)
    problem = "not in proportion to the others"
    assert run.ask("adl_follows_rank", "account_id problem") == ([] if sound else [(1, problem), (2, problem)])


@pytest.mark.parametrize(
    ("closed", "sound"),
    [
        ((40, 30, 25, 0), True),  # down to one level of 1; the hedged account stands below it
        ((40, 30, 0, 0), False),  # an untouched account stands above the level
        ((30, 40, 25, 0), False),
        ((40, 30, 25, 5), False),  # a hedged account pays while others stand above it
        ((49, 26, 20, 0), False),
    ],
)
def test_water_filling_lowers_the_highest_to_one_level(closed: tuple[int, ...], sound: bool, tables: Make) -> None:
    each = {"wave_id": 1, "rank": None, "lots": 50, "pnl_usd": 1, "notional_usd": 500}
    columns = zip((100, 200, 250, 200), (5.0, 2.5, 2.0, -0.5), closed, strict=True)
    queue = [
        {**each, "account_id": account, "equity_usd": equity, "score": score, "closed_lots": lots,
         "status": "partial" if lots else "not_reached"}
        for account, (equity, score, lots) in enumerate(columns, 1)
    ]  # fmt: skip
    run = tables(runs=[{"allocation": "water_filling", "ranking": "binance"}], adl_events=[WAVE], adl_queue=queue)
    problem = "levels of leverage differ"
    assert run.ask("adl_follows_rank", "account_id problem") == ([] if sound else [(k, problem) for k in (1, 2, 3, 4)])


def test_one_who_is_skipped_after_a_first_slice(tables: Make) -> None:
    queue = rows("rank status closed_lots\n1 partial 3\n2 closed 4", wave_id=1, lots=4)
    assert tables(adl_events=[{**WAVE, "skipped": 1}], adl_queue=queue).ask("adl_follows_rank", "rank") == []


def test_adl_only_after_pool(tables: Make) -> None:
    run = tables(
        liquidations=rows("liquidation_id account_id adl_lots\n1 9 8\n2 8 3\n3 7 4"),
        adl_fills=rows(
            """
            liquidation_id bankrupt
            1              9
            1              9
            2              8
            3              5
            6              9
            -              fund
            -              vault
            """,
            step=1,
            symbol=BTC,
            lots=4,
        ),
        fund=rows("pool lots\nfund -4\nvault -3", step=1, cause="adl", symbol=BTC),
    )
    assert run.ask("adl_only_after_pool", "source which closed_lots sent_lots") == [
        ("inventory", f"vault 1 {BTC}", 4, 3),
        ("liquidation", "2", 4, 3),  # one lot more than was sent
        ("liquidation", "3", 4, 4),  # not the account of the liquidation
        ("liquidation", "6", 4, 0),  # no such liquidation
    ]


def test_adl_never_exceeds_position(tables: Make) -> None:
    run = tables(
        positions=rows("position_id lots\n1 5\n2 5\n3 5\n4 5"),
        adl_queue=rows("wave_id position_id closed_lots\n1 1 4\n1 2 4\n2 2 4\n1 3 5\n1 4 2", lots=4),
        adl_fills=rows("wave_id position_id rank lots\n1 1 1 4\n1 2 1 4\n2 2 1 4\n1 3 1 5\n1 4 1 1\n1 1 0 1"),
    )
    assert run.ask("adl_never_exceeds_position", "against position_id closed_lots allowed_lots") == [
        ("opening size", 2, 8, 5),
        ("size in the queue", 3, 5, 4),
        ("slices of the wave", 4, 1, 2),
    ]


@pytest.mark.parametrize(
    ("event", "offending"),
    [
        ({"lots_wanted": 5, "lots_closed": 4, "lots_unmatched": 1}, []),
        ({"lots_wanted": 5, "lots_closed": 4}, [(1, 5, 5, 4)]),
        ({"lots_wanted": 4, "lots_closed": 4}, [(1, 5, 4, 4)]),
        ({"lots_wanted": 5, "lots_closed": 5}, [(1, None, 5, 5)]),
        (
            {"lots_wanted": 5, "lots_closed": 4, "lots_unmatched": 1, "symbol": ETH},
            [(None, 5, None, None), (1, 0, 5, 4)],
        ),
    ],
)
def test_shortfall_fully_allocated(event: dict[str, Any], offending: list[Any], tables: Make) -> None:
    run = tables(
        liquidations=rows("adl_lots\n2\n3", step=1, symbol=BTC, side="long"),
        adl_events=[{**WAVE, **event}],
        adl_fills=[{"wave_id": 1, "lots": 4}],
    )
    assert run.ask("shortfall_fully_allocated", "wave_id sent_lots lots_wanted lots_closed") == offending


def test_the_rounds_of_a_step_are_held_against_its_liquidations_as_a_sum(tables: Make) -> None:
    def run(second: int) -> list[Any]:
        waves = [{**WAVE, "wave_id": k, "lots_wanted": lots, "lots_closed": lots} for k, lots in ((1, 2), (2, second))]
        made = tables(
            liquidations=rows("adl_lots round\n2 1\n3 2", step=1, symbol=BTC, side="long"),
            adl_events=waves,
            adl_fills=[{"wave_id": 1, "lots": 2}, {"wave_id": 2, "lots": second}],
        )
        return made.ask("shortfall_fully_allocated", "wave_id sent_lots lots_wanted lots_closed")

    assert run(3) == []
    assert run(4) == [(1, 5, 6, 6)]


def test_a_pool_may_keep_what_nobody_takes(tables: Make) -> None:
    run = tables(
        adl_events=rows("wave_id source lots_wanted lots_closed\n1 vault 9 4\n2 fund 3 4"),
        adl_fills=rows("wave_id lots\n1 4\n2 4"),
    )
    assert run.ask("shortfall_fully_allocated", "wave_id") == [(2,)]


@pytest.mark.parametrize(
    ("event", "offending"),
    [
        ({}, [(1, BTC, -7)]),
        ({"lots_unmatched": 1}, []),
        ({"skipped": 1}, []),
        ({"close_rule": "mark"}, []),
        ({"close_rule": "mark", "symbol": ETH}, [(1, BTC, -7)]),
    ],
)
def test_bankruptcy_close_leaves_no_deficit(event: dict[str, Any], offending: list[Any], tables: Make) -> None:
    legs = rows("owner amount_usd\nuncovered -7\naccount 7", step=1, symbol=BTC)
    run = tables(ledger=legs, adl_events=[{**WAVE, **event}])
    assert run.ask("bankruptcy_close_leaves_no_deficit", "step symbol uncovered_usd") == offending
