"""Candidates of cross accounts and own opposite legs in the slow engine, each rule worked out by hand."""

from typing import Any

import pytest

from .slow_engine import replay
from .test_slow_accounts import ONE_FIRST, World, account, cross, holding, moved, prices, row, run, two_symbols
from .test_slow_engine import small_world


# --- candidates ------------------------------------------------------------------------------------------------------
def queue_world(ranking: str, crossed: bool = True, **changes: Any) -> World:
    """Return a world in which account 1 goes bankrupt long 1000 BTC at 880, ETH at 800.

    Short are 2, with 20,000,000 and a profit of 12,000,000, and 3, with 15,000,000, the same profit, and 400 long ETH
    that have lost 8,000,000.
    """
    rows = [
        row(1, "BTC", 1, 10_000_000, 1000),
        row(2, "BTC", -1, 20_000_000, 1000),
        row(3, "BTC", -1, 15_000_000, 1000, cross=crossed),
        row(3, "ETH", 1, 0 if crossed else 20_000_000, 400, cross=crossed),
    ]
    world = small_world([prices(1000), prices(880, 800)], accounts=rows, ranking=ranking, **changes)
    world["symbols"]["ETH"] = world["symbols"]["BTC"]
    return world


@pytest.mark.parametrize(
    ("ranking", "winner"),
    [
        ("okx", 3),  # 0.12 x 88,000,000 over 32,000,000 or over 15,000,000 + 12,000,000 - 8,000,000
        ("bybit", 3),  # 12 / 20 or 12 / 15: the position's profit over the account's equity less its profit
        ("ethereal", 3),
        ("extended", 3),  # 0.12 x 4.4 over 32 or over 19: the maintenance of the position
    ],
)
def test_a_candidate_has_the_equity_of_its_account(ranking: str, winner: int) -> None:
    assert replay(queue_world(ranking))["adl"][0][3] == winner


@pytest.mark.parametrize(("eth", "winner"), [(800, 3), (780, 2)])
def test_binance_and_aevo_use_profit_wallet_and_maintenance_of_the_account(eth: int, winner: int) -> None:
    # 2: 12 / 20 x 4.4 / 32 = 0.0825. 3 at 800: (12 - 8) / 15 x (4.4 + 1.6) / 19 = 0.0842, without the maintenance of
    # ETH 0.0617. 3 at 780: (12 - 8.8) / 15 x (4.4 + 1.56) / 18.2 = 0.0699, with the profit of BTC alone more than 0.26.
    for ranking in ("binance", "aevo"):
        world = queue_world(ranking)
        world["bars"][1] = prices(880, eth)
        assert replay(world)["adl"][0][3] == winner


def test_losing_is_a_matter_of_the_position() -> None:
    # The account of 3 is made to lose in all (ETH at 600: -16,000,000), its short is still a winner.
    world = queue_world("binance", losers="excluded")
    world["accounts"] = [line for line in world["accounts"] if line["id"] != 2]
    world["accounts"][1]["wallet"] = 30_000_000
    world["bars"][1] = prices(880, 600)
    assert replay(world)["adl"] == [[2, "BTC", 1, 3, 1000, 90_000_000]]


@pytest.mark.parametrize(("wallet", "skipped"), [(-40_000, []), (-40_001, [[1, "BTC", 2]])])
def test_a_candidate_is_skipped_by_the_equity_of_its_account(wallet: int, skipped: list[Any]) -> None:
    # 10 lots worth 1,000,000 go for 1,060,000, which costs 60,000. The row of BTC alone has 100,000.
    rows = [row(1, "BTC", 1, -60_000), cross(2, "BTC", -1, 100_000), cross(2, "ETH", 1, wallet, 1)]
    world = two_symbols([prices(1000)], rows)
    world["accounts"] = rows
    result = replay(world)
    assert result["skipped"] == skipped
    assert result["adl"] == ([] if skipped else [[1, "BTC", 1, 2, 10, 1_060_000]])


def test_no_row_of_an_account_in_breach_is_a_candidate() -> None:
    # One first: only BTC of account 3 is in the step, yet its short of ETH does not stand for account 4's long.
    rows = [cross(3, "BTC", 1, 60_000), cross(3, "ETH", -1, 0), row(4, "ETH", 1, -10)]
    rules = {**ONE_FIRST, "liquidation_rule": "part_first", "first_share": [1, 5], "first_above": 0, "pause_s": 600}
    world = two_symbols([prices(1000)], rows, **rules)
    world["accounts"] = rows
    result = replay(world)
    assert result["unmatched"] == [[1, "ETH", 4, 10, "market"]]


# --- own opposite legs -----------------------------------------------------------------------------------------------
def legs(wallet: int, px: int = 1000, lots: int = 4) -> list[World]:
    """Return id 1 long ten lots with 100,000, and short some, both isolated."""
    return [row(1, "BTC", 1, 100_000), row(1, "BTC", -1, wallet, lots, px)]


def test_the_own_opposite_leg_gives_first() -> None:
    # Bankrupt at 880 for 900,000: four lots go to the own short, six to 8, who has the higher rank than 1 had.
    result = run([prices(1000), prices(880)], legs(200_000))
    assert result["adl"] == [[2, "BTC", 1, 1, 4, 360_000], [2, "BTC", 1, 8, 6, 540_000]]
    assert moved(result) == [[2, "BTC", 1, 0, 0, 0, 10, 0, 0]]
    assert account(result) == holding(0, 0, 200_000 + 400_000 - 360_000)


def test_an_own_leg_may_be_larger_and_a_loser() -> None:
    # 20 lots sold at 800 lose at 880; losers are excluded from the queue, not from this.
    result = run([prices(1000), prices(880)], legs(900_000, 800, 20))
    assert result["adl"] == [[2, "BTC", 1, 1, 10, 900_000]]
    assert account(result)["lots"]["BTC"] == -10


def test_an_own_leg_that_cannot_bear_its_lots_gives_none() -> None:
    # At 700 four lots cost 360,000 - 280,000 = 80,000, and the leg has -60,000 + 120,000. What is recorded is that it
    # is skipped a second time, as the first in the queue.
    result = run([prices(700)], legs(-60_000))
    assert result["adl"] == [[1, "BTC", 1, 8, 10, 900_000]]
    assert result["skipped"] == [[1, "BTC", 1]]
    # Sold at 600 it has 100,000 - 40,000 and is a loser: not in the queue, so it is tried once only.
    excluded = run([prices(700)], legs(100_000, 600), losers="excluded")
    assert (excluded["adl"], excluded["skipped"]) == (result["adl"], [])
    enough = run([prices(700)], legs(-40_000))
    assert enough["adl"][0] == [1, "BTC", 1, 1, 4, 360_000]


def test_an_own_leg_in_breach_gives_none() -> None:
    # -107,000 + 120,000 = 13,000 of 14,000.
    assert [line[3] for line in run([prices(700)], legs(-107_000))["adl"]] == [8]


def test_own_legs_of_a_wave_give_before_ranks_freeze() -> None:
    # 2, the later of two bankrupts, has a short of its own that ranks first: it is not there for 1.
    rows = [row(1, "BTC", 1, 100_000), row(2, "BTC", 1, 100_000), row(2, "BTC", -1, 60_000, 10)]
    result = run([prices(1000), prices(880)], rows)
    assert result["adl"] == [[2, "BTC", 2, 2, 10, 900_000], [2, "BTC", 1, 8, 10, 900_000]]


def test_own_legs_close_at_the_price_of_the_wave() -> None:
    result = run([prices(1000), prices(880)], legs(200_000), close_price="mark")
    assert result["adl"] == [[2, "BTC", 1, 1, 4, 352_000], [2, "BTC", 1, 8, 6, 528_000]]
    assert result["owners"]["uncovered"]["cash"] == -20_000
