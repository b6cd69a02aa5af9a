"""A run in the hands of a user: tables, queries, SQL, audits, report."""

from __future__ import annotations

from html import escape
from pathlib import Path

from backtest.run.run import StoredRun
from backtest.run.run import open_run as open_stored
from backtest.run.summary import block


class Run(StoredRun):
    """A finished run: tables as attributes, named queries, SQL, audits, report.

    Examples
    --------
    ``run.adl_fills`` is a polars frame, ``run.query("fund_balance")`` the answer of a query file,
    ``run.sql("select count(*) from liquidations")`` anything else, ``run.to_pandas("steps")`` a pandas frame.
    """

    @classmethod
    def of(cls, stored: StoredRun) -> Run:
        """Return a run that is open already."""
        return cls(stored.path, stored.meta, stored.studies)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the HTML report and return its path, by default in the reports folder of the workspace."""
        from backtest.report import render

        return render(self, None if path is None else Path(path))

    def __repr__(self) -> str:
        return block(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def open_run(name: str = "latest") -> Run:
    """Open a run by id, unique prefix of an id, path, or ``latest``.

    Raises
    ------
    RunError
        If there is none, the prefix is ambiguous, or the folder is incomplete or was changed.
    """
    return Run.of(open_stored(name))
