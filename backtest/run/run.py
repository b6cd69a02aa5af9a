"""Run folders: written whole or not at all, checked when opened, read as tables, queries and SQL."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.assets import runs_folder
from backtest.errors import RunError, UnknownNameError
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql import queries

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

META = "run.json"
LOG = "log.jsonl"
STUDIES = "studies.json"  # bands and grids of other runs; not part of the run's own identity
FORMAT = 1
_CLOSE, _SEAL = "\n}\n", ',\n "sha256": "'


def write_run(tables: Mapping[str, pa.Table], meta: Mapping[str, Any], log: Mapping[str, Any]) -> Path:
    """Write a run folder beside its place and move it there when it is complete.

    Tables and ``run.json`` are byte-equal for equal inputs; times and durations go to ``log.jsonl``. What a killed
    writer of the same run left behind is removed first.

    Raises
    ------
    RunError
        If the folder cannot be written; nothing is left behind.
    """
    target = runs_folder() / str(meta["run_id"])
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        for left in target.parent.glob(f".{target.name}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir(parents=True)
        paths = [temporary / f"{name}.parquet" for name in tables]
        with ThreadPoolExecutor(2) as pool:  # compression leaves the interpreter free
            digests = dict(zip(tables, pool.map(write_parquet, tables.values(), paths), strict=True))
        body = {"format": FORMAT, **meta, "tables": digests}
        (temporary / META).write_text(sealed(body), "utf-8")
        (temporary / LOG).write_text(json.dumps(dict(log), sort_keys=True) + "\n", "utf-8")
        _take_place(temporary, target)
    except OSError as error:
        raise RunError(f"cannot write {target}: {_reason(error)}; free space or choose CRASHBOOK_HOME") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _reason(error: OSError) -> str:
    """Return the system's words for an error; Arrow wraps them in its own."""
    return os.strerror(error.errno) if error.errno else str(error)


def _take_place(new: Path, target: Path) -> None:
    """Move a whole folder to its place; one that is there gives way in one step and returns if that fails."""
    old = new.with_name(f"{new.name.removesuffix('.partial')}.old.partial")
    if target.is_dir() and not target.is_symlink():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.is_dir():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sealed(body: Mapping[str, Any]) -> str:
    """Return a JSON object as text with the SHA-256 of that text as a last key, so that any changed byte shows.

    Examples
    --------
    >>> text = sealed({"seed": 1})
    >>> is_sealed(text), is_sealed(text.replace("1", "2", 1))
    (True, False)
    """
    return _with_digest(json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def is_sealed(text: str) -> bool:
    """Return whether a text is as ``sealed`` wrote it."""
    return text == _with_digest(text.rpartition(_SEAL)[0] + _CLOSE)


def _with_digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f'{text.removesuffix(_CLOSE)}{_SEAL}{digest}"{_CLOSE}'


def write_parquet(table: pa.Table, path: Path) -> dict[str, Any]:
    """Write one table; the only place where Parquet is written. Returns rows and digest."""
    import pyarrow.parquet as pq

    pq.write_table(
        table, path, compression="zstd", compression_level=1, store_decimal_as_integer=True, version="2.6",
        write_statistics=True, row_group_size=1 << 20,
    )  # fmt: skip
    return {"rows": table.num_rows, "sha256": _digest(path)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_ids() -> list[str]:
    """Return the ids of complete run folders, the newest last."""
    folder = runs_folder()
    found = [path.parent for path in folder.glob(f"*/{META}") if not path.parent.name.startswith(".")]
    return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]


def open_run(name: str = "latest") -> Run:
    """Open a run by id, unique prefix of an id, path, or ``latest``.

    Raises
    ------
    RunError
        If there is none, the prefix is ambiguous, or the folder is incomplete or was changed.
    """
    return Run(_find(name))


def _find(name: str) -> Path:
    path = Path(name)
    if name not in {"", "latest"} and _is_folder(path):
        return path
    known = run_ids()
    if not known:
        raise RunError(f"no runs in {runs_folder()}; make one with crashbook replay 2025-10-10")
    if name == "latest":
        return runs_folder() / known[-1]
    hits = [run for run in known if run.startswith(name)]
    if len(hits) > 1:
        raise RunError(f"run '{name}' is ambiguous: {', '.join(hits)}; give more of the id")
    if not hits:
        raise UnknownNameError("run", name, known, "See crashbook runs")
    return runs_folder() / hits[0]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no name of a file, an SQL text for example
        return False


def read_meta(folder: Path) -> dict[str, Any]:
    """Read and check ``run.json`` of a folder."""
    path = folder / META
    try:
        text = path.read_bytes().decode()
        meta = json.loads(text)
    except FileNotFoundError:
        raise RunError(f"{folder}: no {META}: the run was not finished; run it again") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}); run it again") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT or "tables" not in meta:
        raise RunError(f"{path}: not a run of this version; run it again")
    if not is_sealed(text):
        raise RunError(f"{path}: does not match its own digest: it was changed; run it again")
    return meta


def store_study(folder: Path, study: Mapping[str, Any]) -> None:
    """Add the result of a study to those stored beside a run."""
    path, temporary = folder / STUDIES, folder / f".{STUDIES}.partial"
    try:
        temporary.write_text(sealed({**_studies(folder), **study}), "utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {_reason(error)}; free space or choose CRASHBOOK_HOME") from None


def _studies(folder: Path) -> dict[str, Any]:
    """Return the studies stored beside a run; a damaged file counts as none, since a study can be run again."""
    try:
        text = (folder / STUDIES).read_bytes().decode()
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in json.loads(text).items() if key != "sha256"} if is_sealed(text) else {}


class Run:
    """A finished run: tables as attributes, named queries, SQL, audits, report.

    Examples
    --------
    ``run.adl_fills`` is a polars frame, ``run.query("fund_balance")`` the answer of a query file,
    ``run.sql("select count(*) from liquidations")`` anything else, ``run.to_pandas("steps")`` a pandas frame.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.meta: dict[str, Any] = read_meta(folder) | _studies(folder)
        for name in TABLES:
            entry, path = self.meta["tables"].get(name), folder / f"{name}.parquet"
            if entry is None or not path.is_file():
                raise RunError(f"{folder}: table {name} is missing; run it again")
            if _digest(path) != entry["sha256"]:
                raise RunError(
                    f"{path}: does not match the digest in {META}: it was changed or cut short; run it again"
                )
        self._con: duckdb.DuckDBPyConnection | None = None
        self._audits: list[queries.AuditResult] | None = None

    @property
    def run_id(self) -> str:
        """Return the identity of the run."""
        return str(self.meta["run_id"])

    def __getattr__(self, name: str) -> pl.DataFrame:
        if name in TABLES:
            return self.table(name)
        raise AttributeError(f"a run has no attribute '{name}'; tables: {', '.join(TABLES)}")

    def table(self, name: str) -> pl.DataFrame:
        """Return a table as a polars frame."""
        import polars as pl

        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        return pl.read_parquet(self.path / f"{name}.parquet")

    def to_pandas(self, name: str) -> pd.DataFrame:
        """Return a table, view or query as a pandas frame."""
        frame = self.table(name) if name in TABLES else self.sql(f"select * from {name}") if name in VIEWS else None
        return (self.query(name) if frame is None else frame).to_pandas()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own with the run's tables and views, locked: nothing but reading."""
        import duckdb

        con = duckdb.connect(":memory:")
        files = {name: _literal(self.path.resolve() / f"{name}.parquet") for name in TABLES}
        con.execute(f"set allowed_paths = [{', '.join(files.values())}]")  # what stays readable behind the lock
        for name, file in files.items():
            con.execute(f"create view {name} as select * from read_parquet({file})")
        floor = float(self.meta["scenario"]["fund_floor_usd"])
        con.execute(f"create view rules as select '{self.meta['threshold']}' as threshold, {floor!r} as fund_floor_usd")
        queries.create_views(con)
        self._add_summaries(con)
        queries.lock(con)
        return con

    def _add_summaries(self, con: duckdb.DuckDBPyConnection) -> None:
        """Add the headline numbers of the runs over seeds; without them the run's own."""
        if not self.meta["seed_summaries"]:
            con.execute("create view summaries as select * from run_summary")
            return
        seeds = summaries_frame(self.meta["seed_summaries"]).to_arrow()
        con.register("seeds", seeds)
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
        return queries.run_query(self.connection, name, params)

    def query_text(self, name: str, /) -> queries.Query:
        """Return header and text of a named query."""
        return queries.get_query(name)

    def sql(self, text: str) -> pl.DataFrame:
        """Return the rows of one reading statement over the run's tables and views."""
        return queries.user_sql(self.connection, text)

    def audits(self) -> list[queries.AuditResult]:
        """Run all audits, once; an audit passes when it returns no row."""
        if self._audits is None:
            self._audits = queries.run_audits(self.connection)
        return self._audits

    def summary(self) -> dict[str, Any]:
        """Return the headline numbers as one mapping."""
        return self.query("run_summary").row(0, named=True)

    def report(self, path: Path | str | None = None) -> Path:
        """Write the HTML report and return its path."""
        from backtest.report import render

        return render(self, None if path is None else Path(path))

    def __repr__(self) -> str:
        from backtest.run.summary import block

        return block(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _literal(path: Path) -> str:
    """Return a path as an SQL text."""
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"


def summaries_frame(summaries: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows of ``run_summary`` as they are stored beside a run; times that are text become times again."""
    import polars as pl

    times = [name for name in summaries[0] if name.endswith("_ts")]
    frame = pl.DataFrame(summaries, infer_schema_length=None)
    return frame.with_columns(
        pl.col(name).cast(pl.String).str.to_datetime(time_unit="us", time_zone=None) for name in times
    )


def diff(one: Run, other: Run) -> tuple[list[tuple[str, Any, Any]], list[tuple[str, Any, Any]]]:
    """Return the scenario fields and the headline numbers in which two runs differ."""
    a, b = one.meta["scenario"], other.meta["scenario"]
    fields = [(key, a.get(key), b.get(key)) for key in sorted({*a, *b}) if a.get(key) != b.get(key)]
    left, right = one.summary(), other.summary()
    numbers = [(key, left[key], right[key]) for key in left if left[key] != right[key]]
    return fields, numbers
