"""Columns that grow by chunks: a dataclass of arrays declares name and type of each once. Rows chosen and found."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np

from backtest.mechanics.exact import Bools, Ints, starts

DTYPES: dict[str, type] = {"Ints": np.int64, "Floats": np.float64, "Bools": np.bool_}
Columns = TypeVar("Columns")


class Log(Generic[Columns]):
    """Columns of a dataclass that grow by chunks; scalars of a chunk are repeated.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Example:
    ...     step: Ints
    ...     symbol: Ints
    >>> log = Log(Example)
    >>> log.add(2, step=7, symbol=np.array([0, 1]))
    >>> len(log), log.join().symbol.tolist(), log.join().step.tolist()
    (2, [0, 1], [7, 7])
    """

    def __init__(self, kind: type[Columns]) -> None:
        self.kind = kind
        self.dtypes = {each.name: DTYPES.get(str(each.type), np.int64) for each in fields(kind)}  # type: ignore[arg-type]
        self.chunks: list[tuple[int, dict[str, Any]]] = []
        self._joined = False

    def __len__(self) -> int:
        return sum(count for count, _ in self.chunks)

    def add(self, count: int, **columns: Any) -> None:
        """Append ``count`` rows; every column is an array of that length or a scalar."""
        if columns.keys() != self.dtypes.keys():
            raise TypeError(f"{self.kind.__name__}: {sorted(columns.keys() ^ self.dtypes.keys())} missing or unknown")
        if count:
            self.chunks.append((count, columns))
            self._joined = False

    def append(self, rows: Columns) -> None:
        """Append a whole object of columns."""
        columns = {name: getattr(rows, name) for name in self.dtypes}
        self.add(len(next(iter(columns.values()))), **columns)

    def columns(self) -> dict[str, Any]:
        """Return the joined columns by name; from then on they are one chunk, joined once."""
        if not self._joined:
            counts = [count for count, _ in self.chunks]
            joined = {
                name: _column([columns[name] for _, columns in self.chunks], counts, dtype)
                for name, dtype in self.dtypes.items()
            }
            self.chunks, self._joined = [(sum(counts), joined)], True
        return self.chunks[0][1]

    def column(self, name: str) -> Any:
        """Return one column, joined for this call alone."""
        counts = [count for count, _ in self.chunks]
        return _column([columns[name] for _, columns in self.chunks], counts, self.dtypes[name])

    def join(self) -> Columns:
        """Return the columns joined."""
        out: Columns = object.__new__(self.kind)
        for name, column in self.columns().items():
            object.__setattr__(out, name, column)
        return out


def chosen(rows: Columns, which: Ints) -> Columns:
    """Return some rows of an object of columns."""
    out: Columns = object.__new__(type(rows))
    for column in fields(rows):  # type: ignore[arg-type]
        object.__setattr__(out, column.name, getattr(rows, column.name)[which])
    return out


def among(rows: Ints, ascending: Ints) -> Bools:
    """Return which rows are in an ascending array.

    Examples
    --------
    >>> among(np.array([7, 3, 2]), np.array([2, 5, 7])).tolist(), among(np.array([7]), np.array([])).tolist()
    ([True, False, True], [False])
    """
    if not len(ascending):
        return np.zeros(len(rows), dtype=bool)
    found: Bools = ascending[np.minimum(ascending.searchsorted(rows), len(ascending) - 1)] == rows
    return found


def distinct(rows: Ints) -> Ints:
    """Return each of some rows once, ascending; a sort takes a fraction of ``np.unique``.

    Examples
    --------
    >>> distinct(np.array([1, 1, 4])).tolist(), distinct(np.array([4, 1, 4])).tolist()
    ([1, 4], [1, 4])
    """
    if (rows[1:] < rows[:-1]).any():
        rows = np.sort(rows)
    return rows[starts(rows)]


def present(codes: Ints) -> list[int]:
    """Return the codes that come in a column of small whole numbers, such as symbols, ascending.

    Examples
    --------
    >>> present(np.array([2, 0, 2]))
    [0, 2]
    """
    return np.bincount(codes).nonzero()[0].tolist()


def _column(values: list[Any], counts: list[int], dtype: type) -> Any:
    out: Any = np.empty(sum(counts), dtype=dtype)
    first = 0
    for value, count in zip(values, counts, strict=True):
        out[first : first + count] = value
        first += count
    return out
