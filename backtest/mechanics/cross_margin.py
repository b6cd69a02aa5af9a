"""Which positions of a cross account go first, and what part of its equity stands behind each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backtest.mechanics.exact import Ints

CROSS_ALLOCATIONS: Mapping[str, str] = {
    "by_maintenance": "each position bears equity in proportion to its maintenance, their ratio stays constant; dYdX "
    "v4 keeper/liquidations.go at 84d4664b, docs.lighter.xyz, docs.extended.exchange",
    "one_first": "one position after the other, each with all the equity behind it; a reading of Binance and Bybit "
    "cross margin, not verified",
}
CROSS_ORDERS: Mapping[str, str] = {
    "maintenance": "the largest maintenance margin first",
    "loss": "the largest loss first; docs.extended.exchange",
    "notional": "the largest notional first",
}


def equity_shares(equity: Ints, maintenance: Ints, place: Ints) -> Ints:
    """Return the equity behind each position: ``floor(equity x its maintenance / the account's)``, the last the rest.

    Parameters
    ----------
    equity
        Of each account, in quanta; may be below zero.
    maintenance
        Maintenance margin of each position, in quanta, account by account.
    place
        The account of each position, ascending.

    Examples
    --------
    An equity of 100 behind maintenance of 30 and 60; one of -100 behind the same; of 7 behind none.

    >>> equity_shares(np.array([100, -100, 7]), np.array([30, 60, 30, 60, 0, 0]), np.array([0, 0, 1, 1, 2, 2])).tolist()
    [33, 67, -34, -66, 0, 7]
    """
    total = np.bincount(place, minlength=len(equity))  # sizes first: sums of money stay in integers
    at = np.cumsum(total) - total
    sums = np.add.reduceat(maintenance, at).tolist() if len(maintenance) else []
    out, left, before = [], 0, -1
    last = np.append(place[1:] != place[:-1], True).tolist()
    all_equity = equity.tolist()
    for n, who, rest in zip(maintenance.tolist(), place.tolist(), last, strict=True):
        if who != before:
            left, before = all_equity[who], who
        part = left if rest else (all_equity[who] * n // sums[who] if sums[who] else 0)
        out.append(part)
        left -= part
    return np.array(out, dtype=np.int64)
