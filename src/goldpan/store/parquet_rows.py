"""Images in a column of Parquet files, as img2dataset writes them: read one by one, by the key of their row."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from goldpan.core.errors import ImageError, Reason

_FILES_KEPT = 8
_GROUPS_KEPT = 4  # neighbors are mostly asked for one after the other, by several threads


class _Version(NamedTuple):
    """A file as it is now: one that is written anew is another."""

    path: Path
    modified: int
    size: int


class _Index(NamedTuple):
    """Where the rows of a file are: the column of images, and row group and number in it by key."""

    column: str
    rows: dict[str, tuple[int, int]]


class ParquetRows:
    """Reads images out of Parquet files; it may be used from several threads."""

    def __init__(self) -> None:
        self._index = lru_cache(_FILES_KEPT)(_index)
        self._group = lru_cache(_GROUPS_KEPT)(_group)

    def read(self, path: Path, key: str) -> bytes:
        """Return the image in the row of a key.

        Raises:
            ImageError: the file, the row or the image is not there, or the file is damaged.
        """
        try:
            status = path.stat()
            version = _Version(path, status.st_mtime_ns, status.st_size)
            column, rows = self._index(version)
            group, row = rows[key]
            image = self._group(version, group, column)[row].as_py()
        except KeyError:
            raise ImageError(Reason.MISSING_FILE, f"{path} has no row {key}") from None
        except FileNotFoundError as error:
            raise ImageError(Reason.MISSING_FILE, f"{path}: {error.strerror}") from error
        except (pa.ArrowException, OSError) as error:
            raise ImageError(Reason.UNREADABLE_FILE, f"{path}: {str(error).splitlines()[0]}") from error
        if image is None:
            raise ImageError(Reason.MISSING_FILE, f"row {key} of {path} has no image")
        return bytes(image)


def _index(version: _Version) -> _Index:
    import pyarrow.parquet as pq

    with pq.ParquetFile(version.path) as file:
        binary = [field.name for field in file.schema_arrow if pa.types.is_binary(field.type)]
        if not binary or "key" not in file.schema_arrow.names:
            raise pa.ArrowInvalid("it has no column of images beside a key")
        rows = {
            key: (group, row)
            for group in range(file.num_row_groups)
            for row, key in enumerate(file.read_row_group(group, ["key"])["key"].to_pylist())
        }
    return _Index(binary[0], rows)


def _group(version: _Version, group: int, column: str) -> pa.ChunkedArray:
    import pyarrow.parquet as pq

    with pq.ParquetFile(version.path) as file:
        return file.read_row_group(group, [column])[column]
