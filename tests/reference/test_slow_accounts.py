"""Cross accounts of the slow engine, each rule worked out by hand.

A tick is worth 100 quanta a lot, so that ten lots at 1000 are worth 1,000,000; maintenance is 5 % in both symbols.
Account 1 is mostly a cross account long ten lots of BTC and of ETH, bought at 1000. Its equity is its wallet plus
10 x 100 for every tick that a price is above 1000; ten lots need 50 quanta of maintenance for every tick of price.
"""

from typing import Any

import pytest

from .slow_cross import net_legs
from .slow_engine import replay
from .slow_ledger import Position
from .slow_path import steps
from .slow_state import State, opening_state
from .test_slow_engine import FUND, LONG, SHORT, VAULT, bar, flat, small_world

World = dict[str, Any]
ONE_FIRST = {"cross_allocation": "one_first", "cross_order": "loss"}
BUYING_FUND = {**FUND, "start": 10_000_000, "takeover": "bankruptcy"}


def row(account: int, symbol: str, side: int, wallet: int, lots: int = 10, px: int = 1000, **more: Any) -> World:
    """Return an account row opened at a price."""
    cost = lots * px * 100
    return {"id": account, "symbol": symbol, "side": side, "lots": lots, "cost": cost, "wallet": wallet, **more}


def cross(account: int, symbol: str, side: int, wallet: int, lots: int = 10, px: int = 1000) -> World:
    return row(account, symbol, side, wallet, lots, px, cross=True)


def both(wallet: int) -> list[World]:
    """Return account 1: its wallet lies on the row of ETH, where a row alone would be of no use to BTC."""
    return [cross(1, "BTC", 1, 0), cross(1, "ETH", 1, wallet)]


def prices(btc: int, eth: int = 1000, volume_btc: int = 0, volume_eth: int = 0) -> World:
    """Return a bar that stands still."""
    return {"BTC": flat(btc, volume_btc)["BTC"], "ETH": flat(eth, volume_eth)["BTC"]}


def two_symbols(bars: list[World], accounts: list[World], **changes: Any) -> World:
    """Return a world in `close` mode with somebody to take the other side; residual collateral goes to the fund."""
    others = [row(8, "BTC", -1, 900_000), row(9, "ETH", -1, 900_000)]
    world = small_world(bars, accounts=[*accounts, *others], **{"residual_owner": "fund", **changes})
    world["symbols"]["ETH"] = world["symbols"]["BTC"]
    return world


def run(bars: list[World], accounts: list[World], **changes: Any) -> World:
    return replay(two_symbols(bars, accounts, **changes))


def moved(result: World, account: int = 1) -> list[list[Any]]:
    """Return step, symbol, side, lots to the book, their amount, lots taken over, lots to ADL, residual and fee."""
    return [[line[0], *line[2:]] for line in result["liquidations"] if line[1] == account]


def holding(btc: int, eth: int, cash: int) -> World:
    return {"cash": cash, "lots": {"BTC": btc, "ETH": eth}}


def account(result: World, number: int = 1) -> Any:
    return result["owners"]["accounts"][str(number)]


def state_of(world: World) -> State:
    return opening_state(world, next(steps(world)))


# --- what is a cross account -----------------------------------------------------------------------------------------
def test_a_cross_account_of_one_row_is_an_isolated_position() -> None:
    # Found on its rung, not by bisection: 947, see test_finer_mark_moves_the_rung.
    world = small_world([flat(1000), bar([1000, 1000, 910, 950], [1000, 1000, 900, 950], 1000)])
    world["intrabar"] = "ohlc"
    isolated = replay(world)
    assert [line[5] for line in isolated["liquidations"]] == [952_000]
    world["accounts"] = [{**LONG, "cross": True}, {**SHORT, "cross": True}]
    assert replay(world) == isolated


def test_the_rows_of_an_account_answer_for_each_other() -> None:
    # At 900 BTC alone has -100,000. Together 150,000 - 100,000 = 50,000 is below 45,000 + 50,000; with 195,000 it is
    # just enough, unless the venue already acts at 100 %.
    assert len(moved(run([prices(1000), prices(900)], both(150_000)))) == 2
    assert moved(run([prices(1000), prices(900)], both(195_000))) == []
    assert len(moved(run([prices(1000), prices(900)], both(195_000), threshold="<="))) == 2
    assert len(moved(run([prices(1000), prices(900)], both(194_999)))) == 2


def test_an_isolated_row_of_the_id_does_not_belong_to_the_account() -> None:
    # The short of 10 ETH with 900,000 does not help; it is not in breach and keeps what it has.
    rows = [*both(150_000), row(1, "ETH", -1, 900_000)]
    result = run([prices(1000), prices(900)], rows)
    assert [line[1:3] for line in moved(result)] == [["BTC", 1], ["ETH", 1]]


def test_an_isolated_row_in_breach_does_not_bar_the_cross_account_of_its_id() -> None:
    # Id 1 is long isolated and bankrupt at 880: 100,000 - 120,000. Its cross account is short 4 BTC and 4 ETH, healthy,
    # and gives the four lots first: 900,000 x 4 / 10.
    rows = [row(1, "BTC", 1, 100_000), cross(1, "BTC", -1, 100_000, 4), cross(1, "ETH", -1, 0, 4)]
    result = run([prices(1000), prices(880)], rows)
    assert result["adl"] == [[2, "BTC", 1, 1, 4, 360_000], [2, "BTC", 1, 8, 6, 540_000]]
    assert account(result) == holding(0, -4, 100_000 + 400_000 + 400_000 - 360_000)


def test_unsettled_funding_counts_rounded_per_row() -> None:
    # 0.15 quanta a lot are due, 1.5 on each row: that counts as 1 and 1, not as 3. 100,002 - 2 are just enough.
    world = two_symbols([prices(1000)], both(100_002))
    world["funding"] = [{"bar": 0, "symbol": name, "rate_e9": 1500} for name in ("BTC", "ETH")]
    assert moved(replay(world)) == []
    world["accounts"][1]["wallet"] -= 1
    assert len(moved(replay(world))) == 2


# --- detection -------------------------------------------------------------------------------------------------------
def falling(btc: list[int], trade: list[int] | None = None, volume: int = 0) -> World:
    return {**prices(1000), "BTC": {"trade": trade or btc, "mark": btc, "volume_lots": volume}}


def test_bisection_finds_the_fraction_of_the_segment() -> None:
    # 200,000 - 1000 a tick below 95 a tick of both: in breach from 894 (94,000 of 94,700; at 895 it is 95,000 of
    # 94,750). From 1000 to 880 the mark at i / 1024 is 1000 - 120 i / 1024: 894.53 at 900, 894.41 at 901. The trade
    # price there is 1000 - 140 x 901 / 1024 = 876.82. Shares: floor(94,000 x 44,700 / 94,700) = 44,369 and 49,631.
    # BTC: 894,000 - 44,369 = 849,631, and 877,000 - 849,631 = 27,369 go to the fund. ETH: 1,000,000 - 49,631.
    fall = falling([1000, 1000, 880, 900], [1000, 1000, 860, 900], 1000)
    world = {**two_symbols([prices(1000), fall], both(200_000)), "intrabar": "ohlc"}
    result = replay(world)
    assert moved(result) == [[7, "BTC", 1, 10, 877_000, 0, 0, 27_369, 0], [7, "ETH", 1, 0, 0, 0, 10, 0, 0]]
    assert result["adl"] == [[7, "ETH", 1, 9, 10, 950_369]]
    assert account(result) == holding(0, 0, 0)
    assert result["owners"]["fund"] == holding(0, 0, 27_369)


def test_an_account_in_breach_at_the_start_of_a_segment_has_fraction_zero() -> None:
    # At 900 account 5 has 63,334 of 95,000, account 7 has 3,500 of 4,500: both wait, as neither is below two thirds.
    # From there to 800 both are in breach at the start, so that 7 comes between the two symbols of 5; at the end both
    # are below zero. Had 5 been found a little later, it would come after 7.
    rows = [cross(5, "BTC", 1, 0), cross(5, "ETH", 1, 163_334), row(7, "BTC", 1, 13_500, 1)]
    world = two_symbols([prices(1000), falling([900, 900, 800, 800])], rows, vault=VAULT)
    result = replay({**world, "intrabar": "ohlc"})
    assert [line[:3] for line in result["liquidations"]] == [[7, 5, "BTC"], [7, 7, "BTC"], [7, 5, "ETH"]]


def test_a_breach_between_two_healthy_prices_is_not_seen() -> None:
    # Long ten linear BTC and short ten inverse ETH worth 8e7 / m each, both from 1000 to 800. Value 1000 m + 8e8 / m is
    # 1,800,000 at both ends and 1,788,855 at 894, maintenance 90,000 and 89,443: the wallet makes it 95,000 at the ends
    # and 83,855 in between.
    rows = [cross(1, "BTC", 1, 0), {**cross(1, "ETH", -1, 0), "cost": 800_000, "wallet": 95_000}]
    walk = [1000, 1000, 800, 800]
    fall = {name: {"trade": walk, "mark": walk, "volume_lots": 0} for name in ("BTC", "ETH")}
    world = {**two_symbols([fall], rows), "intrabar": "ohlc"}
    world["symbols"] = {**world["symbols"], "ETH": {**world["symbols"]["ETH"], "inverse": 80_000_000}}
    world["accounts"] = rows
    assert replay(world)["liquidations"] == []
    rows[1]["wallet"] = 89_999
    assert replay(world)["liquidations"] != []


def test_crossing_order_puts_the_long_before_the_short() -> None:
    # Both isolated legs start with less than nothing.
    rows = [row(1, "BTC", -1, -10), row(1, "BTC", 1, -10), row(1, "ETH", -1, -10)]
    assert [line[1:3] for line in moved(run([prices(1000)], rows))] == [["BTC", 1], ["BTC", -1], ["ETH", -1]]


# --- hedges ----------------------------------------------------------------------------------------------------------
def hedge(wallet: int, short: int = 8) -> list[World]:
    return [cross(1, "BTC", 1, wallet), cross(1, "BTC", -1, 0, short)]


def test_netting_cures_and_leaves_the_account_alone() -> None:
    # 80,000 are below 50,000 + 40,000. Eight lots of both go at 100,000 each, and the two left need 10,000.
    result = run([prices(1000)], hedge(80_000))
    assert (result["liquidations"], result["adl"]) == ([], [])
    assert account(result) == holding(2, 0, 80_000 - 1_000_000 + 800_000)


def test_netting_uses_the_mark_of_the_breach_and_leaves_the_equity_as_it_is() -> None:
    # At 900 the account has 60,000 - 10 x 10,000 + 8 x 10,000 = 40,000 of 45,000 + 36,000. The two left, worth 180,000,
    # need 9,000. Cash: 60,000 - 1,000,000 + 800,000 (both costs) + 8 x 90,000 - 8 x 90,000.
    result = run([prices(1000), prices(900)], hedge(110_000))
    assert account(result) == holding(2, 0, 110_000 - 200_000)
    result = run([prices(1000), prices(900)], hedge(60_000))
    assert account(result) == holding(2, 0, 60_000 - 200_000)


def test_netting_settles_funding_and_cuts_both_costs() -> None:
    # Three long lots for 100, two short ones for 70: two of each leave, floor(100 x 2 / 3) = 66 of 100 and all of 70.
    # A lot is worth 100 at a mark of 1. The long row gets 200, the short one pays 200; funding of 7 a lot is due.
    world = two_symbols([prices(1)], hedge(0))
    world["accounts"][:2] = [
        {**world["accounts"][0], "lots": 3, "cost": 100, "wallet": 0},
        {**world["accounts"][1], "lots": 2, "cost": 70, "wallet": 0},
    ]
    state = state_of(world)
    state.ledger.index["BTC"] = 7_000_000
    long, short = Position(1, "BTC", 1), Position(1, "BTC", -1)
    net_legs(state, state.account_of[long], {"BTC": 1, "ETH": 1})
    assert (state.ledger.lots[long]["BTC"], state.ledger.cost[long]["BTC"], state.ledger.cash[long]) == (1, 34, 79)
    assert (state.ledger.lots[short]["BTC"], state.ledger.cost[short]["BTC"], state.ledger.cash[short]) == (0, 0, -116)
    state.ledger.check()


@pytest.mark.parametrize("wallet", [80_000, -10_000])
def test_an_account_that_nets_completely_keeps_its_cash(wallet: int) -> None:
    # Without open rows it is in breach of nothing, whatever is left of it.
    result = run([prices(1000), prices(900)], hedge(wallet, 10))
    assert (result["liquidations"], result["adl"]) == ([], [])
    assert account(result) == holding(0, 0, wallet)
    assert result["owners"]["uncovered"]["cash"] == 0


def test_what_netting_does_not_cure_goes_on() -> None:
    # 9,000 are below 90,000, and below the 10,000 of the two lots left: B = 200,000 - 9,000.
    result = run([prices(1000)], hedge(9_000))
    assert moved(result) == [[1, "BTC", 1, 0, 0, 0, 2, 0, 0]]
    assert result["adl"] == [[1, "BTC", 1, 8, 2, 191_000]]
    assert account(result) == holding(0, 0, 0)


def test_an_account_cured_by_netting_was_in_breach_in_this_step() -> None:
    # Account 3 is short ten and bankrupt at the start. The cured long could take it, but not in this step.
    rows = [*hedge(80_000), row(3, "BTC", -1, -10)]
    assert run([prices(1000)], rows)["unmatched"] == [[1, "BTC", 3, 10, "market"]]
    # In breach at the second price instead (45,000 of 50,500, B = 1,055,000), it is closed with the two lots.
    result = run([prices(1000), prices(1010)], [*hedge(80_000), row(3, "BTC", -1, 55_000)])
    assert result["adl"] == [[2, "BTC", 3, 1, 2, 211_000]]


def test_a_step_that_only_nets_is_not_quiet() -> None:
    # The fund takes account 3's ten lots at the first step and trades them at the first quiet one. At 990 the hedge has
    # 90,000 - 2,000 of 89,100 and is cured: no row is in the step, which is not quiet.
    rows = [*hedge(90_000), row(3, "BTC", 1, 9_000)]
    rules = {"fund": BUYING_FUND, "vault_quiet_steps": 1}
    path = [prices(1000), prices(990, volume_btc=10), prices(990, volume_btc=10)]
    held_by_fund = [run(path[:count], rows, **rules)["owners"]["fund"]["lots"]["BTC"] for count in (1, 2, 3)]
    assert held_by_fund == [10, 10, 0]
    assert run(path[:2], rows[2:], **rules)["owners"]["fund"]["lots"]["BTC"] == 0


# --- by maintenance --------------------------------------------------------------------------------------------------
def test_equity_is_allocated_by_maintenance_the_last_row_takes_the_rest() -> None:
    # 50,000 of 95,000: floor(50,000 x 45 / 95) = 23,684 and 26,316. The amounts are 900,000 - 23,684 and 973,684.
    result = run([prices(1000), prices(900)], both(150_000))
    assert result["adl"] == [[2, "BTC", 1, 8, 10, 876_316], [2, "ETH", 1, 9, 10, 973_684]]
    assert account(result) == holding(0, 0, 0)


def test_a_short_row_is_taken_above_its_value() -> None:
    # ETH is short: 150,000 - 100,000 at 900 and 1000. It pays to be taken: 1,000,000 + 26,316.
    rows = [cross(1, "BTC", 1, 150_000), cross(1, "ETH", -1, 0), row(4, "ETH", 1, 900_000)]
    result = run([prices(1000), prices(900)], rows, losers="ranked")
    assert result["adl"] == [[2, "BTC", 1, 8, 10, 876_316], [2, "ETH", 1, 4, 10, 1_026_316]]


def test_an_account_below_zero_skips_the_book() -> None:
    # 200,000 - 300,000: floor(-100,000 x 35 / 85) = -41,177 and -58,823.
    result = run([prices(1000), prices(700, 1000, 100, 100)], both(200_000))
    assert result["adl"] == [[2, "BTC", 1, 8, 10, 741_177], [2, "ETH", 1, 9, 10, 1_058_823]]
    assert account(result) == holding(0, 0, 0)


def test_each_row_has_its_own_amount_for_limit_residual_and_fee() -> None:
    # BTC trades at 870, below 87.6 a lot: refused. ETH goes for 1,000,000, 26,316 above its amount, 10,000 of it fee.
    path = [prices(1000), {**prices(900, 1000, 0, 10), "BTC": bar([870] * 4, [900] * 4, 10)["BTC"]}]
    result = run(path, both(150_000), fee_e9=10_000_000)
    assert moved(result) == [[2, "BTC", 1, 0, 0, 0, 10, 0, 0], [2, "ETH", 1, 10, 1_000_000, 0, 0, 16_316, 10_000]]
    assert account(result) == holding(0, 0, 0)


def test_the_fund_takes_rows_at_their_amounts() -> None:
    result = run([prices(1000), prices(900)], both(150_000), fund=BUYING_FUND)
    assert [line[5] for line in moved(result)] == [10, 10]
    assert result["owners"]["fund"] == holding(10, 10, 10_000_000 - 876_316 - 973_684)


def test_residual_collateral_of_the_account_lies_on_its_rows() -> None:
    result = run([prices(1000), prices(900, 1000, 10, 10)], both(150_000), residual_owner="account")
    assert account(result) == holding(0, 0, 50_000)
    assert [line[7] for line in moved(result)] == [23_684, 26_316]


def test_difference_to_the_mark_stays_with_the_residual_owner() -> None:
    # Closed at 900 and 1000: 23,684 and 26,316 better than the amounts.
    result = run([prices(1000), prices(900)], both(150_000), close_price="mark", losers="ranked")
    assert [line[5] for line in result["adl"]] == [900_000, 1_000_000]
    assert result["owners"]["fund"] == holding(0, 0, 50_000)
    assert account(result) == holding(0, 0, 0)


def test_shares_without_maintenance_go_to_the_last_row() -> None:
    # A rate of 0: the account is in breach below zero.
    world = two_symbols([prices(1000), prices(800)], both(150_000))
    world["symbols"] = {name: {"quanta_per_tick_lot": 100, "tiers": [[0, 0, 0]]} for name in ("BTC", "ETH")}
    assert replay(world)["adl"] == [[2, "BTC", 1, 8, 10, 800_000], [2, "ETH", 1, 9, 10, 1_050_000]]


def test_reduce_once_judges_each_row_by_its_share() -> None:
    # 60,000: floor(60,000 x 45 / 95) = 28,421 carry six lots of 4,500, 31,579 six of 5,000: four of each are sold at
    # the mark, and the account keeps 60,000.
    result = run([prices(1000), prices(900, 1000, 10, 10)], both(160_000), liquidation_rule="reduce_once")
    assert [line[3] for line in moved(result)] == [4, 4]
    assert account(result) == holding(6, 6, 60_000 - 6 * 90_000 - 6 * 100_000)


# --- one first -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("order", "symbol"), [("maintenance", "ETH"), ("notional", "ETH"), ("loss", "BTC")])
def test_one_row_carries_the_whole_equity(order: str, symbol: str) -> None:
    # 50,000 at 900 and 1000. With ten lots free the first row goes at its mark, with all of the 50,000 as residual;
    # what is left of the account has nothing, and goes in the second round at its mark.
    rules = {"cross_allocation": "one_first", "cross_order": order}
    result = run([prices(1000), prices(900, 1000, 10, 10)], both(150_000), **rules)
    other = "ETH" if symbol == "BTC" else "BTC"
    value = {"BTC": 900_000, "ETH": 1_000_000}
    assert moved(result) == [
        [2, symbol, 1, 10, value[symbol], 0, 0, 50_000, 0],
        [2, other, 1, 10, value[other], 0, 0, 0, 0],
    ]


def test_equal_rows_go_by_symbol() -> None:
    # Both have lost 50,000; 90,000 are below 95,000.
    rules = {"cross_allocation": "one_first", "cross_order": "loss"}
    rows = [cross(1, "ETH", 1, 0), cross(1, "BTC", 1, 190_000)]
    result = run([prices(1000), prices(950, 950)], rows, **rules)
    assert [line[1] for line in moved(result)] == ["BTC", "ETH"]


def test_a_row_that_heals_the_account_ends_the_rounds() -> None:
    # BTC at 900 leaves its 50,000 on the account: exactly what ETH needs. Where the venue acts at 100 %, ETH follows,
    # with 50,000 as its residual.
    path = [prices(1000), prices(900, 1000, 10, 10)]
    rules = {**ONE_FIRST, "residual_owner": "account"}
    healed = run(path, both(150_000), **rules)
    assert moved(healed) == [[2, "BTC", 1, 10, 900_000, 0, 0, 50_000, 0]]
    assert account(healed) == holding(0, 10, 50_000 - 1_000_000)
    both_go = run(path, both(150_000), **rules, threshold="<=")
    assert moved(both_go)[1] == [2, "ETH", 1, 10, 1_000_000, 0, 0, 50_000, 0]


def test_rounds_go_to_adl_one_after_the_other() -> None:
    # BTC for 900,000 - 50,000, then ETH with nothing left: 1,000,000. Nobody long is left, so nothing is uncovered.
    result = run([prices(1000), prices(900)], both(150_000), **ONE_FIRST)
    assert result["adl"] == [[2, "BTC", 1, 8, 10, 850_000], [2, "ETH", 1, 9, 10, 1_000_000]]
    assert account(result) == holding(0, 0, 0)


def test_a_round_uses_the_bucket_that_the_last_one_left_and_its_own_shift() -> None:
    # At 900 and 999 account 1 has 49,000, which BTC leaves on the account; ETH needs 49,950. Account 3 (49,000 as well)
    # takes ten of twelve lots of ETH in the first round, at 1000 - floor(1000 x 1 % x sqrt(10 / 12)) = 991. The second
    # round has two, at 1000 - floor(10 x sqrt(2 / 12)) = 996: 199,200 of an amount of 950,000 x 2 / 10.
    rows = [*both(150_000), row(3, "ETH", 1, 50_000)]
    eth = bar([1000, 1000, 900, 1000], [999] * 4, 12)["BTC"]
    path = [prices(1000), {**prices(900, volume_btc=10), "ETH": eth}]
    world = two_symbols(path, rows, residual_owner="account", **ONE_FIRST)
    world["liquidity"]["impact"] = "sqrt"
    assert replay(world)["liquidations"] == [
        [2, 1, "BTC", 1, 10, 900_000, 0, 0, 49_000, 0],
        [2, 3, "ETH", 1, 10, 991_000, 0, 0, 41_000, 0],
        [2, 1, "ETH", 1, 2, 199_200, 0, 8, 9_200, 0],
    ]


def test_an_account_whose_row_waits_has_no_next_round() -> None:
    # A fifth of BTC is ordered and nothing is free: it waits, and so does the account.
    rules = {**ONE_FIRST, "liquidation_rule": "part_first", "first_share": [1, 5], "first_above": 0, "pause_s": 600}
    result = run([prices(1000), prices(900)], both(150_000), **rules)
    assert (result["liquidations"], result["adl"]) == ([], [])


def test_reduce_once_counts_the_maintenance_of_the_other_rows() -> None:
    # 60,000 have to carry ETH's 50,000 and 4,500 a lot of BTC: two lots stay.
    result = run([prices(1000), prices(900, 1000, 10, 10)], both(160_000), liquidation_rule="reduce_once", **ONE_FIRST)
    assert moved(result) == [[2, "BTC", 1, 8, 720_000, 0, 0, 48_000, 0]]
    assert account(result) == holding(2, 10, 60_000 - 180_000 - 1_000_000)


def test_part_first_forgets_where_the_account_is_healthy() -> None:
    # Two of ten lots of BTC are ordered at 900. While the account stays in breach nothing is ordered for ten minutes;
    # a price of ETH at which it is healthy (1100: 250,000 - 100,000 of 45,000 + 55,000) starts a new episode: a fifth
    # of ten, as nothing was free.
    rules = {**ONE_FIRST, "liquidation_rule": "part_first", "first_share": [1, 5], "first_above": 0, "pause_s": 600}
    again = prices(900, 1000, 10, 10)
    stays = run([prices(1000), prices(900), prices(900, 990), again], both(150_000), **rules)
    assert moved(stays) == []
    healed = run([prices(1000), prices(900), prices(900, 1100), again], both(150_000), **rules)
    assert [line[:4] for line in moved(healed)] == [[4, "BTC", 1, 2]]


# --- the vault -------------------------------------------------------------------------------------------------------
def test_the_vault_takes_a_whole_account() -> None:
    # Two thirds of 95,000 are 63,333.3. Below them both rows go at their amounts, which sum to 1,900,000 - 50,000.
    result = run([prices(1000), prices(900)], both(150_000), vault=VAULT)
    assert [line[5] for line in moved(result)] == [10, 10]
    assert result["owners"]["vault"] == holding(10, 10, -1_850_000)
    assert account(result) == holding(0, 0, 0)


def test_an_account_waits_at_two_thirds_of_maintenance() -> None:
    result = run([prices(1000), prices(900)], both(163_334), vault=VAULT)
    assert moved(result) == []
    assert len(moved(run([prices(1000), prices(900)], both(163_333), vault=VAULT))) == 2


@pytest.mark.parametrize(("owner", "taken"), [("account", False), ("fund", True)])
def test_the_vault_looks_at_the_account_after_its_fills(owner: str, taken: bool) -> None:
    # Five lots of BTC go at 900: 450,000 of an amount of 876,316 / 2 = 438,158. The rest needs 22,500 + 50,000. With
    # the 11,842 on the account 50,000 are above 48,333.3; without them 38,158 are not, and are divided anew:
    # floor(38,158 x 225 / 725) = 11,842 and 26,316.
    path = [prices(1000), prices(900, 1000, 5)]
    result = run(path, both(150_000), vault=VAULT, residual_owner=owner)
    assert moved(result)[0][3:8] == [5, 450_000, 5 if taken else 0, 0, 11_842]
    if taken:
        assert result["owners"]["vault"] == holding(5, 10, -438_158 - 973_684)
        assert account(result) == holding(0, 0, 0)
    else:
        assert account(result) == holding(5, 10, 50_000 - 450_000 - 1_000_000)


def test_the_vault_leaves_an_account_below_zero_to_adl() -> None:
    result = run([prices(1000), prices(700)], both(200_000), vault=VAULT)
    assert [line[5] for line in result["adl"]] == [741_177, 1_058_823]


def test_amounts_of_an_account_below_zero_are_those_of_the_end_of_the_step() -> None:
    # On the way from 1000 to 700 the account is found in breach above zero, at the end it has -100,000.
    fall = falling([1000, 1000, 700, 700])
    world = {**two_symbols([prices(1000), fall], both(200_000), vault=VAULT), "intrabar": "ohlc"}
    assert [line[5] for line in replay(world)["adl"]] == [741_177, 1_058_823]
    world["profile"]["vault"] = None
    assert [line[5] for line in replay(world)["adl"]] == [849_631, 950_369]


def test_the_fund_is_asked_before_the_vault_and_their_rules_see_what_is_left() -> None:
    # The fund may hold 500,000: five lots of BTC at 900, for 438,158. The rest keeps 50,000 - 11,842 = 38,158 of
    # 72,500: below two thirds.
    fund = {**BUYING_FUND, "inventory_limit": 500_000}
    result = run([prices(1000), prices(900)], both(150_000), fund=fund, vault=VAULT)
    assert result["owners"]["fund"] == holding(5, 0, 10_000_000 - 438_158)
    assert result["owners"]["vault"] == holding(5, 10, -438_158 - 973_684)
