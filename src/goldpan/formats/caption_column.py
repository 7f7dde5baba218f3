"""Which column of metadata holds the captions, and its texts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from goldpan.core.errors import InputError
from goldpan.formats.metadata import find_column

USUAL_CAPTIONS = ("caption", "text", "alt_text", "alt", "title", "description")


def caption_column(schema: pa.Schema, asked: str | None, path: Path) -> int:
    """Return the number of the column of captions: the one asked for, else the first usual name in any case.

    Raises:
        InputError: there is none.
    """
    found = find_column(asked, USUAL_CAPTIONS, schema.names, path, "--column")
    if found is None:
        names = ", ".join(schema.names)
        raise InputError(f"{path} has no column of captions by its name; give one of {names} as --column.")
    return int(schema.names.index(found))


def captions_of(batch: pa.RecordBatch, asked: str | None, path: Path) -> pa.Array:
    """Return the captions of a batch as an array of texts.

    Raises:
        InputError: there is no such column, or it holds no texts.
    """
    column = batch.column(caption_column(batch.schema, asked, path))
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return pa.array([text and text.decode("utf-8", "replace") for text in column.to_pylist()], pa.string())
    try:
        return column if pa.types.is_large_string(column.type) else column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{path} has captions that are no texts but {column.type}; name another --column.") from error
