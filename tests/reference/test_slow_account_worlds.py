"""What holds in every drawn world with cross accounts, several rows of an id and inverse contracts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import slow_cross, slow_engine
from .slow_cross import net_legs
from .slow_engine import replay
from .slow_ledger import Position
from .slow_state import State
from .test_slow_accounts import World, account
from .test_slow_engine import owners
from .worlds_strategy import account_worlds


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_cash_and_lots_sum_to_zero(world: World) -> None:
    result = replay(world)
    assert sum(owner["cash"] for owner in owners(result)) == 0
    for symbol in world["symbols"]:
        assert sum(owner["lots"][symbol] for owner in owners(result)) == 0


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds(), st.randoms(use_true_random=False))
def test_order_of_account_rows_does_not_matter(world: World, shuffled: Any) -> None:
    result = replay(world)
    shuffled.shuffle(world["accounts"])
    assert replay(world) == result


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_a_single_cross_row_is_isolated_in_every_world(world: World) -> None:
    crossed = [line["id"] for line in world["accounts"] if line.get("cross")]
    result = replay(world)
    for line in world["accounts"]:
        line["cross"] = line.get("cross", False) and crossed.count(line["id"]) > 1
    assert replay(world) == result


@pytest.mark.property
@settings(max_examples=100)
@given(account_worlds())
def test_an_account_that_was_liquidated_to_the_end_has_nothing_left(world: World) -> None:
    # Its equity was divided to the last unit, and what its rows brought above their amounts belongs to somebody else.
    if world["profile"]["residual_owner"] == "account":
        world["profile"]["residual_owner"] = "fund"
    netted: set[int] = set()

    def net(state: State, account: tuple[Position, ...], marks: dict[str, int]) -> None:
        net_legs(state, account, marks)
        if not state.open_rows(account):
            netted.add(account[0].account)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_cross, "net_legs", net)
        result = replay(world)
    last = {line[1]: line[0] for line in result["liquidations"]}
    won = {line[3]: line[0] for line in result["adl"]}
    for number, step in last.items():
        crossed = [line.get("cross", False) for line in world["accounts"] if line["id"] == number]
        closed = not any(account(result, number)["lots"].values())
        if len(crossed) > 1 and all(crossed) and closed and number not in netted:
            assert step <= won.get(number, 0) or account(result, number)["cash"] == 0


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_bankruptcy_price_leaves_nothing_uncovered_unless_the_queue_ran_out(world: World) -> None:
    world["profile"]["close_price"] = "bankruptcy"
    result = replay(world)
    uncovered = result["owners"]["uncovered"]
    assert uncovered["cash"] <= 0
    if all(taker == "fund" for *_, taker in result["unmatched"]):
        assert uncovered["cash"] == 0


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_a_liquidation_row_accounts_for_lots_that_moved(world: World) -> None:
    opened = {(line["id"], line["symbol"], line["side"]): line["lots"] for line in world["accounts"]}
    held = dict(opened)
    result = replay(world)
    waits = (
        world["profile"].get("vault") or world["profile"].get("liquidation_rule", "full_position") != "full_position"
    )
    for _, number, symbol, side, lots_book, _, lots_takeover, lots_adl, residual, fee in result["liquidations"]:
        lots = lots_book + lots_takeover + lots_adl
        assert 0 < lots <= held[number, symbol, side]
        held[number, symbol, side] -= lots
        assert min(lots_book, lots_takeover, lots_adl, residual, fee) >= 0
        if not waits:
            # It may have given lots to bankrupts before, and to its own other leg.
            del held[number, symbol, side]
    assert sum(line[7] for line in result["liquidations"]) == sum(
        line[4] for line in result["adl"] if line[2] not in ("fund", "vault")
    ) + sum(line[3] for line in result["unmatched"])


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_looking_at_every_mark_finds_the_same_breaches(world: World) -> None:
    quick = replay(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_engine, "out_of_reach", lambda world, claim, marks: False)
        assert replay(world) == quick


@pytest.mark.property
@settings(max_examples=60)
@given(account_worlds())
def test_world_and_result_are_json_and_the_world_is_left_alone(world: World) -> None:
    before = json.dumps(world)
    result = replay(world)
    assert json.dumps(world) == before
    assert json.loads(json.dumps(result)) == result
