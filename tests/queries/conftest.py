"""Tables of a run from a few literal rows, in an in-memory DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest

from backtest import query
from backtest.schema import TABLES, Column

START = datetime(2025, 10, 10, 21, 0, 0)
ZERO: dict[str, Any] = {"int": 0, "bool": False, "str": "", "float": 0.0, "money": 0, "money12": 0, "ts": 0}
RULES = "CREATE TABLE rules (threshold VARCHAR, fund_floor_usd DECIMAL(18, 6))"

Rows = list[dict[str, Any]]


def at(seconds: float) -> datetime:
    """Return a time in seconds after the start of the tests' window."""
    return START + timedelta(seconds=seconds)


def _value(column: Column, row: dict[str, Any]) -> Any:
    if column.name not in row and column.name == "quantity_base":
        return float(row.get("lots", 0))  # a lot is one base unit unless a test says otherwise
    value = row.get(column.name, ZERO[column.kind])
    if value is None:
        return None
    if column.kind == "ts" and not isinstance(value, datetime):
        return at(value)
    if column.kind in {"money", "money12"}:
        return Decimal(str(value))
    return value


class Tables:
    """All tables of the schema, empty but for the rows given; ``ask`` runs a query and returns its rows."""

    def __init__(self, **rows: Rows) -> None:
        self.con = duckdb.connect()
        for table in TABLES.values():
            self.con.execute(table.ddl())
            self.add(table.name, rows.pop(table.name, []))
        self.con.execute(RULES)
        for rule in rows.pop("rules", []):
            self.con.execute("INSERT INTO rules VALUES (?, ?)", [rule.get("threshold"), rule.get("fund_floor_usd")])
        assert not rows, f"no such table: {sorted(rows)}"
        query.create_views(self.con)

    def add(self, name: str, rows: Rows) -> None:
        """Insert rows; what a row leaves out is 0, empty or false."""
        columns = TABLES[name].columns
        for row in rows:
            unknown = set(row) - set(TABLES[name].names)
            assert not unknown, f"{name} has no column {sorted(unknown)}"
            marks = ", ".join("?" for _ in columns)
            self.con.execute(f"INSERT INTO {name} VALUES ({marks})", [_value(column, row) for column in columns])

    def frame(self, name: str, **params: Any) -> pl.DataFrame:
        """Run a query, view or audit."""
        return query.run_query(self.con, name, params)

    def ask(self, name: str, columns: str, **params: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the columns asked for."""
        return self.frame(name, **params).select(columns.split()).rows()


@pytest.fixture
def tables() -> Iterator[Callable[..., Tables]]:
    """Return a function that makes tables from rows; the connections are closed afterwards."""
    made: list[Tables] = []

    def make(**rows: Rows) -> Tables:
        made.append(Tables(**rows))
        return made[-1]

    yield make
    for one in made:
        one.con.close()
