"""``crashbook schema``: the tables and views of a run, and the columns of one."""

from __future__ import annotations

import click

from backtest.cli.command import command
from backtest.cli.output import Output, emit, note, output_options, page
from backtest.cli.table import Table, table_of


@command("crashbook schema adl_fills")
@click.argument("table", required=False)
@click.option("--ddl", is_flag=True, help="Print CREATE TABLE statements instead.")
@output_options
def schema(table: str | None, ddl: bool, output: Output) -> None:
    """List the tables and views of a run, or show one."""
    from backtest.errors import UnknownNameError, UsageError
    from backtest.schema.tables import TABLES, VIEWS
    from backtest.sql.files import get_query

    table = table if table is None or table in {**TABLES, **VIEWS} else table.lower().replace("-", "_")
    if table is not None and table not in {**TABLES, **VIEWS}:
        meanings = {name: each.doc for name, each in TABLES.items()} | VIEWS
        raise UnknownNameError("table", table, meanings, "See crashbook schema")
    if ddl:
        if table in VIEWS:
            raise UsageError(f"{table} is a view; --ddl knows tables: {', '.join(TABLES)}")
        chosen = [TABLES[table]] if table else list(TABLES.values())
        page("".join(f"{each.ddl()};\n" for each in chosen), output)
    elif table is None:
        rows = [{"name": t.name, "kind": "table", "row": t.grain, "meaning": t.doc} for t in TABLES.values()]
        for name, doc in VIEWS.items():
            grain = get_query(name).grain.removeprefix("one row per ")
            rows.append({"name": name, "kind": "view", "row": grain, "meaning": doc})
        emit(table_of(rows, ("name", "kind", "row", "meaning")), output)
    elif table in TABLES:
        found = TABLES[table]
        note(f"{table}: {found.doc} One row per {found.grain}.", output)
        rows = [{"column": c.name, "type": c.sql_type, "unit": c.unit, "meaning": c.doc} for c in found.columns]
        emit(table_of(rows, ("column", "type", "unit", "meaning")), output)
    else:
        view = get_query(table)
        note(f"{table}: {view.title} {view.grain[:1].upper()}{view.grain[1:]}. Units: {view.units}.", output)
        emit(_columns_of_view(table), output)


def _columns_of_view(name: str) -> Table:
    """Return the columns of a view, as the database finds them over empty tables."""
    import duckdb

    from backtest.schema.tables import TABLES
    from backtest.sql.run import create_macros, create_views

    with duckdb.connect(":memory:") as con:
        for table in TABLES.values():
            con.execute(table.ddl()).fetchall()
        con.execute("create view rules as select '<' as threshold").fetchall()
        create_macros(con)
        create_views(con)
        found = con.sql(f"describe {name}").fetchall()
    return table_of([{"column": row[0], "type": row[1]} for row in found], ("column", "type"))
