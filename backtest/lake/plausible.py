"""Plausibility of stored values: bars, rates and open interest that stand alone against all around them.

``checks`` refuses what no market can print; this module doubts what a market seldom prints. Nothing is changed or
left out: a doubtful value is a ``Suspect``, computed from the rows whenever they are read, so that it cannot grow old.

A price is judged by the bars around it, in logarithms. A crash is a run of bars, or a wick that the next bars open or
close towards, and all ranges around it are wide; a wrong digit is a price where no other bar opens or closes. The
allowance of a low or high beyond the opens and closes of both neighbours is ``FLOOR`` at one minute, growing with the
root of the bar's length as volatility does, plus multiples of the median range of the bars around it and of the second
largest range close by, so that one other wrong bar does not hide it. The figures are fitted: of 1.4 million real bars,
crashes among them, none uses more than 0.92 of its allowance, of those of a minute 0.85.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backtest.lake.suspect import ABOVE_ZERO, LEAST_PX, Suspect
from backtest.mechanics.exact import Bools, Floats, Ints
from backtest.times import moment

if TYPE_CHECKING:
    import polars as pl

FLOOR = 0.08  # in logarithms, at one minute
OF_MEDIAN, OF_SECOND = 8.0, 1.5  # multiples of ranges in the allowance
AROUND, CLOSE = 30, 3  # bars on either side: those of the median, those of the second largest range
FEWEST = 5  # bars; fewer say nothing of one another
VOLUME_RATIO, THIN_RATIO = 20.0, 200.0  # over the largest volume around; where little trades, one order is as large
THIN_PER_MINUTE = 3000.0  # turnover in the quote currency, in the median
LARGE_RATE, RATE_RATIO = 0.009, 20.0  # rates at the former cap of 0.75 % stand alone now and then
STEP_RATIO = 5.0  # of open interest, there and back
LEVEL_RATIO = 2.0  # of marks over trades, in the median
OTHERS = np.array([offset for offset in range(-AROUND, AROUND + 1) if offset])
NEAR = np.flatnonzero(np.abs(OTHERS) <= CLOSE)


def judge_bars(frame: pl.DataFrame, bar_s: int) -> tuple[Suspect, ...]:
    """Return the highs, lows and volumes of checked bars that the bars around them do not bear out, in order of time.

    Volumes that are all zero, as those of marks, say nothing and are not judged.

    Examples
    --------
    An hour at 50,000, one low of which lost its last zeros:

    >>> import datetime as dt
    >>> import polars as pl
    >>> start = dt.datetime.fromisoformat("2025-10-10T12:00")
    >>> ts = [start + dt.timedelta(minutes=minute) for minute in range(60)]
    >>> low = [49_990.0 if minute != 30 else 500.0 for minute in range(60)]
    >>> bars = pl.DataFrame({"ts": ts, "open": 5e4, "high": 50_010.0, "low": low, "close": 5e4, "volume": 9.0})
    >>> [(each.ts.minute, each.field, each.value, each.expected) for each in judge_bars(bars, 60)]
    [(30, 'low', 500.0, 'at least 45,980.8')]
    """
    if frame.height < FEWEST:
        return ()
    ts: Ints = frame["ts"].to_numpy().view(np.int64)
    opened, high, low, closed, volume = (frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    minutes = max(bar_s, 60) / 60
    floor = FLOOR * math.sqrt(minutes)
    least, most = np.minimum(opened, closed), np.maximum(opened, closed)
    below, above = _nearest(least, np.minimum), _nearest(most, np.maximum)
    for edge in (0, -1):  # without a bar on both sides, its own open and close bear a bar out
        below[edge], above[edge] = min(below[edge], least[edge]), max(above[edge], most[edge])
    factor = math.exp(floor)
    found = [
        *_extremes("low", ts, low, below, np.flatnonzero(below > low * factor), high, low, floor),
        *_extremes("high", ts, high, above, np.flatnonzero(high > above * factor), high, low, floor),
        *_volumes(ts, volume, closed / minutes, high > low),
        *_repeated(ts, (opened, high, low, closed, volume)),
    ]
    return tuple(sorted(found, key=lambda suspect: suspect.ts))


def _nearest(values: Floats, pick: Callable[..., Floats]) -> Floats:
    """Return the lower or higher of the values before and after each one."""
    out = np.empty_like(values)
    pick(values[:-2], values[2:], out=out[1:-1])
    out[0], out[-1] = values[1], values[-2]
    return out


def _around(values: Floats, rows: Ints) -> Floats:
    """Return the values on either side of each row, nan beyond the ends; shape (rows, others)."""
    places = rows[:, None] + OTHERS
    inside = (places >= 0) & (places < len(values))
    return np.where(inside, values[np.where(inside, places, 0)], np.nan)


def _median(table: Floats) -> Floats:
    """Return the median of each row of a few rows without nans, which ``np.nanmedian`` takes five times as long for."""
    ordered, known = np.sort(table, axis=1), np.count_nonzero(~np.isnan(table), axis=1)  # nans come last
    row = np.arange(len(table))
    middle: Floats = (ordered[row, (known - 1) // 2] + ordered[row, known // 2]) / 2
    return middle


def _extremes(
    field: str, ts: Ints, price: Floats, near: Floats, rows: Ints, high: Floats, low: Floats, floor: float
) -> Iterator[Suspect]:
    """Give those rows, of a few, whose low or high lies beyond what is ``near`` by more than its allowance."""
    if not len(rows):
        return
    ranges = np.log(np.maximum(_around(high, rows), LEAST_PX) / np.maximum(_around(low, rows), LEAST_PX))
    second = np.partition(np.where(np.isnan(ranges[:, NEAR]), 0.0, ranges[:, NEAR]), -2, axis=1)[:, -2]
    allowed = floor + OF_MEDIAN * _median(ranges) + OF_SECOND * second
    beyond = np.abs(np.log(np.maximum(near[rows], LEAST_PX) / np.maximum(price[rows], LEAST_PX)))
    sign = -1 if field == "low" else 1
    for k in np.flatnonzero(beyond > allowed).tolist():
        row = int(rows[k])
        bound = float(near[row]) * math.exp(sign * float(allowed[k]))
        reason = "the bars before and after it neither open nor close near it"
        least, most = (bound, None) if field == "low" else (None, bound)
        yield Suspect(moment(int(ts[row])), field, float(price[row]), least, most, reason)


def _volumes(ts: Ints, volume: Floats, px_per_minute: Floats, moved: Bools) -> Iterator[Suspect]:
    """Give volumes far above all around them, and volumes of zero in bars that moved between bars that traded.

    Parameters
    ----------
    px_per_minute
        Turnover per minute of one unit of volume.
    """
    if not volume.any():
        return
    busiest, quietest = _nearest(volume, np.maximum), _nearest(volume, np.minimum)
    for row in np.flatnonzero((volume == 0) & moved & (quietest > 0)).tolist():
        reason = "the price moves without volume"
        yield Suspect(moment(int(ts[row])), "volume", 0.0, ABOVE_ZERO, None, reason)
    rows = np.flatnonzero((volume > VOLUME_RATIO * busiest) & (busiest > 0))
    if not len(rows):
        return
    rows = rows[volume[rows] > VOLUME_RATIO * np.nanmax(_around(volume, rows), axis=1)]
    if not len(rows):
        return
    around = _around(volume, rows)
    thin = _median(around) * px_per_minute[rows] < THIN_PER_MINUTE
    most = np.where(thin, THIN_RATIO, VOLUME_RATIO) * np.nanmax(around, axis=1)
    for k in np.flatnonzero(volume[rows] > most).tolist():
        row = int(rows[k])
        reason = f"over {THIN_RATIO if thin[k] else VOLUME_RATIO:g} times the largest volume around"
        yield Suspect(moment(int(ts[row])), "volume", float(volume[row]), None, float(most[k]), reason)


def _repeated(ts: Ints, columns: Sequence[Floats]) -> Iterator[Suspect]:
    """Give bars that moved, traded and equal the bar before in every figure, which itself and the next one do not."""
    _, high, low, closed, volume = columns
    same = (volume[1:] == volume[:-1]) & (volume[1:] > 0) & (high[1:] > low[1:])
    rows = [
        row for row in (np.flatnonzero(same) + 1).tolist() if all(column[row] == column[row - 1] for column in columns)
    ]
    for row in rows:
        if row - 1 not in rows and row + 1 not in rows:
            reason = "the bar repeats the one before it"
            yield Suspect(moment(int(ts[row])), "close", float(closed[row]), None, None, reason)


def judge_rates(frame: pl.DataFrame) -> tuple[Suspect, ...]:
    """Return the funding rates that are large and many times those around them, in order of time.

    Examples
    --------
    A rate in percent among fractions:

    >>> import datetime as dt
    >>> import polars as pl
    >>> start = dt.datetime.fromisoformat("2025-10-10")
    >>> ts = [start + dt.timedelta(hours=8 * number) for number in range(6)]
    >>> rates = pl.DataFrame({"ts": ts, "rate": [1e-4, 1e-4, 1e-4, 0.01, 1e-4, 1e-4]})
    >>> [each.expected for each in judge_rates(rates)]
    ['-0.009 to 0.009']
    """
    rate, ts = frame["rate"].to_numpy(), frame["ts"].to_numpy().view(np.int64)
    size = np.abs(rate)
    found = []
    for row in np.flatnonzero(size > LARGE_RATE):
        others = np.concatenate([size[max(row - CLOSE, 0) : row], size[row + 1 : row + 1 + CLOSE]])
        most = max(LARGE_RATE, RATE_RATIO * float(others.max(initial=0.0)))
        if len(others) and size[row] > most:
            reason = f"over {RATE_RATIO:g} times the rates around it"
            found.append(Suspect(moment(int(ts[row])), "rate", float(rate[row]), -most, most, reason))
    return tuple(found)


def judge_open_interest(frame: pl.DataFrame) -> tuple[Suspect, ...]:
    """Return the open interest that is many times, or a small part of, that before and after it.

    A value in contracts among values in coins is found; a change of unit that stays is not.
    """
    found = []
    for field in ("open_interest_base", "open_interest_usd"):
        known = frame.filter(frame[field].fill_null(0) > 0)
        if known.height < CLOSE:
            continue
        value, ts = known[field].to_numpy(), known["ts"].to_numpy().view(np.int64)
        low, high = _nearest(value, np.minimum) / STEP_RATIO, _nearest(value, np.maximum) * STEP_RATIO
        inside = slice(1, -1)  # at the ends nothing tells a step from a fault
        for row in np.flatnonzero((value[inside] < low[inside]) | (value[inside] > high[inside])) + 1:
            reason = f"over {STEP_RATIO:g} times off, there and back"
            found.append(
                Suspect(moment(int(ts[row])), field, float(value[row]), float(low[row]), float(high[row]), reason)
            )
    return tuple(sorted(found, key=lambda suspect: suspect.ts))


def judge_level(ts: Ints, mark: Floats, trade: Floats) -> tuple[Suspect, ...]:
    """Return the first mark if marks lie at a multiple of trades all along, as in another unit.

    On 10 October 2025 perpetuals traded at half of their marks for minutes: the median of all bars decides.

    Parameters
    ----------
    ts
        Opens of the bars, microseconds since the epoch.
    mark, trade
        Closes of the same bars.

    Examples
    --------
    >>> judge_level(np.arange(5), np.full(5, 500.0), np.full(5, 50_000.0))[0].reason
    'marks are 0.01 times the trades of the same bars'
    """
    (rows,) = np.nonzero((mark > 0) & (trade > 0))
    if len(rows) < FEWEST:
        return ()
    ratio = float(np.median(mark[rows] / trade[rows]))
    if 1 / LEVEL_RATIO <= ratio <= LEVEL_RATIO:
        return ()
    first = int(rows[0])
    least, most = float(trade[first]) / LEVEL_RATIO, float(trade[first]) * LEVEL_RATIO
    reason = f"marks are {ratio:.3g} times the trades of the same bars"
    return (Suspect(moment(int(ts[first])), "close", float(mark[first]), least, most, reason),)
