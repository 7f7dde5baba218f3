"""Vectors in Arrow columns: which column they are, and list values as rows of an array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError, UnknownName

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_COLUMNS = ("emb", "vector", "embedding")


def vector_column(schema: pa.Schema, key: str | None, path: Path) -> pa.Field:
    """Return the column of vectors: `key`, else the first usual name, else the only column of lists of numbers.

    Raises:
        UnknownName: no such column.
        FormatError: there is none.
        InputError: several could be meant.
    """
    import pyarrow as pa

    def holds_numbers(field: pa.Field) -> bool:
        kind, types = field.type, pa.types
        is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return bool(is_list and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type)))

    names = [field.name for field in schema if holds_numbers(field)]
    if key is not None:
        if key not in names:
            raise UnknownName("column of vectors", key, names)
        return schema.field(key)
    if not names:
        raise FormatError(path, "it has no column of lists of numbers.")
    usual = [name for name in USUAL_COLUMNS if name in names] or names
    if len(usual) > 1 and usual is names:
        raise InputError(f"{path} has vectors in {', '.join(names)}; name one: {path}:{names[0]}.")
    return schema.field(usual[0])


def list_rows(column: Any, dim: int, path: Path, first_row: int) -> NDArray[Any]:
    """Return an Arrow array of lists as ``(len, dim)``, without a copy where it is one piece.

    Raises:
        FormatError: a list is missing, holds a missing value or has another length; the row is named.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # combine_chunks of nothing
            return np.empty((0, dim), column.type.value_type.to_pandas_dtype())
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), -1))
    wrong = np.flatnonzero(lengths != dim)
    if wrong.size:
        found = lengths[wrong[0]]
        problem = "there is no vector" if found < 0 else f"the vector has {found} values"
        raise FormatError(path, f"{problem}, the rows before it have {dim}.", row=first_row + int(wrong[0]))
    values = column.flatten()
    if values.null_count:
        place = int(np.flatnonzero(np.asarray(values.is_null()))[0])
        raise FormatError(path, f"value {place % dim} of the vector is missing.", row=first_row + place // dim)
    return np.asarray(values).reshape(len(column), dim)


def rows_as_lists(rows: NDArray[Any]) -> pa.FixedSizeListArray:
    """Return ``(n, dim)`` as an Arrow array of lists of fixed size, a copy: held rows must not keep a file mapped."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.array(rows, order="C").reshape(-1)), rows.shape[1])
