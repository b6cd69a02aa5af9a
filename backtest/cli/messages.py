"""Lines on stderr: notes, and every error as one line with an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import IO

import click

from backtest.cli import interrupt
from backtest.errors import CrashbookError, printable
from backtest.masking import mask

LINES = "\n\t"  # what a text of several lines keeps
WORDS = {
    "a valid integer range": "a whole number",
    "a valid integer": "a whole number",
    "a valid float": "a number",
    "a number range": "a number",
}  # of click, in this order
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def shown(text: str) -> str:
    """Return a text as it may be shown: no secret in it, nothing that steers the terminal."""
    return printable(mask(text), LINES)


def filled(text: str, width: int | None) -> str:
    """Return a note wrapped to a terminal, its further lines indented; as it is where there is none."""
    if width is None or len(text) <= width:
        return text
    import textwrap

    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def print_line(text: str) -> None:
    """Print a line on stderr; that nobody reads it is no reason to stop."""
    try:
        click.echo(shown(text), err=True)
    except BrokenPipeError:
        silence(sys.stderr)


def print_text(text: str, end: str = "\n") -> None:
    """Print text on stdout; names that it quotes from files cannot steer the terminal."""
    click.echo(shown(text) + end, nl=False)


def print_error(error: BaseException) -> int:
    """Print an error as one line and return the exit code it stands for."""
    text, code = explain(error)
    if text:
        try:
            click.echo(f"crashbook: {shown(text)}", err=True)
        except OSError:
            silence(sys.stderr)
    return code


def explain(error: BaseException) -> tuple[str, int]:
    """Return the line for an error and its exit code; no line if the reader of the output has left.

    Examples
    --------
    >>> explain(KeyboardInterrupt())
    ('interrupted; finished runs and reports are kept, nothing is left half-written', 130)
    >>> explain(OSError(28, "No space left on device", "out.csv"))
    ('out.csv: No space left on device; free space or write elsewhere', 1)
    """
    if interrupt.pressed() or isinstance(error, KeyboardInterrupt):
        return interrupt.REASON, interrupt.EXIT_CODE
    if isinstance(error, CrashbookError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return _usage(error), error.exit_code
    if isinstance(error, BrokenPipeError):
        silence(sys.stdout)
        return "", 0
    if isinstance(error, OSError):
        silence(sys.stdout)
        fix = "free space or write elsewhere" if error.errno in FULL else "check the path and its permissions"
        return f"{error.filename or 'output'}: {error.strerror or error}; {fix}", 1
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer positions, for example --positions 100000", 1
    reason = " ".join(str(error).split())
    return f"a defect of the program: {type(error).__name__}: {reason}; crashbook --debug shows where", 1


def _usage(error: click.ClickException) -> str:
    message = error.format_message().strip()
    for theirs, plain in WORDS.items():
        message = message.replace(theirs, plain)
    context = getattr(error, "ctx", None)
    help_command = f"{context.command_path} --help" if context else "crashbook --help"
    return f"{message[:1].lower()}{' '.join(message[1:].split()).rstrip('.')}; see {help_command}"


def silence(stream: IO[str]) -> None:
    """Discard what a stream still holds, so that the interpreter does not fail when it ends and flushes it."""
    try:
        place = stream.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, place)
    os.close(nowhere)


def mask_logs() -> None:
    """Mask secrets in what libraries log where nobody has asked for their logs: it goes to stderr."""
    import logging

    class Masking(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return mask(super().format(record))

    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Masking())


def use_utf_8() -> None:
    """Write UTF-8 whatever the locale: amounts carry a true minus sign, which some encodings lack."""
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if isinstance(stream, io.TextIOWrapper) and encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8")
