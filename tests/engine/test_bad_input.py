"""Spoilt worlds under every profile: both engines agree, nothing is left over, every score is a number."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from backtest.engine.run import Outcome, simulate
from backtest.errors import RangeError
from backtest.mechanics.exact import LIMIT
from backtest.mechanics.vault import VaultRule
from tests.engine import holds
from tests.engine.drawn_worlds import FRESH, worlds_under
from tests.engine.profiles import SPOILS, VENUES, World, leap
from tests.engine.small import LONG, SHORT, bar, small
from tests.reference.adapter import build, run_fast, shape
from tests.reference.slow_engine import replay

# orders of magnitude, on which the slow engine would look at every mark
LEAPS = {f"leap-{times}": leap(times) for times in (10**3, 10**6, 10**9)}


def sound(world: World, outcome: Outcome) -> World:
    """Assert what holds in every run; return the result."""
    result = shape(outcome, world)
    holds.check(world, outcome, result)
    return result


@pytest.mark.property
@pytest.mark.parametrize("venue", VENUES)
def test_spoilt_worlds_run_alike_in_both_engines(venue: str) -> None:
    """Spoil each world in each way where they are drawn afresh, else one of the venue's in turn."""
    drawn = worlds_under(venue)
    pairs = itertools.product(drawn, SPOILS) if FRESH else zip(itertools.cycle(drawn), SPOILS, strict=False)
    for world, name in pairs:
        spoilt = SPOILS[name](world)
        with noted(name):
            assert sound(spoilt, simulate(build(spoilt))) == replay(spoilt)
    for world, name in zip(itertools.cycle(drawn), LEAPS, strict=False):
        spoilt = {**LEAPS[name](world), "funding": []}  # whose index would leave the range
        with noted(name):
            sound(spoilt, simulate(build(spoilt)))


@contextmanager
def noted(spoil: str) -> Iterator[None]:
    """Say of an error which spoil it is of."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the spoil {spoil}")
        raise


def test_one_of_a_wave_of_everybody_is_left_without_a_candidate() -> None:
    # Both are bankrupt at the first price: nobody deleverages, the market takes both at the mark, nobody pays 2 x 1000.
    rows = [{**LONG, "wallet": -1000}, {**SHORT, "wallet": -1000}]
    result = run_fast(small([bar(1000), bar(1000)], rows))
    assert result["adl"] == []
    assert result["unmatched"] == [[1, "BTC", 1, 10, "market"], [1, "BTC", 2, 10, "market"]]
    assert result["owners"]["uncovered"]["cash"] == -2000
    assert [row["cash"] for row in result["owners"]["accounts"].values()] == [0, 0]


def test_a_fill_on_a_leap_is_exact_beyond_64_bits() -> None:
    # From 1000 to 10**10 the short with 200,000 breaches at 1143; 10**10 x 10**10 would leave 64 bits.
    bars = [{"BTC": {"trade": [1000, 10**10, 1000, 1000], "mark": [1000, 10**10, 1000, 1000], "volume_lots": 100}}]
    world = {**small(bars), "intrabar": "ohlc"}
    result = run_fast(world)
    assert result["liquidations"] == [[3, 2, "BTC", -1, 10, 1_143_000, 0, 0, 57_000, 0]]


def test_impact_beyond_64_bits_stops_at_the_worst_price_of_the_bar() -> None:
    thin = {"distances_e9": [50_000_000], "bids": [[1], [1]], "asks": [[1], [1]]}
    book = {"lots": 10**6, "cost": 10**11}
    rows = [{**LONG, **book, "wallet": 10**10}, {**SHORT, **book, "wallet": 10**11}]
    fall = {"BTC": {"trade": [930, 930, 900, 930], "mark": [930] * 4, "volume_lots": 10**7}}
    world = {**small([bar(1000, 10**7), fall], rows), "depth": {"BTC": thin}}
    world["liquidity"] |= {"impact": "depth", "impact_y_e9": 10**20}
    result = run_fast(world)
    assert result == replay(world)
    assert result["liquidations"][0][4:6] == [10**6, 9 * 10**10]


@pytest.mark.parametrize("den", [3, 10**9])
def test_the_vaults_share_is_exact_beyond_64_bits(den: int) -> None:
    # Two thirds of 10**17 x 5 % against an equity of 3 % and of 4 %, in steps of a thousandth of a millionth.
    world = build(small([bar(1000), bar(930)], vault={"capital": 0, "num": 2, "den": 3}))
    many = 10**9
    for wallet, taken in ((100_000, 10), (109_000, 0)):
        rules = dataclasses.replace(world.rules, vault=VaultRule(capitals=(0,), num=2 * (den // 3), den=3 * (den // 3)))
        book = dataclasses.replace(
            world.book,
            lots=world.book.lots * many,
            entry_value=world.book.entry_value * many,
            collateral=np.array([wallet * many, 10**15]),
        )
        breaches = simulate(dataclasses.replace(world, book=book, rules=rules)).record.breaches.join()
        assert breaches.takeover_lots.tolist() == [taken * many] * len(breaches)


def test_a_fund_takes_lots_worth_nothing_unless_its_limit_is_passed_without_them() -> None:
    # Two longs bankrupt at a price of zero; the fund may hold no inventory that is worth anything, or less than none.
    crash = {"BTC": {"trade": [0] * 4, "mark": [0] * 4, "volume_lots": 0}}
    rows = [{**LONG, "id": 3}, LONG, {**SHORT, "lots": 20, "cost": 2_000_000}]
    for limit, taken in ((0, 10), (-1, 0)):
        fund = {
            "start": 10**7,
            "floor": 0,
            "shortfall": "divisible",
            "takeover": "bankruptcy",
            "inventory_limit": limit,
        }
        world = small([bar(1000), crash], rows, fund=fund)
        result = run_fast(world)
        assert result == replay(world)
        assert [line[6] for line in result["liquidations"]] == [taken] * 2


def test_blocks_order_all_of_lots_worth_nothing_that_the_least_amount_pays_for() -> None:
    # Ten lots at zero: a block that orders 7 quanta at least takes seven of them at its first price, three at the next.
    crash = {"BTC": {"trade": [0] * 4, "mark": [0] * 4, "volume_lots": 100}}
    block = {"time_ms": 60_000, "share_e9": 10**8, "least": 7, "most": 100, "orders": 9, "deleverages": 9,
             "adjustment_e9": 10**9, "spread_e9": 10**9}  # fmt: skip
    fund = {"start": 10**7, "floor": 0, "shortfall": "divisible", "takeover": "none", "inventory_limit": None}
    world = small(
        [bar(1000), crash, crash], liquidation_rule="fillable_price", block=block, fund=fund, on_exhausted="waits"
    )
    result = run_fast(world)
    assert result == replay(world)
    assert [line[4] for line in result["liquidations"]] == [7, 3]


# a world at the exact range


def wallets(amount: int, **changes: Any) -> World:
    return small([bar(1000), bar(900)], [{**LONG, "wallet": amount}, {**SHORT, "wallet": 100_000}], **changes)


def test_wallets_at_the_exact_range_run_and_one_more_is_refused() -> None:
    # Beside the wallets: twice 20 lots at 100,000 quanta.
    most = LIMIT - 1 - 4_000_000 - 100_000
    for sign in (1, -1):
        world = wallets(sign * most)
        assert sound(world, simulate(build(world))) == replay(world)
        with pytest.raises(
            RangeError, match=r"^BTC: lots x price reaches 1 times the exact range of 2\*\*62; use a co"
        ):
            run_fast(wallets(sign * (most + 1)))


def test_a_price_of_1e9_on_138_000_bitcoin_is_refused_with_symbol_and_factor() -> None:
    # A lot of 0.001 BTC, a tick of 0.1 USD: 1.38e8 lots at 1e10 ticks of 100 quanta, twice and on both sides: 5.52e20.
    lots = 138_000_000
    rows = [{**row, "lots": lots, "cost": lots * 1000 * 100, "wallet": 0} for row in (LONG, SHORT)]
    spike = {"BTC": {"trade": [1000, 10**10, 1000, 1000], "mark": [1000, 10**10, 1000, 1000], "volume_lots": 1}}
    with pytest.raises(RangeError) as caught:
        run_fast(small([bar(1000), spike], rows))
    assert str(caught.value) == (
        "BTC: lots x price reaches 120 times the exact range of 2**62; use a coarser lot or a smaller open interest"
    )
