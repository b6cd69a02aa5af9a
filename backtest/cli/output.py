"""What read verbs print: one frame as an aligned table, CSV, JSON or Parquet, to stdout or whole into a file."""

from __future__ import annotations

import functools
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from backtest.cli.group import mute

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "csv", "json", "parquet")
ROWS_AT_A_TIME = 20_000
LONG_WORD = 40  # a longer one may be broken to fit a terminal
Verb = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a read verb's answer goes and in what shape; ``pretty`` if a human will read it."""

    format: str
    output: Path | None
    quiet: bool

    @property
    def pretty(self) -> bool:
        """Return whether the answer is an aligned table."""
        return self.format == "table"


def read_options(verb: Verb) -> Verb:
    """Give a read verb ``--format``, ``--output`` and ``--quiet``; it receives them as one ``sink``."""

    @click.option("--format", "kind", type=click.Choice(FORMATS),
                  help="Shape of the answer; by default that of the --output file's name, else table. JSON numbers "
                  "carry all digits of a decimal; not-a-number and infinity are null.")  # fmt: skip
    @click.option("--output", type=click.Path(path_type=Path), help="Write to this file, whole or not at all.")
    @click.option("--quiet", "-q", is_flag=True, help="No notes on stderr.")
    @functools.wraps(verb)
    def with_sink(*args: Any, kind: str | None, output: Path | None, quiet: bool, **rest: Any) -> None:
        if output is not None and output.is_dir():
            raise click.UsageError(f"--output {output} is a folder; name a file")
        named = output.suffix.lower().removeprefix(".") if output else ""
        shape = kind or (named if named in FORMATS else "table")
        verb(*args, sink=Sink(shape, output, quiet), **rest)

    return with_sink


def emit(frame: pl.DataFrame, sink: Sink) -> None:
    """Write a frame in the format asked for."""
    write = WRITERS[sink.format]
    if sink.output is not None:
        with whole_file(sink.output) as file:
            write(frame, file)
        return
    if sys.stdout is None:  # closed by the caller
        return
    stream = sys.stdout.buffer
    if sink.format == "parquet" and stream.isatty():
        raise click.UsageError("Parquet is not for a terminal: give --output FILE or redirect stdout")
    with unless_closed():
        write(frame, stream)
        stream.flush()


def page(text: str, sink: Sink) -> None:
    """Write text that stands around or instead of a table."""
    if sink.output is not None:
        with whole_file(sink.output) as file:
            file.write(text.encode())
        return
    with unless_closed():
        click.echo(text, nl=False)


def note(text: str, sink: Sink) -> None:
    """Print a note on stderr unless ``--quiet``."""
    if not sink.quiet:
        aside(f"note: {text}")


def aside(text: str) -> None:
    """Print a line on stderr; that nobody listens there is no reason to stop."""
    try:
        click.echo(text, err=True)
    except BrokenPipeError:
        mute(sys.stderr)


@contextmanager
def unless_closed() -> Iterator[None]:
    """Let a reader such as ``head`` go away: the rest is not wanted, but the verb still ends with its own exit code."""
    try:
        yield
    except BrokenPipeError:
        mute(sys.stdout)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears complete under its name, by rename, or not at all."""
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:  # of the temporary file: say it of the one that was asked for
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def frame_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    """Return rows as a frame with all columns, even if there is no row."""
    import polars as pl

    return pl.DataFrame({name: [row[name] for row in rows] for name in columns}, strict=False)


def table_text(frame: pl.DataFrame, width: int | None = None) -> Iterator[str]:
    """Yield an aligned table in pieces: numbers to the right, decimals exactly, nulls as a dash.

    Parameters
    ----------
    frame
        What to print.
    width
        Columns of the terminal: wider texts are wrapped. None keeps every row on one line.
    """
    names, right = frame.columns, [kind.is_numeric() for kind in frame.dtypes]
    texts = [column_text(frame[name]) for name in names]
    widths = [max(len(name), *map(len, text), 1) for name, text in zip(names, texts, strict=True)]
    if width and sum(widths) + 2 * (len(widths) - 1) > width:
        columns = zip(names, texts, widths, right, strict=True)
        least = [full if number else _longest_word([name, *text]) for name, text, full, number in columns]
        widths = fitted(widths, least, width)
    yield "".join(_lines(names, widths, right)) + "  ".join("-" * each for each in widths) + "\n"
    for start in range(0, frame.height, ROWS_AT_A_TIME):
        pieces = zip(*(text[start : start + ROWS_AT_A_TIME] for text in texts), strict=True)
        yield "".join(line for row in pieces for line in _lines(row, widths, right))


def _lines(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """Yield the lines of one row; texts wider than their column go on below."""
    if any(len(text) > width for text, width in zip(row, widths, strict=True)):
        import textwrap

        cells = [textwrap.wrap(text, width) or [""] for text, width in zip(row, widths, strict=True)]
        height = max(map(len, cells))
        rows: Iterable[Sequence[str]] = zip(*(cell + [""] * (height - len(cell)) for cell in cells), strict=True)
    else:
        rows = (row,)
    for parts in rows:
        aligned = (
            part.rjust(width) if to_right else part.ljust(width)
            for part, width, to_right in zip(parts, widths, right, strict=True)
        )  # fmt: skip
        yield "  ".join(aligned).rstrip() + "\n"


def fitted(widths: Sequence[int], least: Sequence[int], total: int) -> list[int]:
    """Narrow the widest columns that can be narrowed until a table fits a terminal, as far as it goes.

    Examples
    --------
    >>> fitted([10, 60, 30], [10, 20, 20], 80)
    [10, 36, 30]
    """
    out = list(widths)
    while sum(out) + 2 * (len(out) - 1) > total:
        free = [place for place, width in enumerate(out) if width > least[place]]
        if not free:
            break
        out[max(free, key=lambda place: out[place])] -= 1
    return out


def _longest_word(texts: Iterable[str]) -> int:
    return min(LONG_WORD, max((len(word) for text in texts for word in text.split()), default=1))


def column_text(series: pl.Series) -> list[str]:
    """Return the cells of a column as a table shows them.

    Examples
    --------
    >>> import polars as pl
    >>> column_text(pl.Series([0.1 + 0.2, None])), column_text(pl.Series([f"a{chr(10)}b"]))
    (['0.3', '-'], ['a b'])
    """
    import polars as pl

    if series.dtype.is_float():
        return ["-" if value is None else f"{value:.12g}" for value in series.to_list()]
    if isinstance(series.dtype, pl.Datetime):
        text = series.dt.strftime("%Y-%m-%d %H:%M:%S%.f")
    elif series.dtype == pl.String:
        text = series.str.replace_all(r"[\x00-\x1f\x7f-\x9f]", " ")  # names come from files: no escape codes
    else:
        try:
            text = plain_column(series).cast(pl.String)
        except pl.exceptions.PolarsError:  # types that have no text of their own
            text = pl.Series([str(value) for value in series.to_list()], dtype=pl.String)
    return [value or "" for value in text.fill_null("-").to_list()]


def plain_column(series: pl.Series) -> pl.Series:
    """Return a column that text formats can hold: lists and maps become JSON, bytes hexadecimal."""
    import polars as pl

    if series.dtype.is_nested() or series.dtype in {pl.Binary, pl.Object}:
        texts = [None if value is None else _json(value).decode().strip('"') for value in series.to_list()]
        return pl.Series(series.name, texts, pl.String)
    return series


def _json(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value, default=_exact, option=orjson.OPT_NON_STR_KEYS)


def _exact(value: Any) -> Any:
    import orjson

    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return value.hex() if isinstance(value, bytes) else str(value)


def _write_table(frame: pl.DataFrame, file: IO[bytes]) -> None:
    for piece in table_text(frame, shutil.get_terminal_size().columns if file.isatty() else None):
        file.write(piece.encode())


def _write_csv(frame: pl.DataFrame, file: IO[bytes]) -> None:
    frame = frame.with_columns(plain_column(column) for column in frame.get_columns())
    file.write(frame.head(0).write_csv().encode())
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        file.write(rows.write_csv(include_header=False).encode())


def _write_json(frame: pl.DataFrame, file: IO[bytes]) -> None:
    file.write(b"[")
    between = b"\n"
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        for row in rows.iter_rows(named=True):
            file.write(between + _json(row))
            between = b",\n"
    file.write(b"\n]\n")


def _write_parquet(frame: pl.DataFrame, file: IO[bytes]) -> None:
    whole = io.BytesIO()
    frame.write_parquet(whole)
    file.write(whole.getbuffer())


WRITERS: Mapping[str, Callable[[pl.DataFrame, IO[bytes]], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
