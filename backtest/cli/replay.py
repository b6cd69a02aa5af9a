"""``crashbook replay``: run a crash, its seeds and its sensitivity grid, and report it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.command import command
from backtest.cli.messages import print_line, print_text
from backtest.cli.notes import print_note, print_notes
from backtest.cli.output import Format, Output, emit
from backtest.cli.progress import Stage, stages
from backtest.cli.report import page_path, relative, write_report
from backtest.cli.table import Table, table_of
from backtest.cli.text import wrapped
from backtest.errors import UsageError
from backtest.studies.study import STUDIES, StudyRequest

if TYPE_CHECKING:
    from backtest.report.page import Draft
    from backtest.run.prepare import Prepared
    from backtest.run.resolve import Resolved
    from backtest.run.run import StoredRun
    from backtest.studies.crew import Worker
    from backtest.studies.draws import DrawRequest, Job

FORMATS = ("table", "csv", "json")
SUMMARY_INDENT = 17  # of the values in the summary of a run


@dataclass(frozen=True, slots=True)
class Extras:
    """Work besides the run itself: studies and their size, draws (None: leave those that are stored), the report."""

    studies: Mapping[str, int]  # size by name
    draws: DrawRequest | None
    report: bool
    path: Path | None
    fresh: bool
    folders: bool = False
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run, its report if there is one, and whether it was on disk already."""

    run: StoredRun
    report: Path | None
    on_disk: bool


def study_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the option of every study to a command."""
    for study in reversed(STUDIES.values()):
        number: dict[str, Any] = {"is_flag": True}
        if study.sizes:
            number = {"type": click.IntRange(*study.sizes), "metavar": "N"}
        function = click.option(f"--{study.name}", help=study.text, **number)(function)
    return function


@command(
    "crashbook replay 2025-10-10 --report",
    "crashbook replay 2025-10-10 --venue bybit --set fund_start_usd=50e6",
    "crashbook replay 2021-12-04 --explain",
    "crashbook replay 2025-10-10 --book reservoir",
)
@click.argument("event", required=False)
@click.option("-c", "--scenario", "file", type=click.Path(path_type=Path), help="Scenario file; flags overrule it.")
@click.option("--venue", help="Venue whose rules run; by default the event's first.")
@click.option("--coins", metavar="BTC,SOL", help="Coins simulated together.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True,
              help="Any field of crashbook params, overrules all else; FIELD.COIN=VALUE for one coin.")  # fmt: skip
@click.option("--positions", metavar="FILE|N", help="Book as CSV or Parquet, or the size of the synthetic one.")
@click.option("--book", metavar="reservoir|FILE",
              help="True book on the venue's own bars of a second, as crashbook book roll wrote it.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the synthetic book.")
@study_options
@click.option(
    "--draws", type=int, metavar="N",
    help="Bands: draw N times what is not known, 2 to 10,000; 0: none. By default 16 with a report, else none.",
)  # fmt: skip
@click.option("--draw-positions", type=click.IntRange(2, 20_000_000), default=10_000, show_default=True, metavar="N",
              help="Size of the book of a draw.")  # fmt: skip
@click.option("--priors", type=click.Path(path_type=Path), metavar="FILE", help="Priors other than those of data.")
@click.option("--report/--no-report", default=None, help="Write the HTML report; by default only with --output.")
@click.option("--output", "path", type=click.Path(path_type=Path), help="Path of the report.")
@click.option("--allow-gaps", is_flag=True, help="Carry missing bars of the core flat instead of refusing them.")
@click.option("--allow-suspect", is_flag=True, help="Replay values that nothing around them bears out.")
@click.option("--explain", is_flag=True, help="Do not run: show scenario, data, rules and what is not simulated.")
@click.option("--fresh", is_flag=True, help="Simulate even if the same run is on disk; stored studies stay.")
@click.option("--folders", is_flag=True, help="Keep the run folders of seeds and grid too.")
@click.option("--label", metavar="TEXT", help="A name for the run, for crashbook runs and wherever a RUN is named.")
@click.option("--format", "kind", type=Format(FORMATS, "crashbook export RUN x.xlsx"), default="table",
              help="Format of the headline numbers on stdout.")  # fmt: skip
@click.option("--notes", is_flag=True, help="Print all notes.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes on stderr.")
def replay(
    event: str | None, file: Path | None, venue: str | None, coins: str | None, changes: tuple[str, ...],
    positions: str | None, seed: int | None, report: bool | None, path: Path | None, allow_gaps: bool,
    allow_suspect: bool, explain: bool, fresh: bool, quiet: bool, draws: int | None, draw_positions: int,
    priors: Path | None, book: str | None, folders: bool, label: str | None, kind: str, notes: bool,
    **studies: int | None,
) -> None:  # fmt: skip
    """Replay a crash and print its headline numbers.

    EVENT is an id, a date or an alias; it may stand in the scenario file instead. A date runs the window that holds
    it. The same inputs give the same run id; a run that is on disk already is shown, not repeated.
    """
    from backtest.catalogue.events import window_of_date
    from backtest.run.label import check_label
    from backtest.run.resolve import resolve
    from backtest.run.summary import block

    if path and report is False:
        raise click.UsageError("--output is the path of the report, and --no-report wants none; give one of the two")
    allowed = {"allow_gaps": allow_gaps or None, "allow_suspect": allow_suspect or None}
    options = {"venue": venue, "coins": coins, "seed": seed, **allowed, **book_size(positions)}
    options = {key: value for key, value in options.items() if value is not None}
    if book:
        from backtest.run.actual_book import fields_of

        options = fields_of(event_name(event, None), book) | options
    given = overrides(file, options, changes)
    name = event_name(event, given.get("event"))
    given = window_of_date(name) | given
    page_path(path)
    label = None if label is None else check_label(label)
    resolved = resolve(name, given)
    sizes = {name: int(size) for name, size in studies.items() if size}
    left_out = [text for name in sizes for text in STUDIES[name].runner().check(resolved)]
    if explain:
        from backtest.cli import plan
        from backtest.run.prepare import prepare

        with stages(quiet) as stage:
            stage("reading bars, drawing the book")
            text = plan.text(prepare(resolved))
        print_text(text, end="")
        return
    wanted = draw_request(resolved, given, draws, draw_positions, priors, report=bool(report or path), fresh=fresh)
    extras = Extras(sizes, wanted, bool(report or path), path, fresh, folders, label)
    with stages(quiet) as stage:
        done = run_all(resolved, given, extras, stage, quiet=quiet)
        if kind == "table":
            stage("auditing")
            summary = block(done.run)
    if kind != "table":
        emit(headline(done), Output(kind, None, quiet))
        return
    print_text(wrapped(summary, SUMMARY_INDENT))
    for study in sizes:
        if study in done.run.studies.rows:
            print_text(rows_text(done.run, study))
    if done.report:
        print_text(f"report  {relative(done.report)}")
    if not quiet:
        print_notes(done.run, on_disk=done.on_disk, everything=notes)
        for text in left_out:
            print_note(text)


def headline(done: Replayed) -> Table:
    """Return the headline numbers of a run as a row, with the places of its folder and its report."""
    row = {"run_id": done.run.run_id, **done.run.summary(), "folder": str(done.run.path)}
    row["report"] = None if done.report is None else str(done.report)
    return table_of([row], tuple(row))


def overrides(file: Path | None, options: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return the fields that a user sets: those of the scenario file, over them options, over them ``--set``."""
    from backtest.scenario.reading import check_values, parse_set, read_scenario
    from backtest.scenario.values import merge

    written = read_scenario(file) if file else {}
    return merge(written, check_values(options, "command line"), *map(parse_set, changes))


def event_name(argument: str | None, field: str | None) -> str:
    """Return the event named by the argument EVENT or by the scenario's field ``event``."""
    from backtest.catalogue.events import get_event

    if not (argument or field):
        raise click.UsageError("Missing EVENT; give one of crashbook events, for example 2025-10-10")
    if argument and field and get_event(argument).id != get_event(field).id:
        raise UsageError(f"two events: {argument} as EVENT and {field} in the scenario; name one")
    return argument or str(field)


def book_size(positions: str | None) -> dict[str, Any]:
    """Return the fields that ``--positions`` sets: the size of the synthetic book, or the file of an imported one."""
    if positions is None:
        return {}
    from backtest.scenario.amounts import doubtful, plain_number

    if reason := doubtful(positions):
        raise UsageError(f"--positions: {reason}")
    size = plain_number(positions)
    return {"positions_file": positions} if size is None else {"positions": size}


def run_all(
    resolved: Resolved, given: Mapping[str, Any], extras: Extras, stage: Stage, *, quiet: bool = True
) -> Replayed:
    """Run a scenario, and its studies and report as far as they are wanted; what cannot wait is noted before."""
    from backtest.run.execute import execute
    from backtest.run.label import write_label
    from backtest.run.prepare import prepare
    from backtest.run.whole_venue import whole_venue

    steps = 0

    def count(done: int, total: int) -> None:
        nonlocal steps
        steps = done
        show(done, total)

    stage("reading bars, drawing the book")
    with ExitStack() as work:
        waiting = work.enter_context(early_workers(extras.draws))
        prepared = prepare(resolved)
        for text in [] if quiet else whole_venue(prepared):
            print_line(f"note: {text}")
        job = work.enter_context(drawing(prepared, given, extras.draws, waiting))
        show = stage("replaying")
        run, made = execute(prepared, count, extras.fresh), None
        if job is not None:
            if extras.report and job.crew is not None and not extras.studies:
                stage("writing the report")
                made = begin_report(run)
            run = job.store(run, stage(f"{job.request.size} draws"))
    if extras.draws is not None and not extras.draws.size:
        run = without_draws(run)
    for name, size in extras.studies.items():
        request = StudyRequest(
            resolved=resolved, overrides=given, market=prepared.market, first=run, size=size, folders=extras.folders
        )
        run = STUDIES[name].runner().run(request, stage(f"{size} {name}" if size > 1 else name))
    if extras.label is not None:
        write_label(run.path, extras.label)
    with suppress(OSError):  # a folder that may not be touched is merely not the latest
        os.utime(run.path)
    if extras.report:
        stage("writing the report")
    return Replayed(run, write_report(run, extras.path, made) if extras.report else None, not steps)


def begin_report(run: StoredRun) -> Draft:
    """Make what the report shows beside draws, which are still under way, and audit the run."""
    from backtest.report import begin

    run.audits()
    return begin(run)


def draw_request(
    resolved: Resolved, given: Mapping[str, Any], size: int | None, book_size: int, priors: Path | None, *,
    report: bool, fresh: bool,
) -> DrawRequest | None:  # fmt: skip
    """Return the draws that a command asks for; by default there are some with a report, if there is what to draw."""
    from backtest.catalogue.priors import read_priors
    from backtest.studies.draws import WITH_REPORT, DrawRequest, check_size, parameters_for

    rows = read_priors(priors)
    if size is None and report and parameters_for(rows, resolved, given).rows:
        size = WITH_REPORT
    if size is None:
        return None
    check_size(size)
    return DrawRequest(size=size, priors=rows, book_size=book_size, fresh=fresh)


@contextmanager
def early_workers(request: DrawRequest | None) -> Iterator[list[Worker]]:
    """Yield workers of draws that start while the run is prepared, none where no draws are wanted."""
    if request is None or not request.size:
        yield []
        return
    from backtest.studies.draws import early_workers as of_draws

    with of_draws(request) as waiting:
        yield waiting


@contextmanager
def drawing(
    prepared: Prepared, given: Mapping[str, Any], request: DrawRequest | None, waiting: list[Worker]
) -> Iterator[Job | None]:
    """Yield draws under way, None where none are wanted."""
    from backtest.studies.draws import started

    if request is None or not request.size:
        yield None
        return
    with started(prepared, given, request, waiting) as job:
        yield job


def without_draws(run: StoredRun) -> StoredRun:
    """Return a run after the draws beside it were taken away."""
    from backtest.run.run import open_folder
    from backtest.run.stored import drop_draws

    drop_draws(run.path)
    return open_folder(run.path)


def rows_text(run: StoredRun, study: str) -> str:
    """Return the rows of a study: each change and the headline numbers with it."""
    from backtest.cli.text import section

    rows = run.studies.rows[study]
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    shown = [
        {"changed": row.label, "run_id": row.run_id, **{key: _whole(row.metrics.get(key)) for key in metrics}}
        for row in rows
    ]
    frame = table_of(shown, ("changed", "run_id", *metrics))
    return section(STUDIES[study].title, frame).strip("\n")


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
