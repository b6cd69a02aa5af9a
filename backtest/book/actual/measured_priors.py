"""Priors of the drawn book measured on a true one: leverage, cross margin, coins of an account, hedges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

BUCKETS = ((0.0, 3.0), (3.0, 7.0))  # of effective leverage; the rest is above
WIDTH_FRAC = 0.1  # declared: how far from a measured value a draw may be


@dataclass(frozen=True, slots=True)
class Measured:
    """What a true book says of the fields of a drawn one.

    Attributes
    ----------
    leverage_fracs
        Shares of notional in each of ``BUCKETS`` by leverage of the account.
    cross_frac
        Share of notional in cross accounts of several coins.
    positions_per_account, hedged_frac
        Mean coins of those accounts, and the share of them that are long and short.
    positions
        Counted.
    """

    leverage_fracs: tuple[float, ...]
    cross_frac: float
    positions_per_account: float
    hedged_frac: float
    positions: int


def measured(origin: pl.DataFrame) -> Measured:
    """Return what a true book says, of all positions whose account value is known and above zero.

    Examples
    --------
    Account a holds two coins on 100 USD, 4x; b one coin on 50 USD, 2x.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"account": ["a", "a", "b"], "side": ["long", "short", "long"],
    ...     "quantity_base": [2.0, 2.0, 1.0], "mark_px": [100.0] * 3, "account_value_usd": [100.0, 100.0, 50.0],
    ...     "leverage_type": ["cross"] * 3})
    >>> found = measured(rows)
    >>> found.leverage_fracs, found.cross_frac, found.positions_per_account, found.hedged_frac
    ((0.2, 0.8), 0.8, 2.0, 1.0)
    """
    import polars as pl

    usd = pl.col("quantity_base") * pl.col("mark_px")
    rows = origin.filter(pl.col("account_value_usd") > 0).with_columns(usd=usd)
    rows = rows.with_columns(leverage=pl.col("usd").sum().over("account") / pl.col("account_value_usd"))
    cross = pl.col("leverage_type").fill_null("cross") == "cross"
    rows = rows.with_columns(several=cross & (cross.sum().over("account") > 1))
    total = float(rows["usd"].sum()) or 1.0
    accounts = rows.filter("several").group_by("account").agg(pl.len(), hedged=pl.col("side").n_unique() > 1)
    shares = [rows.filter(pl.col("leverage").is_between(*ends, closed="left"))["usd"] for ends in BUCKETS]
    return Measured(
        leverage_fracs=tuple(float(share.sum()) / total for share in shares),
        cross_frac=float(rows.filter("several")["usd"].sum()) / total,
        positions_per_account=float(accounts.select(pl.col("len").mean()).item() or 1.0),
        hedged_frac=float(accounts.select(pl.col("hedged").mean()).item() or 0.0),
        positions=rows.height,
    )


def with_measured(text: str, found: Measured, source: str) -> str:
    """Return a file of priors with the fields that were measured in place of what was declared.

    Parameters
    ----------
    text
        The file of priors to begin with; all other priors stay as they are.
    source
        The book that was measured.
    """
    head, *blocks = text.split("[[prior]]\n")
    return "[[prior]]\n".join([head, *(_measured_block(block, found, source) for block in blocks)])


def _measured_block(block: str, found: Measured, source: str) -> str:
    name = re.search(r'^field = "(\w+)"$', block, re.MULTILINE)
    changes: dict[str, str] = {}
    if name and name[1] in {"cross_frac", "positions_per_account", "hedged_frac"}:
        value, most = getattr(found, name[1]), 1e9 if name[1] == "positions_per_account" else 1.0
        changes = {"low": f"{value * (1 - WIDTH_FRAC):.4g}", "high": f"{min(value * (1 + WIDTH_FRAC), most):.4g}"}
    elif name and name[1] == "leverage_mix":
        lines = [
            f"  {{ from = {low:g}, to = {high:g}, low = {share * (1 - WIDTH_FRAC):.4g}, high = {_most(share):.4g} }},"
            for (low, high), share in zip(BUCKETS, found.leverage_fracs, strict=True)
        ]
        rows = "\n".join([*lines, f"  {{ from = {BUCKETS[-1][1]:g}, to = 0 }},"])
        block = re.sub(r"^shares = \[\n.*?^\]$", f"shares = [\n{rows}\n]", block, flags=re.MULTILINE | re.DOTALL)
        changes = {"level_low": "0.95", "level_high": "1.05"}
    else:
        return block
    told = f"measured on {found.positions:,} positions of {source}; ten per cent to either side are declared"
    changes |= {"source": f'"{told}"', "mark": '"D"', "seen": f'"{source}"'}
    for key, value in changes.items():
        block = re.sub(rf"^{key} = .*$", f"{key} = {value}", block, flags=re.MULTILINE)
    return block


def _most(share: float) -> float:
    return min(share * (1 + WIDTH_FRAC), 1.0)
