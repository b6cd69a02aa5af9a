"""The list of mutants, ``mutants.toml``, read and checked against the code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutants.toml")
# part of the code -> the tests that look after it, the quickest first
PARTS: dict[str, tuple[str, ...]] = {
    "mechanics": (
        "backtest/mechanics",
        "tests/mechanics",
        "tests/engine/test_worlds.py",
        "tests/engine/test_many_worlds.py",
    ),
    "engine": ("tests/engine/test_worlds.py", "tests/engine/test_records.py", "tests/engine"),
    "run/tables": ("tests/engine/test_worlds.py", "tests/run", "tests/digests"),
    "book": ("backtest/book", "tests/book"),
    "lake": ("backtest/lake", "tests/lake", "tests/market"),
    "fetch": ("backtest/fetch", "tests/fetch"),
    "sql": ("tests/sql", "tests/run", "tests/cli"),
    "report": ("tests/report",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of the code: ``before`` stands once in ``file`` and becomes ``after``; ``tests`` must notice."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the text of the file with the change made.

        Raises
        ------
        ValueError
            If the place to change does not stand in the text exactly once.

        Examples
        --------
        >>> Mutant(name="less", file="a.py", before="a < b", after="a <= b", tests=()).applied("return a < b")
        'return a <= b'
        """
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: {self.file} holds {self.before!r} {count} times instead of once")
        return text.replace(self.before, self.after)


def load() -> list[Mutant]:
    """Return all mutants in the order of the list."""
    rows = tomllib.loads(LIST.read_text("utf-8"))["mutant"]
    return [Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows]
