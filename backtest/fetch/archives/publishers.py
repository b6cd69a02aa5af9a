"""The venues' public archive files: days of a series from a folder or from a web address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.errors import DataError, UnknownNameError
from backtest.fetch.archives import binance, bitmex, hyperliquid_contexts
from backtest.fetch.archives.csv import ArchiveFile, day_span
from backtest.fetch.archives.download import CLIENT, Client, DownloadError
from backtest.fetch.archives.files import Found, finder

if TYPE_CHECKING:
    import polars as pl

MONTHLY_FROM_DAYS = 20  # days wanted of a month from which its one file is less to read than theirs
FRAMES_KEPT = 2  # a month and a day, or two days in a row: what a month of days is served from


@dataclass(frozen=True, slots=True)
class Archive:
    """One publisher of archive files.

    Attributes
    ----------
    base
        Its public address, empty where it asks for an account.
    venues
        The venues whose markets it holds.
    files, read
        The files that can hold a day, best first; the rows of one of them as a series of the lake.
    """

    name: str
    base: str
    venues: tuple[str, ...]
    files: Callable[[str, str, str, str, dt.date], tuple[ArchiveFile, ...]]
    read: Callable[[Path, ArchiveFile, str, str, str, str], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class ArchiveDay:
    """One day of a series.

    Attributes
    ----------
    frame
        The day's rows with the columns of the series, None where no file has any.
    source
        The files they come from, relative to the root.
    reason
        Why there is no frame.
    note
        What is wrong with a file that was passed over for another one.
    """

    day: dt.date
    frame: pl.DataFrame | None
    source: str
    reason: str = ""
    note: str = ""


ARCHIVES: dict[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive(
            "binance",
            "https://data.binance.vision",
            tuple(binance.MARKETS),
            binance.files,
            binance.read,
        ),
        Archive(
            "bitmex",
            "https://s3-eu-west-1.amazonaws.com/public.bitmex.com",
            ("bitmex",),
            bitmex.files,
            bitmex.read,
        ),
        Archive("hyperliquid", "", ("hyperliquid",), hyperliquid_contexts.files, hyperliquid_contexts.read),
    )
}


def named(archive: str) -> Archive:
    """Return an archive by name.

    Raises
    ------
    UnknownNameError
        There is none of that name.
    """
    if archive not in ARCHIVES:
        raise UnknownNameError("archive", archive, ARCHIVES)
    return ARCHIVES[archive]


def offers(archive: str, venue: str, symbol: str, series: str, timeframe: str = "1m") -> bool:
    """Return whether an archive has a kind of file for the series, without a look at disk or net.

    Examples
    --------
    >>> offers("binance", "binanceusdm", "BTC/USDT:USDT", "mark_ohlcv")
    True
    >>> offers("binance", "bybit", "BTC/USDT:USDT", "mark_ohlcv")
    False
    """
    return bool(locate(archive, venue, symbol, series, dt.date(2024, 1, 1), timeframe))


def locate(archive: str, venue: str, symbol: str, series: str, day: dt.date, timeframe: str = "1m") -> tuple[str, ...]:
    """Return the names, relative to the root, under which a day is looked for, the best first.

    Examples
    --------
    >>> locate("hyperliquid", "hyperliquid", "BTC/USDC:USDC", "funding", dt.date(2025, 10, 10))
    ('asset_ctxs/20251010.csv.lz4',)
    """
    return tuple(file.name for file in named(archive).files(venue, symbol, series, timeframe, day))


def archive_days(
    root: str,
    archive: str,
    venue: str,
    symbol: str,
    series: str,
    days: Sequence[dt.date],
    *,
    timeframe: str = "1m",
    cache: Path,
    client: Client = CLIENT,
) -> Iterator[ArchiveDay]:
    """Give one ``ArchiveDay`` for each day asked for, in the order of ``days``.

    A file is opened once as long as the days of a month are asked for together. The monthly file is taken where 20
    days or more of its month are wanted, else the daily ones; where one is absent or damaged, the other serves.

    Parameters
    ----------
    root
        A folder, one file, or an http address.
    cache
        Folder for what is fetched from an address; files lie in it under archive and name.
    client
        How an address is asked.

    Raises
    ------
    DataError
        The only files that could serve a day are damaged or break a rule of their kind, or the server refuses
        (``download.DownloadError``).
    """
    publisher = named(archive)

    @lru_cache(maxsize=FRAMES_KEPT)
    def read(path: Path, file: ArchiveFile) -> pl.DataFrame:
        return publisher.read(path, file, venue, symbol, series, timeframe)

    shelf = _Shelf(finder(root, cache / publisher.name, client), read, {})
    for _, together in groupby(days, key=lambda day: (day.year, day.month)):
        month = list(together)
        many = len(set(month)) >= MONTHLY_FROM_DAYS
        for day in month:
            files = publisher.files(venue, symbol, series, timeframe, day)
            yield _one_day(day, _longest_first(files) if many else files, shelf)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """How files are found and read, and what was wrong with some: they are not tried twice."""

    find: Callable[[ArchiveFile], Found | str]
    read: Callable[[Path, ArchiveFile], pl.DataFrame]
    wrong: dict[ArchiveFile, DataError]


def _longest_first(files: tuple[ArchiveFile, ...]) -> tuple[ArchiveFile, ...]:
    """Put monthly before daily files within each kind."""
    kinds = list(dict.fromkeys(file.kind for file in files))
    return tuple(sorted(files, key=lambda file: (kinds.index(file.kind), file.span[0] - file.span[1])))


def _one_day(day: dt.date, files: tuple[ArchiveFile, ...], shelf: _Shelf) -> ArchiveDay:
    """Return the day from the first file that serves it; a damaged file is passed over while there is another."""
    reasons = [] if files else ["the archive has no such series"]
    damage: list[DataError] = []
    for file in files:
        try:
            given = _from_file(day, file, shelf)
        except DownloadError:
            raise
        except DataError as error:
            shelf.wrong[file] = error
            damage.append(error)
            continue
        if not isinstance(given, str):
            return replace(given, note="; ".join(map(str, damage)))
        reasons.append(given)
    if damage:
        raise damage[0]
    return ArchiveDay(day, None, "", "; ".join(reasons))


def _from_file(day: dt.date, file: ArchiveFile, shelf: _Shelf) -> ArchiveDay | str:
    """Return the day's rows of a file, or why there are none."""
    if file in shelf.wrong:
        raise shelf.wrong[file]
    found = shelf.find(file)
    if isinstance(found, str):
        return found
    frame, source = _rows_of_day(day, shelf.read(found.path, file)), found.source
    before = shelf.find(file.before) if file.before else ""
    if file.before and isinstance(before, Found):
        first = _rows_of_day(day, shelf.read(before.path, file.before))
        if first.height:
            frame = first.vstack(frame).unique("ts", keep="last", maintain_order=True)
            source = f"{before.source}, {source}"
    return ArchiveDay(day, frame, source) if frame.height else f"no row of the day in {found.source}"


def _rows_of_day(day: dt.date, frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.filter(pl.col("ts").is_between(*day_span(day), closed="left"))
