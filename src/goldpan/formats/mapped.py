"""Vectors that lie in a file as an array: mapped into memory, read without a copy, let go after each block."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goldpan.core.records import Metric
from goldpan.formats.protocol import check_ids, check_span, rows_per_block, spans

if TYPE_CHECKING:
    import pyarrow as pa

Selection = slice | NDArray[np.int64]


class FileMap:
    """The bytes of one file, mapped read-only; they stay mapped while an array made here lives.

    A file that another program cuts short while it is mapped ends this process (SIGBUS), as with every map.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.size = file.seek(0, 2)
            # An empty file cannot be mapped.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None

    def array(
        self, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, strides: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """Return a read-only view of the bytes from `offset` on; the caller has checked that they are there."""
        if self._map is None or 0 in shape:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, self._map, offset, strides)

    def release(self, start: int, stop: int) -> None:
        """Unmap the pages of bytes `start` to `stop`; arrays stay valid, and fetch them again if asked."""
        if self._map is not None and stop > start:
            first = start - start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, first, stop - first)


class ArrayReader:
    """A `VectorReader` over an array, mapped or in memory.

    Args:
        array: ``(n, d)``.
        path: the file it lies in.
        file: the map `array` is a view of, if it is one, and the offset of the first row in it.
        check: told which rows are about to be handed out; raises FormatError if the file is wrong there.
    """

    metric: Metric | None = None
    columns: tuple[str, ...] = ()

    def __init__(
        self,
        array: NDArray[Any],
        path: Path | None = None,
        *,
        file: tuple[FileMap, int] | None = None,
        check: Callable[[Selection], None] | None = None,
    ) -> None:
        self.path = path or Path("array")
        self._array = array
        self._file = file
        self._check = check

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self._array.shape[0])

    @property
    def dim(self) -> int:
        """Values a row."""
        return int(self._array.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._array.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows start to stop, a view."""
        check_span(self, start, stop)
        if self._check:
            self._check(slice(start, stop))
        return self._array[start:stop]

    def take(self, ids: ArrayLike) -> NDArray[Any]:
        """Return a copy of the rows numbered `ids`."""
        rows = check_ids(self, ids)
        if self._check:
            self._check(rows)
        return self._array[rows]

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Pass over all rows; each block's pages are let go when the next is asked for."""
        for start, stop in spans(self.n, rows_per_block(self, rows)):
            yield self.read(start, stop)
            self.release(start, stop)

    def metadata(self, rows: int | None = None) -> Iterator[pa.Table]:
        """There is none."""
        return iter(())

    def release(self, start: int, stop: int) -> None:
        """Let the pages of rows start to stop go; rows outside the file are passed over."""
        start, stop = max(0, start), min(self.n, stop)
        if self._file is None or start >= stop:
            return
        file, offset = self._file
        stride = self._array.strides[0]
        if stride < self.dim * self.dtype.itemsize:  # stored by columns: every block touches the whole file
            file.release(0, file.size)
        else:
            file.release(offset + start * stride, offset + stop * stride)
