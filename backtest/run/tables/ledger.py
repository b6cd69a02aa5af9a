"""The tables ledger and funding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backtest.engine.records import ACCOUNT, CAUSES, FUND, NONE, OWNERS, VAULT, FundingRow
from backtest.engine.world import LONG, SHORT
from backtest.mechanics.exact import Ints
from backtest.run.tables.arrow import named, nullable
from backtest.run.tables.shared import Columns, Shared


@dataclass(frozen=True, slots=True)
class Accrual:
    """Signed lots that a holder, a cohort of positions or an owner, held when funding fell due."""

    event: FundingRow
    holder: str
    lots: int


def _accruals(s: Shared) -> Iterator[Accrual]:
    for event, lots in _lots_when_due(s):
        for side in (LONG, SHORT):
            block = s.world.blocks[event.symbol, side]
            for code, name in enumerate(s.book.cohorts):
                yield Accrual(event, name, side * int(lots[block][s.cohorts[block] == code].sum()))
        for name, held in event.owners.items():
            yield Accrual(event, name, held)


def _lots_when_due(s: Shared) -> Iterator[tuple[FundingRow, Ints]]:
    """Yield each funding event with the lots of all positions when it fell due, which is the first act of a step."""
    t, lots, first = s.transfers, s.world.book.lots.copy(), 0
    for event in s.record.funding:
        last = int(np.searchsorted(t.step, event.step))
        for owner, row in ((t.taker, t.taker_row), (t.giver, t.giver_row)):
            left = first + np.flatnonzero(owner[first:last] == ACCOUNT)
            np.subtract.at(lots, row[left], np.abs(t.lots[left]))  # a position never grows
        first = last
        yield event, lots


def funding(s: Shared) -> tuple[int, Columns]:
    """Accrued funding per event, symbol, side and cohort in 1e-6 quanta; the events of a symbol sum to zero."""
    rows = [accrual for accrual in _accruals(s) if accrual.lots]
    events = [row.event for row in rows]
    step, fetched = np.array([event.step for event in events], dtype=np.int64), _fetched(s, events)
    unit = [float(s.mark_unit[event.symbol]) for event in events]
    return len(rows), {
        "step": step,
        "ts": s.ts(step),
        "symbol": [s.symbols[event.symbol] for event in events],
        "side": ["long" if row.lots > 0 else "short" for row in rows],
        "cohort": [row.holder for row in rows],
        "rate": [event.rate_e9 / 1e9 for event in events],
        "mark_px": [event.mark * each for event, each in zip(events, unit, strict=True)],
        "lots": [abs(row.lots) for row in rows],
        "amount_usd": [-row.lots * row.event.change for row in rows],
        "notional_basis": ["oracle" if event.oracle else "mark" for event in events],
        "notional_px": [(event.oracle or event.mark) * each for event, each in zip(events, unit, strict=True)],
        "fetched_rate": [rate / 1e9 for rate in fetched],
        "clipped": [rate != event.rate_e9 for rate, event in zip(fetched, events, strict=True)],
    }


def _fetched(s: Shared, events: list[FundingRow]) -> list[int]:
    """Return the rate of each event before the venue's cap, in 1e-9."""
    known = {(row.bar - s.done.first_bar, row.symbol): row.fetched_e9 for row in s.market.funding}
    bars = s.world.walk.bar
    return [known[int(bars[event.step - 1]), event.symbol] for event in events]


def ledger(s: Shared) -> tuple[int, Columns]:
    """Write every transfer as two legs, after one opening entry that lists what each owner starts with."""
    t, count = s.transfers, len(s.transfers.step)
    head = _opening(s)
    both = np.repeat(np.arange(count), 2)
    first = np.arange(2 * count) % 2 == 0
    owner = np.where(first, t.taker[both], t.giver[both])
    row = np.where(first, t.taker_row[both], t.giver_row[both])
    sign = np.where(first, 1, -1)

    def joined(name: str, values: Ints) -> Ints:
        return np.concatenate([np.array([leg[name] for leg in head], dtype=np.int64), values])

    step = joined("step", t.step[both])
    owners, account_row = joined("owner", owner), joined("row", row)
    account = (owners == ACCOUNT) & (account_row != NONE)  # a pool's row is its number
    return len(step), {
        "entry_id": joined("entry", both + 1),
        "step": step,
        "ts": s.ts(step),
        "cause": named(joined("cause", t.cause[both] + 1), ("opening", *CAUSES)),
        "symbol": named(joined("symbol", t.symbol[both]) + 1, ("", *s.symbols)),
        "owner": named(owners, OWNERS),
        "serves": s.serves(owners, account_row),
        "account_id": nullable(s.world.book.account[np.where(account, account_row, 0)], ~account),
        "lots": joined("lots", sign * t.lots[both]),
        "amount_usd": joined("amount", sign * t.cash[both]),
    }


def fund_starts(s: Shared) -> list[int]:
    """Return what each fund begins with."""
    rules = s.world.rules
    return [pool.start for pool in rules.pools] or [rules.fund_start]


def vault_starts(s: Shared) -> list[int]:
    """Return what each vault begins with, nothing where there is none."""
    rule = s.world.rules.vault
    return list(rule.capitals) if rule else []


def _opening(s: Shared) -> list[dict[str, int]]:
    world, legs = s.world, []
    starts = {FUND: fund_starts(s), VAULT: vault_starts(s)}
    total = sum(map(sum, starts.values()))
    for symbol in range(len(s.symbols)):
        mine = world.book.symbol == symbol
        lots = int((world.book.side * world.book.lots)[mine].sum())
        cash = int((world.book.collateral - s.sign * world.book.entry_value)[mine].sum())
        market = (
            int(s.value_signs[symbol]) * lots * s.world.contracts[symbol].value_per_lot(int(world.walk.mark[symbol, 0]))
        )
        total += cash + market
        legs += [
            {"owner": OWNERS.index("account"), "symbol": symbol, "lots": lots, "amount": cash},
            {"owner": OWNERS.index("market"), "symbol": symbol, "lots": -lots, "amount": market},
        ]
    legs += [
        {"owner": owner, "row": number, "symbol": NONE, "lots": 0, "amount": start}
        for owner, of_owner in starts.items()
        for number, start in enumerate(of_owner)
    ]
    legs.append({"owner": OWNERS.index("opening"), "symbol": NONE, "lots": 0, "amount": -total})
    return [{"entry": 0, "step": 0, "cause": 0, "row": NONE, **leg} for leg in legs]
