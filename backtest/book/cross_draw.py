"""Cross accounts of a drawn book: their sizes, positions, leverage, and the equity that their positions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from backtest.book.holders import Holders, draw_holders, shuffled
from backtest.book.leverage import Mixes, draw_leverage
from backtest.book.sides import LEVERAGE, SIDES, Side, account_sizes, stream_of
from backtest.mechanics.exact import Floats, Ints
from backtest.scenario.fields import Scenario

CROSS = 3  # last key of their generators; those of positions alone have no such key
FINE = 1000  # quanta: notional of accounts is counted in these, so that all coins together stay in 64 bits


@dataclass(slots=True, eq=False)
class CrossDraw:
    """Cross accounts while they are drawn; the account of a position is its place here, not yet its id."""

    scenario: Scenario
    holders: Holders
    root: int
    rng: np.random.Generator
    weights: dict[int, Floats]  # by side, size of the account of each rank
    leverage: Floats = field(default_factory=lambda: np.empty(0))

    @classmethod
    def of(cls, scenario: Scenario, share: float, each: float, interest: Sequence[float], root: int) -> Self:
        """Draw which coins the accounts hold, and their sizes."""
        rng = stream_of(root, CROSS)
        holders = draw_holders(scenario, share, each, interest, rng)
        weights = {
            side: account_sizes(scenario, holders.pairs, stream_of(root, side + 1, CROSS), crossed=True)[::-1]
            for side in SIDES
        }
        return cls(scenario, holders, root, rng, weights)

    def owners(self, side: Side) -> Ints:
        """Return the account of each cross position of a side, by its place."""
        return self.holders.accounts(side.symbol, side.side)

    def draw(self, sides: Sequence[Side], mixes: Mixes, first: int) -> list[str]:
        """Add the positions to the sides and draw the leverage of the accounts; return notes.

        Ids begin at ``first`` and do not follow sizes.
        """
        ids = first + stream_of(self.root, CROSS, 1).permutation(2 * self.holders.pairs)
        for side in sides:
            rng, ranks = stream_of(self.root, side.key, side.side + 1, CROSS), self.holders.ranks[side.symbol]
            weights = self.weights[side.side][ranks[shuffled(len(ranks), rng)]]
            lots = side.share_out(self.scenario, weights, side.crossed)
            side.add(self.scenario, lots, ids[self.owners(side)], rng)
        notes = self._draw_leverage(sides, mixes)
        return [*notes, self._note(sides)]

    def _draw_leverage(self, sides: Sequence[Side], mixes: Mixes) -> list[str]:
        """Draw one leverage an account: by side, and by mixture where coins differ in it."""
        scenario, count = self.scenario, 2 * self.holders.pairs
        owner = np.concatenate([self.owners(side) for side in sides])
        values = [side.of_cross(side.value()) for side in sides]
        factors = [side.coin.leverage_factor(scenario.leverage_exponent) for side in sides]
        value, least = np.concatenate(values), np.concatenate([side.of_cross(side.least()) for side in sides])
        scaled = np.concatenate([each / factor for each, factor in zip(values, factors, strict=True)])
        notional = np.zeros(count, dtype=np.int64)
        np.add.at(notional, owner, -(-value // FINE))
        whole = np.bincount(owner, value, count)
        limits, factor = whole / np.bincount(owner, least, count), whole / np.bincount(owner, scaled, count)
        coin = np.concatenate([np.full(len(each), side.symbol) for each, side in zip(values, sides, strict=True)])
        order = np.lexsort((value, owner))
        main = coin[order[np.searchsorted(owner[order], np.arange(count), side="right") - 1]]
        cohort, self.leverage, notes = np.empty(count, dtype=np.int64), np.empty(count), list[str]()
        for s, name in zip(SIDES, ("long", "short"), strict=True):
            of_coin = mixes.of_side(s)
            for mix in dict.fromkeys(of_coin):
                coins = [k for k, each in enumerate(of_coin) if each == mix]
                mine = np.flatnonzero(((np.arange(count) < self.holders.pairs) == (s > 0)) & np.isin(main, coins))
                drawn = draw_leverage(
                    f"cross accounts, {name}",
                    notional[mine],
                    limits[mine],
                    factor[mine],
                    mix,
                    self.rng,
                    by_size=stream_of(self.root, s + 1, LEVERAGE),
                    neutral_frac=scenario.delta_neutral_frac if s < 0 else 0.0,
                    eligible=~self.holders.hedged[mine % self.holders.pairs],
                )
                self.leverage[mine], cohort[mine] = drawn.leverage, mixes.codes(mix, drawn.bucket)
                notes += drawn.notes
        for side in sides:
            side.cohort = np.concatenate([side.cohort, cohort[self.owners(side)]])
        return notes

    def share_equity(self, sides: Sequence[Side], equities: Sequence[Ints]) -> None:
        """Add to each position's least equity its share, by notional, of what its account has beyond."""
        owner = np.concatenate([self.owners(side) for side in sides])
        value = np.concatenate([side.of_cross(side.value()) for side in sides])
        least = np.concatenate([side.of_cross(equity) for side, equity in zip(sides, equities, strict=True)])
        whole = np.bincount(owner, value, 2 * self.holders.pairs)
        beyond = np.maximum(whole / self.leverage - np.bincount(owner, least, len(whole)), 0.0) / whole
        for side, equity in zip(sides, equities, strict=True):
            more = side.of_cross(side.value()) * beyond[self.owners(side)]
            equity[len(side.leverage) :] += np.ceil(more).astype(np.int64)

    def _note(self, sides: Sequence[Side]) -> str:
        """Return the note on the number of cross accounts and their share of notional."""
        cross = sum(int(side.of_cross(side.value()).sum()) for side in sides)
        total = sum(int(side.value().sum()) for side in sides)
        hedged = 2 * int(self.holders.hedged.sum())
        return (
            f"cross accounts: {2 * self.holders.pairs:,} with {self.holders.rows:,} positions and "
            f"{cross / total:.3f} of notional, {hedged:,} of them long and short"
        )
