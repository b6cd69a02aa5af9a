"""The program ``crashbook``: its commands in the order of a working day, and its own options."""

from __future__ import annotations

import click

from backtest import __version__
from backtest.cli.command import Commands

COMMANDS = (
    "init events venues position params schema fetch data data_compare-sample book book_roll replay watch verify "
    "calibrate compare fund sweep runs query sql audit diff report export mcp"
)
IN = {"sql": "query", "audit": "query", "data_compare-sample": "sample"}  # modules not named after their command


@click.group(
    "crashbook",
    cls=Commands,
    modules={name.replace("_", " "): f"backtest.cli.{IN.get(name, name)}" for name in COMMANDS.split()},
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="crashbook")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def crashbook(ctx: click.Context, debug: bool) -> None:
    """Replay perpetual-futures crashes on a balanced position book."""
    ctx.meta["debug"] = debug
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
