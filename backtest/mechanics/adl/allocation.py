"""Who pays which lots in a wave: by the queue, or every candidate in proportion. The seam for further policies.

An allocation gets the candidates of a wave (``Queue``) and what has to be closed (``Claims``), and returns the slices.
It leaves in the queue, as ``order``, the candidates that are worth recording. A new policy is one function and one
object here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backtest.mechanics.adl.matching import Claims, Matches, fewest_lots, losses, match, match_at_once, match_pool
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.exact import Ints, exact_sum, mul_div
from backtest.mechanics.rule import Rule, declared

EARLY_STOP = 32  # the part of its lots for which a pool that stops early is first matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation(Rule):
    """Who pays which lots in a wave.

    ``ranked``: whether candidates have a rank. ``close`` takes the candidates, the claims, and how many candidates
    behind the last one reached are recorded.
    """

    ranked: bool
    close: Callable[[Queue, Claims, int], Matches]


def close_by_queue(queue: Queue, claims: Claims, not_reached: int) -> Matches:
    """Close candidates from the front of the queue, making as much of it as is needed."""
    wanted = sum(claims.lots)
    reach = wanted // EARLY_STOP if claims.target_gain is not None else wanted
    while True:
        order = queue.prefix(reach, not_reached)
        lots, equity = queue.top.lots.tolist(), queue.top.equity.tolist()
        out = (match_pool if claims.pool else match)(claims, lots, equity)
        if len(order) == queue.size or out.reached() + not_reached < len(order):
            return out
        reach = 4 * reach + 1 + sum(int(queue.top.lots[i]) for i in out.skipped)


def close_pro_rata(queue: Queue, claims: Claims, not_reached: int) -> Matches:
    """Close every candidate in proportion to its lots; those it would leave below zero are skipped, the rest pay more.

    All candidates of a round whose equity after closing their lots would be below zero are skipped at once, and the
    lots are allocated anew among the rest, until nobody is. Slices run through the bankrupts in crossing order and the
    candidates in order of account.
    """
    queue.everyone()
    lots, equity, late = queue.top.lots, queue.top.equity, queue.late[queue.order]
    wanted = sum(claims.lots)
    if claims.target_gain is not None:
        wanted = fewest_lots(claims, wanted, claims.bankruptcy_values[0], wanted, claims.target_gain)
    stays = np.ones(len(lots), dtype=bool)
    while True:
        winners = largest_remainder(np.where(stays & ~late, lots, 0), wanted)
        losers = largest_remainder(np.where(stays & late, lots, 0), wanted - exact_sum(winners))
        pays = winners + losers
        payers = np.flatnonzero(pays)
        out = match_at_once(claims, pays[payers].tolist())
        below_zero = payers[equity[payers] < losses(claims, out, len(payers))]
        if not below_zero.size:
            break
        stays[below_zero] = False
    shown = np.flatnonzero((pays > 0) | ~stays)
    queue.keep(shown)
    out.place = np.searchsorted(shown, payers)[out.place]
    out.skipped = np.flatnonzero(~stays[shown]).tolist()
    return out


def largest_remainder(lots: Ints, wanted: int) -> Ints:
    """Return how many lots each pays of the lots wanted: in proportion to its own, whole, never more than it holds.

    Each pays the floor of its share; what is left goes, one lot each, to the largest remainders, ties in order.

    Examples
    --------
    Seven of 5, 3 and 2: shares 3.5, 2.1 and 1.4. Two of three equal ones. More than there are.

    >>> largest_remainder(np.array([5, 3, 2]), 7).tolist(), largest_remainder(np.array([4, 4, 4]), 2).tolist()
    ([4, 2, 1], [1, 1, 0])
    >>> largest_remainder(np.array([5, 3]), 9).tolist()
    [5, 3]
    """
    total = exact_sum(lots)
    if wanted >= total:
        return lots
    pays = mul_div(lots, wanted, total)
    remainder = lots * wanted - pays * total  # both products may wrap at 64 bits, their difference fits
    left = wanted - exact_sum(pays)
    pays[np.argsort(-remainder, kind="stable")[:left]] += 1
    return pays


ALLOCATIONS: Mapping[str, Allocation] = declared(
    "adl_allocation",
    {
        "queue": Allocation(
            ranked=True,
            close=close_by_queue,
            sentence="ADL closes candidates from the front of the queue, each whole, the last in part.",
            source="BitMEX app/autoDeleveraging, and every venue whose queue is published",
        ),
        "pro_rata": Allocation(
            ranked=False,
            close=close_pro_rata,
            sentence="ADL closes every candidate in proportion to its notional, in lots by the largest remainder.",
            source="integer pro-rata of Autodeleveraging as Online Learning, arXiv 2602.15182",
        ),
    },
)
