"""The committed sample: minute bars of crash hours as CSV, found through the entries of an event."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.assets import asset
from backtest.errors import DataError
from backtest.ingest.lake import BAR_COLUMNS

if TYPE_CHECKING:
    import polars as pl


def spans_of(samples: Sequence[Sample], coin: str, venue: str) -> tuple[Sample, ...]:
    """Return a coin's spans in order of time: those of the venue itself if it has any, else of the first that has."""
    mine = [span for span in samples if span.coin == coin]
    venues = [span.venue for span in mine]
    chosen = venue if venue in venues else next(iter(venues), venue)
    return tuple(sorted((span for span in mine if span.venue == chosen), key=lambda span: span.start))


def choose_span(
    spans: Sequence[Sample],
    core: tuple[dt.datetime, dt.datetime],
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> Sample:
    """Return the span a run uses: the one that holds a time asked for, else the one that holds most of the core.

    Parameters
    ----------
    spans
        Spans of one coin, at least one.
    core
        Start and end of the core of the crash.
    start, end
        Window asked for; either may be None.

    Notes
    -----
    Ties go to the later span.
    """

    def preference(span: Sample) -> tuple[bool, bool, dt.timedelta, dt.datetime]:
        holds_start = start is not None and span.start <= start < span.end
        holds_end = end is not None and span.start < end <= span.end
        overlap = min(span.end, core[1]) - max(span.start, core[0])
        return holds_start, holds_end, max(overlap, dt.timedelta(0)), span.start

    return max(spans, key=preference)


def sample_rows(spans: Sequence[Sample], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    """Read the bars of some spans whose open lies in ``[start, end)``.

    Returns
    -------
    polars.DataFrame
        ts (Datetime("us")), open, high, low, close, volume as Float64, in the order of the files. Numbers of up
        to fifteen digits survive the way through Float64: their shortest text is the text of the file.
    """
    import polars as pl

    frames = [_read(span) for span in spans if span.start < end and span.end > start]
    if not frames:
        return pl.DataFrame(schema={name: pl.Datetime("us") if name == "ts" else pl.Float64() for name in BAR_COLUMNS})
    return pl.concat(frames).filter(pl.col("ts").is_null() | pl.col("ts").is_between(start, end, closed="left"))


def _read(span: Sample) -> pl.DataFrame:
    """Read one file as text, so that an unreadable number becomes a null that the checks report with its place."""
    import polars as pl

    where = f"data/sample/{span.file}"
    try:
        text = pl.read_csv(asset("data", "sample", span.file), infer_schema=False)
    except FileNotFoundError:
        raise DataError(f"{where}: no such file; restore it, it is part of the program") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{where}: not a CSV file of bars; restore it, it is part of the program") from error
    missing = [name for name in BAR_COLUMNS if name not in text.columns]
    if missing:
        wanted = ", ".join(BAR_COLUMNS)
        raise DataError(f"{where}: no column {', '.join(missing)}; allowed: a header with {wanted}; restore the file")
    if text.height != span.rows:
        raise DataError(f"{where}: {text.height} bars where the event says {span.rows}; restore the file")
    milliseconds = pl.col("ts").cast(pl.Int64, strict=False)
    return text.select(
        (milliseconds * 1000).cast(pl.Datetime("us")).alias("ts"),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in BAR_COLUMNS[1:]),
    )
