"""The pre-roll: bars of the window before the core of a crash, and where positions were opened in them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backtest.lake.checks import describe
from backtest.market.inputs import InputSeries
from backtest.mechanics.exact import Floats, Ints, half_even_array
from backtest.times import Window, micros

if TYPE_CHECKING:
    import polars as pl

    from backtest.catalogue.events import CrashEvent

LONG_ENOUGH = dt.timedelta(hours=6)  # bars of a shorter stretch say little about where positions were opened
EntryProfile = tuple[Ints, Floats]  # prices in ticks, ascending, and the lots traded at each


@dataclass(frozen=True, slots=True)
class PreRoll:
    """The bars before the core.

    ``core_bar`` is the first bar at or after the start of the core; ``bars_seen`` bound what was seen before it, one
    at least; entries are drawn from the pre-roll where it is ``long_enough``. Bars have ``bar_s`` seconds.
    """

    core_bar: int
    bars_seen: int
    long_enough: bool
    bar_s: int

    def series(self, event: CrashEvent, bars: pl.DataFrame, trades: InputSeries, window: Window) -> InputSeries:
        """Return the pre-roll of a coin as a series, given its trade bars and theirs."""
        import polars as pl

        before = bars.filter(pl.col("ts") < event.core_start)
        end = max(window[0], min(event.core_start, window[1]))
        facts = describe(before, 0, self.bar_s, (window[0], end))
        drawn = "entries follow the volume traded here"
        return InputSeries(
            name="pre_roll",
            symbol=trades.symbol,
            source=trades.source,
            label=trades.label if before.height else "missing",
            expected_rows=event.pre_roll_wanted_s // self.bar_s,
            facts=facts,
            note=drawn if self.long_enough else "short: entries are spread around the first mark",
            bridged=facts.missing,
        )


def find_pre_roll(event: CrashEvent, window: Window, open_ts: Ints, bar_s: int) -> PreRoll:
    """Return the pre-roll of a window whose bars open at ``open_ts`` (microseconds since the epoch)."""
    core_bar = int(np.searchsorted(open_ts, micros(event.core_start)))
    inside = event.core_start < window[1]
    return PreRoll(
        core_bar=core_bar,
        bars_seen=max(core_bar, 1) if inside else 1,
        long_enough=inside and window[0] + LONG_ENOUGH <= event.core_start,
        bar_s=bar_s,
    )


def entry_profile(trade: Ints, volume_lots: Ints) -> EntryProfile | None:
    """Return where volume traded: each bar's lots at the mean of its four prices; None where nothing traded.

    Nobody entered at a price of zero.

    Examples
    --------
    >>> prices, lots = entry_profile(np.array([[10, 14, 8, 12], [11, 12, 10, 11]]), np.array([5, 7]))
    >>> prices.tolist(), lots.tolist()
    ([11], [12.0])
    """
    means = half_even_array(trade.sum(axis=1), np.full(len(trade), 4))
    traded = (volume_lots > 0) & (means > 0)
    prices, place = np.unique(means[traded], return_inverse=True)
    lots = np.bincount(place, weights=volume_lots[traded].astype(np.float64)).astype(np.float64)
    return (prices, lots) if len(prices) else None
