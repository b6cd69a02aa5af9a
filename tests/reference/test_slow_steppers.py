"""Partial steppers of the slow engine, each branch worked out by hand.

The long of `test_slow_engine` has 10 lots and a bankruptcy amount of 900,000. At a mark of 930 a lot is worth 93,000,
the position 930,000 and its equity is 30,000. Where LADDER holds, maintenance is then 10 % of 930,000 less 52,000 =
41,000; where one rate of 5 % holds, it is 46,500. Residual collateral goes to the fund, so that what stays with the
account shows.
"""

from typing import Any

import pytest

from .slow_engine import replay
from .test_slow_engine import FUND, LONG, SHORT, VAULT, bar, flat, holding, small_world

FIVE_PERCENT = [[0, 50_000_000, 0]]
LADDER = [[0, 20_000_000, 0], [400_000, 50_000_000, 12_000], [800_000, 100_000_000, 52_000]]
BUYING_FUND = {**FUND, "start": 1_000_000, "takeover": "bankruptcy"}
FIRST_PART: dict[str, Any] = {
    "liquidation_rule": "part_first",
    "first_share": [1, 5],
    "first_above": 100_000,
    "pause_s": 600,
}


def run(bars: list[dict[str, Any]], tiers: list[list[int]] = FIVE_PERCENT, **changes: Any) -> dict[str, Any]:
    """Replay a small world in `close` mode, 60 s a bar; residual collateral goes to the fund."""
    world = small_world([flat(1000), *bars], **{"residual_owner": "fund", **changes})
    world["symbols"]["BTC"]["tiers"] = tiers
    return replay(world)


def moved(result: dict[str, Any]) -> list[list[Any]]:
    """Return step, lots to the book, their amount, lots taken over, lots to ADL, residual and fee of account 1."""
    return [[row[0], *row[4:]] for row in result["liquidations"] if row[1] == 1]


# --- tier_by_tier --------------------------------------------------------------------------------------------------


def test_tier_by_tier_fills_down_to_the_next_tier_and_waits() -> None:
    # 930: k = 10 - floor(799,999 / 93,000) = 2 for 186,000, which leaves 8 lots, cash -714,000, equity 30,000 above a
    # maintenance of 37,200 - 12,000. 920: 8 x 92,000 - 714,000 = 22,000 is below 36,800 - 12,000, and
    # k = 8 - floor(399,999 / 92,000) = 4 for 368,000, against 714,000 x 4 / 8 = 357,000. The fund takes nothing.
    result = run([flat(930, 2), flat(920, 4)], LADDER, liquidation_rule="tier_by_tier", fund=BUYING_FUND)
    assert moved(result) == [[2, 2, 186_000, 0, 0, 6_000, 0], [3, 4, 368_000, 0, 0, 11_000, 0]]
    assert result["owners"]["accounts"]["1"] == holding(-900_000 + 186_000 + 368_000, 4)
    assert result["owners"]["fund"] == holding(1_000_000, 0)


def test_tier_by_tier_killed_orders_the_whole_position() -> None:
    # One lot is free, two are ordered: the whole order takes the one, 93,000 - 90,000 go to the fund, nothing waits.
    result = run([flat(930, 1)], LADDER, liquidation_rule="tier_by_tier")
    assert moved(result) == [[2, 1, 93_000, 0, 9, 3_000, 0]]
    assert result["adl"] == [[2, "BTC", 1, 2, 9, 810_000]]
    assert result["owners"]["fund"] == holding(3_000, 0)
    taken = run([flat(930, 1)], LADDER, liquidation_rule="tier_by_tier", fund=BUYING_FUND)
    assert moved(taken) == [[2, 1, 93_000, 9, 0, 3_000, 0]]


def test_tier_by_tier_refused_by_the_limit_goes_on() -> None:
    # 10 lots at 899 are below the bankruptcy amount.
    result = run([bar([899] * 4, [930] * 4, 100)], LADDER, liquidation_rule="tier_by_tier")
    assert moved(result) == [[2, 0, 0, 0, 10, 0, 0]]


def test_tier_by_tier_in_the_lowest_tier_orders_the_whole_position() -> None:
    assert moved(run([flat(930, 4)], liquidation_rule="tier_by_tier")) == [[2, 4, 372_000, 0, 6, 12_000, 0]]


@pytest.mark.parametrize(
    ("free", "row"), [(10, [2, 10, 930_000, 0, 0, 30_000, 0]), (9, [2, 9, 837_000, 0, 1, 27_000, 0])]
)
def test_tier_by_tier_orders_all_where_one_lot_reaches_the_floor(free: int, row: list[int]) -> None:
    # floor(49,999 / 93,000) = 0, so k = Q. Maintenance is 46,500 - 1,500.
    result = run([flat(930, free)], [[0, 20_000_000, 0], [50_000, 50_000_000, 1_500]], liquidation_rule="tier_by_tier")
    assert moved(result) == [row]
    assert result["owners"]["accounts"]["1"] == holding(0, 0)
    assert result["owners"]["fund"] == holding(row[5], 0)


def test_a_waiting_position_below_zero_goes_to_adl() -> None:
    # 880: 8 x 88,000 - 714,000 = -10,000. The bankruptcy amount is that of the new detection.
    result = run([flat(930, 2), flat(880, 100)], LADDER, liquidation_rule="tier_by_tier")
    assert moved(result) == [[2, 2, 186_000, 0, 0, 6_000, 0], [3, 0, 0, 0, 8, 0, 0]]
    assert result["adl"] == [[3, "BTC", 1, 2, 8, 714_000]]


# --- reduce_once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fee_e9", "lots", "fee"), [(0, 4, 0), (10_000_000, 5, 4_650)])
def test_reduce_once_sells_what_makes_the_rest_healthy_after_the_fee(fee_e9: int, lots: int, fee: int) -> None:
    # The rest needs 4,650 a lot. Without a fee 30,000 are enough for 6 (27,900). With 1 %, 930 a lot sold, 30,000 -
    # 3,720 = 26,280 are not; 5 lots need 23,250 and 30,000 - 4,650 = 25,350 are left. Asked: 5, 2, 3, 4.
    result = run([flat(930, lots)], liquidation_rule="reduce_once", fee_e9=fee_e9, fund=BUYING_FUND)
    assert moved(result) == [[2, lots, lots * 93_000, 0, 0, lots * 3_000 - fee, fee]]
    assert result["owners"]["accounts"]["1"] == holding(-900_000 + lots * 93_000 - fee, 10 - lots)
    assert result["owners"]["venue"] == holding(fee, 0)
    assert result["owners"]["fund"] == holding(1_000_000, 0)


@pytest.mark.parametrize(("threshold", "lots"), [("<", 4), ("<=", 5)])
def test_reduce_once_uses_the_comparison_of_the_venue(threshold: str, lots: int) -> None:
    # With a wallet of 97,900 the equity is 27,900, exactly the maintenance of 6 lots.
    result = run(
        [flat(930, 10)],
        liquidation_rule="reduce_once",
        threshold=threshold,
        accounts=({**LONG, "wallet": 97_900}, SHORT),
    )
    assert [row[1] for row in moved(result)] == [lots]


def test_reduce_once_looks_for_lots_by_bisection() -> None:
    # 20 % above 700,000, 0.5 % below; a fee of 8 % is 7,440 a lot. 2 lots are enough (15,120 of 12,300), but asked are
    # 5, 7, 8 and 9, after which the fee leaves less than zero: all are ordered. The fee paid is what the fill brought.
    tiers = [[0, 5_000_000, 0], [700_000, 200_000_000, 136_500]]
    result = run([flat(930, 10)], tiers, liquidation_rule="reduce_once", fee_e9=80_000_000)
    assert moved(result) == [[2, 10, 930_000, 0, 0, 0, 30_000]]


def test_reduce_once_with_too_little_liquidity_goes_on() -> None:
    # 5 are ordered, 4 are free: 12,000 less the fee of 3,720 go to the fund, 6 lots to ADL.
    result = run([flat(930, 4)], liquidation_rule="reduce_once", fee_e9=10_000_000)
    assert moved(result) == [[2, 4, 372_000, 0, 6, 8_280, 3_720]]
    assert result["owners"]["fund"] == holding(8_280, 0)


@pytest.mark.parametrize(("free", "row"), [(10, [2, 10, 901_000, 0, 0, 1_000, 0]), (9, [2, 9, 810_900, 0, 1, 900, 0])])
def test_reduce_once_orders_all_where_nothing_less_is_enough(free: int, row: list[int]) -> None:
    # A fill at 901 costs 2,900 a lot: after 9 lots 30,000 - 26,100 = 3,900 are left, below 4,650.
    result = run([bar([901] * 4, [930] * 4, free)], liquidation_rule="reduce_once")
    assert moved(result) == [row]
    assert result["owners"]["fund"] == holding(row[5], 0)


def test_reduce_once_refused_by_the_limit_goes_on() -> None:
    assert moved(run([bar([899] * 4, [930] * 4, 100)], liquidation_rule="reduce_once")) == [[2, 0, 0, 0, 10, 0, 0]]


# --- two_tiers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("free", [6, 2])
def test_two_tiers_fills_what_is_free_and_waits(free: int) -> None:
    # k = 10 - floor(399,999 / 93,000) = 6.
    result = run([flat(930, free)], LADDER, liquidation_rule="two_tiers", fund=BUYING_FUND)
    assert moved(result) == [[2, free, free * 93_000, 0, 0, free * 3_000, 0]]
    assert result["owners"]["accounts"]["1"] == holding(-900_000 + free * 93_000, 10 - free)


def test_two_tiers_waits_where_one_lot_reaches_the_floor() -> None:
    # floor(39,999 / 93,000) = 0, so k = Q: 6 lots are free, 4 wait.
    tiers = [[0, 20_000_000, 0], [40_000, 50_000_000, 1_200], [50_000, 60_000_000, 1_700]]
    result = run([flat(930, 6)], tiers, liquidation_rule="two_tiers", fund=BUYING_FUND)
    assert moved(result) == [[2, 6, 558_000, 0, 0, 18_000, 0]]
    assert result["owners"]["accounts"]["1"] == holding(-900_000 + 558_000, 4)


def test_two_tiers_waits_without_liquidity_until_there_is_some() -> None:
    result = run([flat(930), flat(930, 100)], LADDER, liquidation_rule="two_tiers", fund=BUYING_FUND)
    assert moved(result) == [[3, 6, 558_000, 0, 0, 18_000, 0]]
    assert result["adl"] == []


@pytest.mark.parametrize(("wallet", "lots_adl"), [(88_600, 0), (88_599, 4)])
def test_two_tiers_needs_the_maintenance_of_the_lowest_rate(wallet: int, lots_adl: int) -> None:
    # 2 % of 930,000 are 18,600, exactly the equity with a wallet of 88,600. With one quantum less the whole position
    # is ordered, and what the book leaves goes on. 6 lots of 911,400 (911,401) are 546,840, rounded down.
    result = run([flat(930, 6)], LADDER, liquidation_rule="two_tiers", accounts=({**LONG, "wallet": wallet}, SHORT))
    assert moved(result) == [[2, 6, 558_000, 0, lots_adl, 11_160, 0]]
    assert [row[5] for row in result["adl"]] == ([364_561] if lots_adl else [])
    assert result["owners"]["fund"] == holding(11_160 if lots_adl else 0, 0)


def test_two_tiers_in_the_second_tier_orders_the_whole_position() -> None:
    # Equity is 20,000 with a wallet of 90,000, maintenance 46,500 - 12,000.
    accounts = ({**LONG, "wallet": 90_000}, SHORT)
    result = run([flat(930, 6)], LADDER[:2], liquidation_rule="two_tiers", accounts=accounts)
    assert moved(result) == [[2, 6, 558_000, 0, 4, 12_000, 0]]


def test_two_tiers_refused_by_the_limit_goes_on() -> None:
    assert moved(run([bar([899] * 4, [930] * 4, 100)], LADDER, liquidation_rule="two_tiers")) == [
        [2, 0, 0, 0, 10, 0, 0]
    ]


# --- part_first ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar_seconds", "pause_s", "step"),
    [(60, 0, 6), (60, 20, 6), (60, 21, 7), (60, 30, 7), (60, 40, 7), (60, 41, 8), (10, 3, 6), (10, 4, 7), (10, 7, 8)],
)
def test_part_first_pauses_before_the_whole_position(bar_seconds: int, pause_s: int, step: int) -> None:
    # The order of 2 lots goes at the open of the second bar, 60 s (10 s) after the start. The next steps end 20, 40
    # and 60 s later (3.3, 6.7 and 10 s). 8 lots, cash -714,000, stay in breach: 30,000 of 37,200.
    world = small_world([flat(1000), flat(930, 20)], **{**FIRST_PART, "pause_s": pause_s, "residual_owner": "fund"})
    result = replay({**world, "intrabar": "ohlc", "bar_seconds": bar_seconds})
    assert moved(result) == [[5, 2, 186_000, 0, 0, 6_000, 0], [step, 8, 744_000, 0, 0, 30_000, 0]]
    assert result["owners"]["accounts"]["1"] == holding(0, 0)
    assert result["owners"]["fund"] == holding(30_000, 0)


@pytest.mark.parametrize(("pause_s", "step"), [(60, 3), (61, 4)])
def test_with_one_price_a_bar_a_step_ends_with_its_bar(pause_s: int, step: int) -> None:
    result = run([flat(930, 2), flat(930, 8), flat(930, 8)], **{**FIRST_PART, "pause_s": pause_s})
    assert [row[0] for row in moved(result)] == [2, step]


def test_the_first_part_is_rounded_up() -> None:
    assert moved(run([flat(930, 10)], **{**FIRST_PART, "first_share": [1, 3]})) == [[2, 4, 372_000, 0, 0, 12_000, 0]]


def test_the_whole_position_is_ordered_until_it_is_gone() -> None:
    # 2, then 3 of 8, then 5. After 3 lots the rest, 5 lots, has 22,000 of 23,000 at 920.
    path = [flat(930, 2), flat(920, 3), flat(920, 5)]
    result = run(path, **{**FIRST_PART, "pause_s": 60})
    assert [row[:2] for row in moved(result)] == [[2, 2], [3, 3], [4, 5]]
    assert result["adl"] == []


def test_a_small_position_is_ordered_whole_and_its_rest_waits() -> None:
    # 930,000 are not above 930,000. 4 of 10 lots are free; the rest has 30,000 of 27,900.
    result = run([flat(930, 4)], **{**FIRST_PART, "first_above": 930_000}, fund=BUYING_FUND)
    assert moved(result) == [[2, 4, 372_000, 0, 0, 12_000, 0]]
    assert result["owners"]["accounts"]["1"] == holding(-900_000 + 372_000, 6)


def test_a_position_that_has_become_small_is_ordered_whole_in_the_pause() -> None:
    # 8 lots at 930 are worth 744,000, not above it any more.
    result = run([flat(930, 2), flat(930, 8)], **{**FIRST_PART, "first_above": 744_000})
    assert [row[:2] for row in moved(result)] == [[2, 2], [3, 8]]


@pytest.mark.parametrize(("between", "rows"), [(1000, [[2, 2], [4, 2]]), (925, [[2, 2]])])
def test_an_episode_ends_with_a_price_without_breach(between: int, rows: list[list[int]]) -> None:
    # 8 lots, cash -714,000: at 1000 the equity is 86,000, at 925 it is 26,000 of 37,000. After a price without breach
    # a fifth of 8 lots, rounded up, is ordered at 920 (22,000 of 36,800); otherwise the pause goes on.
    result = run([flat(930, 2), flat(between), flat(920, 100)], **FIRST_PART)
    assert [row[:2] for row in moved(result)] == rows


def test_an_episode_ends_with_a_price_without_breach_inside_a_bar() -> None:
    # 8 lots are in breach up to 939 (37,200 of 37,560). From 930 to 920 and on to 950 the position is in its pause; at
    # 950 it is not in breach, and on the way to 920 the rung of 939 begins an episode: 2 lots at 939 for 714,000 / 4.
    path = [930, 950, 920, 920]
    world = small_world([flat(1000), bar(path, path, 20)], **FIRST_PART)
    result = replay({**world, "intrabar": "ohlc"})
    assert moved(result) == [[5, 2, 186_000, 0, 0, 6_000, 0], [8, 2, 187_800, 0, 0, 9_300, 0]]


def test_a_fill_that_heals_the_rest_does_not_end_the_episode() -> None:
    # Maintenance of 3.5 %: 30,000 of 32,550 at 930; the rest of 8 lots would have 30,000 of 26,040 at that price. It
    # is judged next at 920, 22,000 of 25,760, and still in its pause.
    result = run([flat(930, 2), flat(920, 100)], [[0, 35_000_000, 0]], **FIRST_PART)
    assert [row[:2] for row in moved(result)] == [[2, 2]]


def test_a_refused_first_order_begins_the_pause() -> None:
    result = run([bar([899] * 4, [930] * 4, 100), flat(930, 100), flat(930, 100)], **{**FIRST_PART, "pause_s": 120})
    assert moved(result) == [[4, 10, 930_000, 0, 0, 30_000, 0]]
    assert result["adl"] == []


def test_the_vault_takes_a_position_in_its_pause() -> None:
    # 932: 2 lots for 186,400; the rest, 8 lots against 720,000, has 25,600 of two thirds of 37,280 = 24,853 and waits.
    # 920: 736,000 - 713,600 = 22,400 are below 24,533, and the 6,400 that stayed move with the collateral.
    result = run([flat(932, 2), flat(920, 100)], vault=VAULT, **{**FIRST_PART, "residual_owner": "vault"})
    assert moved(result) == [[2, 2, 186_400, 0, 0, 6_400, 0], [3, 0, 0, 8, 0, 0, 0]]
    assert result["owners"]["vault"] == holding(-713_600, 8)
    assert result["owners"]["accounts"]["1"] == holding(0, 0)


def test_the_vault_takes_the_rest_in_the_step_of_the_fill() -> None:
    # 930: the rest, 8 lots against 720,000, has 24,000 of two thirds of 37,200 = 24,800. The 6,000 that the fill
    # brought stay on the account, although the vault is the owner of residual collateral.
    result = run([flat(930, 2)], vault=VAULT, **{**FIRST_PART, "residual_owner": "vault"}, fund=BUYING_FUND)
    assert moved(result) == [[2, 2, 186_000, 8, 0, 6_000, 0]]
    assert result["owners"]["vault"] == holding(-720_000, 8)
    assert result["owners"]["accounts"]["1"] == holding(6_000, 0)


def test_a_rest_below_zero_at_the_end_of_the_step_waits_without_a_vault_and_not_with_one() -> None:
    # From 1000 to 890 the rung is 947 (47,000 of 47,350); nothing is free. At the end 890,000 - 900,000 is below zero.
    # Without a vault the position is judged at the next segment's start and goes to ADL there, one step later.
    steps = {}
    for name, vault in (("with", VAULT), ("without", None)):
        world = small_world(
            [flat(1000), bar([1000, 1000, 890, 890], [1000, 1000, 890, 890])], vault=vault, **FIRST_PART
        )
        steps[name] = [row[0] for row in replay({**world, "intrabar": "ohlc"})["adl"]]
    assert steps == {"with": [7], "without": [8]}


# --- impact --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "row"),
    [
        # 10 % x 930 x sqrt(k / 200): 9.3 for 2 lots, 16.1 for 6, 20.8 for 10.
        ({"liquidation_rule": "tier_by_tier"}, [2, 2, 184_200, 0, 0, 4_200, 0]),
        ({"liquidation_rule": "two_tiers"}, [2, 6, 548_400, 0, 0, 8_400, 0]),
        (FIRST_PART, [2, 2, 184_200, 0, 0, 4_200, 0]),
        # The whole position counts: fills at 910. 1 lot leaves 28,000 of 31,700, 2 leave 26,000 of 25,200.
        ({"liquidation_rule": "reduce_once"}, [2, 2, 182_000, 0, 0, 2_000, 0]),
    ],
)
def test_impact_counts_the_lots_ordered(rules: dict[str, Any], row: list[int]) -> None:
    world = small_world([flat(1000), bar([930, 930, 900, 930], [930] * 4, 200)], **rules)
    world["symbols"]["BTC"]["tiers"] = LADDER
    world["liquidity"] |= {"impact": "sqrt", "sigma_e9": 10**8}
    assert moved(replay(world)) == [row]


def test_a_position_in_its_pause_does_not_count_in_the_impact() -> None:
    # At 925 account 1 waits in its pause; account 3 (45,000 of 46,250) orders 2 lots: 10 % x 925 x sqrt(2 / 200) = 9.
    path = [flat(1000), flat(930), bar([925, 925, 900, 925], [925] * 4, 200)]
    world = small_world(path, accounts=(LONG, SHORT, {**LONG, "id": 3, "wallet": 120_000}), **FIRST_PART)
    world["liquidity"] |= {"impact": "sqrt", "sigma_e9": 10**8}
    assert replay(world)["liquidations"] == [[3, 3, "BTC", 1, 2, 183_200, 0, 0, 7_200, 0]]
