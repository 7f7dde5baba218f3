"""The bytes behind an image's `uri`: a file, a slice of a tar shard, an object of a bucket, a row of `blobs`.

Addresses: ``/abs/path.jpg`` a file; ``/abs/shard.tar#OFFSET+SIZE`` a slice of a file; ``/abs/shard.parquet#key=KEY`` an
image in a Parquet file, by its column `key`; ``blob:SHA256`` a stored copy; ``s3://bucket/key.jpg``,
``https://host/a.jpg`` and what else fsspec opens, whole or a slice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from goldpan.core.errors import ImageError, Reason, RemoteError
from goldpan.core.place import is_url
from goldpan.core.refusals import speaking
from goldpan.store.elsewhere import SLICE, fetch_objects
from goldpan.store.parquet_rows import ParquetRows
from goldpan.store.schemas import BLOBS
from goldpan.store.staging import Staged
from goldpan.store.tables import Table

if TYPE_CHECKING:
    import lance

_ROW = re.compile(r"^(?P<path>.+\.parquet)#key=(?P<key>.+)$")
_SCHEME = "blob:"
_MAX_BYTES = 1 << 28
_LARGE = 1 << 20
_AT_ONCE = 8


def slice_uri(path: Path | str, offset: int, size: int) -> str:
    """Return the address of `size` bytes at `offset` of a file."""
    return f"{path}#{offset}+{size}"


def row_uri(path: Path, key: str) -> str:
    """Return the address of the image in the row of a Parquet file whose `key` this is."""
    return f"{path}#key={key}"


def blob_uri(sha256: str) -> str:
    """Return the address of a stored copy."""
    return _SCHEME + sha256


class StagedBlobs(NamedTuple):
    """Copies that are not stored yet.

    Attributes:
        sums: their SHA-256, in order.
        rows: a file of them.
    """

    sums: list[str]
    rows: Staged


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
        self.table.append(_as_rows(fresh))

    def stage(self, contents: dict[str, bytes], folder: Path) -> StagedBlobs:
        """Write copies by SHA-256 beside the table, for whoever commits to `adopt`; see `staging`."""
        return StagedBlobs(list(contents), self.table.stage(_as_rows(contents), folder))

    def adopt(self, pieces: Sequence[StagedBlobs]) -> None:
        """Store what was staged; of copies that are there already, or twice in it, one is kept."""
        known = self._known([sha for piece in pieces for sha in piece.sums])
        whole = []
        for piece in pieces:
            fresh = [sha not in known for sha in piece.sums]
            known.update(piece.sums)
            if all(fresh):
                whole.append(piece.rows)
            elif any(fresh):
                self.table.append(piece.rows.read(BLOBS).filter(pa.array(fresh)))
        self.table.adopt(whole, BLOBS)

    def read(self, uri: str, max_bytes: int = _MAX_BYTES) -> bytes | Path:
        """Return what `uri` points to: a path for a plain file (opened by its reader), bytes otherwise.

        Args:
            uri: the address.
            max_bytes: the longest image to fetch from elsewhere.

        Raises:
            ImageError: the file, object or blob is not there, or cannot be read.
        """
        found = next(self.read_all([uri], max_bytes))
        if isinstance(found, ImageError):
            raise found
        return found

    def read_all(self, uris: Sequence[str], max_bytes: int = _MAX_BYTES) -> Iterator[bytes | Path | ImageError]:
        """Yield what each of `uris` points to, or why it cannot be read, in order; some are fetched at once."""
        for start in range(0, len(uris), _AT_ONCE):
            part = uris[start : start + _AT_ONCE]
            copies = self._copies([uri.removeprefix(_SCHEME) for uri in part if uri.startswith(_SCHEME)])
            objects = fetch_objects([uri for uri in part if is_url(uri)], max_bytes)
            for uri in part:
                if uri.startswith(_SCHEME):
                    yield copies[uri.removeprefix(_SCHEME)]
                else:
                    yield objects[uri] if uri in objects else self._on_disk(uri)

    def _copies(self, sums: list[str]) -> dict[str, bytes | ImageError]:
        if not sums:
            return {}
        try:
            with speaking(self.table.uri):
                found = self._rows.read(sums) if self._rows is not None else {}
                if len(found) < len(set(sums)) and (newest := self._newest()) is not None:
                    found = newest.read(sums)
        except RemoteError as error:
            return dict.fromkeys(sums, ImageError(error.reason, str(error)))
        return {sha: found.get(sha) or ImageError(Reason.MISSING_FILE, f"no blob {sha}") for sha in sums}

    def _on_disk(self, uri: str) -> bytes | Path | ImageError:
        try:
            if Path(uri).is_file():
                return Path(uri)
            if row := _ROW.match(uri):
                return self._parquet.read(Path(row["path"]), row["key"])
            found = SLICE.match(uri)
            return _read_slice(Path(found["path"]), int(found["offset"]), int(found["size"])) if found else Path(uri)
        except ImageError as error:
            return error
        except OSError as error:  # such as a name that is too long
            return ImageError(Reason.UNREADABLE_FILE, str(error.strerror))

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

    def read(self, sums: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of those blobs that are there, by SHA-256."""
        rows = sorted({row for sha in sums for row in self._rows_of(sha)})
        if not rows:
            return {}
        found = self.dataset.take(rows)
        return dict(zip(found["sha256"].to_pylist(), found["bytes"].to_pylist(), strict=True))

    def _rows_of(self, sha256: str) -> list[int]:
        key = np.uint64(_key(sha256))
        first, last = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        rows: list[int] = self._rows[first:last].tolist()
        return rows


def _as_rows(contents: dict[str, bytes]) -> pa.Table:
    parts = list(_parts(contents.values()))
    return pa.table([list(contents), pa.chunked_array(parts, pa.large_binary())], schema=BLOBS)


def _parts(copies: Iterable[bytes]) -> Iterator[pa.Array]:
    """Yield copies as Arrow: small ones together, each large one where it is in memory."""
    for is_large, some in groupby(copies, lambda data: len(data) >= _LARGE):
        if is_large:
            for data in some:
                span = pa.array([0, len(data)], pa.int64()).buffers()[1]
                yield pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, span, pa.py_buffer(data)])
        else:
            yield pa.array(list(some), pa.large_binary())


def _key(sha256: str) -> int:
    """Return the first 64 bits of a SHA-256, 0 for what is none."""
    return int(sha256[:16], 16) if re.match(r"[0-9a-f]{16}", sha256) else 0


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
