"""The kinds of files that hold rows about images, each read as batches of Arrow or as records, never whole.

Every reader yields the names of the columns, then the rows: `pyarrow.RecordBatch`, or dictionaries and `BadRecord`.
"""

from __future__ import annotations

import codecs
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from goldpan.core.errors import FormatError
from goldpan.core.refusals import speaking
from goldpan.formats.caption_table import HIDDEN
from goldpan.formats.csv_cells import read_cells
from goldpan.formats.json_records import BadRecord, json_lines, json_records
from goldpan.formats.lance_table import open_lance

PACKED = (".gz", ".bz2", ".zst")
TEXTS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt")
"""Kinds that may be packed, and are read as records."""

_LOOK_AHEAD = 1000  # records of a JSON file whose keys are its columns
_SEEN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
_FROM_PANDAS = "__index_level_"  # its index is nobody's column


def kind_of(path: Path) -> str:
    """Return which of `READERS` reads a file, by its name apart from what packs it; empty where none."""
    name = path.name.lower()
    packed = next((suffix for suffix in PACKED if name.endswith(suffix)), "")
    name = name.removesuffix(packed)
    return next((kind for kind in READERS if name.endswith(kind) and not (packed and kind not in TEXTS)), "")


def _parquet(path: Path, batch_rows: int) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = _kept(file.schema_arrow)
        yield schema.names
        for batch in file.iter_batches(batch_rows, columns=schema.names):
            yield batch if batch.schema == schema else batch.cast(schema)


def _arrow(path: Path, batch_rows: int) -> Iterator[Any]:
    with pa.memory_map(str(path)) as source:
        if bytes(source.read(6)) == b"ARROW1":
            file = pa.ipc.open_file(source)
            batches: Iterable[pa.RecordBatch] = (file.get_batch(number) for number in range(file.num_record_batches))
        else:
            source.seek(0)
            batches = file = pa.ipc.open_stream(source)
        schema = _kept(file.schema)
        yield schema.names
        for batch in batches:
            for start in range(0, batch.num_rows, batch_rows):
                yield batch.select(schema.names).slice(start, batch_rows).cast(schema)


def _kept(schema: pa.Schema) -> pa.Schema:
    """Return the columns that are read; views of texts, which few functions of Arrow take, as texts."""
    kept = (field for field in schema if not field.name.startswith(_FROM_PANDAS))
    return pa.schema([field.with_type(_SEEN.get(field.type, field.type)) for field in kept])


def _lance(path: Path, batch_rows: int) -> Iterator[Any]:
    dataset = open_lance(path)
    kept = [name for name in dataset.schema.names if not name.startswith(HIDDEN)]
    yield kept
    with speaking(path):
        yield from dataset.to_batches(columns=kept, batch_size=batch_rows, scan_in_order=True, batch_readahead=4)


def _sqlite(path: Path, batch_rows: int) -> Iterator[Any]:
    """Read the table `samples` of Neural Priming and unmet-promise, plain or full-text; all values as texts."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        cursor = database.execute("SELECT * FROM samples")
        names = [column[0] for column in cursor.description]
        yield names
        while rows := cursor.fetchmany(batch_rows):
            columns = [pa.array(map(_as_text, column), pa.string()) for column in zip(*rows, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, names)


def _as_text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None if value is None else str(value)


def _separated(path: Path, _: int) -> Iterator[Any]:
    with _text(path) as stream:
        first = _header(path, _cells(path, stream))
    is_header = not any(cell.startswith(("http://", "https://")) for cell in first)
    with _text(path) as stream:
        # Lists without a header, as those of Conceptual Captions, are of tabs, and quote nothing.
        lines = _cells(path, stream, is_quoted=is_header or kind_of(path) == ".csv")
        names = _names(_header(path, lines) if is_header else first, is_header=is_header)
        yield names
        for cells in lines:
            if isinstance(cells, BadRecord):
                yield cells
            elif len(cells) == len(names):
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}
            else:
                yield BadRecord(f"has {len(cells)} cells, not the {len(names)} of the first line")


def _header(path: Path, lines: Iterator[list[str] | BadRecord]) -> list[str]:
    first = next(lines, [])
    if isinstance(first, BadRecord):
        raise FormatError(path, f"its first row {first.problem}")
    return first


def _cells(path: Path, stream: TextIO, *, is_quoted: bool = True) -> Iterator[list[str] | BadRecord]:
    return read_cells(stream, "\t" if kind_of(path) == ".tsv" else ",", is_quoted=is_quoted)


def _names(cells: list[str], *, is_header: bool) -> list[str]:
    """Return the names of columns; of two of a list that has no header, the one that is no URL is the caption."""
    names = [f"column_{number}" for number in range(1, len(cells) + 1)]
    if is_header:
        return [cell.strip() or name for cell, name in zip(cells, names, strict=True)]
    names = names if len(cells) != 2 else ["caption", "caption"]
    names[next(i for i, cell in enumerate(cells) if cell.startswith(("http://", "https://")))] = "url"
    return names


def _json(path: Path, _: int) -> Iterator[Any]:
    with _text(path) as stream:
        records = json_records(stream, path) if kind_of(path) == ".json" else json_lines(stream)
        first = list(islice(records, _LOOK_AHEAD))
        yield list(dict.fromkeys(name for record in first if isinstance(record, dict) for name in record))
        yield from chain(first, records)


def _lines(path: Path, _: int) -> Iterator[Any]:
    with _text(path) as stream:
        yield ["url"]
        yield from ({"url": line.strip()} for line in stream if not line.isspace())


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    packing = "detect" if path.suffix.lower() in PACKED else None
    with pa.input_stream(str(path), compression=packing) as stream:
        encoding = "utf-16" if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with (
        pa.input_stream(str(path), compression=packing) as stream,
        io.TextIOWrapper(stream, encoding, "replace", newline="") as text,
    ):
        yield text


READERS: dict[str, Callable[[Path, int], Iterator[Any]]] = {
    ".parquet": _parquet,
    ".lance": _lance,
    ".csv": _separated,
    ".tsv": _separated,
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".txt": _lines,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".db": _sqlite,
    ".sqlite": _sqlite,
}
