"""Verbs that show what there is to choose from: events, venues, scenario fields, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from backtest.cli.group import verb
from backtest.cli.output import Sink, emit, frame_of, note, page, read_options
from backtest.cli.text import plain
from backtest.formatting import readable

if TYPE_CHECKING:
    import polars as pl

    from backtest.scenario.fields import Param


@verb("crashbook events 2025-10-10")
@click.argument("event", metavar="[ID]", required=False)
@read_options
def events(event: str | None, sink: Sink) -> None:
    """List the crashes of the catalogue, or show one.

    The list names the default venue first and says which data are on disk. One event, by id, date or alias, is
    shown with its window, every published figure, its defaults with reasons and what a run may be compared with;
    other formats than table give the published figures.
    """
    from backtest.catalogue.events import get_event, load_events
    from backtest.cli import event_page

    if event is None:
        emit(event_page.listed(load_events()), sink)
        return
    found = get_event(event)
    if sink.pretty:
        page(event_page.text(found), sink)
    else:
        emit(event_page.facts(found), sink)


@verb("crashbook venues hyperliquid")
@click.argument("venue", required=False)
@read_options
def venues(venue: str | None, sink: Sink) -> None:
    """List the venue profiles, or show one.

    One venue is shown with its seven strategy points, margin tables, what is simplified and what is unverified;
    other formats than table give the strategy points. Marks: V primary source, S secondary, D derived,
    U not verified.
    """
    from backtest.cli import venue_page
    from backtest.venue.profile import get_venue, venue_names

    if venue is None:
        emit(venue_page.listed([get_venue(name) for name in venue_names()]), sink)
        return
    found = get_venue(venue)
    if sink.pretty:
        page(venue_page.text(found), sink)
    else:
        emit(venue_page.points(found), sink)


@verb(
    "crashbook params",
    "crashbook params 2025-10-10 --venue bybit",
)
@click.argument("event", required=False)
@click.option("--venue", help="Venue whose rules fill in the values; by default the event's first.")
@read_options
def params(event: str | None, venue: str | None, sink: Sink) -> None:
    """List the scenario fields, or their values for an EVENT.

    Fields are set with --set FIELD=VALUE, or in the TOML file given with -c. Other formats than table spell values
    as --set takes them.
    """
    from backtest.cli.plan import values_of
    from backtest.run.pipeline import resolve
    from backtest.scenario.fields import PARAMS

    if event is None and venue is not None:
        raise click.UsageError("--venue fills in the values of an event; give the EVENT too")
    spell = readable if sink.pretty else plain
    if event is None:
        rows = [
            {"field": p.name, "kind": p.kind, "unit": p.unit, "default": spell(p.default), "allowed": _allowed(p),
             "meaning": p.doc}
            for p in PARAMS
        ]  # fmt: skip
        emit(frame_of(rows, ("field", "kind", "unit", "default", "allowed", "meaning")), sink)
        return
    emit(values_of(resolve(event, {"venue": venue} if venue else {}), spell), sink)


def _allowed(param: Param) -> str:
    from backtest.mechanics.rules import CHOICES

    if param.name in CHOICES:
        return ", ".join(CHOICES[param.name])
    return "" if param.low is None else f"{readable(param.low)} to {readable(param.high)}"


@verb("crashbook schema adl_fills")
@click.argument("table", required=False)
@click.option("--ddl", is_flag=True, help="Print CREATE TABLE statements instead.")
@read_options
def schema(table: str | None, ddl: bool, sink: Sink) -> None:
    """List the tables and views of a run, or show one."""
    from backtest.errors import UnknownNameError, UsageError
    from backtest.schema.tables import TABLES, VIEWS
    from backtest.sql.queries import get_query

    if table is not None and table not in {**TABLES, **VIEWS}:
        raise UnknownNameError("table", table, {**TABLES, **VIEWS}, "See crashbook schema")
    if ddl:
        if table in VIEWS:
            raise UsageError(f"{table} is a view; --ddl knows tables: {', '.join(TABLES)}")
        chosen = [TABLES[table]] if table else list(TABLES.values())
        page("".join(f"{each.ddl()};\n" for each in chosen), sink)
    elif table is None:
        rows = [{"name": t.name, "kind": "table", "row": t.grain, "meaning": t.doc} for t in TABLES.values()]
        for name, doc in VIEWS.items():
            grain = get_query(name).grain.removeprefix("one row per ")
            rows.append({"name": name, "kind": "view", "row": grain, "meaning": doc})
        emit(frame_of(rows, ("name", "kind", "row", "meaning")), sink)
    elif table in TABLES:
        found = TABLES[table]
        note(f"{table}: {found.doc} One row per {found.grain}.", sink)
        rows = [{"column": c.name, "type": c.sql_type, "unit": c.unit, "meaning": c.doc} for c in found.columns]
        emit(frame_of(rows, ("column", "type", "unit", "meaning")), sink)
    else:
        view = get_query(table)
        note(f"{table}: {view.title} {view.grain[:1].upper()}{view.grain[1:]}. Units: {view.units}.", sink)
        emit(_columns_of_view(table), sink)


def _columns_of_view(name: str) -> pl.DataFrame:
    """Return the columns of a view, as the database finds them over empty tables."""
    import duckdb

    from backtest.schema.tables import TABLES
    from backtest.sql.queries import create_views

    with duckdb.connect(":memory:") as con:
        for table in TABLES.values():
            con.execute(table.ddl()).fetchall()
        con.execute("create view rules as select '<' as threshold").fetchall()
        create_views(con)
        found = con.sql(f"describe {name}").fetchall()
    return frame_of([{"column": row[0], "type": row[1]} for row in found], ("column", "type"))
