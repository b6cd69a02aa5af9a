"""Leverage of a drawn book: a mixture a side, the highest leverage of the coin, delta-neutral shorts, sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtest.book.book import PositionBook
from backtest.book.leverage import NEUTRAL, draw_leverage
from backtest.venue.margin_table import MarginSchedule
from tests.book.support import BTC, FIRST, SOL, TIERS, draw

HIGH = MarginSchedule(TIERS.tiers, (40.0, 40.0, 40.0))
LONGS = {"default": ((3.0, 6.0, 1.0),)}
SHORTS = {"default": ((0.05, 0.5, 0.75), (0.5, 2.0, 0.15), (2.0, 8.0, 0.10))}
MANY: dict[str, Any] = {"positions": 4000, "open_interest_usd": 1e8, "tiers": HIGH}


def leverage(book: PositionBook) -> tuple[Any, Any]:
    """Return notional in quanta and leverage of each position of a book of BTC."""
    value = book.lots * FIRST["BTC"] * BTC.q_mark
    return value, value / (book.collateral + book.side * (value - book.entry_value))


def test_longs_and_shorts_have_mixtures_of_their_own() -> None:
    book = draw(long_leverage_mix=LONGS, short_leverage_mix=SHORTS, **MANY)
    value, found = leverage(book)
    long = book.side > 0
    assert 2.99 < found[long].min() <= found[long].max() < 6.01
    for low, high, share in SHORTS["default"]:
        mine = ~long & (found > low * 0.999) & (found <= high)
        assert value[mine].sum() / value[~long].sum() == pytest.approx(share, abs=0.03)
    assert book.cohorts == ("3-6x", "0.05-0.5x", "0.5-2x", "2-8x")


def test_a_side_without_rows_for_a_coin_has_those_of_both() -> None:
    both = {"default": ((1.0, 2.0, 1.0),)}
    book = draw((BTC, SOL), leverage_mix=both, long_leverage_mix={"SOL": ((4.0, 5.0, 1.0),)}, **MANY)
    names = {
        (k, side): {book.cohorts[code] for code in book.cohort[(book.symbol == k) & (book.side == side)]}
        for k in (0, 1)
        for side in (1, -1)
    }
    assert names == {(0, 1): {"1-2x"}, (0, -1): {"1-2x"}, (1, 1): {"4-5x"}, (1, -1): {"1-2x"}}


def test_leverage_grows_with_the_highest_leverage_of_the_coin() -> None:
    """At most 40x: (40 / 20) ^ 0.5 times the 3 to 6 of the mixture; at 20x as drawn."""
    at_20 = MarginSchedule(TIERS.tiers, (20.0, 20.0, 20.0))
    for tiers, factor in ((HIGH, 2**0.5), (at_20, 1.0)):
        _, found = leverage(draw(leverage_mix=LONGS, leverage_exponent=0.5, **MANY | {"tiers": tiers}))
        assert found.min() == pytest.approx(3 * factor, rel=0.01)
        assert found.max() == pytest.approx(6 * factor, rel=0.01)


def test_delta_neutral_shorts_are_a_cohort_of_low_leverage() -> None:
    book = draw(leverage_mix=LONGS, delta_neutral_frac=0.4, leverage_exponent=1.0, **MANY)
    assert book.cohorts == ("3-6x", "delta_neutral")
    value, found = leverage(book)
    neutral = book.cohort == 1
    assert (book.side[neutral] == -1).all()
    assert value[neutral].sum() / value[book.side < 0].sum() == pytest.approx(0.4, abs=0.03)
    assert 0.049 < found[neutral].min() <= found[neutral].max() <= 1.0
    assert found[~neutral].min() > 5.9


def test_hedged_accounts_are_no_delta_neutral_ones() -> None:
    fields: dict[str, Any] = {**MANY, "cross_frac": 1.0, "positions_per_account": 2.0, "delta_neutral_frac": 0.5}
    book = draw((BTC, SOL), hedged_frac=0.3, **fields)
    assert (book.side[book.cohort == book.cohorts.index("delta_neutral")] == -1).all()
    said = "cross accounts, short: delta_neutral holds 0.000 of notional, not 0.500; hedged accounts are none"
    assert said in draw((BTC, SOL), hedged_frac=1.0, **fields).notes


def test_all_shorts_may_be_delta_neutral() -> None:
    book = draw(leverage_mix=LONGS, delta_neutral_frac=1.0, **MANY)
    assert (book.cohort[book.side < 0] == 1).all()


def test_the_largest_accounts_are_spread_over_the_mixture() -> None:
    """Of the eight largest of a mixture of halves four are in each half, up to one; their order is that of the seed."""
    sizes = np.concatenate([np.full(8, 1000), np.full(8000, 1)])
    mix = ((1.0, 2.0, 0.5), (2.0, 4.0, 0.5))
    firsts = set()
    for seed in range(30):
        drawn = draw_leverage(
            "", sizes, np.full(8008, 50.0), 1.0, mix, np.random.default_rng(0), by_size=np.random.default_rng(seed)
        )
        assert 3 <= drawn.bucket[:8].sum() <= 5
        firsts.add(int(drawn.bucket[0]))
    assert firsts == {0, 1}


def test_delta_neutral_notional_is_met_within_one_account() -> None:
    sizes = np.array([5, 3, 2, 2, 1, 1, 1])
    one = np.random.default_rng(2)
    drawn = draw_leverage("", sizes, np.full(7, 50.0), 3.0, ((2.0, 4.0, 1.0),), one, neutral_frac=0.4)
    neutral = drawn.bucket == NEUTRAL
    assert abs(sizes[neutral].sum() - 6) <= 5
    assert drawn.leverage[neutral].max() <= 1
    assert drawn.leverage[~neutral].min() >= 6
