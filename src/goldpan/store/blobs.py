"""The bytes behind an image's `uri`: a file, a slice of a tar shard, or a row of the `blobs` table.

Addresses: ``/abs/path.jpg`` a file; ``/abs/shard.tar#OFFSET+SIZE`` a slice of a file; ``blob:SHA256`` a stored copy.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from goldpan.core.errors import ImageError, Reason
from goldpan.store.schemas import BLOBS
from goldpan.store.tables import Table

_SLICE = re.compile(r"^(?P<path>.+)#(?P<offset>\d+)\+(?P<size>\d+)$")
_SCHEME = "blob:"


def slice_uri(path: Path, offset: int, size: int) -> str:
    """Return the address of `size` bytes at `offset` of a file."""
    return f"{path}#{offset}+{size}"


def blob_uri(sha256: str) -> str:
    """Return the address of a stored copy."""
    return _SCHEME + sha256


class Blobs:
    """Original bytes by SHA-256, stored once, and everything else a `uri` may point to."""

    def __init__(self, uri: str) -> None:
        self.table = Table(uri, BLOBS, "blobs")

    def put(self, contents: dict[str, bytes]) -> None:
        """Store copies by SHA-256; those already there are left alone."""
        known = self._known(list(contents))
        fresh = {sha: data for sha, data in contents.items() if sha not in known}
        if fresh:
            self.table.append(pa.table([list(fresh), list(fresh.values())], schema=BLOBS))

    def read(self, uri: str) -> bytes | Path:
        """Return what `uri` points to: a path for a plain file (opened by its reader), bytes otherwise.

        Raises:
            ImageError: the file or the blob is not there.
        """
        if uri.startswith(_SCHEME):
            return self._blob(uri.removeprefix(_SCHEME))
        found = None if Path(uri).is_file() else _SLICE.match(uri)
        return _read_slice(Path(found["path"]), int(found["offset"]), int(found["size"])) if found else Path(uri)

    def _blob(self, sha256: str) -> bytes:
        rows = self.table.to_table(where=f"sha256 = '{sha256}'", columns=["bytes"], limit=1)
        if rows.num_rows == 0:
            raise ImageError(Reason.MISSING_FILE, f"no blob {sha256}")
        data: bytes = rows["bytes"][0].as_py()
        return data

    def _known(self, sums: list[str]) -> set[str]:
        if not sums or not self.table.exists:
            return set()
        listed = ", ".join(f"'{sha}'" for sha in sums)
        return set(self.table.to_table(where=f"sha256 IN ({listed})", columns=["sha256"])["sha256"].to_pylist())


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
