"""Episodes of breach: which positions have sent an order since they fell into breach, and which pause after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.world import World
from backtest.mechanics.exact import Bools, Ints

NEVER = -1


@dataclass(frozen=True, slots=True)
class Standing:
    """Which positions in breach have sent no order in this episode, and which pause after their first."""

    first_order: Bools
    in_pause: Bools

    def chosen(self, which: Ints) -> Standing:
        """Return that of some of them."""
        return Standing(self.first_order[which], self.in_pause[which])


class Episodes:
    """The episodes of all positions, where the liquidation rule knows a pause.

    An episode ends with a price at which the position is not in breach: that of a step, or the start of the segment
    where the breach is ``passed`` behind it. ``segment`` counts steps, and what is walked again within one; ``clock``
    is the moment at which the step ends.
    """

    def __init__(self, world: World) -> None:
        self.part, self.per_second = world.rules.part, world.per_second
        self.segment = self.clock = 0
        if self.part is not None:
            self._seen: Ints = np.full(len(world.book), NEVER, dtype=np.int64)  # the segment last in breach on
            self._sent_at: Ints = np.full(len(world.book), NEVER, dtype=np.int64)

    def go_on(self, rows: Ints, passed: Ints) -> None:
        """Let the episodes of positions in breach go on if they were in breach at the last price, else start anew."""
        if self.part is not None:
            self._sent_at[rows[(self._seen[rows] < self.segment - 1) | (passed > 0)]] = NEVER
            self._seen[rows] = self.segment

    def standing(self, rows: Ints, passed: Ints) -> Standing:
        """Return where positions in breach stand in their episodes."""
        if self.part is None:
            yes = np.ones(len(rows), dtype=bool)
            return Standing(first_order=yes, in_pause=~yes)
        self.go_on(rows, passed)
        sent = self._sent_at[rows]
        pause = (sent != NEVER) & (self.clock < sent + self.per_second * self.part.pause_s)
        return Standing(first_order=sent == NEVER, in_pause=pause)

    def note_order(self, rows: Ints) -> None:
        """Note the first order of an episode."""
        if self.part is not None:
            self._sent_at[rows] = self.clock
