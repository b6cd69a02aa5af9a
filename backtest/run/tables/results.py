"""All result tables of a finished run."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from backtest.run.finished import Finished
from backtest.run.tables import actual, adl, book, ledger, liquidation, potential, steps
from backtest.run.tables.arrow import build
from backtest.run.tables.shared import Columns, Shared
from backtest.schema.tables import TABLES


def result_tables(done: Finished) -> dict[str, pa.Table]:
    """Return all result tables of a finished run."""
    shared = Shared(done)
    makers: dict[str, Callable[[Shared], tuple[int, Columns]]] = {
        "runs": book.runs,
        "coverage": book.coverage,
        "steps": steps.steps,
        "potential": potential.potential,
        "accounts": book.accounts,
        "positions": book.positions,
        "liquidations": liquidation.liquidations,
        "fund": liquidation.fund,
        "fund_events": liquidation.fund_events,
        "adl_events": adl.adl_events,
        "adl_queue": adl.adl_queue,
        "adl_fills": adl.adl_fills,
        "watch": adl.watch,
        "funding": ledger.funding,
        "ledger": ledger.ledger,
        "actual_liquidations": actual.actual_liquidations,
        "actual_adl": actual.actual_adl,
        "actual_positions": actual.actual_positions,
    }
    out = {}
    for name, maker in makers.items():
        rows, columns = maker(shared)
        out[name] = build(TABLES[name], rows, {"run_id": done.run_id, **columns})
    return out
