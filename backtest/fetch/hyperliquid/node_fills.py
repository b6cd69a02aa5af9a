"""Hyperliquid's node fills: the forced closes of hourly block files, as the lake's series ``fills``.

A file holds one block per line; ``backtest.fetch.hyperliquid.blocks`` says which fills become rows.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.assets import inside, lake_folder
from backtest.durable import make_folder
from backtest.errors import DataError
from backtest.fetch.hyperliquid.blocks import DAY_US, FillCounts, FillRow, rows_of
from backtest.lake.cloud import publish, refresh
from backtest.lake.place import Place, shown
from backtest.lake.read import read_series
from backtest.lake.series import FILLS, schema_of
from backtest.lake.states import read_standing
from backtest.lake.write import write_day
from backtest.schema.coins import coin_name
from backtest.times import moment

if TYPE_CHECKING:
    import polars as pl

OnProgress = Callable[[Path, int, int], None]  # file, bytes read, bytes in it

SUFFIXES = (".lz4", ".jsonl", ".json")
CHUNK = 1 << 23
LONGEST_LINE = 1 << 26  # bytes: the largest block of 2025-10-10 is about a fifth of it
SPILL_ROWS = 50_000
ORDER = ("block_ts", "seq")
KINDS = ("adl", "liquidation")


@dataclass(frozen=True, slots=True)
class Fault:
    """Lines or fills of one file that could not be read, by reason, with the number of the first line."""

    file: str
    reason: str
    count: int
    first_line: int


@dataclass(frozen=True, slots=True)
class FillDay:
    """The rows of an import of one symbol and UTC day by kind; ``rows`` counts those the lake holds now."""

    symbol: str
    day: dt.date
    adl: int
    adl_usd: float
    liquidations: int
    liquidated_usd: float
    rows: int


@dataclass(frozen=True, slots=True)
class FillReport:
    """The counts of an import: blocks and fills read, fills passed over by reason, rows kept, faults.

    Attributes
    ----------
    blocks, fills
        Lines that are blocks, and fills in them.
    spot, taken, counterparts
        Fills of spot coins; fills of parties that took liquidated lots; bankrupt sides of deleveraging trades.
    shared
        Blocks met a second time, whose fills are counted once.
    unpaired
        Deleveraging fills whose bankrupt side is not in their block.
    """

    files: tuple[str, ...]
    blocks: int
    fills: int
    spot: int
    taken: int
    counterparts: int
    shared: int
    unpaired: int
    days: tuple[FillDay, ...]
    faults: tuple[Fault, ...]

    @property
    def kept(self) -> int:
        """Return the rows of this import."""
        return sum(day.adl + day.liquidations for day in self.days)


def unified_symbol(coin: str) -> str:
    """Return the unified symbol of a coin of the venue.

    Examples
    --------
    >>> unified_symbol("kPEPE"), unified_symbol("xyz:SILVER")
    ('KPEPE/USDC:USDC', 'XYZ-SILVER/USDC:USDC')
    """
    return f"{coin_name(coin)}/USDC:USDC"


def import_fills(
    paths: Sequence[Path], *, venue: str = "hyperliquid", on_progress: OnProgress | None = None
) -> FillReport:
    """Read node fills into the lake, one file per symbol and UTC day, merged with the rows that are there.

    Importing a file again changes no byte, and the order in which files are imported does not matter. Only forced
    closes are checked field by field; of the other fills only that they have a coin and a direction.

    Parameters
    ----------
    paths
        ``.lz4`` (frame format), ``.jsonl`` or ``.json`` files.
    on_progress
        Called with the file, the bytes read of it so far, and its size.

    Raises
    ------
    DataError
        A file is missing, truncated, corrupt or holds no block, or fills of one of its days come from an archive.
        Nothing is written then.
    """
    if not paths:
        raise DataError(f"no file of node fills given; allowed: {', '.join(SUFFIXES)}; name at least one")
    counts, faults = FillCounts(), list[Fault]()
    with tempfile.TemporaryDirectory(prefix="crashbook-fills-") as folder:
        spilled: dict[tuple[str, int], list[Path]] = {}
        for path in paths:
            rows: list[FillRow] = []
            for block in _blocks(path, counts, on_progress):
                rows += block
                if len(rows) >= SPILL_ROWS:
                    _spill(rows, Path(folder), spilled)
                    rows = []
            _spill(rows, Path(folder), spilled)
            faults += [
                Fault(file=path.name, reason=reason, count=count, first_line=counts.first[reason])
                for reason, count in counts.faults.items()
            ]
        with _exclusively():
            _refuse_other_source(venue, sorted(spilled))
            days = tuple(_write(venue, coin, day, spilled[coin, day]) for coin, day in sorted(spilled))
    return FillReport(
        files=tuple(path.name for path in paths),
        blocks=counts.blocks,
        fills=counts.fills,
        spot=counts.spot,
        taken=counts.taken,
        counterparts=counts.counterparts,
        shared=counts.shared,
        unpaired=counts.unpaired,
        days=days,
        faults=tuple(faults),
    )


def _blocks(path: Path, counts: FillCounts, on_progress: OnProgress | None) -> Iterator[list[FillRow]]:
    """Yield the rows of each block of a file; lines that are no block are counted."""
    import orjson

    counts.begin_file()
    before = counts.blocks
    for number, line in enumerate(_lines(path, on_progress), 1):
        counts.line = number
        if len(line) > LONGEST_LINE:
            counts.fault(f"a line longer than {LONGEST_LINE >> 20} MiB")
            continue
        if not line.strip():
            continue
        try:
            block = orjson.loads(line)
        except orjson.JSONDecodeError:
            counts.fault("not JSON")
            continue
        rows = rows_of(block, counts)
        if rows:
            yield rows
    if counts.blocks == before:
        reason = next((f"{count:,} lines: {reason}" for reason, count in counts.faults.items()), "it is empty")
        raise DataError(f"{shown(path)}: no block of fills in it ({reason}); give an hourly file of node fills")


def _lines(path: Path, on_progress: OnProgress | None) -> Iterator[bytes]:
    """Yield the lines of a file; of a line that is too long only the beginning, longer than allowed."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{shown(path)}: not a file of node fills; allowed: {', '.join(SUFFIXES)}; rename or unpack it")
    rest = b""
    for data in _chunks(path, on_progress):
        first, *others = data.split(b"\n")
        if len(rest) <= LONGEST_LINE:
            rest += first
        if others:
            yield rest
            *whole, rest = others
            yield from whole
    if rest:
        yield rest


def _chunks(path: Path, on_progress: OnProgress | None) -> Iterator[bytes]:
    import pyarrow as pa

    packed = path.suffix.lower() == ".lz4"
    try:
        size = path.stat().st_size
        with pa.OSFile(str(path)) as source:
            stream = pa.CompressedInputStream(source, "lz4") if packed else source
            while data := stream.read(CHUNK):
                yield data
                if on_progress:
                    on_progress(path, source.tell(), size)
    except OSError as error:
        reason = error.strerror or ("truncated or corrupt lz4" if packed else str(error))
        raise DataError(f"{shown(path)}: {reason}; nothing was imported; fetch the file again") from None


def _spill(rows: list[FillRow], folder: Path, spilled: dict[tuple[str, int], list[Path]]) -> None:
    """Move rows to disk, one file per coin and day."""
    import polars as pl

    parts: dict[tuple[str, int], list[FillRow]] = {}
    for row in rows:
        parts.setdefault((row.coin, row.day), []).append(row)
    kinds = schema_of("fills") | dict.fromkeys(("ts", "block_ts"), pl.Int64())
    for key, part in parts.items():
        files = spilled.setdefault(key, [])
        files.append(inside(folder, f"{list(spilled).index(key)}-{len(files)}.parquet"))
        columns = dict(zip(FillRow._fields, zip(*part, strict=True), strict=True))
        frame = pl.DataFrame([pl.Series(name, columns[name], kind) for name, kind in kinds.items()])
        typed = (pl.col(name).cast(kind) for name, kind in schema_of("fills").items())
        frame.select(typed).write_parquet(files[-1])


@contextmanager
def _exclusively() -> Iterator[None]:
    """Wait for other imports: a day is read, merged and written, and rows they added meanwhile would be lost.

    Those of other machines into a lake at an address are not waited for.
    """
    import fcntl

    folder = lake_folder() / "fills"
    try:
        make_folder(folder)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"{shown(folder)}: {error.strerror}; free space or set CRASHBOOK_HOME") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        refresh(now=True)
        yield
        publish()
    finally:
        os.close(handle)


def _refuse_other_source(venue: str, days: Sequence[tuple[str, int]]) -> None:
    """Refuse days whose fills come from an archive: its times are rounded, so that every fill would count twice."""
    for coin, number in days:
        place, day = Place(venue, unified_symbol(coin), "fills"), moment(number * DAY_US).date()
        source = read_standing(place.file(day)).source if place.file(day).is_file() else ""
        if source:
            fix = f"keep these, or delete {shown(place.file(day))} and import again"
            raise DataError(f"{place.symbol} {day}: fills of {source} are in the lake and would count twice; {fix}")


def _write(venue: str, coin: str, day_number: int, files: Sequence[Path]) -> FillDay:
    """Write one day of one coin: the rows spilled and those the lake holds, each once, in order of emission."""
    import polars as pl

    symbol, start = unified_symbol(coin), moment(day_number * DAY_US)
    found = _deduplicated(pl.concat(pl.read_parquet(path, glob=False) for path in files))
    held = read_series(Place(venue, symbol, "fills"), start, start + dt.timedelta(days=1))
    merged = _deduplicated(pl.concat([held, found])) if held.height else found
    if not merged.equals(held):
        write_day(merged, Place(venue, symbol, "fills"), start.date())
    adl, liquidated = (found.filter(pl.col("kind") == kind) for kind in KINDS)
    sizes = [math.fsum((part["quantity_base"] * part["px"]).to_list()) for part in (adl, liquidated)]
    return FillDay(
        symbol=symbol,
        day=start.date(),
        adl=adl.height,
        adl_usd=sizes[0],
        liquidations=liquidated.height,
        liquidated_usd=sizes[1],
        rows=merged.height,
    )


def _deduplicated(frame: pl.DataFrame) -> pl.DataFrame:
    # the other columns only decide where two blocks claim one time; sorted by all, the bytes are the same every time
    rest = [name for name in FILLS if name not in ORDER]
    return frame.unique().sort(*ORDER, *rest)
