"""The Parquet file of a shard: one row for each of the list, failures included."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from goldpan.core.errors import FormatError
from goldpan.formats.atomic import replace_file
from goldpan.formats.parquet import open_parquet, parquet_errors

OUTCOME = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("error_message", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("exif", pa.string()),
        ("sha256", pa.string()),
    ]
)
_GROUP_ROWS = 100  # as img2dataset: the images of one group are in memory at once


def listed_schema(rows: Sequence[dict[str, Any]]) -> pa.Schema:
    """Return the types of the columns of a list, judged by some of its rows; text where there is no saying."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([(name, _type_of([row.get(name) for row in rows])) for name in names])


def _type_of(values: list[Any]) -> pa.DataType:
    try:
        found = pa.array(values).type
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def write_table(
    path: Path,
    rows: Sequence[dict[str, Any]],
    listed: pa.Schema,
    image: tuple[str, Callable[[str], bytes | None]] | None = None,
) -> None:
    """Write the rows of a shard, whole or not at all.

    Args:
        path: the Parquet file.
        rows: of the shard, with the columns of the list and those of `OUTCOME`.
        listed: the columns of the list; one whose values do not fit its type is written as text.
        image: name of a column of images, and what gives the image of a key; none where None.
    """
    import pyarrow.parquet as pq

    fields = [*listed, *OUTCOME]
    table = pa.table({field.name: _column([row.get(field.name) for row in rows], field.type) for field in fields})
    schema = table.schema if image is None else table.schema.append(pa.field(image[0], pa.binary()))
    with replace_file(path) as fresh, pq.ParquetWriter(fresh, schema) as writer:
        for start in range(0, table.num_rows, _GROUP_ROWS):
            part = table.slice(start, _GROUP_ROWS)
            if image is not None:
                images = [image[1](key) for key in part["key"].to_pylist()]
                part = part.append_column(schema.field(image[0]), pa.array(images, pa.binary()))
            writer.write_table(part)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a shard's table without its images.

    Raises:
        FormatError: it is no table of a shard.
    """
    with open_parquet(path) as file:
        names = [field.name for field in file.schema_arrow if not pa.types.is_binary(field.type)]
        if not {"url", "key", "status"} <= set(names):
            raise FormatError(path, f"not the table of a shard: it has {', '.join(names)}, not url, key and status")
        with parquet_errors(path):
            rows: list[dict[str, Any]] = file.read(names).to_pylist()
    return rows


def read_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield key and bytes of every image in a shard's table, in order."""
    with open_parquet(path) as file:
        images = [field.name for field in file.schema_arrow if pa.types.is_binary(field.type)]
        for batch in file.iter_batches(_GROUP_ROWS, columns=["key", *images[:1]]):
            for key, image in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if image is not None:
                    yield key, image
