"""The tables ledger and funding."""

from __future__ import annotations

import numpy as np

from backtest.engine.records import ACCOUNT, CAUSES, FUND, NONE, OWNERS, VAULT, FundingRow
from backtest.mechanics.exact import Ints
from backtest.run.tables.arrow import named, nullable
from backtest.run.tables.shared import Columns, Shared


def funding(s: Shared) -> tuple[int, Columns]:
    """Accrued funding per event, symbol, side and cohort in 1e-6 quanta; the events of a symbol sum to zero."""
    rows: list[tuple[FundingRow, str, str, int]] = []
    for event in s.record.funding:
        symbol = event.symbol
        for side, lots in event.lots.items():
            block = s.world.blocks[symbol, side]
            for code in range(len(s.book.cohorts)):
                held = int(lots[s.cohorts[block] == code].sum())
                if held:
                    rows.append((event, "long" if side > 0 else "short", s.book.cohorts[code], side * held))
        for name, held in zip(("fund", "vault", "market"), event.owners, strict=True):
            if held:
                rows.append((event, "long" if held > 0 else "short", name, held))
    step = np.array([event.step for event, *_ in rows], dtype=np.int64)
    fetched = _fetched(s, [event for event, *_ in rows])
    return len(rows), {
        "step": step,
        "ts": s.ts(step),
        "symbol": [s.symbols[event.symbol] for event, *_ in rows],
        "side": [side for _, side, _, _ in rows],
        "cohort": [cohort for _, _, cohort, _ in rows],
        "rate": [event.rate_e9 / 1e9 for event, *_ in rows],
        "mark_px": [event.mark * float(s.mark_unit[event.symbol]) for event, *_ in rows],
        "lots": [abs(held) for *_, held in rows],
        "amount_usd": [-held * event.change for event, _, _, held in rows],
        "notional_basis": ["oracle" if event.oracle else "mark" for event, *_ in rows],
        "notional_px": [(event.oracle or event.mark) * float(s.mark_unit[event.symbol]) for event, *_ in rows],
        "fetched_rate": [rate / 1e9 for rate in fetched],
        "clipped": [rate != event.rate_e9 for rate, (event, *_) in zip(fetched, rows, strict=True)],
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
    account = (owners == ACCOUNT) & (account_row != NONE)  # a fund's row is its number
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


def _opening(s: Shared) -> list[dict[str, int]]:
    world, rules = s.world, s.world.rules
    legs = []
    starts = fund_starts(s)
    total = sum(starts) + (rules.vault.capital if rules.vault else 0)
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
        {"owner": FUND, "row": number, "symbol": NONE, "lots": 0, "amount": start}
        for number, start in enumerate(starts)
    ]
    if rules.vault:
        legs.append({"owner": VAULT, "symbol": NONE, "lots": 0, "amount": rules.vault.capital})
    legs.append({"owner": OWNERS.index("opening"), "symbol": NONE, "lots": 0, "amount": -total})
    return [{"entry": 0, "step": 0, "cause": 0, "row": NONE, **leg} for leg in legs]
