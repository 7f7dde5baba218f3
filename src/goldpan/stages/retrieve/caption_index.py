"""Index captions, so that a few classes are found without looking through all: rows and indexes in a Lance table.

Files are committed together, so many rows or more at a time; those that are in are not read again, and files
that came since are added. What a kill leaves behind is never seen.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError, Reason
from goldpan.core.progress import Progress, Silent
from goldpan.core.records import Report
from goldpan.formats.alone import alone_at
from goldpan.formats.caption_column import caption_column, captions_of
from goldpan.formats.caption_table import FILE, LETTERS, TOKENS, CaptionTable, create_caption_table, is_lance
from goldpan.formats.metadata import metadata_files, state_of, steady_batches
from goldpan.search.captions.tokens import fold_text
from goldpan.stages.stage import make_config

_BATCH_ROWS = 1 << 14


class CaptionIndexConfig(Config):
    """Which metadata, and where the table goes."""

    metadata: list[Path] = Field(description="Files of captions, or folders of them.", min_length=1)
    output: Path = Field(description="The table to make or to add to; its name ends in .lance.")
    column: str | None = Field(None, description="Column of captions; usual names are found.")
    commit_rows: int = runtime_field(500_000, "Rows after which the files read so far are kept, come what may.", ge=1)


class _File(NamedTuple):
    """A file, and what is written beside its rows: what tells it from its other states, and where it is."""

    path: Path
    key: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Describe a file."""
        digest = hashlib.sha256(json.dumps(state_of(path)).encode()).hexdigest()
        return cls(path, f"{digest[:24]} {path.absolute()}")


def run(config: CaptionIndexConfig, progress: Progress | None = None) -> Report:
    """Index captions: a table of all rows in which `goldpan retrieve substring` finds a few classes at once.

    Raises:
        InputError: a file is missing, or has other columns than the first.
        FormatError: a file is not what its name says.
    """
    started = time.perf_counter()
    if config.output.suffix != ".lance":
        raise InputError(f"{config.output}: the name of the table ends in .lance.")
    files = [_File.of(path) for path in metadata_files(config.metadata)]
    writer = _Writer(config, progress or Silent())
    with alone_at(config.output):
        known = writer.add(files)
        writer.progress.start("indexes")
        table = CaptionTable(config.output)
        table.make_indexes()
        writer.progress.finish()
    return Report(
        "retrieve index",
        rows_in=table.n + writer.unreadable.total(),
        rows_out=table.n,
        already_done=known,
        failures=dict(writer.unreadable),
        seconds=time.perf_counter() - started,
        outputs={str(config.output): f"{table.n:,} rows, indexed by the words and letters of {table.captions}"},
        details={"files": len(files), "column": table.captions},
        next_steps=[f"goldpan retrieve substring --metadata {config.output} --classes CLASSES -o FOUND"],
    )


def retrieve_index(**fields: Any) -> Report:
    """Index captions; the fields are those of `CaptionIndexConfig`.

    Example:
        ``goldpan.retrieve_index(metadata=["laion"], output="captions.lance")``
    """
    return run(make_config(CaptionIndexConfig, fields))


class _Writer:
    """Puts files into the table."""

    def __init__(self, config: CaptionIndexConfig, progress: Progress) -> None:
        self._config, self.progress = config, progress
        self.unreadable: Counter[str] = Counter()

    def add(self, files: list[_File]) -> int:
        """Put in those that are not; return how many rows were there."""
        table = self._table(files[0].path)
        known, there = table.n, table.files()
        self.progress.start("captions")
        self.progress.advance(known)
        waiting = deque(file for file in files if file.key not in there)
        changed = {str(file.path.absolute()) for file in waiting} & {key.partition(" ")[2] for key in there}
        if changed:
            raise InputError(f"{min(changed)} changed since it was indexed; make another table, or remove this one.")
        while waiting:
            table.append(self._commit(table, waiting))
        self.progress.finish()
        return known

    def _table(self, first: Path) -> CaptionTable:
        """Return the table; a new one has the columns of a file."""
        if not is_lance(self._config.output):
            batch = next(steady_batches(first), None)
            if batch is None or not batch.rows.num_columns:
                raise InputError(f"{first} has no rows, so that the columns of the table are not known.")
            columns = batch.rows.schema
            captions = columns.names[caption_column(columns, self._config.column, first)]
            return create_caption_table(self._config.output, columns, captions)
        table = CaptionTable(self._config.output)
        if self._config.column not in (None, table.captions):
            problem = f"is an index of the column {table.captions}, not {self._config.column}; name another table"
            raise InputError(f"{self._config.output} {problem}.")
        return table

    def _commit(self, table: CaptionTable, waiting: deque[_File]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the next files, until there are enough for a commit."""
        rows = 0
        while waiting and rows < self._config.commit_rows:
            file = waiting.popleft()
            for batch, problems in steady_batches(file.path):
                self.progress.advance(batch.num_rows + len(problems), len(problems))
                if problems:
                    self.unreadable[Reason.BAD_ROW.value] += len(problems)
                rows += batch.num_rows
                for start in range(0, batch.num_rows, _BATCH_ROWS):
                    yield self._indexed(table, batch.slice(start, _BATCH_ROWS), file)

    def _indexed(self, table: CaptionTable, batch: pa.RecordBatch, file: _File) -> pa.RecordBatch:
        """Return rows with the table's columns and what is indexed of their captions."""
        unknown = [name for name in batch.schema.names if name not in table.columns]
        if unknown:
            problem = f"has a column {unknown[0]}, which {self._config.output} has not"
            raise InputError(f"{file.path} {problem}; make another table of files with these columns.")
        captions = captions_of(batch, table.captions, file.path)
        own = {
            TOKENS: pa.array([text and fold_text(text) for text in captions.to_pylist()], pa.string()),
            LETTERS: pc.utf8_lower(captions),
            FILE: pa.repeat(file.key, batch.num_rows),
        }
        told = {name: batch.column(name) for name in batch.schema.names} | own
        try:
            columns = [
                told[field.name].cast(field.type) if field.name in told else pa.nulls(batch.num_rows, field.type)
                for field in table.schema
            ]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"{file.path} and {self._config.output} differ in the kind of a column: {error}."
            ) from error
        return pa.RecordBatch.from_arrays(columns, schema=table.schema)
