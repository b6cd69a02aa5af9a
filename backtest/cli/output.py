"""Where answers go: a table, CSV, JSON or Parquet, to stdout or whole into a file."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from backtest.cli import terminal
from backtest.cli.messages import print_line, silence
from backtest.cli.table import ROWS_AT_A_TIME, Table, as_json, flat_column, masked, table_text
from backtest.durable import writing

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("table", "csv", "json", "parquet")


@dataclass(frozen=True, slots=True)
class Output:
    """Destination and format of a command's answer."""

    format: str
    path: Path | None
    quiet: bool

    @property
    def for_reader(self) -> bool:
        """Return whether a human will read the answer: then it is an aligned table or text."""
        return self.format == "table"


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--format``, ``--output`` and ``--quiet``; it receives them as one ``output``."""

    @click.option("--format", "kind", type=click.Choice(FORMATS),
                  help="Format of the answer; by default that of the --output file's name, else table. JSON numbers "
                  "carry all digits of a decimal; not-a-number and infinity are null.")  # fmt: skip
    @click.option("--output", "path", type=click.Path(path_type=Path), help="Write to this file, whole or not at all.")
    @click.option("--quiet", "-q", is_flag=True, help="No notes on stderr.")
    @functools.wraps(function)
    def with_output(*args: Any, kind: str | None, path: Path | None, quiet: bool, **rest: Any) -> None:
        if path is not None and path.is_dir():
            raise click.UsageError(f"--output {path} is a folder; name a file")
        suffix = path.suffix.lower().removeprefix(".") if path else ""
        function(*args, output=Output(kind or (suffix if suffix in FORMATS else "table"), path, quiet), **rest)

    return with_output


def emit(answer: Table | pl.DataFrame, output: Output) -> None:
    """Write an answer in the format asked for."""
    write: Callable[[Any, IO[bytes]], None] = WRITERS[output.format]
    if isinstance(answer, Table):
        answer = masked(answer)
    if isinstance(answer, Table) and output.format != "table":
        answer = answer.frame()
    if output.path is not None:
        with whole_file(output.path) as file:
            write(answer, file)
        return
    if sys.stdout is None:  # closed by the caller
        return
    stream = sys.stdout.buffer
    if output.format == "parquet" and stream.isatty():
        raise click.UsageError("Parquet is not for a terminal: give --output FILE or redirect stdout")
    with until_closed():
        write(answer, stream)
        stream.flush()


def page(text: str, output: Output) -> None:
    """Write text that stands around or instead of a table."""
    if output.path is not None:
        with whole_file(output.path) as file:
            file.write(text.encode())
        return
    with until_closed():
        click.echo(text, nl=False)


def note(text: str, output: Output) -> None:
    """Print a note on stderr unless ``--quiet``."""
    if not output.quiet:
        print_line(f"note: {text}")


@contextmanager
def until_closed() -> Iterator[None]:
    """Let a reader such as ``head`` leave; the command still ends with its own exit code."""
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears complete under its name, by rename, or not at all."""
    try:
        with writing(path) as file:
            yield file
    except OSError as error:  # of the temporary file: name the one that was asked for
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _write_table(answer: Table | pl.DataFrame, file: IO[bytes]) -> None:
    width = terminal.columns() if file is getattr(sys.stdout, "buffer", None) else None
    for piece in table_text(answer, width):
        file.write(piece.encode())


def _write_csv(frame: pl.DataFrame, file: IO[bytes]) -> None:
    frame = frame.with_columns(flat_column(column) for column in frame.get_columns())
    file.write(frame.head(0).write_csv().encode())
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        file.write(rows.write_csv(include_header=False).encode())


def _write_json(frame: pl.DataFrame, file: IO[bytes]) -> None:
    file.write(b"[")
    between = b"\n"
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        for row in rows.iter_rows(named=True):
            file.write(between + as_json(row))
            between = b",\n"
    file.write(b"\n]\n")


def _write_parquet(frame: pl.DataFrame, file: IO[bytes]) -> None:
    whole = io.BytesIO()
    frame.write_parquet(whole)
    file.write(whole.getbuffer())


WRITERS: Mapping[str, Callable[..., None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
