"""What a venue states of its rows: interval, close time, market. It must be what was asked for.

Bars of five minutes look like bars of one minute with gaps. So whatever a venue says of its bars is compared with the
question: Binance and Hyperliquid give the time a bar closes, Hyperliquid its interval and coin, Bybit category and
symbol. Of every venue the rows must lie as close as asked for; where that cannot tell, a bar must not contain the bars
after it. The only bar of a page has no distance to another: the bars around it are asked for, and their page is the
one that counts. A bar with none around it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from backtest.fetch.rest.responses import ENVELOPES, Answer, Fault, dig
from backtest.mechanics.exact import Floats, Ints

LONGER = (3, 5, 15, 30, 60)  # lengths of other bars that venues serve, in bars of a minute
LEAST_STARTS = 3  # bars that contain the bars after them, of a day, that are no chance
UNREADABLE = (TypeError, ValueError, LookupError, OverflowError)
NO_SPANS: Ints = np.empty(0, dtype=np.int64)
SUM_ERROR = 1e-9  # relative: two sums of the same volumes differ by so much


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of a venue: bars or not, their step in milliseconds (0: none) and name, the market, the range.

    ``bounded`` says whether the request named both ends of the range.
    """

    venue: str
    bars: bool
    step_ms: int
    timeframe: str
    names: frozenset[str]
    inverse: bool
    since_ms: int
    until_ms: int
    bounded: bool


def contradiction(answer: Answer | None, times: Floats, asked: Question) -> Fault | None:
    """Return the fault of an answer that states another interval, market or time than was asked for.

    A page of bars is some thousand rows, so whatever is compared of each row is compared by numpy.

    Parameters
    ----------
    times
        Times in milliseconds of the rows that the client library made of the answer.
    """
    raw = _raw_rows(answer, asked.venue)
    stated = STATEMENTS.get(asked.venue)
    reason = stated(answer, raw, times, asked) if stated and answer is not None else ""
    if asked.bars and not reason:
        reason = _ragged(raw) or _too_far_apart(times, asked.step_ms)
    reason = reason or _outside(times, raw, asked)
    return Fault(reason, again=True) if reason else None


def _raw_rows(answer: Answer | None, venue: str) -> list[Any]:
    """Return the rows of an answer where the venue puts them, none where that place is not known."""
    places = ENVELOPES.get(venue, ())
    found = (dig(answer.json, place) for place in places) if answer is not None else ()
    return next((rows for rows in found if isinstance(rows, list)), [])


def _binance(answer: Answer, raw: Sequence[Any], times: Floats, asked: Question) -> str:
    """Compare the close time, the seventh cell of a bar, with its open."""
    if not asked.bars:
        return ""
    try:
        closes = [*map(itemgetter(6), raw)]
        if closes == _closes(times, asked.step_ms):  # nearly always
            return ""
        spans = _whole(closes) - _whole([*map(itemgetter(0), raw)])
    except UNREADABLE:
        return "gave bars without a close time"
    return _wrong_span(spans, asked.step_ms)


def _hyperliquid(answer: Answer, raw: Sequence[Any], times: Floats, asked: Question) -> str:
    """Compare interval, coin and close time of every bar."""
    if not asked.bars:
        return ""
    try:
        named = set(map(itemgetter("i", "s"), raw))
        closes = [*map(itemgetter("T"), raw)]
        alike = closes == _closes(times, asked.step_ms)
        spans = NO_SPANS if alike else _whole(closes) - _whole([*map(itemgetter("t"), raw)])
        kinds = {type(row[name]) for row in raw for name in "ohlcv"} if answer.switches else set()
    except UNREADABLE:
        return "gave bars that do not state interval, coin and close time"
    if bool in kinds:
        return "gave bars with a price that is no number"
    intervals, coins = ({pair[place] for pair in named} for place in (0, 1))
    if not intervals <= {asked.timeframe}:
        other = min(map(str, intervals - {asked.timeframe}))
        return f"answered with bars of {ascii(other)[1:-1][:20]} in place of {asked.timeframe}"
    if not coins <= asked.names:
        return f"answered for {ascii(min(map(str, coins - asked.names)))[:40]} in place of {min(asked.names)!a}"
    return _wrong_span(spans, asked.step_ms)


def _closes(times: Floats, step_ms: int) -> list[int]:
    """Return the times at which bars close, as whole numbers; none where a bar has no time, or one of no calendar."""
    if not (np.abs(times) < 2**53).all():
        return []
    closes: list[int] = (times.astype(np.int64) + (step_ms - 1)).tolist()
    return closes


def _whole(cells: Sequence[Any]) -> Ints:
    """Return cells as whole numbers, which some mirrors write as texts."""
    return np.array([*map(int, cells)], dtype=np.int64)


def _bybit(answer: Answer, raw: Sequence[Any], times: Floats, asked: Question) -> str:
    """Compare category and symbol around the rows; each may be left out where rows are no bars."""
    result = dig(answer.json, ("result",))
    said = result if isinstance(result, Mapping) else {}
    category, symbol = said.get("category"), said.get("symbol")
    if asked.bars and raw and (category is None or symbol is None):
        return "gave bars that do not state category and symbol"
    wanted = "inverse" if asked.inverse else "linear"
    if category is not None and category != wanted:
        return f"answered for the category {ascii(category)[:40]} in place of '{wanted}'"
    if symbol is not None and not (isinstance(symbol, str) and symbol in asked.names):
        return f"answered for {ascii(symbol)[:40]} in place of {min(asked.names)!a}"
    return ""


STATEMENTS: Mapping[str, Callable[[Answer, Sequence[Any], Floats, Question], str]] = {
    "binanceusdm": _binance,
    "binancecoinm": _binance,
    "hyperliquid": _hyperliquid,
    "bybit": _bybit,
}

STATES_INTERVAL = frozenset({"binanceusdm", "binancecoinm", "hyperliquid"})


def lone_time(times: Floats) -> int | None:
    """Return the time of rows that have but one, None where there are several or none: one has no distance.

    Examples
    --------
    >>> lone_time(np.array([60_000.0, 60_000.0])), lone_time(np.array([60_000.0, 120_000.0]))
    (60000, None)
    """
    several = np.unique(times[np.isfinite(times)])
    return int(several[0]) if len(several) == 1 else None


def around(time_ms: int, step_ms: int, page: int) -> tuple[int, int]:
    """Return the range of bars around one, wide enough to hold a second bar of any longer interval.

    Parameters
    ----------
    page
        Most rows of one request; 0: no limit.

    Examples
    --------
    >>> around(6_000_000, 60_000, 1000), around(6_000_000, 60_000, 21)
    ((2400000, 9600000), (5400000, 6600000))
    """
    bars = min(max(LONGER), (page - 1) // 2) if page else max(LONGER)
    return time_ms - bars * step_ms, time_ms + bars * step_ms


def _wrong_span(spans: Ints, step_ms: int) -> str:
    """Return the fault of bars that do not close one millisecond before the next one opens."""
    others = spans[spans != step_ms - 1]
    if not len(others):
        return ""
    return f"answered with bars of {(int(others[0]) + 1) / 1000:g} s in place of {step_ms / 1000:g} s"


def _ragged(raw: Sequence[Any]) -> str:
    """Return the fault of bars of which some have fewer cells than others."""
    try:
        widths = set(map(len, raw))
    except TypeError:  # a null, a number
        widths = {0, 1}
    return "gave bars of different numbers of cells" if len(widths) > 1 else ""


def _outside(times: Floats, raw: Sequence[Any], asked: Question) -> str:
    """Return the fault of an answer with rows, none of them of the time asked for: that is no end of the data."""
    if not asked.bounded or not (len(times) or raw):
        return ""
    inside = ((times >= asked.since_ms) & (times <= asked.until_ms)).any()
    return "" if inside else "gave rows of another time than asked for"


def _too_far_apart(times: Floats, step_ms: int) -> str:
    """Return the fault of bars of which no two lie as close as asked for."""
    if len(times) < 2 or not step_ms:
        return ""
    distances = np.abs(np.diff(times))
    if (distances == step_ms).any():  # in order, as they should be
        return ""
    between = np.diff(np.unique(times[np.isfinite(times)]))
    if len(between) and (closest := between.min()) > step_ms:
        return f"answered with bars {closest / 1000:g} s apart in place of {step_ms / 1000:g} s"
    return ""


def longer_bars(rows: Floats, step_ms: int) -> str:
    """Return the fault of a day on which bars contain the bars after them, as bars of a longer interval do.

    Such a bar closes where the last of the others closes, reaches as far as they do, and its volume is at least theirs
    together, though each of them was traded. One may be chance: half of the bars at which a longer interval begins, and
    three of them, decide. On real days at most one in fourteen is of that kind.

    Parameters
    ----------
    rows
        Time in milliseconds, open, high, low, close, volume; in order of time.

    Examples
    --------
    Four minutes after each five-minute bar that bought all that they did.

    >>> minutes = np.array([[60_000.0 * n, 2.0, 3.0, 1.0, 2.0, 40.0 if n % 5 == 0 else 10.0] for n in range(20)])
    >>> longer_bars(minutes, 60_000)
    'gave bars of 300 s among those of 60 s'
    """
    for count in LONGER:
        (starts,) = np.nonzero(rows[: 1 - count, 0] % (count * step_ms) == 0)
        ends = starts + count - 1
        alike = rows[starts, 4] == rows[ends, 4]
        if np.count_nonzero(alike) < LEAST_STARTS:  # nearly always
            continue
        first, after = rows[starts], rows[starts[:, None] + np.arange(1, count)]
        volumes = after[:, :, 5]
        traded = (rows[ends, 0] - rows[starts, 0] == (count - 1) * step_ms) & (volumes > 0).all(axis=1)
        contains = (
            traded
            & alike
            & (first[:, 2] >= after[:, :, 2].max(axis=1))
            & (first[:, 3] <= after[:, :, 3].min(axis=1))
            & (first[:, 5] * (1 + SUM_ERROR) >= volumes.sum(axis=1))
        )
        if contains.sum() >= max(LEAST_STARTS, traded.sum() / 2):
            return f"gave bars of {count * step_ms / 1000:g} s among those of {step_ms / 1000:g} s"
    return ""
