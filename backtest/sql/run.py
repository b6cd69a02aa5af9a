"""Named queries, views and audits run on the tables of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.errors import ParameterError, QueryError, UnknownNameError, UsageError
from backtest.schema import renamed
from backtest.schema.coins import REST
from backtest.schema.tables import TABLES, VIEWS
from backtest.sql.answers import Rows, checked, executed, plain_rows
from backtest.sql.budget import limited
from backtest.sql.files import audit_names, get_query, view_names
from backtest.sql.header import Query
from backtest.sql.params import Value, convert, expected

if TYPE_CHECKING:
    import duckdb
    import polars as pl

SAMPLE_ROWS = 5

# What queries need of a contract: by its unified symbol, inverse where it settles in its own coin (BTC/USD:BTC).
MACROS = {
    "is_inverse(symbol)": "symbol LIKE '%/%:%' AND split_part(symbol, ':', 2) = split_part(symbol, '/', 1)",
    # a coin with bars, and not the modelled rest of the venue
    "is_covered(symbol)": f"split_part(symbol, '/', 1) <> '{REST}'",
    # one of the coins or symbols joined by +, or any where they are null
    "is_named(symbol, names)": "names IS NULL OR list_contains(string_split(names, '+'), symbol) "
    "OR list_contains(string_split(names, '+'), split_part(symbol, '/', 1))",
    # the same, or of any coin with bars where they are null
    "is_among(symbol, names)": "CASE WHEN names IS NULL THEN is_covered(symbol) ELSE "
    "list_contains(string_split(names, '+'), symbol) "
    "OR list_contains(string_split(names, '+'), split_part(symbol, '/', 1)) END",
    # +1 for a position that gains when the value of its lots rises
    "value_sign(side, symbol)": "CASE WHEN (side = 'long') <> coalesce(is_inverse(symbol), false) THEN 1 ELSE -1 END",
    # mean price of slices of one symbol: by size, of an inverse contract harmonic; a slice's price gives the value of
    # a lot times its price, which is the same for all
    "mean_px(symbol, px, amount, lots, size)": "CASE WHEN is_inverse(symbol) THEN "
    "max(px * amount::DOUBLE / lots) * sum(lots)::DOUBLE / sum(amount)::DOUBLE "
    "ELSE sum(amount) / (sum(lots)::BIGINT * max(size / lots)) END",
}


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit; it passes when it returns no row. ``sample`` holds the first offending rows."""

    name: str
    title: str
    rows: int
    sample: pl.DataFrame
    passed: bool


def bind(query: Query, given: Mapping[str, object]) -> dict[str, Value]:
    """Return the value of every parameter of ``query``: given values, converted, and the defaults.

    Raises
    ------
    QueryError
        If a required parameter is missing, a name is unknown or a value has the wrong type.

    Examples
    --------
    >>> bind(get_query("largest_liquidations"), {"limit": "3"})
    {'limit': 3}
    """
    known = {param.name: param for param in query.params}
    for name in given:
        if name not in known:
            if renamed.PARAMETERS.get(name) in known:
                now = renamed.PARAMETERS[name]
                raise ParameterError(f"query {query.name}: parameter '{name}' is now called '{now}'")
            listed = ", ".join(f"{p.name} ({p.type})" for p in query.params) or "none"
            raise ParameterError(f"query {query.name}: unknown parameter '{name}'; it takes: {listed}")
    for param in query.params:
        if param.required and param.name not in given:
            raise ParameterError(
                f"query {query.name}: parameter {param.name} is missing; give {expected(param)}, "
                f"with --param {param.name}=VALUE or {param.name}=VALUE in Python"
            )
    return {
        name: convert(query.name, param, given[name]) if name in given else param.default
        for name, param in known.items()
    }


def run_query(
    con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object] | None = None, timeout_s: float = 0.0
) -> pl.DataFrame:
    """Run a named query, view or audit on the tables registered with ``con``; 0 seconds are no limit."""
    query, label = get_query(name), f"query {name}"
    values = bind(query, params or {})
    with _named_errors(label), limited(con, timeout_s, label):
        return executed(con.execute(query.sql, values or None), label)


def query_rows(
    con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object], timeout_s: float = 0.0
) -> Rows | None:
    """Return the rows of a named query as plain values, None where they need a frame."""
    query, label = get_query(name), f"query {name}"
    values = bind(query, params)
    with _named_errors(label), limited(con, timeout_s, label):
        return plain_rows(con.sql(query.sql, params=values or None))


def run_audits(con: duckdb.DuckDBPyConnection) -> list[AuditResult]:
    """Run all audits; each passes when it returns no row."""
    return [_audited(con, get_query(name)) for name in audit_names()]


def _audited(con: duckdb.DuckDBPyConnection, query: Query) -> AuditResult:
    """Run one audit; only one that fails is asked for its rows, since planning costs more than a first row."""
    import polars as pl

    label, params = f"audit {query.name}", bind(query, {})
    with _named_errors(label):
        answer = con.execute(query.sql, params or None)
        rows = pl.DataFrame(schema=[column[0] for column in answer.description or ()])
        passed = answer.fetchone() is None
    if not passed:
        con.abort()  # the rest of the answer
        rows = frame_of(con, query.sql, params, label)
    return AuditResult(query.name, query.title, rows.height, rows.head(SAMPLE_ROWS), passed)


def create_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Create the functions of ``MACROS``, which queries and views use."""
    for head, body in MACROS.items():
        con.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}").fetchall()


def create_views(con: duckdb.DuckDBPyConnection, names: Iterable[str] | None = None) -> None:
    """Create views over the tables registered with ``con``, by default all; they need the functions of ``MACROS``."""
    for name in view_names() if names is None else names:
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS\n{get_query(name).sql}").fetchall()


def frame_of(
    con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Value], label: str, timeout_s: float = 0.0
) -> pl.DataFrame:
    """Return the answer of a statement; an error is one line that begins with ``label``.

    Raises
    ------
    QueryError
        If the statement fails, takes longer than ``timeout_s``, or answers with what a frame cannot hold.
    """
    with _named_errors(label), limited(con, timeout_s, label):
        return checked(con.sql(sql, params=dict(params) or None), label)


@contextmanager
def _named_errors(label: str) -> Iterator[None]:
    """Turn an error of DuckDB into one line that begins with ``label``."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        message = one_line(error)
        if hint := renamed.hint(message):
            raise UsageError(f"{label}: {hint}") from None
        if absent := re.search(r"Table with name (\S+) does not exist", message):
            meanings = {name: each.doc for name, each in TABLES.items()} | VIEWS
            unknown = UnknownNameError("table", absent[1], meanings, "See crashbook schema")
            raise QueryError(f"{label}: {unknown}") from None
        raise QueryError(f"{label}: {message}") from None


def one_line(error: Exception) -> str:
    r"""Return the message of a DuckDB error on one line, without the excerpt of the statement.

    Examples
    --------
    >>> one_line(ValueError("Parser Error: syntax error at or near \"x\"\n\nLINE 1: x\n ^"))
    'Parser Error: syntax error at or near "x"'
    """
    return " ".join(re.split(r"\n+LINE \d+:", str(error))[0].split())
