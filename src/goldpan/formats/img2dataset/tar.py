"""Tar shards: samples appended one by one, cut back after a kill, found again by key."""

from __future__ import annotations

import os
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from goldpan.core.errors import FormatError
from goldpan.formats.img2dataset.journal import Place

_BLOCK = tarfile.BLOCKSIZE
_MOST_DIRTY = 16 << 20
_OWNER = b"0000000\0" * 2  # root
_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
_SUM = sum(_TAIL) + 8 * ord(" ")  # of what is the same in all headers, the checksum's own place filled with blanks


class TarFile:
    """A tar that grows by whole samples (POSIX ustar).

    Args:
        path: the file, made where it is missing.
        end: bytes of it to keep; what follows is cut off.
        is_read_soon: keep in memory what is written.

    Raises:
        FormatError: it is shorter than that.
    """

    def __init__(self, path: Path, end: int, *, is_read_soon: bool = False) -> None:
        self.path = path
        self._is_read_soon = is_read_soon
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        size = os.fstat(self._file).st_size
        if size < end:
            os.close(self._file)
            raise FormatError(path, f"has {size:,} bytes, but images were written up to byte {end:,}")
        os.ftruncate(self._file, end)
        self._end = self._on_disk = end
        self._in_use = threading.Lock()

    @property
    def is_dirty(self) -> bool:
        """Tell whether it is time to `write_back`."""
        return self._end - self._on_disk > _MOST_DIRTY

    def append(self, key: str, parts: dict[str, bytes], label: str | None = None) -> Place:
        """Append the files ``KEY.SUFFIX`` of a sample, its image first; return the place of that.

        Raises:
            OSError: the disk is full; the tar is as before then.
        """
        pieces: list[bytes] = []
        for suffix, data in parts.items():
            pieces += [_header(f"{key}.{suffix}", len(data)), data, bytes(-len(data) % _BLOCK)]
        sample = b"".join(pieces)
        self._write(sample)
        start, self._end = self._end, self._end + len(sample)
        return Place(self.path.name, start + _BLOCK, len(pieces[1]), self._end)

    def read(self, place: Place) -> bytes:
        """Return the image at a place."""
        return os.pread(self._file, place.size, place.offset or 0)

    def sync(self) -> None:
        """Bring all samples to the disk."""
        os.fsync(self._file)

    def write_back(self) -> None:
        """Bring what there is to the disk, in whatever thread, and let go of the memory that held it.

        A sync has less to wait for then, and what comes next takes the same pages: on a virtual machine new ones cost
        more than what is copied to them.
        """
        with self._in_use:
            if self._file >= 0:
                end = self._end
                os.fdatasync(self._file)
                if not self._is_read_soon:
                    os.posix_fadvise(self._file, 0, end, os.POSIX_FADV_DONTNEED)
                self._on_disk = end

    def finish(self) -> None:
        """Write the end that readers look for, and close the file."""
        self._write(bytes(2 * _BLOCK + -(self._end + 2 * _BLOCK) % tarfile.RECORDSIZE))
        self.sync()
        self.close()

    def close(self) -> None:
        """Close the file; once more does nothing."""
        with self._in_use:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def _write(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, memoryview(data)[written:], self._end + written)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise


def _header(name: str, size: int) -> bytes:
    """Return the block before a file: POSIX ustar, read-only, owned by root. `tarfile` takes three times as long."""
    head = name.encode().ljust(100, b"\0") + b"0000444\0" + _OWNER + b"%011o\0%011o\0" % (size, int(time.time()))
    return head + b"%06o\0 " % (sum(head) + _SUM) + _TAIL


def places(path: Path) -> Iterator[tuple[str, Place]]:
    """Yield key and place of the image of every sample of a finished tar, in order.

    A sample is the files that share a name up to the first dot; its image is the one that is neither .json nor .txt.

    Raises:
        FormatError: it is no tar, or ends early.
    """
    key, image, end = "", None, 0
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # else all of them would be held
                name, _, suffix = info.name.partition(".")
                if name != key:
                    if image is not None:
                        yield key, image._replace(end=end)
                    key, image = name, None
                end = info.offset_data + info.size + -info.size % _BLOCK
                if suffix not in ("json", "txt"):
                    image = Place(path.name, info.offset_data, info.size, end)
            if image is not None:
                yield key, image._replace(end=end)
    except (tarfile.TarError, OSError) as error:
        raise FormatError(path, f"not a readable tar file: {error}") from error
