"""Priors of the drawn book measured on a true one: leverage by side, sizes, cross margin, coins, hedges."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.book.distributions import relative_size, upper_quantile
from backtest.mechanics.exact import Floats

if TYPE_CHECKING:
    import polars as pl

LEAST_LEVERAGE = 0.05  # lower ones count with the first bucket
# Ends of the buckets of effective leverage; the rest is above, up to what the margin table allows.
ENDS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0)
BUCKETS = tuple(zip((LEAST_LEVERAGE, *ENDS), (*ENDS, 0.0), strict=True))
TAIL_FRAC = 0.05  # share of the accounts in the tail of sizes, as of the drawn book
BODY = (0.3, 0.95)  # quantiles of sizes between which the body is fitted
WIDTH_FRAC = 0.1  # declared: how far from a measured value a draw may be
FEW = 20  # accounts; the tail of fewer is not fitted
NUMBERS = ("cross_frac", "positions_per_account", "hedged_frac", "size_sigma", "size_alpha", "size_tail_frac",
           "size_cap_frac")  # fmt: skip
BOUNDS = {"positions_per_account": (2.0, 1000.0), "size_sigma": (0.01, 5.0), "size_alpha": (0.1, 10.0)}
IN_THE_MIX = ("delta_neutral_frac", "leverage_exponent")  # what they add is in the leverage measured


@dataclass(frozen=True, slots=True)
class Measured:
    """What a true book says of the fields of a drawn one.

    Attributes
    ----------
    long_leverage_fracs, short_leverage_fracs
        Shares of the side's notional in each of ``BUCKETS`` by leverage of the account.
    cross_frac
        Share of notional in cross accounts of several coins.
    positions_per_account, hedged_frac
        Mean coins of those accounts, and the share of them that are long and short.
    size_sigma, size_alpha, size_tail_frac, size_cap_frac
        Sizes of accounts: sigma of the lognormal body, exponent of the Pareto tail and its share of accounts, and the
        largest share of a coin's side that one account holds, its mean over coins by notional.
    positions, accounts
        Counted.
    """

    long_leverage_fracs: tuple[float, ...]
    short_leverage_fracs: tuple[float, ...]
    cross_frac: float
    positions_per_account: float
    hedged_frac: float
    size_sigma: float
    size_alpha: float
    size_tail_frac: float
    size_cap_frac: float
    positions: int
    accounts: int


def measured(origin: pl.DataFrame) -> Measured:
    """Return what a true book says, of all positions whose account value is known and above zero.

    Examples
    --------
    Account a holds two coins on 100 USD, 4x; b one coin on 50 USD, 2x.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"account": ["a", "a", "b"], "symbol": ["X", "Y", "X"], "side": ["long", "short", "long"],
    ...     "quantity_base": [2.0, 2.0, 1.0], "mark_px": [100.0] * 3, "account_value_usd": [100.0, 100.0, 50.0],
    ...     "leverage_type": ["cross"] * 3})
    >>> found = measured(rows)
    >>> [round(share, 3) for share in found.long_leverage_fracs[4:7]], found.short_leverage_fracs[5]
    ([0.333, 0.667, 0.0], 1.0)
    >>> found.cross_frac, found.positions_per_account, found.hedged_frac, round(found.size_cap_frac, 3)
    (0.8, 2.0, 1.0, 0.8)
    """
    import polars as pl

    usd = pl.col("quantity_base") * pl.col("mark_px")
    rows = origin.filter(pl.col("account_value_usd") > 0).with_columns(usd=usd)
    rows = rows.with_columns(leverage=pl.col("usd").sum().over("account") / pl.col("account_value_usd"))
    cross = pl.col("leverage_type").fill_null("cross") == "cross"
    rows = rows.with_columns(several=cross & (cross.sum().over("account") > 1))
    total = float(rows["usd"].sum()) or 1.0
    accounts = rows.filter("several").group_by("account").agg(pl.len(), hedged=pl.col("side").n_unique() > 1)
    sigma, alpha = size_shape(rows.group_by("account").agg(pl.col("usd").sum())["usd"].to_numpy())
    sides = rows.group_by("symbol", "side").agg(pl.col("usd").sum(), top=pl.col("usd").max())
    long, short = (_shares(rows.filter(pl.col("side") == side)) for side in ("long", "short"))
    return Measured(
        long_leverage_fracs=long,
        short_leverage_fracs=short,
        cross_frac=float(rows.filter("several")["usd"].sum()) / total,
        positions_per_account=float(accounts.select(pl.col("len").mean()).item() or 2.0),
        hedged_frac=float(accounts.select(pl.col("hedged").mean()).item() or 0.0),
        size_sigma=sigma,
        size_alpha=alpha,
        size_tail_frac=TAIL_FRAC,
        size_cap_frac=float(sides["top"].sum()) / total,
        positions=rows.height,
        accounts=rows["account"].n_unique(),
    )


def _shares(rows: pl.DataFrame) -> tuple[float, ...]:
    """Return the shares of notional of each bucket of leverage, all equal where there is no position."""
    leverage, usd = rows["leverage"].to_numpy(), rows["usd"].to_numpy()
    if not usd.sum():
        return (1 / len(BUCKETS),) * len(BUCKETS)
    edges = np.array([0.0, *ENDS, np.inf])
    return tuple((np.histogram(leverage, edges, weights=usd)[0] / usd.sum()).tolist())


def size_shape(usd: Floats) -> tuple[float, float]:
    """Return sigma of the lognormal body and exponent of the Pareto tail of sizes.

    Sigma is the slope of the logarithm of sizes over normal quantiles, in the middle of the accounts. The exponent is
    the one with which the largest ``TAIL_FRAC`` of as many drawn accounts hold the share of all notional that they do.

    Examples
    --------
    >>> above = (np.arange(2000) + 0.5) / 2000
    >>> sigma, alpha = size_shape(relative_size(above, 1.5, 1.2, 0.05))
    >>> round(sigma, 2), round(alpha, 2)
    (1.5, 1.2)
    """
    given = np.sort(usd[usd > 0])[::-1]
    count = len(given)
    if count < FEW:
        return 1.0, 1.0
    above = (np.arange(count) + 0.5) / count
    body = (above < 1 - BODY[0]) & (above > 1 - BODY[1])
    least, most = BOUNDS["size_sigma"]
    sigma = min(max(float(np.polyfit(upper_quantile(above[body]), np.log(given[body]), 1)[0]), least), most)
    largest = round(TAIL_FRAC * count)
    share = given[:largest].sum() / given.sum()
    low, high = BOUNDS["size_alpha"]
    for _ in range(40):  # the share falls with the exponent
        alpha = math.sqrt(low * high)
        drawn = relative_size(above, sigma, alpha, TAIL_FRAC)
        low, high = (alpha, high) if drawn[:largest].sum() / drawn.sum() > share else (low, alpha)
    return sigma, alpha


def with_measured(text: str, found: Measured, source: str) -> str:
    """Return a file of priors with the fields that were measured in place of what was declared.

    Leverage is measured side by side, so that the mix of both sides gives way to one of each, and what would add to
    it (delta-neutral shorts, leverage that grows with the highest of a coin) is nothing.

    Parameters
    ----------
    text
        The file of priors to begin with; all other priors stay as they are.
    source
        The book that was measured.
    """
    head, *blocks = text.split("[[prior]]\n")
    measured_fields = {*NUMBERS, *IN_THE_MIX, "leverage_mix", "long_leverage_mix", "short_leverage_mix"}
    names = {_field(block): _id(block) for block in blocks if _field(block) in measured_fields}
    kept = [block for block in blocks if _field(block) not in names]
    told = (
        f'source = "measured on {found.positions:,} positions of {found.accounts:,} accounts of {source}; ten per cent '
        f'to either side are declared"\nmark = "D"\nseen = "{source}"\n'
    )
    return "[[prior]]\n".join([head, *kept[:-1], kept[-1].rstrip("\n") + "\n\n", *_measured_blocks(found, told, names)])


def _field(block: str) -> str:
    return _text(block, "field")


def _id(block: str) -> str:
    return _text(block, "id")


def _text(block: str, key: str) -> str:
    found = re.search(rf'^{key} = "(\w+)"$', block, re.MULTILINE)
    return found[1] if found else ""


def _measured_blocks(found: Measured, told: str, names: Mapping[str, str]) -> list[str]:
    """Return a prior for each field that was measured, under the name that the file had for it."""
    out = []
    for name in NUMBERS:
        value, (least, most) = getattr(found, name), BOUNDS.get(name, (0.0, 1.0))
        low, high = (min(max(value * factor, least), most) for factor in (1 - WIDTH_FRAC, 1 + WIDTH_FRAC))
        more = "at_most_coins = true\n" if name == "positions_per_account" else ""
        more += "least_coins = 2\n" if name in {"cross_frac", "positions_per_account", "hedged_frac"} else ""
        out.append(
            _block(
                names.get(name, name),
                name,
                f'distribution = "uniform"\nlow = {low:.4g}\nhigh = {high:.4g}\n{more}',
                told,
            )
        )
    nothing = 'distribution = "uniform"\nlow = 0\nhigh = 0\n'
    out += [_block(names.get(name, name), name, nothing, told) for name in IN_THE_MIX]
    for side, shares in (("long", found.long_leverage_fracs), ("short", found.short_leverage_fracs)):
        rest = shares.index(max(shares))  # the largest one, so that the others leave it something
        lines = "\n".join(
            f"  {{ from = {low:g}, to = {high:g}{_range(share) if k != rest else ''} }},"
            for k, ((low, high), share) in enumerate(zip(BUCKETS, shares, strict=True))
        )
        mix = f'distribution = "mix"\nshares = [\n{lines}\n]\nlevel_low = 0.95\nlevel_high = 1.05\n'
        out.append(_block(f"{side}_leverage", f"{side}_leverage_mix", mix, told))
    return out


def _range(share: float) -> str:
    return f", low = {share * (1 - WIDTH_FRAC):.4g}, high = {share * (1 + WIDTH_FRAC):.4g}"


def _block(name: str, field: str, body: str, told: str) -> str:
    return f'id = "{name}"\nfield = "{field}"\n{body}of_book = true\n{told}\n'
