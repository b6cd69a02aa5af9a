"""The verb that runs something: ``crashbook replay``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backtest.cli.group import verb
from backtest.cli.output import aside
from backtest.cli.progress import Stage, stages
from backtest.errors import UsageError

if TYPE_CHECKING:
    from backtest.run.pipeline import Resolved
    from backtest.run.run import Run

NOTES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Extras:
    """What is to be done beside the run itself."""

    seeds: int
    grid: bool
    report: bool
    output: Path | None
    fresh: bool


@verb(
    "crashbook replay 2025-10-10 --report",
    "crashbook replay 2025-10-10 --venue bybit --set fund_start_usd=50e6",
    "crashbook replay 2021-12-04 --explain",
)
@click.argument("event", required=False)
@click.option("-c", "--scenario", "file", type=click.Path(path_type=Path), help="Scenario file; flags overrule it.")
@click.option("--venue", help="Venue whose rules run; by default the event's first.")
@click.option("--coins", metavar="BTC,SOL", help="Coins simulated together.")
@click.option("--set", "changes", metavar="FIELD=VALUE", multiple=True,
              help="Any field of crashbook params, overrules all else; FIELD.COIN=VALUE for one coin.")  # fmt: skip
@click.option("--positions", metavar="FILE|N", help="Book as CSV or Parquet, or the size of the synthetic one.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the synthetic book.")
@click.option("--seeds", type=click.IntRange(2, 1000), metavar="N", help="Run N seeds: medians and 5-95 % bands.")
@click.option("--grid", is_flag=True, help="Run the event's sensitivity grid too.")
@click.option("--report/--no-report", default=None, help="Write the HTML report; by default only with --output.")
@click.option("--output", type=click.Path(path_type=Path), help="Path of the report.")
@click.option("--allow-gaps", is_flag=True, help="Carry missing bars of the core flat instead of refusing them.")
@click.option("--explain", is_flag=True, help="Do not run: show scenario, data, rules and what is not simulated.")
@click.option("--fresh", is_flag=True, help="Simulate even if the same run is on disk.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes on stderr.")
def replay(
    event: str | None, file: Path | None, venue: str | None, coins: str | None, changes: tuple[str, ...],
    positions: str | None, seed: int | None, seeds: int | None, grid: bool, report: bool | None, output: Path | None,
    allow_gaps: bool, explain: bool, fresh: bool, quiet: bool,
) -> None:  # fmt: skip
    """Replay a crash and print its headline numbers.

    EVENT is an id, a date or an alias; it may stand in the scenario file instead. The same inputs give the same
    run id; a run that is on disk already is shown, not repeated.
    """
    from backtest.run.pipeline import resolve

    if output and report is False:
        raise click.UsageError("--output is the path of the report, and --no-report wants none; give one of the two")
    flags = {"venue": venue, "coins": coins, "seed": seed, "allow_gaps": allow_gaps or None, **_book(positions)}
    name, given = scenario_of(event, file, {key: value for key, value in flags.items() if value is not None}, changes)
    resolved = resolve(name, given)
    if grid and not resolved.event.sensitivity:
        raise UsageError(f"--grid: event {resolved.event.id} has no sensitivity grid; change single fields with --set")
    if seeds and resolved.scenario.positions_file:
        raise UsageError("--seeds draws synthetic books, an imported one has no seed; leave one of the two out")
    if explain:
        from backtest.cli import plan
        from backtest.run.pipeline import prepare

        with stages(quiet) as stage:
            stage("reading bars, drawing the book")
            text = plan.text(prepare(resolved))
        click.echo(text, nl=False)
        return
    extras = Extras(seeds or 1, grid, bool(report or output), output, fresh)
    with stages(quiet) as stage:
        run, page, repeated = run_all(resolved, given, extras, stage)
        stage("auditing")
        block = repr(run)
    if not quiet:
        _notes(run, page, repeated)
    click.echo(block)
    if grid:
        click.echo(grid_text(run))
    if page:
        click.echo(f"report  {near(page)}")


def scenario_of(
    event: str | None, file: Path | None, flags: Mapping[str, Any], changes: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return the event's name and the values given: scenario file under flags under ``--set``."""
    from backtest.catalogue.events import get_event
    from backtest.scenario.values import check_values, merge, parse_set, read_scenario

    written = read_scenario(file) if file else {}
    given = merge(written, check_values(flags, "command line"), *map(parse_set, changes))
    named = given.get("event")
    if not (event or named):
        raise click.UsageError("Missing EVENT; give one of crashbook events, for example 2025-10-10")
    if event and named and get_event(event).id != get_event(named).id:
        raise UsageError(f"two events: {event} as EVENT and {named} in the scenario; name one")
    return event or str(named), given


def _book(positions: str | None) -> dict[str, Any]:
    if positions is None:
        return {}
    bare = positions.replace("_", "")
    return {"positions": int(bare)} if bare.isdecimal() else {"positions_file": positions}


def run_all(
    resolved: Resolved, given: Mapping[str, Any], extras: Extras, stage: Stage
) -> tuple[Run, Path | None, bool]:
    """Run the scenario and what was asked for beside it; return the run, the report if any, and if it was on disk."""
    from backtest.run.pipeline import execute, prepare

    stage("reading bars, drawing the book")
    prepared = prepare(resolved)
    show, steps = stage("replaying"), 0

    def count(done: int, total: int) -> None:
        nonlocal steps
        steps = done
        show(done, total)

    run = execute(prepared, count, extras.fresh)
    if extras.seeds > 1 or extras.grid:
        from backtest.studies import seeds

        if extras.seeds > 1:
            run = seeds.run_seeds(resolved, prepared.market, run, extras.seeds, stage(f"{extras.seeds} seeds"))
        if extras.grid:
            run = seeds.run_grid(resolved, given, run, stage("sensitivity grid"))
    with suppress(OSError):  # a folder that may not be touched is merely not the latest
        os.utime(run.path)
    if not extras.report:
        return run, None, not steps
    stage("writing the report")
    return run, write_report(run, extras.output), not steps


def grid_text(run: Run) -> str:
    """Return the sensitivity grid of a run: what was changed, and the headline numbers that came of it."""
    from backtest.cli.output import frame_of
    from backtest.cli.text import section

    rows = run.meta["sensitivity"]
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    shown = [
        {"changed": row["label"], "run_id": row["run_id"], **{key: _whole(row["metrics"].get(key)) for key in metrics}}
        for row in rows
    ]
    frame = frame_of(shown, ("changed", "run_id", *metrics))
    return section("sensitivity grid, one change at a time", frame).strip("\n")


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def write_report(run: Run, output: Path | None) -> Path:
    """Write the HTML report of a run, by default to the reports folder of the workspace."""
    from backtest.assets import reports_folder
    from backtest.report import render

    name = f"{run.meta['event']['id']}-{run.meta['venue']['id']}-{run.run_id}.html"
    return render(run, output or reports_folder() / name)


def near(path: Path) -> Path:
    """Return a path relative to the current folder where it lies inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _notes(run: Run, page: Path | None, repeated: bool) -> None:
    """Print the first of the run's flags; the report has all of them."""
    if repeated:
        aside("note: this run was on disk already; --fresh simulates it again")
    flags = run.meta["flags"]
    for flag in flags[:NOTES_SHOWN]:
        aside(f"note: {flag}")
    if len(flags) > NOTES_SHOWN:
        where = "see the report for all" if page else "crashbook report makes a report with all"
        aside(f"note: {len(flags) - NOTES_SHOWN} more; {where}")
