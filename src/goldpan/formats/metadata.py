"""Rows about images (URL, caption, ...) in Arrow batches: Parquet, Arrow, CSV, TSV, JSON, JSON Lines, Lance, SQLite.

``.db`` and ``.sqlite`` files are those of Neural Priming and unmet-promise: a table `samples`, full-text or plain.
CSV, TSV and JSON may be compressed (.gz, .bz2, .zst). Nothing is ever read whole.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_records import json_lines, json_records

_BATCH_ROWS = 1 << 16
_JSON_ROWS = 1 << 12
_PACKED = (".gz", ".bz2", ".zst")


class Metadata(NamedTuple):
    """One file of rows.

    Attributes:
        path: of the file.
        batches: the rows in order; of JSON, batches may differ in their columns.
    """

    path: Path
    batches: Iterator[pa.RecordBatch]


def metadata_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: themselves, or what a folder holds, sorted by name.

    Raises:
        InputError: there is nothing that can be read.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and path.suffix != ".lance":
            inside = sorted(file for file in path.iterdir() if _kind(file) and not file.name.startswith("."))
            if not inside:
                raise InputError(f"{path} holds no metadata; files end in {', '.join(_READERS)}.")
            found += inside
        elif not path.exists():
            raise InputError(f"There is no file {path}; name metadata that end in {', '.join(_READERS)}, or a folder.")
        elif not _kind(path):
            raise InputError(f"{path} is no metadata by its name; files end in {', '.join(_READERS)}.")
        else:
            found.append(path)
    return found


def open_metadata(path: Path) -> Metadata:
    """Open one of the files that `metadata_files` names.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says; mostly later, where batches are read.
    """
    return Metadata(path, _guarded(path, _READERS[_kind(path)](path)))


def _kind(path: Path) -> str:
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return next((kind for kind in _READERS if name.endswith(kind)), "")


def _guarded(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowInvalid, sqlite3.DatabaseError) as error:
        raise FormatError(path, str(error).splitlines()[0]) from error
    except OSError as error:
        problem = error.strerror or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {problem}.") from error


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        kept = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]  # of pandas
        yield from file.iter_batches(_BATCH_ROWS, columns=kept)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        if bytes(source.read(6)) == b"ARROW1":
            file = pa.ipc.open_file(source)
            batches: Iterable[pa.RecordBatch] = (file.get_batch(i) for i in range(file.num_record_batches))
        else:
            source.seek(0)
            batches = pa.ipc.open_stream(source)
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield batch.slice(start, _BATCH_ROWS)


def _separated(path: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv

    tabs = ".tsv" in path.name.lower()
    parsed = csv.ParseOptions(delimiter="\t" if tabs else ",", newlines_in_values=True)
    with _stream(path) as peek, csv.open_csv(peek, parse_options=parsed) as reader:
        texts = dict.fromkeys(reader.schema.names, pa.string())  # a guessed type would turn 01 into 1
    converted = csv.ConvertOptions(column_types=texts, strings_can_be_null=True)
    with _stream(path) as stream, csv.open_csv(stream, parse_options=parsed, convert_options=converted) as reader:
        yield from reader


def _json(path: Path) -> Iterator[pa.RecordBatch]:
    with _stream(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", "replace") as text:
        records = json_lines(text) if ".json" not in path.suffixes else json_records(text, path)
        row = 0
        while some := list(islice(records, _JSON_ROWS)):
            for number, record in enumerate(some):
                if not isinstance(record, dict):
                    raise FormatError(path, "not a JSON record of names and values", row=row + number)
            yield _of_records(some, path, row)
            row += len(some)


def _of_records(records: Sequence[Any], path: Path, row: int) -> pa.RecordBatch:
    names = dict.fromkeys(chain.from_iterable(records))
    try:
        return pa.RecordBatch.from_pydict({name: [record.get(name) for record in records] for name in names})
    except pa.ArrowInvalid as error:
        raise FormatError(path, f"a column has values of several kinds after row {row}: {error}") from error


def _lance(path: Path) -> Iterator[pa.RecordBatch]:
    import lance

    try:
        dataset = lance.dataset(str(path))
    except ValueError as error:
        raise FormatError(path, f"not a Lance table ({str(error).splitlines()[0]}).") from error
    yield from dataset.to_batches(batch_size=_BATCH_ROWS, scan_in_order=True)


def _sqlite(path: Path) -> Iterator[pa.RecordBatch]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        cursor = database.execute("SELECT * FROM samples")
        names = [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(_JSON_ROWS):
            texts = ([None if value is None else str(value) for value in column] for column in zip(*rows, strict=True))
            yield pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in texts], names)


def _stream(path: Path) -> Any:
    return pa.input_stream(str(path), compression="detect" if path.suffix.lower() in _PACKED else None)


_READERS: dict[str, Callable[[Path], Iterator[pa.RecordBatch]]] = {
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".csv": _separated,
    ".tsv": _separated,
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".lance": _lance,
    ".db": _sqlite,
    ".sqlite": _sqlite,
}
