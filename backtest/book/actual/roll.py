"""Positions rolled forward by fills: sizes exactly in lots, entries by average cost, realised profit and fees.

A fill carries the position before it, so any fill sets the position exactly, whatever was missed before. Fills of a
position are applied one after the other, those of all positions at once: the k-th fill of each in one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.mechanics.exact import Floats, Ints

if TYPE_CHECKING:
    import polars as pl

KEY = ("user", "coin")


@dataclass(frozen=True, slots=True)
class Rolled:
    """Positions after all fills.

    Attributes
    ----------
    positions
        user, coin, lots (signed, never zero), entry_px, and the lots and entry before the first fill.
    cash
        user, coin, realized_usd and fee_usd as the venue counted them, own_realized_usd by average cost here.
    breaks
        Fills whose position before differs from that after the fill before: user, coin, timestamp, lots missing.
    fills
        How many were applied.
    """

    positions: pl.DataFrame
    cash: pl.DataFrame
    breaks: pl.DataFrame
    fills: int


def roll(positions: pl.DataFrame, fills: pl.DataFrame) -> Rolled:
    """Apply fills to positions.

    Parameters
    ----------
    positions
        user, coin, lots (signed) and entry_px.
    fills
        user, coin, timestamp, lots (signed: bought above zero), start_lots, px, lot_base, realized_usd, fee_usd; of
        one time in the order of emission.

    Examples
    --------
    Long 2 at 100; buys 2 at 110, sells 3 at 120, and 2 more at 90, which makes it short: the entry is that of the flip.

    >>> import datetime as dt
    >>> import polars as pl
    >>> held = pl.DataFrame({"user": ["a"], "coin": ["X"], "lots": [2], "entry_px": [100.0]})
    >>> at = [dt.datetime.fromisoformat("2025-10-10")] * 3
    >>> done = pl.DataFrame({"user": ["a"] * 3, "coin": ["X"] * 3, "timestamp": at,
    ...     "lots": [2, -3, -2], "start_lots": [2, 4, 1], "px": [110.0, 120.0, 90.0], "lot_base": [1.0] * 3,
    ...     "realized_usd": [0.0, 45.0, -15.0], "fee_usd": [0.1, 0.1, 0.1]})
    >>> after = roll(held, done)
    >>> after.positions.select("lots", "entry_px").rows(), after.breaks.height
    ([(-1, 90.0)], 0)
    >>> after.cash.select("realized_usd", "own_realized_usd").rows()
    [(30.0, 30.0)]
    """
    import polars as pl

    keys = pl.concat([positions.select(KEY), fills.select(KEY)]).unique(maintain_order=True).with_row_index("key")
    held = keys.join(positions, on=KEY, how="left", maintain_order="left")
    lots = held["lots"].fill_null(0).cast(pl.Int64).to_numpy().copy()
    entry = held["entry_px"].fill_null(0.0).to_numpy().copy()
    placed = fills.join(keys, on=KEY, how="left", maintain_order="left").sort("key", "timestamp", maintain_order=True)
    key = placed["key"].to_numpy().astype(np.int64)
    before, moved, px, each = (placed[name].to_numpy() for name in ("start_lots", "lots", "px", "lot_base"))
    after = before + moved
    missing = _missing(key, before, after, lots)
    own = np.zeros(len(keys))
    closing, closed = _average_cost(key, before, after, px, lots, entry, own, each)
    amounts = placed.group_by("key").agg(pl.col("realized_usd").sum(), pl.col("fee_usd").sum())
    ours = keys.with_columns(own_realized_usd=pl.Series(own), lots=pl.Series(closing), entry_px=pl.Series(closed))
    breaks = placed.with_columns(missing=pl.Series(missing)).filter(pl.col("missing") != 0)
    rolled = ours.with_columns(first_lots=pl.Series(lots), first_entry_px=held["entry_px"]).filter(pl.col("lots") != 0)
    return Rolled(
        positions=rolled.select(*KEY, "lots", "entry_px", "first_lots", "first_entry_px"),
        cash=ours.join(amounts, on="key", maintain_order="left").select(
            *KEY, "realized_usd", "fee_usd", "own_realized_usd"
        ),
        breaks=breaks.select(*KEY, "timestamp", "missing"),
        fills=placed.height,
    )


def _missing(key: Ints, before: Ints, after: Ints, lots: Ints) -> Ints:
    """Return the lots by which each fill's position before differs from the one after the fill before it."""
    expected = np.empty_like(before)
    expected[1:] = after[:-1]
    first = np.ones(len(key), dtype=np.bool_)
    first[1:] = key[1:] != key[:-1]
    expected[first] = lots[key[first]]
    return before - expected


def _average_cost(
    key: Ints, before: Ints, after: Ints, px: Floats, lots: Ints, entry: Floats, own: Floats, lot_base: Floats
) -> tuple[Ints, Floats]:
    """Return lots and entry of each key after its fills, sorted by key; realised profit is added to ``own``."""
    final, cost = lots.copy(), entry.copy()
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(np.append(starts, len(key)))
    order = np.argsort(-counts, kind="stable")
    starts, counts, of = starts[order], counts[order], key[starts[order]] if len(key) else key
    state, seen = cost[of], final[of]
    gain = np.zeros(len(of))
    active = len(of) - np.searchsorted(counts[::-1], np.arange(int(counts.max(initial=0))), side="right")
    for k, some in enumerate(active.tolist()):
        at = starts[:some] + k
        b, a, p, e, last = before[at], after[at], px[at], state[:some], seen[:some]
        e = np.where((b != 0) & (np.sign(b) != np.sign(last)), p, e)  # a fill was missed: the position is another
        size, left = np.abs(b), np.abs(a)
        same = np.sign(a) * np.sign(b) >= 0
        grows = same & (left > size)
        mean = np.divide(size * e + (left - size) * p, left, out=p.copy(), where=left > 0)
        shut = np.where(grows, 0, np.where(same, size - left, size))
        gain[:some] += np.sign(b) * shut * (p - e) * lot_base[at]
        state[:some] = np.where(grows, mean, np.where(same, e, p))
        seen[:some] = a
    final[of], cost[of] = seen, state
    own[of] += gain
    return final, cost
