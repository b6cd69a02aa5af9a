"""What a change of a world with cross accounts, several rows of an id and inverse contracts leaves alone.

What holds in one run is asserted in `tests/engine/test_many_worlds.py` of results that both engines share.
"""

from random import Random

import pytest

from tests.engine.drawn_worlds import worlds_of

from . import slow_cross
from .slow_cross import net_legs
from .slow_engine import replay
from .slow_ledger import Position
from .slow_state import State
from .test_slow_accounts import World, account
from .test_slow_engine import (
    looking_at_every_mark_finds_the_same_breaches,
    the_order_of_account_rows_does_not_matter,
    the_world_is_left_alone_and_all_is_json,
)


@pytest.mark.property
def test_what_changes_no_result_and_what_a_run_leaves_alone() -> None:
    for number, world in enumerate(worlds_of("accounts")):
        result = the_world_is_left_alone_and_all_is_json(world)
        looking_at_every_mark_finds_the_same_breaches(world, result)
        the_order_of_account_rows_does_not_matter(world, result, Random(number))
        a_single_cross_row_is_isolated(world, result)


def a_single_cross_row_is_isolated(world: World, result: World) -> None:
    crossed = [line["id"] for line in world["accounts"] if line.get("cross")]
    rows = [{**line, "cross": line.get("cross", False) and crossed.count(line["id"]) > 1} for line in world["accounts"]]
    assert replay({**world, "accounts": rows}) == result


@pytest.mark.property
def test_an_account_that_was_liquidated_to_the_end_has_nothing_left() -> None:
    # Its equity was divided to the last unit, and what its rows brought above their amounts belongs to somebody else.
    asked = 0
    for drawn in worlds_of("accounts"):
        owner = drawn["profile"]["residual_owner"]
        world = {**drawn, "profile": {**drawn["profile"], "residual_owner": "fund" if owner == "account" else owner}}
        netted: set[int] = set()

        def net(state: State, rows: tuple[Position, ...], marks: dict[str, int], netted: set[int] = netted) -> None:
            net_legs(state, rows, marks)
            if not state.open_rows(rows):
                netted.add(rows[0].account)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slow_cross, "net_legs", net)
            result = replay(world)
        last = {line[1]: line[0] for line in result["liquidations"]}
        won = {line[3]: line[0] for line in result["adl"]}
        for number, step in last.items():
            crossed = [line.get("cross", False) for line in world["accounts"] if line["id"] == number]
            closed = not any(account(result, number)["lots"].values())
            if len(crossed) > 1 and all(crossed) and closed and number not in netted:
                asked += step > won.get(number, 0)
                assert step <= won.get(number, 0) or account(result, number)["cash"] == 0
    assert asked > 3
