"""Text around tables: values for other programs, titled sections, wrapped paragraphs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from backtest.cli import terminal
from backtest.cli.table import Table, table_text

UNWRAPPED = 110  # columns of text where there is no terminal
MARKS = "Marks: V primary source, S secondary, D derived, U not verified."


def literal(value: Any) -> str:
    """Return a value as ``--set`` and other programs take it, an empty text for none.

    Examples
    --------
    >>> literal({"BTC": 4.48e9, "default": 0.15}), literal(("BTC", "SOL")), literal(50_000_000.0)
    ('{ BTC = 4480000000.0, default = 0.15 }', '["BTC", "SOL"]', '50000000.0')
    >>> literal([{"coins": ["BTC"], "capital_usd": 15e6}, {"coins": "*"}])
    '[{ coins = ["BTC"], capital_usd = 15000000.0 }, { coins = "*" }]'
    """
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value) if isinstance(value, bool | list | tuple) else str(value)


def heading(rows: Sequence[tuple[str, str]]) -> str:
    """Return labelled lines under each other, each wrapped.

    Examples
    --------
    >>> print(heading([("event", "2025-10-10"), ("grade", "A/B")]), end="")
    event  2025-10-10
    grade  A/B
    """
    width = max(len(label) for label, _ in rows) + 2
    return "".join(
        textwrap.fill(value, _columns(), initial_indent=label.ljust(width), subsequent_indent=" " * width) + "\n"
        for label, value in rows
    )


def wrapped(lines: str, indent: int) -> str:
    """Return lines wrapped for the terminal, if there is one, each continued under its value."""
    width = terminal.columns()
    if width is None:
        return lines
    wrapper = textwrap.TextWrapper(width, subsequent_indent=" " * indent, break_long_words=False)
    return "\n".join("\n".join(wrapper.wrap(line)) for line in lines.split("\n"))


def section(title: str, table: Table) -> str:
    """Return a titled table, wrapped for the terminal if there is one."""
    if not table.rows:
        return f"\n{title}: none\n"
    return f"\n{title}\n" + "".join(table_text(table, terminal.columns()))


def bullets(title: str, lines: Iterable[str]) -> str:
    """Return a titled list of wrapped lines; nothing for an empty one."""
    wrapper = textwrap.TextWrapper(
        _columns(), initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    listed = [wrapper.fill(line) for line in lines]
    return f"\n{title}\n" + "\n".join(listed) + "\n" if listed else ""


def _columns() -> int:
    return terminal.columns() or UNWRAPPED
