"""What was found so far, file by file, so that a run that was killed goes on behind the last whole file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from goldpan.formats.atomic import replace_folder

_ABOUT = "about.json"


@dataclass(frozen=True)
class FoundRows:
    """The rows that one file of metadata gave, kept in a folder of its own.

    Attributes:
        folder: of the parts of all files.
        name: of this file's part; other settings, or another state of the file, have another.
    """

    folder: Path
    name: str

    @classmethod
    def of(cls, folder: Path, settings: Any, path: Path) -> FoundRows:
        """Return where the rows of a file are kept."""
        state = path.stat()
        told = json.dumps([settings, str(path.absolute()), state.st_size, state.st_mtime_ns], default=str)
        return cls(folder, hashlib.sha256(told.encode()).hexdigest()[:24])

    @property
    def scanned(self) -> int | None:
        """How many captions the file holds; None where it was not looked through to its end."""
        about = self.folder / self.name / _ABOUT
        return int(json.loads(about.read_text())["scanned"]) if about.is_file() else None

    def write(self, batches: Iterable[tuple[int, pa.RecordBatch]]) -> None:
        """Keep rows; the part appears whole.

        Args:
            batches: captions scanned, and the rows found among them with their class in the last column.
        """
        scanned = 0
        with replace_folder(self.folder / self.name) as temporary:
            with _Segments(temporary) as segments:
                for rows, batch in batches:
                    scanned += rows
                    segments.append(batch)
            (temporary / _ABOUT).write_text(json.dumps({"scanned": scanned}))

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield what was kept, in order."""
        for path in sorted((self.folder / self.name).glob("*.arrow")):
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                yield from stream


class _Segments:
    """Arrow files in a folder; another begins where the columns change, as those of JSON may."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def append(self, batch: pa.RecordBatch) -> None:
        """Write rows behind the others."""
        if not batch.num_rows:
            return
        if self._schema != batch.schema:
            self.__exit__()
            self._schema = batch.schema
            self._writer = pa.ipc.new_stream(str(self._folder / f"{self._number:06d}.arrow"), batch.schema)
            self._number += 1
        self._writer.write_batch(batch)
