"""The report: one self-contained HTML file made from named queries.

Matplotlib and the template engine are imported when a report is made, not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.report.protocol import ReportRun


def render_html(run: ReportRun) -> str:
    """Return the report of a run as one HTML page; equal runs give equal bytes."""
    from backtest.report.page import html

    return html(run)


def render(run: ReportRun, path: Path | None = None) -> Path:
    """Write the report of a run and return its path.

    Parameters
    ----------
    run
        A finished run.
    path
        File to write; the workspace's ``reports/<event>-<run_id>.html`` if left out.

    Raises
    ------
    CrashbookError
        If the file cannot be written; nothing half-written is left behind.
    """
    from backtest.report.page import write

    return write(run, path)
