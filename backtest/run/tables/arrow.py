"""Arrow arrays and tables from integers: money without a detour over text, names by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.errors import RangeError
from backtest.mechanics.exact import Bools, Ints
from backtest.schema.table import MONEY_LIMIT, Kind, Table

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def _types() -> dict[Kind, Any]:
    """Return the Arrow type of each kind of column."""
    import pyarrow as pa

    return {
        "int": pa.int64(),
        "bool": pa.bool_(),
        "str": pa.string(),
        "float": pa.float64(),
        "money": pa.decimal128(18, 6),
        "money12": pa.decimal128(38, 12),
        "ts": pa.timestamp("us"),
    }


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table, with unit and meaning of each column as metadata."""
    import pyarrow as pa

    return pa.schema(
        [pa.field(c.name, _types()[c.kind], metadata={"unit": c.unit, "doc": c.doc}) for c in table.columns]
    )


def money(quanta: Ints) -> pa.Array:
    """Return quanta as DECIMAL(18,6) without a detour over text.

    Examples
    --------
    >>> money(np.array([1_500_000, -1]))[1].as_py()
    Decimal('-0.000001')
    """
    import pyarrow as pa

    if len(quanta) and max(abs(int(quanta.max())), abs(int(quanta.min()))) >= MONEY_LIMIT:
        raise RangeError("an amount reaches 1e12 USD, the limit of DECIMAL(18,6); use a smaller open interest")
    wide = np.empty((len(quanta), 2), dtype=np.int64)
    wide[:, 0], wide[:, 1] = quanta, quanta >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 6), len(quanta), [None, pa.py_buffer(wide.tobytes())])


def plain(values: Any, kind: Kind, missing: Bools | None = None) -> pa.Array:
    """Return a numpy array as an Arrow array of the kind over the same memory, null where ``missing``.

    Built from buffers, as all arrays here: ``pyarrow.array`` imports pandas to look at what it is given.
    """
    import pyarrow as pa

    if kind == "money":
        return money(values)
    nulls = None if missing is None else bits(~missing)
    if kind == "bool":
        body = bits(values.astype(bool))
    else:
        width = np.float64 if kind == "float" else np.dtype("datetime64[us]") if kind == "ts" else np.int64
        body = pa.py_buffer(np.ascontiguousarray(values.astype(width, copy=False)).view(np.uint8))
    return pa.Array.from_buffers(_types()[kind], len(values), [nulls, body])


def bits(flags: Bools) -> pa.Buffer:
    """Return flags as an Arrow bitmap."""
    import pyarrow as pa

    return pa.py_buffer(np.packbits(flags, bitorder="little").tobytes())


def build(table: Table, rows: int, columns: Mapping[str, Any]) -> pa.Table:
    """Return an Arrow table from arrays, lists or scalars in the order and types of the schema."""
    import pyarrow as pa

    arrays = []
    for column in table.columns:
        value = columns[column.name]
        if isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value)
        elif isinstance(value, np.ndarray):
            arrays.append(plain(value, column.kind))
        elif isinstance(value, list):
            arrays.append(listed(value, column.kind))
        else:
            one = np.zeros(rows, dtype=np.int64)
            arrays.append(named(one, (value,)) if column.kind == "str" else plain(np.full(rows, value), column.kind))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def listed(values: list[Any], kind: Kind) -> pa.Array:
    """Return a list as an Arrow array; None is null. ``money12`` takes whole millionths of a quantum.

    Examples
    --------
    >>> listed(["a", None, "bc"], "str").to_pylist(), listed([1, None], "int").to_pylist()
    (['a', None, 'bc'], [1, None])
    """
    import pyarrow as pa

    if kind == "money12":
        wide = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
        return pa.Array.from_buffers(_types()[kind], len(values), [None, pa.py_buffer(wide)])
    missing = np.array([value is None for value in values], dtype=bool)
    if kind == "str":
        words = [b"" if value is None else str(value).encode() for value in values]
        ends = np.cumsum([0, *map(len, words)]).astype(np.int32)
        buffers = [bits(~missing), pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(words))]
        return pa.Array.from_buffers(pa.string(), len(words), buffers)
    width = {"float": "float64", "ts": "datetime64[us]", "bool": "bool"}.get(kind, "int64")
    filled = [0 if value is None else value for value in values]
    return plain(np.array(filled, dtype=width), kind, missing)


def named(codes: Ints, names: Sequence[str]) -> pa.Array:
    """Return text by code.

    Examples
    --------
    >>> named(np.array([1, 0, 1]), ("long", "short")).to_pylist()
    ['short', 'long', 'short']
    """
    return listed([*names] or [""], "str").take(plain(codes, "int"))


def nullable(values: Any, missing: Bools) -> pa.Array:
    """Return numbers with nulls where ``missing``."""
    return plain(values, "float" if values.dtype == np.float64 else "int", np.asarray(missing))


def side_name(side: Ints) -> pa.Array:
    """Return long or short."""
    return named((side < 0).astype(np.int64), ("long", "short"))
