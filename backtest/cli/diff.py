"""``crashbook diff``: in which fields and headline numbers two runs differ."""

from __future__ import annotations

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, output_options
from backtest.cli.table import table_of
from backtest.cli.text import literal
from backtest.errors import UsageError
from backtest.formatting import readable


@command("crashbook diff 708a latest")
@click.argument("one", metavar="RUN")
@click.argument("other", metavar="RUN")
@output_options
def diff(one: str, other: str, output: Output) -> None:
    """Show in which fields and numbers two runs differ."""
    from backtest.run.compare import diff as differences
    from backtest.run.run import open_run

    left, right = open_run(one), open_run(other)
    if left.run_id == right.run_id:
        raise UsageError(f"both are run {left.run_id}; name two runs of crashbook runs")
    found = differences(left, right)
    spell = readable if output.for_reader else literal
    rows = [
        {"part": part, "field": each.name, left.run_id: spell(each.left), right.run_id: spell(each.right)}
        for part, changed in (("scenario", found.fields), ("result", found.numbers))
        for each in changed
    ]
    emit(table_of(rows, ("part", "field", left.run_id, right.run_id)), output)
