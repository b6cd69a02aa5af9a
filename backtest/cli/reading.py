"""Verbs that read runs: list, query, SQL, audit, compare, report."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.group import verb
from backtest.cli.output import Sink, aside, emit, frame_of, note, page, read_options, table_text
from backtest.cli.text import plain
from backtest.errors import AuditError, QueryError, RunError, UsageError
from backtest.formatting import readable

if TYPE_CHECKING:
    from backtest.sql.queries import Param

_RUN = click.argument("run", default="latest")


@verb("crashbook runs --format csv")
@read_options
def runs(sink: Sink) -> None:
    """List the run folders, the newest last."""
    from backtest.assets import runs_folder
    from backtest.run.run import run_ids

    rows = []
    for name in run_ids():
        try:
            rows.append(_listed(runs_folder() / name))
        except RunError as error:
            note(str(error), sink)
    if not rows:
        note(f"no runs in {runs_folder()}; make one with crashbook replay 2025-10-10", sink)
    columns = ("run_id", "event", "venue", "seed", "positions", "liquidated_usd", "adl_usd", "written_utc")
    emit(frame_of(rows, columns), sink)


def _listed(folder: Path) -> dict[str, Any]:
    """Return the row of a run without opening it whole: two sums and one line of its tables."""
    import polars as pl

    from backtest.run.run import read_meta

    meta = read_meta(folder)
    try:
        first = pl.read_parquet(folder / "runs.parquet").row(0, named=True)
        sums = [
            pl.read_parquet(folder / f"{table}.parquet", columns=[column])[column].sum()
            for table, column in (("liquidations", "closed_usd"), ("adl_events", "notional_usd"))
        ]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"{folder}: a table cannot be read ({type(error).__name__}); run it again") from None
    when = dt.datetime.fromtimestamp(folder.stat().st_mtime, dt.UTC).replace(tzinfo=None, microsecond=0)
    return {
        "run_id": meta["run_id"], "event": first["event_id"], "venue": first["venue"], "seed": first["seed"],
        "positions": first["positions"], "liquidated_usd": sums[0], "adl_usd": sums[1], "written_utc": when,
    }  # fmt: skip


@verb(
    "crashbook query",
    "crashbook query largest_liquidations --param limit=5",
    "crashbook query adl_waves latest --format csv --output waves.csv",
)
@click.argument("name", required=False)
@_RUN
@click.option("--param", "given", metavar="NAME=VALUE", multiple=True, help="Parameter of the query.")
@read_options
def query(name: str | None, run: str, given: tuple[str, ...], sink: Sink) -> None:
    """Answer a named question about a run, or list the questions."""
    from backtest.run.run import open_run
    from backtest.sql.queries import get_query, query_names

    if name is None:
        rows = [
            {"name": each.name, "title": each.title, "parameters": "; ".join(map(_param, each.params)) or "none"}
            for each in map(get_query, query_names())
        ]
        emit(frame_of(rows, ("name", "title", "parameters")), sink)
        return
    asked = get_query(name)
    frame = open_run(run).query(name, **_pairs(given))
    if sink.pretty:
        note(f"{asked.title} {asked.grain[:1].upper()}{asked.grain[1:]}. Units: {asked.units}.", sink)
    if not frame.height:
        note("no rows", sink)
    emit(frame, sink)


def _param(param: Param) -> str:
    default = "required" if param.required else f"= {param.note or readable(param.default)}"
    return f"{param.name} {param.type} {default}"


def _pairs(given: Iterable[str]) -> dict[str, str]:
    """Read ``name=value`` options.

    Examples
    --------
    >>> _pairs(["limit=5"])
    {'limit': '5'}
    """
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"--param {text}: write --param NAME=VALUE")
        pairs[name.strip()] = value
    return pairs


@verb(
    'crashbook sql "select side, sum(closed_usd) as usd from liquidations group by side"',
    "crashbook sql - latest --format json < question.sql",
)
@click.argument("text", required=False)
@_RUN
@read_options
def sql(text: str | None, run: str, sink: Sink) -> None:
    """Run one reading statement over a run's tables and views.

    TEXT comes from stdin if it is left out or a dash. Files, extensions and settings are out of reach.
    """
    from polars.exceptions import PolarsError

    from backtest.run.run import open_run

    try:
        frame = open_run(run).sql(_statement(text))
    except PolarsError as error:
        cause = str(error).strip().split("\n")[0]
        raise QueryError(f"sql: {cause}; cast the column, an interval for example with epoch(...)") from None
    if not frame.height:
        note("no rows", sink)
    emit(frame, sink)


def _statement(text: str | None) -> str:
    if text not in {None, "-"}:
        return str(text)
    if sys.stdin.isatty():
        raise click.UsageError('Missing TEXT; give a statement such as "select * from run_summary", or pipe one in')
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise QueryError("sql: stdin is not UTF-8 text; save the statement as UTF-8") from None


@verb("crashbook audit")
@_RUN
@read_options
def audit(run: str, sink: Sink) -> None:
    """Run all audits of a run.

    An audit passes when it returns no row; one that fails gives exit code 4.
    """
    from backtest.run.run import open_run

    results = open_run(run).audits()
    rows = [
        {"audit": each.name, "rows": each.rows, "passed": "pass" if each.passed else "FAIL", "question": each.title}
        for each in results
    ]
    emit(frame_of(rows, ("audit", "rows", "passed", "question")), sink)
    failed = [result for result in results if not result.passed]
    for result in failed:
        aside(f"{result.name}, the first of {result.rows:,} rows:\n" + "".join(table_text(result.sample)).rstrip())
    if failed:
        names = ", ".join(result.name for result in failed)
        raise AuditError(f"{len(failed)} of {len(results)} audits failed: {names}; the numbers of this run do not hold")


@verb("crashbook diff 708a latest")
@click.argument("one", metavar="RUN")
@click.argument("other", metavar="RUN")
@read_options
def diff(one: str, other: str, sink: Sink) -> None:
    """Show in which fields and headline numbers two runs differ."""
    from backtest.run.run import diff as differences
    from backtest.run.run import open_run

    left, right = open_run(one), open_run(other)
    if left.run_id == right.run_id:
        raise UsageError(f"both are run {left.run_id}; name two runs of crashbook runs")
    fields, numbers = differences(left, right)
    spell = readable if sink.pretty else plain
    rows = [
        {"part": part, "field": name, left.run_id: spell(a), right.run_id: spell(b)}
        for part, changed in (("scenario", fields), ("result", numbers))
        for name, a, b in changed
    ]
    emit(frame_of(rows, ("part", "field", left.run_id, right.run_id)), sink)


@verb("crashbook report latest --open")
@_RUN
@click.option("--output", type=click.Path(path_type=Path), help="Path of the report; by default in the folder reports.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(run: str, output: Path | None, show: bool) -> None:
    """Write the HTML report of a run and print its path."""
    import webbrowser

    from backtest.cli.replaying import near, write_report
    from backtest.run.run import open_run

    written = write_report(open_run(run), output)
    page(f"report  {near(written)}\n", Sink("table", None, False))
    if show and not webbrowser.open(written.resolve().as_uri()):
        raise UsageError(f"no browser could be started; open {near(written)} yourself")
