"""The venues' public archive files: days of a series from a folder or from a web address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.assets import inside
from backtest.errors import DataError
from backtest.fetch.archives import binance, bitmex, hyperliquid_contexts
from backtest.fetch.archives.download import CLIENT, Client, DownloadError
from backtest.fetch.archives.files import ArchiveFile, FoundFile, day_span, finder
from backtest.fetch.day import FetchedDay
from backtest.lake.place import Place

if TYPE_CHECKING:
    import polars as pl

MONTHLY_FROM_DAYS = 20  # days wanted of a month from which its one file is less to read than theirs
SPARSE_KINDS = {"aggTrades", "trade"}  # bars are made of trades: without a trade there is none
FRAMES_KEPT = 2  # a month and a day, or two days in a row, serve a month of days


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
    files: Callable[[Place, dt.date], tuple[ArchiveFile, ...]]
    read: Callable[[Path, ArchiveFile, Place], pl.DataFrame]


ARCHIVES: Mapping[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive(
            name="binance",
            base="https://data.binance.vision",
            venues=tuple(binance.MARKETS),
            files=binance.files,
            read=binance.read,
        ),
        Archive(
            name="bitmex",
            base="https://s3-eu-west-1.amazonaws.com/public.bitmex.com",
            venues=("bitmex",),
            files=bitmex.files,
            read=bitmex.read,
        ),
        Archive(
            name="hyperliquid",
            base="",
            venues=("hyperliquid",),
            files=hyperliquid_contexts.files,
            read=hyperliquid_contexts.read,
        ),
    )
}


def archive_of(venue: str) -> Archive | None:
    """Return the archive that holds a venue's markets, None where there is none."""
    return next((archive for archive in ARCHIVES.values() if venue in archive.venues), None)


def offers(archive: Archive, place: Place) -> bool:
    """Return whether an archive has a kind of file for a series, without a look at disk or net.

    Examples
    --------
    >>> offers(ARCHIVES["binance"], Place("binanceusdm", "BTC/USDT:USDT", "mark_ohlcv", "1m"))
    True
    >>> offers(ARCHIVES["binance"], Place("bybit", "BTC/USDT:USDT", "mark_ohlcv", "1m"))
    False
    """
    return bool(archive.files(place, dt.date(2024, 1, 1)))


def archive_days(
    root: str, archive: Archive, place: Place, days: Sequence[dt.date], *, cache: Path, client: Client = CLIENT
) -> Iterator[FetchedDay]:
    """Give one ``FetchedDay`` for each day asked for, in the order of ``days``; its ``files`` are relative to the root.

    A file is opened once as long as the days of a month are asked for together. The monthly file is taken where 20
    days or more of its month are wanted, else the daily ones; where one is absent or damaged, the other serves.

    Parameters
    ----------
    root
        A folder, one file, or an http address.
    place
        The series, its market and timeframe.
    cache
        Folder for files fetched from an address; they lie in it under archive and name.
    client
        How an address is asked.

    Raises
    ------
    DataError
        The only files that could serve a day are damaged or break a rule of their kind, or the server refuses
        (``download.DownloadError``).
    """

    @lru_cache(maxsize=FRAMES_KEPT)
    def read(path: Path, file: ArchiveFile) -> pl.DataFrame:
        return archive.read(path, file, place)

    shelf = _Shelf(finder(root, inside(cache, archive.name), client), read, {})
    for _, together in groupby(days, key=lambda day: (day.year, day.month)):
        month = list(together)
        many = len(set(month)) >= MONTHLY_FROM_DAYS
        for day in month:
            files = archive.files(place, day)
            yield _one_day(day, _longest_first(files) if many else files, shelf)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """How files are found and read, and the faults of some: they are not tried twice."""

    find: Callable[[ArchiveFile], FoundFile | str]
    read: Callable[[Path, ArchiveFile], pl.DataFrame]
    faults: dict[ArchiveFile, DataError]


def _longest_first(files: tuple[ArchiveFile, ...]) -> tuple[ArchiveFile, ...]:
    """Put monthly before daily files within each kind."""
    kinds = list(dict.fromkeys(file.kind for file in files))
    return tuple(sorted(files, key=lambda file: (kinds.index(file.kind), file.span[0] - file.span[1])))


def _one_day(day: dt.date, files: tuple[ArchiveFile, ...], shelf: _Shelf) -> FetchedDay:
    """Return the day from the first file that serves it; a damaged file is passed over while there is another."""
    reasons = [] if files else ["the archive has no such series"]
    damage: list[DataError] = []
    for file in files:
        try:
            given = _from_file(day, file, shelf)
        except DownloadError:
            raise
        except DataError as error:
            shelf.faults[file] = error
            damage.append(error)
            continue
        if not isinstance(given, str):
            return replace(given, note="; ".join(map(str, damage)))
        reasons.append(given)
    if damage:
        raise damage[0]
    return FetchedDay(day, reason="; ".join(reasons))


def _from_file(day: dt.date, file: ArchiveFile, shelf: _Shelf) -> FetchedDay | str:
    """Return the day's rows of a file, or why there are none."""
    if file in shelf.faults:
        raise shelf.faults[file]
    found = shelf.find(file)
    if isinstance(found, str):
        return found
    frame, source = _rows_of_day(day, shelf.read(found.path, file)), found.label
    before = shelf.find(file.before) if file.before else ""
    if file.before and isinstance(before, FoundFile):
        first = _rows_of_day(day, shelf.read(before.path, file.before))
        if first.height:
            frame = first.vstack(frame).unique("ts", keep="last", maintain_order=True)
            source = f"{before.label}, {source}"
    if not frame.height:
        return f"no row of the day in {found.label}"
    return FetchedDay(day, frame=frame, files=source, sparse=file.kind in SPARSE_KINDS)


def _rows_of_day(day: dt.date, frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.filter(pl.col("ts").is_between(*day_span(day), closed="left"))
