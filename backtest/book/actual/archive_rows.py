"""Rows of the archive as the roll takes them: positions and fills in lots, account values by user."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.mechanics.margin import Tiers

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Unit:
    """Lot and maintenance tiers of a coin, by the venue's spelling."""

    lot: Decimal
    tiers: Tiers


def held_positions(positions: pl.DataFrame, units: Mapping[str, Unit]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return readable positions of coins with units in lots, and counts of the others by reason."""
    import polars as pl

    number = {"size_base": "size", "notional_usd": "notional", "entry_px": "entry_price",
              "liquidation_px": "liquidation_price", "account_value_usd": "account_value"}  # fmt: skip
    rows = positions.select(
        pl.col("user").cast(pl.String).str.to_lowercase(),
        pl.col("market").cast(pl.String).alias("coin"),
        *(pl.col(old).cast(pl.Float64).alias(new) for new, old in number.items()),
        pl.col("leverage_type").cast(pl.String),
        pl.col("leverage").cast(pl.Int64),
        pl.col("account_mode").cast(pl.String).fill_null("standard"),
    ).unique(["user", "coin"], keep="first", maintain_order=True)
    finite = pl.all_horizontal(pl.col(name).is_finite() for name in ("size_base", "notional_usd", "entry_px"))
    good = finite.fill_null(value=False) & (pl.col("entry_px") > 0) & (pl.col("size_base") != 0)
    rows = rows.with_columns(
        left_out=pl.when(~good).then(pl.lit("a number that cannot be read"))
        .when(~pl.col("coin").is_in(list(units))).then(pl.lit("no bars, lot or margin table of the coin"))
        .otherwise(pl.lit(""))
    )  # fmt: skip
    unread = rows.filter(pl.col("left_out") != "").group_by("left_out").agg(
        positions=pl.len(), notional_usd=pl.col("notional_usd").fill_nan(0.0).sum()
    ).sort("left_out")  # fmt: skip
    kept = rows.filter(pl.col("left_out") == "").drop("left_out")
    return kept.with_columns(lots=lots_of("size_base", units)), unread


def lots_of(column: str, units: Mapping[str, Unit]) -> pl.Expr:
    """Return sizes as whole lots: a decimal of up to fifteen digits is met exactly."""
    import polars as pl

    many, few = lot_ratio(units)
    return (pl.col(column).cast(pl.Float64) * many / few).round(0).cast(pl.Int64)


def lot_ratio(units: Mapping[str, Unit]) -> tuple[pl.Expr, pl.Expr]:
    """Return numerator and denominator of lots for each base unit: whole numbers, so that a division rounds once."""
    import polars as pl

    ratios = {coin: (1 / unit.lot).as_integer_ratio() for coin, unit in units.items()}
    many, few = (
        pl.col("coin").replace_strict({coin: float(pair[at]) for coin, pair in ratios.items()}, default=1.0,
                                      return_dtype=pl.Float64)
        for at in (0, 1)
    )  # fmt: skip
    return many, few


def with_values(held: pl.DataFrame, values: pl.DataFrame | None) -> pl.DataFrame:
    """Return positions with one account value and mode for each user, those of the table of account values first."""
    import polars as pl

    first = pl.col("account_value_usd").drop_nulls().first().over("user")
    rows = held.with_columns(account_value_usd=first)
    if values is None or not held.height:
        return rows
    joined = rows.join(values_of(held, values), on="user", how="left", maintain_order="left")
    return joined.with_columns(
        account_value_usd=pl.coalesce("stated", "account_value_usd"),
        account_mode=pl.coalesce("stated_mode", "account_mode"),
    ).drop("stated", "stated_mode")


def values_of(held: pl.DataFrame, values: pl.DataFrame | None) -> pl.DataFrame:
    """Return user, stated and stated_mode: account values at the dex of the positions, else those in the positions."""
    import polars as pl

    if values is None or not held.height:
        stated, mode = pl.col("account_value_usd").first(), pl.col("account_mode").first()
        return held.group_by("user", maintain_order=True).agg(stated.alias("stated"), mode.alias("stated_mode"))
    dex = pl.lit(str(held["coin"][0]).partition(":")[0]) if ":" in str(held["coin"][0]) else pl.lit("hyperliquid")
    return values.filter(pl.col("dex") == dex).select(
        pl.col("user").cast(pl.String).str.to_lowercase(), pl.col("account_value").cast(pl.Float64).alias("stated"),
        pl.col("account_mode").cast(pl.String).alias("stated_mode"),
    ).group_by("user", maintain_order=True).agg(pl.col("stated").sum(), pl.col("stated_mode").first())  # fmt: skip


def moves_before(fills: pl.DataFrame | None, units: Mapping[str, Unit], to: dt.datetime) -> pl.DataFrame:
    """Return fills before a time as the roll takes them."""
    import polars as pl

    schema: dict[str, Any] = {"user": pl.String, "coin": pl.String, "timestamp": pl.Datetime("us"), "lots": pl.Int64,
              "start_lots": pl.Int64, "px": pl.Float64, "lot_base": pl.Float64, "realized_usd": pl.Float64,
              "fee_usd": pl.Float64}  # fmt: skip
    if fills is None:
        return pl.DataFrame(schema=schema)
    lot = {coin: float(unit.lot) for coin, unit in units.items()}
    sign = pl.when(pl.col("side").cast(pl.String) == "buy").then(1).otherwise(-1)
    mine = pl.col("coin").cast(pl.String).is_in(list(units)) & (pl.col("timestamp") < to)
    return fills.filter(mine).with_columns(pl.col("coin").cast(pl.String)).select(
        pl.col("address").cast(pl.String).str.to_lowercase().alias("user"),
        "coin",
        pl.col("timestamp").cast(pl.Datetime("us")),
        (sign * lots_of("size", units)).cast(pl.Int64).alias("lots"),
        lots_of("start_position", units).alias("start_lots"),
        pl.col("price").cast(pl.Float64).alias("px"),
        pl.col("coin").replace_strict(lot, return_dtype=pl.Float64).alias("lot_base"),
        pl.col("realized_pnl").cast(pl.Float64).alias("realized_usd"),
        pl.col("fee").cast(pl.Float64).alias("fee_usd"),
    )  # fmt: skip


def cash_after(accounts: pl.DataFrame, moved: pl.DataFrame, paid: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the cash of each account after profit realised, fees and funding paid."""
    import polars as pl

    gain = pl.col("realized_usd").fill_null(0.0) - pl.col("fee_usd").fill_null(0.0)
    sums = moved.group_by("user").agg(change=gain.sum())
    joined = accounts.join(sums, on="user", how="left", maintain_order="left")
    cash = pl.col("cash_usd") + pl.col("change").fill_null(0.0)
    if paid is not None:
        by_user = paid.group_by("user").agg(pl.col("paid_usd").sum())
        joined = joined.join(by_user, on="user", how="left", maintain_order="left")
        cash = cash - pl.col("paid_usd").fill_null(0.0)
    return joined.select("user", cash_usd=cash)
