"""The bytes behind an image's `uri`: a file, a slice of a tar shard, an object of a bucket, a row of `blobs`.

Addresses: ``/abs/path.jpg`` a file; ``/abs/shard.tar#OFFSET+SIZE`` a slice of a file; ``/abs/shard.parquet#key=KEY`` an
image in a Parquet file, by its column `key`; ``blob:SHA256`` a stored copy; ``s3://bucket/key.jpg``,
``https://host/a.jpg`` and what else fsspec opens, whole or a slice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from goldpan.core.errors import ImageError, Reason, RemoteError
from goldpan.core.place import is_url
from goldpan.core.remote import read_url, speaking
from goldpan.store.parquet_rows import ParquetRows
from goldpan.store.schemas import BLOBS
from goldpan.store.tables import Table

if TYPE_CHECKING:
    import lance

_SLICE = re.compile(r"^(?P<path>.+)#(?P<offset>\d+)\+(?P<size>\d+)$")
_ROW = re.compile(r"^(?P<path>.+\.parquet)#key=(?P<key>.+)$")
_SCHEME = "blob:"
_MAX_BYTES = 1 << 28


def slice_uri(path: Path, offset: int, size: int) -> str:
    """Return the address of `size` bytes at `offset` of a file."""
    return f"{path}#{offset}+{size}"


def row_uri(path: Path, key: str) -> str:
    """Return the address of the image in the row of a Parquet file whose `key` this is."""
    return f"{path}#key={key}"


def blob_uri(sha256: str) -> str:
    """Return the address of a stored copy."""
    return _SCHEME + sha256


class Blobs:
    """Original bytes by SHA-256, stored once, and everything else a `uri` may point to."""

    def __init__(self, uri: str, may_write: Callable[[], None] | None = None) -> None:
        self.table = Table(uri, BLOBS, "blobs", may_write)
        self._rows: _Rows | None = None
        self._looking = threading.Lock()
        self._parquet = ParquetRows()

    def put(self, contents: dict[str, bytes]) -> None:
        """Store copies by SHA-256; those already there are left alone."""
        known = self._known(list(contents))
        fresh = {sha: data for sha, data in contents.items() if sha not in known}
        if fresh:
            self.table.append(pa.table([list(fresh), list(fresh.values())], schema=BLOBS))

    def read(self, uri: str, max_bytes: int = _MAX_BYTES) -> bytes | Path:
        """Return what `uri` points to: a path for a plain file (opened by its reader), bytes otherwise.

        Args:
            uri: the address.
            max_bytes: the longest image to fetch from elsewhere.

        Raises:
            ImageError: the file, object or blob is not there, or cannot be read.
        """
        try:
            if uri.startswith(_SCHEME):
                return self._blob(uri.removeprefix(_SCHEME))
            if is_url(uri):
                return _fetched(uri, max_bytes)
        except RemoteError as error:
            raise ImageError(error.reason, str(error)) from error
        if Path(uri).is_file():
            return Path(uri)
        if row := _ROW.match(uri):
            return self._parquet.read(Path(row["path"]), row["key"])
        found = _SLICE.match(uri)
        return _read_slice(Path(found["path"]), int(found["offset"]), int(found["size"])) if found else Path(uri)

    def _blob(self, sha256: str) -> bytes:
        with speaking(self.table.uri):
            data = self._rows.read(sha256) if self._rows is not None else None
            if data is None and (newest := self._newest()) is not None:
                data = newest.read(sha256)
        if data is None:
            raise ImageError(Reason.MISSING_FILE, f"no blob {sha256}")
        return data

    def _newest(self) -> _Rows | None:
        """Return where the blobs of the newest version are; looked up once a version."""
        with self._looking:
            dataset = self.table.dataset()
            if dataset is not None and (self._rows is None or self._rows.dataset.version != dataset.version):
                self._rows = _Rows(dataset)
            return self._rows

    def _known(self, sums: list[str]) -> set[str]:
        if not sums or not self.table.exists:
            return set()
        listed = ", ".join(f"'{sha}'" for sha in sums)
        return set(self.table.to_table(where=f"sha256 IN ({listed})", columns=["sha256"])["sha256"].to_pylist())


class _Rows:
    """Where each blob of one version is, 16 bytes a blob, so that reading one does not search the table for it."""

    def __init__(self, dataset: lance.LanceDataset) -> None:
        self.dataset = dataset
        sums = dataset.to_table(columns=["sha256"])["sha256"].to_pylist()
        keys = np.fromiter(map(_key, sums), np.uint64, len(sums))
        self._rows = np.argsort(keys, kind="stable")
        self._keys = keys[self._rows]

    def read(self, sha256: str) -> bytes | None:
        """Return the bytes of a blob, None where there is none."""
        key = np.uint64(_key(sha256))
        first, last = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        for row in self._rows[first:last].tolist():
            found = self.dataset.take([row]).to_pylist()[0]
            if found["sha256"] == sha256:
                data: bytes = found["bytes"]
                return data
        return None


def _key(sha256: str) -> int:
    """Return the first 64 bits of a SHA-256, 0 for what is none."""
    return int(sha256[:16], 16) if re.match(r"[0-9a-f]{16}", sha256) else 0


def _fetched(url: str, max_bytes: int) -> bytes:
    """Return an image from elsewhere: the object, or a slice of it."""
    found = _SLICE.match(url)
    size = int(found["size"]) if found else max_bytes + 1
    try:
        data = read_url(found["path"], int(found["offset"]), size) if found else read_url(url, 0, size)
    except FileNotFoundError as error:
        raise ImageError(Reason.MISSING_FILE, "no such object") from error
    if found and len(data) != size:
        raise ImageError(Reason.TRUNCATED, f"{found['path']} ends before byte {int(found['offset']) + size}")
    if len(data) > max_bytes:
        raise ImageError(Reason.TOO_MANY_BYTES, f"more than {max_bytes} bytes")
    return data


def _read_slice(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise ImageError(Reason.MISSING_FILE, f"{path}: {error.strerror}") from error
    if len(data) != size:
        raise ImageError(Reason.TRUNCATED, f"{path} ends before byte {offset + size}")
    return data
