"""Parts of the archive kept beside the lake: each appears whole, carries its source and digest, and is read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backtest.assets import inside, workspace
from backtest.durable import make_folder, write_file
from backtest.errors import DataError
from backtest.fetch.reservoir.parquet import Opened, frames
from backtest.fetch.reservoir.plan import Plan
from backtest.lake.digests import rows_digest
from backtest.lake.place import shown

if TYPE_CHECKING:
    import polars as pl

OnProgress = Callable[[int, int], None]  # bytes of parts done, bytes of all
SOURCE, DIGEST = b"source", b"sha256"


@dataclass(frozen=True, slots=True)
class Kept:
    """A part on disk: its name, rows, where they come from, and whether it was there before."""

    name: str
    path: Path
    rows: int
    source: str
    fresh: bool


def folder_of(event: str) -> Path:
    """Return the folder of an event's parts; it need not exist."""
    return inside(workspace(), "data", "reservoir", event)


def pull(plan: Plan, event: str, on_progress: OnProgress | None = None) -> tuple[Kept, ...]:
    """Read the parts of a plan that are not on disk yet; an interrupted pull continues where it ended.

    Raises
    ------
    DataError
        A part cannot be read or is empty where rows are needed; parts before it stay.
    """
    folder, done, kept = folder_of(event), 0, list[Kept]()
    for part in plan.parts:
        path = inside(folder, file_name(part))
        source = _source(part)
        rows = _rows_held(path, source)
        if rows is None:
            frame = gathered(part)
            if not frame.height and part.dataset.name in {"positions", "bars"}:
                wanted = f" of {', '.join(part.part.coins)}" if part.part.coins else ""
                raise DataError(f"{part.where}: no row{wanted} at {part.part.dex}; check the coins")
            _write(frame, path, source)
            kept.append(Kept(part.dataset.name, path, frame.height, part.listed.key, fresh=True))
        else:
            kept.append(Kept(part.dataset.name, path, rows, part.listed.key, fresh=False))
        done += part.bytes
        if on_progress:
            on_progress(done, plan.bytes)
    return tuple(kept)


def file_name(part: Opened) -> str:
    """Return the name of a part on disk: kind, dex, day or block, and of an order book its coin."""
    key = PurePosixPath(part.listed.key)
    day = key.parent.name.removeprefix("date=")
    stem = "" if key.stem in {"fills", "candles"} else f"-{key.stem}"
    dex = "" if part.dataset.name == "account_values" else f"-{part.part.dex}"
    return f"{part.dataset.name}{dex}-{day}{stem}.parquet"


def _source(part: Opened) -> str:
    """Return what a part was read from and which rows of it: another one is read again."""
    coins = ",".join(part.part.coins) or "all"
    times = " to ".join(time.isoformat() for time in part.part.window or ())
    return f"{part.listed.key} {part.listed.tag} {part.listed.size} {coins} {times}"


def _rows_held(path: Path, source: str) -> int | None:
    """Return the rows of a part that is on disk whole and from the same source, None if it is to be read."""
    try:
        frame, held = _read(path)
    except DataError:
        return None
    return frame.height if held == source else None


def gathered(part: Opened) -> pl.DataFrame:
    """Return all rows of a part, with its columns where there is none."""
    import polars as pl

    found = list(frames(part))
    if not found:
        import pyarrow as pa

        empty = pl.DataFrame(pa.table({name: pa.array([], part.reader.schema_arrow.field(name).type)
                                       for name in part.columns}))  # fmt: skip
        absent = [name for name in part.dataset.wanted if name not in part.columns]
        found = [empty.with_columns(pl.lit(None).alias(name) for name in absent)]
    return pl.concat(found, how="vertical_relaxed").rechunk()


def _write(frame: pl.DataFrame, path: Path, source: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.BufferOutputStream()
    told = {SOURCE: source.encode(), DIGEST: _digest(frame).encode()}
    pq.write_table(frame.to_arrow().replace_schema_metadata(told), whole, compression="zstd")
    try:
        make_folder(path.parent)
        write_file(path, memoryview(whole.getvalue()))
    except OSError as error:
        raise DataError(
            f"{shown(path)}: cannot be written: {error.strerror}; free space or set CRASHBOOK_HOME"
        ) from None


def _digest(frame: pl.DataFrame) -> str:
    """Return a digest of the rows: exact for texts and whole numbers, of decimals and levels by their values."""
    import polars as pl

    levels = pl.element().struct.field("px") + " " + pl.element().struct.field("sz")
    plain = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if kind.is_nested():
            plain.append(column.list.eval(levels).list.join(" "))
        elif kind.is_decimal() or kind in {pl.Boolean, pl.Null}:
            plain.append(column.cast(pl.Float64))
        else:
            plain.append(column.cast(pl.String) if kind in {pl.Categorical, pl.Enum} else column)
    return rows_digest(frame.select(plain))


def _read(path: Path) -> tuple[pl.DataFrame, str]:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError, ValueError):
        raise DataError(f"{shown(path)}: not there or damaged; run crashbook fetch again") from None
    told = table.schema.metadata or {}
    frame = pl.DataFrame(table)
    if told.get(DIGEST, b"").decode(errors="replace") != _digest(frame):
        raise DataError(f"{shown(path)}: its rows are not those that were written; run crashbook fetch again")
    return frame, told.get(SOURCE, b"").decode(errors="replace")


def read_parts(event: str, name: str) -> pl.DataFrame | None:
    """Return the rows of all parts of a kind on disk, days in order; None if there is none.

    Raises
    ------
    DataError
        One of them is damaged.
    """
    import polars as pl

    paths = part_paths(event, name)
    return pl.concat(map(read_part, paths), how="vertical_relaxed") if paths else None


def read_part(path: Path) -> pl.DataFrame:
    """Return the rows of one part, its digest checked."""
    return _read(path)[0]


def part_paths(event: str, name: str) -> Sequence[Path]:
    """Return the parts of a kind on disk in the order of their names."""
    folder = folder_of(event)
    return sorted(folder.glob(f"{name}-*.parquet")) if folder.is_dir() else []
