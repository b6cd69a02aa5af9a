"""The slow engine against the exact worlds, against cases worked out by hand, and against its own properties."""

import json
from random import Random
from typing import Any

import pytest

from tests.engine.drawn_worlds import worlds_of

from . import slow_engine
from .exact_worlds import cases
from .slow_engine import replay
from .slow_ledger import opening_ledger

CASES = cases(third=1)


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES)
def test_exact_world(name: str) -> None:
    assert replay(CASES[name]["world"]) == CASES[name]["result"]


# --- by hand -------------------------------------------------------------------------------------------------------
# A long of 10 lots bought at 1000 ticks of 100 quanta with a wallet of 100,000: bankruptcy amount 900,000, so its
# equity at 930 is 930,000 - 900,000 = 30,000. Maintenance is 5 %.

LONG = {"id": 1, "symbol": "BTC", "side": 1, "lots": 10, "cost": 1_000_000, "wallet": 100_000}
SHORT = {"id": 2, "symbol": "BTC", "side": -1, "lots": 10, "cost": 1_000_000, "wallet": 200_000}
FUND = {"start": 0, "floor": 0, "shortfall": "divisible", "takeover": "none", "inventory_limit": None}
VAULT = {"capital": 0, "num": 2, "den": 3}


def flat(px: int, volume_lots: int = 0, mark_per_tick: int = 1) -> dict[str, Any]:
    return bar([px] * 4, [px * mark_per_tick] * 4, volume_lots)


def bar(trade: list[int], mark: list[int], volume_lots: int = 0) -> dict[str, Any]:
    return {"BTC": {"trade": trade, "mark": mark, "volume_lots": volume_lots}}


def small_world(bars: list[dict[str, Any]], *, accounts: Any = (LONG, SHORT), **changes: Any) -> dict[str, Any]:
    """Return a world in `close` mode; `changes` go into its profile."""
    profile = {
        "threshold": "<",
        "fund": FUND,
        "ranking": "bitmex",
        "losers": "excluded",
        "close_price": "bankruptcy",
        "residual_owner": "account",
        "fee_e9": 0,
        "fee_owner": "venue",
        "inventory_adl": "none",
        "inventory_stop": 0,
        "on_exhausted": "uncovered",
        "vault_quiet_steps": 100,
    }
    return {
        "symbols": {"BTC": {"quanta_per_tick_lot": 100, "tiers": [[0, 50_000_000, 0]]}},
        "profile": {**profile, **changes},
        "liquidity": {
            "scale_e9": 10**9,
            "participation_e9": 10**9,
            "impact": "none",
            "impact_y_e9": 10**9,
            "sigma_e9": 10**7,
        },
        "intrabar": "close",
        "bar_seconds": 60,
        "bars": bars,
        "funding": [],
        "accounts": list(accounts),
        "seed": 0,
    }


def holding(cash: int, lots: int) -> dict[str, Any]:
    return {"cash": cash, "lots": {"BTC": lots}}


def test_vault_takes_below_two_thirds_of_maintenance() -> None:
    # At 930 maintenance is 46,500, two thirds of it 31,000.
    result = replay(small_world([flat(1000), flat(930)], vault=VAULT))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 0, 0, 10, 0, 0, 0]]
    assert result["owners"]["vault"] == holding(-900_000, 10)
    assert result["owners"]["accounts"]["1"] == holding(0, 0)


def test_position_waits_at_two_thirds_of_maintenance_and_above() -> None:
    # At 932 equity is 32,000 and two thirds of maintenance are 31,066.6: in breach (below 46,600), yet not taken.
    result = replay(small_world([flat(1000), flat(932)], vault=VAULT))
    assert [result[rows] for rows in ("liquidations", "adl", "skipped", "unmatched")] == [[], [], [], []]
    assert result["owners"]["accounts"]["1"] == holding(-900_000, 10)


def test_waiting_position_is_taken_or_deleveraged_at_the_next_mark() -> None:
    taken = replay(small_world([flat(1000), flat(932), flat(930)], vault=VAULT))
    assert taken["liquidations"] == [[3, 1, "BTC", 1, 0, 0, 10, 0, 0, 0]]
    below_zero = replay(small_world([flat(1000), flat(932), flat(890)], vault=VAULT))
    assert below_zero["liquidations"] == [[3, 1, "BTC", 1, 0, 0, 0, 10, 0, 0]]
    assert below_zero["adl"] == [[3, "BTC", 1, 2, 10, 900_000]]


def test_waiting_position_keeps_its_residual_as_collateral() -> None:
    # 4 lots go at 932: 372,800, that is 12,800 above their 360,000. What is left, 6 lots against 540,000, has equity
    # 19,200 and waits (2/3 x 27,960 = 18,640). At 900 the 12,800 count: the vault takes 6 lots at 527,200.
    result = replay(small_world([flat(1000), flat(932, volume_lots=4), flat(900)], vault=VAULT))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 4, 372_800, 0, 0, 12_800, 0], [3, 1, "BTC", 1, 0, 0, 6, 0, 0, 0]]
    assert result["owners"]["vault"] == holding(-527_200, 6)
    assert result["owners"]["accounts"]["1"] == holding(0, 0)


def test_residual_goes_to_the_vault_where_it_owns_it() -> None:
    result = replay(small_world([flat(1000), flat(932, volume_lots=10)], vault=VAULT, residual_owner="vault"))
    assert result["owners"]["vault"] == holding(32_000, 0)
    assert result["owners"]["accounts"]["1"] == holding(0, 0)


def test_a_step_in_which_a_position_waits_is_not_quiet() -> None:
    # The vault takes the first long at 930. At 920 the second has 37,000 against a maintenance of 46,000: it is in
    # breach, its order (limit 883) is refused at 870, and it waits. The five free lots are left alone until 935.
    waiting = {**LONG, "id": 3, "wallet": 117_000}
    path = [flat(1000), flat(930), bar([870] * 4, [920] * 4, volume_lots=5), flat(935, volume_lots=5)]
    rules = {"accounts": (LONG, SHORT, waiting), "vault": VAULT, "vault_quiet_steps": 1}
    assert replay(small_world(path[:3], **rules))["owners"]["vault"] == holding(-900_000, 10)
    assert replay(small_world(path, **rules))["owners"]["vault"] == holding(-900_000 + 5 * 93_500, 5)


def test_vault_below_zero_sends_its_inventory_to_adl() -> None:
    # Taken at 900,000; at 890 the vault has -10,000, and its average take-over amount closes the winner.
    result = replay(small_world([flat(1000), flat(930), flat(890)], vault=VAULT))
    assert result["adl"] == [[3, "BTC", "vault", 2, 10, 900_000]]
    assert result["owners"]["vault"] == holding(0, 0)
    assert result["owners"]["accounts"]["2"] == holding(300_000, 0)


def test_vault_keeps_what_is_negative_at_the_mark() -> None:
    result = replay(small_world([flat(1000), flat(930), flat(890)], vault=VAULT, close_price="mark"))
    assert result["adl"] == [[3, "BTC", "vault", 2, 10, 890_000]]
    assert result["owners"]["vault"] == holding(-10_000, 0)
    assert result["owners"]["uncovered"] == holding(0, 0)


def test_vault_lots_without_a_candidate_stay() -> None:
    result = replay(small_world([flat(1000), flat(930), flat(890)], accounts=(LONG,), vault=VAULT))
    assert (result["adl"], result["unmatched"]) == ([], [])
    assert result["owners"]["vault"] == holding(-900_000, 10)


def test_vault_unwinds_what_the_fund_left_of_the_bucket() -> None:
    # The fund takes 4 lots at 360,000 (limit 372,000 at 930), the vault 6. One quiet step later 5 lots are free at 940.
    fund = {**FUND, "takeover": "bankruptcy", "inventory_limit": 372_000}
    path = [flat(1000), flat(930), flat(940, volume_lots=5)]
    result = replay(small_world(path, fund=fund, vault=VAULT, vault_quiet_steps=1))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 0, 0, 10, 0, 0, 0]]
    assert result["owners"]["fund"] == holding(-360_000 + 376_000, 0)
    assert result["owners"]["vault"] == holding(-540_000 + 94_000, 5)


def test_finer_mark_moves_the_rung() -> None:
    # Rung: 95 % of the value below 900,000. By ticks that is 947, 53/100 of the way, base 1000 - 47.7 = 952. By
    # tenths of a tick it is 947.3, 527/1000 of the way, base 1000 - 47.43 = 953.
    trade, mark = [1000, 1000, 910, 950], [1000, 1000, 900, 950]
    amounts = []
    for mark_per_tick in (1, 10):
        finer = [px * mark_per_tick for px in mark]
        world = small_world([flat(1000, 0, mark_per_tick), bar(trade, finer, volume_lots=1000)])
        world["intrabar"] = "ohlc"
        world["symbols"]["BTC"]["mark_per_tick"] = mark_per_tick
        amounts += [row[5] for row in replay(world)["liquidations"]]
    assert amounts == [952_000, 953_000]


def test_adverse_first_walks_the_low_before_the_high() -> None:
    dip = bar([1000, 1001, 940, 1000], [1000, 1001, 940, 1000], volume_lots=1000)
    steps = {}
    for intrabar in ("ohlc", "adverse_first"):
        result = replay({**small_world([flat(1000), dip]), "intrabar": intrabar})
        steps[intrabar] = [row[0] for row in result["liquidations"]]
    assert steps == {"ohlc": [7], "adverse_first": [6]}


@pytest.mark.parametrize(("literal", "winner"), [(False, 2), (True, 3)])
def test_hyperliquid_ranks_shorts_by_entry_over_mark_unless_literal(literal: bool, winner: int) -> None:
    # At 880 both shorts have equity 400,000; one sold at 1100 (25 % up by entry/mark), the other at 800.
    profitable = {"id": 2, "symbol": "BTC", "side": -1, "lots": 10, "cost": 1_100_000, "wallet": 180_000}
    losing = {"id": 3, "symbol": "BTC", "side": -1, "lots": 10, "cost": 800_000, "wallet": 480_000}
    rules = {"ranking": "hyperliquid", "losers": "ranked", "hl_literal": literal}
    result = replay(small_world([flat(1000), flat(880)], accounts=(LONG, profitable, losing), **rules))
    assert result["adl"] == [[2, "BTC", 1, winner, 10, 900_000]]


@pytest.mark.parametrize(("wallet", "skipped"), [(60_000, []), (59_999, [[1, "BTC", 2]])])
def test_a_winner_is_skipped_only_below_zero(wallet: int, skipped: list[list[Any]]) -> None:
    # Bankrupt at the start: 10 lots worth 1,000,000 go for 1,060,000, which costs the winner 60,000.
    bankrupt, winner = {**LONG, "wallet": -60_000}, {**SHORT, "wallet": wallet}
    result = replay(small_world([flat(1000)], accounts=(bankrupt, winner)))
    assert result["skipped"] == skipped
    assert result["adl"] == ([] if skipped else [[1, "BTC", 1, 2, 10, 1_060_000]])


def test_an_inventory_through_zero_closes_with_the_first_slice() -> None:
    # 5 lots for 101 against 3 short ones: floor(101 x 3 / 5) = 60 closes them, the 41 left are the new cost.
    ledger = opening_ledger(small_world([flat(1000)], accounts=()), {})
    ledger.hand_over("BTC", "market", "fund", -3, 10)
    ledger.hand_over("BTC", "market", "fund", 5, 101)
    assert (ledger.lots["fund"]["BTC"], ledger.cost["fund"]["BTC"], ledger.cash["fund"]) == (2, 41, -91)


# --- properties ----------------------------------------------------------------------------------------------------
# What holds in one run is asserted in `tests/engine/test_many_worlds.py` of results that both engines share.


@pytest.mark.property
def test_what_changes_no_result_and_what_a_run_leaves_alone() -> None:
    for number, world in enumerate(worlds_of("isolated")):
        result = the_world_is_left_alone_and_all_is_json(world)
        looking_at_every_mark_finds_the_same_breaches(world, result)
        the_order_of_account_rows_does_not_matter(world, result, Random(number))


def the_world_is_left_alone_and_all_is_json(world: dict[str, Any]) -> dict[str, Any]:
    before = json.dumps(world)
    result = replay(world)
    assert json.dumps(world) == before
    assert json.loads(json.dumps(result)) == result
    return result


def looking_at_every_mark_finds_the_same_breaches(world: dict[str, Any], result: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_engine, "out_of_reach", lambda world, claim, marks: False)
        assert replay(world) == result


def the_order_of_account_rows_does_not_matter(world: dict[str, Any], result: dict[str, Any], shuffled: Random) -> None:
    rows = list(world["accounts"])
    shuffled.shuffle(rows)
    assert replay({**world, "accounts": rows}) == result
