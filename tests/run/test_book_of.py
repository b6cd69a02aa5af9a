"""A book of another venue is that venue's: leverage follows what its coins allow, not what those of the rules do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtest.book.book import PositionBook
from backtest.run.prepare import prepare
from backtest.run.resolve import resolve

SMALL: dict[str, Any] = {"coins": ("BTC", "SOL"), "positions": 600, "cross_frac": 0.0, "delta_neutral_frac": 0.0}


def book(venue: str, **more: Any) -> PositionBook:
    return prepare(resolve("2025-10-10", {**SMALL, "venue": venue, **more})).book


def leverage(found: PositionBook, coin: int) -> float:
    """Return the median leverage at entry of the longs of a coin."""
    mine = (found.symbol == coin) & (found.side > 0)
    return float(np.median(found.entry_value[mine] / found.collateral[mine]))


def test_btc_has_the_same_leverage_under_the_rules_of_a_venue_that_allows_125x() -> None:
    own, theirs = book("hyperliquid"), book("binanceusdm", book_of="hyperliquid")
    for coin in (0, 1):
        assert leverage(theirs, coin) == pytest.approx(leverage(own, coin), rel=0.1)


def test_without_it_coins_stand_to_btc_as_the_venue_allows() -> None:
    flat, steep = book("binanceusdm", leverage_exponent=0.0), book("binanceusdm", leverage_exponent=1.0)
    assert leverage(steep, 0) > 1.2 * leverage(flat, 0)
    assert leverage(steep, 1) < leverage(steep, 0)
