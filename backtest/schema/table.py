"""A result table as data: what a row is, and name, kind, unit and meaning of every column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

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


def columns(rows: str) -> tuple[Column, ...]:
    """Read lines ``name kind meaning`` after the column ``run_id``; the unit follows from the suffix of the name.

    Examples
    --------
    >>> columns("step int number of the price")[1]
    Column(name='step', kind='int', unit='', doc='number of the price')
    """
    out = [Column("run_id", "str", "", "identity of the run: hash of scenario, data, code and library versions")]
    for line in rows.strip().splitlines():
        name, kind, meaning = line.split(None, 2)
        if kind not in get_args(Kind):
            raise ValueError(f"column {name}: kind '{kind}'; allowed: {', '.join(get_args(Kind))}")
        out.append(Column(name, cast("Kind", kind), _unit(name, cast("Kind", kind)), meaning))
    return tuple(out)
