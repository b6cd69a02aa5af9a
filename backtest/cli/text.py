"""Words around tables: values for other programs, titled sections, wrapped paragraphs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backtest.cli.output import table_text

if TYPE_CHECKING:
    import polars as pl

MARKS = "Marks: V primary source, S secondary, D derived, U not verified."


def plain(value: Any) -> str:
    """Return a value as ``--set`` and other programs take it; nothing for none.

    Examples
    --------
    >>> plain({"BTC": 4.48e9, "default": 0.15}), plain(("BTC", "SOL")), plain(50_000_000.0)
    ('{ BTC = 4480000000.0, default = 0.15 }', '["BTC", "SOL"]', '50000000.0')
    """
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + " }"
    return json.dumps(value) if isinstance(value, bool | list | tuple) else str(value)


def heading(rows: Sequence[tuple[str, str]]) -> str:
    """Return labelled lines under each other; what does not fit goes on below.

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


def section(title: str, frame: pl.DataFrame) -> str:
    """Return a titled table, wrapped for the terminal if there is one."""
    if not frame.height:
        return f"\n{title}: none\n"
    return f"\n{title}\n" + "".join(table_text(frame, _columns() if _on_terminal() else None))


def bullets(title: str, lines: Iterable[str]) -> str:
    """Return a titled list of wrapped lines; nothing for an empty one."""
    wrapper = textwrap.TextWrapper(
        _columns(), initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    listed = [wrapper.fill(line) for line in lines]
    return f"\n{title}\n" + "\n".join(listed) + "\n" if listed else ""


def _columns() -> int:
    return shutil.get_terminal_size().columns if _on_terminal() else 110


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
