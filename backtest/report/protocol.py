"""What the report asks of a run; ``StoredRun`` is one, a test may bring its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl

    from backtest.run.meta import RunMeta
    from backtest.run.stored import Studies


class QueryText(Protocol):
    """The header and the text of a query file."""

    @property
    def title(self) -> str:
        """Return the question that the query answers."""

    @property
    def grain(self) -> str:
        """Return what a row is."""

    @property
    def units(self) -> str:
        """Return the units of the columns."""

    @property
    def sql(self) -> str:
        """Return the text of the file."""


class Audit(Protocol):
    """The outcome of one audit: it passes when it returns no row."""

    @property
    def name(self) -> str:
        """Return the name of the query."""

    @property
    def title(self) -> str:
        """Return what the audit checks."""

    @property
    def rows(self) -> int:
        """Return the number of offending rows."""

    @property
    def passed(self) -> bool:
        """Return whether there was none."""


class ReportRun(Protocol):
    """A finished run."""

    @property
    def meta(self) -> RunMeta:
        """Return the contents of ``run.json``."""

    @property
    def studies(self) -> Studies:
        """Return the studies stored beside the run."""

    def query(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Return the rows of a named query."""

    def query_text(self, name: str, /) -> QueryText:
        """Return a query's header and text."""

    def audits(self) -> Sequence[Audit]:
        """Return the outcome of every audit."""
