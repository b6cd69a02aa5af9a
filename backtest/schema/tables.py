"""All result tables and views by name.

The Arrow schemas, the DuckDB comments, ``crashbook schema`` and the documentation are made from them.

Examples
--------
>>> TABLES["adl_fills"].columns[0].name
'run_id'
>>> TABLES["liquidations"].column("book_usd").unit
'usd'
"""

from __future__ import annotations

from backtest.schema import actual, adl, book, fund, inputs, ledger, liquidation, path
from backtest.schema.table import Table

FAMILIES = (inputs, path, book, liquidation, fund, adl, ledger, actual)
TABLES: dict[str, Table] = {table.name: table for family in FAMILIES for table in family.TABLES}

VIEWS: dict[str, str] = {
    "cascades": "One row per cascade: start, end, liquidations, notional, price move.",
    "loss_waterfall": "Who bore the losses: collateral, book, fund or vault, ADL, uncovered.",
    "run_summary": "One row: the headline numbers of the run with units in the names.",
    "account_outcomes": "One row per position of the book: forced closes in fact and in the replay.",
    "hedges": "One row per watched position: lots closed, when, at which price, unhedged delta and for how long.",
}
