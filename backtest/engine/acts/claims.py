"""Claims of positions in breach on a pool: their order, what each brings a pool, and how they are handed over."""

from __future__ import annotations

import numpy as np

from backtest.engine.owners import Party, Rows, code_of
from backtest.engine.records import Breaches
from backtest.engine.replay import Replay
from backtest.mechanics.exact import Bools, Ints

FIRST_RUN, LONGEST_RUN = 32, 1 << 16  # claims that a pool looks at together


def hand_over(
    replay: Replay, breaches: Breaches, at: Ints, lots: Ints, pool: Party, *, cause: str = "takeover"
) -> None:
    """Move lots in breach to a pool at their bankruptcy value, in order."""
    value = breaches.cut(at, lots)
    if cause == "takeover":
        breaches.takeover_lots[at] += lots
        breaches.takeover_value[at] += value
        breaches.takeover_by[at] = code_of(pool)
    replay.ledger.move(
        cause,
        symbol=breaches.symbol[at],
        taker=Rows(breaches.row[at]),
        giver=pool,
        lots=-breaches.side[at] * lots,
        cash=breaches.value_sign[at] * value,
        serial=breaches.serial[at],
    )


def gains(replay: Replay, breaches: Breaches, at: Ints) -> Ints:
    """Return what taking each claim whole adds to the equity of who takes it, at the marks at the end of the step."""
    value = breaches.lots_left[at] * replay.ledger.lot_values(breaches.symbol[at])
    gain: Ints = breaches.value_sign[at] * (value - breaches.value_left[at])
    return gain


def by_account(replay: Replay, breaches: Breaches, at: Ints) -> Ints:
    """Return claims in the order in which accounts are visited: each account once, at its first claim in the step."""
    assert replay.accounts is not None
    owner = replay.accounts.of[breaches.row]
    own = np.where(owner >= 0, owner, -1 - np.arange(len(owner)))
    _, first, place = np.unique(own, return_index=True, return_inverse=True)
    return at[np.argsort(first[place][at], kind="stable")]


def leading(ok: Bools) -> int:
    """Return how many are true before the first that is not."""
    return len(ok) if ok.all() else int(ok.argmin())
