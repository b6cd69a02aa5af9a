"""The order of acts in a step, and the rare cases of one step, each worked out by hand and run by both engines."""

from __future__ import annotations

from typing import Any

import pytest

from backtest.engine import step
from backtest.engine.acts import deleverage, funding, liquidate, pool_adl, takeover
from backtest.engine.detect import breaches as detection
from backtest.engine.run import simulate
from tests.engine.small import FUND, LONG, SHORT, bar, small
from tests.engine.test_records import check_all
from tests.reference.adapter import build, shape
from tests.reference.slow_engine import replay

M = 10**6
ACTS = (
    (funding, "fall_due"),
    (step, "walk"),
    (detection, "find"),
    (liquidate, "to_book"),
    (liquidate, "fees"),
    (liquidate, "residuals"),
    (takeover, "takeovers"),
    (deleverage, "bankrupts"),
    (pool_adl, "inventory"),
    (step, "unwind"),
    (step, "leave"),
    (step, "record"),
)


def both(world: dict[str, Any]) -> dict[str, Any]:
    """Return the result on which both engines agree."""
    result = shape(simulate(build(world)), world)
    assert result == replay(world)
    return result


def cash(result: dict[str, Any], owner: int | str) -> int:
    owners = result["owners"]
    return int((owners["accounts"][str(owner)] if isinstance(owner, int) else owners[owner])["cash"])


def test_acts_follow_the_order_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def noted(owner: Any, name: str) -> None:
        act = getattr(owner, name)

        def noting(*args: Any, **named: Any) -> Any:
            called.append(name)
            return act(*args, **named)

        monkeypatch.setattr(owner, name, noting)

    for owner, name in ACTS:
        noted(owner, name)
    simulate(build(small([bar(1000), bar(930)])))
    assert called[-len(ACTS) :] == [name for _, name in ACTS]


def test_residuals_of_all_come_before_the_first_take_over() -> None:
    # Account 1 skips the book (equity -10,000 at 890), account 3 is filled at 890: 890,000 against 800,000 leaves
    # 90,000 to the fund, which then pays the 10,000 that taking over account 1 costs.
    healthy = {**LONG, "id": 3, "wallet": 130_000}
    result = both(
        small(
            [bar(1000), bar(890, volume_lots=10)], (LONG, SHORT, healthy), residual_owner="fund",
            fund={**FUND, "takeover": "bankruptcy"},
        )
    )  # fmt: skip
    assert [row[1:2] + row[4:9] for row in result["liquidations"]] == [
        [1, 0, 0, 10, 0, 0], [3, 10, 890_000, 0, 0, 20_000]
    ]  # fmt: skip
    assert cash(result, "fund") == 20_000 - 900_000


def test_the_fee_is_at_most_what_the_fill_left() -> None:
    # Filled at 910: 910,000 against 900,000 leaves 10,000; 2 % of 910,000 would be 18,200.
    result = both(small([bar(1000), bar(910, volume_lots=10)], fee_e9=20_000_000))
    assert result["liquidations"] == [[2, 1, "BTC", 1, 10, 910_000, 0, 0, 0, 10_000]]
    assert (cash(result, "venue"), cash(result, 1)) == (10_000, 0)


def test_funding_is_due_before_marks_are_judged() -> None:
    # At 948 the long is 600 above its maintenance of 47,400; funding of 0.1 % of 948,000 is 948.
    world = small([bar(1000), bar(948)])
    assert both(world)["liquidations"] == []
    world["funding"] = [{"bar": 1, "symbol": "BTC", "rate_e9": 1_000_000}]
    assert [row[:2] for row in both(world)["liquidations"]] == [[2, 1]]


def test_funding_is_charged_on_the_oracle_price_an_event_carries() -> None:
    # As above with 0.05 %: 474 on the mark leave 126. On an oracle of 1202 it is 601, one too many; on 1199 599.5, of
    # which the long pays 599 and the short receives 600.
    world = small([bar(1000), bar(948)])
    world["funding"] = [{"bar": 1, "symbol": "BTC", "rate_e9": 500_000}]
    assert both(world)["liquidations"] == []
    world["funding"][0]["oracle"] = 1202
    assert [row[:2] for row in both(world)["liquidations"]] == [[2, 1]]
    world["funding"][0]["oracle"] = 1199
    result = both(world)
    assert result["liquidations"] == []
    assert (cash(result, 1), cash(result, 2)) == (-900_000 - 599, 1_200_000 + 600)
    assert cash(result, "rounding") == -1


def test_funding_is_settled_where_the_index_has_come_back_to_zero() -> None:
    # +1 % at 1000 moves the index by 1,000 quanta per lot. Account 3 is closed then, against half of account 2, which
    # settles 20,000 and keeps 10 lots. -1 % at 1000 brings the index back to zero: its 10 lots receive -10,000.
    bankrupt, half = {**LONG, "id": 3, "wallet": 40_000}, {**SHORT, "lots": 20, "cost": 2_000_000, "wallet": 400_000}
    world = small([bar(1000), bar(1000)], ({**LONG, "wallet": 400_000}, half, bankrupt))
    world["funding"] = [
        {"bar": number, "symbol": "BTC", "rate_e9": rate} for number, rate in ((0, 10**7), (1, -(10**7)))
    ]
    result = both(world)
    assert result["adl"] == [[1, "BTC", 3, 2, 10, 970_000]]
    assert cash(result, 2) == 2_400_000 + 20_000 - 970_000 - 10_000
    assert cash(result, 1) == -1_000_000 + 400_000
    assert cash(result, "rounding") == 0


def test_a_queue_counts_funding_where_the_index_has_come_back_to_zero() -> None:
    # As above; then account 1 is bankrupt at 1400, and account 2 stands in its queue with 10,000 less.
    bankrupt, half = {**SHORT, "id": 3, "wallet": 40_000}, {**LONG, "id": 2, "lots": 20, "cost": 2_000_000, "wallet": M}
    world = small([bar(1000), bar(1000), bar(1400)], ({**SHORT, "id": 1, "wallet": 390_000}, half, bankrupt))
    world["funding"] = [{"bar": n, "symbol": "BTC", "rate_e9": rate} for n, rate in ((0, -(10**7)), (1, 10**7))]
    check_all(world)
    queue = simulate(build(world)).record.queue.join()
    # -1,000,000 of cash, 20,000 received, 1,030,000 of the first close, 10,000 paid, and 10 lots at 1400.
    assert queue.equity[-1] == -1_000_000 + 20_000 + 1_030_000 - 10_000 + 1_400_000


def test_the_fewest_lots_that_reach_the_stop_where_the_gain_is_a_fraction_of_a_quantum() -> None:
    # The fund takes 10 lots for 900,003 at 900 and has lost 3 quanta. Closing k lots gains floor(0.3 k): 2 with 7 lots,
    # and no more with the 8 that the first winner holds.
    fund = {**FUND, "start": 3, "takeover": "bankruptcy"}
    long = {**LONG, "wallet": 99_997}
    shorts = [{**SHORT, "id": k, "lots": k, "cost": k * 100_000, "wallet": k * 20_000} for k in (2, 8)]
    rules = {"fund": fund, "inventory_adl": "below_floor"}
    taken = both(small([bar(1000), bar(900)], (long, *shorts), **rules))
    assert taken["owners"]["fund"] == {"cash": -900_000, "lots": {"BTC": 10}}
    # Funding of 1 quantum per lot puts it 10 below its floor of 0; a stop at -8 asks for 2.
    world = small([bar(1000), bar(900), bar(900)], (long, *shorts), **rules, inventory_stop=-8)
    world["funding"] = [{"bar": 2, "symbol": "BTC", "rate_e9": 11_112}]
    # The same leverage but for the rounding of funding: 3 quanta for 2 lots make account 2 the less leveraged.
    result = both(world)
    assert result["adl"] == [[3, "BTC", "fund", 8, 7, 630_002]]


def test_a_short_bankrupt_beyond_its_value_leaves_a_negative_cost_that_is_cut_by_its_size() -> None:
    # Cash of the short is -7: the fund is paid 7 quanta less than nothing for 3 lots, and closes them one by one.
    broke = {"id": 1, "symbol": "BTC", "side": -1, "lots": 3, "cost": 300_000, "wallet": -300_007}
    longs = [{"id": k, "symbol": "BTC", "side": 1, "lots": 1, "cost": 50_000, "wallet": 500_000} for k in (2, 3, 4)]
    fund = {**FUND, "start": 10**6, "takeover": "bankruptcy", "floor": 0}
    rules = {"fund": fund, "inventory_adl": "below_floor", "inventory_stop": 10**7}
    result = both(small([bar(1000), bar(3000), bar(3400)], (broke, *longs), **rules))
    assert result["liquidations"] == [[1, 1, "BTC", -1, 0, 0, 3, 0, 0, 0]]
    assert [row[2:] for row in result["adl"]] == [["fund", 2, 1, -3], ["fund", 3, 1, -2], ["fund", 4, 1, -2]]


def test_an_order_in_a_bar_without_volume_is_not_refused() -> None:
    # Nothing is offered, so nothing decides: at 930 the limit of 900 would have let the order pass.
    world = small([bar(1000), {"BTC": {"trade": [930, 1000, 800, 930], "mark": [930] * 4, "volume_lots": 0}}])
    world["liquidity"]["impact"] = "sqrt"
    breaches = simulate(build(world)).record.breaches.join()
    assert (breaches.refused.tolist(), breaches.skipped.tolist()) == ([False], [False])
    both(world)


def test_unwinding_waits_for_the_quiet_steps_and_leaves_lots_to_the_next_bar() -> None:
    fund = {**FUND, "start": 10**6, "takeover": "bankruptcy"}
    path = [bar(1000), bar(930), bar(935, 4), bar(940, 4), bar(950, 100)]
    result = both(small(path, fund=fund, vault_quiet_steps=2))
    # Step 3 is the first quiet one, at step 4 four lots go at 940, at step 5 six at 950.
    assert result["owners"]["fund"] == {"cash": 10**6 - 900_000 + 376_000 + 570_000, "lots": {"BTC": 0}}
