"""Who pays which lots in a wave: by the queue, or every candidate by its share. The seam for further policies.

An allocation gets the candidates of a wave (``Queue``) and what has to be closed (``Claims``), and returns the slices.
It leaves in the queue, as ``order``, the candidates that are worth recording. A new policy that ranks nobody is one
function of ``shares`` and one object here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backtest.mechanics.adl.matching import (
    Claims,
    Matches,
    fewest_lots,
    listed,
    losses,
    match,
    match_at_once,
    match_pool,
)
from backtest.mechanics.adl.policies import shares
from backtest.mechanics.adl.policies.shares import Level, Share
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.exact import exact_sum
from backtest.mechanics.numeric import np
from backtest.mechanics.rule import Rule, declared

SQL = "sql:"  # before an expression over the columns of the queue
OF_USER = SQL + r".+|.+\.py:[A-Za-z_]\w*"
EARLY_STOP = 32  # the part of its lots for which a pool that stops early is first matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation(Rule):
    """Who pays which lots in a wave.

    ``ranked``: whether candidates have a rank. ``close`` takes the candidates, the claims, and how many candidates
    behind the last one reached are recorded. ``exposed``: whether it reads the exposure of whole accounts, and levels
    their factor leverage, which is the score then; ``named``: whether it reads account ids.
    """

    ranked: bool
    close: Callable[[Queue, Claims, int], Matches]
    exposed: bool = False
    named: bool = False


def is_of_user(name: str) -> bool:
    """Return whether an allocation is a user's policy: a function of a Python file, or an SQL expression.

    Examples
    --------
    >>> [is_of_user(name) for name in ("pro_rata", "mine.py:gentle", "sql:pnl_usd / equity_usd", "mine.py")]
    [False, True, True, False]
    """
    return name not in ALLOCATIONS and re.fullmatch(OF_USER, name) is not None


def close_by_queue(queue: Queue, claims: Claims, not_reached: int) -> Matches:
    """Close candidates from the front of the queue, making as much of it as is needed."""
    wanted = sum(listed(claims.lots))
    reach = wanted // EARLY_STOP if claims.target_gain is not None else wanted
    while True:
        order = queue.prefix(reach, not_reached)
        out = (match_pool if claims.pool else match)(claims, queue.top.lots, queue.top.equity)
        if len(order) == queue.size or out.reached() + not_reached < len(order):
            return out
        reach = 4 * reach + 1 + sum(int(queue.top.lots[i]) for i in out.skipped)


def by_shares(share: Share, level: Level | None = None) -> Callable[[Queue, Claims, int], Matches]:
    """Return an allocation without ranks: each candidate pays its share of the lots.

    ``level``: what the shares level; the candidates that paid nothing and stand highest by it are recorded too.
    """

    def close(queue: Queue, claims: Claims, not_reached: int) -> Matches:
        return close_by_shares(queue, claims, share, level, not_reached)

    return close


def close_by_shares(
    queue: Queue, claims: Claims, share: Share, level: Level | None = None, not_reached: int = 0
) -> Matches:
    """Close of every candidate its share; those it would leave below zero are skipped, the rest pay more.

    All candidates of a round whose equity after closing their lots would be below zero are skipped at once, and the
    lots are allocated anew among the rest, until nobody is. Losers that stand last pay what the winners do not hold.
    Slices run through the bankrupts in crossing order and the candidates in order of account.
    """
    queue.everyone()
    rows, late = queue.top, queue.late[queue.order]
    wanted = sum(listed(claims.lots))
    if claims.target_gain is not None:
        wanted = fewest_lots(claims, wanted, int(claims.bankruptcy_values[0]), wanted, claims.target_gain)
    stays = np.ones(len(rows.lots), dtype=bool)
    while True:
        winners = share(rows, stays & ~late, wanted)
        left = wanted - exact_sum(winners)
        pays = winners + share(rows, stays & late, left) if left else winners
        payers = np.flatnonzero(pays)
        out = match_at_once(claims, pays[payers])
        below_zero = payers[rows.equity[payers] < losses(claims, out, len(payers))]
        if not below_zero.size:
            break
        stays[below_zero] = False
    kept = (pays > 0) | ~stays
    if level is not None:
        queue.scores = level(rows)
        spared = np.flatnonzero(~kept & (late if left else ~late))  # winners, or the losers that stand behind them
        kept[spared[np.argsort(-queue.scores[spared], kind="stable")[:not_reached]]] = True
    shown = np.flatnonzero(kept)
    queue.keep(shown)
    out.place = np.searchsorted(shown, payers)[out.place]
    out.skipped = np.flatnonzero(~stays[shown]).tolist()
    return out


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
            close=by_shares(shares.by_lots),
            sentence="ADL closes every candidate in proportion to its notional, in lots by the largest remainder.",
            source="integer pro-rata of Autodeleveraging as Online Learning, arXiv 2602.15182",
        ),
        "capped_pro_rata": Allocation(
            ranked=False,
            close=by_shares(shares.by_capped_lots),
            sentence="ADL closes candidates in proportion to their notional, at most half of each, in whole lots; what "
            "is left goes round again, at most half of what each then has.",
            source="capped pro-rata of arXiv 2512.01112, one cap for all; of notional, in lots and in rounds here",
        ),
        "pro_rata_pnl": Allocation(
            ranked=False,
            close=by_shares(shares.by_pnl),
            sentence="ADL closes candidates in proportion to the profit of their positions, none beyond its position; "
            "those without profit pay by notional what is then left.",
            source="capped pro-rata of winners' PnL, arXiv 2512.01112; in lots of the wave's coin here",
        ),
        "pro_rata_equity": Allocation(
            ranked=False,
            close=by_shares(shares.by_equity),
            sentence="ADL closes candidates in proportion to the equity of their accounts, none beyond its position.",
            source="pro-rata by equity, the endowment of arXiv 2512.01112 v1; in lots of the wave's coin here",
        ),
        "pro_rata_leverage": Allocation(
            ranked=False,
            close=by_shares(shares.by_leverage),
            sentence="ADL closes candidates in proportion to notional x leverage, at most 1,000x, none beyond its "
            "position.",
            source="levered pro-rata of arXiv 2512.01112, made to add up to what is wanted; in lots here",
        ),
        "min_max": Allocation(
            ranked=False,
            close=by_shares(shares.by_min_max),
            sentence="ADL hands out lots one by one, each to the candidate whose lots over equity it leaves the "
            "smallest: the largest part of anybody's equity is the least.",
            source="min-max programme of arXiv 2602.15182, of one coin, where it is solved exactly",
        ),
        "water_filling": Allocation(
            ranked=False,
            close=by_shares(shares.by_factor_leverage, shares.factor_leverage),
            exposed=True,
            sentence="ADL lowers the highest factor leverages to one level, each by its position at most: net value of "
            "the account on the side of that position, all coins moving alike, over equity.",
            source="Risk-Based Auto-Deleveraging, arXiv 2603.15963: single-factor clipped water-filling",
        ),
    },
)
