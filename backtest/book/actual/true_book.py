"""A snapshot and fills made a book: what is kept, what is left to the market and why, counted to the last position."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.book.actual.collateral import OFF_FRAC, behind
from backtest.book.actual.roll import roll
from backtest.errors import BookError
from backtest.mechanics.margin import Tiers
from backtest.schema.coins import coin_name

if TYPE_CHECKING:
    import polars as pl

ORIGIN = (
    *("account", "symbol", "side", "quantity_base", "mark_px", "liquidation_px", "model_liquidation_px"),
    *("account_value_usd", "account_mode", "leverage_type", "snapshot_quantity_base", "left_out"),
)


@dataclass(frozen=True, slots=True)
class Unit:
    """Lot and maintenance tiers of a coin, by the venue's spelling."""

    lot: Decimal
    tiers: Tiers


@dataclass(frozen=True, slots=True)
class TrueBook:
    """A book with the columns of an imported one, and what is known of each of its positions beside it.

    Attributes
    ----------
    rows
        account, symbol, side, quantity_base, entry_px, collateral_usd, margin_mode, cohort, name.
    origin
        account, symbol, side, quantity_base, mark_px, liquidation_px, model_liquidation_px, account_value_usd,
        account_mode, leverage_type, snapshot_quantity_base, left_out: of every position at the start.
    counts
        Figures of the summary by name.
    left_out
        Positions that the market holds, and their notional at the snapshot's marks, by reason.
    differences
        Longs less shorts in base units, by coin, of all positions at the start.
    """

    rows: pl.DataFrame
    origin: pl.DataFrame
    counts: Mapping[str, float]
    left_out: pl.DataFrame
    differences: Mapping[str, float]


def true_book(
    positions: pl.DataFrame, values: pl.DataFrame | None, fills: pl.DataFrame | None, units: Mapping[str, Unit],
    to: dt.datetime,
) -> TrueBook:  # fmt: skip
    """Return the book at a time.

    Parameters
    ----------
    positions, values, fills
        Rows of the archive as documented; account values of a user win over those in its positions.
    units
        Lot and tiers of the coins that can be replayed, by the venue's spelling; others are left out.
    to
        Fills before this time are applied.

    Raises
    ------
    BookError
        No position is left.
    """
    import polars as pl

    held, unread = _held(positions, units)
    held = _with_values(held, values)
    tables = {coin: unit.tiers for coin, unit in units.items()}
    stands = behind(held, tables)
    moves = _moves(fills, units, to)
    rolled = roll(held.select("user", "coin", "lots", "entry_px"), moves)
    lot = {coin: float(unit.lot) for coin, unit in units.items()}
    state = _state(rolled.positions, stands.positions, units)
    cash = _cash(stands.accounts, rolled.cash)
    state = state.join(cash, on="user", how="left", maintain_order="left")
    state = state.with_columns(left_out=_left_out())
    book = _rows(state.filter(pl.col("left_out") == ""))
    if not book.height:
        reasons = ", ".join(state["left_out"].unique().sort().to_list()) or "there is none"
        raise BookError(
            f"no position of the snapshot is left ({reasons}); check the snapshot and the coins of the lake"
        )
    usd = pl.col("quantity_base") * pl.col("mark_px")
    left = state.filter(pl.col("left_out") != "").group_by("left_out").agg(
        positions=pl.len(), notional_usd=usd.sum()
    ).sort("left_out")  # fmt: skip
    if unread.height:
        left = pl.concat([left, unread], how="diagonal_relaxed")
    signed = pl.when(pl.col("side") == "long").then(pl.col("lots")).otherwise(-pl.col("lots")).sum()
    sums = state.group_by("coin").agg(signed.alias("lots")).filter(pl.col("lots") != 0).sort("coin")
    return TrueBook(
        rows=book,
        origin=_origin(state),
        counts=_counts(held, stands.positions, rolled.fills, rolled.breaks, rolled.cash, state, book),
        left_out=left,
        differences={coin_name(coin): lots * lot[coin] for coin, lots in sums.rows()},
    )


def _held(positions: pl.DataFrame, units: Mapping[str, Unit]) -> tuple[pl.DataFrame, pl.DataFrame]:
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
    return kept.with_columns(lots=_lots("size_base", units)), unread


def _lots(column: str, units: Mapping[str, Unit]) -> pl.Expr:
    """Return sizes as whole lots: a decimal of up to fifteen digits is met exactly."""
    import polars as pl

    many, few = _ratio(units)
    return (pl.col(column).cast(pl.Float64) * many / few).round(0).cast(pl.Int64)


def _ratio(units: Mapping[str, Unit]) -> tuple[pl.Expr, pl.Expr]:
    """Return numerator and denominator of lots for each base unit: whole numbers, so that a division rounds once."""
    import polars as pl

    ratios = {coin: (1 / unit.lot).as_integer_ratio() for coin, unit in units.items()}
    many, few = (
        pl.col("coin").replace_strict({coin: float(pair[at]) for coin, pair in ratios.items()}, default=1.0,
                                      return_dtype=pl.Float64)
        for at in (0, 1)
    )  # fmt: skip
    return many, few


def _with_values(held: pl.DataFrame, values: pl.DataFrame | None) -> pl.DataFrame:
    """Return positions with one account value and mode for each user, those of the table of account values first."""
    import polars as pl

    first = pl.col("account_value_usd").drop_nulls().first().over("user")
    rows = held.with_columns(account_value_usd=first)
    if values is None or not held.height:
        return rows
    dex = pl.lit(str(held["coin"][0]).partition(":")[0]) if ":" in str(held["coin"][0]) else pl.lit("hyperliquid")
    known = values.filter(pl.col("dex") == dex).select(
        pl.col("user").cast(pl.String).str.to_lowercase(), pl.col("account_value").cast(pl.Float64).alias("stated"),
        pl.col("account_mode").cast(pl.String).alias("stated_mode"),
    ).group_by("user", maintain_order=True).agg(pl.col("stated").sum(), pl.col("stated_mode").first())  # fmt: skip
    joined = rows.join(known, on="user", how="left", maintain_order="left")
    return joined.with_columns(
        account_value_usd=pl.coalesce("stated", "account_value_usd"),
        account_mode=pl.coalesce("stated_mode", "account_mode"),
    ).drop("stated", "stated_mode")


def _moves(fills: pl.DataFrame | None, units: Mapping[str, Unit], to: dt.datetime) -> pl.DataFrame:
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
        (sign * _lots("size", units)).cast(pl.Int64).alias("lots"),
        _lots("start_position", units).alias("start_lots"),
        pl.col("price").cast(pl.Float64).alias("px"),
        pl.col("coin").replace_strict(lot, return_dtype=pl.Float64).alias("lot_base"),
        pl.col("realized_pnl").cast(pl.Float64).alias("realized_usd"),
        pl.col("fee").cast(pl.Float64).alias("fee_usd"),
    )  # fmt: skip


def _state(rolled: pl.DataFrame, before: pl.DataFrame, units: Mapping[str, Unit]) -> pl.DataFrame:
    """Return positions at the start with what the snapshot says of them and their account."""
    import polars as pl

    own = before.select(
        *("user", "coin", "mark_px", "liquidation_px", "model_liquidation_px"),
        *("leverage_type", "leverage", "isolated", "collateral_usd"),
    )
    of_user = before.group_by("user").agg(pl.col("account_value_usd", "account_mode").first())
    marks = before.group_by("coin").agg(pl.col("mark_px").first().alias("coin_mark_px"))
    state = rolled.join(own, on=["user", "coin"], how="left", maintain_order="left")
    state = state.join(of_user, on="user", how="left", maintain_order="left")
    state = state.join(marks, on="coin", how="left", maintain_order="left")
    many, few = _ratio(units)
    grown = pl.col("lots").abs() - pl.col("first_lots").abs()
    turned = pl.col("lots").sign() != pl.col("first_lots").sign()
    old, now = pl.col("first_lots").abs(), pl.col("lots").abs()
    added = (
        pl.when(turned).then(now).otherwise(grown.clip(0))
        * few
        / many
        * pl.col("entry_px")
        / pl.col("leverage").fill_null(1)
    )
    kept = pl.when(turned).then(0.0).otherwise(pl.col("collateral_usd") * pl.min_horizontal(1.0, now / old))
    return state.with_columns(
        side=pl.when(pl.col("lots") > 0).then(pl.lit("long")).otherwise(pl.lit("short")),
        quantity_base=now * few / many,
        snapshot_quantity_base=pl.when(turned).then(0.0).otherwise(old * few / many),
        mark_px=pl.coalesce("mark_px", "coin_mark_px"),
        isolated=pl.col("isolated").fill_null(value=False),
        collateral_usd=pl.when("isolated").then(kept + added),
        liquidation_px=pl.when(~turned & (pl.col("liquidation_px") > 0)).then("liquidation_px"),
        model_liquidation_px=pl.when(~turned).then("model_liquidation_px"),
        lots=now,
    )


def _cash(accounts: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Return the cash of each account after profit realised and fees."""
    import polars as pl

    sums = moved.group_by("user").agg(
        change=(pl.col("realized_usd").fill_null(0.0) - pl.col("fee_usd").fill_null(0.0)).sum()
    )
    joined = accounts.join(sums, on="user", how="left", maintain_order="left")
    return joined.select("user", cash_usd=pl.col("cash_usd") + pl.col("change").fill_null(0.0))


def _left_out() -> pl.Expr:
    import polars as pl

    value = pl.col("account_value_usd")
    return (
        pl.when(value.is_null() | value.is_nan() | pl.col("cash_usd").is_null())
        .then(pl.lit("no account value: opened after the snapshot"))
        .when(value <= 0).then(pl.lit("account value of zero or less"))
        .otherwise(pl.lit(""))
    )  # fmt: skip


def _rows(state: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a book; the cash of an account less its isolated collateral stands in its first cross row."""
    import polars as pl

    alone = pl.col("collateral_usd").fill_null(0.0).sum().over("user")
    first = (~pl.col("isolated")).cum_sum().over("user") == 1
    cross = pl.when(first & ~pl.col("isolated")).then(pl.col("cash_usd") - alone)
    return state.with_columns(margin=pl.when("isolated").then("collateral_usd").otherwise(cross)).select(
        account=pl.col("user"),
        symbol=pl.col("coin").str.to_uppercase().str.replace(":", "-", literal=True),
        side="side",
        quantity_base="quantity_base",
        entry_px="entry_px",
        collateral_usd=pl.col("margin").round(6),
        margin_mode=pl.when("isolated").then(pl.lit("isolated")).otherwise(pl.lit("cross")),
        cohort="account_mode",
        name=pl.col("user"),
    ).sort("symbol", "side", "account")  # fmt: skip


def _origin(state: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    symbol = pl.col("coin").str.to_uppercase().str.replace(":", "-", literal=True)
    named = state.with_columns(account=pl.col("user"), symbol=symbol)
    return named.select(ORIGIN).sort("symbol", "side", "account")


def _counts(
    held: pl.DataFrame, before: pl.DataFrame, fills: int, breaks: pl.DataFrame, cash: pl.DataFrame, state: pl.DataFrame,
    book: pl.DataFrame,
) -> dict[str, float]:  # fmt: skip
    """Return the figures of the summary."""
    import polars as pl

    both = before.filter((pl.col("liquidation_px") > 0) & pl.col("model_liquidation_px").is_not_null())
    off = (pl.col("model_liquidation_px") / pl.col("liquidation_px") - 1).abs() > OFF_FRAC
    realised = (pl.col("realized_usd") - pl.col("own_realized_usd")).abs()
    usd = (pl.col("quantity_base") * pl.col("mark_px")).sum()
    modes = state.group_by("account_mode").agg(pl.col("user").n_unique(), usd.alias("usd")).drop_nulls()
    return {
        "positions in the snapshot": held.height,
        "fills applied": fills,
        "positions at the start": state.height,
        "positions in the book": book.height,
        "accounts in the book": book["account"].n_unique(),
        "fills after a gap": breaks.height,
        "positions with another realised profit": cash.filter(realised > 1.0).height,
        "realised profit that differs, USD": float(cash.select(realised.sum()).item() or 0.0),
        "liquidation prices compared": both.height,
        "liquidation prices off by more than 0.1 %": both.filter(off).height,
        **{
            name: float(each)
            for mode, accounts, notional in sorted(modes.rows())
            for name, each in ((f"accounts in {mode}", accounts), (f"notional of {mode}, USD", notional))
        },
    }
