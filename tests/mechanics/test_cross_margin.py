"""The equity behind each position of a cross account, where products leave 64 bits."""

from __future__ import annotations

import numpy as np

from backtest.mechanics.cross_margin import equity_shares


def test_products_beyond_64_bits_are_divided_exactly() -> None:
    equity, required = [2**61 - 1, 1 - 2**61, 999], [2**55 + 1, 3 * 2**54 + 7, 2**50 - 3]
    shares = equity_shares(np.array(equity), np.array(required * 3), np.repeat([0, 1, 2], 3)).tolist()
    total = sum(required)
    for whole, found in zip(equity, (shares[:3], shares[3:6], shares[6:]), strict=True):
        first, second = (whole * each // total for each in required[:2])
        assert found == [first, second, whole - first - second]


def test_no_position_has_no_share() -> None:
    none = np.empty(0, dtype=np.int64)
    assert equity_shares(none, none, none).tolist() == []
