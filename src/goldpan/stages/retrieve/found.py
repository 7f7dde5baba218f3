"""What was found so far, file by file, so that a run that was killed goes on behind the last whole file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa

from goldpan.formats.atomic import replace_folder
from goldpan.formats.metadata import state_of

_ABOUT = "about.json"


class Looked(NamedTuple):
    """How many rows were looked at, and how many could not be read."""

    rows: int
    unreadable: int


@dataclass(frozen=True)
class FoundRows:
    """The rows that one file of metadata gave, kept in a folder of its own.

    Attributes:
        folder: of the part; other settings, or another state of the file, have another.
    """

    folder: Path

    @classmethod
    def of(cls, folder: Path, settings: Any, path: Path) -> Self:
        """Return where the rows of a file are kept, in the folder of all parts."""
        told = json.dumps([settings, str(path.absolute()), state_of(path)], default=str)
        return cls(folder / hashlib.sha256(told.encode()).hexdigest()[:24])

    @property
    def looked(self) -> Looked | None:
        """What was looked at; None where the file was not looked through to its end."""
        about = self.folder / _ABOUT
        return Looked(**json.loads(about.read_text())) if about.is_file() else None

    def write(self, batches: Iterable[tuple[Looked, pa.RecordBatch]]) -> None:
        """Keep rows; the part appears whole.

        Args:
            batches: what was looked at, and the rows found there with their class in the last column.
        """
        looked = Looked(0, 0)
        with replace_folder(self.folder) as temporary:
            with _Segments(temporary) as segments:
                for more, batch in batches:
                    looked = Looked(looked.rows + more.rows, looked.unreadable + more.unreadable)
                    segments.append(batch)
            (temporary / _ABOUT).write_text(json.dumps(looked._asdict()))

    def read(self) -> Iterator[pa.RecordBatch]:
        """Yield what was kept, in order."""
        for path in sorted(self.folder.glob("*.arrow")):
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                yield from stream


def forget_others(folder: Path, parts: Sequence[FoundRows]) -> None:
    """Remove what earlier runs kept and this one has no use for."""
    kept = {part.folder.name for part in parts}
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path)


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
