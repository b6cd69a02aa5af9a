"""A run in progress: the one object that every act works on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backtest.engine.acts.drawdown import FundMonitor
from backtest.engine.acts.front import Front
from backtest.engine.columns import distinct
from backtest.engine.detect.account_bounds import AccountBounds
from backtest.engine.detect.accounts import CrossAccounts
from backtest.engine.detect.episodes import Episodes
from backtest.engine.detect.isolated import Ladder
from backtest.engine.detect.isolated_stepped import SteppedLadder
from backtest.engine.exact_range import check_range
from backtest.engine.figures import fits_floats
from backtest.engine.ledger import Ledger
from backtest.engine.liquidity import Liquidity
from backtest.engine.prices import Prices
from backtest.engine.records import Record
from backtest.engine.world import FundingEvent, World
from backtest.mechanics.adl.close_price import EXHAUSTION
from backtest.mechanics.exact import Ints
from backtest.mechanics.margin_stepped import steps_up

NO_ROWS: Ints = np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class Replay:
    """Ledger, prices, record and what is known of the next breaches; then the figures of the step in progress.

    ``opening_equity`` is that of each position where its gain is asked for. ``in_floats``: every
    amount of a position is exact as a float. ``in_breach`` are rows in breach in this
    step, ``in_segment`` those of the segment in progress; both ascend. ``in_round`` are the cross accounts of the
    round. ``quiet`` counts steps without a breach. ``losses`` are quanta by symbol that exhausted queues have left to
    socialise in this round. ``changed`` are rows that moves changed since the last segment. ``fronts`` are those of
    the sides that had a wave.
    """

    world: World
    record: Record
    ledger: Ledger
    prices: Prices
    liquidity: Liquidity
    monitor: FundMonitor
    in_floats: bool
    episodes: Episodes
    ladders: dict[tuple[int, int], Ladder | SteppedLadder]
    accounts: CrossAccounts | None
    bounds: AccountBounds | None
    opening_equity: Ints
    funding_at: dict[int, list[FundingEvent]]
    losses: list[int]
    in_breach: Ints = field(default_factory=NO_ROWS.copy)
    in_segment: Ints = field(default_factory=NO_ROWS.copy)
    in_round: Ints = field(default_factory=NO_ROWS.copy)
    step: int = 0
    quiet: int = 0
    waves: int = 0
    changed: list[Ints] = field(default_factory=list)
    fronts: dict[tuple[int, int], Front] = field(default_factory=dict)

    @staticmethod
    def begin(world: World) -> Replay:
        """Set up a run before its first step.

        Raises
        ------
        RangeError
            If lots times prices could leave the exact range.
        """
        check_range(world)
        record = Record()
        ledger, prices = Ledger(world, record), Prices(world)
        of = world.book.cross_account
        accounts = None if of is None else CrossAccounts(ledger, of)
        funding: dict[int, list[FundingEvent]] = {}
        for event in world.funding:
            funding.setdefault(event.bar * world.walk.parts + 1, []).append(event)
        by_gain = EXHAUSTION[world.rules.on_exhausted].bearers == "winners"
        replay = Replay(
            world=world,
            record=record,
            ledger=ledger,
            prices=prices,
            liquidity=Liquidity(world),
            monitor=FundMonitor(ledger),
            in_floats=fits_floats(world),
            episodes=Episodes(world),
            ladders={pair: ladder_of(ledger, prices, *pair) for pair in world.blocks},
            accounts=accounts,
            bounds=None if accounts is None else AccountBounds(accounts, prices),
            opening_equity=ledger.row_equity() if by_gain else NO_ROWS,
            funding_at=funding,
            losses=[0] * len(world.symbols),
        )
        ledger.caches.append(replay.note)
        return replay

    def note(self, rows: Ints) -> None:
        """Note rows that a move changed."""
        self.changed.append(rows)

    def enter(self, number: int) -> None:
        """Move the clock to a step: its prices, a new bar's liquidity, the count of quiet steps."""
        passed = number - self.step
        self.step = self.record.step = number
        self.record.round = 1
        self.quiet += passed
        self.episodes.segment += passed
        self.episodes.clock = int(self.world.moments[number])
        self.prices.enter(number)
        self.liquidity.enter(number)
        self.monitor.enter(number)
        self.in_breach = NO_ROWS

    def walks_again(self) -> bool:
        """Return whether the impact of this step's orders moves the mark, and lead the next segment there."""
        if not self.prices.again(self.liquidity.flow):
            return False
        self.episodes.segment += 1
        self.record.round += 1
        return True

    def reinsert(self) -> None:
        """Put positions that changed or were in breach back where their next breach is found."""
        rows = np.concatenate([self.in_segment, *self.changed])
        self.changed.clear()
        if not rows.size:
            return
        book = self.world.book
        if self.bounds is not None and book.cross_account is not None:
            self.bounds.reinsert(rows)
            rows = rows[book.cross_account[rows] < 0]
        if book.exempt is not None:
            rows = rows[~book.exempt[rows]]
        rows = distinct(rows[self.ledger.lots[rows] > 0])
        ends = rows.searchsorted([block.stop for block in self.world.blocks.values()]).tolist()
        for pair, first, last in zip(self.world.blocks, [0, *ends], ends, strict=False):
            if first < last:
                self.ladders[pair].reinsert(rows[first:last])


def ladder_of(ledger: Ledger, prices: Prices, symbol: int, side: int) -> Ladder | SteppedLadder:
    """Return the ladder of a symbol and side that its margin schedule needs."""
    if steps_up(ledger.world.tiers[symbol]):
        return SteppedLadder(ledger, symbol, side, prices.reachable(symbol))
    return Ladder(ledger, symbol, side, prices.reachable(symbol))
