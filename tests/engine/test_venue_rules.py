"""Rules of further venues worked out by hand; both engines give the same.

``LONG`` holds 10 lots bought at 1000 ticks of 100 quanta with a wallet of 100,000: bankruptcy amount 900,000, at 930 an
equity of 30,000 against a maintenance of 46,500, at 890 one of -10,000 against 44,500.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.small import FUND, LONG, SHORT, bar, small
from tests.engine.test_records import check_all
from tests.reference.adapter import run_fast
from tests.reference.slow_engine import replay

BLOCK = {
    "time_ms": 60_000, "share_e9": 500_000_000, "least": 0, "most": 10**12, "orders": 50, "deleverages": 10,
    "adjustment_e9": 10**9, "spread_e9": 1_500_000_000,
}  # fmt: skip
NONE = {"ranking": "none", "on_exhausted": "socialised_winners"}


def run(bars: list[Any], accounts: Any = (LONG, SHORT), fund: int = 0, **changes: Any) -> dict[str, Any]:
    """Return what both engines make of a small world in ``close`` mode, bars of 60 s."""
    world = small([bar(1000), *bars], accounts, fund={**FUND, "start": fund}, **changes)
    result = replay(world)
    assert run_fast(world) == result
    return result


def dydx(bars: list[Any], accounts: Any = (LONG, SHORT), fund: int = 0, **block: Any) -> dict[str, Any]:
    rules = {"liquidation_rule": "fillable_price", "fee_e9": 15_000_000, "fee_owner": "fund", "on_exhausted": "waits"}
    return run(bars, accounts, fund, block={**BLOCK, **block}, **rules)


def cash(result: dict[str, Any], owner: Any) -> int:
    owners = result["owners"]["accounts"] if isinstance(owner, int) else result["owners"]
    return int(owners[str(owner)]["cash"])


def moved(result: dict[str, Any]) -> list[list[Any]]:
    """Return step, account, lots to the book, their amount, lots to ADL, residual and fee."""
    return [[row[0], row[1], *row[4:6], *row[7:]] for row in result["liquidations"]]


# --- fillable price ------------------------------------------------------------------------------------------------


def test_a_fill_above_bankruptcy_pays_the_fund_and_the_rest_waits() -> None:
    # Five lots for 465,000, 450,000 owed; 1.5 % are 6,975, the rest of the 15,000 stays on the account.
    result = dydx([bar(930, 100)])
    assert moved(result) == [[2, 1, 5, 465_000, 0, 8_025, 6_975]]
    assert (cash(result, "fund"), cash(result, 1)) == (6_975, -900_000 + 465_000 - 6_975)
    assert result["adl"] == []


@pytest.mark.parametrize(("trade", "lots"), [(905, 0), (906, 5)])
def test_the_limit_is_the_fillable_price(trade: int, lots: int) -> None:
    # 930,000 - 1.5 x (46,500 - 30,000) = 905,250. Unfilled with equity above zero, the position waits.
    result = dydx([bar(trade, 100, 930)])
    assert [row[2] for row in moved(result)] == ([lots] if lots else [])
    assert (result["adl"], result["unmatched"]) == ([], [])


@pytest.mark.parametrize("fund", [4_999, 5_000])
def test_below_bankruptcy_the_fund_pays_or_the_match_is_void(fund: int) -> None:
    # At 890 the limit is 890,000 - 1.5 x 44,500. Five lots bring 445,000 of 450,000.
    result = dydx([bar(890, 100)], fund=fund)
    if fund < 5_000:
        assert moved(result) == [[2, 1, 0, 0, 10, 0, 0]]
        assert result["adl"] == [[2, "BTC", 1, 2, 10, 900_000]]
        assert cash(result, "fund") == fund
    else:
        assert moved(result) == [[2, 1, 5, 445_000, 0, 0, 0]]
        assert (cash(result, "fund"), cash(result, 1)) == (0, -450_000)


def test_filled_a_little_below_zero_it_is_not_deleveraged() -> None:
    result = dydx([bar(890, 1), bar(890)], fund=10_000)
    assert moved(result) == [[2, 1, 1, 89_000, 0, 0, 0], [3, 1, 0, 0, 9, 0, 0]]
    assert cash(result, "fund") == 9_000


def test_a_price_takes_as_many_blocks_as_pass() -> None:
    # 60 s are three blocks of 20 s: three times a tenth of 930,000, at least 100,000, at most 150,000 a block.
    assert [row[2] for row in moved(dydx([bar(930, 100)], time_ms=20_000, share_e9=10**8))] == [3]
    assert [row[2] for row in moved(dydx([bar(930, 100)], time_ms=20_000, share_e9=10**8, least=100_000))] == [3]
    assert [row[2] for row in moved(dydx([bar(930, 100)], time_ms=20_000, share_e9=10**8, least=130_000))] == [4]
    assert [row[2] for row in moved(dydx([bar(930, 100)], time_ms=20_000, most=150_000))] == [4]
    assert [row[2] for row in moved(dydx([bar(930, 100)], time_ms=100_000, share_e9=10**8))] == [1]
    assert [row[2] for row in moved(dydx([bar(930, 100)], most=1))] == [1]


def test_orders_and_deleveragings_are_counted_per_block() -> None:
    # At 890 without a fund all matches are void. The second to cross gets no order, or no deleveraging, and waits.
    accounts = (LONG, {**LONG, "id": 3}, {**SHORT, "lots": 20, "cost": 2_000_000, "wallet": 900_000})
    assert [row[1] for row in moved(dydx([bar(890, 100)], accounts))] == [1, 3]
    assert [row[1] for row in moved(dydx([bar(890, 100)], accounts, orders=1))] == [1]
    assert [row[1] for row in moved(dydx([bar(890, 100)], accounts, deleverages=1))] == [1]
    assert moved(dydx([bar(890, 100), bar(890, 100)], accounts, deleverages=1)) == [
        [2, 1, 0, 0, 10, 0, 0], [3, 3, 0, 0, 10, 0, 0],
    ]  # fmt: skip


def test_what_finds_nobody_waits_on_the_account() -> None:
    result = dydx([bar(890, 100)], (LONG, {**SHORT, "lots": 4, "cost": 400_000}))
    assert moved(result) == [[2, 1, 0, 0, 4, 0, 0]]
    assert result["unmatched"] == [[2, "BTC", 1, 6, "account"]]
    assert result["owners"]["accounts"]["1"] == {"cash": -540_000, "lots": {"BTC": 6}}


def test_a_bankrupt_visits_so_many_candidates() -> None:
    shorts = tuple({**SHORT, "id": k, "lots": 5, "cost": 500_000} for k in (2, 3))
    result = run([bar(890)], (LONG, *shorts), max_candidates=1, on_exhausted="waits")
    assert [row[3:5] for row in result["adl"]] == [[2, 5]]
    assert result["unmatched"] == [[2, "BTC", 1, 5, "account"]]


# --- rounds --------------------------------------------------------------------------------------------------------


def test_rounds_stop_when_the_rest_is_compliant() -> None:
    # An eighth of 10 lots, rounded up: 8, 7, 6, 5 lots are left. 30,000 are enough for six (27,900).
    rules: dict[str, Any] = {"liquidation_rule": "incremental", "on_exhausted": "uncovered"}
    block = {**BLOCK, "share_e9": 125_000_000, "time_ms": 1000}
    assert moved(run([bar(930, 100)], block=block, **rules)) == [[2, 1, 4, 372_000, 0, 12_000, 0]]
    two = {**block, "time_ms": 30_000}
    assert moved(run([bar(930, 100)], block=two, **rules)) == [[2, 1, 3, 279_000, 0, 9_000, 0]]


# --- shared losses -------------------------------------------------------------------------------------------------


def test_winners_bear_what_the_fund_cannot_in_proportion_to_their_profit() -> None:
    # At 880 ten lots lack 20,000. The fund pays 5,000; since 1000 the shorts have gained 120,000 and 60,000.
    other = {**SHORT, "id": 3, "lots": 5, "cost": 500_000}
    result = run([bar(880)], (LONG, SHORT, other), fund=5_000, **NONE)
    assert result["adl"] == []
    assert result["unmatched"] == [[2, "BTC", 1, 10, "market"]]
    assert [cash(result, owner) for owner in ("fund", "uncovered", 1)] == [0, 0, 0]
    assert (cash(result, 2), cash(result, 3)) == (1_200_000 - 10_000, 700_000 - 5_000)


def test_a_winner_pays_at_most_its_profit_and_the_rest_is_uncovered() -> None:
    # One lot short has gained 12,000 of the 20,000.
    result = run([bar(880)], (LONG, {**SHORT, "lots": 1, "cost": 100_000}), **NONE)
    assert cash(result, 2) == 300_000 - 12_000
    assert cash(result, "uncovered") == -8_000


def test_profit_is_what_was_gained_since_the_first_mark_open_or_closed() -> None:
    # A short sold at 1100 has won before the run, and is liquidated at 1010 with a loss since: it bears nothing. The
    # other has lost since it was opened at 850, and gained 120,000 since the first mark: it bears all of it.
    early = {"id": 4, "symbol": "BTC", "side": -1, "lots": 1, "cost": 110_000, "wallet": -4_000}
    late = {**SHORT, "cost": 850_000, "wallet": 350_000}
    result = run([bar(1010, 100), bar(880)], (LONG, late, early), **NONE)
    assert (cash(result, 4), cash(result, 2)) == (5_000, 1_200_000 - 20_000)


def test_both_sides_pay_the_same_per_lot_and_the_fund_keeps_what_is_too_much() -> None:
    # 20,000 over 3 long and 8 short lots: 1,819 a lot, rounded up from 1,818.2; 9 too much.
    rich = {"id": 3, "symbol": "BTC", "side": 1, "lots": 3, "cost": 300_000, "wallet": 300_000}
    short = {**SHORT, "lots": 8, "cost": 800_000}
    result = run([bar(880)], (LONG, short, rich), ranking="none", on_exhausted="socialised_both")
    assert (cash(result, 2), cash(result, 3)) == (1_000_000 - 8 * 1_819, -3 * 1_819)
    assert (cash(result, "fund"), cash(result, "uncovered")) == (9, 0)


def test_without_an_open_lot_the_loss_is_uncovered() -> None:
    assert cash(run([bar(880)], (LONG,), ranking="none", on_exhausted="socialised_both"), "uncovered") == -20_000


# --- hedges --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("close_price", "per_lot"), [("bankruptcy", 90_000), ("mark", 88_000)])
def test_a_bankrupt_s_own_opposite_leg_closes_first_at_the_close_price(close_price: str, per_lot: int) -> None:
    # At 880 the long of account 1 is bankrupt. Its own short of 4 lots closes first, account 2 gives the other six.
    leg = {"id": 1, "symbol": "BTC", "side": -1, "lots": 4, "cost": 400_000, "wallet": 200_000}
    result = run([bar(880)], (LONG, leg, SHORT), close_price=close_price)
    assert result["adl"] == [[2, "BTC", 1, 1, 4, 4 * per_lot], [2, "BTC", 1, 2, 6, 6 * per_lot]]


def test_a_watched_position_stands_in_no_queue_where_there_is_none() -> None:
    # Every position is watched: the short opposite the wave of the long has no rank, and nobody is a candidate.
    outcome = check_all(small([bar(1000), bar(880)], (LONG, SHORT), **NONE))
    assert [(row.row, row.in_queue, row.candidates) for row in outcome.record.watch] == [(1, False, 0)]


# --- maintenance on the entry value --------------------------------------------------------------------------------


def on_entry(bars: list[Any], tiers: list[list[int]] | None = None, **changes: Any) -> dict[str, Any]:
    """Return what both engines make of a small world whose maintenance is on the entry value."""
    world = small([bar(1000), *bars], fund={**FUND, "start": 0}, **changes)
    world["symbols"]["BTC"] |= {"on_entry": True, **({"tiers": tiers} if tiers else {})}
    result = replay(world)
    assert run_fast(world) == result
    return result


@pytest.mark.parametrize(
    ("threshold", "mark", "gone"), [("<", 950, False), ("<", 949, True), ("<=", 951, False), ("<=", 950, True)]
)
def test_maintenance_on_the_entry_value_does_not_fall_with_the_mark(threshold: str, mark: int, gone: bool) -> None:
    # 5 % of 1,000,000 at entry are 50,000 at any mark; on the value at the mark 947 would be the first in breach.
    result = on_entry([bar(mark, 1000)], threshold=threshold)
    assert [row[:2] for row in result["liquidations"]] == ([[2, 1]] if gone else [])


def test_a_tier_by_entry_value_is_left_by_the_lots_that_bring_the_rest_below_its_floor() -> None:
    # Above 600,000 at entry 10 % less 30,000 are 70,000: in breach at 969. Of ten lots that cost 100,000 each five stay
    # below 600,000; at the mark of 969 six would.
    tiers = [[0, 50_000_000, 0], [600_000, 100_000_000, 30_000]]
    result = on_entry([bar(969, 1000)], tiers, liquidation_rule="tier_by_tier")
    assert moved(result)[0][:4] == [2, 1, 5, 484_500]
