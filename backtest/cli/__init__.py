"""The command line: one file per kind of verb, all of them light until they are run.

Nothing here imports a heavy library at module level: every verb imports its layer inside its function, so that
``crashbook --help`` answers at once.
"""

from __future__ import annotations

import click

from backtest import __version__
from backtest.cli.catalogue import events, params, schema, venues
from backtest.cli.fetching import fetch
from backtest.cli.group import Verbs
from backtest.cli.lake import data
from backtest.cli.position import position
from backtest.cli.reading import audit, diff, query, report, runs, sql
from backtest.cli.replaying import replay


@click.group(
    "crashbook",
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="crashbook")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Replay perpetual-futures crashes on a balanced position book."""
    ctx.meta["debug"] = debug
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _verb in (events, venues, position, params, schema, fetch, data, replay, runs, query, sql, audit, diff, report):
    main.add_command(_verb)

__all__ = ["main"]
