"""Several vaults and the margin that a vault may keep, worked out by hand; both engines say the same.

100 quanta per tick and lot, maintenance 5 %. ``LONG``'s 10 lots have the bankruptcy value 900,000: at 930 they have
equity of 30,000, less than two thirds of their maintenance of 46,500, and a vault takes them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay

RULE = {"capital": 0, "num": 2, "den": 3}
OTHERS = tuple({**row, "id": row["id"] + 10, "symbol": "ETH"} for row in (LONG, SHORT))


def both(world: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the slow engine; the fast one agrees."""
    result = replay(world)
    assert run_fast(world) == result
    return result


def two_coins(path: list[tuple[int, int]], accounts: Any = (LONG, SHORT, *OTHERS), **changes: Any) -> dict[str, Any]:
    """Return a world of BTC and ETH with a price of each per bar."""
    world = small([{name: bar(px)["BTC"] for name, px in zip(("BTC", "ETH"), each, strict=True)} for each in path],
                  accounts, **changes)  # fmt: skip
    world["symbols"]["ETH"] = world["symbols"]["BTC"]
    return world


def sets(btc: int, eth: int, **more: Any) -> dict[str, Any]:
    """Return the rule of a vault for each coin."""
    each = [{"symbols": ["BTC"], "capital": btc}, {"symbols": ["ETH"], "capital": eth}]
    return {**RULE, "capital": btc + eth, "sets": each, **more}


def test_each_vault_is_deleveraged_alone() -> None:
    """Both take ten lots at 900,000. At 890 that of BTC is worth 890,000 of them: it has 5,000 and needs 10,000."""
    result = both(two_coins([(1000, 1000), (930, 930), (890, 930)], vault=sets(5_000, 5_000)))
    assert result["adl"] == [[3, "BTC", "vault", 2, 10, 900_000]]
    assert result["vaults"] == [
        {"cash": 5_000, "lots": {"BTC": 0, "ETH": 0}},
        {"cash": -895_000, "lots": {"BTC": 0, "ETH": 10}},
    ]


def test_one_vault_of_both_coins_lives_on_what_the_other_coin_left_it() -> None:
    result = both(two_coins([(1000, 1000), (930, 930), (890, 930)], vault={**RULE, "capital": 10_000}))
    assert result["adl"] == []
    assert result["owners"]["vault"] == {"cash": -1_790_000, "lots": {"BTC": 10, "ETH": 10}}


def test_an_account_of_two_coins_leaves_each_to_the_vault_of_its_coin() -> None:
    """Equity of 56,666 is shared by maintenance: 28,333 each."""
    rows = [{**row, "id": 1, "cross": True, "wallet": 98_333} for row in (LONG, OTHERS[0])]
    result = both(two_coins([(1000, 1000), (930, 930)], [*rows, SHORT, OTHERS[1]], vault=sets(0, 0)))
    assert [each["lots"] for each in result["vaults"]] == [{"BTC": 10, "ETH": 0}, {"BTC": 0, "ETH": 10}]
    assert [each["cash"] for each in result["vaults"]] == [-901_667, -901_667]


def test_a_residual_is_of_the_vault_of_its_coin() -> None:
    world = two_coins([(1000, 1000), (1000, 932)], vault=sets(0, 0), residual_owner="vault")
    world["bars"][1]["ETH"]["volume_lots"] = 10
    assert [each["cash"] for each in both(world)["vaults"]] == [0, 32_000]


@pytest.mark.parametrize(("capital", "taken"), [(16_500, 10), (16_499, 0)])
def test_a_vault_that_keeps_a_margin_refuses_what_would_leave_it_below(capital: int, taken: int) -> None:
    """It has its capital and the 30,000 of ``LONG``, and needs 46,500; what it refuses goes to ADL with its equity."""
    world = small([bar(1000), bar(930)], vault={**RULE, "capital": capital, "margin": "maintenance"})
    result = both(world)
    assert [row[6:8] for row in result["liquidations"]] == [[taken, 10 - taken]]
    assert result["adl"] == ([] if taken else [[2, "BTC", 1, 2, 10, 900_000]])
    assert result["vault_refusals"] == ([] if taken else [[2, 0, "BTC", capital]])


def test_a_refusal_does_not_block_a_later_smaller_claim() -> None:
    """Three lots need 13,950 and bring 9,000: a capital of 4,950 is enough for them alone."""
    small_one = {**LONG, "id": 3, "lots": 3, "cost": 300_000, "wallet": 30_000}
    world = small([bar(1000), bar(930)], [LONG, SHORT, small_one],
                  vault={**RULE, "capital": 4_950, "margin": "maintenance"})  # fmt: skip
    result = both(world)
    assert [(row[1], row[6], row[7]) for row in result["liquidations"]] == [(1, 0, 10), (3, 3, 0)]


def test_what_lowers_the_need_passes_a_vault_that_is_below_its_margin() -> None:
    """Taken at 930, both coins need 93,000. At 730 and 1040 the vault has 3,000 of 88,500.

    A short of ETH brings 28,000 and closes ten of its lots: it then has 31,000 of 36,500, and BTC is deleveraged.
    """
    short = {"id": 15, "symbol": "ETH", "side": -1, "lots": 10, "cost": 1_000_000, "wallet": 68_000}
    rich = {"id": 16, "symbol": "ETH", "side": 1, "lots": 10, "cost": 1_000_000, "wallet": 600_000}
    rule = {**RULE, "capital": 33_000, "margin": "maintenance"}
    path = [(1000, 1000), (930, 930), (730, 1040)]
    result = both(two_coins(path, [LONG, SHORT, *OTHERS, short, rich], vault=rule))
    assert (result["liquidations"][-1][1], result["liquidations"][-1][6], result["vault_refusals"]) == (15, 10, [])
    assert result["owners"]["vault"]["lots"] == {"BTC": 0, "ETH": 0}
    assert result["adl"] == [[3, "BTC", "vault", 2, 10, 900_000]]


@pytest.mark.parametrize(("px", "deleveraged"), [(930, False), (929, True)])
def test_a_vault_that_keeps_a_margin_is_deleveraged_below_it(px: int, deleveraged: bool) -> None:
    """With 16,500 it has 46,500 at 930, just what it needs; at 929 it has 45,500 and needs 46,450."""
    world = small([bar(1000), bar(930), bar(px)], vault={**RULE, "capital": 16_500, "margin": "maintenance"})
    result = both(world)
    assert result["adl"] == ([[3, "BTC", "vault", 2, 10, 900_000]] if deleveraged else [])
    assert result["owners"]["vault"]["lots"] == {"BTC": 0 if deleveraged else 10}


def test_each_vault_keeps_a_margin_of_its_own() -> None:
    """That of BTC has what it needs, that of ETH a quantum less."""
    world = two_coins([(1000, 1000), (930, 930)], vault=sets(16_500, 16_499, margin="maintenance"))
    result = both(world)
    assert [each["lots"] for each in result["vaults"]] == [{"BTC": 10, "ETH": 0}, {"BTC": 0, "ETH": 0}]
    assert result["adl"] == [[2, "ETH", 11, 12, 10, 900_000]]
    assert result["vault_refusals"] == [[2, 1, "ETH", 16_499]]
