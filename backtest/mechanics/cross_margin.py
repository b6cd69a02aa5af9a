"""Cross margin: which positions of an account go first, and what part of its equity stands behind each."""

from __future__ import annotations

from collections.abc import Mapping

from backtest.mechanics.exact import LIMIT, Ints
from backtest.mechanics.numeric import np
from backtest.mechanics.rule import Rule, declared

CROSS_ALLOCATIONS: Mapping[str, Rule] = declared(
    "cross_allocation",
    {
        "by_maintenance": Rule(
            sentence="Of a cross account in breach all positions are liquidated, each with its share of the account's "
            "equity in proportion to maintenance.",
            source="dYdX v4 keeper/liquidations.go at 84d4664b, docs.lighter.xyz, docs.extended.exchange: the ratio of "
            "equity to maintenance stays constant",
        ),
        "one_first": Rule(
            sentence="Of a cross account in breach one position at a time is liquidated with all the account's equity "
            "behind it, that of the largest {cross_order} first.",
            source="a reading of Binance and Bybit cross margin, not verified",
        ),
    },
)
CROSS_ORDERS: Mapping[str, Rule] = declared(
    "cross_order",
    {
        "maintenance": Rule(
            sentence="The position of the largest maintenance margin goes first.",
            source="a reading of Binance and Bybit cross margin, not verified",
        ),
        "loss": Rule(sentence="The position of the largest loss goes first.", source="docs.extended.exchange"),
        "notional": Rule(
            sentence="The position of the largest notional goes first.",
            source="a reading of cross margin, not verified",
        ),
    },
)


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
    begins, ends = np.ones(len(place), dtype=bool), np.ones(len(place), dtype=bool)
    begins[1:] = ends[:-1] = place[1:] != place[:-1]
    first, last = begins.nonzero()[0], ends.nonzero()[0]
    whole, total = equity[place], np.add.reduceat(maintenance, first).repeat(last - first + 1)
    product = whole * maintenance
    large = (np.abs(whole.astype(np.float64)) * maintenance >= LIMIT).nonzero()[0]  # leaves 64 bits
    shares: Ints = product // np.maximum(total, 1)
    if large.size:
        columns = (column[large].tolist() for column in (whole, maintenance, total))
        shares[large] = [amount * required // all_of_it for amount, required, all_of_it in zip(*columns, strict=True)]
    shares[last] += whole[last] - np.add.reduceat(shares, first)
    return shares
