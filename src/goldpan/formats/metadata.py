"""Rows about images (URL, caption, ...) out of any file that holds such: one by one, or in batches of Arrow.

Parquet, Arrow, Lance, SQLite; CSV, TSV, JSON, JSON Lines and text with a URL a line, which may be packed (.gz, .bz2,
.zst). Nothing is ever read whole, so a file may be larger than memory.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from goldpan.core.errors import FormatError, InputError
from goldpan.formats.json_records import BadRecord
from goldpan.formats.lance_table import open_lance
from goldpan.formats.metadata_kinds import PACKED, READERS, TEXTS, kind_of
from goldpan.formats.record_batches import batch_of, column_as, common_kind

_ROWS, _BATCH_ROWS, _BATCH_RECORDS = 4096, 65_536, 4096
_COUNTED_BYTES = 1 << 30


class Row(NamedTuple):
    """One row.

    Attributes:
        number: counted from 0 within its file.
        columns: name -> value; cells without a value are None or not there.
        problem: why the row cannot be read, empty where it can.
    """

    number: int
    columns: dict[str, Any]
    problem: str = ""


class Metadata(NamedTuple):
    """One file.

    Attributes:
        path: of the file.
        names: of its columns; where every row has its own (JSON), those of its first 1,000 rows.
        rows: of the file, in order.
    """

    path: Path
    names: list[str]
    rows: Iterator[Row]


class Batch(NamedTuple):
    """Some rows that follow each other.

    Attributes:
        rows: those that can be read; of JSON, a batch may have columns and types that others have not.
        problems: what is wrong with each of the others.
    """

    rows: pa.RecordBatch
    problems: list[str]


def metadata_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: themselves, or what a folder holds, sorted by name, without its subfolders.

    Raises:
        InputError: there is nothing that can be read.
    """
    kinds = f"they end in {', '.join(READERS)}; texts also in {', '.join(PACKED)}"
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and path.suffix.lower() != ".lance":
            inside = sorted(file for file in path.iterdir() if kind_of(file) and not file.name.startswith("."))
            if not inside:
                raise InputError(f"No lists in {path}, whose subfolders are not looked into; {kinds}.")
            found += inside
        elif not path.exists():
            raise InputError(f"There is no file {path}; name lists of images, or folders of them: {kinds}.")
        elif not kind_of(path):
            raise InputError(f"{path} is no list of images by its name; {kinds}.")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def open_metadata(path: Path) -> Metadata:
    """Open one of the files that `metadata_files` names; it is closed when its rows are read or forgotten.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says; also later, where the rows are read.
    """
    parts = _parts(path, _ROWS)
    names = next(parts)
    records = parts if kind_of(path) in TEXTS else chain.from_iterable(batch.to_pylist() for batch in parts)
    return Metadata(path, names, (_row(number, record) for number, record in enumerate(records)))


def read_batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of one of the files that `metadata_files` names.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says.
    """
    parts = _parts(path, _BATCH_ROWS)
    names = next(parts)
    if kind_of(path) not in TEXTS:
        yield from (Batch(part, []) for part in parts)
        return
    rows = (_row(number, record) for number, record in enumerate(parts))
    while some := list(islice(rows, _BATCH_RECORDS)):
        problems = [f"row {row.number} of {path.name} {row.problem}" for row in some if row.problem]
        yield Batch(batch_of([row.columns for row in some if not row.problem], names), problems)


def steady_batches(path: Path) -> Iterator[Batch]:
    """Yield what `read_batches` does, each batch with the same columns and types; for that, texts are read twice.

    Raises:
        InputError: it cannot be read.
        FormatError: the bytes are not what the name says.
    """
    kinds: dict[str, pa.DataType] = {}
    for batch in read_batches(path) if kind_of(path) in TEXTS else ():
        for field in batch.rows.schema:
            kinds[field.name] = common_kind(kinds.get(field.name, field.type), field.type)
    for batch in read_batches(path):
        columns = {name: column_as(batch.rows, name, kind) for name, kind in kinds.items()}
        yield batch._replace(rows=pa.RecordBatch.from_pydict(columns)) if kinds else batch


def count_rows(paths: Iterable[Path]) -> int | None:
    """Return how many rows some files have, to show how far a run is; None where counting would mean reading them.

    Of texts, lines are counted: where a cell has several, there are fewer rows.
    """
    counts = [_count(file) for file in metadata_files(list(paths))]
    return sum(filter(None, counts)) if None not in counts else None


def find_column(asked: str | None, usual: Sequence[str], names: Sequence[str], path: Path, flag: str) -> str | None:
    """Return the column that was asked for, else the first of the usual names in any case, None where there is none.

    Args:
        asked: its name.
        usual: names in lower case, the likeliest first.
        names: of the columns there are.
        path: of the file, for messages.
        flag: that asks for it.

    Raises:
        InputError: the one asked for is not there.
    """
    if asked is None:
        lower = {name.lower(): name for name in reversed(names)}
        return next((lower[name] for name in usual if name in lower), None)
    if asked not in names:
        raise InputError(f"{path} has no column {asked!r} for {flag}; it has: {', '.join(names)}.")
    return asked


def state_of(path: Path) -> list[Any]:
    """Return what changes when a file does, or a table of several: sizes and times."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = ((file, file.stat()) for file in files)
    return [[str(file.relative_to(path.parent)), state.st_size, state.st_mtime_ns] for file, state in found]


def _parts(path: Path, batch_rows: int) -> Iterator[Any]:
    with _problems(path):
        parts = READERS[kind_of(path)](path, batch_rows)
        names = next(parts)
        for name, count in Counter(names).items():
            if count > 1:
                raise FormatError(path, f"it has {count} columns called {name!r}; rename all but one")
        yield names
        yield from parts


@contextmanager
def _problems(path: Path) -> Iterator[None]:
    """Make one sentence of what a reader raises."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, csv.Error, sqlite3.DatabaseError) as error:
        raise FormatError(path, str(error).splitlines()[0]) from error
    except OSError as error:  # of the system with a number, of a broken compressed stream without
        problem = error.strerror or str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} cannot be read: {problem}.") from error


def _row(number: int, record: Any) -> Row:
    if isinstance(record, dict):
        return Row(number, record)
    if isinstance(record, BadRecord):
        return Row(number, {}, record.problem)
    return Row(number, {}, f"is {json.dumps(record)[:80]}, not a JSON record")


def _count(path: Path) -> int | None:
    kind = kind_of(path)
    with _problems(path):
        if kind == ".parquet":
            import pyarrow.parquet as pq

            return int(pq.read_metadata(path).num_rows)
        if kind == ".lance":
            return int(open_lance(path).count_rows())
    packed = path.suffix.lower() in PACKED
    if kind not in TEXTS or kind == ".json" or packed or path.stat().st_size > _COUNTED_BYTES:
        return None
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n") - (kind in (".csv", ".tsv"))
