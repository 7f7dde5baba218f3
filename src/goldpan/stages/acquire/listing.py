"""Lists of images, streamed row by row: parquet, CSV, TSV, JSON, JSON Lines, text, Lance tables, and folders of them.

Texts may be compressed (.gz, .bz2, .zst). Nothing is ever read whole, so a list may be larger than memory.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pyarrow as pa

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_records import BadRecord, json_lines, json_records
from goldpan.store.tables import Table

ARROW, SEPARATED, JSON = (".parquet", ".lance"), (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")
KINDS = (*ARROW, *SEPARATED, *JSON, ".txt")
_COMPRESSED = (".gz", ".bz2", ".zst")
_BATCH_ROWS = 4096
_COUNTED_BYTES = 1 << 30
_LOOK_AHEAD = 1000  # records of a JSON file whose keys are its columns


class Row(NamedTuple):
    """One row of a list.

    Attributes:
        number: counted from 0 within its file.
        columns: name -> value; cells without a value are None or not there.
        problem: why the row cannot be read, empty where it can.
    """

    number: int
    columns: dict[str, Any]
    problem: str = ""


class Listed(NamedTuple):
    """One file of a list.

    Attributes:
        path: of the file.
        names: of its columns; where every row has its own (JSON), those of its first 1,000 rows.
        rows: of the file, in order.
    """

    path: Path
    names: list[str]
    rows: Iterator[Row]


def listed_files(path: Path) -> list[Path]:
    """Return the files of a list: itself, or those of a folder that are lists, sorted by name.

    Raises:
        InputError: there is nothing that can be read.
    """
    if path.is_dir() and path.suffix.lower() != ".lance":
        found = sorted(file for file in path.iterdir() if _kind(file) and not file.name.startswith("."))
        if not found:
            raise InputError(f"No lists in {path}; a list ends in {', '.join(KINDS)}.")
        return found
    if not path.exists():
        raise InputError(f"There is no file {path}; name a list that ends in {', '.join(KINDS)}, or a folder of them.")
    if not _kind(path):
        raise InputError(f"{path} is no list; a list ends in {', '.join(KINDS)}, texts also in .gz, .bz2 or .zst.")
    return [path]


def open_listed(path: Path) -> Listed:
    """Open one of the files that `listed_files` names; it is closed when its rows are read or forgotten.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says; also later, where the rows are read.
    """
    kind = _kind(path)
    read = _arrow if kind in ARROW else _separated if kind in SEPARATED else _json if kind in JSON else _lines
    records = _guarded(path, read(path, kind))
    return Listed(path, next(records), (_row(number, record) for number, record in enumerate(records)))


def count_rows(paths: Iterable[Path]) -> int | None:
    """Return how many rows some lists have, to show how far a run is; None where counting would mean reading them.

    Of texts, lines are counted: where a cell has several, there are fewer rows.
    """
    counts = [_count(file) for path in paths for file in listed_files(path)]
    return sum(filter(None, counts)) if None not in counts else None


def find_column(asked: str | None, usual: Sequence[str], listed: Listed, flag: str) -> str | None:
    """Return the column that was asked for, else the first of the usual names in any case, None where there is none.

    Raises:
        InputError: the one asked for is not there.
    """
    if asked is None:
        lower = {name.lower(): name for name in reversed(listed.names)}
        return next((lower[name] for name in usual if name in lower), None)
    if asked not in listed.names:
        raise InputError(f"{listed.path} has no column {asked!r} for {flag}; it has: {', '.join(listed.names)}.")
    return asked


def _kind(path: Path) -> str:
    """Return which of `KINDS` a file is by its name, apart from what compresses it; empty where none."""
    name = path.name.lower()
    packed = next((suffix for suffix in _COMPRESSED if name.endswith(suffix)), "")
    name = name.removesuffix(packed)
    return next((kind for kind in KINDS if name.endswith(kind) and not (packed and kind in ARROW)), "")


def _guarded(path: Path, records: Iterator[Any]) -> Iterator[Any]:
    with _problems(path):
        yield from records


@contextmanager
def _problems(path: Path) -> Iterator[None]:
    """Make one sentence of what a reader raises."""
    try:
        yield
    except (pa.ArrowInvalid, csv.Error) as error:
        raise FormatError(path, str(error).splitlines()[0]) from error
    except OSError as error:  # of the system with a number, of a broken compressed stream without
        problem = error.strerror or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read: {problem}.") from error


def _row(number: int, record: Any) -> Row:
    if isinstance(record, dict):
        return Row(number, record)
    if isinstance(record, BadRecord):
        return Row(number, {}, record.problem)
    return Row(number, {}, f"is {json.dumps(record)[:80]}, not a JSON record")


def _count(path: Path) -> int | None:
    kind = _kind(path)
    if kind == ".parquet":
        import pyarrow.parquet as pq

        with _problems(path):
            return int(pq.read_metadata(path).num_rows)
    if kind == ".lance":
        return Table(str(path), name=str(path)).count()
    if kind == ".json" or path.suffix.lower() in _COMPRESSED or path.stat().st_size > _COUNTED_BYTES:
        return None
    with path.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return lines - (kind in SEPARATED)


# Each of the readers below yields the names of the columns, then the rows: dictionaries or `BadRecord`.


def _arrow(path: Path, kind: str) -> Iterator[Any]:
    if kind == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            yield from _records(file.schema_arrow.names, file.iter_batches(batch_size=_BATCH_ROWS))
    else:
        table = Table(str(path), name=str(path))
        yield from _records(table.schema.names, table.scan(batch_rows=_BATCH_ROWS))


def _records(names: list[str], batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
    kept = [name for name in names if not name.startswith("__index_level_")]  # pandas' index is nobody's column
    yield kept
    for batch in batches:
        yield from batch.select(kept).to_pylist()


def _separated(path: Path, kind: str) -> Iterator[Any]:
    with _text(path) as stream:
        lines = filter(None, csv.reader(stream, delimiter="\t" if kind == ".tsv" else ","))
        names = next(lines, [])
        yield names
        for cells in lines:
            if len(cells) == len(names):
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}
            else:
                yield BadRecord(f"has {len(cells)} cells, not the {len(names)} of the header")


def _json(path: Path, kind: str) -> Iterator[Any]:
    with _text(path) as stream:
        records = json_records(stream, path) if kind == ".json" else json_lines(stream)
        first = list(islice(records, _LOOK_AHEAD))
        yield list(dict.fromkeys(name for record in first if isinstance(record, dict) for name in record))
        yield from chain(first, records)


def _lines(path: Path, _: str) -> Iterator[Any]:
    with _text(path) as stream:
        yield ["url"]
        yield from ({"url": line.strip()} for line in stream if not line.isspace())


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    packed = path.suffix.lower() in _COMPRESSED
    with (
        pa.input_stream(str(path), compression="detect" if packed else None) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text,
    ):
        yield text
