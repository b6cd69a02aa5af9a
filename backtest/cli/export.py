"""``crashbook export``: a run as a database, a workbook, a folder of files, or one tape for another backtester."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backtest.cli.command import command
from backtest.cli.hints import check_target
from backtest.cli.messages import print_line
from backtest.cli.report import relative
from backtest.errors import UsageError

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from backtest.run.run import StoredRun

SHEET_ROWS = 20_000  # of a table or view, in a workbook of a whole run; longer ones are left out and named
TAPE = "replay_tape"
DATABASES = {".duckdb", ".db"}
FRAMES = {".csv", ".parquet", ".json", ".xlsx"}


@command(
    "crashbook export latest run.duckdb",
    "crashbook export latest run.xlsx",
    "crashbook export latest run_folder",
    "crashbook export latest tape.parquet --tape",
)
@click.argument("run")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--tape", is_flag=True, help="One table of bars, marks, liquidations and ADL, as CSV, Parquet, JSON or "
              "a workbook.")  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
def export(run: str, out: Path, tape: bool, quiet: bool) -> None:
    """Write a run for other programs.

    OUT.duckdb is a database with all tables, views and functions, and the meaning of every column as a comment.
    OUT.xlsx is a workbook (extra excel): what the tables mean, the tables and views of up to 20,000 rows. A name
    without suffix is a new folder of Parquet files with schema.sql. A file appears whole or not at all.
    """
    from backtest.run.run import open_run

    check_target(run, str(out), (*DATABASES, *FRAMES))
    suffix = out.suffix.lower()
    known = FRAMES if tape else {*DATABASES, ".xlsx", ""}
    if suffix not in known:
        allowed = ", ".join(sorted(known - {""})) + ("" if tape else ", or a folder without a suffix")
        raise UsageError(f"{out}: nothing is known of '{suffix}'; allowed: {allowed}")
    opened, left_out = open_run(run), dict[str, int]()
    if tape:
        write_tape(opened, out)
    elif suffix in DATABASES:
        write_database(opened, out)
    elif suffix:
        left_out = write_sheets(opened, out)
    else:
        write_folder(opened, out)
    if not quiet:
        print_line(f"run {opened.run_id} is in {relative(out)}")
        if left_out:
            named = ", ".join(f"{name} ({rows:,} rows)" for name, rows in left_out.items())
            print_line(f"left out: {named}; one alone: {alone(next(iter(left_out)), opened.run_id)}")


def write_tape(run: StoredRun, out: Path) -> None:
    """Write bars, marks, liquidations and ADL as one table."""
    from backtest.cli.output import Output, emit

    emit(run.query(TAPE), Output(out.suffix.lower().removeprefix("."), out, True))


def write_database(run: StoredRun, out: Path) -> None:
    """Write a DuckDB database with tables, functions, views and comments."""
    import duckdb

    from backtest.assets import check_replaceable
    from backtest.durable import draft, make_folder
    from backtest.schema.tables import TABLES, VIEWS

    check_replaceable(out)
    make_folder(out.parent)
    with draft(out) as path, duckdb.connect(str(path)) as con:
        for name, table in TABLES.items():
            con.execute(table.ddl()).fetchall()
            _insert(con, name, run.table(name))
        for text in comments():
            con.execute(text).fetchall()
        for text in definitions():
            con.execute(text).fetchall()
        for name, doc in VIEWS.items():
            con.execute(f"COMMENT ON VIEW {name} IS {quoted(doc)}").fetchall()


def _insert(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    if frame.height:
        con.register("rows", frame.to_arrow())
        con.execute(f"INSERT INTO {name} SELECT * FROM rows").fetchall()
        con.unregister("rows")


def quoted(text: str) -> str:
    """Return a text as a literal of SQL.

    Examples
    --------
    >>> quoted("the run's own")
    "'the run''s own'"
    """
    return "'" + text.replace("'", "''") + "'"


def comments() -> list[str]:
    """Return a statement for the meaning of every table and column."""
    from backtest.schema.tables import TABLES

    out = []
    for name, table in TABLES.items():
        out.append(f"COMMENT ON TABLE {name} IS {quoted(f'{table.doc} One row per {table.grain}.')}")
        for column in table.columns:
            unit = f" ({column.unit})" if column.unit else ""
            out.append(f"COMMENT ON COLUMN {name}.{column.name} IS {quoted(column.doc + unit)}")
    return out


def definitions() -> list[str]:
    """Return the statements that make the functions of queries, and the views."""
    from backtest.schema.tables import VIEWS
    from backtest.sql.files import get_query
    from backtest.sql.run import MACROS

    macros = [f"CREATE MACRO {head} AS {body}" for head, body in MACROS.items()]
    return macros + [f"CREATE VIEW {name} AS\n{get_query(name).sql}" for name in VIEWS]


def write_folder(run: StoredRun, out: Path) -> None:
    """Write a new folder of Parquet files, one a table and one a view, and the statements that describe them."""
    import io

    from backtest.assets import inside, kind_of
    from backtest.durable import create, draft_folder
    from backtest.schema.tables import TABLES, VIEWS

    if kind_of(out):
        raise UsageError(f"{out} is there already; name a new folder")
    with draft_folder(out) as folder:
        for name in (*TABLES, *VIEWS):
            data = io.BytesIO()
            run.table(name).write_parquet(data)
            with create(inside(folder, f"{name}.parquet")) as file:
                file.write(data.getbuffer())
        text = ";\n".join([*(table.ddl() for table in TABLES.values()), *comments(), *definitions()])
        with create(inside(folder, "schema.sql")) as file:
            file.write(f"{text};\n".encode())


def write_sheets(run: StoredRun, out: Path) -> dict[str, int]:
    """Write a workbook: the meaning of tables and columns, the tape, the views, and the tables that have rows.

    What has more rows than a sheet of a run may have is left out, and the first sheet says so.

    Returns
    -------
        Rows of the sheets that were left out, by name.
    """
    import polars as pl

    from backtest.cli.output import whole_file
    from backtest.cli.workbook import write_workbook
    from backtest.schema.tables import TABLES, VIEWS
    from backtest.sql.files import get_query

    rows = {name: entry.rows for name, entry in run.meta.tables.items()}
    sheets = {"tape": run.query(TAPE), **{name: run.table(name) for name in VIEWS}}
    rows |= {name: frame.height for name, frame in sheets.items()}
    sheets |= {name: run.table(name) for name in TABLES if 0 < rows[name] <= SHEET_ROWS}
    left_out = {name: count for name, count in rows.items() if count > SHEET_ROWS}
    about = [{"sheet": "tape", "row": "one per bar and symbol", "meaning": get_query(TAPE).title}]
    about += [{"sheet": name, "row": "view", "meaning": doc} for name, doc in VIEWS.items()]
    about += [{"sheet": name, "row": f"one per {table.grain}", "meaning": table.doc} for name, table in TABLES.items()]
    for row in about:
        if row["sheet"] in left_out:
            count = left_out[row["sheet"]]
            row["meaning"] = f"LEFT OUT, {count:,} rows: {alone(row['sheet'], run.run_id)}. {row['meaning']}"
    notes = {column.name: column.doc for table in TABLES.values() for column in table.columns}
    kept = {name: frame for name, frame in sheets.items() if name not in left_out}
    with whole_file(out) as file:
        write_workbook({"about": pl.DataFrame(about), **kept}, file, notes)
    return left_out


def alone(name: str, run: str) -> str:
    """Return the command that writes one sheet alone.

    Examples
    --------
    >>> alone("steps", "708a"), alone("tape", "708a")
    ('crashbook sql "from steps" 708a --output steps.xlsx', 'crashbook export 708a tape.xlsx --tape')
    """
    if name == "tape":
        return f"crashbook export {run} tape.xlsx --tape"
    return f'crashbook sql "from {name}" {run} --output {name}.xlsx'
