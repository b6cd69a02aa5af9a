"""``crashbook sweep``: many scenarios of one file, each a row of one table."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.progress import stages
from backtest.errors import CrashbookError, UsageError
from backtest.formatting import duration

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import polars as pl

    from backtest.studies.sweep.plan import Plan

SHOWN = ("scenario", "liquidated_usd", "adl_usd", "pool_low_usd", "error")  # for a reader, with what is varied
CONNECT_S = 10


@command(
    "crashbook sweep rules.toml",
    "crashbook sweep rules.toml --explain",
    "crashbook sweep rules.toml --dask tcp://127.0.0.1:8786 --into s3://bucket/rules",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--workers", type=click.IntRange(1, 512), metavar="N", help="Processes; by default one a processor.")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler (extra cluster).")
@click.option("--into", metavar="ADDRESS",
              help="Folder, or address such as s3://bucket/name (extra cloud), for rows and table; by default "
              "sweeps/NAME.")  # fmt: skip
@click.option("--folders", is_flag=True, help="Keep the run folder of each scenario too; not with draws.")
@click.option("--explain", is_flag=True, help="Do not run: show how many scenarios there are and what they cost.")
@click.option("--yes", "-y", is_flag=True, help="Run without asking, however many scenarios there are.")
@click.option("--fresh", is_flag=True, help="Run again what is finished.")
@output_options
def sweep(
    file: Path, workers: int | None, dask: str | None, into: str | None, folders: bool, explain: bool, yes: bool,
    fresh: bool, output: Output,
) -> None:  # fmt: skip
    """Run a grid or a list of scenarios; each is a row.

    FILE is TOML: event = "2025-10-10"; draws = 16 for medians and bands; [set] has fields of all scenarios, [grid]
    lists of values by field, each [[scenario]] fields of a single one. A field is one of crashbook params, or event.
    A sweep that was stopped goes on where it stood; a scenario that is refused is a row with its error.
    """
    from backtest.studies.sweep.place import place_of
    from backtest.studies.sweep.plan import read_plan
    from backtest.studies.sweep.sweep import sweep as run
    from backtest.studies.sweep.table import TABLE, parquet, table_of

    plan = read_plan(file)
    if folders and plan.draws:
        raise UsageError("--folders: a draw leaves no run folder; leave it out, or set draws = 0")
    if dask and workers:
        raise UsageError("--workers and --dask: the cluster has workers of its own; give one of the two")
    price = price_of(plan, workers, folders=folders)
    if explain:
        click.echo(price)
        return
    note(price, output)
    _confirm(plan, yes)
    place = place_of(into, file.stem)
    with stages(output.quiet) as stage, cluster(dask) as executor:
        progress = stage(f"{plan.size} scenarios")
        done = run(plan, place, workers=workers, executor=executor, folders=folders, fresh=fresh, progress=progress)
    table = table_of(plan, done)
    place.write(TABLE, parquet(table))
    if done.kept:
        note(f"{done.kept:,} of {plan.size:,} scenarios were finished already; --fresh runs them again", output)
    if done.failed:
        note(f"{done.failed:,} of {plan.size:,} scenarios were refused; the column error says why", output)
    note(f"table: {place.address.rstrip('/')}/{TABLE}", output)
    emit(_for_reader(plan, table) if output.for_reader else table, output)


def price_of(plan: Plan, workers: int | None, *, folders: bool) -> str:
    """Return what a sweep costs, in a line: scenarios, about how long, about how many bytes."""
    from backtest.studies.crew import worker_count

    count = worker_count(plan.size) if workers is None else min(workers, plan.size)
    what = f"{plan.size:,} scenario{'s' * (plan.size != 1)}" + (f" of {plan.draws:,} draws" if plan.draws else "")
    size = math.ceil(plan.size_bytes(folders=folders) / 1e6)
    return (
        f"{what}: about {duration(math.ceil(plan.seconds() / count))} on {count} cores, {size:,} MB of results at most"
    )


def _confirm(plan: Plan, yes: bool) -> None:
    """Ask before a large sweep; refuse it where nobody can answer."""
    from backtest.studies.sweep.plan import ASKED

    if plan.size <= ASKED or yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(f"{plan.size:,} scenarios are more than {ASKED:,}; give --yes, or fewer values in the grid")
    click.confirm(f"Run {plan.size:,} scenarios?", abort=True, err=True)


@contextmanager
def cluster(address: str | None) -> Iterator[Executor | None]:
    """Yield the executor of a Dask cluster, None without an address.

    Raises
    ------
    UsageError
        The package distributed is not installed.
    CrashbookError
        No scheduler answers.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs the extra cluster: pip install 'crashbook[cluster]'") from error
    try:
        client: Any = cast(Any, Client)(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CrashbookError(
            f"--dask {address}: no scheduler answers ({reason}); start one with dask scheduler"
        ) from error
    with client:
        yield client.get_executor(pure=False)


def _for_reader(plan: Plan, table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that a reader looks for first."""
    wanted = ("scenario", *plan.varied, *SHOWN[1:-1], *(["adl_draws_frac"] if plan.draws else []))
    failures = [SHOWN[-1]] if table[SHOWN[-1]].null_count() < table.height else []
    return table.select(*dict.fromkeys(wanted), *failures)
