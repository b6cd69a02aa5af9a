"""One SQL file per question, with a header on its parameters and its answer.

A file starts with comment lines ``-- title:``, ``-- params:``, ``-- grain:``, ``-- units:`` and optionally
``-- note:``; the SQL below uses the declared parameters as ``$name``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backtest.errors import QueryError
from backtest.sql.params import Param, parse_params

_HEADER = re.compile(r"-- (title|params|grain|units|note): (\S.*)")


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
