"""Parquet read in part: the footer, then only the columns and row groups wanted, every byte counted."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backtest.errors import DataError
from backtest.fetch.reservoir.layout import COUNT, DECIMAL, DEX, FLAG, LEVELS, NUMBER, TEXT, TIME, Dataset
from backtest.fetch.reservoir.place import Listed, Place
from backtest.times import Window

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

FOOTER_BYTES = 64 * 1024  # read at once from the end of a file


@dataclass(frozen=True, slots=True)
class Part:
    """Rows wanted of a file: of some coins as the venue spells them (none: all of a dex), in a window (none: all)."""

    dex: str = DEX
    coins: Collection[str] = ()
    window: Window | None = None


class RangeFile(io.RawIOBase):
    """A file of the archive that is read by ranges; ``taken`` counts bytes."""

    # ruff: noqa: D102 - the methods of any file

    def __init__(self, place: Place, file: Listed) -> None:
        self.place, self.file, self.at, self.taken = place, file, 0, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.file.size}[whence] + offset
        return self.at

    def read(self, size: int = -1) -> bytes:
        stop = self.file.size if size < 0 else min(self.at + size, self.file.size)
        if stop <= self.at:
            return b""
        data = self.place.read(self.file.key, self.at, stop)
        if len(data) != stop - self.at:
            raise DataError(
                f"{self.place.name}/{self.file.key}: {len(data):,} of {stop - self.at:,} bytes came; try again"
            )
        self.at, self.taken = stop, self.taken + len(data)
        return data


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose footer was read.

    Attributes
    ----------
    groups
        Row groups that can hold rows of the part.
    columns
        Columns that are read; documented ones that the file may lack and does are left out.
    bytes
        Of these columns in these groups, compressed.
    new
        Columns that nobody documents.
    """

    dataset: Dataset
    listed: Listed
    where: str
    part: Part
    reader: Any
    groups: tuple[int, ...]
    columns: tuple[str, ...]
    bytes: int
    rows: int
    new: tuple[str, ...]
    stream: RangeFile = field(repr=False)


def open_part(place: Place, dataset: Dataset, listed: Listed, part: Part) -> Opened:
    """Read the footer of a file, check its columns and choose what to read.

    Raises
    ------
    DataError
        It is no whole Parquet file, or a column is absent or of another type than documented.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where, stream = f"{place.name}/{listed.key}", RangeFile(place, listed)
    try:
        reader = pq.ParquetFile(pa.PythonFile(stream, mode="r"), pre_buffer=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().split("\n", 1)[0].rstrip(".")
        raise DataError(f"{where}: not a whole Parquet file: {reason}; fetch or copy it again") from None
    columns, new = check_schema(reader.schema_arrow, dataset, where)
    groups = tuple(
        k for k in range(reader.metadata.num_row_groups) if _may_hold(reader.metadata.row_group(k), dataset, part)
    )
    chunks = [reader.metadata.row_group(k).column(c) for k in groups for c in range(reader.metadata.num_columns)]
    taken = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns]
    return Opened(
        dataset=dataset, listed=listed, where=where, part=part, reader=reader, groups=groups, columns=columns,
        bytes=sum(chunk.total_compressed_size for chunk in taken),
        rows=sum(reader.metadata.row_group(k).num_rows for k in groups), new=new, stream=stream,
    )  # fmt: skip


def check_schema(schema: pa.Schema, dataset: Dataset, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the wanted columns that a file has, and those that nobody documents.

    Raises
    ------
    DataError
        A wanted column is absent, or of another kind than documented.
    """
    found = []
    for name in dataset.wanted:
        kind = dataset.columns[name]
        if name not in schema.names:
            if kind.endswith("?"):
                continue
            raise DataError(
                f"{where}: no column '{name}'; documented: {', '.join(dataset.columns)}; the layout has changed"
            )
        actual = schema.field(name).type
        if not _is_kind(actual, kind.rstrip("?")):
            raise DataError(
                f"{where}: column '{name}' is {actual}, documented as {kind.rstrip('?')}; the layout has changed"
            )
        found.append(name)
    return tuple(found), tuple(name for name in schema.names if name not in dataset.columns)


def _is_kind(actual: pa.DataType, kind: str) -> bool:
    import pyarrow.types as pt

    if pt.is_dictionary(actual):
        actual = actual.value_type
    test = {
        TEXT: lambda each: pt.is_string(each) or pt.is_large_string(each) or pt.is_string_view(each),
        NUMBER: pt.is_floating, DECIMAL: pt.is_decimal, COUNT: pt.is_integer, TIME: pt.is_timestamp,
        FLAG: pt.is_boolean, LEVELS: pt.is_list,
    }[kind]  # fmt: skip
    return bool(test(actual))


def _may_hold(group: Any, dataset: Dataset, part: Part) -> bool:
    """Return whether the statistics of a row group leave room for rows of a part."""
    ranges = {}
    for place in range(group.num_columns):
        chunk = group.column(place)
        if chunk.path_in_schema in {dataset.coin, "timestamp"} and chunk.is_stats_set and chunk.statistics.has_min_max:
            ranges[chunk.path_in_schema] = chunk.statistics.min, chunk.statistics.max
    times, coins = ranges.get("timestamp"), ranges.get(dataset.coin)
    if part.window and times and isinstance(times[0], dt.datetime):
        low, high = (time.replace(tzinfo=None) for time in times)
        if high < part.window[0] or low >= part.window[1]:
            return False
    if part.coins and coins:
        return any(coins[0] <= coin <= coins[1] for coin in part.coins)
    return True


def frames(opened: Opened) -> Iterator[pl.DataFrame]:
    """Yield the rows of the part, a row group at a time, times as naive UTC, absent columns null.

    Raises
    ------
    DataError
        The file is damaged.
    """
    import polars as pl
    import pyarrow as pa

    lacking = [name for name in opened.dataset.wanted if name not in opened.columns]
    for group in opened.groups:
        try:
            table = opened.reader.read_row_group(group, columns=list(opened.columns), use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).strip().split("\n", 1)[0].rstrip(".")
            raise DataError(f"{opened.where}: damaged in row group {group}: {reason}; fetch or copy it again") from None
        frame = pl.DataFrame(table).with_columns(pl.lit(None).alias(name) for name in lacking)
        yield _of_part(frame, opened)


def _of_part(frame: pl.DataFrame, opened: Opened) -> pl.DataFrame:
    import polars as pl

    part, coin = opened.part, opened.dataset.coin
    if "timestamp" in frame.columns:
        frame = frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None).cast(pl.Datetime("us")))
        if part.window:
            frame = frame.filter(pl.col("timestamp").is_between(*part.window, closed="left"))
    if coin:
        name = pl.col(coin).cast(pl.String)
        frame = frame.with_columns(name)
        spot = name.str.starts_with("@") | name.str.contains("/", literal=True)
        of_dex = ~name.str.contains(":", literal=True) if part.dex == DEX else name.str.starts_with(f"{part.dex}:")
        frame = frame.filter(~spot & of_dex)
        if part.coins:
            frame = frame.filter(name.is_in(list(part.coins)))
    return frame


def spellings(coin: str) -> tuple[str, ...]:
    """Return how the venue may spell a coin that is named here.

    Examples
    --------
    >>> spellings("KPEPE"), spellings("XYZ-SILVER"), spellings("BTC")
    (('KPEPE', 'kPEPE'), ('xyz:SILVER',), ('BTC',))
    """
    dex, dash, name = coin.partition("-")
    if dash:
        return (f"{dex.lower()}:{name}",)
    return (coin, f"k{coin[1:]}") if coin.startswith("K") else (coin,)
