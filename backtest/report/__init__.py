"""The report: one self-contained HTML page of a run, a section per question, every number from a named query.

``page`` renders the template, ``findings`` asks each query once, ``markup`` and ``tables`` write HTML, ``sections`` has
a file per question, ``figures`` a file per family of drawings; ``compare``, ``fund`` and ``watch`` are the pages of the
questions of these names, ``index`` lists all runs and pages.
Matplotlib and the template engine are imported when a report is made, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.report.page import Draft
    from backtest.run.run import StoredRun

__all__ = [
    "begin",
    "cell",
    "compare",
    "figures",
    "findings",
    "fund",
    "glossary",
    "index",
    "marks",
    "markup",
    "page",
    "render",
    "render_html",
    "sections",
    "tables",
    "watch",
]


def render_html(run: StoredRun) -> str:
    """Return the report of a run as one HTML page; equal runs give equal bytes."""
    from backtest.report.page import html

    return html(run)


def begin(run: StoredRun) -> Draft:
    """Make what a report shows beside studies, for ``render`` to go on with when the studies have ended."""
    from backtest.report.page import draft

    return draft(run)


def render(run: StoredRun, path: Path | None = None, made: Draft | None = None) -> Path:
    """Write the report of a run and return its path.

    Parameters
    ----------
    run
        A finished run.
    path
        File to write; the workspace's ``reports/<event>-<run_id>.html`` if left out.
    made
        What ``begin`` has made of the same run.

    Raises
    ------
    CrashbookError
        If the file cannot be written; nothing half-written is left behind.
    """
    from backtest.report.page import write

    return write(run, path, made)
