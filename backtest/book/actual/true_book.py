"""A snapshot and fills made a book: what is kept, what is left to the market and why, counted to the last position."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.book.actual.archive_rows import (
    Unit,
    cash_after,
    held_positions,
    lot_ratio,
    moves_before,
    with_values,
)
from backtest.book.actual.collateral import OFF_FRAC, behind
from backtest.book.actual.funding_paid import funding_paid
from backtest.book.actual.roll import roll
from backtest.errors import BookError
from backtest.schema.coins import coin_name

if TYPE_CHECKING:
    import polars as pl

ORIGIN = (
    *("account", "symbol", "side", "quantity_base", "mark_px", "liquidation_px", "model_liquidation_px"),
    *("account_value_usd", "account_mode", "leverage_type", "snapshot_quantity_base", "left_out"),
)


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
    to: dt.datetime, *, rates: pl.DataFrame | None = None,
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
    rates
        coin, ts and rate of the settlements of funding after the snapshot, where the lake has them.

    Raises
    ------
    BookError
        No position is left.
    """
    import polars as pl

    held, unread = held_positions(positions, units)
    held = with_values(held, values)
    tables = {coin: unit.tiers for coin, unit in units.items()}
    stands = behind(held, tables)
    moves = moves_before(fills, units, to)
    rolled = roll(held.select("user", "coin", "lots", "entry_px"), moves)
    lot = {coin: float(unit.lot) for coin, unit in units.items()}
    state = _state(rolled.positions, stands.positions, units)
    paid = None
    if rates is not None and rates.height:
        base = pl.col("coin").replace_strict(lot, return_dtype=pl.Float64)
        paid = funding_paid(stands.positions.with_columns(lot_base=base), moves, rates)
        state = _less_funding(state, paid)
    cash = cash_after(stands.accounts, rolled.cash, paid)
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
        counts=_counts(held, stands.positions, rolled.fills, rolled.breaks, rolled.cash, state, book)
        | ({} if paid is None else {"funding paid until the start, USD": float(paid["paid_usd"].clip(0).sum())}),
        left_out=left,
        differences={coin_name(coin): lots * lot[coin] for coin, lots in sums.rows()},
    )


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
    many, few = lot_ratio(units)
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


def _less_funding(state: pl.DataFrame, paid: pl.DataFrame) -> pl.DataFrame:
    """Take the funding of isolated positions off their own collateral."""
    import polars as pl

    joined = state.join(paid, on=["user", "coin"], how="left", maintain_order="left")
    own = pl.col("collateral_usd") - pl.col("paid_usd").fill_null(0.0)
    return joined.with_columns(collateral_usd=pl.when("isolated").then(own)).drop("paid_usd")


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
