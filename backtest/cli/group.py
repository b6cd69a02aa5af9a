"""The group of verbs: every error becomes one line on stderr and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import IO, Any, NoReturn

import click

from backtest.errors import CrashbookError, UnknownNameError

INTERRUPTED = 130
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


RUN_WORDS = (
    ("RUN", "id of a run, the start of one, the path of a run folder, or latest (the default)"),
    ("CRASHBOOK_HOME", "folder that holds runs, reports and data; by default the current one"),
)
EXIT_CODES = (
    ("0", "ok"),
    ("1", "refused, with the reason in one line"),
    ("2", "wrong usage or unknown name"),
    ("3", "gap in the data"),
    ("4", "audit failed"),
    (str(INTERRUPTED), "interrupted"),
)


class Verb(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


def verb(*examples: str) -> Callable[[Callable[..., None]], Verb]:
    """Make a function a verb of the command line, with examples for its help."""
    return click.command(cls=Verb, examples=examples)


class Verbs(click.Group):
    """A group that lists its verbs in the order of a working day and ends with the documented exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order they were added."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Explain the names that all verbs share."""
        with formatter.section("Examples"):
            formatter.write("  crashbook replay 2025-10-10 --report\n  crashbook query adl_waves\n")
        with formatter.section("Names"):
            formatter.write_dl(RUN_WORDS)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; an unknown one is refused with the near matches."""
        if self.get_command(ctx, args[0]) is None:
            raise UnknownNameError("command", args[0], self.commands, "See crashbook --help")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; whatever goes wrong is said in one line, with the traceback only if ``--debug`` was given."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.meta.get("debug"):
                traceback.print_exc()
            raise click.exceptions.Exit(complain(error)) from None

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the command line and end the process with its exit code."""
        unicode_streams()
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.Abort:
            code = complain(KeyboardInterrupt())
        except click.ClickException as error:  # a wrong global option: no verb has run yet
            code = complain(error)
        sys.exit(code or 0)


def complain(error: BaseException) -> int:
    """Print an error as one line and return the exit code it stands for."""
    text, code = explain(error)
    if text:
        try:
            click.echo(f"crashbook: {text}", err=True)
        except OSError:
            mute(sys.stderr)
    return code


def explain(error: BaseException) -> tuple[str, int]:
    """Return the line for an error and its exit code; no line for a reader who has seen enough.

    Examples
    --------
    >>> explain(KeyboardInterrupt())
    ('interrupted; finished runs and reports are kept, nothing is left half-written', 130)
    >>> explain(OSError(28, "No space left on device", "out.csv"))
    ('out.csv: No space left on device; free space or write elsewhere', 1)
    """
    if isinstance(error, CrashbookError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return _usage(error), error.exit_code
    # DuckDB says in its own words that a query was broken off
    if isinstance(error, KeyboardInterrupt | click.Abort) or str(error) == "Query interrupted":
        return "interrupted; finished runs and reports are kept, nothing is left half-written", INTERRUPTED
    if isinstance(error, BrokenPipeError):
        mute(sys.stdout)
        return "", 0
    if isinstance(error, OSError):
        mute(sys.stdout)
        fix = "free space or write elsewhere" if error.errno in FULL else "check the path and its permissions"
        return f"{error.filename or 'output'}: {error.strerror or error}; {fix}", 1
    if isinstance(error, MemoryError):
        return "not enough memory; use fewer positions, for example --positions 100000", 1
    words = " ".join(str(error).split())
    return f"a defect of the program: {type(error).__name__}: {words}; crashbook --debug shows where", 1


def _usage(error: click.ClickException) -> str:
    message = error.format_message().strip()
    context = getattr(error, "ctx", None)
    help_command = f"{context.command_path} --help" if context else "crashbook --help"
    return f"{message[:1].lower()}{' '.join(message[1:].split()).rstrip('.')}; see {help_command}"


def mute(stream: IO[str]) -> None:
    """Send what a stream still holds nowhere, so that the interpreter does not stumble over it on its way out."""
    try:
        place = stream.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, place)
    os.close(nowhere)


def unicode_streams() -> None:
    """Write UTF-8 whatever the locale: amounts carry a true minus sign, which some encodings lack."""
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if isinstance(stream, io.TextIOWrapper) and encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8")
