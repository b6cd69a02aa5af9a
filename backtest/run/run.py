"""A finished run: its tables as attributes, named queries, SQL and audits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import UnknownNameError
from backtest.run.folder import check_tables, find_run, read_meta
from backtest.run.meta import RunMeta
from backtest.run.stored import Studies, read_studies
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.files import get_query
from backtest.sql.header import Query
from backtest.sql.lock import lock, user_sql
from backtest.sql.run import AuditResult, create_views, run_audits, run_query

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl


class Frame:
    """A table or view of a run as an attribute: read on each access."""

    name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, run: StoredRun, owner: type) -> pl.DataFrame:
        return run.table(self.name)


class StoredRun:
    """A run in its folder: tables and views as attributes, named queries, SQL, audits.

    Every attribute of a table is a polars frame, read from its file on each access; ``crashbook schema`` lists the
    columns.

    Attributes
    ----------
    path
        The folder.
    meta
        The contents of ``run.json``.
    studies
        Results of seeds and grids stored beside the run.
    """

    runs = Frame()
    coverage = Frame()
    steps = Frame()
    criticality = Frame()
    accounts = Frame()
    positions = Frame()
    liquidations = Frame()
    fund = Frame()
    fund_events = Frame()
    adl_events = Frame()
    adl_queue = Frame()
    adl_fills = Frame()
    watch = Frame()
    funding = Frame()
    ledger = Frame()
    actual_liquidations = Frame()
    actual_adl = Frame()
    cascades = Frame()
    loss_waterfall = Frame()
    run_summary = Frame()
    hedges = Frame()

    def __init__(self, path: Path, meta: RunMeta, studies: Studies) -> None:
        self.path, self.meta, self.studies = path, meta, studies
        self._con: duckdb.DuckDBPyConnection | None = None
        self._audits: list[AuditResult] | None = None

    @property
    def run_id(self) -> str:
        """Return the identity of the run."""
        return self.meta.run_id

    def table(self, name: str) -> pl.DataFrame:
        """Return a table or view by name."""
        import polars as pl

        if name in VIEWS:
            return self.query(name)
        if name not in TABLES:
            raise UnknownNameError("table", name, [*TABLES, *VIEWS])
        return pl.read_parquet(self.path / f"{name}.parquet")

    def to_pandas(self, name: str) -> pd.DataFrame:
        """Return a table, view or query as a pandas frame."""
        return (self.table(name) if name in TABLES else self.query(name)).to_pandas()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own with the run's tables and views, locked: nothing but reading."""
        import duckdb

        con = duckdb.connect(":memory:")
        files = {name: _literal(self.path.resolve() / f"{name}.parquet") for name in TABLES}
        con.execute(f"set allowed_paths = [{', '.join(files.values())}]")  # what stays readable behind the lock
        for name, file in files.items():
            con.execute(f"create view {name} as select * from read_parquet({file})")
        floor = float(self.meta.scenario["fund_floor_usd"])
        con.execute(f"create view rules as select '{self.meta.threshold}' as threshold, {floor!r} as fund_floor_usd")
        create_views(con)
        self._add_summaries(con)
        lock(con)
        return con

    def _add_summaries(self, con: duckdb.DuckDBPyConnection) -> None:
        """Add the headline numbers of the runs over seeds; without them the run's own."""
        if self.studies.seeds is None:
            con.execute("create view summaries as select * from run_summary")
            return
        con.register("seeds", self.studies.seeds.frame().to_arrow())
        con.execute("create table summaries as select * from seeds")
        con.unregister("seeds")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return the run's own connection, opened on first use."""
        if self._con is None:
            self._con = self.connect()
        return self._con

    def query(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Return the rows of a named query."""
        return run_query(self.connection, name, params)

    def query_text(self, name: str, /) -> Query:
        """Return header and text of a named query."""
        return get_query(name)

    def sql(self, text: str) -> pl.DataFrame:
        """Return the rows of one reading statement over the run's tables and views."""
        return user_sql(self.connection, text)

    def audits(self) -> list[AuditResult]:
        """Run all audits, once; an audit passes when it returns no row."""
        if self._audits is None:
            self._audits = run_audits(self.connection)
        return self._audits

    def summary(self) -> dict[str, Any]:
        """Return the headline numbers as one mapping."""
        return self.query("run_summary").row(0, named=True)


def open_folder(path: Path) -> StoredRun:
    """Open the run in a folder after checking every file against its digest.

    Raises
    ------
    RunError
        If the folder is incomplete or was changed.
    """
    meta = read_meta(path)
    check_tables(path, meta)
    return StoredRun(path, meta, read_studies(path))


def open_run(name: str = "latest") -> StoredRun:
    """Open a run by id, unique prefix of an id, path, or ``latest``.

    Raises
    ------
    RunError
        If there is none, the prefix is ambiguous, or the folder is incomplete or was changed.
    """
    return open_folder(find_run(name))


def _literal(path: Path) -> str:
    """Return a path as an SQL text."""
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"
