"""Tables of a run from a few literal rows, in an in-memory DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest

from backtest.run.drawn import DRAW_TABLES, PUBLISHED
from backtest.schema.table import Column, Kind
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.files import get_query
from backtest.sql.run import create_macros, create_views, run_query

START = datetime.fromisoformat("2025-10-10T21:00:00")
RULES = "CREATE TABLE rules (threshold VARCHAR, fund_floor_usd DECIMAL(18, 6))"

Rows = list[dict[str, Any]]


def at(seconds: float) -> datetime:
    """Return a time in seconds after the start of the tests' window."""
    return START + timedelta(seconds=seconds)


READ: dict[Kind, tuple[Any, Callable[[Any], Any]]] = {  # default and reader
    "int": (0, int),
    "bool": (False, lambda value: value in {True, "yes"}),
    "str": ("", str),
    "float": (0.0, float),
    "money": (0, lambda value: Decimal(str(value))),
    "money12": (0, lambda value: Decimal(str(value))),
    "ts": (0, lambda value: at(float(value))),
}


# Unless a test says otherwise a lot is one base unit, and all lots of a liquidation leave the account.
ALIKE = {"quantity_base": "lots", "closed_usd": "notional_usd", "lot_value_usd": "mark_px"}
PRODUCTS = {"inventory_change_usd": ("lots", "mark_px"), "end_notional_usd": ("lots", "end_mark_px")}


def rows(text: str, **common: Any) -> Rows:
    """Return the rows of a table written as text: names above, one row per line, ``-`` for null.

    ``common`` holds what all rows share.
    """
    head, *lines = text.strip().splitlines()
    names = head.split()
    return [
        {**common, **{name: None if cell == "-" else cell for name, cell in zip(names, line.split(), strict=True)}}
        for line in lines
    ]


def _value(column: Column, row: dict[str, Any]) -> Any:
    default, read = READ[column.kind]
    if column.name in ALIKE:
        default = row.get(ALIKE[column.name], default)
    if column.name in PRODUCTS:
        lots, price = (Decimal(str(row.get(name) or 0)) for name in PRODUCTS[column.name])
        default = lots * price
    value = row.get(column.name, default)
    return None if value is None else read(value)


FREE: list[tuple[duckdb.DuckDBPyConnection, set[str]]] = []  # connections with empty tables, and their views


def _empty() -> duckdb.DuckDBPyConnection:
    """Return a connection with all tables, without rows, and the functions of queries."""
    con = duckdb.connect(config={"threads": 1})
    for table in TABLES.values():
        con.execute(table.ddl())
    for name, columns in DRAW_TABLES.items():
        con.execute(f"CREATE TABLE {name} ({columns})")
    con.execute(f"CREATE TABLE published_facts ({PUBLISHED})")
    con.execute(RULES)
    create_macros(con)
    return con


class Tables:
    """All tables of the schema, empty but for the rows given; ``ask`` runs a query and returns its rows.

    A view is made when a query names it, since planning one takes longer than most of the tests.
    """

    def __init__(self, **given: Rows) -> None:
        self._con, self._views = FREE.pop() if FREE else (_empty(), set[str]())
        self._lent = False
        self._con.execute("BEGIN")
        for name in TABLES.keys() & given.keys():
            self.add(name, given.pop(name))
        for rule in given.pop("rules", []):
            self._con.execute("INSERT INTO rules VALUES (?, ?)", [rule.get("threshold"), rule.get("fund_floor_usd")])
        self._con.execute("COMMIT")
        assert not given, f"no such table: {sorted(given)}"

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """Return the connection with all views; it is not used again, since a test may do with it what it likes."""
        self._lent = True
        return self._reading(" ".join(VIEWS))

    def _reading(self, sql: str) -> duckdb.DuckDBPyConnection:
        missing = {name for name in VIEWS if name in sql} - self._views
        create_views(self._con, sorted(missing))
        self._views |= missing
        return self._con

    def close(self) -> None:
        """Empty the tables and leave the connection to the next test: to make tables and views takes longer."""
        if self._lent:
            self._con.close()
            return
        for name in (*TABLES, "rules"):
            self._con.execute(f"DELETE FROM {name}")
        FREE.append((self._con, self._views))

    def add(self, name: str, given: Rows) -> None:
        """Insert rows; what a row leaves out is 0, empty or false."""
        columns = TABLES[name].columns
        for row in given:
            unknown = set(row) - set(TABLES[name].names)
            assert not unknown, f"{name} has no column {sorted(unknown)}"
            marks = ", ".join("?" for _ in columns)
            self._con.execute(f"INSERT INTO {name} VALUES ({marks})", [_value(column, row) for column in columns])

    def frame(self, name: str, /, **params: Any) -> pl.DataFrame:
        """Run a query, view or audit."""
        return run_query(self._reading(get_query(name).sql), name, params)

    def ask(self, name: str, columns: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the columns asked for."""
        return self.frame(name, **params).select(columns.split()).rows()


Make = Callable[..., Tables]


@pytest.fixture(scope="session", autouse=True)
def _closed() -> Iterator[None]:
    """Close at the end what is left."""
    yield
    for con, _ in FREE:
        con.close()
    FREE.clear()


@pytest.fixture
def tables() -> Iterator[Make]:
    """Return a function that makes tables from rows; the connections are closed afterwards."""
    made: list[Tables] = []

    def make(**given: Rows) -> Tables:
        made.append(Tables(**given))
        return made[-1]

    yield make
    for one in made:
        one.close()
