"""``backtest/api/questions.py`` from the headers of the queries: ``python -m tests.api.questions`` writes it."""

from __future__ import annotations

from pathlib import Path

from backtest.sql.files import get_query, query_names
from backtest.sql.header import Query
from backtest.sql.params import Param

PAGE = Path(__file__).parents[2] / "backtest" / "api" / "questions.py"
KINDS = {"VARCHAR": "str", "INTEGER": "int", "DOUBLE": "float", "BOOLEAN": "bool", "TIMESTAMP": "dt.datetime | str"}
HEAD = '''"""The named queries of a run as methods, with their parameters and defaults.

Written by ``python -m tests.api.questions`` from the headers of ``queries``; a test compares the two.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Questions:
    """The named queries of a run: ``run.queries.adl_waves(symbol="BTC")`` is a polars frame."""

    def __init__(self, ask: Callable[..., pl.DataFrame]) -> None:
        self._ask = ask
'''


def generated() -> str:
    """Return the module."""
    return HEAD + "".join(map(_method, map(get_query, query_names())))


def _method(query: Query) -> str:
    ordered = sorted(query.params, key=lambda param: not param.required)
    given = "".join(f", {_declared(param)}" for param in ordered)
    star = ", *" if ordered else ""
    passed = "".join(f", {param.name}={param.name}" for param in query.params)
    head = f"    def {query.name}(self{star}{given}) -> pl.DataFrame:\n"
    if len(head) > 121:
        lines = "".join(f"        {part},\n" for part in ["self", "*", *map(_declared, ordered)])
        head = f"    def {query.name}(\n{lines}    ) -> pl.DataFrame:\n"
    asked = f'"""Return the answer to "{query.title}"'
    doc = f'{asked}, {query.grain}."""'
    doc = next(each for each in (doc, f'{asked}."""', f'"""{query.title[:-1]}."""') if len(each) <= 112)
    return f'\n{head}        {doc}\n        return self._ask("{query.name}"{passed})\n'


def _declared(param: Param) -> str:
    kind = KINDS[param.type]
    if param.required:
        return f"{param.name}: {kind}"
    if param.default is None:
        return f"{param.name}: {kind} | None = None"
    shown = f'"{param.default}"' if kind == "str" else repr(param.default)
    return f"{param.name}: {kind} = {shown}"


if __name__ == "__main__":
    PAGE.write_text(generated(), "utf-8")
