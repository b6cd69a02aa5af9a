"""The tables actual_liquidations and actual_adl: public fills of the venue, whatever the replay made of it."""

from __future__ import annotations

import polars as pl

from backtest.mechanics.exact import QUANTA_PER_USD
from backtest.run.tables.arrow import plain
from backtest.run.tables.shared import Columns, Shared
from backtest.schema.tables import TABLES

RENAMED = {"account": "user", "liquidated_account": "liquidated_user"}


def actual_liquidations(s: Shared) -> tuple[int, Columns]:
    """Return fills by which the venue liquidated, deleveraging apart."""
    return _of_kind(s, "liquidation", "actual_liquidations")


def actual_adl(s: Shared) -> tuple[int, Columns]:
    """Return fills by which the venue deleveraged winners."""
    return _of_kind(s, "adl", "actual_adl")


def _of_kind(s: Shared, kind: str, table: str) -> tuple[int, Columns]:
    rows = s.market.actual.filter(pl.col("kind") == kind)
    in_quanta = {
        "notional_usd": pl.col("quantity_base") * pl.col("px"),
        "closed_pnl_usd": pl.col("closed_pnl_usd"),
        "fee_usd": pl.col("fee_usd"),
    }
    rows = rows.with_columns(
        (value * QUANTA_PER_USD).round().cast(pl.Int64).alias(name) for name, value in in_quanta.items()
    )
    out = {}
    for column in TABLES[table].columns[1:]:
        values = rows[RENAMED.get(column.name, column.name)]
        if column.kind == "str":
            out[column.name] = values.fill_null("").to_list()
        else:
            missing = values.is_null().to_numpy() if values.null_count() else None
            out[column.name] = plain(values.to_physical().fill_null(0).to_numpy(), column.kind, missing)
    return rows.height, out
