"""The command line in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from backtest.cli.program import crashbook


def call(*args: str, stdin: str | bytes | None = None) -> Result:
    """Run a command line in this process, as a process of its own would but for Ctrl-C and real streams."""
    return CliRunner().invoke(crashbook, [*args], input=stdin)
