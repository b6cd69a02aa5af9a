"""Arrow arrays and tables from integers: money without a detour over text, names by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from backtest.errors import RangeError
from backtest.mechanics.exact import Bools, Ints
from backtest.schema import Kind, Table

MONEY_LIMIT = 10**18  # DECIMAL(18,6)
_ARROW: dict[Kind, Any] = {
    "int": pa.int64(), "bool": pa.bool_(), "str": pa.string(), "float": pa.float64(),
    "money": pa.decimal128(18, 6), "money12": pa.decimal128(38, 12), "ts": pa.timestamp("us"),
}  # fmt: skip


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, with unit and meaning of each column as metadata."""
    return pa.schema([pa.field(c.name, _ARROW[c.kind], metadata={"unit": c.unit, "doc": c.doc}) for c in table.columns])


def money(quanta: Ints) -> pa.Array:
    """Return quanta as DECIMAL(18,6) without a detour over text.

    Examples
    --------
    >>> money(np.array([1_500_000, -1]))[1].as_py()
    Decimal('-0.000001')
    """
    if len(quanta) and max(abs(int(quanta.max())), abs(int(quanta.min()))) >= MONEY_LIMIT:
        raise RangeError("an amount reaches 1e12 USD, the limit of DECIMAL(18,6); use a smaller open interest")
    wide = np.empty((len(quanta), 2), dtype=np.int64)
    wide[:, 0], wide[:, 1] = quanta, quanta >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 6), len(quanta), [None, pa.py_buffer(wide.tobytes())])


def build(table: Table, rows: int, columns: Mapping[str, Any]) -> pa.Table:
    """Return an Arrow table from arrays, lists or scalars in the order and types of the schema."""
    arrays = []
    for column in table.columns:
        value, kind = columns[column.name], _ARROW[column.kind]
        if isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value)
        elif isinstance(value, np.ndarray):
            arrays.append(money(value) if column.kind == "money" else pa.array(value).cast(kind))
        elif isinstance(value, list):
            arrays.append(pa.array(value, type=kind))
        else:
            arrays.append(pa.repeat(pa.scalar(value, type=kind), rows))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def named(codes: Ints, names: Sequence[str]) -> pa.Array:
    """Return text by code."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, type=pa.string())).cast(
        pa.string()
    )


def nullable(values: Any, missing: Bools) -> pa.Array:
    """Return an array with nulls where ``missing``."""
    return pa.array(values, mask=missing)


def side_name(side: Ints) -> pa.Array:
    """Return long or short."""
    return named((side < 0).astype(np.int64), ("long", "short"))
