"""The command and the group of commands: examples in the help, errors as one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import click

from backtest.cli import interrupt
from backtest.cli.messages import print_error, print_line, use_utf_8
from backtest.errors import UnknownNameError, UsageError

NAMES = (
    ("RUN", "id of a run, the start of one, the path of a run folder, or latest (the default)"),
    (
        "CRASHBOOK_LAKE",
        "the data lake: a folder, or an address such as s3://bucket/lake, read and filled through a copy",
    ),
    ("CRASHBOOK_RUNS", "address that run folders are written to as well, such as s3://bucket/runs"),
    ("CRASHBOOK_HOME", "folder that holds runs, reports and data; by default the current one"),
)
EXIT_CODES = (
    ("0", "ok"),
    ("1", "refused, with the reason in one line"),
    ("2", "wrong usage: an unknown name, or a value or a parameter that is not allowed"),
    ("3", "gap in the data"),
    ("4", "audit failed, or scores below those that verify --strict asks for"),
    (str(interrupt.EXIT_CODE), "interrupted"),
)


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a command line; all that is missing is named at once, and what an unknown option stands for."""
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:
            lacking = [param for param in self.get_params(ctx) if param.required and param.name not in ctx.params]
            if len(lacking) < 2:
                raise
            names = ", ".join(param.get_error_hint(ctx).strip("'") for param in lacking)
            raise click.UsageError(f"Missing {names}; for example {self.examples[0]}", ctx) from None
        except click.UsageError as error:
            from backtest.cli.hints import surplus, unknown_option

            if (extra := error.message.partition("unexpected extra argument")[2]) and (found := surplus(self, extra)):
                raise click.UsageError(f"{error.message.rstrip('.')}: {found}", ctx) from None
            if not isinstance(error, click.NoSuchOption):
                raise
            if found := unknown_option(self, error.option_name):
                raise click.UsageError(f"No option {error.option_name} of {ctx.info_name}: {found}", ctx) from None
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


def command(*examples: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command, with examples for its help."""
    return click.command(cls=Command, examples=examples)


class Commands(click.Group):
    """A group that imports a command when it is named, and ends the process with one of the documented exit codes.

    Parameters
    ----------
    modules
        The module of each command, in the order of the help.
    """

    def __init__(self, *args: Any, modules: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(self.modules)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> Command | None:
        """Import a command."""
        if cmd_name not in self.modules:
            return None
        found = getattr(import_module(self.modules[cmd_name]), cmd_name.replace(" ", "_").replace("-", "_"))
        assert isinstance(found, Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is refused with the near matches."""
        if (pair := " ".join(args[:2])) in self.modules:  # a command of two words
            return pair, self.get_command(ctx, pair), args[2:]
        if args[0] not in self.modules:
            from backtest.cli.hints import meant

            if found := meant(args):
                raise UsageError(f"no command '{args[0]}'; write {found}")
            raise UnknownNameError("command", args[0], list(self.modules), "See crashbook --help")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Explain the names that all commands share."""
        with formatter.section("Examples"):
            formatter.write("  crashbook replay 2025-10-10 --report\n  crashbook query adl_waves\n")
        with formatter.section("Names"):
            formatter.write_dl(NAMES)
        with formatter.section("Completion"):
            formatter.write('  eval "$(_CRASHBOOK_COMPLETE=bash_source crashbook)"   (or zsh_source, fish_source)\n')
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)

    def main(self, args: Any = None, prog_name: str | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a command line and end the process with its exit code; an error is one line unless ``--debug``."""
        if "_CRASHBOOK_COMPLETE" in os.environ:
            super().main(args, prog_name, *rest, **extra)
        use_utf_8()
        context = None
        try:
            words = list(sys.argv[1:] if args is None else args)
            context = self.make_context(prog_name or self.name, words.copy())
            context.meta["words"] = words
            with context:
                self.invoke(context)
            interrupt.check()
            code = 0
        except click.exceptions.Exit as end:
            code = end.exit_code
        except BaseException as error:  # panics of Rust libraries are no Exception
            interrupt.ignore()
            if context is not None and context.meta.get("debug"):
                print_line("".join(traceback.format_exception(error)).rstrip())
            code = print_error(error)
        interrupt.ignore()
        interrupt.leave()
        sys.exit(code)
