"""The files of a true book: the positions as a replay takes them, and beside them what is known of each."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.assets import inside, workspace
from backtest.book.actual.true_book import ORIGIN, TrueBook
from backtest.book.book import PositionBook
from backtest.durable import make_folder, write_file
from backtest.errors import BookError

if TYPE_CHECKING:
    import polars as pl

TIME = b"at"  # in the metadata of a file
NAME = "reservoir"  # of books made of that archive


def book_path(event: str, name: str = NAME) -> Path:
    """Return the path of an event's true book; it need not exist."""
    return inside(workspace(), "data", "books", f"{event}-{name}.parquet")


def origin_path(book: Path) -> Path:
    """Return the path of what is known of each position of a book."""
    return book.with_suffix(".origin.parquet")


def write_book(book: TrueBook, path: Path, at: dt.datetime) -> None:
    """Write both files; the book comes last, so that it never stands without the other.

    Parameters
    ----------
    at
        Time of the book, kept in its file.

    Raises
    ------
    BookError
        The disk refuses.
    """
    if path.suffix.lower() != ".parquet":
        raise BookError(f"{path.name}: a book is written as Parquet; give a name that ends in .parquet")
    try:
        make_folder(path.parent)
        write_file(origin_path(path), _bytes(book.origin, at))
        write_file(path, _bytes(book.rows, at))
    except OSError as error:
        raise BookError(f"{path.name}: cannot be written: {error.strerror}; free space or give another place") from None


def _bytes(frame: pl.DataFrame, at: dt.datetime) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.BufferOutputStream()
    pq.write_table(frame.to_arrow().replace_schema_metadata({TIME: at.isoformat()}), whole, compression="zstd")
    return memoryview(whole.getvalue())


def read_head(path: Path) -> tuple[dt.datetime, tuple[str, ...]]:
    """Return the time and the coins of a true book.

    Raises
    ------
    BookError
        There is none, or the file is no such book.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        at = dt.datetime.fromisoformat((pq.read_schema(path).metadata or {})[TIME].decode())
        coins = pq.read_table(path, columns=["symbol"])["symbol"].unique().to_pylist()
    except (pa.ArrowException, OSError, KeyError, ValueError):
        raise BookError(f"{path.name}: no true book; make one with crashbook book roll --from EVENT") from None
    return at, tuple(sorted(map(str, coins)))


def with_origin(book: PositionBook, path: Path) -> PositionBook:
    """Return a book with what is known of its positions, if a true book lies at a path; its identity covers both.

    Raises
    ------
    BookError
        The file beside the book is damaged or of another shape.
    """
    import polars as pl

    beside = origin_path(path)
    if not beside.is_file():
        return book
    try:
        data = beside.read_bytes()
        origin = pl.read_parquet(data).select(ORIGIN)
    except (pl.exceptions.PolarsError, OSError):
        raise BookError(f"{beside.name}: damaged or of another version; roll the book again") from None
    digest = hashlib.sha256(book.digest.encode() + data).hexdigest()
    return replace(book, origin=origin, digest=digest)
