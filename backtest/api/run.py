"""A run in the hands of a user: tables, queries, SQL, audits, report."""

from __future__ import annotations

from html import escape
from pathlib import Path

from backtest.api.plot import Plots
from backtest.api.questions import Questions
from backtest.run.run import StoredRun
from backtest.run.run import open_run as open_stored
from backtest.run.summary import block


class Run(StoredRun):
    """A finished run: tables as attributes, named queries, SQL, audits, report.

    Examples
    --------
    ``run.adl_fills`` is a polars frame, ``run.queries.fund_balance()`` or ``run.query("fund_balance")`` the answer of a
    query file, ``run.sql("select count(*) from liquidations")`` anything else, ``run.to_pandas("steps")`` a pandas
    frame, ``run.plot.price()`` a figure of the report.
    """

    @property
    def queries(self) -> Questions:
        """Return the named queries as methods."""
        return Questions(self.query)

    @property
    def plot(self) -> Plots:
        """Return the figures of the report as methods."""
        return Plots(self)

    @classmethod
    def of(cls, stored: StoredRun) -> Run:
        """Return a run that is open already."""
        return cls(stored.path, stored.meta, stored.studies)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the HTML report and return its path, by default in the reports folder of the workspace."""
        from backtest.report import render
        from backtest.report.index import beside

        return beside(render(self, None if path is None else Path(path)))

    def __repr__(self) -> str:
        return block(self)

    def _repr_html_(self) -> str:
        picture = "".join(self.plot.price().drawings[:1])
        return f'<pre>{escape(repr(self))}</pre><div style="background:#ffffff;max-width:640px">{picture}</div>'


def open_run(name: str = "latest") -> Run:
    """Open a run by id, unique prefix of an id, label, path, or ``latest``.

    Raises
    ------
    RunError
        If there is none, the prefix is ambiguous, or the folder is incomplete or was changed.
    """
    return Run.of(open_stored(name))
