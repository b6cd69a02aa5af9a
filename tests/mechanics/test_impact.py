"""How far orders move their price, by hand."""

from __future__ import annotations

from fractions import Fraction

from backtest.mechanics.impact import IMPACTS, book_depth


def test_the_first_band_of_a_book_begins_at_the_trade_price() -> None:
    book = ((10_000_000, Fraction(100)),)  # 100 lots within 1 %
    assert book_depth(4_000_000_000, Fraction(1), 25, Fraction(0), book) == 10_000_000
    absorbed = IMPACTS["depth"].absorbed
    assert absorbed is not None
    assert absorbed(Fraction(1, 400), Fraction(0), book) == 25
