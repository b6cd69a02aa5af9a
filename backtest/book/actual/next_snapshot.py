"""Positions and account values rolled to the time of a later snapshot, beside that snapshot.

What an account is worth beyond profit, fees and funding is unexplained: deposits, withdrawals, transfers, spot trades.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.book.actual.archive_rows import Unit, cash_after, held_positions, moves_before, values_of, with_values
from backtest.book.actual.collateral import behind
from backtest.book.actual.funding_paid import funding_paid
from backtest.book.actual.roll import roll

if TYPE_CHECKING:
    import polars as pl

LEAST_USD = 1.0  # a difference of an account value that is counted


@dataclass(frozen=True, slots=True)
class Compared:
    """What was rolled beside a later snapshot.

    Attributes
    ----------
    counts
        Figures by name.
    positions
        user, coin, lots and next_lots of positions that differ.
    accounts
        user, rolled_usd, stated_usd and unexplained_usd, the largest difference first: of accounts whose coins all are
        known at both times.
    """

    counts: Mapping[str, float]
    positions: pl.DataFrame
    accounts: pl.DataFrame


def compared(
    positions: pl.DataFrame, values: pl.DataFrame | None, fills: pl.DataFrame | None, units: Mapping[str, Unit],
    later: pl.DataFrame, later_values: pl.DataFrame | None, at: dt.datetime, rates: pl.DataFrame,
) -> Compared:  # fmt: skip
    """Roll a snapshot to the time of a later one and compare.

    Parameters
    ----------
    positions, values, fills
        As for ``true_book``; the fills must reach to the later snapshot.
    later, later_values
        Positions and account values of the later snapshot, at ``at``.
    rates
        coin, ts and rate of the settlements of funding between both.
    """
    import polars as pl

    lot = {coin: float(unit.lot) for coin, unit in units.items()}
    base = pl.col("coin").replace_strict(lot, return_dtype=pl.Float64)
    held = with_values(held_positions(positions, units)[0], values)
    stands = behind(held, {coin: unit.tiers for coin, unit in units.items()})
    moves = moves_before(fills, units, at)
    rolled = roll(held.select("user", "coin", "lots", "entry_px"), moves)
    next_held = with_values(held_positions(later, units)[0], later_values)
    paid = funding_paid(
        stands.positions.select("user", "coin", "lots", "mark_px", lot_base=base), moves, rates
    ) if rates.height else None  # fmt: skip
    both = rolled.positions.select("user", "coin", "lots", "entry_px").join(
        next_held.select("user", "coin", next_lots="lots"), on=["user", "coin"], how="full", coalesce=True
    )  # fmt: skip
    both = both.with_columns(pl.col("lots", "next_lots").fill_null(0)).sort("coin", "user")
    differ = both.filter(pl.col("lots") != pl.col("next_lots")).drop("entry_px")
    marks = next_held.group_by("coin").agg(mark=(pl.col("notional_usd") / pl.col("size_base").abs()).median())
    priced = rolled.positions.join(marks, on="coin", how="left", maintain_order="left")
    profit = priced.group_by("user").agg(profit=(pl.col("lots") * base * (pl.col("mark") - pl.col("entry_px"))).sum())
    cash = cash_after(stands.accounts, rolled.cash, paid)
    stated = values_of(next_held, later_values)
    rows = cash.join(profit, on="user", how="left", maintain_order="left").join(
        stated, on="user", maintain_order="left"
    )
    rows = rows.join(_elsewhere(units, positions, later, fills), on="user", how="anti", maintain_order="left")
    accounts = rows.select(
        "user", rolled_usd=pl.col("cash_usd") + pl.col("profit").fill_null(0.0), stated_usd=pl.col("stated")
    ).with_columns(unexplained_usd=pl.col("stated_usd") - pl.col("rolled_usd"))
    off = accounts.filter(pl.col("unexplained_usd").abs() > LEAST_USD)
    more = pl.col("unexplained_usd")
    counts = {
        "positions compared with the next snapshot": both.height,
        "positions that differ there": differ.height,
        "account values compared with the next snapshot": accounts.height,
        "account values unexplained by more than 1 USD": off.height,
        "unexplained, more than rolled (deposits), USD": float(off.select(more.filter(more > 0).sum()).item() or 0.0),
        "unexplained, less (withdrawals), USD": -float(off.select(more.filter(more < 0).sum()).item() or 0.0),
        "funding paid until the next snapshot, USD": float(paid["paid_usd"].clip(0).sum()) if paid is not None else 0.0,
    }
    return Compared(counts, differ, accounts.sort(more.abs(), descending=True))


def _elsewhere(units: Mapping[str, Unit], *frames: pl.DataFrame | None) -> pl.DataFrame:
    """Return users with positions or fills in coins that are not followed: their value moves by these too."""
    import polars as pl

    found = [pl.DataFrame(schema={"user": pl.String})]
    for frame in frames:
        if frame is not None:
            user, coin = ("user", "market") if "market" in frame.columns else ("address", "coin")
            others = frame.filter(~pl.col(coin).cast(pl.String).is_in(list(units)))
            found.append(others.select(pl.col(user).cast(pl.String).str.to_lowercase().alias("user")))
    return pl.concat(found).unique()
