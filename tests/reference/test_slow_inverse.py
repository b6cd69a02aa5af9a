"""Inverse contracts in the slow engine, each rule worked out by hand.

A contract is worth 100,000,000 / mark quanta: 100,000 at 1000 and 107,527 (526.88 rounded) at 930. The long of
`test_slow_engine` opened ten at 1000 with a wallet of 100,000; maintenance is 5 %.
"""

from fractions import Fraction
from typing import Any

import pytest

from .slow_cross import net_legs
from .slow_engine import replay
from .slow_ledger import Position
from .slow_state import mark_value, trade_value
from .test_slow_accounts import World, account, both, cross, holding, prices, state_of, two_symbols
from .test_slow_engine import FUND, LONG, SHORT, VAULT, bar, flat, small_world

NUM = 100_000_000


def inverse_world(bars: list[World], accounts: Any = (LONG, SHORT), **changes: Any) -> World:
    world = small_world(bars, accounts=accounts, **changes)
    world["symbols"]["BTC"]["inverse"] = NUM
    return world


def held(cash: int, lots: int) -> World:
    return {"cash": cash, "lots": {"BTC": lots}}


def test_a_contract_is_worth_its_numerator_over_the_price_half_to_even() -> None:
    world = inverse_world([])
    world["symbols"]["BTC"] |= {"inverse": 5, "mark_per_tick": 2}
    assert [mark_value(world, "BTC", 10, mark) for mark in (1, 2, 3, 4, 10, 11)] == [50, 20, 20, 10, 0, 0]
    assert [trade_value(world, "BTC", 10, price) for price in (1, 2, 5)] == [20, 10, 0]
    world["symbols"]["BTC"]["inverse"] = 7
    assert mark_value(world, "BTC", -1, 2) == -4


@pytest.mark.golden
@pytest.mark.parametrize(
    ("side", "last_healthy", "liquidation_px", "bankruptcy_px"),
    [(1, 456_819, 456_818, Fraction(4545454545, 10_000)), (-1, 552_777, 552_778, Fraction(5555555556, 10_000))],
)
def test_inverse_prices_of_the_venues_page(
    side: int, last_healthy: int, liquidation_px: int, bankruptcy_px: Fraction
) -> None:
    # 1000 contracts of 100 USD at 50,000 with 0.2 coins, ticks of 0.1 USD, 0.5 %: 2 coins of 1e12 quanta. Liquidation
    # prices 45,681.8182 and 55,277.7778, bankruptcy prices 45,454.5455 and 55,555.5556.
    rows = [{"id": 1, "symbol": "BTC", "side": side, "lots": 1000, "cost": 2 * 10**12, "wallet": 2 * 10**11}]
    rows += [{**rows[0], "id": 2, "side": -side, "wallet": 10**13}]
    for px, lines in ((last_healthy, 0), (liquidation_px, 1)):
        world = small_world([flat(500_000), flat(px)], accounts=rows)
        world["symbols"]["BTC"] = {"quanta_per_tick_lot": 1, "inverse": 10**15, "tiers": [[0, 5_000_000, 0]]}
        result = replay(world)
        assert len(result["adl"]) == lines
    amount = result["adl"][0][5]
    assert abs(Fraction(1000 * 10**15, amount) - bankruptcy_px) < Fraction(1, 1000)
    assert result["owners"]["accounts"]["1"] == held(0, 0)


def test_an_inverse_long_pays_value_when_it_is_closed() -> None:
    # Cash 100,000 + 1,000,000. At 930 its equity is 1,100,000 - 1,075,270 = 24,730 of 53,764. The book takes the ten
    # at 930, the account keeps 24,730, `market` gets 1,075,270.
    result = replay(inverse_world([flat(1000), flat(930, 10)]))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 10, 1_075_270, 0, 0, 24_730, 0]]
    assert result["owners"]["accounts"]["1"] == held(24_730, 0)
    assert result["owners"]["market"] == held(1_075_270, 10)
    assert result["owners"]["accounts"]["2"] == held(200_000 - 1_000_000, -10)


def test_an_inverse_order_is_refused_where_its_value_is_above_the_amount() -> None:
    # The long owes at most 1,100,000: 909.09. At 909 ten are worth 1,100,110, at 910 1,098,900.
    path = [flat(1000), bar([909] * 4, [930] * 4, 10)]
    assert replay(inverse_world(path))["liquidations"] == [[2, 1, "BTC", 1, 0, 0, 0, 10, 0, 0]]
    path = [flat(1000), bar([910] * 4, [930] * 4, 10)]
    assert replay(inverse_world(path))["liquidations"] == [[2, 1, "BTC", 1, 10, 1_098_900, 0, 0, 1_100, 0]]


def test_an_inverse_short_gets_value_when_it_is_closed() -> None:
    # Cash 50,000 - 1,000,000. At 1010 a contract is worth 99,010 (99,009.9), the ten 990,100; 40,100 of 49,505.
    short = {**SHORT, "wallet": 50_000}
    result = replay(inverse_world([flat(1000), flat(1010, 10)], (LONG, short)))
    assert result["liquidations"] == [[2, 2, "BTC", -1, 10, 990_100, 0, 0, 40_100, 0]]
    assert result["owners"]["accounts"]["2"] == held(40_100, 0)


def test_impact_moves_the_price_of_an_inverse_contract_against_the_liquidated_side() -> None:
    # floor(930 x 1 % x sqrt(10 / 10)) = 9: the long goes at 921, where a contract is worth 108,578 (108,577.6).
    world = inverse_world([flat(1000), bar([930, 940, 900, 930], [930] * 4, 10)])
    world["liquidity"]["impact"] = "sqrt"
    assert replay(world)["liquidations"][0][5] == 1_085_780
    short = {**SHORT, "wallet": 50_000}
    world = inverse_world([flat(1000), bar([1010, 1030, 1000, 1010], [1010] * 4, 10)], (LONG, short))
    world["liquidity"]["impact"] = "sqrt"
    # floor(1010 x 1 %) = 10: 1020, 98,039 (98,039.2) each.
    assert replay(world)["liquidations"][0][5] == 980_390


def test_an_inverse_rung_is_the_first_mark_on_the_way() -> None:
    # 1,100,000 - 1e9 / m < 5 % of it: m < 954.545. At 954 a contract is worth 104,822 (821.8): 51,780 of 52,411; at 955
    # 104,712: 52,880 of 52,356. 954 is 46 of 100 on the way from 1000 to 900: trade 1000 - 41.4 = 959, 104,275.
    world = inverse_world([flat(1000), bar([1000, 1000, 910, 950], [1000, 1000, 900, 950], 1000)])
    world["intrabar"] = "ohlc"
    assert [line[5] for line in replay(world)["liquidations"]] == [1_042_750]


def test_inverse_funding_is_paid_by_the_long() -> None:
    # One percent of 100,000 a contract.
    world = inverse_world([flat(1000)])
    world["funding"] = [{"bar": 0, "symbol": "BTC", "rate_e9": 10_000_000}]
    result = replay(world)
    assert result["owners"]["accounts"]["1"] == held(1_100_000 - 10_000, 10)
    assert result["owners"]["accounts"]["2"] == held(-800_000 + 10_000, -10)


def test_market_opens_against_an_inverse_book_at_value() -> None:
    result = replay(inverse_world([flat(1000)], (LONG,)))
    assert result["owners"]["market"] == held(-1_000_000, -10)
    assert result["owners"]["opening"]["cash"] == -1_100_000 + 1_000_000


def test_the_fund_holds_an_inverse_inventory() -> None:
    # Taken at 1,100,000 worth 1,075,270: a gain of 24,730 passes any floor. At 900 ten are worth 1,111,110, the fund
    # has -11,110 and sends them to ADL at its average amount. The short gains by the fall: it is no loser.
    fund = {**FUND, "takeover": "bankruptcy", "floor": 0}
    rules = {"fund": fund, "inventory_adl": "below_floor", "inventory_stop": 0}
    taken = replay(inverse_world([flat(1000), flat(930)], **rules))
    assert taken["owners"]["fund"] == held(1_100_000, 10)
    result = replay(inverse_world([flat(1000), flat(930), flat(900)], **rules))
    assert result["adl"] == [[3, "BTC", "fund", 2, 10, 1_100_000]]
    assert result["owners"]["fund"] == held(0, 0)
    assert result["owners"]["accounts"]["2"] == held(200_000 - 1_000_000 + 1_100_000, 0)


def test_the_fund_is_limited_by_what_an_inverse_claim_loses() -> None:
    # At 905 ten are worth 1,104,970 and cost 1,100,000: 497 each. A fund of 1,000 takes two of them.
    fund = {**FUND, "start": 1_000, "takeover": "bankruptcy"}
    result = replay(inverse_world([flat(1000), flat(905)], fund=fund))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 0, 0, 2, 8, 0, 0]]


def test_an_inverse_vault_takes_between_zero_and_two_thirds() -> None:
    # 24,730 of 53,764.
    result = replay(inverse_world([flat(1000), flat(930)], vault=VAULT))
    assert result["owners"]["vault"] == held(1_100_000, 10)
    assert replay(inverse_world([flat(1000), flat(905)], vault=VAULT))["adl"] == [[2, "BTC", 1, 2, 10, 1_100_000]]


def test_inverse_adl_at_the_mark_leaves_the_loss_uncovered() -> None:
    # 1,104,970 at 905 against 1,100,000.
    result = replay(inverse_world([flat(1000), flat(905)], close_price="mark"))
    assert result["adl"] == [[2, "BTC", 1, 2, 10, 1_104_970]]
    assert result["owners"]["uncovered"] == held(-4_970, 0)
    assert result["owners"]["accounts"]["2"] == held(-800_000 + 1_104_970, 0)


def test_inverse_winners_are_ranked_by_value_gained() -> None:
    # Both shorts have 480,000 of equity at 900: 1,111,110 less 631,110. 3 opened at a value of 900,000, 2 at 1,200,000:
    # only 3 has gained.
    two, three = {**SHORT, "cost": 1_200_000, "wallet": 568_890}, {**SHORT, "id": 3, "cost": 900_000, "wallet": 268_890}
    result = replay(inverse_world([flat(1000), flat(905)], (LONG, two, three), losers="excluded"))
    assert [line[3] for line in result["adl"]] == [3]


def test_an_inverse_cross_account() -> None:
    # Long ten of both, ETH inverse, both at 900: 150,000 - 100,000 + 1,000,000 - 1,111,110 = -61,110; maintenance
    # 45,000 and 55,556 (55,555.5). floor(-61,110 x 45,000 / 100,556) = -27,348, and -33,762. Amounts: linear 900,000 +
    # 27,348; inverse, whose money has the other sign, 1,111,110 - 33,762.
    world = two_symbols([prices(1000), prices(900, 900)], both(150_000))
    world["symbols"] = {**world["symbols"], "ETH": {**world["symbols"]["ETH"], "inverse": NUM}}
    result = replay(world)
    assert result["adl"] == [[2, "BTC", 1, 8, 10, 927_348], [2, "ETH", 1, 9, 10, 1_077_348]]
    assert account(result) == holding(0, 0, 0)


def test_legs_of_an_inverse_symbol_net_at_value() -> None:
    # As in linear: the short gets the value, the long pays it; the account keeps what it had.
    world = inverse_world([flat(1000)], ({**LONG, "wallet": 80_000, "cross": True}, cross(1, "BTC", -1, 0, 8)))
    result = replay(world)
    assert result["liquidations"] == []
    assert result["owners"]["accounts"]["1"] == held(80_000 + 1_000_000 - 800_000, 2)
    state = state_of(world)
    net_legs(state, state.account_of[Position(1, "BTC", 1)], {"BTC": 800})
    # 8 x 125,000
    assert state.ledger.cash[Position(1, "BTC", 1)] == 1_080_000 - 1_000_000
    assert state.ledger.cash[Position(1, "BTC", -1)] == -800_000 + 1_000_000
