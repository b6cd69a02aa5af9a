"""The SQL files of the folder ``queries``: reading queries, views and audits, by name."""

from __future__ import annotations

import re
from pathlib import Path

from backtest.assets import asset, inside
from backtest.errors import RenamedError, UnknownNameError
from backtest.schema import renamed
from backtest.sql.header import Query, load

PARTS: tuple[tuple[str, ...], ...] = ((), ("views",), ("audits",))


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
    if re.fullmatch(r"[a-z0-9_]{1,100}", name):
        for parts in PARTS:
            path = inside(_folder(*parts), f"{name}.sql")
            if path.is_file():
                return load(path)
    if name in renamed.QUERIES:
        raise RenamedError("query", name, renamed.QUERIES[name])
    titles = {path.stem: load(path).title for parts in PARTS for path in _folder(*parts).glob("*.sql")}
    raise UnknownNameError("query", name, dict(sorted(titles.items())), "See crashbook query")
