"""An ADL wave: the queue it walks, what it closed, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtest.engine.acts.candidates import CandidateReader
from backtest.engine.acts.front import SMALLEST, Front
from backtest.engine.columns import distinct
from backtest.engine.records import OWNERS, SkippedRow, WatchRow, WaveRow
from backtest.engine.replay import Replay
from backtest.mechanics.adl.close_price import CLOSE_PRICES
from backtest.mechanics.adl.matching import Matches
from backtest.mechanics.adl.queue import Queue
from backtest.mechanics.adl.rankings import scored
from backtest.mechanics.exact import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One walk of the queue: the positions of the side, from row ``first`` of the book, and what it is for."""

    number: int
    symbol: int
    side: int  # of the bankrupts
    value_sign: int  # of their positions
    source: int  # owner's code of the bankrupts
    first: int
    queue: Queue
    price: int | None  # close price in quanta per lot, None for the bankruptcy value


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a wave closed, one entry per slice: rows of winners and bankrupts, money in quanta, breach serials."""

    winners: Ints
    bankrupts: Ints
    serial: Ints
    lots: Ints
    close_value: Ints
    bankruptcy_value: Ints
    entry_value: Ints
    own: int = 0  # of the first slices: bankrupts against the opposite position of their own account

    def after(self, own: Closed) -> Closed:
        """Return slices behind those that bankrupts closed against their own accounts."""
        names = ("winners", "bankrupts", "serial", "lots", "close_value", "bankruptcy_value", "entry_value")
        columns = {name: np.concatenate([getattr(own, name), getattr(self, name)]) for name in names}
        return Closed(**columns, own=len(own.lots))


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a watched position stands: candidates and notional (quanta) in front of it, and its score."""

    row: int
    in_queue: bool
    ahead: int = 0
    notional_ahead: int = 0
    score: float = 0.0


def close_price(replay: Replay, symbol: int) -> int | None:
    """Return the close price of ADL in quanta per lot, None where it is the bankruptcy value."""
    rule, contract = CLOSE_PRICES[replay.world.rules.close_price], replay.world.contracts[symbol]
    return rule.value_per_lot(contract, replay.ledger.marks[symbol], replay.prices.before(symbol))


def open_wave(replay: Replay, symbol: int, side: int, source: int, wanted: int) -> Wave:
    """Freeze the queue against one bankrupt side: open, solvent positions that are not in breach in this step.

    ``wanted``: lots of the side.
    """
    rules = replay.world.rules
    reader = CandidateReader(replay, symbol, -side, rules.ranking)
    replay.waves += 1
    count = 0 if rules.ranking == "none" else reader.block.stop - reader.block.start
    ranking = rules.ranking if rules.allocation.ranked else "none"
    front = front_of(replay, symbol, -side, ranking)
    parts = front.parts(wanted, replay.in_breach, reader.scan_of) if front else ()
    return Wave(
        number=replay.waves,
        symbol=symbol,
        side=side,
        value_sign=-reader.sign,
        source=source,
        first=reader.block.start,
        queue=Queue(reader.scan, reader.exactly, count, ranking, rules.losers, rules.seed + replay.waves, parts),
        price=close_price(replay, symbol),
    )


def front_of(replay: Replay, symbol: int, side: int, ranking: str) -> Front | None:
    """Return the front of a side; None where looking at all of it is as quick, or bounds of scores are not known."""
    rule, block, accounts = scored(ranking), replay.world.blocks[symbol, side], replay.accounts
    if rule is None or not replay.in_floats or replay.world.rules.losers == "excluded":
        return None
    if block.stop - block.start < SMALLEST or (accounts is not None and (accounts.of[block] >= 0).any()):
        return None
    if (symbol, side) not in replay.fronts:
        replay.fronts[symbol, side] = Front(replay.ledger, symbol, side, rule)
    return replay.fronts[symbol, side]


def places(replay: Replay, wave: Wave) -> list[QueuePlace]:
    """Return where each watched position of the side stands, before anyone is closed."""
    book, out = replay.world.book, []
    for row in replay.world.watched:
        if book.symbol[row] != wave.symbol or book.side[row] == wave.side:
            continue
        place = row - wave.first
        if place in wave.queue:
            out.append(QueuePlace(row, True, *wave.queue.ahead(place)))
        else:
            out.append(QueuePlace(row, False))
    return out


def record(
    replay: Replay,
    wave: Wave,
    out: Matches,
    watched: list[QueuePlace],
    closed: Closed,
    *,
    bankrupts: int,
    wanted: int,
    unmatched: int,
) -> None:
    """Write down a wave: its slices, the front of the queue, those passed over, the watched positions."""
    _record_queue(replay, wave, out, closed)
    value_per_lot, closed_lots = replay.ledger.values[wave.symbol], int(closed.lots.sum())
    replay.record.waves.append(
        WaveRow(
            wave=wave.number,
            step=replay.step,
            symbol=wave.symbol,
            side=wave.side,
            source=OWNERS[wave.source],
            bankrupts=bankrupts,
            candidates=wave.queue.size,
            wanted_lots=wanted,
            closed_lots=closed_lots,
            unmatched_lots=unmatched,
            notional=closed_lots * value_per_lot,
            candidate_notional=wave.queue.lots * value_per_lot,
            winners=len(distinct(closed.winners)),
            skipped=len(out.skipped),
            mark=replay.ledger.marks[wave.symbol],
            previous_mark=replay.prices.before(wave.symbol),
            difference=wave.value_sign * int((closed.close_value - closed.bankruptcy_value).sum()),
        )
    )
    for place in watched:
        mine = np.flatnonzero(closed.winners == place.row)
        lots = int(closed.lots[mine].sum())
        replay.record.watch.append(
            WatchRow(
                row=place.row,
                wave=wave.number,
                step=replay.step,
                symbol=wave.symbol,
                in_queue=place.in_queue,
                rank=place.ahead + 1,
                notional_ahead=place.notional_ahead,
                candidates=wave.queue.size,
                score=place.score,
                lots=int(replay.ledger.lots[place.row]) + lots,
                closed_lots=lots,
                close_value=int(closed.close_value[mine].sum()),
                mark=replay.ledger.marks[wave.symbol],
            )
        )


def _record_queue(replay: Replay, wave: Wave, out: Matches, closed: Closed) -> None:
    record, symbol = replay.record, wave.symbol
    top, order = wave.queue.top, wave.queue.order
    place, own = out.place, np.zeros(closed.own, dtype=np.int64)
    shown = min(out.reached() + replay.world.rules.queue_not_reached, len(order))
    value, score = top.value[:shown], wave.queue.scores[:shown]
    ahead = np.cumsum(value) - value
    closed_lots = np.zeros(shown, dtype=np.int64)
    np.add.at(closed_lots, place, closed.lots[closed.own :])
    skipped = np.zeros(shown, dtype=bool)
    skipped[np.array(out.skipped, dtype=np.int64)] = True
    record.slices.add(
        len(closed.lots),
        wave=wave.number,
        step=replay.step,
        symbol=symbol,
        side=wave.side,
        source=wave.source,
        bankrupt_row=closed.bankrupts,
        serial=closed.serial,
        winner_row=closed.winners,
        rank=np.concatenate([own, place + 1]),
        lots=closed.lots,
        close_value=closed.close_value,
        bankruptcy_value=closed.bankruptcy_value,
        mark=replay.ledger.marks[symbol],
        previous_mark=replay.prices.before(symbol),
        notional_ahead=np.concatenate([own, ahead[place]]),
        entry_value=closed.entry_value,
        score=np.concatenate([own, score[place]]),
    )
    record.queue.add(
        shown,
        wave=wave.number,
        step=replay.step,
        symbol=symbol,
        row=wave.first + order[:shown],
        rank=np.arange(1, shown + 1),
        side=-wave.side,
        lots=top.lots[:shown],
        notional=value,
        pnl=top.pnl[:shown],
        equity=top.equity[:shown],
        notional_ahead=ahead,
        closed_lots=closed_lots,
        skipped=skipped,
        score=score,
    )
    record.skipped += [SkippedRow(step=replay.step, symbol=symbol, row=wave.first + int(order[i])) for i in out.skipped]
