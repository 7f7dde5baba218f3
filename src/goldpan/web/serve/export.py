"""Chosen rows as a file: Parquet, or the chunks of unmet-promise."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from goldpan.formats.chunks import chunk_names, chunk_row
from goldpan.web.serve.schemas import ExportRequest
from goldpan.web.serve.served import ServedPool
from goldpan.web.serve.service import Service, known_rows

MEDIA_TYPES = {"parquet": "application/vnd.apache.parquet", "json": "application/json"}


def exported(service: Service, pool: ServedPool, asked: ExportRequest, columns: Sequence[str]) -> bytes:
    """Return the file."""
    told = service.rows(pool, known_rows(pool, [item.row for item in asked.items]), columns)
    rows = [
        row | {"similarity": item.score, "QUERY": item.query, "row": item.row}
        for row, item in zip(told, asked.items, strict=True)
    ]
    return _parquet(rows, columns) if asked.format == "parquet" else _chunk(rows, columns)


def _parquet(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    import pyarrow.parquet as pq

    names = list(dict.fromkeys([*columns, "similarity", "QUERY", "row"]))
    stream = io.BytesIO()
    pq.write_table(pa.table({name: _column([row[name] for row in rows]) for name in names}), stream)
    return stream.getvalue()


def _column(values: list[Any]) -> pa.Array:
    """Return values as a column; what is of several types is written as JSON."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError):
        return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())


def _chunk(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    names = chunk_names([name for name in columns if name not in ("similarity", "QUERY", "row")])
    renamed = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    return json.dumps([chunk_row(row) for row in renamed], allow_nan=False).encode()
