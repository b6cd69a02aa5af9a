"""From a finished run to digests of its values, in the names and words of the recording."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from backtest.run.run import StoredRun
from backtest.schema.tables import TABLES, VIEWS

RENAMED = Path(__file__).with_name("renamed.toml")
VARYING = ("run_id", "sha256")  # ends of the names of columns that depend on code, libraries or file encodings
SIGNIFICANT = 12  # digits of a float that count: the last few differ between processors

Recording = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Renamed:
    """What the recording calls otherwise than the code does, as ``renamed.toml`` states it: old names to new ones.

    ``added`` are columns and whole tables that came after the recording, each with the reason.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    summary: Mapping[str, str] = field(default_factory=dict)
    audits: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = RENAMED) -> Renamed:
        """Read the file; an unknown section is an error."""
        return cls(**tomllib.loads(path.read_text("utf-8")))

    def old_frame(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a table of the code's names and words in those of the recording."""
        news = {new: old.removeprefix(f"{table}.") for old, new in self.columns.items() if old.startswith(f"{table}.")}
        frame = frame.drop([name for name in frame.columns if f"{table}.{name}" in self.added])
        frame = frame.rename({new: old for new, old in news.items() if new in frame.columns})
        for name in frame.columns:
            if words := inverted(self.values.get(f"{table}.{name}", {})):
                frame = frame.with_columns(pl.col(name).cast(pl.String).replace(words))
        return frame


def inverted(names: Mapping[str, str]) -> dict[str, str]:
    """Return new names to old ones.

    Examples
    --------
    >>> inverted({"old": "new"})
    {'new': 'old'}
    """
    return {new: old for old, new in names.items()}


def texts(column: pl.Series) -> pl.Series:
    """Return values as text that does not depend on their type: exact, but for floats of 12 significant digits.

    Examples
    --------
    >>> texts(pl.Series([0.1 + 0.2, -0.0, None])).to_list(), texts(pl.Series([7, None])).to_list()
    (['0.3', '0', None], ['7', None])
    >>> texts(pl.Series(["1.50", "2.00", "10"]).cast(pl.Decimal(18, 6))).to_list()
    ['1.5', '2', '10']
    """
    if column.dtype.is_float():
        rounded = [None if value is None else f"{value + 0.0:.{SIGNIFICANT}g}" for value in column.to_list()]
        return pl.Series(column.name, rounded, dtype=pl.String)
    if column.dtype.is_decimal():
        return column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "$1").str.strip_suffix(".")
    return (column.dt.timestamp("us") if column.dtype.is_temporal() else column).cast(pl.String)


def digest(column: pl.Series) -> str:
    """Return the digest of values in their order, each as text led by its length.

    Examples
    --------
    >>> digest(pl.Series(["ab", "c"])) == digest(pl.Series(["a", "bc"])), digest(pl.Series([None, ""])) == digest(
    ...     pl.Series(["", None])
    ... )
    (False, False)
    """
    led = ["-" if text is None else f"{len(text)}:{text}" for text in texts(column).to_list()]
    return hashlib.sha256("".join(led).encode()).hexdigest()[:16]


def digest_run(run: StoredRun, renamed: Renamed) -> dict[str, Any]:
    """Return the digests of all tables and views of a run by column, its headline numbers and its audits."""
    tables, summary, audits = (inverted(names) for names in (renamed.tables, renamed.summary, renamed.audits))
    found = {}
    for name in (*TABLES, *VIEWS):
        if name == "run_summary" or name in renamed.added:  # the summary itself; what came later
            continue
        old = tables.get(name, name)
        frame = renamed.old_frame(old, run.table(name) if name in TABLES else run.sql(f"SELECT * FROM {name}"))
        frame = frame.select(column for column in sorted(frame.columns) if not column.endswith(VARYING))
        if name in VIEWS:  # whose rows have no order
            frame = frame.sort(pl.all(), nulls_last=True)
        columns = {column: digest(frame[column]) for column in frame.columns}
        found[old] = {"rows": frame.height, "columns": columns}
    headline = run.query("run_summary")
    headline = headline.drop([name for name in headline.columns if f"run_summary.{name}" in renamed.added])
    return {
        "tables": found,
        "summary": {summary.get(name, name): texts(headline[name]).item() for name in headline.columns},
        "audits": {audits.get(audit.name, audit.name): audit.passed for audit in run.audits()},
    }


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each leaf in which two recordings differ.

    Examples
    --------
    >>> list(differences({"a": {"rows": 1}, "b": 2}, {"a": {"rows": 3}}))
    ['a.rows: 1 became 3', 'b: is gone']
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield f"{path}: {old} became {new}"
        return
    for key in [*old, *(key for key in new if key not in old)]:
        place = f"{path}.{key}" if path else key
        if key not in new:
            yield f"{place}: is gone"
        elif key not in old:
            yield f"{place}: is new"
        else:
            yield from differences(old[key], new[key], place)
