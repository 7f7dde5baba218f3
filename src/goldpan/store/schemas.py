"""The columns of every table a workspace holds."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")

IMAGES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("uri", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("parent_id", pa.string()),
        ("box", pa.list_(pa.int32(), 4)),
        ("label", pa.string()),
        ("caption", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("license", pa.string()),
        ("author", pa.string()),
        ("taken_at", pa.string()),
        ("extra", pa.string()),
    ]
)

BLOBS = pa.schema([pa.field("sha256", pa.string(), nullable=False), ("bytes", pa.large_binary())])

FAILURES = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("scope", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        ("detail", pa.string()),
        ("attempts", pa.int32()),
        ("at", _TIME),
    ]
)

SEARCHES = pa.schema(
    [
        pa.field("query", pa.string(), nullable=False),
        pa.field("page", pa.int32(), nullable=False),
        ("pages", pa.int32()),
        ("total", pa.int64()),
        ("at", _TIME),
        ("photos", pa.large_string()),
    ]
)

RUNS = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        ("at", _TIME),
        ("digest", pa.string()),
        ("config", pa.string()),
        ("code_version", pa.string()),
        ("inputs", pa.string()),
        ("outputs", pa.string()),
        ("rows_in", pa.int64()),
        ("rows_out", pa.int64()),
        ("already_done", pa.int64()),
        ("failed", pa.int64()),
        ("seconds", pa.float64()),
        ("detail", pa.string()),
    ]
)


def vectors_schema(dim: int, dtype: str, metadata: dict[str, Any]) -> pa.Schema:
    """Return the schema of a ``vectors/<encoder>`` table: `id` and a fixed-size `vector` of `dim` values.

    Args:
        dim: values a vector; bytes where the vector is packed bits.
        dtype: "float16", "float32" or "uint8" (packed bits).
        metadata: what made the vectors (encoder, revision, preprocessing, metric ...), kept in the schema.
    """
    value = {"float16": pa.float16(), "float32": pa.float32(), "uint8": pa.uint8()}[dtype]
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("vector", pa.list_(value, dim), nullable=False),
    ]
    return pa.schema(fields, metadata={"goldpan": json.dumps(metadata, sort_keys=True)})
