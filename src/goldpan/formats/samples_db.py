"""The SQLite files of Neural Priming and unmet-promise: a full-text table `samples` of eight columns, all texts.

``SELECT * FROM samples WHERE TEXT MATCH '"banded texture" OR stripes'`` finds rows, which their tools take apart by
place, so that the order of the columns counts; numbers they read as ``int(float(value))``.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import InputError
from goldpan.formats.atomic import replace_file

COLUMNS = ("SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity")
_NUMBERS = ("SAMPLE_ID", "HEIGHT", "WIDTH", "similarity")
_ABOUT = "goldpan_made_with"
_DISK = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO}


def write_samples(
    path: Path,
    batches: Iterable[pa.RecordBatch],
    searched: Sequence[str] = ("TEXT",),
    *,
    first_row: int = 0,
    settings: str = "",
) -> int:
    """Write rows to a file that appears whole; return how many.

    Args:
        path: the file.
        batches: with columns named as those of the table; others are left out. A number that is missing becomes 0,
            which the tools can read, a text that is missing an empty one.
        searched: columns that ``MATCH`` looks at.
        first_row: from which rows are numbered where there is no SAMPLE_ID.
        settings: kept in a table of its own, for `made_with`.

    Raises:
        InputError: this SQLite has no FTS5, or a column holds no texts or numbers.
    """
    declared = ", ".join(name if name in searched else f"{name} UNINDEXED" for name in COLUMNS)
    rows = 0
    with (
        replace_file(path) as temporary,
        closing(sqlite3.connect(temporary, isolation_level=None)) as database,
        _room(path),
    ):
        # The file is a temporary one until it is whole: what guards against a crash halfway is of no use.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        try:
            database.execute(f"CREATE VIRTUAL TABLE samples USING fts5({declared})")
        except sqlite3.OperationalError as error:
            raise InputError(f"The SQLite of this Python cannot make full-text tables: {error}.") from error
        database.execute("BEGIN")
        for batch in batches:
            columns = [_texts(batch, name, first_row + rows).to_pylist() for name in COLUMNS]
            marks = ", ".join("?" * len(COLUMNS))
            database.executemany(f"INSERT INTO samples VALUES ({marks})", zip(*columns, strict=True))
            rows += batch.num_rows
        database.execute("INSERT INTO samples(samples) VALUES ('optimize')")
        database.execute(f"CREATE TABLE {_ABOUT} (settings TEXT, rows INTEGER)")
        database.execute(f"INSERT INTO {_ABOUT} VALUES (?, ?)", (settings, rows))
        database.execute("COMMIT")
    return rows


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """Say as any other file does that the disk is full, or fails."""
    try:
        yield
    except sqlite3.OperationalError as error:
        number = _DISK.get(error.sqlite_errorcode & 0xFF)  # the rest tells which call failed
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def made_with(path: Path) -> tuple[str, int] | None:
    """Return what `write_samples` was told, and how many rows it wrote; None where it did not write this file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            settings, rows = database.execute(f"SELECT settings, rows FROM {_ABOUT}").fetchone()
            return str(settings), int(rows)
    except sqlite3.Error:
        return None


def _texts(batch: pa.RecordBatch, name: str, first: int) -> pa.Array:
    """Return a column as texts."""
    missing = "0" if name in _NUMBERS else ""
    if name not in batch.schema.names:
        numbers = range(first, first + batch.num_rows) if name == "SAMPLE_ID" else [missing] * batch.num_rows
        return pa.array(map(str, numbers), pa.string())
    values = batch.column(name)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_finite(values), values, None)
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"The column {name} holds {values.type}, neither texts nor numbers.") from error
    return pc.if_else(pc.equal(pc.fill_null(texts, ""), ""), missing, texts)
