"""The shape of a book, checked by hand on five positions of BTC and SOL."""

from __future__ import annotations

import numpy as np
import pytest

from backtest.book.book import PositionBook, assemble
from backtest.book.shape import BookShape
from backtest.mechanics.margin import Tiers
from tests.book.support import BTC, SOL, USD, marks

RATE = Tiers.of([(0, 10_000_000, 0)])  # maintenance of 1 % at any size


def book() -> PositionBook:
    """Return account 1 with a cross long of 100,000 USD BTC and 20,000 USD SOL, 2 and 3 long BTC, 4 and 5 short."""
    rows = {
        "account_id": [1, 2, 3, 4, 1],
        "symbol": [0, 0, 0, 0, 1],
        "side": [1, 1, 1, -1, 1],
        "lots": [1000, 1000, 1000, 3000, 10_000],  # of 100 USD, SOL of 2 USD
        "entry_value": [100_000 * USD, 100_000 * USD, 125_000 * USD, 300_000 * USD, 20_000 * USD],
        "collateral": [10_000 * USD, 20_000 * USD, 75_000 * USD, 300_000 * USD, 2_000 * USD],
        "cohort": [0, 0, 1, 2, 0],
        "cross": [1, 0, 0, 0, 1],
    }
    return assemble({name: np.array(row) for name, row in rows.items()}, 2, ["high", "low", "hedge"], "imported")


def shape(inclusive: bool = False) -> BookShape:
    """Return the shape of that book; BTC is at 100,000 and SOL at 200."""
    return BookShape(book(), (BTC, SOL), (RATE, RATE), marks(BTC, SOL), inclusive=inclusive)


def test_leverage_sizes_and_entries_by_side_and_cohort() -> None:
    """Account 1: 120,000 over 12,000; 2: 100,000 over 20,000; 3 lost 25,000 of 75,000: 100,000 over 50,000."""
    high, low, hedge = shape().by_cohort()
    assert (high.side, high.cohort, high.positions, high.notional_usd) == ("long", "high", 3, 220_000)
    assert (high.leverage_p10, high.leverage_p50, high.leverage_p90) == (5, 10, 10)
    assert (high.size_p50_usd, high.entry_gap_frac) == (100_000, 0)
    assert (low.leverage_p50, low.entry_gap_frac) == (2, 0.25)
    assert high.side_frac == pytest.approx(220 / 320)
    assert (hedge.side, hedge.leverage_p50, hedge.side_frac) == ("short", 1, 1)


def test_groups_of_coins() -> None:
    found = {(group.coin, group.side): group.notional_usd for group in shape().by_coin()}
    assert found == {("BTC", "long"): 300_000, ("BTC", "short"): 300_000, ("SOL", "long"): 20_000}


def test_the_map_of_liquidations_takes_cross_accounts_whole() -> None:
    """After a fall of 10 % account 1 has nothing left, account 2 has 10,000; after 20 % account 2 is gone too."""
    moves = {(move.move_frac, move.coin): move for move in shape().liquidations((0.1, 0.2, 0.99))}
    assert moves[-0.1, "all"].long_usd == 120_000
    assert moves[-0.1, "BTC"].long_frac == pytest.approx(1 / 3)
    assert moves[-0.1, "SOL"].long_frac == 1
    assert moves[-0.2, "all"].long_usd == 220_000
    assert moves[-0.2, "all"].short_usd == moves[0.2, "all"].short_usd == 0
    assert moves[0.99, "all"].short_frac == 1  # 3,000 left of 300,000, against 1 % of 597,000
    assert moves[-0.99, "all"].long_frac == 1


def test_concentration_and_largest_accounts() -> None:
    everyone, longs, shorts = shape().concentration()
    assert (everyone.accounts, longs.accounts, shorts.accounts) == (4, 3, 1)
    assert everyone.top_ten_frac == shorts.top_ten_frac == 1
    # of 100, 100, 120 and 300: (-3 x 100 - 1 x 100 + 1 x 120 + 3 x 300) / (4 x 620)
    assert everyone.gini_frac == pytest.approx(620 / 2480)
    assert longs.cross_frac == pytest.approx(120 / 320)
    assert longs.leverage_p50 == 5
    first, second = shape().largest(2)
    assert (first.account_id, first.side, first.coins, first.margin_mode, first.leverage) == (
        *(4, "short", "BTC", "isolated", 1),
    )
    assert (second.account_id, second.coins, second.margin_mode, second.notional_usd) == (
        1,
        "BTC SOL",
        "cross",
        120_000,
    )
    assert second.book_frac == pytest.approx(120 / 620)


def test_equity_equal_to_maintenance_is_a_breach_where_the_venue_says_so() -> None:
    """A fall of 10 % leaves 900 of 10,900: 1 % of 90,000."""
    rows = {"account_id": [1], "symbol": [0], "side": [1], "lots": [1000], "entry_value": [100_000 * USD]}
    one = {**rows, "collateral": [10_900 * USD], "cohort": [0]}
    held = assemble({name: np.array(row) for name, row in one.items()}, 1, ["all"], "imported")
    for inclusive in (False, True):
        moves = BookShape(held, (BTC,), (RATE,), marks(BTC), inclusive=inclusive).liquidations((0.1,))
        assert moves[0].long_frac == inclusive
