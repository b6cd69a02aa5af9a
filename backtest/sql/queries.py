"""Named queries and audits: one SQL file per question, with a header that says what it takes and what it returns.

A file starts with comment lines ``-- title:``, ``-- params:``, ``-- grain:``, ``-- units:`` and optionally
``-- note:``; the SQL below uses the declared parameters as ``$name``. Users' own SQL runs on a locked connection,
one reading statement at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from backtest.assets import asset
from backtest.errors import QueryError, RenamedError, UnknownNameError, UsageError
from backtest.schema import renamed

if TYPE_CHECKING:
    import duckdb
    import polars as pl

Value = str | int | float | bool | datetime | None

SAMPLE_ROWS = 5
_HEADER = re.compile(r"-- (title|params|grain|units|note): (\S.*)")
_PARAM = re.compile(r"(\w+) ([A-Z]+)(?: = ([^()]*[^() ]))?(?: \((.+)\))?")
_EXPLAIN = re.compile(r"explain(\s+analyze\b)?(\s*\([^)]*\))?", re.IGNORECASE)
# What queries need of a contract: by its unified symbol, inverse where it settles in its own coin (BTC/USD:BTC).
MACROS = {
    "is_inverse(symbol)": "symbol LIKE '%/%:%' AND split_part(symbol, ':', 2) = split_part(symbol, '/', 1)",
    # +1 for a position that gains when the value of its lots rises
    "value_sign(side, symbol)": "CASE WHEN (side = 'long') <> coalesce(is_inverse(symbol), false) THEN 1 ELSE -1 END",
    # mean price of slices of one symbol: by size, of an inverse contract harmonic; a slice's price gives the value of
    # a lot times its price, which is the same for all
    "mean_px(symbol, px, amount, lots, size)": "CASE WHEN is_inverse(symbol) THEN "
    "max(px * amount::DOUBLE / lots) * sum(lots)::DOUBLE / sum(amount)::DOUBLE "
    "ELSE sum(amount) / (sum(lots)::BIGINT * max(size / lots)) END",
}
_LOCK = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter of a query; ``note`` says what the default stands for."""

    name: str
    type: str
    default: Value
    required: bool
    note: str


@dataclass(frozen=True, slots=True)
class Query:
    """One SQL file: its header and its text, header included."""

    name: str
    title: str
    params: tuple[Param, ...]
    grain: str
    units: str
    note: str
    sql: str
    is_audit: bool


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit found; it passes when it returns no row. ``sample`` holds the first offending rows."""

    name: str
    title: str
    rows: int
    sample: pl.DataFrame
    passed: bool


def _folder(*parts: str) -> Path:
    return asset("queries", *parts)


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.sql"))


def query_names() -> list[str]:
    """Return the names of all reading queries, views included."""
    return sorted([*_names(_folder()), *view_names()])


def view_names() -> list[str]:
    """Return the names of the views over the tables of a run."""
    return _names(_folder("views"))


def audit_names() -> list[str]:
    """Return the names of all audits."""
    return _names(_folder("audits"))


def get_query(name: str) -> Query:
    """Return a reading query, view or audit by name.

    Raises
    ------
    UnknownNameError
        With the near matches, if there is no such file.

    Examples
    --------
    >>> get_query("adl_waves").grain
    'one row per wave'
    """
    for parts in ((), ("views",), ("audits",)):
        path = _folder(*parts) / f"{name}.sql"
        if re.fullmatch(r"\w+", name) and path.is_file():
            return load(path)
    if name in renamed.QUERIES:
        raise RenamedError("query", name, renamed.QUERIES[name])
    raise UnknownNameError("query", name, [*query_names(), *audit_names()])


def load(path: Path) -> Query:
    """Read one SQL file; a header that is incomplete or does not parse is a ``QueryError``."""
    sql = path.read_text(encoding="utf-8")
    header: dict[str, str] = {}
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        match = _HEADER.fullmatch(line)
        if match is None:
            raise QueryError(f"{path.name}: '{line}' is not a header line; title, params, grain, units, note are")
        header[match[1]] = match[2]
    missing = [key for key in ("title", "params", "grain", "units") if key not in header]
    if missing:
        raise QueryError(f"{path.name}: the header lacks {', '.join(missing)}; add lines '-- {missing[0]}: ...'")
    return Query(
        name=path.stem,
        title=header["title"],
        params=parse_params(path.stem, header["params"]),
        grain=header["grain"],
        units=header["units"],
        note=header.get("note", ""),
        sql=sql,
        is_audit=path.parent.name == "audits",
    )


def parse_params(query: str, text: str) -> tuple[Param, ...]:
    """Read the ``params`` line of a header: ``name TYPE = default (note); ...`` or ``none``.

    A parameter without a default is required.

    Examples
    --------
    >>> [(p.name, p.default, p.required) for p in parse_params("q", "bins INTEGER = 60; start TIMESTAMP")]
    [('bins', 60, False), ('start', None, True)]
    """
    if text == "none":
        return ()
    params = []
    for part in text.split("; "):
        match = _PARAM.fullmatch(part)
        if match is None or match[2] not in PARAM_TYPES:
            known = ", ".join(PARAM_TYPES)
            raise QueryError(f"query {query}: parameter '{part}' is not 'name TYPE = default (note)'; types: {known}")
        name, kind, default, note = match[1], match[2], match[3], match[4] or ""
        bare = Param(name, kind, None, default is None, note)
        value = None if default in {None, "NULL"} else convert(query, bare, default)
        params.append(Param(name, kind, value, default is None, note))
    return tuple(params)


def convert(query: str, param: Param, value: object) -> Value:
    """Return ``value`` as the parameter's type; text is parsed, times become naive UTC.

    Examples
    --------
    >>> convert("q", Param("start", "TIMESTAMP", None, True, ""), "2025-10-10T23:15+02:00")
    datetime.datetime(2025, 10, 10, 21, 15)
    """
    if value is None and not param.required:
        return None
    kind = PARAM_TYPES[param.type]
    if isinstance(value, kind.accepts) and (kind.accepts[0] is bool or not isinstance(value, bool)):
        try:
            return kind.read(value)
        except (ValueError, OverflowError):
            pass
    raise QueryError(f"query {query}: parameter {param.name} takes {_wanted(param)}, not {value!r}")


def _whole(value: Any) -> int:
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if str(value).lower() not in {"true", "false"}:
        raise ValueError
    return str(value).lower() == "true"


def _utc(value: Any) -> datetime:
    ts = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return ts.astimezone(UTC).replace(tzinfo=None) if ts.tzinfo else ts


class ParamType(NamedTuple):
    """A type a parameter may have: what is accepted, how it is read, and words for it."""

    accepts: tuple[type, ...]
    read: Callable[[Any], Value]
    words: str


PARAM_TYPES: Mapping[str, ParamType] = {
    "VARCHAR": ParamType((str,), str, "text"),
    "INTEGER": ParamType((int, str), _whole, "a whole number"),
    "DOUBLE": ParamType((float, int, str), float, "a number"),
    "BOOLEAN": ParamType((bool, str), _truth, "true or false"),
    "TIMESTAMP": ParamType((datetime, str), _utc, "a UTC time such as 2025-10-10T21:15"),
}


def _wanted(param: Param) -> str:
    return f"{param.type}, {PARAM_TYPES[param.type].words}"


def bind(query: Query, given: Mapping[str, object]) -> dict[str, Value]:
    """Return the value of every parameter of ``query``: what was given, converted, and the defaults.

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
            listed = ", ".join(f"{p.name} ({p.type})" for p in query.params) or "none"
            raise QueryError(f"query {query.name}: unknown parameter '{name}'; it takes: {listed}")
    for param in query.params:
        if param.required and param.name not in given:
            raise QueryError(
                f"query {query.name}: parameter {param.name} is missing; give {_wanted(param)}, "
                f"with --param {param.name}=VALUE or {param.name}=VALUE in Python"
            )
    return {
        name: convert(query.name, param, given[name]) if name in given else param.default
        for name, param in known.items()
    }


def run_query(con: duckdb.DuckDBPyConnection, name: str, params: Mapping[str, object] | None = None) -> pl.DataFrame:
    """Run a named query, view or audit on the tables registered with ``con``."""
    query = get_query(name)
    return _frame(con, query.sql, bind(query, params or {}), f"query {name}")


def run_audits(con: duckdb.DuckDBPyConnection) -> list[AuditResult]:
    """Run all audits; each passes when it returns no row."""
    results = []
    for name in audit_names():
        query = get_query(name)
        rows = _frame(con, query.sql, bind(query, {}), f"audit {name}")
        results.append(AuditResult(name, query.title, rows.height, rows.head(SAMPLE_ROWS), rows.is_empty()))
    return results


def create_views(con: duckdb.DuckDBPyConnection) -> None:
    """Create the functions of ``MACROS`` and the views over the tables registered with ``con``."""
    for head, body in MACROS.items():
        con.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}").fetchall()
    for name in view_names():
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS\n{get_query(name).sql}").fetchall()


def lock(con: duckdb.DuckDBPyConnection) -> None:
    """Shut ``con`` off from files, extensions, Python variables and its own settings; this cannot be undone."""
    for statement in _LOCK:
        con.execute(statement).fetchall()


def user_sql(con: duckdb.DuckDBPyConnection, text: str) -> pl.DataFrame:
    """Run one reading statement of a user on a locked connection.

    The statement runs in a read-only transaction as well, since a ``WITH`` may hide an ``INSERT``.
    """
    import duckdb

    try:
        statements = con.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(f"sql: {one_line(error)}") from None
    if len(statements) != 1:
        raise QueryError(f"sql: one statement is wanted, {len(statements)} were given")
    if not _reads(con, statements[0]):
        raise QueryError("sql: only reading statements are allowed: SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN")
    con.execute("BEGIN TRANSACTION READ ONLY").fetchall()
    try:
        return _frame(con, text, {}, "sql")
    finally:
        con.execute("ROLLBACK").fetchall()


def _reads(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    """Return whether a statement only reads; EXPLAIN ANALYZE runs what it explains, so that is looked at too."""
    import duckdb

    try:
        kind = statement.type
    except ValueError:  # a statement that the client has no name for
        return False
    if kind == duckdb.StatementType.SELECT:
        return True
    match = _EXPLAIN.match(statement.query.strip())
    if kind != duckdb.StatementType.EXPLAIN or match is None:
        return False
    inner = con.extract_statements(statement.query.strip()[match.end() :])
    return len(inner) == 1 and inner[0].type == duckdb.StatementType.SELECT


def _frame(con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Value], label: str) -> pl.DataFrame:
    import duckdb

    try:
        answer = con.sql(sql, params=dict(params) or None)
        if any("INTERVAL" in str(kind) for kind in answer.types):
            raise QueryError(f"{label}: an INTERVAL has no column type here; give seconds with epoch(...)")
        frame: pl.DataFrame = answer.pl()
    except duckdb.Error as error:
        message = one_line(error)
        if hint := renamed.hint(message):
            raise UsageError(f"{label}: {hint}") from None
        raise QueryError(f"{label}: {message}") from None
    return frame


def one_line(error: Exception) -> str:
    r"""Return the message of a DuckDB error on one line, without the excerpt of the statement.

    Examples
    --------
    >>> one_line(ValueError("Parser Error: syntax error at or near \"x\"\n\nLINE 1: x\n ^"))
    'Parser Error: syntax error at or near "x"'
    """
    return " ".join(re.split(r"\n+LINE \d+:", str(error))[0].split())
