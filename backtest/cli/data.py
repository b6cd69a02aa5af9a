"""``crashbook data``: the contents of the lake and its gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options
from backtest.cli.table import table_of
from backtest.errors import DataGapError

if TYPE_CHECKING:
    from backtest.catalogue.events import CrashEvent
    from backtest.lake.inventory import Holding
    from backtest.lake.states import DayState

DIGITS_SHOWN = 12  # of a digest, in a table


@command(
    "crashbook data",
    "crashbook data 2025-10-10",
    "crashbook data 2025-10-10 --format json",
)
@click.argument("event", required=False)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 3 if anything is missing, partial, disputed, duplicate, stale, suspicious, changed or wrong.",
)
@click.option("--compare-sample", is_flag=True, hidden=True)
@output_options
def data(event: str | None, strict: bool, compare_sample: bool, output: Output) -> None:
    """Show the contents of the lake and its gaps.

    Without EVENT all that is in the lake, each series from its first to its last day; with EVENT its window and coins.
    Everything is read from the rows of the files, not from their names. With EVENT or
    --strict every day is also compared with the journal of fetches. A day is whole, partial (rows are missing) or
    disputed (two answers differ). A table shows the first digits of a digest.
    """
    if compare_sample:
        raise click.UsageError("data --compare-sample is now called crashbook data compare-sample")
    from backtest.catalogue.events import get_event
    from backtest.lake.inventory import HEADER, holdings

    crash = get_event(event) if event else None
    held = holdings(crash, journal=strict or crash is not None)
    rows = [holding.row() for holding in held]
    if output.for_reader:
        rows = [{**row, "sha256": row["sha256"][:DIGITS_SHOWN]} for row in rows]
    emit(table_of(rows, HEADER), output)
    _conclude(held, crash, strict, output)


def _conclude(held: Sequence[Holding], crash: CrashEvent | None, strict: bool, output: Output) -> None:
    """Note how to fill an empty lake; with ``--strict`` raise `DataGapError` if any problem was found."""
    fill = f"crashbook fetch {crash.id if crash else '2025-10-10'}"
    if all(holding.absent for holding in held):
        empty = f"the lake has nothing of {crash.id}" if crash else "the lake is empty"
        if strict:
            raise DataGapError(f"{empty}; fill it with {fill}")
        note(f"{empty}; fill it with {fill}", output)
    found = problems(held)
    if strict and found:
        again = fill if crash else "crashbook fetch EVENT"
        raise DataGapError(f"{', '.join(found)}; the table says where; delete the days that are wrong and run {again}")


def _days_in(state: DayState, held: Sequence[Holding]) -> int:
    return sum(each == state for holding in held for each in holding.states.values())


def problems(held: Sequence[Holding]) -> list[str]:
    """Return the problems of the lake as text, each with its count."""
    there = [holding for holding in held if not holding.absent]
    counts = {
        ("missing interval", "missing intervals"): sum(each.facts.missing for each in there),
        ("duplicate", "duplicates"): sum(each.facts.duplicates for each in there),
        ("stale mark", "stale marks"): sum(each.stale_marks or 0 for each in there),
        ("suspicious value", "suspicious values"): sum(len(each.suspects) for each in there),
        ("changed day", "changed days"): sum(len(each.changed or ()) for each in there),
        ("partial day", "partial days"): _days_in("partial", there),
        ("disputed day", "disputed days"): _days_in("disputed", there),
        ("broken rule", "broken rules"): sum(len(each.faults) for each in there),
    }
    found = [f"{count:,} {one if count == 1 else many}" for (one, many), count in counts.items() if count]
    lacking = ", ".join(holding.place.symbol for holding in held if holding.absent)
    return [*found, f"no trade bars of {lacking}"] if lacking else found
