"""Write metadata as the SQLite files that Neural Priming and unmet-promise search; whole files are left alone.

::

    part-00000.db  part-00001.db ...    the full-text table `samples`, so many rows a file
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from goldpan.core.config import Config
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.alone import alone_at
from goldpan.formats.atomic import forget_halves
from goldpan.formats.caption_column import caption_column
from goldpan.formats.chunks import chunk_names
from goldpan.formats.metadata import metadata_files, read_batches, state_of
from goldpan.formats.samples_db import made_with, write_samples
from goldpan.stages.stage import make_config

_NAME = re.compile(r"(?P<stem>.*?)(?P<number>\d*)(?P<suffix>\.db|\.sqlite)")
Column = Literal["SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity"]


class DatabaseConfig(Config):
    """Which metadata, and where the files go."""

    metadata: list[Path] = Field(description="Files of rows, or folders of them.", min_length=1)
    output: Path = Field(description="The file to write, such as part-00000.db; the number counts on where it is full.")
    column: str | None = Field(None, description="Column of captions; usual names are found.")
    shard_rows: int | None = Field(None, description="Rows a file; all in one by default.", ge=1)
    searched: list[Column] = Field(["TEXT"], description="Columns that MATCH looks at.", min_length=1)


def run(config: DatabaseConfig, progress: Progress | None = None) -> Report:
    """Write metadata as the SQLite files of Neural Priming and unmet-promise, which search them with FTS5.

    Raises:
        InputError: a file is missing or already there, or a column holds neither texts nor numbers.
        FormatError: a file is not what its name says.
    """
    started = time.perf_counter()
    files = metadata_files(config.metadata)
    settings = _settings(config, files)
    progress = progress or Silent()
    progress.start("rows")
    unreadable: Counter[str] = Counter()
    rows = _Rows(_batches(config, files, unreadable, progress))
    with alone_at(_numbered(config.output, 0)):
        written, done, known = _write(config, rows, settings)
    progress.finish()
    return Report(
        "retrieve db",
        rows_in=done + unreadable.total(),
        rows_out=done,
        already_done=known,
        failures=dict(unreadable),
        seconds=time.perf_counter() - started,
        outputs={str(written[0]): f"{done:,} rows in {len(written)} file(s)"},
        details={"files": len(written), "rows": done},
        next_steps=[f"goldpan retrieve substring --metadata {written[0].parent} --classes CLASSES -o FOUND"],
    )


def retrieve_db(**fields: Any) -> Report:
    """Write SQLite files; the fields are those of `DatabaseConfig`.

    Example:
        ``goldpan.retrieve_db(metadata=["laion.parquet"], output="part-00000.db")``
    """
    return run(make_config(DatabaseConfig, fields))


def _write(config: DatabaseConfig, rows: _Rows, settings: str) -> tuple[list[Path], int, int]:
    """Write the files that are not there; return all, and how many rows they have and had before."""
    written: list[Path] = []
    done = known = 0
    while rows.are_left() or not written:
        path = _numbered(config.output, len(written))
        forget_halves(path.parent, path.name)
        there = made_with(path) if path.exists() else None
        if there is not None and there[0] == settings:
            size = sum(batch.num_rows for batch in rows.take(there[1]))
            known += size
        elif path.exists():
            raise InputError(f"{path} is there already, and holds something else; remove it, or name another file.")
        else:
            taken = rows.take(config.shard_rows)
            size = write_samples(path, taken, config.searched, first_row=done, settings=settings)
        written.append(path)
        done += size
    return written, done, known


def _settings(config: DatabaseConfig, files: Sequence[Path]) -> str:
    """Return what tells files made from these rows in this way from others."""
    told = [config.deciding(but=("metadata", "output")), [state_of(file) for file in files]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _numbered(path: Path, shard: int) -> Path:
    """Return the name of a file: the number before the suffix counts on."""
    parts = _NAME.fullmatch(path.name)
    if parts is None:
        raise InputError(f"{path} is no SQLite file by its name; it ends in .db or .sqlite.")
    if not shard:
        return path
    digits = parts["number"] or "00000"
    return path.with_name(f"{parts['stem']}{int(digits) + shard:0{len(digits)}d}{parts['suffix']}")


def _batches(
    config: DatabaseConfig, files: Sequence[Path], unreadable: Counter[str], progress: Progress
) -> Iterator[pa.RecordBatch]:
    """Yield rows under the names that they have in the table; count those that cannot be read."""
    for file in files:
        for batch, problems in read_batches(file):
            progress.advance(batch.num_rows + len(problems), len(problems))
            if problems:
                unreadable[Reason.BAD_ROW.value] += len(problems)
            if batch.num_rows:
                captions = batch.schema.names[caption_column(batch.schema, config.column, file)]
                called = chunk_names(batch.schema.names, captions=captions)
                yield batch.rename_columns([called[name] for name in batch.schema.names])


class _Rows:
    """Batches that can be taken a number of rows at a time."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None

    def are_left(self) -> bool:
        """Whether there are more."""
        while self._left is None or not self._left.num_rows:
            self._left = next(self._batches, None)
            if self._left is None:
                return False
        return True

    def take(self, rows: int | None) -> Iterator[pa.RecordBatch]:
        """Yield the next rows, all where None."""
        taken = 0
        while (rows is None or taken < rows) and self.are_left():
            part = self._left.slice(0, None if rows is None else rows - taken)  # type: ignore[union-attr]
            self._left = self._left.slice(part.num_rows)  # type: ignore[union-attr]
            taken += part.num_rows
            yield part
