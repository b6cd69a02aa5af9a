"""Every result table once: column, type, unit, meaning.

The Arrow schemas, the DuckDB comments, ``crashbook schema`` and the documentation are made from this file.

Examples
--------
>>> TABLES["adl_fills"].columns[0].name
'run_id'
>>> TABLES["liquidations"].column("book_usd").unit
'usd'
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import Literal

from backtest.schema.columns import DECLARED

Kind = Literal["int", "bool", "str", "float", "money", "money12", "ts"]

MONEY_LIMIT = 10**18  # quanta of 1e-6 that DECIMAL(18,6) cannot hold
SQL_TYPES: dict[Kind, str] = {
    "int": "BIGINT",
    "bool": "BOOLEAN",
    "str": "VARCHAR",
    "float": "DOUBLE",
    "money": "DECIMAL(18,6)",
    "money12": "DECIMAL(38,12)",
    "ts": "TIMESTAMP",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, type, unit and meaning."""

    name: str
    kind: Kind
    unit: str
    doc: str

    @property
    def sql_type(self) -> str:
        """Return the DuckDB type."""
        return SQL_TYPES[self.kind]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, and its columns."""

    name: str
    grain: str
    doc: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return one column by name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the column names in order."""
        return tuple(column.name for column in self.columns)

    def ddl(self) -> str:
        """Return a CREATE TABLE statement, used by the tests of queries and by ``crashbook schema --ddl``."""
        body = ",\n  ".join(f"{column.name} {column.sql_type}" for column in self.columns)
        return f"CREATE TABLE {self.name} (\n  {body}\n)"


_UNITS = {"_usd": "usd", "_px": "quote per base", "_base": "base", "_frac": "0..1", "_bps": "bps", "_s": "s"}


def _unit(name: str, kind: Kind) -> str:
    if kind == "ts":
        return "UTC"
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")


def _table(name: str, grain: str, doc: str, rows: str) -> Table:
    """Read ``name kind meaning`` lines; the unit follows from the suffix of the name."""
    columns = [Column("run_id", "str", "", "identity of the run: hash of scenario, data, code and library versions")]
    for line in rows.strip().splitlines():
        column, kind, meaning = line.split(None, 2)
        columns.append(Column(column, kind, _unit(column, kind), meaning))  # type: ignore[arg-type]
    return Table(name, grain, doc, tuple(columns))


TABLES: dict[str, Table] = {table.name: table for table in starmap(_table, DECLARED)}

VIEWS: dict[str, str] = {
    "cascades": "One row per cascade: start, end, liquidations, notional, price move.",
    "loss_waterfall": "Who bore the losses: collateral, book, fund or vault, ADL, uncovered.",
    "run_summary": "One row: the headline numbers of the run with units in the names.",
    "hedges": "One row per watched position: lots closed, when, at which price, unhedged delta and for how long.",
}
