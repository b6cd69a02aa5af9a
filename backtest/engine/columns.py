"""Columns that grow by chunks: a dataclass of arrays declares name and type of each once. Rows chosen and found."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np

from backtest.mechanics.exact import Bools, Ints

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

    def __len__(self) -> int:
        return sum(count for count, _ in self.chunks)

    def add(self, count: int, **columns: Any) -> None:
        """Append ``count`` rows; every column is an array of that length or a scalar."""
        if columns.keys() != self.dtypes.keys():
            raise TypeError(f"{self.kind.__name__}: {sorted(columns.keys() ^ self.dtypes.keys())} missing or unknown")
        if count:
            self.chunks.append((count, columns))

    def append(self, rows: Columns) -> None:
        """Append a whole object of columns."""
        columns = {name: getattr(rows, name) for name in self.dtypes}
        self.add(len(next(iter(columns.values()))), **columns)

    def columns(self) -> dict[str, Any]:
        """Return the joined columns by name."""
        counts = np.array([count for count, _ in self.chunks], dtype=np.int64)
        return {
            name: _column([columns[name] for _, columns in self.chunks], counts, dtype)
            for name, dtype in self.dtypes.items()
        }

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


def _column(values: list[Any], counts: Ints, dtype: type) -> Any:
    if not values:
        return np.empty(0, dtype=dtype)
    if not any(isinstance(value, np.ndarray) for value in values):
        return np.repeat(np.array(values, dtype=dtype), counts)
    return np.concatenate(
        [
            value.astype(dtype, copy=False) if isinstance(value, np.ndarray) else np.full(count, value, dtype=dtype)
            for value, count in zip(values, counts.tolist(), strict=True)
        ]
    )
