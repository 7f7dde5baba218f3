"""Records, which may hold anything, as batches of Arrow, whose columns have one type each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pyarrow as pa


def batch_of(records: Sequence[dict[str, Any]], known: Sequence[str] = ()) -> pa.RecordBatch:
    """Return records as a batch with all columns that any of them has; values of several kinds become texts.

    Args:
        records: of names and values.
        known: columns that come first, whether a record has them or not.
    """
    names = dict.fromkeys(chain(known, *records))
    return pa.RecordBatch.from_pydict({name: _column([record.get(name) for record in records]) for name in names})


def common_kind(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that a column has which is of these two in different batches."""
    numbers = (pa.int64(), pa.float64())
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    return pa.float64() if one in numbers and other in numbers else pa.string()


def column_as(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    """Return a column of a batch as a type, nulls where there is none; of nothing but nulls, as texts."""
    if pa.types.is_null(kind):
        kind = pa.string()
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    column = batch.column(name)
    return _texts(column.to_pylist()) if kind == pa.string() != column.type else column.cast(kind)


def _column(values: list[Any]) -> pa.Array:
    """Return a column; values of several kinds, or that no type of Arrow holds, as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return _texts(values)


def _texts(values: list[Any]) -> pa.Array:
    texts = (value if value is None or isinstance(value, str) else json.dumps(value, default=str) for value in values)
    return pa.array([text and text.encode("utf-8", "replace").decode() for text in texts], pa.string())
