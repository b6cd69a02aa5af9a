"""What must hold of market rows before a run may use them, and what is counted about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backtest.errors import DataError
from backtest.lake.place import PRICES, Window, find_holes, rows_digest

if TYPE_CHECKING:
    import polars as pl

PRICE_LIMIT = 1e12
HOLES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the rows of one series: counts, first and last time, holes as ``[start, end)``, digest."""

    rows: int
    duplicates: int
    missing: int
    longest_gap_s: int
    holes: tuple[Window, ...]
    first: dt.datetime | None
    last: dt.datetime | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one symbol as a run used it; ``label`` is measured, proxy, modelled or missing."""

    name: str
    symbol: str
    source: str
    label: str
    expected_rows: int | None
    facts: Facts | None
    note: str = ""
    bridged: int = 0

    def row(self) -> dict[str, Any]:
        """Return a row of the table ``coverage``, the run left out."""
        facts = self.facts or Facts(0, 0, 0, 0, (), None, None, "")
        return {
            "series": self.name,
            "symbol": self.symbol,
            "source": self.source,
            "label": self.label,
            "expected_rows": self.expected_rows,
            "rows": facts.rows,
            "gaps": len(facts.holes),
            "longest_gap_s": facts.longest_gap_s,
            "duplicates": facts.duplicates,
            "bridged": self.bridged,
            "first_ts": facts.first,
            "last_ts": facts.last,
            "sha256": facts.sha256,
            "note": self.note,
        }


def check_bars(
    frame: pl.DataFrame, symbol: str, timeframe_s: int, where: str, window: Window | None = None
) -> tuple[pl.DataFrame, Facts]:
    """Refuse bars that break a rule; drop and count rows given twice; count what is missing.

    Parameters
    ----------
    frame
        Columns ts, open, high, low, close, volume in the order stored.
    symbol, where
        Named in messages: the symbol, and the file or folder.
    timeframe_s
        Length of a bar in seconds.
    window
        Start and end (exclusive) that the bars should fill; None: from the first bar to the last.

    Raises
    ------
    DataError
        One line with the first bad row's time, how many there are, what is allowed and the fix.

    Examples
    --------
    >>> import polars as pl
    >>> day = dt.datetime.fromisoformat("2025-10-10")
    >>> ts = [day + dt.timedelta(minutes=minute) for minute in (0, 1, 4)]
    >>> bars = pl.DataFrame({"ts": ts, "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0, "volume": 5.0})
    >>> facts = check_bars(bars, "BTC/USDT:USDT", 60, "a file")[1]
    >>> facts.rows, facts.missing, len(facts.holes), facts.longest_gap_s
    (3, 2, 1, 120)
    """
    for what, allowed, bad in _bar_rules(timeframe_s):
        _refuse(frame.filter(bad), symbol, where, what, allowed)
    frame, duplicates = _in_order(frame, symbol, where)
    return frame, describe(frame, duplicates, timeframe_s, window)


def check_funding(frame: pl.DataFrame, symbol: str, where: str) -> tuple[pl.DataFrame, Facts]:
    """Refuse funding rows that break a rule; drop and count rows given twice.

    Raises
    ------
    DataError
        As ``check_bars``.
    """
    import polars as pl

    _refuse(frame.filter(pl.col("ts").is_null()), symbol, where, "a time that cannot be read", "UTC times")
    rate = pl.col("rate")
    bad = rate.is_null() | ~rate.is_finite() | (rate.abs() >= 1)
    _refuse(frame.filter(bad), symbol, where, "a funding rate that is not a number below 1", "rates as fractions")
    frame, duplicates = _in_order(frame, symbol, where)
    return frame, describe(frame, duplicates, 0, None)


def _bar_rules(timeframe_s: int) -> list[tuple[str, str, pl.Expr]]:
    """Return the rules of a bar: what is wrong, what is allowed, and which rows break it."""
    import polars as pl

    prices = [pl.col(name) for name in PRICES]
    low, high, volume = pl.col("low"), pl.col("high"), pl.col("volume")
    outside = pl.any_horizontal((pl.col(name) < low) | (pl.col(name) > high) for name in ("open", "close"))
    off_grid = pl.col("ts").dt.timestamp("us") % (timeframe_s * 1_000_000) != 0
    return [
        ("a time that cannot be read", "UTC times", pl.col("ts").is_null()),
        ("a time off the grid", f"opens on whole multiples of {timeframe_s} s", off_grid),
        ("a price that is not a number", "finite prices", pl.any_horizontal(_not_finite(price) for price in prices)),
        ("a price below zero", "prices of zero or more", pl.any_horizontal(price < 0 for price in prices)),
        ("a price out of range", f"prices below {PRICE_LIMIT:g}", pl.any_horizontal(x >= PRICE_LIMIT for x in prices)),
        ("a high below the low", "low <= high", high < low),
        ("an open or close outside the range", "low <= open, close <= high", outside),
        ("a volume that is not a number", "finite volumes", _not_finite(volume)),
        ("a negative volume", "volumes of zero or more", volume < 0),
    ]


def _not_finite(column: pl.Expr) -> pl.Expr:
    return column.is_null() | ~column.is_finite()


def _refuse(bad: pl.DataFrame, symbol: str, where: str, what: str, allowed: str) -> None:
    if bad.height:
        when = bad["ts"][0]
        place = f"at {when.isoformat()}" if when is not None else "in place of a time"
        count = "1 such row" if bad.height == 1 else f"{bad.height} such rows"
        fix = "correct the file or delete it and fetch it again"
        raise DataError(f"{where}: {symbol}: {what} {place} ({count}); allowed: {allowed}; {fix}")


def _in_order(frame: pl.DataFrame, symbol: str, where: str) -> tuple[pl.DataFrame, int]:
    """Refuse disorder and contradicting rows; drop rows equal to the one before."""
    import polars as pl

    step = pl.col("ts").diff()
    backwards = frame.filter(step < dt.timedelta(0))
    _refuse(backwards, symbol, where, "time running backwards", "rows in order of time")
    again = step == dt.timedelta(0)
    values = [name for name in frame.columns if name != "ts"]
    differs = pl.any_horizontal(pl.col(name) != pl.col(name).shift(1) for name in values)
    contradicting = frame.filter(again & differs)
    _refuse(contradicting, symbol, where, "two different rows for one time", "one row for each time")
    kept = frame.filter(again.fill_null(value=False).not_())
    return kept, frame.height - kept.height


def describe(frame: pl.DataFrame, duplicates: int, timeframe_s: int, window: Window | None) -> Facts:
    """Return counts, holes and digest of checked rows; a ``timeframe_s`` of 0 has no holes."""
    first, last = (frame["ts"][0], frame["ts"][-1]) if frame.height else (None, None)
    if window is None and first is not None and last is not None:
        window = (first, last + dt.timedelta(seconds=timeframe_s))
    holes = find_holes(frame["ts"].to_physical().to_numpy(), window, timeframe_s) if window and timeframe_s else ()
    lengths = [int((end - start).total_seconds()) for start, end in holes]
    missing = sum(lengths) // timeframe_s if lengths else 0
    longest = max(lengths, default=0)
    return Facts(frame.height, duplicates, missing, longest, holes, first, last, rows_digest(frame))


def hole_text(holes: Sequence[Window]) -> str:
    """Return the first few holes as text.

    Examples
    --------
    >>> five, six = (dt.datetime.fromisoformat(f"2025-10-10T21:0{minute}") for minute in (5, 6))
    >>> hole_text([(five, six)])
    '2025-10-10T21:05:00 to 2025-10-10T21:06:00'
    """
    listed = [f"{start.isoformat()} to {end.isoformat()}" for start, end in holes[:HOLES_SHOWN]]
    more = len(holes) - HOLES_SHOWN
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")
