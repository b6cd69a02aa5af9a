"""Voluntary exits: by hand, by both engines in drawn worlds, and what holds while holders leave."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from backtest.engine.records import CAUSES
from backtest.engine.run import simulate
from tests.engine import holds
from tests.engine.drawn_worlds import worlds_of
from tests.engine.small import bar, small
from tests.reference.adapter import build, shape
from tests.reference.slow_engine import replay

EXIT = CAUSES.index("exit")


def both(world: dict[str, Any]) -> dict[str, Any]:
    """Return the result on which both engines agree."""
    outcome = simulate(build(world))
    result = shape(outcome, world)
    assert result == replay(world)
    return result


def account(result: dict[str, Any], number: int) -> tuple[int, int]:
    """Return cash and lots of an account at the end."""
    row = result["owners"]["accounts"][str(number)]
    return row["cash"], row["lots"]["BTC"]


def test_a_long_and_a_short_close_with_each_other_at_the_trade_price() -> None:
    # Step 2 trades at 990 and is marked at 1000: the long sells 4 of 10 lots for 396,000 to the short.
    world = small([bar(1000), bar(990, mark=1000)]) | {"exits": [[2, "BTC", 1, 2, 4]]}
    result = both(world)
    assert account(result, 1) == (100_000 - 1_000_000 + 396_000, 6)
    assert account(result, 2) == (200_000 + 1_000_000 - 396_000, -6)
    assert result["liquidations"] == result["adl"] == []


def test_they_close_what_both_still_hold() -> None:
    result = both(small([bar(1000), bar(1000)]) | {"exits": [[1, "BTC", 1, 2, 7], [2, "BTC", 1, 2, 7]]})
    assert account(result, 1) == (100_000, 0)


@pytest.mark.parametrize(
    ("trade", "mark", "leaves"),
    [
        (900, 960, True),  # the long is left with nothing, and owes nothing
        (899, 960, False),  # it would owe 1,000
        (940, 947, False),  # at 947 its 47,000 are below the 47,350 of maintenance, which it would lose with the rest
        (948, 948, True),  # 48,000 are above 47,400
    ],
)
def test_nobody_leaves_in_breach_or_owing(trade: int, mark: int, leaves: bool) -> None:
    result = both(small([bar(1000), bar(trade, mark=mark)]) | {"exits": [[2, "BTC", 1, 2, 10]]})
    if mark == 947:
        assert result["liquidations"]  # it has gone otherwise: in act 6, before exits
    else:
        assert (account(result, 1)[1] == 0) == leaves


@pytest.mark.property
def test_both_engines_agree_while_holders_leave() -> None:
    met: Counter[str] = Counter()
    for kind in ("isolated-leaving", "accounts-leaving", "feedback-leaving"):
        for world in worlds_of(kind):
            outcome = simulate(build(world))
            result = shape(outcome, world)
            assert result == replay(world), kind
            holds.check(world, outcome, result)
            left = int((outcome.record.transfers.columns()["cause"] == EXIT).sum())
            met.update(left=left, stayed=len(world["exits"]) - left, liquidated=len(result["liquidations"]))
    assert met["left"] > 20
    assert met["stayed"] > 20
    assert met["liquidated"] > 5
