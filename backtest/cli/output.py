"""Where answers go: a table, CSV, JSON or Parquet, to stdout or whole into a file."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from backtest.cli import terminal
from backtest.cli.layout import ROWS_AT_A_TIME, as_list, is_one_row, laid_out
from backtest.cli.messages import LINES, filled, print_line, print_text, silence
from backtest.cli.table import Table, as_json, flat_column, masked, table_text
from backtest.durable import writing
from backtest.errors import STEERS, printable

if TYPE_CHECKING:
    import polars as pl

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that spreadsheets compute
FORMATS = ("table", "csv", "json", "parquet", "xlsx")
BINARY = {"parquet": "Parquet", "xlsx": "A workbook"}
SPREADSHEETS = {"excel", "xls", "xlsx", "xlsm", "spreadsheet", "workbook"}
TEXTS = ("txt", "text", "md", "log")  # suffixes of files that get a table


class Format(click.Choice[str]):
    """Names of formats; what a spreadsheet is called leads to a workbook."""

    def __init__(self, names: Sequence[str], workbook: str) -> None:
        super().__init__(names, case_sensitive=False)
        self.workbook = workbook

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the format of a name."""
        if str(value).lower() in SPREADSHEETS and str(value).lower() not in self.choices:
            self.fail(f"for Excel write a workbook: {self.workbook}", param, ctx)
        return super().convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class Output:
    """Destination and format of a command's answer."""

    format: str
    path: Path | None
    quiet: bool
    safe_csv: bool = False
    exact: bool = False

    @property
    def for_reader(self) -> bool:
        """Return whether a human will read the answer: then it is an aligned table or text."""
        return self.format == "table"


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--format``, ``--output`` and ``--quiet``; it receives them as one ``output``."""

    @click.option("--format", "kind", type=Format(FORMATS, "--output x.xlsx"),
                  help="Format of the answer; by default that of the --output file's name, else table. JSON numbers "
                  "carry all digits of a decimal; not-a-number and infinity are null.")  # fmt: skip
    @click.option("--output", "path", type=click.Path(path_type=Path), help="Write to this file, whole or not at all.")
    @click.option(
        "--safe-csv",
        is_flag=True,
        help="In CSV, put ' before texts that begin with = + - @, which spreadsheets take for formulas.",
    )
    @click.option("--exact", is_flag=True, help="All digits on a terminal too; elsewhere they are always kept.")
    @click.option("--quiet", "-q", is_flag=True, help="No notes on stderr.")
    @functools.wraps(function)
    def with_output(
        *args: Any, kind: str | None, path: Path | None, safe_csv: bool, exact: bool, quiet: bool, **rest: Any
    ) -> None:
        chosen = kind or format_of(path)
        if path is None and chosen in BINARY and sys.stdout is not None and sys.stdout.isatty():  # before the work
            raise click.UsageError(f"{BINARY[chosen]} is not for a terminal: give --output FILE or redirect stdout")
        function(*args, output=Output(chosen, path, quiet, safe_csv, exact), **rest)

    return with_output


def format_of(path: Path | None) -> str:
    """Return the format that the suffix of a file stands for; a table without one.

    Examples
    --------
    >>> format_of(None), format_of(Path("waves.CSV")), format_of(Path("waves.txt"))
    ('table', 'csv', 'table')
    """
    if path is None:
        return "table"
    if path.is_dir():
        raise click.UsageError(f"--output {path} is a folder; name a file")
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in {"", *TEXTS}:
        return "table"
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in (*FORMATS[1:], *TEXTS))
        raise click.UsageError(f"--output {path}: nothing is known of .{suffix}; allowed: {known}; or give --format")
    return suffix


def emit(answer: Table | pl.DataFrame, output: Output) -> None:
    """Write an answer in the format asked for."""
    from backtest.cli.short import short_cells

    write: Callable[[Any, IO[bytes]], None] = WRITERS[output.format]
    if isinstance(answer, Table):
        answer = masked(answer)
    if output.for_reader and output.path is None and not output.exact and (width := terminal.columns()):
        cells = short_cells(answer)
        page(as_list(cells, width) if is_one_row(cells) else "".join(laid_out(cells, width)), output)
        if cells.left_out:
            note(cells.left_out, output)
        return
    if isinstance(answer, Table) and output.format != "table":
        answer = answer.frame()
    if output.safe_csv and output.format == "csv":
        write = functools.partial(_write_csv, quoted=True)
    if output.path is not None:
        with whole_file(output.path) as file:
            write(answer, file)
        return
    if sys.stdout is None:  # closed by the caller
        return
    stream = sys.stdout.buffer
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
        print_text(text, end="")


def note(text: str, output: Output) -> None:
    """Print a note on stderr unless ``--quiet``."""
    if not output.quiet:
        print_line(filled(f"note: {text}", terminal.error_columns()))


def plain_texts(frame: pl.DataFrame, *, quoted: bool) -> pl.DataFrame:
    """Return a frame for CSV: nested values as JSON, texts and names without control characters.

    Parameters
    ----------
    frame
        Any frame.
    quoted
        Whether texts that a spreadsheet takes for formulas get an apostrophe in front.
    """
    import polars as pl

    columns: list[pl.Series] = []
    for place, column in enumerate(map(flat_column, frame.get_columns())):
        if isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
            column = column.cast(pl.String)
            plain = {text: _plain(text, quoted=quoted) for text in column.unique().to_list() if text is not None}
            if changed := {text: other for text, other in plain.items() if other != text}:
                column = column.replace_strict(changed, default=column)
        name = printable(column.name)
        columns.append(column.alias(name if name not in {each.name for each in columns} else f"{name}_{place}"))
    return pl.DataFrame(columns)


def _plain(text: str, *, quoted: bool) -> str:
    text = printable(text, LINES)
    return f"'{text}" if quoted and text.startswith(FORMULA) else text


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


def _write_csv(frame: pl.DataFrame, file: IO[bytes], *, quoted: bool = False) -> None:
    frame = plain_texts(frame, quoted=quoted)
    file.write(frame.head(0).write_csv().encode())
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        file.write(rows.write_csv(include_header=False).encode())


def _write_json(frame: pl.DataFrame, file: IO[bytes]) -> None:
    file.write(b"[")
    between = b"\n"
    for rows in frame.iter_slices(ROWS_AT_A_TIME):
        for row in rows.iter_rows(named=True):
            file.write(between + steady_json(as_json(row)))
            between = b",\n"
    file.write(b"\n]\n")


def steady_json(text: bytes) -> bytes:
    r"""Return JSON whose characters cannot steer a terminal: those are written as escapes, which mean the same.

    Examples
    --------
    >>> steady_json('{"a":"\u202e"}'.encode()).decode()
    '{"a":"\\u202e"}'
    """
    if text.isascii():
        return text.replace(b"\x7f", b"\\u007f")
    whole = text.decode()
    return STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", whole).encode()


def _write_xlsx(frame: pl.DataFrame, file: IO[bytes]) -> None:
    from backtest.cli.workbook import write_workbook

    write_workbook({"answer": frame}, file)


def _write_parquet(frame: pl.DataFrame, file: IO[bytes]) -> None:
    whole = io.BytesIO()
    frame.write_parquet(whole)
    file.write(whole.getbuffer())


WRITERS: Mapping[str, Callable[..., None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
