"""Several funds and the drop that switches deleveraging on, worked out by hand; both engines say the same.

100 quanta per tick and lot; ``LONG``'s 10 lots have the bankruptcy amount 900,000: the fund takes them at 90,000 each.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.small import FUND, LONG, SHORT, bar, small
from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay

DROP = {
    "kind": "pnl_ratio", "trigger": {"BTC": [3, 10]}, "stop": {"BTC": [1, 4]}, "above": 10_000, "window_s": 28_800,
}  # fmt: skip
BUYER = {**FUND, "start": 1_000_000, "takeover": "bankruptcy"}


def both(world: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the slow engine; the fast one agrees."""
    result = replay(world)
    assert run_fast(world) == result
    return result


def test_a_symbol_s_loss_switches_deleveraging_on_and_sizes_it() -> None:
    """Taken at 930 the inventory is worth 930,000: the fund's peak is 1,030,000, the symbol's 30,000.

    At 595 the symbol stands at -305,000, 335,000 below its peak: 32.5 % of 1,030,000, more than 30 %. 30 % would be
    309,000, so 26,000 are missing; a lot brings 90,000 - 59,500 = 30,500: one lot. Then 29.6 % are lost, above the
    stop of 25 %. At 660 nine lots are worth 594,000: -216,000, 23.9 % below the peak, and it ends.
    """
    late = {"id": 3, "symbol": "BTC", "side": 1, "lots": 5, "cost": 500_000, "wallet": 200_000}  # bankrupt below 600
    bars = [bar(px) for px in (1000, 930, 595, 660)]
    world = small(bars, [LONG, SHORT, late], fund={**BUYER, "drop": DROP}, inventory_adl="to_trigger")
    result = both(world)
    assert result["adl"] == [[3, "BTC", 3, 2, 5, 300_000], [3, "BTC", "fund", 2, 1, 90_000]]
    assert result["fund_events"] == [
        [3, 0, "BTC", "adl_on", "drawdown", 695_000],
        [3, 0, "BTC", "refused", "trigger", 695_000],  # it could pay the 2,500 that account 3 is short of
        [4, 0, "BTC", "adl_off", "", 784_000],
    ]
    assert result["owners"]["fund"] == {"cash": 190_000, "lots": {"BTC": 9}}


def test_without_the_drop_the_fund_takes_the_same_claim() -> None:
    late = {"id": 3, "symbol": "BTC", "side": 1, "lots": 5, "cost": 500_000, "wallet": 200_000}
    result = both(small([bar(px) for px in (1000, 930, 595)], [LONG, SHORT, late], fund=BUYER))
    assert result["adl"] == []
    assert result["owners"]["fund"] == {"cash": -200_000, "lots": {"BTC": 15}}


@pytest.mark.parametrize(("window_s", "off"), [(60, 4), (120, 5), (180, 6)])
def test_the_peak_leaves_the_window_at_a_step_at_which_nothing_else_happens(window_s: int, off: int) -> None:
    """The peak of 1,030,000 stands at the end of step 2; sold at 595 the fund has 695,000, 32.5 % less."""
    drop = {**DROP, "kind": "pool_drawdown", "window_s": window_s}
    bars = [bar(1000), bar(930), bar(595, volume_lots=10), *[bar(595)] * 5]
    result = both(small(bars, fund={**BUYER, "drop": drop}, vault_quiet_steps=1))
    assert result["owners"]["fund"] == {"cash": 695_000, "lots": {"BTC": 0}}
    assert result["fund_events"] == [
        [3, 0, "BTC", "adl_on", "drawdown", 695_000],
        [off, 0, "BTC", "adl_off", "", 695_000],
    ]


def test_an_empty_fund_is_on_whatever_its_ratio() -> None:
    """At 690 the inventory has lost 210,000 of its 900,000, the fund's 200,000 are gone: below the threshold, yet on.

    One quantum above zero is enough to end it: 10,001 are missing, a lot brings 21,000.
    """
    world = small(
        [bar(1000), bar(930), bar(690)], fund={**BUYER, "start": 200_000, "drop": {**DROP, "above": 10**6}},
        inventory_adl="to_trigger",
    )  # fmt: skip
    result = both(world)
    assert result["adl"] == [[3, "BTC", "fund", 2, 1, 90_000]]
    assert result["fund_events"] == [
        [3, 0, "BTC", "adl_on", "empty", -10_000],
        [3, 0, "BTC", "adl_off", "", 11_000],
    ]


def test_each_symbol_has_its_own_fund() -> None:
    """The fund of BTC has nothing, so BTC is deleveraged; that of ETH takes the same position over."""
    twice = [{name: bar(px)["BTC"] for name in ("BTC", "ETH")} for px in (1000, 895)]
    others = [{**row, "id": row["id"] + 10, "symbol": "ETH"} for row in (LONG, SHORT)]
    world = small(twice, [LONG, SHORT, *others])
    world["symbols"]["ETH"] = world["symbols"]["BTC"]
    pools = [
        {"symbols": [name], "start": start, "inventory_limit": None} for name, start in (("BTC", 0), ("ETH", 5000))
    ]
    world["profile"]["fund"] = {**BUYER, "start": 5000, "pools": pools}
    result = both(world)
    assert result["adl"] == [[2, "BTC", 1, 2, 10, 900_000]]
    assert [row["cash"] for row in result["funds"]] == [0, -895_000]
    assert result["fund_events"] == [[2, 0, "BTC", "refused", "floor", 0], [2, 1, "", "depleted", "", 0]]
    shared = {**world, "profile": {**world["profile"], "fund": {**BUYER, "start": 5000}}}
    assert [row[1] for row in both(shared)["adl"]] == ["ETH"]  # the one fund has spent its money on BTC


def test_a_position_that_turns_the_inventory_to_the_same_size_fits_any_limit() -> None:
    """Five short lots become five long ones while ETH alone is over the limit; nothing is refused on the way.

    At 1250 the fund takes 5 and 10 short lots, 1,875,000 at mark. Then ETH doubles to 2,500,000, and BTC falls to 895,
    where ``LONG`` is 5,000 below bankruptcy. One lot more would raise the inventory, and its last lot has no room.
    """
    bars = [{"BTC": bar(btc)["BTC"], "ETH": bar(eth)["BTC"]} for btc, eth in ((1000, 1000), (1250, 1250), (895, 2500))]
    falling = {**SHORT, "id": 3, "lots": 5, "cost": 500_000, "wallet": 100_000}
    for lots, taken, events in ((10, 10, []), (11, 10, [[3, 0, "BTC", "refused", "limit"]])):
        long = {**LONG, "lots": lots, "cost": 100_000 * lots, "wallet": 10_000 * lots}
        world = small(bars, [long, falling, {**SHORT, "symbol": "ETH"}])
        world["symbols"]["ETH"] = world["symbols"]["BTC"]
        pool = {"symbols": ["BTC", "ETH"], "start": 10**7, "inventory_limit": 1_900_000}
        world["profile"]["fund"] = {**BUYER, "start": 10**7, "inventory_limit": 1_900_000, "pools": [pool]}
        result = both(world)
        assert [row[6] for row in result["liquidations"]] == [5, 10, taken]
        assert result["funds"][0]["lots"] == {"BTC": 5, "ETH": -10}
        assert [event[:5] for event in result["fund_events"]] == events
