"""Rules that market rows must keep before a run may use them, and the facts counted of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from backtest.errors import DataError
from backtest.lake.digests import rows_digest
from backtest.times import Window, find_gaps

if TYPE_CHECKING:
    import polars as pl

PRICES = ("open", "high", "low", "close")
PRICE_LIMIT = 1e12
VOLUME_LIMIT = 1e18
GAPS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of the rows of one series: counts, first and last time, gaps as ``[start, end)``, digest."""

    rows: int = 0
    duplicates: int = 0
    missing: int = 0
    longest_gap_s: int = 0
    gaps: tuple[Window, ...] = ()
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    sha256: str = ""


class Rule(NamedTuple):
    """A rule of rows: the fault of rows that break it, what is allowed, and which rows break it."""

    fault: str
    allowed: str
    broken: pl.Expr


Rules = Callable[[int], Sequence[Rule]]  # the length of a bar in seconds, 0 where rows are no bars
Usable = Callable[[Sequence[str]], "pl.Expr"]  # the columns without the time


def check_rows(
    frame: pl.DataFrame, rules: Rules, symbol: str, where: str, *, bar_s: int = 0, window: Window | None = None
) -> tuple[pl.DataFrame, Facts]:
    """Refuse rows that break a rule or the order of time; drop and count rows given twice; count what is missing.

    Parameters
    ----------
    frame
        Columns of a series in the order stored.
    symbol, where
        Named in messages: the symbol, and the file or folder.
    bar_s
        Length of a bar in seconds; 0 where rows are no bars.
    window
        Start and end (exclusive) that bars should fill; None: from the first bar to the last.

    Raises
    ------
    DataError
        One line with the first bad row's time, how many there are, what is allowed and the fix.
    """
    if frame.is_empty():
        return frame, describe(frame, 0, bar_s, window)
    checked = [*rules(bar_s), *_order_rules(frame.columns)]
    any_broken = frame.select(rule.broken.any().alias(rule.fault) for rule in checked)  # by one pass: mostly none is
    for rule, broken in zip(checked, any_broken.row(0), strict=True):
        if broken:
            _refuse(frame.filter(rule.broken), symbol, where, rule)
    kept = frame.filter(_repeats().fill_null(value=False).not_())
    return kept, describe(kept, frame.height - kept.height, bar_s, window)


def check_bars(
    frame: pl.DataFrame, symbol: str, timeframe_s: int, where: str, window: Window | None = None
) -> tuple[pl.DataFrame, Facts]:
    """Check trade, mark or index bars as ``check_rows`` does.

    Examples
    --------
    >>> import polars as pl
    >>> day = dt.datetime.fromisoformat("2025-10-10")
    >>> ts = [day + dt.timedelta(minutes=minute) for minute in (0, 1, 4)]
    >>> bars = pl.DataFrame({"ts": ts, "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5.0})
    >>> facts = check_bars(bars, "BTC/USDT:USDT", 60, "a file")[1]
    >>> facts.rows, facts.missing, len(facts.gaps), facts.longest_gap_s
    (3, 2, 1, 120)
    """
    return check_rows(frame, bar_rules, symbol, where, bar_s=timeframe_s, window=window)


def check_funding(frame: pl.DataFrame, symbol: str, where: str) -> tuple[pl.DataFrame, Facts]:
    """Check funding rates as ``check_rows`` does."""
    return check_rows(frame, rate_rules, symbol, where)


def bar_rules(bar_s: int) -> list[Rule]:
    """Return the rules of a bar of a price."""
    import polars as pl

    prices = [pl.col(name) for name in PRICES]
    low, high, volume = pl.col("low"), pl.col("high"), pl.col("volume")
    outside = pl.any_horizontal((pl.col(name) < low) | (pl.col(name) > high) for name in ("open", "close"))
    off_grid = pl.col("ts").dt.timestamp("us") % (bar_s * 1_000_000) != 0
    no_number = pl.any_horizontal(_not_finite(price) for price in prices)
    too_large = pl.any_horizontal(price >= PRICE_LIMIT for price in prices)
    return [
        Rule("a time that cannot be read", "UTC times", pl.col("ts").is_null()),
        Rule("a time off the grid", f"opens on whole multiples of {bar_s} s", off_grid),
        Rule("a price that is not a number", "finite prices", no_number),
        Rule("a price below zero", "prices of zero or more", pl.any_horizontal(price < 0 for price in prices)),
        Rule("a price out of range", f"prices below {PRICE_LIMIT:g}", too_large),
        Rule("a high below the low", "low <= high", high < low),
        Rule("an open or close outside the range", "low <= open, close <= high", outside),
        Rule("a volume that is not a number", "finite volumes", _not_finite(volume)),
        Rule("a negative volume", "volumes of zero or more", volume < 0),
        Rule("a volume out of range", f"volumes below {VOLUME_LIMIT:g}", volume >= VOLUME_LIMIT),
    ]


def rate_rules(bar_s: int = 0) -> list[Rule]:
    """Return the rules of a funding rate, which has no bar."""
    import polars as pl

    rate = pl.col("rate")
    return [
        Rule("a time that cannot be read", "UTC times", pl.col("ts").is_null()),
        Rule(
            "a funding rate that is not a number below 1", "rates as fractions", _not_finite(rate) | (rate.abs() >= 1)
        ),
    ]


def whole_rows(values: Sequence[str]) -> pl.Expr:
    """Return which rows have every value."""
    import polars as pl

    return pl.all_horizontal(_not_finite(pl.col(name)).not_() for name in values)


def amounts(values: Sequence[str]) -> pl.Expr:
    """Return which rows have a value, and none below zero."""
    import polars as pl

    columns = [pl.col(name) for name in values]
    known = pl.any_horizontal(_not_finite(column).not_() for column in columns)
    return known & pl.all_horizontal(column.is_null() | (column.is_finite() & (column >= 0)) for column in columns)


def positive_ratios(values: Sequence[str]) -> pl.Expr:
    """Return which rows have values above zero only."""
    import polars as pl

    return whole_rows(values) & pl.all_horizontal(pl.col(name) > 0 for name in values)


def _not_finite(column: pl.Expr) -> pl.Expr:
    return column.is_null() | ~column.is_finite()


def _refuse(bad: pl.DataFrame, symbol: str, where: str, rule: Rule) -> None:
    when = bad["ts"][0]
    place = f"at {when.isoformat()}" if when is not None else "in place of a time"
    count = "1 such row" if bad.height == 1 else f"{bad.height} such rows"
    fix = "correct the file or delete it and fetch it again"
    raise DataError(f"{where}: {symbol}: {rule.fault} {place} ({count}); allowed: {rule.allowed}; {fix}")


def _order_rules(columns: Sequence[str]) -> list[Rule]:
    """Return the rules of a row after the one before it."""
    import polars as pl

    differs = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in columns if name != "ts")
    return [
        Rule("time running backwards", "rows in order of time", pl.col("ts").diff() < dt.timedelta(0)),
        Rule("two different rows for one time", "one row for each time", _repeats() & differs),
    ]


def _repeats() -> pl.Expr:
    """Return which rows have the time of the one before them."""
    import polars as pl

    return pl.col("ts").diff() == dt.timedelta(0)


def describe(frame: pl.DataFrame, duplicates: int, timeframe_s: int, window: Window | None) -> Facts:
    """Return counts, gaps and digest of checked rows; a ``timeframe_s`` of 0 has no gaps."""
    first, last = (frame["ts"][0], frame["ts"][-1]) if frame.height else (None, None)
    if window is None and first is not None and last is not None:
        window = (first, last + dt.timedelta(seconds=timeframe_s))
    gaps = find_gaps(frame["ts"].to_physical().to_numpy(), window, timeframe_s) if window and timeframe_s else ()
    lengths = [int((end - start).total_seconds()) for start, end in gaps]
    missing = sum(lengths) // timeframe_s if lengths else 0
    longest = max(lengths, default=0)
    return Facts(
        rows=frame.height,
        duplicates=duplicates,
        missing=missing,
        longest_gap_s=longest,
        gaps=gaps,
        first=first,
        last=last,
        sha256=rows_digest(frame),
    )


def facts_of(frame: pl.DataFrame) -> Facts:
    """Return count, first and last time and digest of rows that have no clock and need not be in order."""
    first, last = frame["ts"].min(), frame["ts"].max()
    return Facts(rows=frame.height, first=first, last=last, sha256=rows_digest(frame))  # type: ignore[arg-type]


def gaps_text(gaps: Sequence[Window]) -> str:
    """Return the first few gaps as text.

    Examples
    --------
    >>> five, six = (dt.datetime.fromisoformat(f"2025-10-10T21:0{minute}") for minute in (5, 6))
    >>> gaps_text([(five, six)])
    '2025-10-10T21:05:00 to 2025-10-10T21:06:00'
    """
    listed = [f"{start.isoformat()} to {end.isoformat()}" for start, end in gaps[:GAPS_SHOWN]]
    more = len(gaps) - GAPS_SHOWN
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")
