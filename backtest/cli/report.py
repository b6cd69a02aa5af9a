"""``crashbook report``: the HTML report of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.output import Output, page
from backtest.errors import UsageError

if TYPE_CHECKING:
    from backtest.report.page import Draft
    from backtest.run.run import StoredRun


@command("crashbook report latest --open")
@click.argument("run", default="latest")
@click.option(
    "--output", "path", type=click.Path(path_type=Path), help="Path of the report; by default in the folder reports."
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def report(run: str, path: Path | None, show: bool, quiet: bool) -> None:
    """Write the HTML report of a run and print its path."""
    import webbrowser

    from backtest.run.run import open_run

    written = write_report(open_run(run), page_path(path))
    if not quiet:
        page(f"report  {relative(written)}\n", Output("table", None, False))
    if show and not webbrowser.open(written.resolve().as_uri()):
        raise UsageError(f"no browser could be started; open {relative(written)} yourself")


def write_report(run: StoredRun, path: Path | None, made: Draft | None = None) -> Path:
    """Write the HTML report of a run, by default to the reports folder of the workspace."""
    from backtest.assets import inside, reports_folder
    from backtest.report import render
    from backtest.report.index import beside

    name = f"{run.meta.event.id}-{run.meta.venue.id}-{run.run_id}.html"
    return beside(render(run, path or inside(reports_folder(), name), made))


def page_path(path: Path | None) -> Path | None:
    """Return the path of a report; its suffix has to say that it is one.

    Raises
    ------
    UsageError
        It ends otherwise.
    """
    if path is not None and path.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"--output {path}: a report is a page, name it .html; crashbook export writes other files")
    return path


def relative(path: Path) -> Path:
    """Return a path relative to the current folder where it lies inside."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
