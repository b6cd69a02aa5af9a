"""Digests of rows: equal rows have equal digests, whatever file holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    Columns = Mapping[str, pl.Series | np.ndarray[Any, Any]]


def rows_digest(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of the rows, column by column."""
    return columns_digest({name: frame[name] for name in frame.columns})


def columns_digest(columns: Columns) -> str:
    """Return the SHA-256 of columns given as polars series or numpy arrays, in their order.

    Examples
    --------
    >>> import polars as pl
    >>> rows_digest(pl.DataFrame({"a": [1.5, 2.0]})) == columns_digest({"a": np.array([1.5, 2.0])})
    True
    """
    digest = hashlib.sha256()
    for name, column in columns.items():
        values = column if isinstance(column, np.ndarray) else column.to_numpy()
        if values.dtype == object:  # text
            digest.update(name.encode() + "\0".join(value or "" for value in values.tolist()).encode())
            continue
        values = values.view(np.int64) if values.dtype.kind == "M" else values
        digest.update(name.encode() + np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
