"""What stands behind the positions of a snapshot: collateral of accounts and of isolated positions, before any fill.

Cross: the account value less unrealised profit at the snapshot's marks, less what isolated positions hold. Isolated:
what gives the position the venue's own liquidation price, where there is one, else its entry value over its leverage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.book.actual.liquidation_price import isolated_collateral, liquidation_px, maintenance_usd
from backtest.mechanics.margin import Tiers

if TYPE_CHECKING:
    import polars as pl

MODES = ("standard", "dex_abstraction", "unified", "portfolio_margin")
OFF_FRAC = 0.001  # between two liquidation prices that are counted as different


@dataclass(frozen=True, slots=True)
class Behind:
    """Collateral behind a snapshot.

    Attributes
    ----------
    positions
        The rows given, with mark_px, isolated, collateral_usd of isolated positions and model_liquidation_px.
    accounts
        user, cash_usd: account value less all unrealised profit, what isolated positions hold included.
    """

    positions: pl.DataFrame
    accounts: pl.DataFrame


def behind(positions: pl.DataFrame, tables: Mapping[str, Tiers]) -> Behind:
    """Return the collateral behind positions of one margin account a user.

    Parameters
    ----------
    positions
        user, coin, size_base (signed), notional_usd, entry_px, liquidation_px, leverage_type, leverage and
        account_value_usd, the same in all rows of a user.
    tables
        Maintenance tiers by coin.

    Examples
    --------
    Long 1 at 100, marked 110, an account worth 30: 20 of it is cash.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"user": ["a"], "coin": ["X"], "size_base": [1.0], "notional_usd": [110.0],
    ...     "entry_px": [100.0], "liquidation_px": [None], "leverage_type": ["cross"], "leverage": [5],
    ...     "account_value_usd": [30.0]}, schema_overrides={"liquidation_px": pl.Float64})
    >>> found = behind(rows, {"X": Tiers.of([(0, 50_000_000, 0)])})
    >>> found.accounts["cash_usd"].to_list(), found.positions["model_liquidation_px"].round(2).to_list()
    ([20.0], [84.21])
    """
    import polars as pl

    coins = {coin: key for key, coin in enumerate(tables)}
    rows = positions.with_columns(
        mark_px=(pl.col("notional_usd") / pl.col("size_base").abs()).median().over("coin"),
        isolated=pl.col("leverage_type") == "isolated",
        key=pl.col("coin").replace_strict(coins, default=-1, return_dtype=pl.Int64),
    )
    by_key = {coins[coin]: table for coin, table in tables.items()}
    key, size, mark, entry, given = (
        rows[name].cast(kind).to_numpy()
        for name, kind in (
            ("key", pl.Int64), ("size_base", pl.Float64), ("mark_px", pl.Float64), ("entry_px", pl.Float64),
            ("liquidation_px", pl.Float64),
        )
    )  # fmt: skip
    needed = maintenance_usd(key, np.abs(size) * mark, by_key)
    at_price = maintenance_usd(key, np.abs(size) * np.nan_to_num(given), by_key)
    known = np.isfinite(given) & (given > 0)
    solved = isolated_collateral(size, entry, np.nan_to_num(given), at_price)
    leverage = np.maximum(rows["leverage"].cast(pl.Float64).fill_null(1.0).to_numpy(), 1.0)
    own = np.where(known & (solved > 0), solved, np.abs(size) * entry / leverage)
    rows = rows.with_columns(
        collateral_usd=pl.when("isolated").then(pl.Series(own)),
        profit=pl.Series(size * (mark - entry)),
        needed=pl.Series(needed),
    )
    apart = pl.when("isolated").then(pl.col("collateral_usd") + pl.col("profit")).otherwise(0.0)
    cross_need = pl.when("isolated").then(0.0).otherwise("needed").sum().over("user")
    whole = rows.with_columns(
        equity=pl.when("isolated").then(apart).otherwise(pl.col("account_value_usd") - apart.sum().over("user")),
        others=pl.when("isolated").then(0.0).otherwise(cross_need - pl.col("needed")),
    )
    px = liquidation_px(key, size, mark, whole["equity"].to_numpy(), whole["others"].to_numpy(), by_key)
    accounts = rows.group_by("user", maintain_order=True).agg(
        cash_usd=pl.col("account_value_usd").first() - pl.col("profit").sum()
    )
    columns = ["mark_px", "isolated", "collateral_usd"]
    out = rows.select(*positions.columns, *columns).with_columns(model_liquidation_px=pl.Series(px).fill_nan(None))
    return Behind(out, accounts)
