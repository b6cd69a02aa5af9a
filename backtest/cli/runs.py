"""``crashbook runs``: the run folders of the workspace, what distinguishes them, and how they are removed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from backtest.cli import terminal
from backtest.cli.command import command
from backtest.cli.messages import print_line
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.table import table_of
from backtest.errors import RunError

if TYPE_CHECKING:
    from backtest.run.listing import ListedRun

COLUMNS = ("run_id", "label", "event", "venue", "seed", "positions", "differs", "beside", "liquidated_usd", "adl_usd",
           "size_mb", "written_utc")  # fmt: skip
SHOWN = ("run_id", "event", "differs", "liq_usd", "adl_usd", "mb", "written")


@command("crashbook runs", "crashbook runs --report", "crashbook runs rm 708a latest", "crashbook runs prune --keep 10")
@click.argument("action", type=click.Choice(["rm", "prune"]), required=False)
@click.argument("names", metavar="[RUN]...", nargs=-1)
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Runs that prune keeps, the newest.")
@click.option("--all", "everything", is_flag=True, help="List the runs of seeds and grids too.")
@click.option("--report", is_flag=True, help="Write reports/index.html, which lists runs and reports, too.")
@output_options
def runs(
    action: str | None, names: tuple[str, ...], keep: int | None, everything: bool, report: bool, output: Output
) -> None:
    """List the runs, the newest last, or remove some.

    The column differs names what is not the event's default. Runs of a study stand under the run that it
    belongs to. rm removes runs and those of their studies; prune removes all but the newest N and those with a label.
    """
    from backtest.assets import runs_folder
    from backtest.run.listing import listed, prune, shelf, take_away

    if (action == "prune") != (keep is not None):
        raise click.UsageError("runs prune and --keep N belong together: crashbook runs prune --keep 10")
    if (action == "rm") != bool(names):
        raise click.UsageError("runs rm takes the runs to remove: crashbook runs rm 708a")
    if action:
        gone = take_away(names) if keep is None else prune(keep)
        if not output.quiet:
            print_line(f"removed {len(gone)} run{'s' * (len(gone) != 1)}{': ' * bool(gone)}{', '.join(gone)}")
        return
    found = shelf()
    rows = []
    for folder in found.folders if everything else found.own:
        try:
            rows.append(listed(folder))
        except RunError as error:
            note(str(error), output)
    if not rows:
        note(f"no runs in {runs_folder()}; make one with crashbook replay 2025-10-10", output)
    if output.for_reader and terminal.columns() and not output.exact:
        emit(table_of(list(map(_brief, rows)), SHOWN), output)
    else:
        emit(table_of(list(map(dataclasses.asdict, rows)), COLUMNS), output)
    if report:
        from backtest.cli.report import relative
        from backtest.report.index import write

        print_line(f"report  {relative(write())}")


def _brief(row: ListedRun) -> dict[str, Any]:
    """Return a row for a reader: what distinguishes the run in one column."""
    parts = (
        f"'{row.label}'" if row.label else "",
        f"seed={row.seed}" if row.seed != 1 else "",
        f"positions={row.positions:,}",
        row.differs,
        f"with {row.beside}" if row.beside else "",
    )
    return {
        "run_id": row.run_id, "event": f"{row.event} {row.venue}", "differs": "; ".join(filter(None, parts)),
        "liq_usd": row.liquidated_usd, "adl_usd": row.adl_usd, "mb": row.size_mb,
        "written": f"{row.written_utc:%Y-%m-%d %H:%M}",
    }  # fmt: skip
