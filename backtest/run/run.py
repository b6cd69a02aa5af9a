"""A finished run: its tables as attributes, named queries, SQL and audits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.errors import CrashbookError, RunError, UnknownNameError
from backtest.run.asked import checked
from backtest.run.drawn import DRAW_TABLES, published_frame
from backtest.run.folder import find_run
from backtest.run.meta import RunMeta
from backtest.run.reading import check_tables, read_meta, read_table
from backtest.run.stored import Studies, read_studies
from backtest.run.verify import unsound
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.answers import Rows
from backtest.sql.budget import Budget
from backtest.sql.files import audit_names, get_query
from backtest.sql.header import Query
from backtest.sql.lock import user_sql
from backtest.sql.run import AuditResult, bind, create_macros, create_views, query_rows, run_audits, run_query
from backtest.sql.tables import open_tables

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl

SUMMARIES = "summaries"  # rows of the view run_summary, of several runs
PUBLISHED = "published_facts"  # those that runs of the event are compared with
OF_STUDIES = (SUMMARIES, *DRAW_TABLES)
ADDED = (*VIEWS, PUBLISHED, *OF_STUDIES)  # to a connection, when a statement names them
# Page and headline numbers ask the same again, and to plan takes longest: the last answers, none of them large.
REMEMBERED, REMEMBERED_BYTES = 128, 1 << 20


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
        Results of seeds, draws and grids stored beside the run.
    budget
        Seconds that a query or a statement may take, and memory that the database may use; set it before the first
        question. A statement that the database computes while it plans cannot be stopped from within a process of
        Python's; the command line runs statements in a process of their own.
    """

    runs = Frame()
    coverage = Frame()
    steps = Frame()
    potential = Frame()
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
    actual_positions = Frame()
    account_outcomes = Frame()
    cascades = Frame()
    loss_waterfall = Frame()
    run_summary = Frame()
    hedges = Frame()

    def __init__(self, path: Path, meta: RunMeta, studies: Studies) -> None:
        self.path, self.meta, self.studies = path, meta, studies
        self.budget = Budget()
        self._con: duckdb.DuckDBPyConnection | None = None
        self._views: set[str] = set()  # those of the connection
        self._answers: dict[tuple[Any, ...], pl.DataFrame] = {}
        self._audits: list[AuditResult] | None = None
        self._summary: dict[str, Any] | None = None

    @property
    def run_id(self) -> str:
        """Return the identity of the run."""
        return self.meta.run_id

    @property
    def draws(self) -> pl.DataFrame:
        """Return a row for each draw stored beside the run: its seed, the values drawn, the headlines."""
        import polars as pl

        return pl.DataFrame() if self.studies.draws is None else self.studies.draws.frame()

    def read_studies(self) -> None:
        """Read again what studies have stored beside the run since it was opened."""
        self.studies = read_studies(self.path)
        if self._views & {*OF_STUDIES}:  # made of the studies as they were
            self._con, self._views = None, set()
        stay = (key for key in self._answers if not any(name in get_query(key[0]).sql for name in OF_STUDIES))
        self._answers = {key: self._answers[key] for key in stay}

    def table(self, name: str) -> pl.DataFrame:
        """Return a table or view by name."""
        if name in VIEWS:
            return self.query(name)
        if name not in TABLES:
            raise UnknownNameError("table", name, [*TABLES, *VIEWS])
        return read_table(self.path, name, self.meta.tables[name].rows)

    def to_pandas(self, name: str, *, exact: bool = False) -> pd.DataFrame:
        """Return a table, view or query as a pandas frame: money as float64, or ``exact`` as decimals."""
        import polars.selectors as cs

        frame = self.table(name) if name in TABLES else self.query(name)
        return (frame if exact else frame.with_columns(cs.decimal().cast(float))).to_pandas()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own with the run's tables and views, locked: nothing but reading.

        Raises
        ------
        RunError
            If a table has other columns, types or rows than declared.
        """
        con = self._open()
        self._add_views(con, ADDED)
        return con

    def _open(self) -> duckdb.DuckDBPyConnection:
        """Return a locked connection with the run's tables and the functions of queries, no view yet."""
        con = open_tables(self.path, {name: entry.rows for name, entry in self.meta.tables.items()}, self.budget)
        rules = {"threshold": self.meta.threshold, "floor": self.meta.scenario.fund_floor_usd}
        con.execute("CREATE TABLE rules AS SELECT $threshold AS threshold, $floor::DOUBLE AS fund_floor_usd", rules)
        create_macros(con)
        return con

    def _add_views(self, con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
        """Add views and the tables of draws, empty where there are none.

        The headline numbers of the runs over seeds are, without seeds that fit, the run's own.
        """
        wanted = set(names)
        create_views(con, sorted(wanted & set(VIEWS) | ({"run_summary"} if SUMMARIES in wanted else set())))
        for name in DRAW_TABLES.keys() & wanted:
            con.execute(f"CREATE TABLE IF NOT EXISTS {name} ({DRAW_TABLES[name]})")
            if self.studies.draws is not None:
                con.register("rows", self.studies.draws.frames()[name].to_arrow())
                con.execute(f"INSERT INTO {name} SELECT * FROM rows")
                con.unregister("rows")
        if PUBLISHED in wanted:
            event = self.meta.event
            con.register("rows", published_frame(event.facts, event.compare, self.meta.venue.id).to_arrow())
            con.execute(f"CREATE TABLE IF NOT EXISTS {PUBLISHED} AS SELECT * FROM rows")
            con.unregister("rows")
        if SUMMARIES not in wanted:
            return
        seeds = self.studies.seeds
        if seeds is None or sorted(seeds.summaries[0]) != sorted(con.table("run_summary").columns):
            con.execute(f"CREATE OR REPLACE VIEW {SUMMARIES} AS SELECT * FROM run_summary")
            return
        con.register("seeds", seeds.frame().to_arrow())
        con.execute(f"CREATE TABLE IF NOT EXISTS {SUMMARIES} AS SELECT * FROM seeds")
        con.unregister("seeds")

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return the run's own connection, opened on first use."""
        return self._reading(" ".join(ADDED))

    def _reading(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Return the run's own connection with every view that a statement names: to plan a view takes longer."""
        if self._con is None:
            self._con = self._open()
        missing = [name for name in ADDED if name in sql and name not in self._views]
        self._add_views(self._con, missing)
        self._views.update(missing)
        return self._con

    def query(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Return the rows of a named query; what is small is asked once."""
        con, values = self._asked(name, params)
        key = (name, *sorted(bind(get_query(name), values).items()))
        if key in self._answers:
            return self._answers[key].clone()
        frame = run_query(con, name, values, self.budget.timeout_s)
        if frame.estimated_size() <= REMEMBERED_BYTES:
            self._answers[key] = frame.clone()
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]
        return frame

    def rows(self, name: str, /, **params: Any) -> Rows | None:
        """Return the rows of a named query as plain values, None where a column needs a frame."""
        con, values = self._asked(name, params)
        return query_rows(con, name, values, self.budget.timeout_s)

    def _asked(self, name: str, params: Mapping[str, Any]) -> tuple[duckdb.DuckDBPyConnection, dict[str, Any]]:
        """Return the connection with all that a query reads, and the values of its parameters as the run names them."""
        query = get_query(name)
        con = self._reading(query.sql)
        symbols = (contract.symbol for contract in self.meta.contracts)
        return con, checked(query, params, symbols, con)

    def query_text(self, name: str, /) -> Query:
        """Return header and text of a named query."""
        return get_query(name)

    def sql(self, text: str) -> pl.DataFrame:
        """Return the rows of one reading statement over the run's tables and views."""
        return user_sql(self.connection, text, self.budget.timeout_s)

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """Read the values of the run for what they mean; what breaks on values that no run writes is the folder's.

        Raises
        ------
        RunError
            In place of any error of the program, if something speaks against the tables.
        """
        try:
            yield
        except (CrashbookError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
            raise
        except BaseException as error:  # panics of Rust libraries are no Exception
            if reason := unsound(self.connection, self.run_id):
                raise RunError(f"{self.path}: {reason}; run it again") from error
            raise

    def audits(self) -> list[AuditResult]:
        """Run all audits, once; an audit passes when it returns no row."""
        if self._audits is None:
            self._audits = run_audits(self._reading(" ".join(get_query(name).sql for name in audit_names())))
        return self._audits

    def summary(self) -> dict[str, Any]:
        """Return the headline numbers as one mapping; they are asked for once."""
        if self._summary is None:
            with self.trusted():
                self._summary = self.query("run_summary").row(0, named=True)
        return dict(self._summary)


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
