"""What is known of a shard that is not finished: one line of JSON a row, appended as the rows come."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple


class Place(NamedTuple):
    """Where the image of a row lies.

    Attributes:
        file: the path within the folder of shards.
        offset: of its first byte in a tar; None where the file is the image.
        size: in bytes.
        end: of all that belongs to the row in a tar, in bytes; None where the file is the image.
    """

    file: str
    offset: int | None
    size: int
    end: int | None

    def read(self, folder: Path) -> bytes:
        """Return the image; what is missing of it is not there.

        Args:
            folder: of the shards.
        """
        path = folder / self.file
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            file.seek(self.offset or 0)
            return file.read(self.size)


class Entry(NamedTuple):
    """What came of a row of the list.

    Attributes:
        row: of the shard's table.
        place: of the image; None where there is none.
        note: what the caller wants to find again when it goes on after a kill.
    """

    row: dict[str, Any]
    place: Place | None
    note: dict[str, Any] | None = None


class Journal:
    """The file of entries of a shard that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        with path.open("rb+") as file:
            end = max((end for end, _ in _records(file)), default=0)
            file.truncate(end)
        if end == 0:
            self._file.write(_line({"start_time": time.time()}))

    def append(self, entry: Entry) -> None:
        """Add an entry; it is safe after the next `sync`."""
        self._file.write(_line(entry._asdict()))

    def read(self) -> tuple[float, dict[str, Entry]]:
        """Return when the shard was begun, seconds since 1970, and every entry by key, those appended too."""
        self._file.flush()
        return read_journal(self._path)

    def sync(self) -> None:
        """Bring all entries to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; it stays."""
        self._file.close()

    def remove(self) -> None:
        """Remove the file: the shard is finished."""
        self._path.unlink()


def read_journal(path: Path) -> tuple[float, dict[str, Entry]]:
    """Return when a shard was begun, and its entries by key; of two for a key, the later. A cut line is not there."""
    started, entries = 0.0, {}
    with path.open("rb") as file:
        for _, record in _records(file):
            if "row" in record:
                entry = Entry(record["row"], record["place"] and Place(*record["place"]), record["note"])
                entries[entry.row["key"]] = entry
            else:
                started = record["start_time"]
    return started, entries


def write_journal(path: Path, start_time: float, entries: Iterable[Entry]) -> None:
    """Write a journal that holds these entries."""
    with path.open("wb") as file:
        file.write(_line({"start_time": start_time}))
        file.writelines(_line(entry._asdict()) for entry in entries)


_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode  # made once: `json.dumps` would each time


def _line(record: dict[str, Any]) -> bytes:
    return _encode(record).encode() + b"\n"


def _records(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield where a line ends and what it says, up to the first that was cut off."""
    end = 0
    for line in file:
        try:
            record = json.loads(line.decode()) if line.endswith(b"\n") else None  # of bytes it is far slower
        except ValueError:
            return
        if not isinstance(record, dict):
            return
        end += len(line)
        yield end, record
