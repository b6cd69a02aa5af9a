"""The tables on what happened: forced fills of the venue, and its own word on every position of a true book."""

from __future__ import annotations

from typing import Any

import polars as pl

from backtest.mechanics.exact import QUANTA_PER_USD
from backtest.run.tables.arrow import plain
from backtest.run.tables.shared import Columns, Shared
from backtest.schema.table import Table
from backtest.schema.tables import TABLES

RENAMED = {"account": "user", "liquidated_account": "liquidated_user"}


def actual_liquidations(s: Shared) -> tuple[int, Columns]:
    """Return fills by which the venue liquidated, deleveraging apart."""
    return _of_kind(s, "liquidation", "actual_liquidations")


def actual_adl(s: Shared) -> tuple[int, Columns]:
    """Return fills by which the venue deleveraged winners."""
    return _of_kind(s, "adl", "actual_adl")


def actual_positions(s: Shared) -> tuple[int, Columns]:
    """Return what the venue said of each position of a true book, and of those that the market holds."""
    origin = s.book.origin
    table = TABLES["actual_positions"]
    if origin is None:
        return 0, _nothing(table)
    ids = {name: account for account, name in s.book.names.items()}
    symbols = {unit.coin: unit.symbol for unit in s.market.instruments}
    held = pl.when(pl.col("left_out") == "").then("account")
    rows = origin.filter(pl.col("symbol").is_in(list(symbols))).with_columns(
        account_id=held.replace_strict(ids, default=None, return_dtype=pl.Int64),
        symbol=pl.col("symbol").replace_strict(symbols, return_dtype=pl.String),
        account_value_usd=(pl.col("account_value_usd") * QUANTA_PER_USD).round().cast(pl.Int64, strict=False),
    )
    return rows.height, _columns(rows, table)


def _of_kind(s: Shared, kind: str, table: str) -> tuple[int, Columns]:
    rows = s.market.actual.filter(pl.col("kind") == kind)
    if rows.is_empty():  # as of most runs
        return 0, _nothing(TABLES[table])
    in_quanta = {
        "notional_usd": pl.col("quantity_base") * pl.col("px"),
        "closed_pnl_usd": pl.col("closed_pnl_usd"),
        "fee_usd": pl.col("fee_usd"),
    }
    rows = rows.with_columns(
        (value * QUANTA_PER_USD).round().cast(pl.Int64).alias(name) for name, value in in_quanta.items()
    )
    renamed = rows.select(pl.all().exclude(*RENAMED), *(pl.col(old).alias(new) for new, old in RENAMED.items()))
    return rows.height, _columns(renamed, TABLES[table])


def _nothing(table: Table) -> Columns:
    """Return the columns of a table without rows."""
    return {column.name: [] for column in table.columns[1:]}


def _columns(rows: pl.DataFrame, table: Table) -> Columns:
    """Return the columns of a table from a frame; texts that are unknown are empty."""
    out: dict[str, Any] = {}
    for column in table.columns[1:]:
        values = rows[column.name]
        if column.kind == "str":
            out[column.name] = values.cast(pl.String).fill_null("").to_list()
        else:
            missing = values.is_null().to_numpy() if values.null_count() else None
            out[column.name] = plain(values.to_physical().fill_null(0).to_numpy(), column.kind, missing)
    return out
