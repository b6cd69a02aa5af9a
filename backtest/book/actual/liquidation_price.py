"""The liquidation price of positions worked out again from margin tables, to be held against the venue's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backtest.mechanics.exact import QUANTA_PER_USD, RATE_ONE, Floats, Ints
from backtest.mechanics.margin import Tiers


def maintenance_usd(coin: Ints, notional: Floats, tables: Mapping[int, Tiers]) -> Floats:
    """Return maintenance margins in USD; ``coin`` is the key of each position's table.

    Examples
    --------
    >>> table = Tiers.of([(0, 12_500_000, 0), (150_000_000 * QUANTA_PER_USD, 25_000_000, 1_875_000 * QUANTA_PER_USD)])
    >>> maintenance_usd(np.array([0, 0]), np.array([1e6, 2e8]), {0: table}).tolist()
    [12500.0, 3125000.0]
    """
    out = np.zeros(len(notional))
    for key, table in tables.items():
        mine = coin == key
        floors, rates, less = _in_usd(table)
        tier = np.searchsorted(floors, notional[mine], side="right") - 1
        out[mine] = np.maximum(notional[mine] * rates[tier] - less[tier], 0.0)
    return out


def liquidation_px(
    coin: Ints, size: Floats, mark: Floats, equity: Floats, others: Floats, tables: Mapping[int, Tiers]
) -> Floats:
    """Return the price of one coin at which an account's equity is its maintenance margin, nan where there is none.

    Only the coin of the position moves, as venues state it.

    Parameters
    ----------
    size
        Signed size in base units.
    equity
        Of the account at the mark, in USD.
    others
        Maintenance margin of its other positions.

    Examples
    --------
    Long 1 at a mark of 100,000 with 10,000 of equity, 1.25 %: 100,000 - (10,000 - 1,250) / (1 - 0.0125).

    >>> table = {0: Tiers.of([(0, 12_500_000, 0)])}
    >>> one = np.ones(1)
    >>> round(float(liquidation_px(np.array([0]), one, one * 100_000, one * 10_000, one * 0, table)[0]), 2)
    91139.24
    """
    out = np.full(len(size), np.nan)
    side, amount = np.sign(size), np.abs(size)
    for key, table in tables.items():
        floors, rates, less = _in_usd(table)
        ends = np.append(floors[1:], np.inf)
        for floor, end, rate, deduction in zip(floors, ends, rates, less, strict=True):
            mine = np.flatnonzero((coin == key) & (amount > 0) & np.isnan(out))
            fixed = side[mine] * amount[mine] * mark[mine] - equity[mine] + others[mine] - deduction
            px = fixed / (amount[mine] * (side[mine] - rate))
            value = px * amount[mine]
            fits = (px > 0) & (value >= floor) & (value < end)
            out[mine[fits]] = px[fits]
    return out


def isolated_collateral(size: Floats, entry: Floats, px: Floats, maintenance: Floats) -> Floats:
    """Return the collateral with which a position has its liquidation price; ``maintenance`` is that at the price.

    Examples
    --------
    >>> one = np.ones(1)
    >>> isolated_collateral(one, one * 100.0, one * 90.0, one * 1.8).tolist()
    [11.8]
    """
    out: Floats = maintenance - size * (px - entry)
    return out


def _in_usd(table: Tiers) -> tuple[Floats, Floats, Floats]:
    return table.floors / QUANTA_PER_USD, table.rates_e9 / RATE_ONE, table.deductions / QUANTA_PER_USD
