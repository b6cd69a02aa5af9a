"""The command line: one file per kind of verb, all of them light until they are run.

Nothing here imports a heavy library at module level: every verb imports its layer inside its function, so that
``crashbook --help`` answers at once.
"""

from __future__ import annotations

import click

from backtest import __version__
from backtest.cli import catalogue, reading, replaying
from backtest.cli.group import Verbs

_EPILOG = """
RUN is the id of a run, the start of one, the path of a run folder, or latest (the default).
Runs and reports are kept in the folder $CRASHBOOK_HOME, or the current one.

\b
Exit codes: 0 ok, 1 refused with one line, 2 wrong usage or unknown name,
3 data gap, 4 audit failed, 130 interrupted.
"""


@click.group(
    "crashbook",
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="crashbook")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Replay perpetual-futures crashes on a balanced position book.

    \b
    Example: crashbook replay 2025-10-10 --report
    """
    ctx.meta["debug"] = debug
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _verb in (*catalogue.VERBS, replaying.replay, *reading.VERBS):
    main.add_command(_verb)

__all__ = ["main"]
