"""Which bars a replay walks: the venue's own in the lake, another venue's there, else the committed sample (CSV)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.assets import asset
from backtest.errors import DataError, DataGapError
from backtest.lake.markets import chain, known_symbols
from backtest.lake.place import Place, shown
from backtest.lake.read import read_series
from backtest.lake.series import BAR_COLUMNS, schema_of
from backtest.times import Window, runs_of

if TYPE_CHECKING:
    import polars as pl

    from backtest.catalogue.events import CrashEvent
    from backtest.catalogue.facts import Sample


MINUTES = "1m"  # the timeframe of the sample


@dataclass(frozen=True, slots=True)
class RequestedWindow:
    """Start and end that the user asked for, None where the event decides; the timeframe of the bars."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    timeframe: str = MINUTES


ANY_WINDOW = RequestedWindow()


@dataclass(frozen=True, slots=True)
class Tape:
    """Where a coin's trade bars come from.

    ``symbol`` is the name of the coin at the venue that is replayed; ``place`` holds the trades, of whichever venue;
    ``start`` and ``end`` bound the stretch they are taken from; ``shared`` is what all coins of the event's sample have
    in common, the stretch itself for the lake; ``spans`` are the coin's spans in the sample, none for the lake;
    ``where`` names folder or files.
    """

    coin: str
    symbol: str
    place: Place
    start: dt.datetime
    end: dt.datetime
    shared: Window
    spans: tuple[Sample, ...]
    where: str

    @property
    def label(self) -> str:
        """Return folder or files as runs name them, wherever the lake lies."""
        return self.where if self.spans else self.place.label

    @property
    def venue(self) -> str:
        """Return the venue whose trades they are."""
        return self.place.venue

    def read(self, window: Window) -> pl.DataFrame:
        """Read the bars whose open lies in the window, in the order stored."""
        if self.spans:
            return sample_bars(self.spans, *window)
        return read_series(self.place, *window)

    def unused(self, window: Window) -> list[Sample]:
        """Return the spans of the sample that the window does not touch."""
        return [span for span in self.spans if span.end <= window[0] or span.start >= window[1]]


def find_tape(event: CrashEvent, venue: str, symbol: str, coin: str, requested: RequestedWindow) -> Tape:
    """Return the source of a coin's bars: the lake where it holds the days of the core, else the sample.

    The venue's own bars come first, then those of the next venue of the chain, a declared proxy; the venue's own that
    miss a day of the core come before the sample. A stretch of the lake is a run of neighbouring days.

    Parameters
    ----------
    venue, symbol
        The venue whose rules run and its name of the coin.
    requested
        What the user asked for.

    Raises
    ------
    DataGapError
        Neither has bars of the coin.
    """
    wanted = (requested.start or event.start, requested.end or event.end)
    core = (max(event.core_start, wanted[0]), min(event.core_end, wanted[1]))
    folder = "" if requested.timeframe == MINUTES else requested.timeframe
    own = Place(venue, symbol, "ohlcv", folder)
    chained = ((name, other) for name in chain(event, venue) for other in known_symbols(name, coin))
    others = (Place(name, other, "ohlcv", folder) for name, other in chained)
    stretches = {place: _stretch(place, wanted, core[0]) for place in dict.fromkeys((own, *others))}
    whole = [place for place, found in stretches.items() if found and found[0] <= core[0] and core[1] <= found[1]]
    chosen = next(iter(whole), None) or (own if stretches[own] else None)
    if chosen is not None:
        start, end = stretches[chosen] or wanted
        return Tape(
            coin=coin,
            symbol=symbol,
            place=chosen,
            start=start,
            end=end,
            shared=(start, end),
            spans=(),
            where=shown(chosen.folder),
        )
    spans = () if folder else spans_of(event.sample, coin, venue)
    if folder and not spans:
        fix = f"run crashbook fetch {event.id} --venue {venue} --timeframe {folder}, or set timeframe={MINUTES}"
        raise DataGapError(f"{event.id}: no bars of {folder} of {coin} for {venue} in the lake; {fix}")
    if not spans:
        held = ", ".join(sorted({span.coin for span in event.sample})) or "none"
        fix = f"run crashbook fetch {event.id} --venue {venue} or choose other coins"
        raise DataGapError(f"{event.id}: no bars of {coin} for {venue}; coins in the sample: {held}; {fix}")
    span = choose_span(spans, (event.core_start, event.core_end), requested)
    where = " and ".join(f"data/sample/{each.file}" for each in spans if each is span or _touches(each, requested))
    return Tape(
        coin=coin,
        symbol=symbol,
        place=Place(span.venue, symbol, "ohlcv"),
        start=span.start,
        end=span.end,
        shared=_shared(event, venue, requested) or (span.start, span.end),
        spans=spans,
        where=where,
    )


def _shared(event: CrashEvent, venue: str, requested: RequestedWindow) -> Window | None:
    """Return what the spans of all coins of an event's sample have in common, None where that is nothing."""
    coins = dict.fromkeys(span.coin for span in event.sample)
    core = (event.core_start, event.core_end)
    chosen = [choose_span(spans_of(event.sample, coin, venue), core, requested) for coin in coins]
    start, end = max(span.start for span in chosen), min(span.end for span in chosen)
    return (start, end) if start < end else None


def _stretch(place: Place, wanted: Window, inside: dt.datetime) -> Window | None:
    """Return the run of neighbouring days in the lake that holds a time, else the first one, cut to the window."""
    days = [dt.datetime.fromisoformat(path.stem) for path in place.files(*wanted)]
    runs = [tuple(dt.datetime.combine(day, dt.time()) for day in run) for run in runs_of([day.date() for day in days])]
    if not runs:
        return None
    start, end = next((run for run in runs if run[0] <= inside < run[1]), runs[0])
    return max(start, wanted[0]), min(end, wanted[1])


def _touches(span: Sample, requested: RequestedWindow) -> bool:
    """Return whether a window given in full touches a span."""
    start, end = requested.start, requested.end
    return start is not None and end is not None and span.start < end and span.end > start


def common_window(event: CrashEvent, tapes: Sequence[Tape], requested: RequestedWindow) -> Window:
    """Return the window of a replay: the times asked for, else what all tapes share of the event's window.

    Of the sample that is what all its coins share, whichever of them are replayed, so that leaving out a coin does not
    move the window; a coin that has more is bounded by its own bars where a time beyond is asked for.

    Raises
    ------
    DataGapError
        The window is empty.
    """
    beyond = any(
        (requested.start and requested.start >= tape.shared[1]) or (requested.end and requested.end <= tape.shared[0])
        for tape in tapes
    )
    bounds = [(tape.start, tape.end) if beyond else tape.shared for tape in tapes]
    first = requested.start or max(event.start, *(start for start, _ in bounds))
    last = requested.end or min(event.end, *(end for _, end in bounds))
    if first < last:
        return first, last
    held = ", ".join(f"{tape.coin} {tape.start.isoformat()} to {tape.end.isoformat()}" for tape in tapes)
    empty = f"{first.isoformat()} to {last.isoformat()}"
    raise DataGapError(f"{event.id}: empty window {empty}; there are bars of {held}; change start, end or coins")


def spans_of(samples: Sequence[Sample], coin: str, venue: str) -> tuple[Sample, ...]:
    """Return a coin's spans in order of time: those of the venue itself if it has any, else of the first that has."""
    mine = [span for span in samples if span.coin == coin]
    venues = [span.venue for span in mine]
    chosen = venue if venue in venues else next(iter(venues), venue)
    return tuple(sorted((span for span in mine if span.venue == chosen), key=lambda span: span.start))


def choose_span(spans: Sequence[Sample], core: Window, requested: RequestedWindow = ANY_WINDOW) -> Sample:
    """Return the span a run uses: the one that holds the start or end asked for, else the one with most of the core.

    Ties go to the later span.

    Parameters
    ----------
    spans
        Spans of one coin, at least one.
    core
        Start and end of the core of the crash.
    requested
        What the user asked for.
    """
    start, end = requested.start, requested.end

    def preference(span: Sample) -> tuple[bool, bool, dt.timedelta, dt.datetime]:
        holds_start = start is not None and span.start <= start < span.end
        holds_end = end is not None and span.start < end <= span.end
        overlap = min(span.end, core[1]) - max(span.start, core[0])
        return holds_start, holds_end, max(overlap, dt.timedelta(0)), span.start

    return max(spans, key=preference)


def sample_bars(spans: Sequence[Sample], start: dt.datetime, end: dt.datetime) -> pl.DataFrame:
    """Read the bars of some spans whose open lies in ``[start, end)``.

    Returns
    -------
    polars.DataFrame
        ts (Datetime("us")), open, high, low, close, volume as Float64, in the order of the files. Decimals of up
        to fifteen digits survive Float64: the shortest text of the number is the text of the file.
    """
    import polars as pl

    frames = [_read(span) for span in spans if span.start < end and span.end > start]
    if not frames:
        return pl.DataFrame(schema=schema_of("ohlcv"))
    return pl.concat(frames).filter(pl.col("ts").is_null() | pl.col("ts").is_between(start, end, closed="left"))


def _read(span: Sample) -> pl.DataFrame:
    """Read one file as text, so that an unreadable number becomes a null that the checks report with its place."""
    import polars as pl

    where = f"data/sample/{span.file}"
    try:
        text = pl.read_csv(asset("data", "sample", span.file), infer_schema=False, glob=False)
    except FileNotFoundError:
        raise DataError(f"{where}: no such file; it is part of the program; restore it") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{where}: not a CSV file of bars; restore it") from error
    missing = [name for name in BAR_COLUMNS if name not in text.columns]
    if missing:
        wanted = ", ".join(BAR_COLUMNS)
        raise DataError(f"{where}: no column {', '.join(missing)}; allowed: a header with {wanted}; restore the file")
    if text.height != span.rows:
        raise DataError(f"{where}: {text.height} bars; allowed: the {span.rows} of the event's entry; restore the file")
    milliseconds = pl.col("ts").cast(pl.Int64, strict=False)
    return text.select(
        (milliseconds * 1000).cast(pl.Datetime("us")).alias("ts"),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in BAR_COLUMNS[1:]),
    )
